"""Forty leveraged accounts, no bids, no fund, the price halves: afterwards everybody takes out all they
have."""

from __future__ import annotations

import random

import pytest
from support import BOTH_DECIMALS, BOTH_SIDES, Actor, Exchange
from support.distress import away, distress_market, fund_vault

from perpsim.chain import Revert

MARKET = distress_market(taker_fee=10**15, maker_fee=2 * 10**14, vault_share=5_000)


def crowd(exchange: Exchange, side: int, seed: int) -> list[Actor]:
    """Positions of all leverages up to ten, against each other."""
    draw = random.Random(seed)
    winners = [exchange.actor(f"winner {i}", deposit=10**6) for i in range(4)]
    losers = []
    for i in range(40):
        size = draw.randint(1, 5_000) / 1_000
        stake = round(size * draw.choice([1_050, 1_200, 2_000, 4_000, 6_000]) + 1, 6)
        losers.append(exchange.actor(f"loser {i}", deposit=stake))
        exchange.open(side, losers[-1], draw.choice(winners), size, 10_000)
    return [*winners, *losers]


def bankrupt(actors: list[Actor]) -> list[Actor]:
    """Who is under water."""
    return [actor for actor in actors if actor.equity < 0]


@pytest.mark.exchange(markets=(MARKET,))
@BOTH_DECIMALS
@BOTH_SIDES
@pytest.mark.parametrize("fund", [0, 3_000, 10**6])
def test_everybody_is_paid_what_the_ledger_says(exchange: Exchange, side: int, fund: int) -> None:
    """Deleveraging leaves no hole: the last one out gets all of his money, and the fees are still there."""
    if fund:
        fund_vault(exchange, fund)
    actors = crowd(exchange, side, seed=fund + side)
    keeper = exchange.actor("keeper", deposit=1)
    for step in (800, 1_500, 2_500, 5_000):
        exchange.move(away(side, step))
        while under_water := bankrupt(actors):
            for actor in under_water:
                keeper.liquidate(actor, with_deleverage=True)
        exchange.check_open_interest(dust=10**4)
    assert exchange.clearinghouse.view("unpaid", 0) == 0
    # the rest close against each other at the mark
    mark = exchange.mark()
    book = exchange.book
    for actor in actors:
        if actor.size() * side < 0:
            actor.send(book, "place", side > 0, mark, abs(actor.size()), 0, True, 0)
    for actor in actors:
        for _ in range(3):
            if actor.size() * side > 0:
                try:
                    actor.send(book, "place", side < 0, mark, abs(actor.size()), 2, True, 0)
                except Revert as error:
                    assert error.reason == "order: margin"
    for actor in [*actors, keeper]:
        if actor.size() == 0 and actor.withdrawable:
            units = actor.withdrawable
            actor.send(exchange.clearinghouse, "withdraw", units)
            # a wei of size that was left over at the very end is worth its price
            assert actor.tokens == units and actor.collateral < max(exchange.unit(), 10**6)
    left = exchange.token.view("balanceOf", exchange.clearinghouse.address) * exchange.unit()
    # wei of size that rounding took off a side are worth their price to the other
    assert left >= sum(exchange.fees()) - 10**6
    assert abs(exchange.ledger().gap) <= 10**9
    treasury = exchange.owner.send(exchange.parameters, "collect_treasury", 0, exchange.owner.address).event(
        "TreasuryCollected"
    )
    assert treasury.amount * exchange.unit() > 0
