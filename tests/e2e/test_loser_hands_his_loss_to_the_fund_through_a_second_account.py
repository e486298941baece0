"""Long and short in two accounts of one owner: whichever loses is abandoned, the other withdraws the
gain.

Limited liability is for sale on every exchange; what matters is its price. The fund loses what the gap is
beyond the margin, not a unit more, and nothing at all can be had without a gap.
"""

from __future__ import annotations

import pytest
from support import BOTH_DECIMALS, BOTH_SIDES, Actor, Exchange
from support.distress import NO_BREAKER, away, distress_market, fund_vault, positioned

from perpsim.chain import Revert
from perpsim.protocol import wad

WHOLE_VAULT = pytest.mark.exchange(markets=(distress_market(),), vault=NO_BREAKER)


def wealth(*actors: Actor) -> int:
    """What the owner could leave with, wei."""
    return sum(max(actor.equity, 0) for actor in actors)


@WHOLE_VAULT
@BOTH_DECIMALS
@BOTH_SIDES
@pytest.mark.parametrize("gap, lost", [(999, 0), (1_000, 0), (1_001, 10), (1_500, 5_000)])
def test_the_fund_loses_the_gap_beyond_the_margin(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int, gap: int, lost: int
) -> None:
    """Margin is 1,000 a unit: up to there the owner's gain is the owner's loss."""
    fund_vault(exchange, 50_000)
    loser = positioned(exchange, side, against="gainer")
    gainer = exchange.actor("gainer")
    start = wealth(loser, gainer)
    exchange.move(away(side, gap))
    maker.order(side, 10, away(side, gap))
    event = keeper.liquidate(loser).event("Liquidated")
    assert event.cover == wad(lost)
    assert wealth(loser, gainer) - start <= wad(lost)
    assert exchange.fund * exchange.unit() == wad(50_000 - lost) - event.reward + event.penalty
    exchange.check_invariants(dust=0, size_dust=0)


@WHOLE_VAULT
@BOTH_SIDES
def test_he_cannot_close_to_himself_at_an_absurd_price(exchange: Exchange, taker: Actor, side: int) -> None:
    """Near his margin he would sell to the second account far from the mark and leave the rest of the
    loss behind."""
    loser = positioned(exchange, side, against="gainer")
    second = taker
    exchange.move(away(side, 700))
    for distance in (1_001, 2_000, 4_000, 6_000):
        order = second.order(side, 10, away(side, distance), 1)
        for reduce_only in (False, True):
            with pytest.raises(Revert, match="order: margin"):
                loser.order(-side, 10, away(side, distance), 2, reduce_only=reduce_only)
        second.cancel(order.id)
        # the other way round: his own order rests there and the second account takes it
        resting = loser.order(-side, 10, away(side, distance), reduce_only=True)
        if resting.id:
            assert second.order(side, 10, away(side, distance), 2).filled == 0
            assert resting.id not in loser.orders()
    assert loser.size() == side * wad(10) and loser.equity == wad(3_000)


@WHOLE_VAULT
@BOTH_SIDES
def test_he_cannot_take_the_cover_by_bidding_far_below(exchange: Exchange, keeper: Actor, side: int) -> None:
    """The second account bids at the walk's limit, nobody else bids: the vault pays only near the mark.

    With cover_slippage 6 % that is 6 % less what the account's own margin gives. What is left to gain
    without any move of the price is bounded by the terms, not by the depth of the fund.
    """
    fund_vault(exchange, 50_000)
    loser = positioned(exchange, side, against="gainer")
    second = exchange.actor("second account", deposit=100_000)
    exchange.move(away(side, 700))
    mark = exchange.mark()
    for per_mille in (100, 90, 70, 61):
        price = mark * (1_000 - side * per_mille) // 1_000 // 10**15 * 10**15
        order = second.send(exchange.book, "place", side > 0, price, wad(10), 0, False, 0).value[0]
        if per_mille * mark // 1_000 > wad(300):
            event = keeper.liquidate(loser).event("Liquidated")
            assert (event.closed, event.cover) == (0, 0)
        second.cancel(order)
    start = wealth(loser, second, exchange.actor("gainer"))
    price = mark * (1_000 - side * 59) // 1_000 // 10**15 * 10**15
    second.send(exchange.book, "place", side > 0, price, wad(10), 0, False, 0)
    event = keeper.liquidate(loser).event("Liquidated")
    gained = wealth(loser, second, exchange.actor("gainer")) - start
    assert gained == event.cover <= mark * 10 * 6 // 100 - wad(3_000)


@WHOLE_VAULT
@BOTH_SIDES
def test_bids_of_others_are_hit_first(exchange: Exchange, keeper: Actor, maker: Actor, side: int) -> None:
    """Price-time priority: with an honest bid in front the colluding one gets nothing."""
    fund_vault(exchange, 50_000)
    loser = positioned(exchange, side, against="gainer")
    second = exchange.actor("second account", deposit=100_000)
    exchange.move(away(side, 700))
    second.order(side, 10, away(side, 1_200))
    maker.order(side, 10, away(side, 720))
    event = keeper.liquidate(loser).event("Liquidated")
    assert event.cover == 0 and second.size() == 0
