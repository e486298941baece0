"""What is left when a side was closed at a price that ruins it: vault, winners, treasury, the unpaid ledger.

`loser` holds 10 at 10,000 with a stake of 10,000; `late` takes over the other side at the new mark with a
margin of 10 %. A long goes to 4,000 (a short to 16,000) and is 50,000 under water; deleveraged at 9,000
(11,000) it costs `late` 50,000 of his 4,000 (16,000): he is flat and owes 46,000 (34,000).
"""

from __future__ import annotations

from typing import Any

import pytest
from support import BOTH_DECIMALS, BOTH_SIDES, LONG, SHORT, Actor, Exchange
from support.distress import DISTRESS, NO_BREAKER, away, distress_market, fund_vault, positioned

from perpsim.chain import Revert
from perpsim.protocol import wad

MARKET = pytest.mark.exchange(markets=(distress_market(),), vault=NO_BREAKER)
FEES = pytest.mark.exchange(
    markets=(distress_market(taker_fee=wad("0.001"), vault_share=0),), vault=NO_BREAKER
)
OWED = [(LONG, 46_000), (SHORT, 34_000)]


def ruin(exchange: Exchange, side: int, keeper: Actor, others: Any = 0) -> Actor:
    """Deleverage `loser`, which ruins `late`. `others`: size between a holder and a bystander."""
    mark = away(side, 6_000)
    fee = 100 if exchange.params.markets[0].terms.taker_fee else 0
    loser = positioned(exchange, side, stake=10_000 + fee, against="early")
    late = exchange.actor("late", deposit=mark)
    if others:
        holder, bystander = exchange.actor("holder", 10**6), exchange.actor("bystander", 10**6)
        exchange.open(side, holder, bystander, others, 10_000)
    exchange.move(mark)
    exchange.open(side, exchange.actor("early"), late, 10, mark)
    assert loser.equity == -wad(50_000)
    sent = keeper.send(exchange.liquidator, "deleverage", loser.account, 0)
    assert sent.event("DeleverageReceipt").haircut == wad(50_000)
    assert loser.collateral == loser.size() == 0
    return late


@MARKET
@BOTH_DECIMALS
@pytest.mark.parametrize("side, owed", OWED)
def test_the_vault_pays_it_all(exchange: Exchange, keeper: Actor, side: int, owed: int) -> None:
    """The first to pay; the account starts again from nothing."""
    late = ruin(exchange, side, keeper)
    assert (late.size(), late.equity) == (0, -wad(owed))
    fund_vault(exchange, 50_000)
    event = keeper.liquidate(late).event("BadDebtBooked")
    assert (event.deficit, event.covered) == (wad(owed), wad(owed))
    assert (event.socialised, event.treasury, event.unpaid) == (0, 0, 0)
    assert exchange.fund * exchange.unit() == wad(50_000 - owed)
    assert (late.collateral, late.equity) == (0, 0)
    assert tuple(exchange.liquidator.view("bad_debt", 0)) == (wad(owed), wad(owed), 0, 0, 0)
    assert exchange.vault.view("ledger", 0).deficit * exchange.unit() == wad(owed)
    exchange.check_invariants(dust=0, size_dust=0)


@FEES
@BOTH_DECIMALS
@pytest.mark.parametrize("side, owed", OWED)
def test_then_the_treasury_then_nobody(exchange: Exchange, keeper: Actor, side: int, owed: int) -> None:
    """No other side is left: what vault and treasury cannot pay is written down, and repaid later."""
    late = ruin(exchange, side, keeper)
    treasury = exchange.fees()[0]
    assert treasury > 0
    late_owes = -late.equity
    fund_vault(exchange, 1_000)
    event = keeper.liquidate(late).event("BadDebtBooked")
    unpaid = late_owes - wad(1_000) - treasury
    assert (event.deficit, event.covered, event.treasury) == (late_owes, wad(1_000), treasury)
    assert (event.socialised, event.unpaid) == (0, unpaid)
    assert exchange.clearinghouse.view("unpaid", 0) == unpaid
    assert exchange.fees() == (0, 0) and late.collateral == 0
    exchange.check_invariants(dust=0, size_dust=0)

    # repaid as far as the vault goes, by whoever calls; the deficit is not booked again
    deficit = exchange.vault.view("ledger", 0).deficit
    assert keeper.send(exchange.liquidator, "repay_bad_debt", 0).events == []
    fund_vault(exchange, 5_000)
    assert keeper.send(exchange.liquidator, "repay_bad_debt", 0).value == wad(5_000)
    fund_vault(exchange, 50_000)
    assert keeper.send(exchange.liquidator, "repay_bad_debt", 0).value == unpaid - wad(5_000)
    assert keeper.send(exchange.liquidator, "repay_bad_debt", 0).value == 0
    assert exchange.clearinghouse.view("unpaid", 0) == 0
    assert exchange.vault.view("ledger", 0).deficit == deficit
    ledger = exchange.liquidator.view("bad_debt", 0)
    assert ledger.deficit == ledger.covered + ledger.socialised + ledger.treasury + ledger.unpaid
    assert (ledger.unpaid, ledger.treasury) == (0, treasury)
    exchange.check_invariants(dust=exchange.unit(), size_dust=0)


