"""`ape run trade`: orders by hand on the connected network.

ape run trade buy 0.5 7200 --network http://127.0.0.1:8545 --account ALIAS
ape run trade cancel all --network http://127.0.0.1:8545
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
_MARKET = click.option("--market", default="0", help="Number or symbol.")
_KIND = click.option("--kind", type=click.Choice(["gtc", "post-only", "ioc", "fok"]), default="gtc")
_REDUCE = click.option("--reduce-only", is_flag=True, help="Only against the position.")


@click.group()
def cli() -> None:
    """Place and cancel orders."""


def _order(name: str) -> None:
    @cli.command(name, cls=ConnectedProviderCommand, help=f"{name.capitalize()} SIZE at PRICE or better.")
    @click.argument("size")
    @click.argument("price")
    @_MARKET
    @_KIND
    @_REDUCE
    @_WHO
    @_FILE
    def place(
        provider: Any,
        size: str,
        price: str,
        market: str,
        kind: str,
        reduce_only: bool,
        alias: str | None,
        deployment: Path | None,
    ) -> None:
        def do(customer: Any) -> Any:
            return customer.place(name == "buy", size, price, market, kind, reduce_only)

        _as_customer(provider, alias, deployment, do)


_order("buy")
_order("sell")


@cli.command(cls=ConnectedProviderCommand)
@click.argument("order", default="all")
@_MARKET
@_WHO
@_FILE
def cancel(provider: Any, order: str, market: str, alias: str | None, deployment: Path | None) -> None:
    """Take back ORDER, or all."""
    _as_customer(provider, alias, deployment, lambda customer: customer.cancel(order, market))


def _as_customer(provider: Any, alias: str | None, deployment: Path | None, do: Callable[[Any], Any]) -> None:
    # ape takes the project off the path once it has read the script
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from perpsim.devnet.commands import as_customer

    as_customer(provider, alias, deployment, do)
