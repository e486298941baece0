"""The tables of the report. One without data is None."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from perpsim.report.data import OUTFLOWS, RunData, column, texts
from perpsim.report.facts import drawdown, fund_balance
from perpsim.report.table import Cell, Table, account_no, amount, figure, listed, share, text
from perpsim.report.words import moment, role

TOP = 20  # accounts

Maker = Callable[[float | None], Cell]


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
