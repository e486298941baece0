"""Rules that can be checked on the log alone, at any block."""

from __future__ import annotations

from collections.abc import Iterator

from perpsim.serve.moment import Check, Moment
from perpsim.simulation.invariants import add_up
from perpsim.simulation.market_state import WAD

# Rounding may leave this much per settlement with the exchange, WAD wei.
_DUST_PER_EVENT = 4
_CENT = 0.01


def checks(moment: Moment) -> list[Check]:
    """All of them, and those that the moment brings along."""
    return [*_open_interest(moment), *_books(moment), _fund(moment), _waterfall(moment), *moment.checks]


def _open_interest(moment: Moment) -> Iterator[Check]:
    indexer = moment.indexer
    totals = add_up(indexer.accounts, indexer.states, moment.time)
    scale = 1 + max((state.mark for state in indexer.states), default=0) // WAD
    dust = _DUST_PER_EVENT * scale * (indexer.touches + indexer.accounts.count + 1)
    for market, state in enumerate(indexer.states):
        longs, shorts, interest = totals.longs[market], totals.shorts[market], state.open_interest
        yield Check(
            f"{moment.markets[market].symbol}: longs, shorts and open interest are the same",
            abs(longs - interest) <= dust and abs(shorts - interest) <= dust,
            f"{longs / WAD:,.6g} long, {shorts / WAD:,.6g} short, {interest / WAD:,.6g} open",
        )


def _books(moment: Moment) -> Iterator[Check]:
    for market, orders in enumerate(moment.indexer.orders):
        bid, ask = orders.top()
        shown = f"{bid:,.8g} bid, {ask:,.8g} asked" if bid and ask else "a side is empty"
        yield Check(
            f"{moment.markets[market].symbol}: the book is not crossed",
            not (bid and ask and bid >= ask),
            shown,
        )


def _fund(moment: Moment) -> Check:
    flows = sum(row["amount_f64"] for row in moment.fund_rows)
    balance = moment.fund_rows[-1]["balance"] if moment.fund_rows else 0.0
    return Check(
        "The fund's balance is the sum of its flows",
        abs(flows - balance) < _CENT,
        f"{round(flows, 2) + 0.0:,.2f} flowed in and out, {balance:,.2f} there",
    )


def _waterfall(moment: Moment) -> Check:
    losses = len(moment.bad_debt) + len(moment.adl)
    found = (
        moment.broken[0] if moment.broken else f"{losses:,} {'loss' if losses == 1 else 'losses'} added up"
    )
    return Check("What was lost is what somebody bore", not moment.broken, found)
