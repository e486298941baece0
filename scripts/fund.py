"""`ape run fund`: the insurance fund of the connected network and its history.

ape run fund --network http://127.0.0.1:8545 --last 50
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from ape.cli import ConnectedProviderCommand

_FILE = click.option("--deployment", type=click.Path(path_type=Path), default=None, help="Deployment file.")


@click.command(cls=ConnectedProviderCommand)
@click.option("--last", default=20, help="Rows of its history.")
@_FILE
def cli(provider: Any, last: int, deployment: Path | None) -> None:
    """Show the insurance fund."""
    _show(provider, deployment, lambda by_hand, mirror: by_hand.fund_lines(mirror, last))


def _show(provider: Any, deployment: Path | None, lines: Callable[[Any, Any], Any]) -> None:
    """What the log says; mistakes are one line."""
    # ape takes the project off the path once it has read the script
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from perpsim.devnet import by_hand
    from perpsim.devnet.ape_network import file_of, node_of
    from perpsim.devnet.deployment import attached
    from perpsim.devnet.mirror import Mirror
    from perpsim.errors import UserError

    node, path = node_of(provider), file_of(provider, deployment)
    try:
        found, _ = attached(node, path)
        mirror = Mirror(found, node, path.with_suffix(".log.jsonl"))
        mirror.follow()
        for line in lines(by_hand, mirror):
            click.echo(line)
    except UserError as error:
        raise click.ClickException(str(error)) from None
