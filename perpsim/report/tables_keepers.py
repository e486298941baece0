"""The table of the keepers, and what transactions were refused for."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from perpsim.report.data import Floats, RunData, column, texts, to_float
from perpsim.report.table import Table, account_no, amount, figure, listed, text
from perpsim.report.tables_run import flat
from perpsim.report.words import NOTHING, duration


def keepers(run: RunData) -> Table | None:
    """One row a keeper; columns that a run does not have are left out."""
    frame = run["keepers"]
    if not frame.height:
        return None
    included, sent, vain = (column(frame, key, 1.0) for key in ("transactions", "sent", "vain"))
    columns: list[tuple[str, Any, Any]] = [
        ("Keeper", texts(frame, "name") if "name" in frame.columns else None, text),
        ("Strategy", texts(frame, "strategy") if "strategy" in frame.columns else None, text),
        ("Account", column(frame, "account", 1.0), account_no),
        ("Found", column(frame, "found", 1.0), figure),
        ("Sent", included if sent is None else sent, figure),
        ("In a block", None if sent is None else included, figure),
        ("Won", column(frame, "won", 1.0), figure),
        ("Lost", column(frame, "lost", 1.0), figure),
        ("In vain", _in_vain(frame) if vain is None else vain, figure),
        ("Reverted", column(frame, "reverted", 1.0), figure),
        ("Replaced", column(frame, "replaced", 1.0), figure),
        ("Dropped", column(frame, "dropped", 1.0), figure),
        ("Blocks waited", column(frame, "wait_blocks", 1.0), figure),
        ("Reward", column(frame, "reward"), amount),
        ("Gas used", column(frame, "gas_used", 1.0), figure),
        ("Paid for gas", column(frame, "gas_cost"), amount),
        ("Profit", column(frame, "profit"), amount),
        ("Accounts served", column(frame, "served", 1.0), figure),
        ("Their mean time under water", column(frame, "underwater_seconds", 1.0), _seconds),
        ("The longest", column(frame, "underwater_worst", 1.0), _seconds),
    ]
    return listed(columns, range(frame.height))


def _seconds(value: float | None) -> tuple[str, float | None]:
    if value is None or not np.isfinite(value):
        return NOTHING, None
    return duration(value), value


def _in_vain(frame: pl.DataFrame) -> Floats | None:
    """Transactions that went through and closed nothing."""
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
    "burned": "of it burned (base fee)",
    "tips": "of it tips",
    "price": "Price of the coin at the end, {unit}",
    "highest_base_fee": "Highest base fee, gwei",
    "dropped": "Transactions that never got into a block",
}


def fees(run: RunData) -> Table | None:
    """What was paid for gas; figures without a name here bear that of summary.json."""
    found = run.summary.get("fees")
    if not isinstance(found, dict):
        return None
    coin = str(found.get("coin") or "the native coin")
    rows = [
        [text(told.format(unit=run.unit, coin=coin)), figure(to_float(found[key]))]
        for key, told in FEES.items()
        if key in found
    ]
    rows += [[text(key), text(value)] for key, value in flat(found) if key not in (*FEES, "coin")]
    return Table(("What", "How much"), rows, look="pairs") if rows else None
