"""`ape run account`: show an account, pay in and out.

ape run account show 12 --network http://127.0.0.1:8545
ape run account deposit 1000 --network http://127.0.0.1:8545 --account ALIAS
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from ape.cli import ConnectedProviderCommand

_FILE = click.option("--deployment", type=click.Path(path_type=Path), default=None, help="Deployment file.")
_WHO = click.option("--account", "alias", default=None, help="Who sends: an alias of ape, or perpsim:N.")


@click.group()
def cli() -> None:
    """Show an account; deposit and withdraw."""


@cli.command(cls=ConnectedProviderCommand)
@click.argument("who")
@_FILE
def show(provider: Any, who: str, deployment: Path | None) -> None:
    """WHO: number of an account, or address of its owner."""
    _show(provider, deployment, lambda by_hand, mirror: by_hand.account_lines(mirror, who))


@cli.command(cls=ConnectedProviderCommand)
@click.argument("amount")
@_WHO
@_FILE
def deposit(provider: Any, amount: str, alias: str | None, deployment: Path | None) -> None:
    """Pay AMOUNT in; a faucet token comes for nothing."""
    _as_customer(
        provider,
        alias,
        deployment,
        lambda customer: [f"account {customer.deposit(amount)}: {amount} paid in"],
    )


@cli.command(cls=ConnectedProviderCommand)
@click.argument("amount")
@_WHO
@_FILE
def withdraw(provider: Any, amount: str, alias: str | None, deployment: Path | None) -> None:
    """Take AMOUNT out."""

    def do(customer: Any) -> list[str]:
        customer.withdraw(amount)
        return [f"{amount} paid out"]

    _as_customer(provider, alias, deployment, do)


def _as_customer(provider: Any, alias: str | None, deployment: Path | None, do: Callable[[Any], Any]) -> None:
    # ape takes the project off the path once it has read the script
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from perpsim.devnet.commands import as_customer

    as_customer(provider, alias, deployment, do)


def _show(provider: Any, deployment: Path | None, lines: Callable[[Any, Any], Any]) -> None:
    # ape takes the project off the path once it has read the script
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from perpsim.devnet import by_hand
    from perpsim.devnet.commands import show

    show(provider, deployment, lambda mirror: lines(by_hand, mirror))
