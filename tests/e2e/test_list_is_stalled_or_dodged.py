"""Whoever stands on the list would rather not: he changes its order, its length or his purse just before the
keeper's call, keeps the keepers from finishing it, or uses the frozen market as a shield."""

from __future__ import annotations

from typing import Any

import pytest
from support import BOTH_SIDES, IOC, LONG, Actor, Exchange, Sent, fresh
from support.distress import NO_BREAKER, away, distress_market
from support.lists import ALL, by_list, hand_in_whole, planned

from perpsim.chain import Revert
from perpsim.protocol import ProtocolParams, wad

pytestmark = pytest.mark.exchange(markets=(distress_market(), distress_market()), vault=NO_BREAKER)
TIMEOUT = 300


@pytest.fixture
def side() -> int:
    """Of the loser; `@BOTH_SIDES` overrides it."""
    return LONG


def crowd(exchange: Exchange, side: int, winners: int = 4) -> Actor:
    """A loser who owes 2,000 on 10, against winners of 10 / n each, the first the least leveraged."""
    loser = exchange.actor("loser", deposit=10_000)
    for i in range(winners):
        size = round(10_000 / winners) / 1_000
        exchange.open(
            side, loser, exchange.actor(f"winner {i}", deposit=9_000 - 2_400 * i // winners), size, 10_000
        )
    exchange.move(away(side, 1_200))
    assert loser.equity == wad(-2_000)
    return loser


@pytest.fixture
def loser(exchange: Exchange, side: int) -> Actor:
    return crowd(exchange, side)


def call(keeper: Actor, function: str, *args: Any) -> Sent:
    """A keeper's call of the liquidator."""
    return keeper.send(keeper.exchange.liquidator, function, *args)


# in front of a list in one call


@BOTH_SIDES
@pytest.mark.parametrize("policy", [policy for policy in ALL if "queue" in policy])
def test_a_deposit_that_swaps_two_places_spoils_one_call_but_not_a_list_over_several(
    exchange: Exchange, keeper: Actor, loser: Actor, policy: str, side: int
) -> None:
    """The first in the queue gets less leverage and is not the first any more: which is his right, at the
    price of the deposit; the keeper freezes the market, and the order is that of the moment."""
    by_list(exchange, policy)
    stale, _ = planned(exchange, loser, policy)
    first = next(a for a in exchange.actors.values() if a.account == stale[0])
    first.deposit(100_000)
    with pytest.raises(Revert, match="list: not sorted"):
        hand_in_whole(keeper, loser, stale)
    # what was planned before is good enough to be handed in: each comes to his place
    call(keeper, "open_list", loser.account, 0)
    call(keeper, "hand_in", 0, stale, [0] * len(stale))
    first.deposit(100_000)
    with pytest.raises(Revert, match="withdraw: nothing"):
        first.withdraw(100_000)
    receipt = call(keeper, "execute_list", 0, 100).event("DeleverageReceipt")
    assert receipt.quantity == wad(10) and loser.size() == 0
    exchange.check_invariants(dust=1_000, size_dust=100)


@BOTH_SIDES
@pytest.mark.parametrize("policy", ALL)
def test_a_newcomer_of_the_smallest_size_spoils_one_call_but_not_a_list_over_several(
    exchange: Exchange, keeper: Actor, loser: Actor, policy: str, side: int
) -> None:
    """In every block another account opens 0.001 on the winning side, which the keeper cannot know of."""
    by_list(exchange, policy)
    bids = exchange.actor("bids", deposit=10**6)
    for i in range(3):
        stale, _ = planned(exchange, loser, policy)
        bids.order(side, "0.001", away(side, 1_300))
        exchange.actor(f"newcomer {i}", deposit=100).order(-side, "0.001", away(side, 1_300), IOC)
        with pytest.raises(Revert, match="list: incomplete"):
            hand_in_whole(keeper, loser, stale)
        exchange.refresh()
    call(keeper, "open_list", loser.account, 0)
    # now nobody comes in
    bids.order(side, "0.001", away(side, 1_300))
    with pytest.raises(Revert, match="order: stale index"):
        exchange.actor("late", deposit=100).order(-side, "0.001", away(side, 1_300), IOC)
    accounts, _ = planned(exchange, loser, policy)
    call(keeper, "hand_in", 0, accounts, [0] * len(accounts))
    receipt = call(keeper, "execute_list", 0, 100).event("DeleverageReceipt")
    assert receipt.quantity in (0, wad(10)) and receipt.haircut >= wad(2_000) - 10


@BOTH_SIDES
def test_who_sells_his_place_in_front_of_the_list_has_really_left(
    exchange: Exchange, keeper: Actor, loser: Actor, side: int
) -> None:
    """The first in the queue passes his position on to a friend at the mark: the friend stands there now."""
    by_list(exchange, "queue-bitmex")
    stale, _ = planned(exchange, loser, "queue-bitmex")
    first = next(a for a in exchange.actors.values() if a.account == stale[0])
    friend = exchange.actor("friend", deposit=3_000)
    friend.order(-side, "2.5", away(side, 1_200))
    first.order(side, "2.5", away(side, 1_200), IOC)
    assert first.size() == 0
    with pytest.raises(Revert, match="list: wrong side"):
        hand_in_whole(keeper, loser, stale)
    accounts, _ = planned(exchange, loser, "queue-bitmex")
    assert friend.account in accounts and first.account not in accounts
    assert hand_in_whole(keeper, loser, accounts).event("DeleverageReceipt").haircut == wad(2_000)


# while a list is open


@BOTH_SIDES
@pytest.mark.parametrize("policy", ALL)
def test_nothing_that_a_listed_account_can_do_makes_the_others_bear_more_than_the_deficit(
    exchange: Exchange, keeper: Actor, loser: Actor, policy: str, side: int
) -> None:
    """Between handing in and executing they deposit, withdraw, place, cancel, and lose money to a friend in
    another market: in all the deficit is borne, by nobody more than he has."""
    by_list(exchange, policy)
    accounts, _ = planned(exchange, loser, policy)
    listed = [a for a in exchange.actors.values() if a.account in accounts]
    friend = exchange.actor("friend", deposit=10**6)
    exchange.refresh()
    exchange.open(LONG, listed[0], friend, "0.1", 10_000, market=1)
    call(keeper, "open_list", loser.account, 0)
    call(keeper, "hand_in", 0, accounts, [0] * len(accounts))
    with pytest.raises(Revert, match="withdraw: nothing"):
        listed[1].withdraw(1)
    listed[2].deposit(12_345)
    listed[3].order(-side, 1, away(side, 900))
    with pytest.raises(Revert, match="order: stale index"):
        friend.order(-side, 1, 10_000, market=1)
        listed[3].order(side, 1, 10_000, IOC, market=1)
    friend.cancel_all(1)
    # closing elsewhere is allowed, at a price that costs him something
    before = listed[0].equity
    friend.order(LONG, "0.1", 8_000, market=1)
    listed[0].order(-LONG, "0.1", 8_000, IOC, market=1)
    assert listed[0].equity < before
    start = {actor: actor.equity for actor in listed}
    sent = call(keeper, "execute_list", 0, 100)
    borne = {actor: start[actor] - actor.equity for actor in listed}
    assert sum(borne.values()) <= wad(2_000) + 10**6
    assert all(actor.equity >= 0 for actor in listed)
    left = -min(loser.equity, 0) + sum(event.deficit for event in sent.named("BadDebtBooked"))
    assert abs(sum(borne.values()) + left - wad(2_000)) <= 10**6
    exchange.check_invariants(dust=10**6, size_dust=100)


@BOTH_SIDES
def test_a_front_runner_cannot_make_a_keepers_batch_fail(
    exchange: Exchange, keeper: Actor, loser: Actor, side: int
) -> None:
    """A winner at the top of the queue would rather share with all by index, which is what a timeout brings:
    he hands in one account of each batch in front of the keeper's call."""
    by_list(exchange, "queue-bitmex", timeout=TIMEOUT)
    accounts, _ = planned(exchange, loser, "queue-bitmex")
    first = next(a for a in exchange.actors.values() if a.account == accounts[0])
    call(keeper, "open_list", loser.account, 0)
    call(first, "hand_in", 0, accounts[-1:], [0])
    call(keeper, "hand_in", 0, accounts, [0] * len(accounts))
    assert call(keeper, "execute_list", 0, 100).event("DeleverageReceipt").by_index == 0


@BOTH_SIDES
def test_hints_that_others_insertions_move_still_lead_there(
    exchange: Exchange, keeper: Actor, rival: Actor, side: int
) -> None:
    """Two keepers hand in alternate accounts with the hints of their own plans."""
    by_list(exchange, "queue-hyperliquid")
    loser = crowd(exchange, side, 40)
    accounts, _ = planned(exchange, loser, "queue-hyperliquid")
    call(keeper, "open_list", loser.account, 0)
    for start, who in ((0, keeper), (1, rival)):
        own = accounts[start::2]
        for i in range(0, len(own), 5):
            hints = [own[j - 1] if j else 0 for j in range(i, min(i + 5, len(own)))]
            call(who, "hand_in", 0, own[i : i + 5], hints)
    number, order, account = exchange.liquidator.view("open_list_of", 0).number, [], 0
    account = exchange.liquidator.view("open_list_of", 0).head
    while account:
        order.append(account)
        account = exchange.liquidator.view("row_of", number, account)[3]
    assert order == accounts
    call(rival, "execute_list", 0, 100)
    assert loser.size() == 0


@BOTH_SIDES
def test_who_keeps_the_list_from_ending_gets_what_everybody_gets(
    exchange: Exchange, keeper: Actor, rival: Actor, loser: Actor, side: int
) -> None:
    """Opened and left alone: after the timeout anybody ends it, and the position goes by index."""
    by_list(exchange, "queue-bitmex", timeout=TIMEOUT)
    accounts, _ = planned(exchange, loser, "queue-bitmex")
    call(keeper, "open_list", loser.account, 0)
    call(keeper, "hand_in", 0, accounts[:-1], [0] * (len(accounts) - 1))
    exchange.wait(TIMEOUT)
    # the last moment belongs to whoever comes first: finishing, too, is still possible
    with exchange.isolated():
        call(rival, "hand_in", 0, accounts[-1:], [0])
        assert call(rival, "execute_list", 0, 100).event("DeleverageReceipt").by_index == 0
    call(rival, "end_list", 0)
    exchange.move(away(side, 1_200), after=1)
    receipt = call(rival, "deleverage", loser.account, 0).event("DeleverageReceipt")
    assert receipt.by_index == receipt.quantity == wad(10)
    exchange.check_invariants(dust=1_000, size_dust=100)


@BOTH_SIDES
def test_the_shield_of_a_frozen_market_is_a_cage(
    exchange: Exchange, keeper: Actor, rival: Actor, loser: Actor, side: int
) -> None:
    """Who has a position in it is not liquidated elsewhere either as long as it is frozen; meanwhile he
    neither opens nor withdraws anywhere, and any keeper ends it by finishing the list."""
    by_list(exchange, "queue-bitmex", timeout=TIMEOUT)
    shielded = exchange.actor("winner 3")
    shielded.deposit(10_000)
    exchange.refresh()
    whale = exchange.actor("whale", deposit=10**7)
    exchange.open(LONG, shielded, whale, 12, 10_000, market=1)
    call(shielded, "open_list", loser.account, 0)
    exchange.wait(12)
    exchange.owner.send(exchange.oracle, "post", 1, wad(8_700), exchange.now)
    assert shielded.equity < shielded.health.maintenance
    whale.order(LONG, 20, 8_700, market=1)
    whale.order(-LONG, 20, 8_701, market=1)
    with pytest.raises(Revert, match="frozen market"):
        keeper.liquidate(shielded, market=1)
    with pytest.raises(Revert, match="withdraw: nothing"):
        shielded.withdraw("0.000001")
    with pytest.raises(Revert, match="order: stale index"):
        shielded.order(LONG, 1, 8_701, IOC, market=1)
    accounts, _ = planned(exchange, loser, "queue-bitmex")
    hand_in_whole(rival, loser, accounts)
    exchange.wait(1)
    exchange.owner.send(exchange.oracle, "post", 0, wad(away(side, 1_200)), exchange.now)
    assert keeper.liquidate(shielded, market=1).value > 0
    exchange.check_invariants(dust=1_000, size_dust=100)


# dust accounts


@pytest.mark.parametrize("policy", ["queue-bitmex", "pro-rata"])
def test_hundreds_of_dust_accounts_make_a_list_longer_and_nothing_else(policy: str) -> None:
    """300 of the smallest size on the winning side: each costs the keepers the same, within a call's gas; and
    where they are too many for anybody's patience, the timeout brings the index."""
    exchange = fresh(ProtocolParams(markets=(distress_market(),), vault=NO_BREAKER), flush_every=1)
    keeper = exchange.actor("keeper", deposit=10)
    loser = exchange.actor("loser", deposit=10_000)
    exchange.open(LONG, loser, exchange.actor("winner", deposit=30_000), "9.7", 10_000)
    loser.order(LONG, "0.3", 10_000)
    for i in range(300):
        exchange.actor(f"dust {i}", deposit=2).order(-LONG, "0.001", 10_000, IOC)
    exchange.move(8_800)
    by_list(exchange, policy, timeout=TIMEOUT)
    accounts, _ = planned(exchange, loser, policy)
    assert len(accounts) == 301
    call(keeper, "open_list", loser.account, 0)
    costs = []
    for i in range(0, len(accounts), 50):
        part = accounts[i : i + 50]
        hints = [accounts[j - 1] if j else 0 for j in range(i, i + len(part))]
        costs.append(call(keeper, "hand_in", 0, part, hints).gas / len(part))
    assert max(costs[:-1]) < 1.1 * min(costs[:-1]) < 1.1 * 80_000
    spent = []
    while exchange.liquidator.view("open_list_of", 0).account:
        spent.append(call(keeper, "execute_list", 0, 100).gas)
    assert max(spent) < 10_000_000 and loser.size() == 0
    exchange.check_invariants(dust=10**6, size_dust=1_000)


@BOTH_SIDES
def test_with_too_many_for_a_list_the_position_goes_by_index(
    exchange: Exchange, keeper: Actor, loser: Actor, side: int
) -> None:
    """A list that no keeper completes in time ends as any other, whatever is in it already."""
    by_list(exchange, "capped-pro-rata", timeout=60)
    accounts, _ = planned(exchange, loser, "capped-pro-rata")
    call(keeper, "open_list", loser.account, 0)
    call(keeper, "hand_in", 0, accounts[1:], [0] * (len(accounts) - 1))
    with pytest.raises(Revert, match="list: incomplete"):
        call(keeper, "execute_list", 0, 100)
    exchange.wait(60)
    call(keeper, "end_list", 0)
    exchange.move(away(side, 1_200), after=1)
    assert call(keeper, "deleverage", loser.account, 0).value == wad(10)
    # a later list begins with nothing of it
    second = exchange.actor("second", deposit=10_000)
    exchange.move(10_000, after=120)
    exchange.open(side, second, exchange.actor("another", deposit=50_000), 10, 10_000)
    exchange.move(away(side, 1_200))
    call(keeper, "open_list", second.account, 0)
    opened = exchange.liquidator.view("open_list_of", 0)
    assert (opened.head, opened.size, opened.weight) == (0, 0, 0)
    rest, _ = planned(exchange, second, "capped-pro-rata")
    call(keeper, "hand_in", 0, rest, [0] * len(rest))
    call(keeper, "execute_list", 0, 100)
    assert second.size() == 0
