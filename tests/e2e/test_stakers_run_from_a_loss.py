"""A crash, and stakers of the insurance vault who want out before it is booked, or in right after."""

from __future__ import annotations

import pytest
from support import BOTH_SIDES, Actor, Exchange
from support.distress import away, distress_market, fund_vault, positioned
from support.lists import by_list

from perpsim.chain import Revert
from perpsim.protocol import MAX_UINT, WAD, VaultParams, wad

DAY = 86_400
#: seconds: every request becomes claimable after that, and lapses as long after
COOLDOWN = DAY
UNIT = 10**6

STAKED = pytest.mark.exchange(
    markets=(distress_market(), distress_market()),
    vault=VaultParams(breaker_trip=WAD, staking=True, cooldown=COOLDOWN, claim_window=COOLDOWN),
)


def stake(exchange: Exchange, name: str, tokens: int) -> Actor:
    """Somebody who stakes whole tokens."""
    actor = exchange.actor(name)
    actor.mint(tokens)
    actor.send(exchange.token, "approve", exchange.vault.address, MAX_UINT)
    actor.send(exchange.vault, "deposit", tokens * UNIT, actor.address)
    return actor


def ask(exchange: Exchange, staker: Actor) -> int:
    """Request everything; the value."""
    shares = exchange.vault.view("balanceOf", staker.address)
    return int(staker.send(exchange.vault, "request_withdraw", shares).value)


def claim(exchange: Exchange, staker: Actor) -> int:
    """Redeem all that can be redeemed, at least a share; token units."""
    shares = max(exchange.vault.view("maxRedeem", staker.address), 1)
    sent = staker.send(exchange.vault, "redeem", shares, staker.address, staker.address)
    return int(sent.value)


def worth(exchange: Exchange, staker: Actor) -> int:
    """What somebody's shares are worth, token units."""
    vault = exchange.vault
    return int(vault.view("convertToAssets", vault.view("balanceOf", staker.address)))


def assert_shut(exchange: Exchange, staker: Actor) -> None:
    """Neither the staker gets out nor anybody in."""
    vault = exchange.vault
    assert vault.view("maxRedeem", staker.address) == vault.view("maxDeposit", staker.address) == 0
    with pytest.raises(Revert, match="vault: above the maximum"):
        claim(exchange, staker)
    late = exchange.actor("late")
    late.mint(1_000)
    late.send(exchange.token, "approve", vault.address, MAX_UINT)
    with pytest.raises(Revert, match="vault: above the maximum"):
        late.send(vault, "deposit", 1_000 * UNIT, late.address)


def ready(exchange: Exchange, side: int, treasury: int = 20_000) -> tuple[Actor, Actor, Actor]:
    """Two stakers of 10,000 with a claim each, beside what the treasury gave; a trader near the edge."""
    fund_vault(exchange, treasury)
    runner, other = stake(exchange, "runner", 10_000), stake(exchange, "other", 10_000)
    loser = positioned(exchange, side)
    for staker in (runner, other):
        assert ask(exchange, staker) == 10_000 * UNIT
    exchange.wait(COOLDOWN)
    exchange.refresh()
    return runner, other, loser


