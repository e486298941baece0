"""A moment as plain data for the page: numbers in quote and base units, nothing formatted."""

from __future__ import annotations

import math
from typing import Any

from perpsim.deleveraging.lights import LIGHTS
from perpsim.deleveraging.policies import POLICIES, Policy
from perpsim.deleveraging.queue import standing_queue
from perpsim.serve.checks import checks
from perpsim.serve.moment import Moment, Row, Rows
from perpsim.simulation.counterparties import Counterparties
from perpsim.simulation.market_state import WAD
from perpsim.simulation.order_mirror import DEPTH_WIDTH

#: rows of a table, levels of a side of a book, places of a queue
ROWS, LEVELS, PLACES = 40, 12, 10
# Its order is drawn when it happens.
_BY_LOT = "random"

OUTCOMES = ("above", "at", "below")


def frame(moment: Moment) -> dict[str, Any]:
    """Everything that the page shows of one block."""
    return {
        "block": moment.block,
        "time": moment.time,
        "accounts": moment.indexer.accounts.count,
        "underwater": len(moment.indexer.health(moment.time).underwater),
        "markets": _markets(moment),
        "fund": _fund(moment),
        "liquidations": _liquidations(moment),
        "adl": _adl(moment),
        "keepers": [
            {**vars(keeper), "profit": keeper.profit}
            for keeper in sorted(moment.keepers, key=lambda keeper: (-keeper.profit, keeper.account))
        ],
        "signs": [vars(sign) for sign in moment.signs],
        "checks": [vars(check) for check in checks(moment)],
    }


def _markets(moment: Moment) -> list[dict[str, Any]]:
    counterparties = Counterparties(moment.indexer, list(moment.markets))
    found = []
    for market, (state, orders) in enumerate(zip(moment.indexer.states, moment.indexer.orders)):
        mark, interest = state.mark / WAD, state.open_interest / WAD
        bid, ask, bids, asks = orders.look(DEPTH_WIDTH, mark)
        listed = state.open_list
        found.append(
            {
                "symbol": moment.markets[market].symbol,
                "price": _finite(moment.prices[market]),
                "index": state.index / WAD or None,
                "mark": mark or None,
                "mid": (bid + ask) / 2 if bid and ask else None,
                "open_interest": interest,
                "open_notional": interest * mark,
                "leverage": _finite(moment.leverage[market]),
                "funding": state.funding_8h,
                "bid_depth": bids,
                "ask_depth": abs(asks),
                "bids": [[price, size / WAD] for price, size in orders.levels(True, LEVELS)],
                "asks": [[price, size / WAD] for price, size in orders.levels(False, LEVELS)],
                "frozen": None if listed is None else {"account": listed.account, "since": listed.opened},
                "queue": _queue(moment, counterparties, market),
            }
        )
    return found


def _queue(moment: Moment, counterparties: Counterparties, market: int) -> dict[str, Any]:
    """Both sides of a market, the first in line first."""
    name = moment.markets[market].adl
    if name not in POLICIES or name == _BY_LOT:
        return {"policy": name, "longs": None, "shorts": None}
    policy = POLICIES[name]
    return {
        "policy": name,
        "longs": _side(moment, counterparties, policy, market, True),
        "shorts": _side(moment, counterparties, policy, market, False),
    }


def _side(
    moment: Moment, counterparties: Counterparties, policy: Policy, market: int, is_long: bool
) -> dict[str, Any]:
    """The first places of a side, and how many accounts have five lights, four ... one."""
    queue = standing_queue(moment.indexer, counterparties, policy, market, is_long, moment.time)
    lit = [place.lights for place in queue]
    return {
        "counts": [lit.count(lights) for lights in range(LIGHTS, 0, -1)],
        "rows": [
            {
                "lights": lights,
                "account": one.account,
                "role": moment.roles.get(one.account, ""),
                "size": one.size / WAD,
                "profit": one.profit / WAD,
                "leverage": one.notional / one.share if one.share > 0 else None,
            }
            for one, lights in queue[:PLACES]
        ],
    }


def _fund(moment: Moment) -> dict[str, Any]:
    rows = moment.fund_rows
    initial = sum(row["amount_f64"] for row in rows if row["kind"] == "initial")
    by_kind: dict[str, float] = {}
    for row in rows:
        by_kind[row["kind"]] = by_kind.get(row["kind"], 0.0) + row["amount_f64"]
    return {
        "balance": rows[-1]["balance"] if rows else 0.0,
        "initial": initial,
        "by_kind": by_kind,
        "count": len(rows),
        "rows": [
            {
                "block": row["block"],
                "time": row["time"],
                "kind": row["kind"],
                "amount": row["amount_f64"],
                "balance": row["balance"],
                "account": row["account"],
            }
            for row in _last(rows)
        ],
    }


def _liquidations(moment: Moment) -> dict[str, Any]:
    done = [row for row in moment.liquidations if row["closed"] > 0]
    columns = (
        "block",
        "time",
        "account",
        "market",
        "closed",
        "notional",
        "penalty",
        "cover",
        "reward",
        "keeper",
        "outcome",
    )
    return {
        "count": len(done),
        "vain": len(moment.liquidations) - len(done),
        "notional": sum(row["notional"] for row in done),
        "outcomes": {outcome: sum(row["outcome"] == outcome for row in done) for outcome in OUTCOMES},
        "rows": [
            _picked(row, columns) | {"role": moment.roles.get(row["account"], "")} for row in _last(done)
        ],
    }


def _adl(moment: Moment) -> dict[str, Any]:
    columns = (
        "block",
        "time",
        "account",
        "market",
        "policy",
        "quantity",
        "bankruptcy_price",
        "mark",
        "haircut",
        "reached",
    )
    return {
        "count": len(moment.adl),
        "haircut": sum(row["haircut"] for row in moment.adl),
        "rows": [_picked(row, columns) for row in _last(moment.adl)],
    }


def _last(rows: Rows) -> list[Row]:
    """The newest first."""
    return list(rows[-ROWS:])[::-1]


def _picked(row: Row, columns: tuple[str, ...]) -> dict[str, Any]:
    return {name: row[name] for name in columns}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
