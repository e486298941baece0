"""Hundreds of minimum-size orders, good and bad, stand before the bids: a keeper still gets through, call
by call."""

from __future__ import annotations

import pytest
from support import BOTH_SIDES, Exchange
from support.distress import DISTRESS, away, positioned

from perpsim.chain import Revert
from perpsim.protocol import wad


@DISTRESS
@BOTH_SIDES
def test_two_hundred_crumbs(exchange: Exchange, side: int) -> None:
    """64 a call; every call closes something, none reverts, and the bids behind are reached."""
    loser = positioned(exchange, side)
    for i in range(7):
        spammer = exchange.actor(f"spammer {i}", deposit=1_000)
        for _ in range(30):
            spammer.order(side, "0.001", away(side, 600))
    exchange.actor("bids", deposit=10**6).order(side, 10, away(side, 700))
    exchange.move(away(side, 700))
    keeper = exchange.actor("keeper")
    closed = [keeper.liquidate(loser).value for _ in range(4)]
    assert closed == [wad("0.064")] * 3 + [wad("10") - 3 * wad("0.064")]
    exchange.check_invariants(dust=100, size_dust=0)


@DISTRESS
@BOTH_SIDES
def test_orders_whose_margin_was_withdrawn_again(exchange: Exchange, side: int) -> None:
    """They cost the spammer nothing when hit, and the keeper one call for 64 of them."""
    loser = positioned(exchange, side)
    for i in range(5):
        spammer = exchange.actor(f"spammer {i}", deposit=1_000)
        for _ in range(30):
            spammer.order(side, "0.001", away(side, 600))
        spammer.withdraw(1_000)
    exchange.actor("bids", deposit=10**6).order(side, 10, away(side, 700))
    exchange.move(away(side, 1_001))
    keeper = exchange.actor("keeper")
    # bankrupt by now; deleveraging has to wait for the walk to end
    for _ in range(2):
        sent = keeper.liquidate(loser, with_deleverage=True)
        assert sent.value == 0 and len(sent.named("OrderRemoved")) == 64
        assert not sent.named("DeleverageReceipt")
    assert keeper.liquidate(loser, with_deleverage=True).value == wad(10)


@DISTRESS
@BOTH_SIDES
def test_slivers_below_the_minimum_are_not_to_be_had(exchange: Exchange, side: int) -> None:
    """Not through reduce-only orders, and not by a keeper who closes a wei at a time."""
    loser = positioned(exchange, side)
    with pytest.raises(Revert, match="order: size"):
        loser.order(-side, "0.000000000000000001", 10_000, reduce_only=True)
    bids = exchange.actor("bids", deposit=10**6)
    order = bids.order(side, 10, away(side, 700)).id
    exchange.move(away(side, 700))
    keeper = exchange.actor("keeper")
    keeper.liquidate(loser, "0.000000000000000001")
    assert exchange.book.view("order", order).size == wad("9.999")
