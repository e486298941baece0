"""A list handed in over several calls: the market is frozen meanwhile, and nobody can spoil or stall it."""

from __future__ import annotations

import random

import pytest
from support import BOTH_SIDES, LONG, Actor, Exchange, Sent
from support.distress import NO_BREAKER, away, distress_market
from support.lists import ALL, by_list, hand_in_whole, planned, rows

from perpsim.chain import Revert
from perpsim.protocol import wad

pytestmark = pytest.mark.exchange(markets=(distress_market(),), vault=NO_BREAKER)

TIMEOUT = 300


@pytest.fixture
def side() -> int:
    """Of the loser; `@BOTH_SIDES` overrides it."""
    return LONG


@pytest.fixture
def loser(exchange: Exchange, side: int) -> Actor:
    """Long (or short) 10 with 10,000, now 2,000 under water, against eight who came in at eight prices."""
    loser = exchange.actor("loser", deposit=10_000)
    exchange.open(side, loser, exchange.actor("first", deposit=40_000), 10, 10_000)
    for i in range(7):
        price = away(side, 150 * i)
        exchange.move(price)
        other = exchange.actor(f"winner {i}", deposit=3_000 + 700 * i)
        exchange.open(side, exchange.actor(f"beside {i}", deposit=500_000), other, 1 + i % 3, price)
    exchange.move(away(side, 1_200))
    assert loser.equity == wad(-2_000)
    return loser


def open_list(keeper: Actor, loser: Actor) -> int:
    keeper.send(keeper.exchange.liquidator, "open_list", loser.account, 0)
    return keeper.exchange.liquidator.view("open_list_of", 0).number


def hand_in(keeper: Actor, accounts: list[int], hints: list[int] | None = None) -> Sent:
    return keeper.send(keeper.exchange.liquidator, "hand_in", 0, accounts, hints or [0] * len(accounts))


def execute(keeper: Actor, count: int = 2_048):
    return keeper.send(keeper.exchange.liquidator, "execute_list", 0, count)


