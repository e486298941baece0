"""The walk through the book against the rules of SPECIFICATION.md, 7, in exact fractions.

For any bids, prices, sizes and coverage the contract does what the rules say, but for rounding: a few
wei a fill, at the worst the value of a wei of size.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import LONG, SHORT, Exchange, deployed
from support.distress import NO_BREAKER, TERMS, distress_market, fund_vault

from perpsim.protocol import WAD, MarketParams, ProtocolParams, wad

ONE = Fraction(WAD)
RATE = Fraction(TERMS.penalty_rate, WAD)
SLIPPAGE = Fraction(TERMS.max_slippage, WAD)
COVER_SLIPPAGE = Fraction(TERMS.cover_slippage, WAD)
#: what rounding may add up to, wei of quote and of size
QUOTE_DUST = 10**7
SIZE_DUST = 10**4


class Bid(NamedTuple):
    """An order on the closing side: ticks beyond the mark (negative: better than it) and lots."""

    ticks: int
    lots: int


@dataclass
class Expected:
    """What the rules give, in wei."""

    equity: Fraction
    left: Fraction
    coverage: Fraction
    penalty: Fraction = Fraction(0)
    cover: Fraction = Fraction(0)


def by_the_rules(
    side: int, equity: int, size: int, mark: int, fund: int, unit: int, orders: list
) -> Expected:
    """Close everything against (price, size) orders, best first, the older first. All in wei."""
    now = Expected(Fraction(equity), Fraction(size), Fraction(fund))
    limit = mark * (1 - side * SLIPPAGE)
    covered_limit = mark * (1 - side * COVER_SLIPPAGE)
    covered = False
    for price, resting in orders:
        if not now.left or (limit - price) * side > 0:
            break
        take = min(now.left, Fraction(resting))
        lost = side * (mark - price) * take / ONE
        share = now.equity * take / now.left
        if share >= lost:
            penalty = min(RATE * price * take / ONE, share - lost)
            now.penalty += penalty
            now.equity -= lost + penalty
            now.left -= take
            continue
        if not covered:
            covered = True
            reward = min(
                max(Fraction(size) * mark / ONE / 1_000, TERMS.reward_min),
                TERMS.reward_max,
                RATE * size * mark / ONE,
            )
            # whole token units of what the penalties leave beside the reward
            now.coverage += (now.penalty - min(now.penalty, reward)) // unit * unit
        if (covered_limit - price) * side > 0:
            break
        need = lost - share
        paid = min(need, now.coverage)
        done = paid / need
        now.coverage -= paid
        now.cover += paid
        now.equity -= share * done
        now.left -= take * done
        if done < 1:
            break
    return now


MARKETS: dict[str, tuple[MarketParams, Decimal]] = {
    "ten thousand": (distress_market(), Decimal(10_000)),
    "one": (distress_market(tick_size=wad("0.000001")), Decimal(1)),
}


def close_and_compare(
    exchange: Exchange, start: Decimal, side: int, move: int, size: Decimal, bids: list[Bid], fund: Decimal
) -> None:
    """Open, move the mark, quote, liquidate, compare."""
    market = exchange.params.markets[0]
    exchange.move(start)
    loser = exchange.actor("loser", deposit=(start * size * Decimal("0.1")).quantize(Decimal("0.000001")) + 1)
    winner = exchange.actor("winner", deposit=10**9)
    exchange.open(side, loser, winner, size, start)
    if fund:
        fund_vault(exchange, fund)
    # per mille against the account, and an odd wei
    mark = wad(start) * (1_000 - side * move) // 1_000 + 1
    exchange.move(Decimal(mark) / WAD)
    equity, _, maintenance = loser.health
    if equity >= maintenance or exchange.liquidator.view("closable", loser.account, 0) != wad(size):
        return
    orders = []
    maker = exchange.actor("maker", deposit=10**9)
    tick, lot = market.tick_size, market.lot_size
    for bid in bids:
        price = (mark // tick - side * bid.ticks * (wad(start) // tick // 2_000)) * tick
        maker.send(exchange.book, "place", side > 0, price, bid.lots * lot * int(size), 0, False, 0)
        orders.append((price, bid.lots * lot * int(size)))
    orders.sort(key=lambda order: -side * order[0])
    unit = exchange.unit()
    # a wei of rounding in a penalty may make a token unit of coverage, or take one away
    funds = [max(exchange.fund + units, 0) * unit for units in (0, 1, -1)]
    outcomes = [by_the_rules(side, equity, wad(size), mark, amount, unit, orders) for amount in funds]
    event = exchange.actor("keeper").liquidate(loser).event("Liquidated")
    left, _, _ = loser.position()
    rules = min(outcomes, key=lambda outcome: abs(abs(left) - outcome.left))
    assert abs(abs(left) - rules.left) <= SIZE_DUST
    assert abs(event.penalty - rules.penalty) <= QUOTE_DUST
    assert abs(event.cover - rules.cover) <= QUOTE_DUST
    assert abs(loser.equity - rules.equity) <= QUOTE_DUST
    # whatever rounding does, it does not do it at the expense of the exchange or of solvency
    assert equity < 0 or loser.equity >= 0
    exchange.check_invariants(size_dust=0)


@pytest.mark.parametrize("name", MARKETS)
@pytest.mark.parametrize("decimals", [6, 18])
@pytest.mark.parametrize("side", [LONG, SHORT], ids=["long", "short"])
def test_any_book_any_coverage(name: str, decimals: int, side: int) -> None:
    """The contract follows the rules."""
    market, start = MARKETS[name]
    params = ProtocolParams(decimals=decimals, markets=(market,), vault=NO_BREAKER)

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(
        move=st.integers(40, 300),
        size=st.integers(1, 1_000).map(Decimal),
        bids=st.lists(st.builds(Bid, st.integers(-100, 250), st.integers(1, 700)), max_size=6),
        fund=st.one_of(st.just(0), st.integers(0, 10**6), st.integers(0, 10**12)).map(
            lambda units: Decimal(units) / 10**6
        ),
    )
    def check(move: int, size: Decimal, bids: list[Bid], fund: Decimal) -> None:
        with deployed(params) as exchange:
            close_and_compare(exchange, start, side, move, size, bids, fund)

    check()
