"""A loss is booked too large, twice, or silently out of the margin of people who had no part in it."""

from __future__ import annotations

import pytest
from support import BOTH_DECIMALS, BOTH_SIDES, Actor, Exchange
from support.distress import DISTRESS, NO_BREAKER, away, distress_market, fund_vault, positioned

from perpsim.chain import Revert
from perpsim.protocol import wad

WHOLE_VAULT = pytest.mark.exchange(markets=(distress_market(),), vault=NO_BREAKER)
TWO = pytest.mark.exchange(markets=(distress_market(), distress_market()), vault=NO_BREAKER)


@DISTRESS
@BOTH_DECIMALS
@BOTH_SIDES
@pytest.mark.parametrize("first", ["bystander", "winner"])
def test_a_loss_without_a_fund_is_not_paid_out_of_a_bystanders_margin(
    exchange: Exchange, keeper: Actor, side: int, first: str
) -> None:
    """10,000 are missing and nobody insures them: who has no position leaves with all of his, first or
    last; the winner leaves with his gain less what was missing."""
    bystander = exchange.actor("bystander", deposit=5_000)
    other_market = exchange.actor("depositor", deposit="0.000001")
    winner = exchange.actor("winner", deposit=100_000)
    loser = positioned(exchange, side)
    exchange.move(away(side, 2_000))
    assert loser.equity == -wad(10_000)
    keeper.liquidate(loser, with_deleverage=True)
    assert winner.equity == wad(100_000 + 20_000 - 10_000)
    keeper.withdraw(1_000_000)
    for actor in (bystander, winner) if first == "bystander" else (winner, bystander):
        actor.send(exchange.clearinghouse, "withdraw", actor.withdrawable)
    other_market.withdraw("0.000001")
    assert bystander.tokens == 5_000 * 10**exchange.params.decimals
    assert winner.tokens == 110_000 * 10**exchange.params.decimals
    assert exchange.token.view("balanceOf", exchange.clearinghouse.address) == 0


@WHOLE_VAULT
@BOTH_SIDES
@pytest.mark.parametrize("covered_by", ["cover", "deleveraging", "fund after deleveraging"])
def test_the_deficit_is_booked_and_not_the_whole_position(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int, covered_by: str
) -> None:
    """A position of 100,000, a loss of 15,000, a stake of 10,000: what anybody bears is 5,000."""
    loser = positioned(exchange, side)
    if covered_by == "cover":
        fund_vault(exchange, 50_000)
        exchange.move(away(side, 1_500))
        maker.order(side, 10, away(side, 1_500))
    else:
        exchange.move(away(side, 1_500))
    winners = exchange.actor("winner").equity
    fund = exchange.fund * exchange.unit()
    sent = keeper.liquidate(loser, with_deleverage=True)
    done = sent.event("Liquidated")
    assert done.equity_before == -wad(5_000)
    if covered_by == "cover":
        assert done.cover == wad(5_000)
        assert exchange.vault.view("ledger", 0).deficit * exchange.unit() == wad(5_000)
        assert fund - exchange.fund * exchange.unit() == wad(5_000) + done.reward
        assert exchange.actor("winner").equity == winners
    else:
        receipt = sent.event("DeleverageReceipt")
        assert receipt.deficit == receipt.haircut == wad(5_000)
        assert winners - exchange.actor("winner").equity == wad(5_000)
        assert exchange.vault.view("ledger", 0).deficit == 0
        assert exchange.liquidator.view("bad_debt", 0).deficit == 0
    assert loser.collateral == 0
    exchange.check_invariants(dust=0, size_dust=0)


def in_debt_and_losing(exchange: Exchange, side: int) -> Actor:
    """Collateral -5,000 (a loss realised against a gain in the other market), and a position that has gone
    from that gain to a loss of 2,000."""
    actor = exchange.actor("loser", deposit=20_000)
    winner = exchange.actor("winner", deposit=10**8)
    exchange.open(side, actor, winner, 10, 10_000)
    exchange.open(side, actor, winner, 10, 10_000, market=1)
    exchange.move(away(side, 2_500))
    exchange.owner.send(exchange.oracle, "post", 1, wad(away(side, -3_000)), exchange.now)
    winner.order(side, 10, away(side, 2_500))
    actor.order(-side, 10, away(side, 2_500), reduce_only=True)
    assert actor.size() == 0 and actor.collateral == -wad(5_000)
    exchange.wait(12)
    exchange.owner.send(exchange.oracle, "post", 1, wad(away(side, 200)), exchange.now)
    exchange.owner.send(exchange.oracle, "post", 0, wad(away(side, 2_500)), exchange.now)
    assert actor.equity == -wad(7_000)
    return actor


