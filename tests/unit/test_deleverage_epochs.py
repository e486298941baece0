"""Closing a side again and again: its multiplier shrinks and begins anew; old positions settle right."""

from __future__ import annotations

from typing import Any

import pytest
from support import BOTH_DECIMALS, BOTH_SIDES, LONG, Actor, Exchange
from support.distress import DISTRESS, away, distress_market, positioned

from perpsim.chain import Revert
from perpsim.protocol import A_ONE, wad

#: below it a side takes no new positions
A_FLOOR = 10**27


def deleverage(exchange: Exchange, whom: Actor) -> Any:
    """A keeper's call."""
    return exchange.actor("keeper").send(exchange.liquidator, "deleverage", whom.account, 0)


def close_a_side(exchange: Exchange, side: int, price: Any, name: str, counter: Actor) -> None:
    """`name` holds the whole of a side against `counter` and is deleveraged 1,500 further on."""
    loser = exchange.actor(name, deposit=price)
    exchange.open(side, loser, counter, 10, price)
    exchange.move(price - side * 1_500)
    deleverage(exchange, loser)
    assert (loser.size(), loser.collateral) == (0, 0)


@DISTRESS
@BOTH_DECIMALS
@BOTH_SIDES
def test_a_position_settles_several_epochs_later(exchange: Exchange, side: int) -> None:
    """A side is closed whole three times; who was in it the first time finds what it was closed at."""
    patient = exchange.actor("patient", deposit=100_000)
    busy = exchange.actor("busy", deposit=100_000)
    close_a_side(exchange, side, 10_000, "first", patient)
    money = wad(110_000)
    assert patient.size() == 0 and patient.equity == money
    for i, name in enumerate(("second", "third")):
        exchange.move(10_000)
        close_a_side(exchange, side, 10_000, name, busy)
        market = exchange.market()
        assert market.epoch_long == market.epoch_short == i + 2
        assert patient.equity == money and patient.size() == 0
    assert busy.equity == wad(120_000)
    assert patient.health.maintenance == 0
    patient.withdraw(5_000)
    exchange.move(10_000)
    # settled by trading on, on either side
    exchange.open(-side, patient, busy, 3, 10_000)
    assert patient.equity == money - wad(5_000)
    assert patient.position() == (-side * wad(3), -side * wad(30_000), 0)
    patient.order(side, 3, 10_000)
    busy.order(-side, 3, 10_000, 2)
    assert patient.size() == 0
    patient.withdraw(105_000)
    assert patient.collateral == 0
    exchange.check_invariants(dust=0, size_dust=0)


@pytest.mark.exchange(markets=(distress_market(interest=wad("0.01"), clamp=wad("0.05"), cap=wad("0.05")),))
@BOTH_SIDES
def test_funding_up_to_the_end_of_the_epoch_is_paid(exchange: Exchange, side: int) -> None:
    """And none after it."""
    patient = exchange.actor("patient", deposit=100_000)
    loser = positioned(exchange, side, stake=12_000, against="patient")
    exchange.refresh(12)
    exchange.refresh(8 * 3600)
    accrued = patient.equity - wad(100_000)
    assert accrued * side > 0, "longs pay"
    exchange.move(away(side, 2_000))
    deleverage(exchange, loser)
    end = patient.equity
    assert abs(end - wad(112_000)) <= 10**6
    exchange.refresh(24 * 3600)
    assert patient.equity == end
    exchange.check_invariants(size_dust=0)


def counter_a(exchange: Exchange, side: int) -> int:
    """The multiplier of the side against which accounts of `side` are deleveraged."""
    market = exchange.market()
    return int(market.a_short if side == LONG else market.a_long)


def shrunk(exchange: Exchange, side: int) -> tuple[Actor, list[Actor]]:
    """Three times 10 of 10.01 of a side are closed; a holder of 0.01 and four counterparties are left."""
    holder = exchange.actor("holder", deposit=10**6)
    others = [exchange.actor("counterparty", deposit=10**6)]
    exchange.open(side, holder, others[0], "0.01", 10_000)
    for i in range(3):
        others.append(exchange.actor(f"counterparty {i}", deposit=10**6))
        loser = positioned(exchange, side, f"loser {i}", against=others[-1].name)
        exchange.move(away(side, 1_500))
        deleverage(exchange, loser)
        exchange.move(10_000)
    return holder, others


