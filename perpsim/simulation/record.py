"""A finished (or broken off) simulation as the tables of the run folder."""

from __future__ import annotations

from typing import Any

import polars as pl

from perpsim.simulation.keeper_record import KEEPER_TXS, KEEPERS
from perpsim.simulation.ledger import Row
from perpsim.simulation.market_state import WAD
from perpsim.simulation.runner import Simulation

_FUND = {
    "block": pl.Int64,
    "time": pl.Int64,
    "market": pl.Int64,
    "account": pl.Int64,
    "kind": pl.String,
    "amount": pl.String,
    "amount_f64": pl.Float64,
    "balance": pl.Float64,
}
_LIQUIDATIONS = {
    "block": pl.Int64,
    "time": pl.Int64,
    "account": pl.Int64,
    "market": pl.Int64,
    "keeper": pl.Int64,
    **{
        name: pl.Float64
        for name in ("closed", "notional", "penalty", "cover", "reward", "equity_before", "mm_before")
    },
    "outcome": pl.String,
}
_ADL = {
    "block": pl.Int64,
    "time": pl.Int64,
    "account": pl.Int64,
    "market": pl.Int64,
    "policy": pl.String,
    **{
        name: pl.Float64
        for name in (
            "deficit",
            "vault_before",
            "vault_after",
            "mark",
            "bankruptcy_price",
            "quantity",
            "by_index",
            "haircut",
        )
    },
    "listed": pl.Int64,
    "reached": pl.Int64,
}
_ADL_ROWS = {
    "block": pl.Int64,
    "time": pl.Int64,
    "account": pl.Int64,
    "market": pl.Int64,
    "counterparty": pl.Int64,
    "place": pl.Int64,
    "light": pl.Int64,
    "key": pl.String,
    **{name: pl.Float64 for name in ("size", "taken", "notional", "haircut")},
}

_STAKERS = {
    "block": pl.Int64,
    "time": pl.Int64,
    "owner": pl.String,
    "kind": pl.String,
    "amount": pl.Float64,
}


def tables(simulation: Simulation) -> dict[str, pl.DataFrame]:
    """All tables, by the name of their file."""
    ledger = simulation.ledger
    return {
        "events": simulation.log.frame(),
        "blocks": simulation.metrics.frame(),
        "accounts": _accounts(simulation),
        "fund": _frame(ledger.fund_rows, _FUND),
        "liquidations": _frame(ledger.liquidations, _LIQUIDATIONS),
        "adl": _frame(ledger.adl, _ADL),
        "adl_rows": _frame(ledger.adl_rows, _ADL_ROWS),
        "keepers": _frame(simulation.keeper_book.table(), KEEPERS),
        "keeper_txs": _frame(simulation.keeper_book.rows, KEEPER_TXS),
        "warnings": simulation.warner.frame(),
        "stakers": _frame(simulation.vault_table.rows, _STAKERS),
    }


def _frame(rows: list[Row], schema: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema, orient="row")


def _accounts(simulation: Simulation) -> pl.DataFrame:
    """One row an account at the end. Amounts in quote units; `collateral` exact in WAD."""
    indexer, health = simulation.indexer, simulation.health
    accounts, burden = indexer.accounts, indexer.burden
    count = min(accounts.count + 1, health.equity.size)
    rows = slice(1, count)
    equity = health.equity[rows]
    deposits, withdrawals = burden.deposits[rows], burden.withdrawals[rows]
    columns: dict[str, Any] = {
        "account": range(1, count),
        "owner": accounts.owners[1:count],
        "role": [simulation.cast.role_of(owner) for owner in accounts.owners[1:count]],
        "collateral": [str(value) for value in accounts.collateral_wad[1:count]],
        "collateral_f64": [value / WAD for value in accounts.collateral_wad[1:count]],
        "equity": equity,
        "deposits": deposits,
        "withdrawals": withdrawals,
        "pnl": equity + withdrawals - deposits,
        "fees": burden.fees[rows],
        "liquidated_notional": burden.liquidated_notional[rows],
        "adl_notional": burden.adl_notional[rows],
        "adl_haircut": burden.adl_haircut[rows],
        "adl_profit": burden.adl_profit[rows],
        "socialised": burden.socialised[rows],
        "leverage": [simulation.cast.leverage_of(owner) for owner in accounts.owners[1:count]],
    }
    for market in range(accounts.markets):
        columns[f"size_{market}"] = health.size[market][rows]
        columns[f"entry_{market}"] = [value / WAD for value in accounts.entry_wad[market][1:count]]
    return pl.DataFrame(columns, schema_overrides={"account": pl.Int64, "leverage": pl.Float64})
