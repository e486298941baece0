"""`ape run deploy`: deploy the whole protocol to the connected network and write its deployment file.

ape run deploy --network ethereum:local:test
ape run deploy --network http://127.0.0.1:8545 --scenario my.toml
ape run deploy --network ethereum:sepolia:node --account ALIAS --token ADDRESS
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from ape.cli import ConnectedProviderCommand


@click.command(cls=ConnectedProviderCommand)
@click.option("--scenario", default="black-thursday-2020", help="Whose parameters: a name or a file.")
@click.option(
    "--account", "alias", default=None, help="Account that deploys and owns: an alias of ape, or perpsim:N."
)
@click.option("--token", default=None, help="Collateral that is already there; else a faucet token.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=None, help="Default: deployments/NETWORK.json."
)
@click.option("--force", is_flag=True, help="Even if the file's exchange still stands.")
def cli(
    provider: Any, scenario: str, alias: str | None, token: str | None, out: Path | None, force: bool
) -> None:
    """Deploy the protocol and write its addresses."""
    # ape takes the project off the path once it has read the script
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from perpsim.devnet.ape_network import file_of, network_of, node_of, signer_of
    from perpsim.devnet.deployment import deploy_to
    from perpsim.devnet.live_chain import LiveChain
    from perpsim.errors import UserError
    from perpsim.scenarios.loading import load_scenario

    path = file_of(provider, out)
    try:
        chain = LiveChain(node_of(provider), signer_of(provider, alias))
        found = deploy_to(
            chain,
            load_scenario(scenario),
            network_of(provider),
            path,
            token=token,
            force=force,
            notice=click.echo,
        )
    except UserError as error:
        raise click.ClickException(str(error)) from None
    for name, address in found.contracts.items():
        click.echo(f"{name:18s} {address}")
    click.echo(f"gas used {chain.gas_used:,}")
    click.echo(f"written to {path}")