@MARKET
@BOTH_SIDES
def test_the_ruined_owe_nothing_new_and_can_begin_again(exchange: Exchange, keeper: Actor, side: int) -> None:
    """Once the debt is resolved, money that comes in belongs to the account."""
    late = ruin(exchange, side, keeper)
    keeper.liquidate(late)
    with pytest.raises(Revert, match="liquidate: no position"):
        keeper.liquidate(late)
    late.deposit(20_000)
    exchange.open(side, late, exchange.actor("early"), 1, away(side, 6_000))
    late.order(-side, 1, away(side, 5_990), 1, reduce_only=True)
    late.withdraw(1_000)


@MARKET
@BOTH_SIDES
def test_who_deposits_before_it_is_resolved_pays_the_debt(
    exchange: Exchange, keeper: Actor, side: int
) -> None:
    """And cannot trade or withdraw with it."""
    late = ruin(exchange, side, keeper)
    owed = -late.equity
    late.deposit(20_000)
    assert late.equity == wad(20_000) - owed
    assert late.withdrawable == 0
    with pytest.raises(Revert, match="order: margin"):
        late.order(side, "0.001", away(side, 6_000))
    event = keeper.liquidate(late).event("BadDebtBooked")
    assert event.deficit == owed - wad(20_000)


@MARKET
@BOTH_SIDES
def test_a_new_epoch_does_not_pay_for_the_old_one(exchange: Exchange, keeper: Actor, side: int) -> None:
    """Whoever comes after the whole side was closed has won nothing from the ruined account; nor has who was
    there before and comes again."""
    late = ruin(exchange, side, keeper)
    newcomers = [exchange.actor(name, 10**6) for name in ("loser", "early", "newcomer", "other newcomer")]
    wealth = [actor.equity for actor in newcomers]
    for one, other in (newcomers[:2], newcomers[2:]):
        exchange.open(side, one, other, 5, away(side, 6_000))
    event = keeper.liquidate(late).event("BadDebtBooked")
    assert event.socialised == 0 and event.unpaid == event.deficit
    assert [actor.equity for actor in newcomers] == wealth
    exchange.check_invariants(dust=0, size_dust=0)


def ruined_short(exchange: Exchange, keeper: Actor, others: Any) -> Actor:
    """A short, half closed at 9,000, that owes more than it would get by buying back at zero."""
    late = ruin(exchange, LONG, keeper, others)
    assert late.size() < 0
    assert late.bankruptcy_price() < 0
    return late


@MARKET
@BOTH_DECIMALS
@pytest.mark.parametrize("fund", [0, 600, 5_000])
def test_a_debt_from_elsewhere_is_not_closed_into_the_other_side(
    exchange: Exchange, keeper: Actor, fund: int
) -> None:
    """`late` keeps 5 short from 4,000 at a mark of 4,000 and owes 21,000 from before: the position closes at
    4,000 and costs nobody anything; the debt goes to the vault, then to the longs up to their notional."""
    late = ruined_short(exchange, keeper, 10)
    holder = exchange.actor("holder")
    assert (late.size(), late.equity) == (-wad(5), -wad(21_000))
    if fund:
        fund_vault(exchange, fund)
    before = holder.equity
    sent = keeper.send(exchange.liquidator, "deleverage", late.account, 0)
    receipt = sent.event("DeleverageReceipt")
    assert (receipt.quantity, receipt.bankruptcy_price, receipt.haircut) == (wad(5), wad(4_000), 0)
    assert receipt.deficit == wad(21_000)
    event = sent.event("BadDebtBooked")
    assert (event.deficit, event.covered) == (wad(21_000), wad(fund))
    # the longs still hold 5 at 4,000
    socialised = min(21_000 - fund, 20_000)
    assert (event.socialised, event.unpaid) == (wad(socialised), wad(21_000 - fund - socialised))
    assert before - holder.equity == wad(socialised)
    assert late.collateral == late.size() == 0 and holder.size() == wad(5)
    exchange.check_invariants(dust=10, size_dust=10)


@DISTRESS
@pytest.mark.parametrize("others", ["0.001", "0.002", "0.01"])
def test_a_charge_on_a_crumb_of_a_side_does_not_overflow(
    exchange: Exchange, keeper: Actor, others: str
) -> None:
    """The winners are charged no more than their positions are worth; the rest is unpaid, not stuck."""
    late = ruined_short(exchange, keeper, others)
    holder = exchange.actor("holder")
    before = holder.equity
    sent = keeper.send(exchange.liquidator, "deleverage", late.account, 0)
    event = sent.event("BadDebtBooked")
    left = exchange.market().open_interest
    assert 0 < event.socialised <= left * 4_000
    assert event.deficit == event.socialised + event.unpaid + event.treasury
    # half the holder's position at most, and what the other half is worth
    assert before - holder.equity <= wad(others) * 4_000
    assert late.collateral == late.size() == 0
    exchange.check_invariants(dust=10**6, size_dust=10)


@MARKET
def test_winners_of_a_later_epoch_pay_for_losers_of_that_epoch(exchange: Exchange, keeper: Actor) -> None:
    """Though the account that owes has no position left in their market."""
    first = positioned(exchange, LONG, "first", against="first winner")
    exchange.move(8_000)
    keeper.send(exchange.liquidator, "deleverage", first.account, 0)
    assert (exchange.market().epoch_long, exchange.market().epoch_short) == (1, 1)
    exchange.move(10_000)
    late = ruined_short(exchange, keeper, 10)
    assert (late.size(), late.equity) == (-wad(5), -wad(21_000))
    event = keeper.send(exchange.liquidator, "deleverage", late.account, 0).event("BadDebtBooked")
    assert (event.socialised, event.unpaid) == (wad(20_000), wad(1_000))
    exchange.check_invariants(dust=10, size_dust=10)
