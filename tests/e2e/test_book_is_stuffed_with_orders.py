"""Somebody fills the book with dust, or places and cancels in it all day, to make trading and liquidating
dear."""

from __future__ import annotations

from decimal import Decimal

import pytest
from support import BOTH_SIDES, IOC, Exchange, fresh
from support.distress import away, distress_market, positioned

from perpsim.protocol import ProtocolParams, wad

PARAMS = ProtocolParams(markets=(distress_market(),))
#: of a transaction that meets as many orders as one may: a third of a block of 30 million
MOST_GAS = 10_000_000


def true_gas() -> Exchange:
    """On which gas is measured as on a chain."""
    return fresh(PARAMS, flush_every=1)


def stuff(exchange: Exchange, side: int, count: int, step: str) -> None:
    """Orders of the smallest size, 32 an account, on one level or each on its own."""
    for i in range(count):
        spammer = exchange.actor(f"spammer {i // 32}")
        if not spammer.account:
            spammer.deposit(1_000)
        spammer.order(side, "0.001", away(side, 1 + i * Decimal(step)))


@BOTH_SIDES
@pytest.mark.parametrize("step", ["0", "0.001", "0.9"], ids=["one level", "level by level", "far apart"])
def test_five_hundred_smallest_orders_do_not_push_a_taker_out_of_gas(side: int, step: str) -> None:
    """64 of them a transaction, the rest comes back; in the end he gets the bid behind them."""
    exchange = true_gas()
    stuff(exchange, side, 500, step)
    exchange.actor("bid", deposit=10**6).order(side, 10, away(side, 900))
    taker = exchange.actor("taker", deposit=10**6)
    left, gas = wad("5.5"), []
    while left:
        placed = taker.order(-side, Decimal(left) / wad(1), away(side, 1_000), IOC)
        gas.append(placed.gas)
        assert placed.filled >= min(left, wad("0.064"))
        left -= placed.filled
    assert len(gas) == 8 and max(gas) < MOST_GAS
    # the walk costs by the order that it meets, wherever the order is
    assert max(gas[:7]) - min(gas[:7]) < max(gas) // 4


@BOTH_SIDES
def test_five_hundred_smallest_orders_do_not_push_a_keeper_out_of_gas(side: int) -> None:
    exchange = true_gas()
    stuff(exchange, side, 500, "0.9")
    loser = positioned(exchange, side)
    exchange.actor("bid", deposit=10**6).order(side, 10, away(side, 900))
    exchange.move(away(side, 930))
    keeper = exchange.actor("keeper", deposit=1)
    calls = []
    while loser.size():
        sent = keeper.liquidate(loser)
        assert sent.value > 0
        calls.append(sent.gas)
    assert len(calls) <= 9 and max(calls) < MOST_GAS


@BOTH_SIDES
def test_a_thousand_placed_and_cancelled_at_the_top_leave_the_next_takers_cost_unchanged(side: int) -> None:
    """Nothing of them is left in the storage that a walk touches."""
    costs = []
    for count in (0, 1_000):
        exchange = true_gas()
        makers = [exchange.actor(f"maker {i}", deposit=10**6) for i in range(3)]
        for i, maker in enumerate(makers):
            maker.order(side, 1, away(side, 10 + i))
        spammer, taker = (exchange.actor(name, deposit=10**6) for name in ("spammer", "taker"))
        # both have been here before
        spammer.cancel(spammer.order(side, "0.001", away(side, 5)).id)
        taker.order(-side, "0.001", away(side, 10), IOC)
        for i in range(count):
            spammer.cancel(spammer.order(side, "0.001", away(side, Decimal(1 + i % 9_000) / 1_000)).id)
        exchange.wait(12)
        costs.append(taker.order(-side, "2.5", away(side, 20), IOC).gas)
    # the ids of later orders have more bytes that are not zero, which is calldata of nobody
    assert costs[0] == costs[1]


@BOTH_SIDES
def test_orders_on_every_level_do_not_make_placing_dearer(side: int) -> None:
    """Into a book of 300 levels and into an empty one: the same gas, give or take a word of the bitmap."""
    costs = []
    for count in (1, 300):
        exchange = true_gas()
        stuff(exchange, side, count, "1.7")
        newcomer = exchange.actor("newcomer", deposit=10**6)
        newcomer.order(side, 1, away(side, 600))
        costs.append(newcomer.order(side, 1, away(side, "600.5")).gas)
    assert abs(costs[0] - costs[1]) <= 25_000
