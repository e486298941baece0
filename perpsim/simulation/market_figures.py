"""Figures of a run by market, and of its deleveragings together: for summary.json."""

from __future__ import annotations

from typing import Any

import numpy as np

from perpsim.simulation.burden import gini, top_share
from perpsim.simulation.runner import Simulation

# Share of the run whose median depth counts as what there is when nothing happens.
_CALM = 0.25


def markets(simulation: Simulation) -> list[dict[str, Any]]:
    """A row a market, quote units.

    `fall` and `rise`: the furthest that the outside price was below its highest, above its lowest until then,
    as fractions. `bids_gone`, `asks_gone`: how far the book's depth near the mid fell below its median of the
    first quarter of the run, as a fraction of that, at the median block of the worst hundredth.
    """
    metrics, ledger = simulation.metrics, simulation.ledger
    rows = []
    for market, terms in enumerate(simulation.scenario.markets):
        price = np.asarray(metrics.column(f"price_{market}"))
        closed = [row for row in ledger.liquidations if row["market"] == market and row["closed"] > 0]
        adl = [row for row in ledger.adl if row["market"] == market]
        covers = [row for row in ledger.fund_rows if row["market"] == market and row["kind"] == "cover"]
        interest = np.asarray(metrics.column(f"open_interest_{market}")) * np.asarray(
            metrics.column(f"mark_{market}")
        )
        rows.append(
            {
                "symbol": terms.symbol,
                "fall": _furthest(price, np.maximum.accumulate, -1.0),
                "rise": _furthest(price, np.minimum.accumulate, 1.0),
                "open_interest_high": float(interest.max(initial=0.0)),
                "liquidations": len(closed),
                "liquidated_notional": float(sum(row["notional"] for row in closed)),
                "paid_by_fund": -float(sum(row["amount_f64"] for row in covers)),
                "adl": len(adl),
                "adl_notional": float(sum(abs(row["quantity"] * row["mark"]) for row in adl)),
                "bids_gone": _gone(metrics.column(f"bid_depth_{market}")),
                "asks_gone": _gone(metrics.column(f"ask_depth_{market}")),
            }
        )
    return rows


def _furthest(price: Any, running: Any, sign: float) -> float:
    if not price.size:
        return 0.0
    return float(np.max(sign * (price / running(price) - 1)))


def _gone(depth: list[float]) -> float | None:
    """None where there was no depth to begin with."""
    values = np.asarray(depth)
    calm = float(np.median(values[: max(1, int(values.size * _CALM))])) if values.size else 0.0
    return 1 - float(np.quantile(values, 0.005)) / calm if calm > 0 else None


def left_open(simulation: Simulation) -> dict[str, Any]:
    """What nobody has closed at the end: accounts under their maintenance margin, and what they owe beyond
    their collateral (quote units)."""
    health = simulation.health
    owed = np.maximum(-health.equity[health.underwater], 0.0)
    return {"left": len(health.underwater), "left_deficit": float(owed.sum())}


def deleveraging(simulation: Simulation) -> dict[str, Any]:
    """What deleveraging needed, took, and from whom; quote units, shares as fractions, None without any.

    `needed`: what the bankrupt accounts owed beyond their margin when book and fund were through. `taken`:
    what others gave up for it against the mark. `profit_closed`: the unrealised profit of the positions that
    were closed, paid out or given up; research counts all of it as taken, and so `profit_overshoot` is that
    less `needed`. `gini` and `top_share` (ten accounts) say how unevenly `taken` was borne by those it hit.
    """
    ledger, burden = simulation.ledger, simulation.indexer.burden
    needed = float(sum(row["haircut"] for row in ledger.adl))
    hit = np.flatnonzero((burden.adl_notional > 0) | (burden.adl_haircut > 0))
    borne = np.maximum(burden.adl_haircut[hit], 0.0)
    taken, profit = float(borne.sum()), float(burden.adl_profit[hit].sum())
    liquidated = [row for row in ledger.liquidations if row["closed"] > 0]
    closed = float(sum(row["notional"] for row in liquidated))
    marked = float(sum(abs(row["quantity"] * row["mark"]) for row in ledger.adl))
    first = min((row["time"] for row in ledger.adl), default=None)
    began = min((row["time"] for row in liquidated), default=None)
    return {
        "needed": needed,
        "taken": taken,
        "overshoot": taken - needed,
        "profit_closed": profit,
        "profit_overshoot": profit - needed,
        "profit_per_needed": profit / needed if needed > 0 else None,
        "share_of_liquidated": marked / closed if ledger.adl and closed > 0 else None,
        "first_after_seconds": first - began if first is not None and began is not None else None,
        "gini": gini(borne),
        "top_share": top_share(borne),
    }
