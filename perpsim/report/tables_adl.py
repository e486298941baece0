"""The tables about deleveraging: receipts, who was taken, and where those stood in the queue."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from perpsim.report.data import Floats, RunData, column, texts, to_float
from perpsim.report.table import Cell, Table, account_no, amount, figure, listed, share, span_of, text, when
from perpsim.report.tables import TOP
from perpsim.report.words import count, policy, role

SHOWN = 200  # rows of a list, at the most
LIGHTS = (5, 4, 3, 2, 1)


def receipts(run: RunData) -> Table | None:
    """Deleveraging receipts, the largest first when there are too many to list."""
    frame = run["adl"]
    if not frame.height:
        return None
    names = (
        ("Time (UTC)", "time", when),
        ("Block", "block", account_no),
        ("Bankrupt account", "account", account_no),
        ("Market", "market", text),
        ("Rule", "policy", text),
        ("Quantity closed", "quantity", figure),
        ("of it by index", "by_index", figure),
        ("At (bankruptcy price)", "bankruptcy_price", figure),
        ("Mark", "mark", figure),
        ("Deficit", "deficit", amount),
        ("Haircut", "haircut", amount),
        ("Accounts listed", "listed", account_no),
        ("taken", "reached", account_no),
        ("Fund before", "vault_before", amount),
        ("Fund after", "vault_after", amount),
    )
    scales = {"vault_before": 10.0**run.decimals, "vault_after": 10.0**run.decimals}
    ids = {"time", "block", "account", "market", "listed", "reached"}
    columns: list[tuple[str, Any, Any]] = []
    for head, name, make in names:
        values: Any = column(frame, name, 1.0 if name in ids else scales.get(name, 1e18))
        if name == "policy" and name in frame.columns:
            values = [policy(p) for p in texts(frame, name)]
        if name == "market":
            if len(run.markets()) < 2:
                continue
            values = None if values is None else [run.market_name(int(m)) for m in values]
        columns.append((head, values, make))
    weight = column(frame, "haircut")
    order = list(range(frame.height))
    note = ""
    if frame.height > SHOWN:
        heavy = np.zeros(frame.height) if weight is None else np.nan_to_num(np.abs(weight))
        order = sorted(np.argsort(-heavy, kind="stable")[:SHOWN].tolist())
        note = f"The {SHOWN} largest of {frame.height:,} receipts; all are in adl.parquet."
    table = listed(columns, order)
    return Table(table.heads, table.rows, note)


def taken(run: RunData) -> Table | None:
    """The accounts that bore most of the haircuts."""
    accounts, frame = run["accounts"], run["adl_rows"]
    ids, haircut = column(accounts, "account", 1.0), column(accounts, "adl_haircut")
    worth, pnl = column(accounts, "adl_notional"), column(accounts, "pnl")
    if ids is None or haircut is None:
        return None
    hit = np.flatnonzero((haircut > 0) if worth is None else (haircut > 0) | (worth > 0))
    if not hit.size:
        return None
    order = hit[np.argsort(-haircut[hit], kind="stable")][:TOP].tolist()
    times, first = _when_taken(frame, ids)
    columns: list[tuple[str, Any, Any]] = [
        ("Account", ids, account_no),
        ("Who", [role(r, one=True) for r in texts(accounts, "role")], text),
        ("Times taken from a list", times, account_no),
        ("Lights lit the first time", first, account_no),
        ("Closed by deleveraging", worth, amount),
        ("Haircut", haircut, amount),
        ("Share of all haircuts", haircut / max(float(haircut.sum()), 1e-12), share),
        ("Profit or loss in all", pnl, amount),
    ]
    table = listed(columns, order)
    rest = f"The {TOP} largest of {count(hit.size, 'account')}; all are in accounts.parquet."
    return Table(table.heads, table.rows, rest if hit.size > TOP else "")


def _when_taken(frame: pl.DataFrame, ids: Floats) -> tuple[Floats | None, Floats | None]:
    """How often each account was taken from a list, and its light the first time; None without lists."""
    if not frame.height or not {"counterparty", "light", "taken"} <= set(frame.columns):
        return None, None
    found = frame.filter(pl.col("taken") > 0).group_by("counterparty", maintain_order=True)
    rows = found.agg(pl.len().alias("times"), pl.col("light").first())
    known = {who: (times, light) for who, times, light in rows.iter_rows()}
    pairs = [known.get(int(who), (0, np.nan)) for who in ids]
    return np.array([float(p[0]) for p in pairs]), np.array([float(p[1]) for p in pairs])


def lights(run: RunData) -> Table | None:
    """Where those who were taken stood in their queues: five lights, as exchanges show it."""
    frame = run["adl_rows"]
    light, part = column(frame, "light", 1.0), column(frame, "taken")
    worth, haircut = column(frame, "notional"), column(frame, "haircut")
    if light is None or part is None or worth is None or haircut is None:
        return None
    rows: list[list[Cell]] = []
    for lit in LIGHTS:
        here = light == lit
        hit = here & (part > 0)
        row = [figure(float(lit), 0), figure(float(here.sum()), 0), figure(float(hit.sum()), 0)]
        row += [amount(float(worth[hit].sum())), amount(float(haircut[hit].sum()))]
        rows.append([*row, share(float(haircut[hit].sum()) / max(float(haircut.sum()), 1e-12))])
    heads = (
        "Lights lit",
        "Times listed",
        "Times taken",
        "Closed or charged",
        "Haircut",
        "Share of all haircuts",
    )
    return Table(heads, rows)


COST = (
    ("needed", "Owed by the bankrupt beyond their margin, when book and fund were through", amount),
    ("taken", "Given up for it by others, against the mark", amount),
    ("overshoot", "More than was needed", amount),
    ("profit_closed", "Unrealised profit of the positions that were closed", amount),
    ("profit_overshoot", "More than was needed, if all of that profit is counted", amount),
    ("share_of_liquidated", "Closed by deleveraging, as a share of what was liquidated", share),
    ("first_after_seconds", "From the first liquidation to the first deleveraging", span_of),
    ("gini", "Gini of the haircuts (0: all bore the same, towards 1: one bore it all)", figure),
    ("top_share", "Share of the ten who bore most", share),
    ("hedges", "Accounts that were hedged over markets", figure),
    ("hedges_broken", "of them lost a leg to a deleveraging", figure),
)


def cost(run: RunData) -> Table | None:
    """What deleveraging needed, and what it took."""
    found = run.summary.get("adl")
    if not isinstance(found, dict) or not to_float(found.get("count")):
        return None
    rows = [
        [text(told), make(value)]
        for key, told, make in COST
        if (value := to_float(found.get(key))) is not None
    ]
    return Table(("What", "How much"), rows, look="pairs") if rows else None
