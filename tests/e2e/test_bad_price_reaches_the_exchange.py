"""A price that is stale, zero, negative or from the future moves a position, or two prices do in one
transaction."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support import BOTH_SIDES, FOK, Actor, Exchange
from support.distress import away, distress_market, positioned

from perpsim.chain import Revert
from perpsim.protocol import wad

TWO = pytest.mark.exchange(markets=(distress_market(), distress_market()))


def post(exchange: Exchange, price: int, when: int) -> None:
    """As the reporter."""
    exchange.owner.send(exchange.oracle, "post", 0, price, when)


def words(exchange: Exchange) -> tuple[list[int], list[int]]:
    """All that the clearinghouse knows of both markets' prices."""
    first, second = (exchange.clearinghouse.view("market_words", market) for market in (0, 1))
    return list(first), list(second)


BAD: dict[str, tuple[Callable[[int], int], Callable[[int], int]]] = {
    "stale": (lambda now: wad(5_000), lambda now: now - 61),
    "older than the last": (lambda now: wad(5_000), lambda now: now - 13),
    "as old as the last": (lambda now: wad(5_000), lambda now: now - 12),
    "zero": (lambda now: 0, lambda now: now),
    "negative": (lambda now: 2**256 - wad(5_000), lambda now: now),
    "from the future": (lambda now: wad(5_000), lambda now: now + 1),
    "from far in the future": (lambda now: wad(5_000), lambda now: 2**40 + now),
    "larger than its field": (lambda now: 2**88, lambda now: now),
}


@TWO
@BOTH_SIDES
@pytest.mark.parametrize("name", BAD)
def test_nothing_changes_by_a_price_that_is(exchange: Exchange, keeper: Actor, side: int, name: str) -> None:
    """Nor by one of it among good ones."""
    price, when = BAD[name]
    trader = positioned(exchange, side)
    exchange.refresh(12)
    exchange.wait(12)
    before, health = words(exchange), trader.health
    with pytest.raises(Revert, match="oracle: "):
        post(exchange, price(exchange.now), when(exchange.now))
    with pytest.raises(Revert, match="oracle: "):
        exchange.owner.send(
            exchange.oracle, "post_many", [1, 0], [wad(9_000), price(exchange.now)], when(exchange.now)
        )
    assert words(exchange) == before and trader.health == health
    with pytest.raises(Revert, match="liquidate: healthy"):
        keeper.liquidate(trader)
    post(exchange, wad(away(side, 900)), exchange.now)
    assert trader.equity == wad(1_000)


@TWO
@BOTH_SIDES
def test_two_prices_in_one_transaction_are_refused(exchange: Exchange, side: int) -> None:
    """Who could buy between them would buy low and sell high for certain."""
    trader = positioned(exchange, side)
    exchange.wait(12)
    before = words(exchange)
    up, down = wad(away(-side, 500)), wad(away(side, 500))
    for markets, prices in (([0, 0], [up, down]), ([0, 1, 0], [up, wad(10_000), down])):
        with pytest.raises(Revert, match="oracle: price not newer"):
            exchange.owner.send(exchange.oracle, "post_many", markets, prices, exchange.now)
        assert words(exchange) == before
    assert trader.equity == wad(10_000)


@TWO
@BOTH_SIDES
def test_a_second_price_of_the_same_second_is_refused_whoever_posts_it(
    exchange: Exchange, maker: Actor, taker: Actor, side: int
) -> None:
    """In one block nobody trades at two marks."""
    second = exchange.actor("second reporter")
    exchange.owner.send(exchange.oracle, "set_reporter", second.address, True)
    exchange.move(10_000)
    maker.order(-side, 1, 10_000)
    taker.order(side, 1, 10_000, FOK)
    with pytest.raises(Revert, match="oracle: price not newer"):
        second.send(exchange.oracle, "post", 0, wad(away(-side, 500)), exchange.now)
    # an older price, though fresh enough, comes too late
    with pytest.raises(Revert, match="oracle: price not newer"):
        second.send(exchange.oracle, "post", 0, wad(away(-side, 500)), exchange.now - 1)
    exchange.poke()
    assert exchange.mark() == wad(10_000) and taker.equity == maker.equity == wad(1_000_000)


@TWO
@BOTH_SIDES
def test_a_price_grows_stale_without_anybody_doing_anything(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int
) -> None:
    """After its last second nobody is judged by it, however old: not liquidated, not paid out."""
    trader = positioned(exchange, side)
    exchange.move(away(side, 990))
    exchange.wait(60)
    with exchange.isolated():
        maker.order(side, 10, away(side, 990))
        assert keeper.liquidate(trader).value == wad(10)
    for later in (1, 3_600, 10**8):
        exchange.wait(later)
        with pytest.raises(Revert, match="liquidate: stale index"):
            keeper.liquidate(trader)
        with pytest.raises(Revert, match="withdraw: nothing"):
            exchange.actor("winner").withdraw(1)
        with pytest.raises(Revert, match="order: stale index"):
            maker.order(-side, 1, away(side, 990))
            trader.order(side, 1, away(side, 990))
        # poking does not freshen it
        exchange.poke()
        maker.cancel_all()
