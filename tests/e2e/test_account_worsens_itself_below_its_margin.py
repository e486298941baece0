"""An account that is short of margin makes its own hole deeper, with a friend on the other side, or gets
margin for nothing.

IM 10 %, MM 5 %: long (short) 10 from 10,000 with 10,000, the mark has moved by 300 against it.
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from support import BOTH_DECIMALS, BOTH_SIDES, IOC, LONG, PLAIN, Actor, Exchange, deployed, plain_market
from support.distress import away, positioned

from perpsim.chain import Revert
from perpsim.protocol import WAD, FundingTerms, ProtocolParams, wad

UNIT = Decimal("0.000001")


@pytest.fixture
def friend(exchange: Exchange) -> Actor:
    """Takes the other side of everything, at any price."""
    return exchange.actor("friend", deposit=100_000_000)


def strained(exchange: Exchange, side: int) -> Actor:
    """Between MM and IM."""
    actor = positioned(exchange, side, "strained")
    exchange.move(away(side, 300))
    equity, initial, maintenance = actor.health
    assert maintenance < equity < initial
    return actor


def excess(actor: Actor) -> int:
    """Equity above the maintenance margin, WAD."""
    equity, _, maintenance = actor.health
    return int(equity - maintenance)


@PLAIN
@BOTH_SIDES
@pytest.mark.parametrize("as_maker", [False, True], ids=["takes", "is taken"])
@pytest.mark.parametrize("size", ["0.001", 1, 5, 10, 15])
def test_whatever_it_sells_to_a_friend_its_excess_does_not_fall(
    exchange: Exchange, friend: Actor, side: int, size: str | int, as_maker: bool
) -> None:
    """At any distance from the mark: refused, or no worse off; and the nearer prices are not refused."""
    actor = strained(exchange, side)
    allowed = []
    for distance in (0, 100, 400, 480, 490, 520, 600, 900, 1_000, 1_100, 2_000, 4_000, 6_000):
        price = away(side, 300 + distance)
        with exchange.isolated():
            before = excess(actor)
            held = abs(actor.size())
            if as_maker:
                actor.order(-side, size, price, reduce_only=True)
                friend.order(side, size, price, IOC)
            else:
                friend.order(side, size, price)
                try:
                    actor.order(-side, size, price, IOC)
                except Revert as error:
                    assert error.reason == "order: margin"
            assert excess(actor) >= before
            if abs(actor.size()) < held:
                allowed.append(distance)
    # 5 % of the price is freed for each unit sold; who goes through zero needs the margin of the new side
    through_zero = size == 15 and not as_maker
    assert set(allowed) - {490, 520} == ({0, 100} if through_zero else {0, 100, 400, 480})


@PLAIN
@BOTH_SIDES
def test_it_opens_nothing_not_even_the_other_side(exchange: Exchange, friend: Actor, side: int) -> None:
    actor = strained(exchange, side)
    mark = away(side, 300)
    friend.order(-side, 30, mark)
    with pytest.raises(Revert, match="order: margin"):
        actor.order(side, "0.001", mark)
    friend.cancel_all()
    friend.order(side, 30, mark)
    before = actor.position()
    with pytest.raises(Revert, match="order: margin"):
        actor.order(-side, 21, mark)
    assert actor.position() == before


@PLAIN
@BOTH_SIDES
@pytest.mark.parametrize("distance", [300, 700, 990])
def test_the_initial_margin_is_not_asked_of_who_only_reduces(
    exchange: Exchange, friend: Actor, side: int, distance: int
) -> None:
    """Short of IM, and of MM: at the mark it gets out, in parts and whole, as taker and as maker."""
    actor = positioned(exchange, side, "strained")
    exchange.move(away(side, distance))
    assert actor.equity < actor.health.initial
    friend.order(side, 4, away(side, distance))
    assert actor.order(-side, 4, away(side, distance), IOC, reduce_only=True).filled == wad(4)
    assert actor.order(-side, 6, away(side, distance), reduce_only=True).id
    friend.order(side, 6, away(side, distance), IOC)
    assert actor.size() == 0 and actor.equity == wad(10_000 - 10 * distance)
    actor.withdraw(10_000 - 10 * distance)


@PLAIN
@BOTH_SIDES
@BOTH_DECIMALS
@pytest.mark.parametrize("stake", [1_000, 5_000, 7_000])
def test_a_far_priced_order_on_an_empty_book_is_margined_at_the_mark(
    exchange: Exchange, friend: Actor, side: int, stake: int
) -> None:
    """A bid far above it would be bankrupt by its fill, and the friend who fills it richer by as much."""
    attacker = exchange.actor("attacker", deposit=stake)
    most = stake - 1_000
    with pytest.raises(Revert, match="order: margin"):
        attacker.order(side, 1, 10_000 + side * (Decimal(most) + Decimal("0.001")))
    order = attacker.order(side, 1, 10_000 + side * most).id
    # what fits now fits no more once the mark has gone
    exchange.move(away(side, 1))
    friend.order(-side, 1, 10_000 + side * most, IOC)
    assert attacker.size() == 0 and order not in attacker.orders()


#: 2.88 % in 8 hours, from the side that the test is about
CARRY = FundingTerms(interest=wad("0.0288"), clamp=wad(1), cap=wad(1), band=0)


@BOTH_SIDES
def test_leverage_is_checked_before_funding_is_settled(side: int) -> None:
    """It owes funding that nothing has settled yet: opening, withdrawing and liquidating know of it."""
    terms = CARRY._replace(interest=side * CARRY.interest)
    with deployed(ProtocolParams(markets=(plain_market(funding=terms),))) as exchange:
        other = exchange.actor("other", deposit=1_000_000)
        payer = exchange.actor("payer", deposit=1_500)
        exchange.open(side, payer, other, 1, 10_000)
        assert payer.withdrawable == 500 * 10**6
        exchange.refresh(50_000)
        # a hundredth a second: 500
        assert payer.equity == wad(1_000) and payer.collateral == wad(1_500)
        other.order(-side, "0.001", 10_000)
        with pytest.raises(Revert, match="order: margin"):
            payer.order(side, "0.001", 10_000)
        with pytest.raises(Revert, match="withdraw: nothing"):
            payer.withdraw(UNIT)
        exchange.refresh(50_000)
        with pytest.raises(Revert, match="liquidate: healthy"):
            other.liquidate(payer)
        exchange.refresh(1)
        assert payer.collateral == wad(1_500) and payer.equity == wad("499.99")
        other.cancel_all()
        exchange.actor("maker", deposit=10_000).order(side, 1, 10_000)
        assert other.liquidate(payer).value > 0


WEI = plain_market(lot_size=1, min_size=1)


@pytest.mark.exchange(markets=(WEI,))
@BOTH_SIDES
def test_the_margin_of_a_tiny_size_does_not_round_to_nothing(
    exchange: Exchange, maker: Actor, side: int
) -> None:
    """Wei by wei: each needs its margin, and all together no less than one of their sum."""
    trader = exchange.actor("trader", deposit=UNIT)
    wei = Decimal(1) / WAD
    maker.order(-side, "0.000000000001", 10_000)
    for count in range(1, 201):
        trader.order(side, wei, 10_000, IOC)
        _, initial, maintenance = trader.health
        assert (initial, maintenance) == (count * 1_000, count * 500)
    # the stake of 1e12 wei is margin for 1e9 wei of size and no more
    maker.order(-side, 1, 10_000)
    left = Decimal(10**9 - 200) / WAD
    with pytest.raises(Revert, match="order: cannot be filled whole"):
        trader.order(side, left + wei, 10_000, 3)
    trader.order(side, left, 10_000, 3)
    assert trader.health.initial == trader.equity == 10**12


@pytest.mark.exchange(markets=(WEI,))
@BOTH_SIDES
def test_a_wei_of_size_at_the_least_price_needs_a_margin(exchange: Exchange, side: int) -> None:
    """A notional of a thousandth of a wei: 1 wei of margin, and without a stake nothing."""
    exchange.move("0.001")
    rich, nobody = exchange.actor("rich", deposit=1), exchange.actor("nobody", deposit=UNIT)
    nobody.withdraw(UNIT)
    wei = Decimal(1) / WAD
    rich.order(-side, wei, "0.001")
    with pytest.raises(Revert, match="order: margin"):
        nobody.order(side, wei, "0.001")
    assert rich.orders()
    rich.deposit(1)
    other = exchange.actor("other", deposit=1)
    other.order(side, wei, "0.001")
    assert other.size() == side and other.health[1:] == (1, 1)
    assert side != LONG or other.position().entry == 1
