"""A keeper would spare a friend, hit a rival twice, take more for himself, or freeze a market for nothing."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import pytest
from support import BOTH_SIDES, LONG, Actor, Exchange, Sent
from support.distress import NO_BREAKER, TERMS, away, distress_market, fund_vault
from support.lists import ALL, by_list, hand_in_whole, planned

from perpsim.chain import Revert
from perpsim.protocol import WAD, wad

pytestmark = pytest.mark.exchange(markets=(distress_market(), distress_market()), vault=NO_BREAKER)
TIMEOUT = 300


@pytest.fixture
def side() -> int:
    """Of the loser; `@BOTH_SIDES` overrides it."""
    return LONG


@pytest.fixture
def loser(exchange: Exchange, side: int) -> Actor:
    """Owes 2,000 on a position of 10, against seven of different profits and leverages."""
    loser = exchange.actor("loser", deposit=10_000)
    exchange.open(side, loser, exchange.actor("winner 0", deposit=40_000), 10, 10_000)
    for i in range(1, 7):
        price = away(side, 170 * i)
        exchange.move(price)
        winner = exchange.actor(f"winner {i}", deposit=2_500 + 900 * i)
        exchange.open(side, exchange.actor(f"beside {i}", deposit=500_000), winner, 1 + i % 3, price)
    exchange.move(away(side, 1_200))
    assert loser.equity == wad(-2_000)
    return loser


def call(keeper: Actor, function: str, *args: Any) -> Sent:
    """A keeper's call of the liquidator."""
    return keeper.send(keeper.exchange.liquidator, function, *args)


def ends(exchange: Exchange, accounts: list[int]) -> list[int]:
    """Equities, WAD."""
    return [exchange.clearinghouse.view("health", account)[0] for account in accounts]


# whom it takes


@BOTH_SIDES
@pytest.mark.parametrize("policy", ALL)
def test_no_list_but_the_one_goes_through(
    exchange: Exchange, keeper: Actor, loser: Actor, policy: str, side: int
) -> None:
    """Forty spoilt lists: shortened, doubled, shuffled, with strangers in it. Each is refused, or it is the
    list that every keeper has to hand in."""
    by_list(exchange, policy)
    accounts, _ = planned(exchange, loser, policy)
    others = [keeper.account, loser.account, exchange.actor("beside 1").account, 2**32 - 1, 99]
    draw = random.Random(policy)
    for _ in range(40):
        spoilt = list(accounts)
        for _ in range(draw.randint(1, 3)):
            at = draw.randrange(len(spoilt))
            kind = draw.randrange(4)
            if kind == 0 and len(spoilt) > 1:
                spoilt.pop(at)
            elif kind == 1:
                spoilt.insert(at, draw.choice(spoilt))
            elif kind == 2:
                other = draw.randrange(len(spoilt))
                spoilt[at], spoilt[other] = spoilt[other], spoilt[at]
            else:
                spoilt.insert(at, draw.choice(others))
        if spoilt == accounts:
            continue
        with pytest.raises(Revert, match=r"list: (wrong side|not sorted|incomplete)"):
            hand_in_whole(keeper, loser, spoilt)
    assert hand_in_whole(keeper, loser, accounts).event("DeleverageReceipt")


@BOTH_SIDES
@pytest.mark.parametrize("policy", ALL)
def test_over_several_calls_a_friend_is_not_spared_either(
    exchange: Exchange, keeper: Actor, rival: Actor, loser: Actor, policy: str, side: int
) -> None:
    """Left out, handed in last, or under a hint that would put him at the end: he is where he belongs, or the
    list is not executed."""
    by_list(exchange, policy)
    accounts, _ = planned(exchange, loser, policy)
    with exchange.isolated():
        hand_in_whole(rival, loser, accounts)
        fair = ends(exchange, accounts)
    friend, rest = accounts[0], accounts[1:]
    call(keeper, "open_list", loser.account, 0)
    call(keeper, "hand_in", 0, rest, [0] * len(rest))
    with pytest.raises(Revert, match="list: incomplete"):
        call(keeper, "execute_list", 0, 100)
    with pytest.raises(Revert, match="list: bad hint"):
        call(keeper, "hand_in", 0, [friend], [rest[-1]])
    call(rival, "hand_in", 0, [friend], [0])
    with pytest.raises(Revert, match="list: "):
        call(keeper, "hand_in", 0, [keeper.account], [0])
    while exchange.liquidator.view("open_list_of", 0).account:
        call(keeper, "execute_list", 0, 2)
    assert all(abs(a - b) <= 10**5 for a, b in zip(ends(exchange, accounts), fair))
    exchange.check_invariants(dust=1_000, size_dust=100)


