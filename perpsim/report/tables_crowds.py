"""Tables of those who do something special: stakers, attackers, accounts that hedge over markets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from perpsim.report.data import RunData, lookup, to_float
from perpsim.report.table import Cell, Table, amount, figure, text, when

Figure = tuple[str, str, Callable[[float | None], Cell]]

STAKERS: tuple[Figure, ...] = (
    ("joined", "Accounts that staked", figure),
    ("asked", "of them asked to leave", figure),
    ("left", "of them have left", figure),
    ("waiting", "Still waiting at the end", figure),
    ("lapsed", "Let their turn pass", figure),
    ("first_request", "First request to leave (UTC)", when),
    ("staked", "Paid in", amount),
    ("requested", "Asked for", amount),
    ("taken_out", "Taken out", amount),
    ("forfeited", "Given up by leaving after a loss", amount),
    ("value", "Worth of what is left", amount),
    ("lost", "Lost", amount),
    ("price_low", "Lowest price of a share", figure),
)
BASKETS: tuple[Figure, ...] = (
    ("accounts", "Accounts that hedge over markets", figure),
    ("opened", "of them held all their legs at some time", figure),
    ("broken", "of them lost a leg against their will", figure),
    ("broken_by_adl", "to a deleveraging", figure),
    ("liquidated", "to a liquidation", figure),
    ("breaks", "How often that happened", figure),
)
ATTACKERS: tuple[Figure, ...] = (
    ("first", "First move (UTC)", when),
    ("paid_in", "Paid in", amount),
    ("taken_out", "Taken out", amount),
    ("left", "Left on the exchange", amount),
    ("outside", "Made elsewhere", amount),
    ("profit", "Profit", amount),
    ("liquidated_notional", "Liquidated", amount),
    ("fund_before", "Fund before", amount),
    ("fund_low", "Fund at its lowest", amount),
    ("fund_lost", "Fund lost meanwhile", amount),
    ("fund_paid_for_it", "of it for the attacker", amount),
)


def _pairs(found: Any, figures: tuple[Figure, ...]) -> Table | None:
    if not isinstance(found, dict):
        return None
    rows = [[text(told), make(to_float(found[key]))] for key, told, make in figures if key in found]
    return Table(("What", "How much"), rows, look="pairs") if rows else None


def stakers(run: RunData) -> Table | None:
    """All stakers together."""
    return _pairs(run.summary.get("stakers"), STAKERS)


def baskets(run: RunData) -> Table | None:
    """All accounts that hedge over markets together."""
    return _pairs(run.summary.get("baskets"), BASKETS)


def attackers(run: RunData) -> Table | None:
    """A row an attacker."""
    found = run.summary.get("attackers")
    listed = [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    if not listed:
        return None
    there = [one for one in ATTACKERS if any(one[0] in item for item in listed)]
    rows: list[list[Cell]] = []
    for item in listed:
        market = to_float(item.get("market"))
        row = [text(item.get("name") or item.get("kind") or "attacker")]
        row.append(text("" if market is None else run.market_name(int(market))))
        rows.append(row + [make(to_float(lookup(item, key))) for key, _, make in there])
    return Table(["Attacker", "Market", *(told for _, told, _ in there)], rows)
