"""A fill outside its limit, an order cancelled by a stranger, an id that suddenly means another order."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from support import BOTH_SIDES, FOK, GTC, IOC, PLAIN, POST_ONLY, Actor, Exchange

from perpsim.chain import Revert
from perpsim.protocol import wad


def near(draw: random.Random) -> Decimal:
    """A price at most twenty ticks from 10,000."""
    return Decimal(10_000_000 + draw.randint(-20, 20)) / 1_000


@PLAIN
@BOTH_SIDES
@pytest.mark.parametrize("kind", [GTC, POST_ONLY, IOC, FOK], ids=["gtc", "post-only", "ioc", "fok"])
def test_no_fill_is_outside_a_limit_of_either(exchange: Exchange, side: int, kind: int) -> None:
    """Random orders around the touch: each fill is at the resting order's price, which is no worse than the
    limit of who takes it, and nobody gets a worse price while a better one rests."""
    draw = random.Random(kind)
    makers = [exchange.actor(f"maker {i}", deposit=10**6) for i in range(3)]
    taker = exchange.actor("taker", deposit=10**6)
    limits: dict[int, int] = {}
    filled = 0
    for turn in range(300):
        maker = draw.choice(makers)
        if turn % 8 == 0:
            for actor in (*makers, taker):
                actor.cancel_all()
        price = near(draw)
        try:
            placed = maker.order(draw.choice((1, -1)), draw.randint(1, 4), price, POST_ONLY)
            limits[placed.id] = wad(price)
        except Revert as error:
            assert error.reason == "order: post-only would cross"
        limit = near(draw)
        best = exchange.top()[0 if side < 0 else 1]
        try:
            taken = taker.order(side, draw.randint(1, 6), limit, kind)
        except Revert as error:
            assert error.reason in ("order: post-only would cross", "order: cannot be filled whole")
            continue
        limits[taken.id] = wad(limit)
        prices = [fill.price for fill in taken.named("Fill")]
        assert [limits[fill.order_id] for fill in taken.named("Fill")] == prices
        assert all((wad(limit) - price) * side >= 0 for price in prices)
        assert prices == sorted(prices, reverse=side < 0)
        assert not prices or prices[0] == best
        filled += len(prices)
    assert (filled > 20) != (kind == POST_ONLY)
    exchange.check_invariants(size_dust=0)


@PLAIN
@BOTH_SIDES
def test_nobody_cancels_anothers_order(exchange: Exchange, maker: Actor, side: int) -> None:
    """Alone or in a list, with an account or without, by owner, guardian or keeper; nor by cancelling all."""
    order = maker.order(side, 1, 10_000).id
    guardian = exchange.actor("guardian", deposit=10)
    exchange.owner.send(exchange.parameters, "set_guardian", guardian.address)
    own = guardian.order(side, "0.001", 9_000 if side > 0 else 11_000).id
    for other in (exchange.owner, guardian, exchange.actor("stranger"), exchange.actor("keeper", deposit=1)):
        for ids in ([order], [order, order], [own, order], [0, order], [own, 77, order]):
            with pytest.raises(Revert, match="cancel: not the owner"):
                other.send(exchange.book, "cancel_many", ids)
        with pytest.raises(Revert, match="cancel: not the owner"):
            other.cancel(order)
        other.cancel_all()
    assert maker.orders() == [order] and exchange.book.view("order", order).size == wad(1)
    maker.cancel(order)
    assert maker.orders() == []


@PLAIN
@BOTH_SIDES
def test_an_order_that_is_gone_takes_its_id_with_it(
    exchange: Exchange, maker: Actor, taker: Actor, side: int
) -> None:
    """Cancelled, filled, expired, swept away: its id never means another order, which its old owner, or a
    slow transaction, could then cancel or take for filled."""
    seen: set[int] = set()
    for i in range(60):
        expiry = exchange.now + 5 if i % 4 == 2 else 0
        order = maker.order(side, 1, 10_000, expiry=expiry).id
        assert order not in seen and order > max(seen, default=0)
        seen.add(order)
        if i % 4 == 0:
            maker.cancel(order)
        elif i % 4 == 1:
            taker.order(-side, 1, 10_000, FOK)
        elif i % 4 == 2:
            exchange.refresh(6)
            taker.cancel(order)
        else:
            # one's own order in the way is swept away
            maker.order(-side, 1, 10_000, IOC)
        with pytest.raises(Revert, match="cancel: no such order"):
            maker.cancel(order)
        assert tuple(exchange.book.view("order", order)) == (0, False, 0, 0, False, 0)
    # a list of old ids cancels nothing of what is there now
    present = taker.order(side, 1, 9_999 if side > 0 else 10_001).id
    maker.send(exchange.book, "cancel_many", sorted(seen)[:32])
    assert taker.orders() == [present] and present not in seen


@PLAIN
@BOTH_SIDES
def test_what_is_left_of_an_order_keeps_id_price_and_place(
    exchange: Exchange, maker: Actor, rival: Actor, taker: Actor, side: int
) -> None:
    first = maker.order(side, 3, 10_000).id
    second = rival.order(side, 3, 10_000).id
    for i in range(1, 30):
        taken = taker.order(-side, "0.1", 10_000, IOC).event("Fill")
        assert (taken.order_id, taken.price) == (first, wad(10_000))
        assert exchange.book.view("order", first).size == wad(3) - i * wad("0.1")
    taker.order(-side, "0.2", 10_000, IOC)
    assert exchange.book.view("level_orders", wad(10_000)) == [second]
    assert exchange.book.view("order", second).size == wad("2.9")
    assert taker.size() == -side * wad(Decimal("3.1"))
