"""`ape run keeper`: a liquidation and deleveraging bot on the connected network; one line of JSON an event.

ape run keeper --network http://127.0.0.1:8545 --strategy profit --account ALIAS
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from ape.cli import ConnectedProviderCommand


@click.command(cls=ConnectedProviderCommand)
@click.option("--strategy", default="profit", help="greedy, racer, alternate, profit or batch.")
@click.option("--account", "alias", default=None, help="Who sends: an alias of ape, or perpsim:N.")
@click.option("--deployment", type=click.Path(path_type=Path), default=None, help="Deployment file.")
@click.option("--min-profit", default=0.0, help="Quote units that a transaction must promise after gas.")
@click.option(
    "--coin-price", type=float, help="Quote units a native coin, 0: gas is free. Default: the scenario's."
)
@click.option(
    "--max-fee",
    default=300.0,
    type=click.FloatRange(0, min_open=True),
    help="Gwei a unit of gas at the most.",
)
@click.option("--poll", default=1.0, help="Seconds between looks at the node.")
@click.option("--dry-run", is_flag=True, help="Say what would be sent, send nothing.")
@click.option("--once", is_flag=True, help="One look, then end.")
def cli(
    provider: Any,
    strategy: str,
    alias: str | None,
    deployment: Path | None,
    min_profit: float,
    max_fee: float,
    coin_price: float | None,
    poll: float,
    dry_run: bool,
    once: bool,
) -> None:
    """Liquidate whoever is under water."""
    # ape takes the project off the path once it has read the script
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from perpsim.devnet.ape_network import existing_file_of, node_of, signer_of
    from perpsim.devnet.bots import open_keeper, run_keeper
    from perpsim.errors import UserError

    try:
        bot = open_keeper(
            node_of(provider),
            signer_of(provider, alias),
            existing_file_of(provider, deployment),
            strategy=strategy,
            min_profit=min_profit,
            max_fee=max_fee,
            coin_price=coin_price,
            dry_run=dry_run,
        )
        run_keeper(bot, poll=poll, once=once)
    except UserError as error:
        raise click.ClickException(str(error)) from None
