"""Deleveraging by list in one call: who is taken, at what price, and what a keeper cannot do."""

from __future__ import annotations

from typing import Any

import pytest
from support import BOTH_DECIMALS, BOTH_SIDES, LONG, SHORT, Actor, Exchange
from support.distress import NO_BREAKER, away, distress_market
from support.lists import ALL, by_list, case_of, hand_in_whole, planned, rows

from perpsim.chain import Revert
from perpsim.deleveraging.packing import pack_ids
from perpsim.protocol import DeleverageParams, set_deleverage, wad

LISTS = pytest.mark.exchange(markets=(distress_market(),), vault=NO_BREAKER)
pytestmark = LISTS


@pytest.fixture
def crowd(exchange: Exchange, side: int) -> Actor:
    """A loser of 10 at 10,000 with 10,000 who owes 2,000 after a move of 1,200, against four of whom two have
    won much, one little, and one has lost."""
    loser = exchange.actor("loser", deposit=10_000)
    exchange.open(side, loser, exchange.actor("equal", deposit=40_000), 10, 10_000)
    for name, distance, size, stake in (
        ("early", 0, 5, 6_000),
        ("late", 500, 4, 60_000),
        ("new", 1_300, 3, 4_000),
    ):
        price = away(side, distance)
        exchange.move(price)
        other = exchange.actor(name, deposit=stake)
        exchange.open(side, exchange.actor(f"beside {name}", deposit=500_000), other, size, price)
    exchange.move(away(side, 1_200))
    assert loser.equity == wad(-2_000)
    return loser


@BOTH_SIDES
@BOTH_DECIMALS
@pytest.mark.parametrize("policy", ALL)
def test_the_policy_allots_what_its_rule_says(
    exchange: Exchange, keeper: Actor, crowd: Actor, policy: str, side: int
) -> None:
    by_list(exchange, policy)
    case = case_of(exchange, crowd)
    accounts, shares = planned(exchange, crowd, policy)
    before = {a: exchange.clearinghouse.view("standing", a, 0) for a in accounts}
    sent = hand_in_whole(keeper, crowd, accounts)
    receipt = sent.event("DeleverageReceipt")
    assert receipt.policy == exchange.protocol.policies[policy].address
    listed = rows(sent)
    assert [row.account for row in listed] == accounts
    assert [row.taken for row in listed] == [a.amount for a in shares.allotments]
    assert [row.key for row in listed] == [a.row.key for a in shares.allotments]
    assert receipt.deficit == wad(2_000) and abs(receipt.haircut - wad(2_000)) == 0
    charges = policy == "socialise"
    for row in listed:
        then, now = before[row.account], exchange.clearinghouse.view("standing", row.account, 0)
        assert row.size == abs(then.size)
        assert abs(abs(then.size) - abs(now.size) - (0 if charges else row.taken)) == 0
        assert 0 <= then.equity - now.equity - row.haircut <= 2
        assert now.equity >= 0
    if charges:
        assert crowd.size() == side * wad(10) and receipt.quantity == 0
        assert 0 <= crowd.equity <= 4
    else:
        assert crowd.size() == 0 and receipt.quantity == case.quantity == wad(10)
        assert crowd.collateral == 0
        assert sum(row.taken for row in listed) + receipt.by_index == wad(10)
    exchange.check_invariants(dust=100, size_dust=0 if not receipt.by_index else 10)


@BOTH_SIDES
def test_the_queue_closes_the_first_wholly_and_the_last_partly(
    exchange: Exchange, keeper: Actor, crowd: Actor, side: int
) -> None:
    by_list(exchange, "queue-bitmex")
    accounts, _ = planned(exchange, crowd, "queue-bitmex")
    taken = [row.taken for row in rows(hand_in_whole(keeper, crowd, accounts))]
    assert sum(taken) == wad(10)
    whole = [row for row in taken if row]
    assert len(whole) == 2 and taken[: len(whole)] == whole