@BOTH_SIDES
def test_an_account_of_another_market_is_no_counterparty(
    exchange: Exchange, keeper: Actor, loser: Actor, side: int
) -> None:
    """Nor one that was closed by the same list before, nor the keeper's own that is not in the market."""
    by_list(exchange, "queue-bitmex")
    elsewhere = exchange.actor("elsewhere", deposit=10**6)
    exchange.refresh()
    exchange.open(-side, elsewhere, exchange.actor("other", deposit=10**6), 10, 10_000, market=1)
    accounts, _ = planned(exchange, loser, "queue-bitmex")
    for at in range(len(accounts) + 1):
        with pytest.raises(Revert, match="list: wrong side"):
            hand_in_whole(keeper, loser, [*accounts[:at], elsewhere.account, *accounts[at:]])
    before = elsewhere.health, elsewhere.position(1)
    call(keeper, "open_list", loser.account, 0)
    call(keeper, "hand_in", 0, accounts, [0] * len(accounts))
    call(keeper, "execute_list", 0, 1)
    call(keeper, "hand_in", 0, accounts[:1], [0])
    call(keeper, "execute_list", 0, 100)
    assert (elsewhere.health, elsewhere.position(1)) == before


# what it earns

LARGE = distress_market(liquidation=TERMS._replace(reward_max=wad(100)))


@pytest.mark.exchange(markets=(LARGE,), vault=NO_BREAKER)
@BOTH_SIDES
@pytest.mark.parametrize("way", ["by list", "on the book"])
def test_a_job_done_in_pieces_earns_hardly_more_than_in_one(
    exchange: Exchange, keeper: Actor, rival: Actor, side: int, way: str
) -> None:
    """A position of a million is worth 1,000 by rate, 100 at most. Each piece has its part of the 100, of
    what was left then: n pieces come to 1 + 1/2 + ... + 1/n times as much, no more."""
    fund_vault(exchange, 10**6)
    by_list(exchange, "queue-bitmex")
    loser = exchange.actor("loser", deposit=100_000)
    for i in range(10):
        exchange.open(side, loser, exchange.actor(f"winner {i}", deposit=20_000), 10, 10_000)
    exchange.move(away(side, 1_100))
    if way == "on the book":
        rival.order(side, 100, away(side, 1_000))
    with exchange.isolated():
        if way == "by list":
            accounts, _ = planned(exchange, loser, "queue-bitmex")
            most = hand_in_whole(keeper, loser, accounts).event("Liquidated").reward
        else:
            most = keeper.liquidate(loser).event("Liquidated").reward
    assert most == wad(100)
    earned = 0
    if way == "by list":
        accounts, _ = planned(exchange, loser, "queue-bitmex")
        call(keeper, "open_list", loser.account, 0)
        call(keeper, "hand_in", 0, accounts, [0] * len(accounts))
        while exchange.liquidator.view("open_list_of", 0).account:
            earned += call(keeper, "execute_list", 0, 1).event("Liquidated").reward
    else:
        while loser.size():
            earned += keeper.liquidate(loser, 10).event("Liquidated").reward
    assert earned <= most * sum(Fraction(1, i + 1) for i in range(10)) + 10


@BOTH_SIDES
def test_calls_that_share_out_nothing_earn_nothing(
    exchange: Exchange, keeper: Actor, loser: Actor, side: int
) -> None:
    """Opening, handing in, executing no rows, ending: the keeper is paid for what was closed, once."""
    fund_vault(exchange, 10**5)
    by_list(exchange, "queue-bitmex")
    accounts, _ = planned(exchange, loser, "queue-bitmex")
    with exchange.isolated():
        due = hand_in_whole(keeper, loser, accounts).event("Liquidated").reward
    before = keeper.collateral
    call(keeper, "open_list", loser.account, 0)
    call(keeper, "hand_in", 0, [], [])
    call(keeper, "hand_in", 0, accounts, [0] * len(accounts))
    for _ in range(5):
        call(keeper, "execute_list", 0, 0)
    assert keeper.collateral == before
    call(keeper, "execute_list", 0, 100)
    with pytest.raises(Revert, match="list: none open"):
        call(keeper, "execute_list", 0, 100)
    with pytest.raises(Revert, match="deleverage: not bankrupt"):
        hand_in_whole(keeper, loser, accounts)
    assert keeper.collateral - before == due > 0


# freezing for nothing


@BOTH_SIDES
def test_a_sound_account_opens_no_list(exchange: Exchange, keeper: Actor, loser: Actor, side: int) -> None:
    """Neither one in good health, nor one that is only liquidatable, nor where bids or fund can finish."""
    fund_vault(exchange, 10**6)
    by_list(exchange, "queue-bitmex")
    for actor in (keeper, exchange.actor("winner 1"), exchange.actor("beside 1")):
        with pytest.raises(Revert, match="deleverage: not bankrupt"):
            call(keeper, "open_list", actor.account, 0)
    with exchange.isolated():
        loser.deposit(2_000 + 1)
        with pytest.raises(Revert, match="deleverage: not bankrupt"):
            call(keeper, "open_list", loser.account, 0)
    with pytest.raises(Revert, match="deleverage: by index"):
        call(keeper, "open_list", loser.account, 1)
    # the book and the fund can: it is closed, and nothing is frozen
    exchange.actor("bids", deposit=10**6).order(side, 10, away(side, 1_210))
    call(keeper, "open_list", loser.account, 0)
    assert loser.size() == 0 and exchange.liquidator.view("open_list_of", 0).account == 0
    exchange.actor("bids").order(-side, 1, away(side, 1_190))
    assert not exchange.market().stale


