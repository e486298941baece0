"""One account, two markets: liquidating one must leave the other as it was."""

from __future__ import annotations

import pytest
from support import BOTH_SIDES, Actor, Exchange
from support.distress import away, distress_market

from perpsim.protocol import Tier, wad

#: 5 % and 10 % of maintenance margin
TWO = (distress_market(), distress_market(tiers=(Tier(wad(10**8), wad("0.2"), wad("0.1")),)))


def spread(exchange: Exchange, side: int, other: int) -> Actor:
    """10 in the first market, 5 in the second, 20,000 of margin."""
    trader = exchange.actor("trader", deposit=20_000)
    winner = exchange.actor("winner", deposit=10**8)
    exchange.open(side, trader, winner, 10, 10_000)
    exchange.open(other, trader, winner, 5, 10_000, market=1)
    return trader


@pytest.mark.exchange(markets=TWO)
@BOTH_SIDES
@pytest.mark.parametrize("other", [1, -1], ids=["other long", "other short"])
@pytest.mark.parametrize("market", [0, 1])
def test_closing_one_at_its_bankruptcy_price_leaves_the_ratio(
    exchange: Exchange, side: int, other: int, market: int
) -> None:
    """The first market falls by 1,200: 8,000 against margins of 4,400 (5,600) and 5,000; sold at the
    price where its share by margin is gone, the rest has the same equity per margin as before, to a
    few wei."""
    trader = spread(exchange, side, other)
    exchange.move(away(side, 1_200))
    exchange.owner.send(exchange.oracle, "post", 1, wad(10_000), exchange.now)
    equity, _, maintenance = trader.health
    assert equity == wad(8_000) < maintenance
    own = side if market == 0 else other
    size = 10 if market == 0 else 5
    price = trader.bankruptcy_price(market)
    tick = exchange.params.markets[market].tick_size
    # the next tick in favour of the trader
    price = -(-price // tick) * tick if own > 0 else price // tick * tick
    buyer = exchange.actor("buyer", deposit=10**6)
    buyer.send(exchange.protocol.books[market], "place", own > 0, price, wad(size), 0, False, 0)
    keeper = exchange.actor("keeper")
    sent = keeper.liquidate(trader, with_deleverage=True, market=market)
    left, _, margin = trader.health
    closed = sent.event("Liquidated").closed
    if closed == wad(size):
        assert trader.size(market) == 0
        # one tick of the price may be left as surplus and go as penalty
        assert abs(left * maintenance - equity * margin) <= maintenance * size * tick
    assert trader.size(1 - market) == (other * wad(5) if market == 0 else side * wad(10))
    exchange.check_invariants(dust=100, size_dust=0)


@pytest.mark.exchange(markets=TWO)
@BOTH_SIDES
@pytest.mark.parametrize("first", [0, 1])
def test_both_go_one_after_the_other_in_any_order(exchange: Exchange, side: int, first: int) -> None:
    """Solvent, both books at the mark: the penalties are each market's own; nothing is double, nothing
    lost."""
    trader = spread(exchange, side, side)
    exchange.move(away(side, 1_100))
    exchange.owner.send(exchange.oracle, "post", 1, wad(away(side, 800)), exchange.now)
    equity = trader.equity
    assert equity == wad(20_000 - 11_000 - 4_000)
    buyer = exchange.actor("buyer", deposit=10**6)
    buyer.order(side, 10, away(side, 1_100))
    buyer.order(side, 5, away(side, 800), market=1)
    keeper = exchange.actor("keeper", deposit=1)
    penalties = 0
    for market in (first, 1 - first):
        event = keeper.liquidate(trader, market=market).event("Liquidated")
        assert event.market == market
        penalties += event.penalty
        assert 0 < event.penalty <= event.notional // 200 + 1
        if trader.equity >= trader.health.maintenance:
            break
    assert trader.equity == equity - penalties
    assert exchange.fund * exchange.unit() <= penalties
    exchange.check_invariants(dust=100, size_dust=0)