@BOTH_SIDES
@pytest.mark.parametrize(
    "spoil, reason",
    [
        (lambda ids: ids[1:], "list: incomplete"),
        (lambda ids: ids[:-1], "list: incomplete"),
        (lambda ids: [], "list: incomplete"),
        (lambda ids: [ids[1], ids[0], *ids[2:]], "list: not sorted"),
        (lambda ids: [ids[0], ids[0], *ids[1:]], "list: not sorted"),
        (lambda ids: [*ids, ids[0]], "list: not sorted"),
        (lambda ids: [*ids, 1], "list: wrong side"),
        (lambda ids: [*ids, 999_999], "list: wrong side"),
        (lambda ids: [2**32 - 1, *ids], "list: wrong side"),
    ],
    ids=[
        "first skipped",
        "last skipped",
        "empty",
        "swapped",
        "repeated",
        "again",
        "loser",
        "nobody",
        "2**32 - 1",
    ],
)
def test_a_keeper_cannot_skip_repeat_or_reorder(
    exchange: Exchange, keeper: Actor, crowd: Actor, side: int, spoil: Any, reason: str
) -> None:
    by_list(exchange, "queue-binance")
    accounts, _ = planned(exchange, crowd, "queue-binance")
    with pytest.raises(Revert, match=reason):
        hand_in_whole(keeper, crowd, spoil(accounts))


@pytest.mark.parametrize("side", [LONG])
def test_only_of_a_bankrupt_account_and_only_where_a_policy_is_set(
    exchange: Exchange, keeper: Actor, crowd: Actor, side: int
) -> None:
    accounts, _ = planned(exchange, crowd, "random")
    with pytest.raises(Revert, match="deleverage: by index"):
        hand_in_whole(keeper, crowd, accounts)
    by_list(exchange, "random")
    with pytest.raises(Revert, match="deleverage: needs a list"):
        keeper.send(exchange.liquidator, "deleverage", crowd.account, 0)
    assert keeper.liquidate(crowd, with_deleverage=True).named("DeleverageReceipt") == []
    crowd.deposit(3_000)
    with pytest.raises(Revert, match="deleverage: not bankrupt"):
        hand_in_whole(keeper, crowd, accounts)


@pytest.mark.parametrize("side", [LONG])
def test_small_positions_go_by_index(exchange: Exchange, keeper: Actor, crowd: Actor, side: int) -> None:
    by_list(exchange, "queue-bitmex", list_from=wad(100_000))
    receipt = keeper.send(exchange.liquidator, "deleverage", crowd.account, 0).event("DeleverageReceipt")
    assert int(receipt.policy, 16) == 0 and receipt.by_index == receipt.quantity == wad(10)


@BOTH_SIDES
def test_what_the_list_cannot_bear_goes_by_index(exchange: Exchange, keeper: Actor, side: int) -> None:
    """Whoever won has closed; who took the position over late has too little to bear it all."""
    loser = exchange.actor("loser", deposit=10_000)
    winner = exchange.actor("winner", deposit=40_000)
    exchange.open(side, loser, winner, 10, 10_000)
    price = away(side, 4_000)
    exchange.move(price)
    exchange.open(side, winner, exchange.actor("late", deposit=15_000), 10, price)
    by_list(exchange, "queue-hyperliquid")
    accounts, shares = planned(exchange, loser, "queue-hyperliquid")
    sent = hand_in_whole(keeper, loser, accounts)
    receipt = sent.event("DeleverageReceipt")
    assert shares.rest > 0 and receipt.by_index == shares.rest and receipt.haircut == wad(30_000)
    assert loser.size() == 0 and loser.collateral == 0


@pytest.mark.parametrize("side", [LONG])
def test_terms_are_the_owners_and_refused_while_a_list_is_open(
    exchange: Exchange, keeper: Actor, crowd: Actor, side: int
) -> None:
    by_list(exchange, "queue-bitmex")
    with pytest.raises(Revert, match="terms: timeout"):
        set_deleverage(exchange.protocol, 0, DeleverageParams("queue-bitmex", timeout=59))
    with pytest.raises(Revert, match="terms: timeout"):
        set_deleverage(exchange.protocol, 0, DeleverageParams("queue-bitmex", timeout=3_601))
    with pytest.raises(Revert, match="terms: policy has no code"):
        exchange.owner.send(exchange.liquidator, "set_deleverage_terms", 0, (keeper.address, 300, 0))
    keeper.send(exchange.liquidator, "open_list", crowd.account, 0)
    with pytest.raises(Revert, match="list: open"):
        set_deleverage(exchange.protocol, 0, DeleverageParams())


