"""The table of the keepers, and what transactions were refused for."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from perpsim.report.data import Floats, RunData, column, lookup, texts, to_float
from perpsim.report.table import Table, amount, figure, listed, span_of, text
from perpsim.report.tables_run import flat
from perpsim.report.words import role


def keepers(run: RunData) -> Table | None:
    """What each keeper found, sent, won and earned; columns that a run does not have are left out."""
    frame = run["keepers"]
    if not frame.height:
        return None
    columns: list[tuple[str, Any, Any]] = [
        ("Keeper", texts(frame, "name") if "name" in frame.columns else None, text),
        ("Strategy", texts(frame, "strategy") if "strategy" in frame.columns else None, text),
        ("Found", column(frame, "found", 1.0), figure),
        ("Sent", column(frame, "sent" if "sent" in frame.columns else "transactions", 1.0), figure),
        ("Won", column(frame, "won", 1.0), figure),
        ("Lost", column(frame, "lost", 1.0), figure),
        ("In vain", _in_vain(frame), figure),
        ("Reverted", column(frame, "reverted", 1.0), figure),
        ("Reward", column(frame, "reward"), amount),
        ("Gas used", column(frame, "gas_used", 1.0), figure),
        ("Paid for gas", column(frame, "gas_cost"), amount),
        ("Profit", column(frame, "profit"), amount),
        ("Time under water", column(frame, "underwater_seconds", 1.0), span_of),
    ]
    return listed(columns, range(frame.height))


def waits(run: RunData) -> Table | None:
    """How keepers bid for a place in a block, and what waiting did to them and to those they came for."""
    frame = run["keepers"]
    if "dropped" not in frame.columns or not frame.height:
        return None
    bids = texts(frame, "fee")
    columns: list[tuple[str, Any, Any]] = [
        ("Keeper", texts(frame, "name"), text),
        ("Bids", bids if any(bids) else None, text),
        ("In a block", column(frame, "transactions", 1.0), figure),
        ("Replaced", column(frame, "replaced", 1.0), figure),
        ("Dropped", column(frame, "dropped", 1.0), figure),
        ("Blocks waited", column(frame, "wait_blocks", 1.0), figure),
        ("Accounts served", column(frame, "served", 1.0), figure),
        ("Longest under water", column(frame, "underwater_worst", 1.0), span_of),
    ]
    return listed(columns, range(frame.height))


def _in_vain(frame: pl.DataFrame) -> Floats | None:
    """What went through and closed nothing."""
    if "vain" in frame.columns:
        return column(frame, "vain", 1.0)
    sent, won, reverted = (column(frame, key, 1.0) for key in ("transactions", "won", "reverted"))
    if sent is None or won is None or reverted is None:
        return None
    return np.maximum(sent - won - reverted, 0.0)


def reverts(run: RunData) -> Table | None:
    """Why transactions were refused, the most frequent reason first."""
    found = run.summary.get("reverts")
    if not isinstance(found, dict) or not found:
        return None
    rows = [[text(reason or "no reason given"), figure(to_float(n), 0)] for reason, n in found.items()]
    return Table(("Reason", "Transactions"), rows, look="pairs")


FEES = {
    "paid_quote": "Fees of all transactions, in {unit}",
    "paid": "Fees of all transactions, in {coin}",
    "burned": "of it burned (base fee), in {coin}",
    "tips": "of it tips, in {coin}",
    "price": "Price of a coin, in {unit}",
    "expired": "Transactions that never got into a block",
}


def fees(run: RunData) -> Table | None:
    """What was paid for gas; figures without a name here bear that of summary.json."""
    found = run.summary.get("fees")
    if not isinstance(found, dict) or not to_float(found.get("paid")):
        return None
    coin = str(found.get("coin") or "the native coin")
    rows = [
        [text(told.format(unit=run.unit, coin=coin)), figure(to_float(found[key]))]
        for key, told in FEES.items()
        if key in found
    ]
    rest = {key: value for key, value in found.items() if key not in (*FEES, "coin", "by_role")}
    rows += [[text(key), text(value)] for key, value in flat(rest)]
    return Table(("What", "How much"), rows, look="pairs")


def fees_by_role(run: RunData) -> Table | None:
    """Who paid how much for gas."""
    found = lookup(run.summary, "fees.by_role")
    if not isinstance(found, dict) or not to_float(lookup(run.summary, "fees.paid")):
        return None
    rows = [
        [
            text(role(name)),
            figure(to_float(lookup(item, "transactions"))),
            figure(to_float(lookup(item, "expired"))),
            figure(to_float(lookup(item, "gas_used"))),
            amount(to_float(lookup(item, "paid_quote"))),
        ]
        for name, item in found.items()
    ]
    return Table(("Who", "In a block", "Never in a block", "Gas used", f"Paid, {run.unit}"), rows)
