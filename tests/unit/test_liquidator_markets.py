"""An account in all eight markets: closed one by one in any order, nothing is forgotten and nothing counted
twice."""

from __future__ import annotations

import random

import pytest
from support import Actor, Exchange, deployed, fresh
from support.distress import distress_market

from perpsim.protocol import ProtocolParams, wad

EIGHT = ProtocolParams(decimals=18, markets=(distress_market(),) * 8)


def in_eight_markets(exchange: Exchange, stake: int) -> Actor:
    """1 in each, long in the even ones, short in the odd ones."""
    loser = exchange.actor("loser", deposit=stake)
    winner = exchange.actor("winner", deposit=10**8)
    for market in range(8):
        exchange.open(1 if market % 2 == 0 else -1, loser, winner, 1, 10_000, market=market)
    return loser


def move_all(exchange: Exchange, distance: int) -> None:
    """Against the account in every market."""
    exchange.wait(12)
    prices = [wad(10_000 - distance * (1 if market % 2 == 0 else -1)) for market in range(8)]
    exchange.owner.send(exchange.oracle, "post_many", list(range(8)), prices, exchange.now)


@pytest.mark.parametrize("seed", range(4))
def test_solvent_closed_in_any_order(seed: int) -> None:
    """5,600 of loss and 2,600 left, margins of 4,000: the account is healthy again after some of them."""
    with deployed(EIGHT) as exchange:
        loser = in_eight_markets(exchange, 8_200)
        move_all(exchange, 700)
        equity, _, maintenance = loser.health
        assert (equity, maintenance) == (wad(2_600), wad(4_000))
        buyer = exchange.actor("buyer", deposit=10**7)
        order = list(range(8))
        random.Random(seed).shuffle(order)
        for market in order:
            side = 1 if market % 2 == 0 else -1
            buyer.order(side, 1, 10_000 - 700 * side, market=market)
        keeper = exchange.actor("keeper", deposit=1)
        penalties = closed = 0
        for market in order:
            if loser.equity >= loser.health.maintenance:
                break
            event = keeper.liquidate(loser, market=market).event("Liquidated")
            assert event.closed > 0
            penalties += event.penalty
            closed += 1
        assert 1 < closed < 8
        assert loser.equity == wad(2_600) - penalties >= loser.health.maintenance
        exchange.check_invariants(dust=0, size_dust=0)


@pytest.mark.parametrize("seed", range(4))
def test_bankrupt_closed_in_any_order(seed: int) -> None:
    """12,000 of loss on a stake of 8,200: the winner gives up 3,800 in all, whatever comes first."""
    with deployed(EIGHT) as exchange:
        loser = in_eight_markets(exchange, 8_200)
        move_all(exchange, 1_500)
        winner, keeper = exchange.actor("winner"), exchange.actor("keeper", deposit=1)
        before = winner.equity
        order = list(range(8))
        random.Random(seed).shuffle(order)
        haircut = 0
        for market in order:
            assert loser.equity < 0
            sent = keeper.send(exchange.liquidator, "deleverage", loser.account, market)
            receipt = sent.event("DeleverageReceipt")
            assert receipt.market == market and receipt.quantity == wad(1)
            haircut += receipt.haircut
        assert haircut == wad(3_800)
        assert loser.health == (0, 0, 0) and loser.collateral == 0
        assert 0 <= before - winner.equity - wad(3_800) <= 16
        exchange.check_invariants(dust=20, size_dust=0)


def test_eight_markets_fit_a_transaction() -> None:
    """The dearest single liquidation that one account's own doing can cause, besides the orders in the
    book."""
    exchange = fresh(EIGHT, flush_every=1)
    loser = in_eight_markets(exchange, 8_200)
    move_all(exchange, 1_500)
    keeper = exchange.actor("keeper", deposit=1)
    spent = [keeper.send(exchange.liquidator, "deleverage", loser.account, market).gas for market in range(8)]
    assert max(spent) == spent[0] <= 500_000
    assert spent == sorted(spent, reverse=True)