@BOTH_SIDES
def test_winners_are_charged_for_a_loss_once(exchange: Exchange, keeper: Actor, side: int) -> None:
    """What has been charged is no loss of the position any more: the next call finds nothing to charge."""
    by_list(exchange, "socialise")
    winner = exchange.actor("winner", deposit=100_000)
    loser = exchange.actor("loser", deposit=1_000)
    exchange.open(side, loser, winner, 1, 10_000)
    exchange.move(away(side, 1_900))
    accounts, _ = planned(exchange, loser, "socialise")
    sent = hand_in_whole(keeper, loser, accounts)
    assert sum(row.haircut for row in rows(sent)) == wad(900)
    size, entry, _ = loser.position()
    assert size == side * wad(1) and entry == side * wad(10_000) - wad(900)
    assert loser.equity == 0 and winner.equity == wad(101_000)
    with pytest.raises(Revert, match="deleverage: not bankrupt"):
        hand_in_whole(keeper, loser, accounts)


@pytest.mark.exchange(markets=(distress_market(), distress_market()), vault=NO_BREAKER)
@BOTH_SIDES
def test_a_position_that_has_lost_nothing_goes_at_the_mark(
    exchange: Exchange, keeper: Actor, side: int
) -> None:
    """The debt is from another market: nobody is charged for it here, and nothing stays for ever."""
    by_list(exchange, "socialise", list_from=0)
    loser = exchange.actor("loser", deposit=4_000)
    elsewhere, here = exchange.actor("elsewhere", deposit=10**6), exchange.actor("here", deposit=10**6)
    exchange.refresh()
    exchange.open(side, loser, elsewhere, 1, 10_000, market=1)
    exchange.open(side, loser, here, 1, 10_000)
    exchange.wait(1)
    for market, price in ((0, 10_000), (1, away(side, 5_000))):
        exchange.owner.send(exchange.oracle, "post", market, wad(price), exchange.now)
    assert loser.equity == wad(-1_000)
    accounts, _ = planned(exchange, loser, "socialise")
    receipts = hand_in_whole(keeper, loser, accounts).named("DeleverageReceipt")
    assert [receipt.haircut for receipt in receipts] == [0, 0]
    assert loser.size() == 0 and here.equity == wad(10**6)


@pytest.mark.exchange(markets=(distress_market(), distress_market()), vault=NO_BREAKER)
@BOTH_SIDES
@pytest.mark.parametrize("first", [0, 1])
def test_winners_of_two_markets_are_charged_their_parts_whichever_comes_first(
    exchange: Exchange, keeper: Actor, side: int, first: int
) -> None:
    """Losses of 2,000 and 4,000, a deficit of 3,000: 1,000 and 2,000, in one call each."""
    for market in (0, 1):
        by_list(exchange, "socialise", market, list_from=0)
    loser = exchange.actor("loser", deposit=3_000)
    winners = [exchange.actor(name, deposit=10**6) for name in ("here", "elsewhere")]
    exchange.refresh()
    for market, winner in enumerate(winners):
        exchange.open(side, loser, winner, 1, 10_000, market=market)
    exchange.wait(1)
    for market, distance in ((0, 2_000), (1, 4_000)):
        price = wad(away(side, distance))
        exchange.owner.send(exchange.oracle, "post", market, price, exchange.now)
    assert loser.equity == wad(-3_000)
    for market in (first, 1 - first):
        accounts, _ = planned(exchange, loser, "socialise", market)
        hand_in_whole(keeper, loser, accounts, market)
    assert loser.equity == 0
    assert [winner.equity for winner in winners] == [wad(10**6 + 1_000), wad(10**6 + 2_000)]


