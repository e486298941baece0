"""The orders that a liquidation meets: good, empty, expired, reduce-only, hostile, too many."""

from __future__ import annotations

from typing import Any

import pytest
from support import BOTH_SIDES, Actor, Exchange
from support.distress import DISTRESS, NO_BREAKER, away, distress_market, fund_vault, positioned

from perpsim.protocol import wad

FAILED_MARGIN, EXPIRED, NOTHING_TO_REDUCE = 5, 4, 7
WHOLE_VAULT = pytest.mark.exchange(markets=(distress_market(),), vault=NO_BREAKER)


def removed(sent: Any) -> list[tuple[int, int]]:
    """Orders that left the book unfilled, and why."""
    return [(event.order_id, event.reason) for event in sent.named("OrderRemoved")]


def poor_maker(exchange: Exchange, side: int, name: str, count: int, price: Any) -> list[int]:
    """Orders of somebody who has withdrawn the margin for them since."""
    actor = exchange.actor(name, deposit=10_000)
    orders = [actor.order(side, 1, price).id for _ in range(count)]
    actor.withdraw(10_000)
    return orders


@DISTRESS
@BOTH_SIDES
def test_price_then_time(
    exchange: Exchange, keeper: Actor, maker: Actor, rival: Actor, trader: Actor, side: int
) -> None:
    """The best price first, at a price the oldest order first, each at its own price."""
    loser = positioned(exchange, side)
    exchange.move(away(side, 700))
    late = maker.order(side, 4, away(side, 800)).id
    rival.order(side, 4, away(side, 900))
    second = trader.order(side, 4, away(side, 800)).id
    best = rival.order(side, 1, away(side, 600)).id
    fills = keeper.liquidate(loser).named("Fill")
    assert [(fill.order_id, abs(fill.size)) for fill in fills[:3]] == [
        (best, wad(1)),
        (late, wad(4)),
        (second, wad(4)),
    ]
    assert [fill.price for fill in fills] == [wad(away(side, d)) for d in (600, 800, 800, 900)]
    assert rival.size() == side * wad(2)


@DISTRESS
@BOTH_SIDES
def test_a_maker_without_margin_is_removed_and_matching_goes_on(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int
) -> None:
    """An order that cannot be paid for neither fills nor reverts."""
    loser = positioned(exchange, side)
    orders = poor_maker(exchange, side, "poor", 3, away(side, 650))
    good = maker.order(side, 10, away(side, 700)).id
    exchange.move(away(side, 700))
    sent = keeper.liquidate(loser)
    assert removed(sent) == [(order, FAILED_MARGIN) for order in orders]
    assert sent.event("Fill").order_id == good and sent.value == wad(10)
    exchange.check_invariants(dust=0, size_dust=0)


@DISTRESS
@BOTH_SIDES
def test_an_expired_order_is_removed(exchange: Exchange, keeper: Actor, maker: Actor, side: int) -> None:
    """As in any other match."""
    loser = positioned(exchange, side)
    expired = maker.order(side, 10, away(side, 600), expiry=exchange.now + 5).id
    maker.order(side, 10, away(side, 700))
    exchange.move(away(side, 700))
    sent = keeper.liquidate(loser)
    assert removed(sent) == [(expired, EXPIRED)] and sent.value == wad(10)


@DISTRESS
@BOTH_SIDES
def test_reduce_only_makers_take_no_more_than_they_hold(
    exchange: Exchange, keeper: Actor, maker: Actor, trader: Actor, rival: Actor, side: int
) -> None:
    """4 of an order of 6 where 4 are left; nothing where none is; the next order has the rest."""
    loser = positioned(exchange, side)
    exchange.open(-side, trader, maker, 6, 10_000)
    exchange.open(-side, rival, maker, 1, 10_000)
    shrunk = trader.order(side, 6, away(side, 600), reduce_only=True).id
    void = rival.order(side, 1, away(side, 650), reduce_only=True).id
    exchange.open(side, trader, maker, 2, 10_000)
    exchange.open(side, rival, maker, 1, 10_000)
    maker.order(side, 10, away(side, 700))
    exchange.move(away(side, 700))
    sent = keeper.liquidate(loser)
    assert [abs(fill.size) for fill in sent.named("Fill")] == [wad(4), wad(6)]
    assert removed(sent) == [(shrunk, NOTHING_TO_REDUCE), (void, FAILED_MARGIN)]
    assert trader.size() == rival.size() == 0
    exchange.check_invariants(dust=0, size_dust=0)


