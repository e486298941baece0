"""Many accounts are bankrupt in one block: a keeper runs out of gas, or comes first and chooses who pays."""

from __future__ import annotations

import random

import pytest
from support import BOTH_SIDES, Actor, Exchange, fresh
from support.distress import away, distress_market, positioned
from support.lists import ALL, by_list, hand_in_whole, planned

from perpsim.protocol import ProtocolParams

MARKET = distress_market()
#: a block has room for dozens
MOST_GAS = 300_000


def ruined(exchange: Exchange, side: int, count: int) -> list[Actor]:
    """Bankrupt accounts of different sizes and stakes, against three winners."""
    losers = []
    for i in range(count):
        size, stake = 1 + i % 5, 1_000 * (1 + i % 5) + 10 * i
        against = f"winner {i % 3}"
        losers.append(positioned(exchange, side, f"loser {i}", size=size, stake=stake, against=against))
    exchange.move(away(side, 1_800))
    assert all(loser.equity < 0 for loser in losers)
    return losers


@BOTH_SIDES
def test_each_costs_the_same_gas_however_many_there_are(side: int) -> None:
    """By index: the tenth and the fortieth cost what the second does; so K of them cost K times that."""
    costs = {}
    for count in (5, 10, 40):
        exchange = fresh(ProtocolParams(markets=(MARKET,)), flush_every=1)
        losers = ruined(exchange, side, count)
        keeper = exchange.actor("keeper", deposit=1)
        costs[count] = [keeper.liquidate(loser, with_deleverage=True).gas for loser in losers]
        assert all(loser.size() == 0 for loser in losers)
    everyone = [cost for found in costs.values() for cost in found[1:-1]]
    assert max(everyone) - min(everyone) < 15_000
    assert max(everyone) < MOST_GAS
    assert sum(costs[40]) < 4.2 * sum(costs[10]) < 8.6 * 1.1 * sum(costs[5])


@pytest.mark.exchange(markets=(MARKET,))
@BOTH_SIDES
def test_the_order_in_which_they_are_taken_changes_nobodys_end(exchange: Exchange, side: int) -> None:
    """Ten orders of twelve accounts: winners end with the same to a few wei of size's worth."""
    losers = ruined(exchange, side, 12)
    winners = [exchange.actor(f"winner {i}") for i in range(3)]
    keeper = exchange.actor("keeper", deposit=1)
    draw = random.Random(side)
    ends = []
    for _ in range(10):
        with exchange.isolated():
            for loser in draw.sample(losers, len(losers)):
                keeper.liquidate(loser, with_deleverage=True)
            ends.append([actor.equity for actor in (*winners, *losers)])
            assert all(loser.equity == 0 and loser.size() == 0 for loser in losers)
            exchange.check_invariants(dust=10**7, size_dust=100)
    for end in ends[1:]:
        assert all(abs(a - b) <= 10**6 for a, b in zip(ends[0], end))


@pytest.mark.exchange(markets=(MARKET,))
@BOTH_SIDES
def test_what_a_deleveraging_ruins_is_taken_next(exchange: Exchange, side: int) -> None:
    """Weak winners are pushed under by the first, and their counterparties after them: calls until nobody is
    bankrupt, and no more of them than there are accounts."""
    everyone = []
    for i in range(8):
        one = exchange.actor(f"one {i}", deposit=1_050)
        other = exchange.actor(f"other {i}", deposit=1_050)
        exchange.open(side, one, other, 1, 10_000)
        everyone += [one, other]
    exchange.move(away(side, 4_000))
    keeper = exchange.actor("keeper", deposit=1)
    calls = 0
    while bankrupt := [actor for actor in everyone if actor.equity < 0]:
        keeper.liquidate(bankrupt[0], with_deleverage=True)
        calls += 1
        assert calls <= len(everyone)
    assert calls >= 8 and exchange.clearinghouse.view("unpaid", 0) == 0
    exchange.check_invariants(dust=10**7, size_dust=100)


@pytest.mark.exchange(markets=(MARKET,))
@BOTH_SIDES
@pytest.mark.parametrize("policy", ALL)
def test_by_list_the_order_changes_who_is_taken_and_not_how_much(
    exchange: Exchange, side: int, policy: str
) -> None:
    """Whom a list takes for which of them depends on who comes first; what all of it costs the winners is
    the deficits, in any order, and nobody is ruined by it."""
    by_list(exchange, policy)
    losers = ruined(exchange, side, 8)
    winners = [exchange.actor(f"winner {i}") for i in range(3)]
    keeper = exchange.actor("keeper", deposit=1)
    deficit = -sum(loser.equity for loser in losers)
    start = sum(winner.equity for winner in winners)
    draw = random.Random(side)
    for _ in range(4):
        with exchange.isolated():
            for loser in draw.sample(losers, len(losers)):
                accounts, _ = planned(exchange, loser, policy)
                hand_in_whole(keeper, loser, accounts)
            assert abs(start - sum(winner.equity for winner in winners) - deficit) <= 10**7
            assert all(actor.equity >= 0 for actor in (*winners, *losers))
            exchange.check_invariants(dust=10**7, size_dust=100)


@BOTH_SIDES
def test_by_list_each_costs_gas_by_the_counterparties_and_not_by_the_bankrupt(side: int) -> None:
    """By the listed account no dearer in the longer list, and the same for each of ten in a row."""
    costs = {}
    for crowd in (10, 20):
        exchange = fresh(ProtocolParams(markets=(MARKET,)), flush_every=1)
        by_list(exchange, "queue-bitmex")
        losers = [exchange.actor(f"loser {i}", deposit=1_000) for i in range(10)]
        for i in range(crowd):
            winner = exchange.actor(f"winner {i}", deposit=10_000 + i)
            for loser in losers:
                exchange.open(side, loser, winner, f"{1 / crowd:.3f}", 10_000)
        exchange.move(away(side, 1_800))
        keeper = exchange.actor("keeper", deposit=1)
        costs[crowd] = []
        for loser in losers[:9]:
            accounts, _ = planned(exchange, loser, "queue-bitmex")
            sent = hand_in_whole(keeper, loser, accounts)
            # those that are taken leave the list
            costs[crowd].append(sent.gas / len(accounts))
            assert loser.size() == 0
    for per_account in costs.values():
        assert max(per_account[1:7]) < 100_000
    assert costs[20][1] <= costs[10][1]