@pytest.mark.exchange(markets=(distress_market(lot_size=wad("0.000000001")),), vault=NO_BREAKER)
@pytest.mark.parametrize("crumb, complete", [("0.000000001", True), ("0.000000002", False)])
def test_a_list_may_lack_a_billion_wei_of_size_and_no_more(
    exchange: Exchange, keeper: Actor, rival: Actor, crumb: str, complete: bool
) -> None:
    by_list(exchange, "queue-bitmex")
    loser = exchange.actor("loser", deposit=10_000)
    exchange.open(LONG, loser, exchange.actor("winner", deposit=10**6), 10, 10_000)
    exchange.open(LONG, rival, exchange.actor("crumb", deposit=10**6), f"1.{crumb[2:]}", 10_000)
    exchange.open(LONG, exchange.actor("crumb"), exchange.actor("winner"), 1, 10_000)
    exchange.move(8_800)
    crumbs = exchange.actor("crumb")
    assert crumbs.size() == -wad(crumb)
    accounts, _ = planned(exchange, loser, "queue-bitmex")
    accounts.remove(crumbs.account)
    if complete:
        assert hand_in_whole(keeper, loser, accounts).value == wad(10)
    else:
        with pytest.raises(Revert, match="list: incomplete"):
            hand_in_whole(keeper, loser, accounts)


@pytest.mark.parametrize("side, count", [(LONG, 63), (LONG, 64), (LONG, 65), (SHORT, 130)])
def test_a_list_longer_than_a_call_and_an_event_is_borne_and_told_whole(
    exchange: Exchange, keeper: Actor, side: int, count: int
) -> None:
    """Both hold 64 accounts."""
    by_list(exchange, "pro-rata")
    loser = exchange.actor("loser", deposit=10_000)
    for i in range(count):
        exchange.open(side, loser, exchange.actor(f"winner {i}", deposit=10_000), "0.05", 10_000)
    exchange.move(away(side, 10_500 * 20 // count))
    accounts, shares = planned(exchange, loser, "pro-rata")
    words = pack_ids(accounts)
    # what comes after the end does not matter, and there may be 256 words
    words += [0] * (256 - len(words))
    sent = keeper.send(exchange.liquidator, "deleverage_by_list", loser.account, 0, words)
    listed = rows(sent)
    assert [(row.account, row.taken) for row in listed] == [(a.account, a.amount) for a in shares.allotments]
    assert len(listed) == count and all(row.taken for row in listed)
    assert loser.size() == loser.collateral == 0
    exchange.check_invariants(dust=count * 10, size_dust=count)


@pytest.mark.exchange(
    markets=(distress_market(penalty_rate=0, reward_rate=0, reward_min=0, reward_max=0),), vault=NO_BREAKER
)
@BOTH_SIDES
@pytest.mark.parametrize("policy", ["", "pro-rata"])
def test_who_owes_nothing_after_the_book_is_not_deleveraged(
    exchange: Exchange, keeper: Actor, side: int, policy: str
) -> None:
    """1,000 under water; half is closed 200 better than the mark, and what is left has an equity of 0."""
    loser = exchange.actor("loser", deposit=10_000)
    exchange.open(side, loser, exchange.actor("winner", deposit=10**6), 10, 10_000)
    exchange.move(away(side, 1_100))
    exchange.actor("buyer", deposit=10**6).order(side, 5, away(side, 900))
    if policy:
        by_list(exchange, policy)
        accounts, _ = planned(exchange, loser, policy)
        calls = [("deleverage_by_list", (pack_ids(accounts),)), ("open_list", ())]
    else:
        calls = [("deleverage", ()), ("liquidate", (wad(10), True))]
    for function, arguments in calls:
        with exchange.isolated():
            sent = keeper.send(exchange.liquidator, function, loser.account, 0, *arguments)
            assert sent.event("Liquidated").closed == wad(5) and loser.equity == 0
            assert not sent.named("DeleverageReceipt") and loser.size() == side * wad(5)
            assert exchange.liquidator.view("open_list_of", 0).account == 0