@BOTH_SIDES
def test_lists_opened_again_and_again_freeze_a_market_half_of_the_time_at_most(
    exchange: Exchange, keeper: Actor, rival: Actor, loser: Actor, side: int
) -> None:
    """Nobody hands anything in. After a timeout the market goes by index for as long again, and any other
    keeper needs one call then."""
    by_list(exchange, "queue-bitmex", timeout=TIMEOUT)
    frozen = 0
    mark = away(side, 1_200)
    start = exchange.now
    for _ in range(20):
        try:
            call(keeper, "open_list", loser.account, 0)
        except Revert as error:
            assert error.reason == "deleverage: by index"
            with exchange.isolated():
                assert call(rival, "deleverage", loser.account, 0).value == wad(10)
            exchange.move(mark, after=60)
            continue
        exchange.wait(TIMEOUT)
        call(rival, "end_list", 0)
        frozen += TIMEOUT
        exchange.move(mark, after=1)
    assert 0 < frozen <= (exchange.now - start) * 6 // 10


@BOTH_SIDES
def test_a_frozen_market_is_not_frozen_twice_nor_longer_than_its_timeout(
    exchange: Exchange, keeper: Actor, rival: Actor, loser: Actor, side: int
) -> None:
    """Neither by opening, nor by handing in, nor by executing nothing at the last moment."""
    by_list(exchange, "queue-bitmex", timeout=TIMEOUT)
    accounts, _ = planned(exchange, loser, "queue-bitmex")
    call(keeper, "open_list", loser.account, 0)
    deadline = exchange.liquidator.view("open_list_of", 0).deadline
    assert deadline == exchange.now + TIMEOUT
    exchange.wait(TIMEOUT - 1)
    with pytest.raises(Revert, match="frozen market"):
        call(keeper, "open_list", loser.account, 0)
    call(keeper, "hand_in", 0, accounts, [0] * len(accounts))
    call(keeper, "execute_list", 0, 0)
    assert exchange.liquidator.view("open_list_of", 0).deadline == deadline
    exchange.wait(1)
    assert call(rival, "end_list", 0).event("ListEnded").timed_out
    exchange.move(away(side, 1_200), after=1)
    assert call(rival, "deleverage", loser.account, 0).value == wad(10)


@BOTH_SIDES
@pytest.mark.parametrize("notional", [6_000, 150_000])
def test_dust_freezes_nothing_where_lists_are_for_large_positions(
    exchange: Exchange, keeper: Actor, loser: Actor, side: int, notional: int
) -> None:
    """A bankrupt account of 0.5 is taken by index in one call; from `list_from` on it takes a list."""
    by_list(exchange, "queue-bitmex", list_from=notional * WAD)
    dust = exchange.actor("dust", deposit=10_000)
    exchange.move(10_000)
    exchange.open(side, dust, exchange.actor("winner 0"), "0.5", 10_000)
    dust.withdraw(9_500)
    exchange.move(away(side, 1_200))
    assert dust.equity == wad(-100)
    with pytest.raises(Revert, match="deleverage: by index"):
        call(keeper, "open_list", dust.account, 0)
    assert call(keeper, "deleverage", dust.account, 0).value == wad("0.5")
    if notional * WAD <= 10 * exchange.mark():
        with pytest.raises(Revert, match="deleverage: needs a list"):
            call(keeper, "deleverage", loser.account, 0)
    else:
        assert call(keeper, "deleverage", loser.account, 0).value == wad(10)


def test_a_list_that_cannot_bear_it_all_ends(exchange: Exchange, keeper: Actor, rival: Actor) -> None:
    """The other side can bear a part only: that by the list, the rest by index, and the list is over."""
    by_list(exchange, "pro-rata")
    loser = exchange.actor("loser", deposit=10_000)
    exchange.open(LONG, loser, exchange.actor("winner 0", deposit=10_000), 10, 10_000)
    exchange.move(8_800)
    # the winner's own gain is what the list takes; it cannot bear the whole deficit of a further fall
    exchange.move(5_000)
    accounts, shares = planned(exchange, loser, "pro-rata")
    call(keeper, "open_list", loser.account, 0)
    call(keeper, "hand_in", 0, accounts, [0])
    receipt = call(rival, "execute_list", 0, 1).event("DeleverageReceipt")
    assert receipt.quantity == wad(10) and loser.size() == 0
    assert receipt.by_index == wad(10) - sum(row.amount for row in shares.allotments)
    assert exchange.liquidator.view("open_list_of", 0).account == 0
    exchange.check_invariants(dust=1_000, size_dust=100)
