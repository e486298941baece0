"""`ape run deploy`: deploy the whole protocol to the connected network and write its addresses as JSON.

ape run deploy --network ethereum:local:test
ape run deploy --network ethereum:sepolia:node --account ALIAS --token ADDRESS
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
from ape.cli import ConnectedProviderCommand


@click.command(cls=ConnectedProviderCommand)
@click.option("--scenario", default="black-thursday-2020", help="Whose parameters: a name or a file.")
@click.option(
    "--account", "alias", default=None, help="Ape account that deploys and owns; a test account if left out."
)
@click.option(
    "--token", default=None, help="Collateral that is already there; a faucet token is deployed if left out."
)
@click.option(
    "--out", type=click.Path(path_type=Path), default=None, help="Default: deployments/NETWORK.json."
)
def cli(provider: Any, scenario: str, alias: str | None, token: str | None, out: Path | None) -> None:
    """Deploy the protocol and write its addresses."""
    # ape takes the project off the path once it has read the script
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from ape import accounts

    from perpsim.chain import Revert
    from perpsim.chain.ape_engine import ApeChain
    from perpsim.errors import UserError
    from perpsim.protocol import deploy
    from perpsim.scenarios.loading import load_scenario
    from perpsim.simulation.parameters import protocol_params

    network = f"{provider.network.ecosystem.name}-{provider.network.name}-{provider.name}"
    try:
        params = protocol_params(load_scenario(scenario))
        signer = accounts.load(alias) if alias else accounts.test_accounts[0]
        protocol = deploy(ApeChain(provider, signer), params, token=token)
    except (UserError, Revert, KeyError) as error:
        raise click.ClickException(str(error)) from None
    target = out or Path("deployments") / f"{network}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "network": network,
        "chain_id": provider.chain_id,
        "owner": protocol.owner,
        "scenario": scenario,
        "contracts": protocol.addresses(),
    }
    target.write_text(json.dumps(record, indent=2) + "\n")
    for name, address in protocol.addresses().items():
        click.echo(f"{name:16s} {address}")
    click.echo(f"written to {target}")