@DISTRESS
@BOTH_SIDES
def test_below_the_floor_a_side_only_closes(exchange: Exchange, side: int) -> None:
    """Neither takers nor makers open on it; the other side trades among itself."""
    holder, others = shrunk(exchange, side)
    assert counter_a(exchange, side) < A_FLOOR
    newcomer, rival = exchange.actor("newcomer", deposit=10**6), exchange.actor("rival", deposit=10**6)
    rival.order(side, 1, 10_000)
    with pytest.raises(Revert, match="order: margin"):
        newcomer.order(-side, 1, 10_000, 2)
    rival.cancel_all()
    resting = newcomer.order(-side, 1, 10_000)
    sent = rival.order(side, 1, 10_000, 2)
    assert sent.filled == 0 and sent.event("OrderRemoved").order_id == resting.id
    # the holder hands his position on
    rival.order(side, "0.01", 10_000)
    assert holder.order(-side, "0.01", 10_000, 2).filled == wad("0.01")
    assert rival.size() == side * wad("0.01")
    assert abs(sum(other.size() for other in others) + rival.size()) <= len(others) * 3
    exchange.check_open_interest(dust=20)


@DISTRESS
@BOTH_DECIMALS
@BOTH_SIDES
def test_once_empty_it_begins_again(exchange: Exchange, side: int) -> None:
    """Everybody closes; the last wei are closed at the mark, and both sides start at one."""
    holder, others = shrunk(exchange, side)
    for other in others:
        size = other.size()
        assert size * side < 0
        other.send(exchange.book, "place", side > 0, wad(10_000), abs(size), 0, True, 0)
    holder.order(-side, "0.01", 10_000, 2, reduce_only=True)
    market = exchange.market()
    assert (market.open_interest, market.a_long, market.a_short) == (0, A_ONE, A_ONE)
    assert market.epoch_long == market.epoch_short == 1
    assert holder.size() == 0 and all(other.size() == 0 for other in others)
    # three times 10 at 500 each were lost by the deleveraged, and won by the others, exactly but for dust
    assert abs(holder.equity - wad(10**6)) <= 10**6
    assert abs(sum(other.equity for other in others) - wad(4 * 10**6 + 3 * 10_000)) <= 10**6
    assert abs(exchange.ledger().gap) <= 10**6
    exchange.open(-side, exchange.actor("newcomer", deposit=10**6), holder, 1, 10_000)
    exchange.check_book()
    exchange.check_open_interest(dust=0)


@DISTRESS
@BOTH_SIDES
def test_closing_nearly_everything_in_one_step(exchange: Exchange, side: int) -> None:
    """All but 0.001 of 500,000: a multiplier of 2e-9 in one step, and the rest is worth what it was."""
    holder, bystander = exchange.actor("holder", deposit=10**6), exchange.actor("bystander", deposit=10**6)
    exchange.open(side, holder, bystander, "0.001", 10_000)
    loser = exchange.actor("whale", deposit=5 * 10**8)
    exchange.open(side, loser, exchange.actor("other whale", deposit=10**12), 500_000, 10_000)
    exchange.move(away(side, 1_500))
    receipt = deleverage(exchange, loser).event("DeleverageReceipt")
    assert receipt.haircut == receipt.deficit == wad(25 * 10**7)
    left = exchange.market().open_interest
    assert left == wad("0.001")
    other = exchange.actor("other whale")
    assert 0 <= left - abs(other.size()) - abs(bystander.size()) <= 2
    # by size: both counterparties were closed at 9,000 (11,000)
    assert abs(other.equity - wad(10**12 + 5 * 10**8)) <= wad("0.5")
    assert holder.equity == wad(10**6) - wad("1.5")
    exchange.check_open_interest(dust=10)
    assert abs(exchange.ledger().gap) <= 10**6