@WHOLE_VAULT
@BOTH_SIDES
def test_a_reduce_only_order_that_the_coverage_cuts_stays(
    exchange: Exchange, keeper: Actor, maker: Actor, trader: Actor, side: int
) -> None:
    """It was the vault that ran out, not the maker's position."""
    fund_vault(exchange, 100)
    loser = positioned(exchange, side)
    exchange.open(-side, trader, maker, 10, 10_000)
    order = trader.order(side, 10, away(side, 1_100), reduce_only=True).id
    exchange.move(away(side, 700))
    sent = keeper.liquidate(loser)
    assert len(sent.named("Fill")) == 1 and removed(sent) == []
    assert abs(sent.value - wad(1)) <= 1
    assert trader.orders() == [order]
    exchange.check_invariants(dust=0, size_dust=0)


@DISTRESS
@BOTH_SIDES
def test_a_maker_who_is_in_distress_may_reduce_but_not_below_its_own_bankruptcy(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int
) -> None:
    """The other side's weak account closes against the liquidated one only where that does not ruin it."""
    loser = positioned(exchange, side, against="fair")
    # on the other side with the least margin: bankrupt at 10 % above (below) its entry
    weak = exchange.actor("weak", deposit=1_000)
    exchange.open(-side, weak, maker, 1, 10_000)
    ruinous = weak.order(side, 1, away(-side, 1_001), reduce_only=True)
    assert ruinous.id
    exchange.move(away(side, 700))
    sent = keeper.liquidate(loser, 1)
    # it would have bought far above the mark: the liquidated account's gain, the weak account's ruin
    assert removed(sent) == [(ruinous.id, FAILED_MARGIN)]
    assert weak.size() == -side * wad(1)


@DISTRESS
@BOTH_SIDES
def test_orders_that_only_fail_cannot_open_the_way_to_deleveraging(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int
) -> None:
    """64 removals end the walk; somebody bids behind them, so the other side is not touched yet."""
    loser = positioned(exchange, side)
    orders: list[int] = []
    for name in ("poor", "poorer", "poorest"):
        orders += poor_maker(exchange, side, name, 22, away(side, 0))
    maker.order(side, 10, away(side, 500))
    exchange.move(away(side, 1_100))
    assert loser.equity == -wad(1_000)
    sent = keeper.liquidate(loser, with_deleverage=True)
    assert sent.value == 0 and len(removed(sent)) == 64
    assert sent.named("DeleverageReceipt") == []
    sent = keeper.send(exchange.liquidator, "deleverage", loser.account, 0)
    assert sent.value == wad(10) and len(removed(sent)) == 2
    assert sent.named("DeleverageReceipt") == [] and maker.size() == side * wad(10)
    exchange.check_invariants(dust=0, size_dust=0)


@WHOLE_VAULT
@BOTH_SIDES
def test_sixty_four_fills_do_not_open_the_way_to_deleveraging(
    exchange: Exchange, keeper: Actor, maker: Actor, rival: Actor, trader: Actor, side: int
) -> None:
    """Bankrupt, covered, and 70 bids: the first call takes 64 of them and leaves the other side alone."""
    fund_vault(exchange, 50_000)
    loser = positioned(exchange, side, size=7, stake=7_000)
    for actor in (maker, rival, trader):
        for _ in range(24):
            actor.order(side, "0.1", away(side, 1_150))
    exchange.move(away(side, 1_100))
    sent = keeper.liquidate(loser, with_deleverage=True)
    assert sent.value == wad("6.4") and sent.named("DeleverageReceipt") == []
    assert len(sent.named("Fill")) == 64
    sent = keeper.liquidate(loser, with_deleverage=True)
    assert sent.value == wad("0.6") and sent.named("DeleverageReceipt") == []
    assert loser.collateral == loser.size() == 0
    exchange.check_invariants(dust=0, size_dust=0)
