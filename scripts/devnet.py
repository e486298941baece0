"""`ape run devnet SCENARIO`: a node with the scenario's market on it, in real time, until Ctrl-C.

ape run devnet black-thursday-2020 --speed 12
ape run devnet smoke --no-keepers --network http://127.0.0.1:8545
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from ape.cli import ConnectedProviderCommand


@click.command(cls=ConnectedProviderCommand)
@click.argument("scenario")
@click.option("--speed", type=click.FloatRange(min=0.01), default=1.0, help="Times as fast as its clock.")
@click.option("--no-keepers", is_flag=True, help="Nobody liquidates but you.")
@click.option("--port", default=8545, help="Of an anvil that is started, where no node is given.")
@click.option("--set", "overrides", multiple=True, help="key.path=value of the scenario.")
@click.option("--deployment", type=click.Path(path_type=Path), default=None, help="Deployment file.")
@click.option("--force", is_flag=True, help="Begin anew, whatever stands there.")
def cli(
    provider: Any,
    scenario: str,
    speed: float,
    no_keepers: bool,
    port: int,
    overrides: tuple[str, ...],
    deployment: Path | None,
    force: bool,
) -> None:
    """Let SCENARIO's market run on a node: on --network URL, or on an anvil that is started."""
    # ape takes the project off the path once it has read the script
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from perpsim.devnet.ape_network import url_of
    from perpsim.devnet.bots import run_devnet
    from perpsim.errors import UserError
    from perpsim.scenarios.loading import load_scenario

    try:
        wanted = load_scenario(scenario, overrides)
        run_devnet(
            wanted,
            url_of(provider),
            deployment,
            speed=speed,
            keepers=not no_keepers,
            port=port,
            force=force,
        )
    except UserError as error:
        raise click.ClickException(str(error)) from None