@TWO
@BOTH_SIDES
def test_collateral_and_position_both_negative_are_counted_once_each(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int
) -> None:
    """The fund pays 7,000: not 5,000, not 2,000, not 12,000."""
    fund_vault(exchange, 50_000)
    loser = in_debt_and_losing(exchange, side)
    maker.order(side, 10, away(side, 200), market=1)
    event = keeper.liquidate(loser, market=1).event("Liquidated")
    assert event.cover == wad(7_000) and loser.collateral == 0
    exchange.check_invariants(dust=0, size_dust=0)


@TWO
@BOTH_SIDES
def test_winners_bear_the_positions_loss_and_no_debt_from_elsewhere(
    exchange: Exchange, keeper: Actor, side: int
) -> None:
    """Without bids and a fund: the position's 2,000 by deleveraging, the old 5,000 after it; in all 7,000."""
    loser = in_debt_and_losing(exchange, side)
    winner = exchange.actor("winner")
    before = winner.equity
    sent = keeper.liquidate(loser, with_deleverage=True, market=1)
    receipt = sent.event("DeleverageReceipt")
    booked = sent.named("BadDebtBooked")
    assert receipt.deficit == wad(7_000) and receipt.haircut <= wad(2_000)
    rest = sum(event.deficit for event in booked)
    assert receipt.haircut + rest == wad(7_000)
    borne = before - winner.equity
    unborne = sum(event.treasury + event.unpaid for event in booked)
    assert abs(borne + unborne - wad(7_000)) <= 10
    assert loser.collateral == loser.size(1) == 0
    exchange.check_invariants(dust=100, size_dust=0)


@TWO
@BOTH_SIDES
def test_a_debt_is_not_withdrawn_from_under_a_profitable_position(exchange: Exchange, side: int) -> None:
    """Negative collateral and a gain that outweighs it: sound, but there is nothing to take out."""
    actor = exchange.actor("trader", deposit=20_000)
    winner = exchange.actor("winner", deposit=10**8)
    exchange.open(side, actor, winner, 10, 10_000)
    exchange.open(side, actor, winner, 10, 10_000, market=1)
    exchange.move(away(side, 2_500))
    exchange.owner.send(exchange.oracle, "post", 1, wad(away(side, -4_900)), exchange.now)
    winner.order(side, 10, away(side, 2_500))
    actor.order(-side, 10, away(side, 2_500), reduce_only=True)
    equity, initial, _ = actor.health
    assert actor.collateral == -wad(5_000) and equity > initial
    assert actor.withdrawable == 0
    with pytest.raises(Revert, match="withdraw: nothing"):
        actor.withdraw("0.000001")
    # the debt comes first when somebody pays in
    actor.deposit(4_000)
    assert actor.withdrawable == 0


@DISTRESS
@BOTH_SIDES
def test_an_account_that_is_not_bankrupt_any_more_is_not_deleveraged(
    exchange: Exchange, keeper: Actor, side: int
) -> None:
    """Between what the keeper saw and its call, in the same block: a deposit, or another price."""
    loser = positioned(exchange, side)
    winner = exchange.actor("winner")
    exchange.move(away(side, 1_100))
    assert loser.equity == -wad(1_000)
    with exchange.isolated():
        loser.deposit(1_000)
        with pytest.raises(Revert, match="deleverage: not bankrupt"):
            keeper.send(exchange.liquidator, "deleverage", loser.account, 0)
        assert keeper.liquidate(loser, with_deleverage=True).value == 0
    exchange.move(away(side, 990))
    with pytest.raises(Revert, match="deleverage: not bankrupt"):
        keeper.send(exchange.liquidator, "deleverage", loser.account, 0)
    # below its maintenance margin it may be liquidated, but not at its counterparties' expense
    assert keeper.liquidate(loser, with_deleverage=True).value == 0
    assert loser.size() == -winner.size() == side * wad(10)


@DISTRESS
@BOTH_SIDES
def test_deleveraging_closes_nobody_on_the_same_side(exchange: Exchange, keeper: Actor, side: int) -> None:
    """Who stands beside the bankrupt account keeps size and price; only the other side is closed."""
    beside = exchange.actor("beside", deposit=100_000)
    exchange.open(side, beside, exchange.actor("winner", deposit=10**8), 5, 10_000)
    loser = positioned(exchange, side)
    exchange.move(away(side, 1_500))
    before, health = beside.position(), beside.health
    keeper.liquidate(loser, with_deleverage=True)
    assert beside.position() == before and beside.health == health
    # a wei may be lost to rounding
    assert 0 <= wad(5) + side * exchange.actor("winner").size() <= 1