@BOTH_SIDES
@pytest.mark.parametrize("policy", ALL)
@pytest.mark.parametrize("pieces", [1, 2, 3])
def test_pieces_in_any_order_come_to_what_one_call_comes_to(
    exchange: Exchange, keeper: Actor, rival: Actor, loser: Actor, policy: str, side: int, pieces: int
) -> None:
    by_list(exchange, policy)
    accounts, _ = planned(exchange, loser, policy)
    with exchange.isolated():
        whole = hand_in_whole(keeper, loser, accounts)
        expected = [(row.account, row.taken, row.haircut) for row in rows(whole) if row.taken]
        wealth = [exchange.clearinghouse.view("health", account)[0] for account in accounts]
    open_list(keeper, loser)
    shuffled = random.Random(7).sample(accounts, len(accounts))
    for i in range(0, len(shuffled), 3):
        hand_in((keeper, rival)[i % 2], shuffled[i : i + 3])
    taken = []
    for _ in range(pieces):
        sent = execute(keeper, -(-len(accounts) // pieces))
        taken += [(row.account, row.taken, row.haircut) for row in rows(sent) if row.taken]
        if exchange.liquidator.view("open_list_of", 0).account == 0:
            break
    assert [row[0] for row in taken] == [row[0] for row in expected]
    for (_, size, haircut), (_, size_whole, haircut_whole) in zip(taken, expected):
        assert abs(size - size_whole) <= 10 * pieces and abs(haircut - haircut_whole) <= 10**5
    now = [exchange.clearinghouse.view("health", account)[0] for account in accounts]
    assert all(abs(a - b) <= 10**5 for a, b in zip(now, wealth))
    assert exchange.market().close_only is False and not exchange.market().stale
    exchange.check_invariants(dust=200, size_dust=50)


def test_a_frozen_market_stands_still(exchange: Exchange, keeper: Actor, maker: Actor, loser: Actor) -> None:
    """No fills, the mark stays, nobody in it withdraws or is liquidated; orders and deposits work."""
    by_list(exchange, "queue-bitmex")
    winner = exchange.actor("winner 0")
    mark = exchange.mark()
    bid = maker.buy(1, 5_000).id
    open_list(keeper, loser)
    exchange.move(5_500)
    assert exchange.mark() == mark
    with pytest.raises(Revert, match="order: stale index"):
        exchange.actor("beside 1").market_order(-1, 1)
    with pytest.raises(Revert, match="withdraw"):
        winner.withdraw(1)
    with pytest.raises(Revert, match="frozen market"):
        keeper.liquidate(loser)
    with pytest.raises(Revert, match="frozen market"):
        keeper.send(exchange.liquidator, "open_list", loser.account, 0)
    exchange.poke()
    assert exchange.mark() == mark
    winner.deposit(1)
    maker.cancel(bid)
    assert maker.buy(1, 5_001).id
    maker.withdraw(1)


def test_each_account_once_and_all_of_them(exchange: Exchange, keeper: Actor, loser: Actor) -> None:
    by_list(exchange, "queue-binance")
    accounts, _ = planned(exchange, loser, "queue-binance")
    with pytest.raises(Revert, match="list: none open"):
        hand_in(keeper, accounts)
    open_list(keeper, loser)
    hand_in(keeper, [accounts[-1], accounts[-1]])
    hand_in(keeper, [accounts[-1]])
    with pytest.raises(Revert, match="list: wrong side"):
        hand_in(keeper, [loser.account])
    with pytest.raises(Revert, match="list: wrong side"):
        hand_in(keeper, [keeper.account])
    with pytest.raises(Revert, match="list: accounts and hints"):
        keeper.send(exchange.liquidator, "hand_in", 0, accounts, [0])
    hand_in(keeper, accounts[1:])
    sizes = [abs(exchange.clearinghouse.view("position", account, 0)[0]) for account in accounts[1:]]
    assert exchange.liquidator.view("open_list_of", 0).size == sum(sizes)
    with pytest.raises(Revert, match="list: incomplete"):
        execute(keeper)
    with pytest.raises(Revert, match="list: bad hint"):
        hand_in(keeper, accounts[:1], [accounts[-1]])
    with pytest.raises(Revert, match="list: bad hint"):
        hand_in(keeper, accounts[:1], [keeper.account])
    hand_in(keeper, accounts[:1])
    assert execute(keeper).named("DeleverageReceipt")


def test_who_stalls_waits_in_vain(exchange: Exchange, keeper: Actor, rival: Actor, loser: Actor) -> None:
    """A list that nobody finishes can be ended by anyone after the timeout; then the market goes by index."""
    by_list(exchange, "queue-bitmex", timeout=TIMEOUT)
    open_list(keeper, loser)
    with pytest.raises(Revert, match="list: neither late nor settled"):
        rival.send(exchange.liquidator, "end_list", 0)
    exchange.wait(TIMEOUT - 1)
    with pytest.raises(Revert, match="list: neither late nor settled"):
        rival.send(exchange.liquidator, "end_list", 0)
    exchange.wait(1)
    ended = rival.send(exchange.liquidator, "end_list", 0).event("ListEnded")
    assert ended.timed_out
    exchange.move(8_800)
    with pytest.raises(Revert, match="deleverage: by index"):
        keeper.send(exchange.liquidator, "open_list", loser.account, 0)
    receipt = rival.send(exchange.liquidator, "deleverage", loser.account, 0).event("DeleverageReceipt")
    assert receipt.by_index == wad(10) and loser.size() == 0


def test_after_the_timeout_lists_are_due_again(exchange: Exchange, keeper: Actor, loser: Actor) -> None:
    by_list(exchange, "queue-bitmex", timeout=TIMEOUT)
    open_list(keeper, loser)
    exchange.wait(TIMEOUT)
    keeper.send(exchange.liquidator, "end_list", 0)
    exchange.move(8_800, after=TIMEOUT)
    with pytest.raises(Revert, match="deleverage: needs a list"):
        keeper.send(exchange.liquidator, "deleverage", loser.account, 0)
    open_list(keeper, loser)


@pytest.mark.parametrize("paid", [2_000, 2_001])
def test_a_loser_who_pays_ends_the_list(exchange: Exchange, keeper: Actor, loser: Actor, paid: int) -> None:
    """No longer bankrupt: nothing is taken from anybody, and the market goes on at once."""
    by_list(exchange, "queue-bitmex")
    accounts, _ = planned(exchange, loser, "queue-bitmex")
    open_list(keeper, loser)
    hand_in(keeper, accounts)
    loser.deposit(paid)
    with exchange.isolated():
        assert not execute(keeper).named("DeleverageReceipt")
        assert exchange.liquidator.view("open_list_of", 0).account == 0
    assert not keeper.send(exchange.liquidator, "end_list", 0).event("ListEnded").timed_out
    assert loser.size() == wad(10)


def test_one_call_ends_an_open_list(exchange: Exchange, keeper: Actor, rival: Actor, loser: Actor) -> None:
    by_list(exchange, "pro-rata")
    accounts, shares = planned(exchange, loser, "pro-rata")
    open_list(keeper, loser)
    hand_in(keeper, accounts[:3])
    exchange.wait(12)
    sent = hand_in_whole(rival, loser, accounts)
    assert [row.taken for row in rows(sent)] == [a.amount for a in shares.allotments]
    assert exchange.liquidator.view("open_list_of", 0).account == 0
    exchange.refresh()
    assert not exchange.market().stale


def test_a_list_is_not_for_another_account(exchange: Exchange, keeper: Actor, loser: Actor) -> None:
    by_list(exchange, "random")
    second = exchange.actor("second loser", deposit=1_000)
    with exchange.isolated():
        open_list(keeper, loser)
        accounts, _ = planned(exchange, loser, "random")
        with pytest.raises(Revert, match="deleverage: not bankrupt"):
            hand_in_whole(keeper, second, accounts)


def test_deposits_and_hints_do_not_spoil_a_list(
    exchange: Exchange, keeper: Actor, rival: Actor, loser: Actor
) -> None:
    """Scores are those of the moment of handing in; hints only have to be on the way."""
    by_list(exchange, "queue-hyperliquid")
    accounts, _ = planned(exchange, loser, "queue-hyperliquid")
    number = open_list(keeper, loser)
    hand_in(keeper, [accounts[0], accounts[-1]])
    dodger = exchange.actor("winner 0")
    key = exchange.liquidator.view("row_of", number, accounts[0])[0]
    exchange.actor("first").deposit(1_000_000)
    dodger.deposit(1)
    assert exchange.liquidator.view("row_of", number, accounts[0])[0] == key
    rest = [a for a in accounts if a not in (accounts[0], accounts[-1])]
    hand_in(rival, rest, [accounts[0]] * len(rest))
    assert execute(keeper).event("DeleverageReceipt").quantity == wad(10)


@pytest.mark.parametrize("policy", ALL)
def test_a_row_is_shown_as_it_is_kept(exchange: Exchange, keeper: Actor, loser: Actor, policy: str) -> None:
    """Key, size, weight and who comes next; nobody after the last, and nothing of who is not in it."""
    by_list(exchange, policy)
    accounts, shares = planned(exchange, loser, policy)
    sizes = [abs(exchange.clearinghouse.view("position", account, 0)[0]) for account in accounts]
    number = open_list(keeper, loser)
    for part, size in ((accounts[::2], sum(sizes[::2])), (accounts[1::2], sum(sizes))):
        assert hand_in(keeper, part).events == [("Liquidator", "ListExtended", (0, number, size, part))]
    for i, allotment in enumerate(shares.allotments):
        row, following = allotment.row, [*accounts, 0][i + 1]
        shown = exchange.liquidator.view("row_of", number, allotment.account)
        assert shown == (row.key, sizes[i], row.weight, following)
        assert exchange.liquidator.view("row_of", number + 1, allotment.account) == (0, 0, 0, 0)
