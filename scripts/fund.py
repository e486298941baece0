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
    # ape takes the project off the path once it has read the script
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from perpsim.devnet import by_hand
    from perpsim.devnet.commands import show

    show(provider, deployment, lambda mirror: lines(by_hand, mirror))