@STAKED
@BOTH_SIDES
def test_whoever_may_leave_may_not_leave_a_loss_behind(exchange: Exchange, side: int) -> None:
    """Equity -1,000; somebody reports it. When it is booked, whoever ran bears as much as who stayed."""
    runner, other, loser = ready(exchange, side)
    exchange.move(away(side, 1_100))
    assert loser.equity == -wad(1_000)
    exchange.actor("keeper").send(exchange.vault, "report", loser.account)
    assert_shut(exchange, runner)
    exchange.actor("bids", deposit=10**6).order(side, 10, away(side, 1_100))
    event = exchange.actor("keeper").liquidate(loser).event("Liquidated")
    assert event.cover == wad(1_000)
    booked = 40_000 * UNIT - exchange.fund
    assert booked >= 1_000 * UNIT
    paid = claim(exchange, runner)
    assert paid == pytest.approx(10_000 * UNIT - booked // 4, abs=2)
    assert worth(exchange, other) == pytest.approx(paid, abs=2)


@STAKED
@BOTH_SIDES
def test_a_bankrupt_account_made_whole_by_the_market_lets_everybody_out(
    exchange: Exchange, side: int
) -> None:
    runner, _, loser = ready(exchange, side)
    exchange.move(away(side, 1_100))
    exchange.actor("keeper").send(exchange.vault, "report", loser.account)
    assert_shut(exchange, runner)
    exchange.move(away(side, 900))
    assert claim(exchange, runner) == 10_000 * UNIT


@STAKED
@BOTH_SIDES
def test_a_solvent_account_cannot_be_reported_to_lock_stakers_in(exchange: Exchange, side: int) -> None:
    """Not even one that is about to be liquidated."""
    runner, _, loser = ready(exchange, side)
    exchange.move(away(side, 990))
    assert 0 < loser.equity < loser.health.maintenance
    with pytest.raises(Revert, match="vault: not bankrupt"):
        exchange.actor("attacker").send(exchange.vault, "report", loser.account)
    assert claim(exchange, runner) == 10_000 * UNIT


@STAKED
@BOTH_SIDES
def test_stakers_get_themselves_out_by_doing_the_keepers_work(exchange: Exchange, side: int) -> None:
    """An attacker leaves a bankrupt account lying to lock them in: anyone may have it deleveraged."""
    runner, _, loser = ready(exchange, side)
    exchange.move(away(side, 1_100))
    exchange.actor("attacker").send(exchange.vault, "report", loser.account)
    assert_shut(exchange, runner)
    runner.liquidate(loser, with_deleverage=True)
    assert loser.equity == 0
    assert claim(exchange, runner) <= 10_000 * UNIT


@STAKED
@BOTH_SIDES
def test_nobody_leaves_while_a_market_is_frozen_for_deleveraging(exchange: Exchange, side: int) -> None:
    runner, _, loser = ready(exchange, side)
    by_list(exchange, "queue-bitmex", timeout=600)
    exchange.move(away(side, 1_100))
    keeper = exchange.actor("keeper")
    keeper.send(exchange.liquidator, "open_list", loser.account, 0)
    assert_shut(exchange, runner)
    exchange.wait(601)
    exchange.actor("anyone").send(exchange.liquidator, "end_list", 0)
    assert exchange.vault.view("is_unsettled") is False
    assert claim(exchange, runner) == 10_000 * UNIT


@STAKED
@BOTH_SIDES
def test_debt_that_nobody_could_bear_is_paid_before_anybody_leaves(exchange: Exchange, side: int) -> None:
    """A deleveraging ruins the only winner, and the market's cap stops the vault at 100: the rest is unpaid.
    The vault notices by itself, and opens again when the debt is paid."""
    runner, other, loser = ready(exchange, side, treasury=80_000)
    vault, owner, keeper = exchange.vault, exchange.owner, exchange.actor("keeper")
    owner.send(vault, "set_cap", 0, 100 * UNIT, 3_600)
    mark = away(side, 6_000)
    late = exchange.actor("late winner", deposit=mark)
    exchange.move(mark)
    exchange.open(side, exchange.actor("winner"), late, 10, mark)
    keeper.send(exchange.liquidator, "deleverage", loser.account, 0)
    owed = -late.equity
    event = keeper.liquidate(late).event("BadDebtBooked")
    assert event.deficit == owed == event.covered + event.unpaid
    assert event.covered <= wad(100) < event.unpaid
    assert_shut(exchange, runner)
    owner.send(vault, "set_cap", 0, 0, 3_600)
    keeper.send(exchange.liquidator, "repay_bad_debt", 0)
    assert not vault.view("is_unsettled")
    lost = 100_000 * UNIT - exchange.fund
    assert lost >= owed // exchange.unit()
    assert claim(exchange, runner) == pytest.approx(10_000 * UNIT - lost // 10, abs=2)
    assert worth(exchange, other) == pytest.approx(10_000 * UNIT - lost // 10, abs=2)


@STAKED
@BOTH_SIDES
def test_a_loss_that_nobody_shows_to_the_vault_is_the_limit_of_the_rule(
    exchange: Exchange, side: int
) -> None:
    """Claims go on until somebody reports: one call, open to all, by those who would bear the rest."""
    runner, other, loser = ready(exchange, side)
    exchange.move(away(side, 1_100))
    assert loser.equity < 0
    assert claim(exchange, runner) == 10_000 * UNIT
    other.send(exchange.vault, "report", loser.account)
    assert_shut(exchange, other)


@STAKED
@BOTH_SIDES
def test_the_loss_of_an_isolated_market_is_not_the_stakers(exchange: Exchange, side: int) -> None:
    """Market 1 is ring-fenced with 300: it pays 300 of a loss of 1,000, its winners the rest."""
    fund_vault(exchange, 20_000)
    runner = stake(exchange, "runner", 10_000)
    owner, vault = exchange.owner, exchange.vault
    owner.send(vault, "set_isolated", 1, True)
    owner.send(exchange.token, "mint", owner.address, 300 * UNIT)
    owner.send(vault, "fund_market", 1, 300 * UNIT)
    loser = positioned(exchange, side, market=1)
    exchange.move(away(side, 1_100), market=1)
    exchange.actor("bids", deposit=10**6).order(side, 10, away(side, 1_100), market=1)
    exchange.actor("keeper").liquidate(loser, with_deleverage=True, market=1)
    assert loser.size(market=1) == 0 and loser.collateral == 0
    assert vault.view("pool_assets", 1) == pytest.approx(0, abs=UNIT)
    assert vault.view("totalAssets") == 30_000 * UNIT
    assert worth(exchange, runner) == 10_000 * UNIT
    assert not vault.view("is_unsettled")
    exchange.check_invariants(size_dust=20)
