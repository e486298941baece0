"""The tables of the report. One without data is None."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from perpsim.report.data import OUTFLOWS, WAD, Floats, RunData, column, lookup, texts, to_float
from perpsim.report.facts import drawdown, fund_balance
from perpsim.report.table import Cell, Table, account_no, amount, figure, share, text
from perpsim.report.words import NOTHING, count, moment, role

TOP = 20  # accounts

Maker = Callable[[float | None], Cell]


def listed(
    columns: Sequence[tuple[str, Floats | Sequence[str] | None, Maker]], order: Sequence[int]
) -> Table:
    """A table of those columns that exist."""
    there = [(head, values, make) for head, values, make in columns if values is not None]
    rows = []
    for i in order:
        row: list[Cell] = []
        for _, values, make in there:
            value = values[i]
            row.append(text(value) if isinstance(value, str) else make(float(value)))
        rows.append(row)
    return Table([head for head, _, _ in there], rows)


def days(run: RunData) -> Table | None:
    """The fund day by day, UTC."""
    series = fund_balance(run)
    if series is None:
        return None
    times, values = series
    flows, when_ = column(run["fund"], "amount", 10.0**run.decimals), column(run["fund"], "time")
    kinds = np.array(texts(run["fund"], "kind"))
    falls, day, rows = drawdown(values), times // 86400, []
    before = values[0]
    for d in np.unique(day):
        here = np.flatnonzero(day == d)
        last = values[here[-1]]
        row = [text(moment(d * 86400).rsplit(" ", 2)[0]), amount(before), amount(last)]
        row += [share(last / before - 1 if before > 0 else None), share(float(falls[here].min()))]
        if flows is not None and when_ is not None:
            today = when_ // 86400 == d
            gone = np.isin(kinds, OUTFLOWS)
            row.append(amount(float(np.abs(flows[today & ~gone & (kinds != "initial")]).sum())))
            row.append(amount(float(np.abs(flows[today & gone]).sum())))
        rows.append(row)
        before = last
    heads = ["Day (UTC)", "Fund at its start", "At its end", "Change", "Lowest under the peak"]
    if flows is not None and when_ is not None:
        heads += ["In", "Out"]
    return Table(heads, rows)


BORNE = (
    ("Deposits", "deposits"),
    ("Profit or loss", "pnl"),
    ("Fees paid", "fees"),
    ("Liquidated", "liquidated_notional"),
    ("Deleveraged", "adl_notional"),
    ("Socialised loss", "socialised"),
)


def roles(run: RunData) -> Table | None:
    """Who bore what, by role."""
    frame = run["accounts"]
    if not frame.height or "role" not in frame.columns:
        return None
    names = np.array(texts(frame, "role"))
    found = [(head, values) for head, key in BORNE if (values := column(frame, key)) is not None]
    hit = column(frame, "liquidated_notional")
    pnl = column(frame, "pnl")
    weight = np.zeros(frame.height) if pnl is None else np.nan_to_num(pnl)
    rows: list[list[Cell]] = []
    for name in sorted(set(names.tolist()), key=lambda n: (float(weight[names == n].sum()), n)):
        chosen = names == name
        row = [text(role(name) or "unnamed"), figure(float(chosen.sum()), 0)]
        if hit is not None:
            row.append(figure(float((hit[chosen] > 0).sum()), 0))
        rows.append(row + [amount(float(np.nansum(values[chosen]))) for _, values in found])
    heads = ["Who", "Accounts"] + (["Liquidated accounts"] if hit is not None else []) + [h for h, _ in found]
    return Table(heads, rows)


def accounts(run: RunData, worst: bool) -> Table | None:
    """The accounts that lost (or won) most."""
    frame = run["accounts"]
    pnl = column(frame, "pnl")
    if pnl is None:
        return None
    order = np.argsort(np.nan_to_num(pnl) * (1 if worst else -1), kind="stable")[:TOP].tolist()
    order = [i for i in order if (pnl[i] < 0) == worst and pnl[i] != 0]
    if not order:
        return None
    columns: list[tuple[str, Any, Any]] = [
        ("Account", column(frame, "account", 1.0), account_no),
        ("Who", [role(r, one=True) for r in texts(frame, "role")], text),
        *((head, column(frame, key), amount) for head, key in BORNE),
        ("Equity at the end", column(frame, "equity"), amount),
    ]
    return listed(columns, order)


def _in_vain(frame: pl.DataFrame) -> Floats | None:
    """Transactions that went through and closed nothing."""
    sent, won, reverted = (column(frame, key, 1.0) for key in ("transactions", "won", "reverted"))
    if sent is None or won is None or reverted is None:
        return None
    return np.maximum(sent - won - reverted, 0.0)


def keepers(run: RunData) -> Table | None:
    frame = run["keepers"]
    if not frame.height:
        return None
    columns: list[tuple[str, Any, Any]] = [
        ("Keeper", texts(frame, "name") if "name" in frame.columns else None, text),
        ("Strategy", texts(frame, "strategy") if "strategy" in frame.columns else None, text),
        ("Account", column(frame, "account", 1.0), account_no),
        ("Found", column(frame, "found", 1.0), figure),
        ("Sent", column(frame, "transactions", 1.0), figure),
        ("Won", column(frame, "won", 1.0), figure),
        ("Lost", column(frame, "lost", 1.0), figure),
        ("In vain", _in_vain(frame), figure),
        ("Reverted", column(frame, "reverted", 1.0), figure),
        ("Reward", column(frame, "reward"), amount),
        ("Profit", column(frame, "profit"), amount),
        ("Gas used", column(frame, "gas_used", 1.0), figure),
    ]
    return listed(columns, range(frame.height))


def expectations(run: RunData) -> Table | None:
    """What the scenario's author expected of the summary's figures, against what came out."""
    listed = run.summary.get("expected")
    rows: list[list[Cell]] = []
    for item in listed if isinstance(listed, list) else []:
        if not isinstance(item, dict):
            continue
        met = {True: "yes", False: "no"}.get(item.get("holds"), NOTHING)  # type: ignore[arg-type]
        row = [text(item.get("figure", NOTHING)), figure(to_float(item.get("value")))]
        row += [figure(to_float(item.get(key))) for key in ("low", "high")]
        rows.append([*row, text(met), figure(to_float(item.get("real"))), text(item.get("note") or "")])
    heads = ("Figure", "In this run", "Expected from", "to", "Met", "In reality", "Note")
    return Table(heads, rows, look="pairs") if rows else None


def flat(tree: object, path: str = "") -> list[tuple[str, str]]:
    """Nested parameters as (dotted path, value); short lists of plain values stay on one line."""
    if isinstance(tree, dict):
        return [
            pair for key, value in tree.items() for pair in flat(value, f"{path}.{key}" if path else str(key))
        ]
    if isinstance(tree, list):
        if any(isinstance(v, dict) for v in tree):
            return [pair for i, value in enumerate(tree) for pair in flat(value, f"{path}[{i}]")]
        shown = ", ".join(str(v) for v in tree[:6])
        return [(path, shown + (f" ... ({len(tree)} in all)" if len(tree) > 6 else ""))]
    if not isinstance(tree, str) and (value := to_float(tree)) is not None and value.is_integer():
        return [(path, f"{value:,.0f}" if isinstance(tree, float) else f"{tree:,}")]
    return [(path, NOTHING if tree is None else str(tree))]


RULES = (
    ("invariant 1", "The exchange holds the tokens that it owes its users, and the fund those of its books."),
    ("invariant 2", "Longs and shorts add up to the same open interest."),
    ("invariant 6", "The fund moves only by what its own events say."),
    ("invariant 7", "Every loss is booked in full, and the shares of those who paid add up to it."),
    ("", "Every account rebuilt from the log is what the contracts say, to the last unit."),
)


def invariants(run: RunData) -> Table | None:
    """The rules that the simulation checks, and whether they held."""
    checked = run.number("invariants.checked")
    if checked is None:
        return None
    broken = lookup(run.summary, "violation")
    broken = broken if isinstance(broken, str) else ""
    named = any(key and key in broken for key, _ in RULES)
    rows: list[list[Cell]] = []
    for key, rule in RULES:
        guilty = bool(broken) and (key in broken if key else not named)
        held = "held at " + count(checked, "check") if checked else "not checked"
        rows.append([text(rule), text(f"broken: {broken}" if guilty else held)])
    dust = run.number("invariants.dust")
    if dust is not None:
        rows.append([text("Left over from rounding, at the most"), text(f"{dust / WAD:.3g} {run.unit}")])
    return Table(("What", "Result"), rows, look="pairs")


def reverts(run: RunData) -> Table | None:
    """Why transactions were refused, the most frequent reason first."""
    found = run.summary.get("reverts")
    if not isinstance(found, dict) or not found:
        return None
    rows = [[text(reason or "no reason given"), figure(to_float(n), 0)] for reason, n in found.items()]
    return Table(("Reason", "Transactions"), rows, look="pairs")
