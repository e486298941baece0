"""Leaving the insurance vault: request, cooldown, claim window, the lower of two values."""

from __future__ import annotations

import pytest
from staking_world import COOLDOWN, VIRTUAL, WINDOW, make_staking_world
from vault_world import HOUR, NO_MARKET, WAD

from perpsim.chain import Revert

ZERO = "0x" + "00" * 20
MOST = 2**256 - 1


@pytest.fixture(params=[6, 18], ids=["6 decimals", "18 decimals"])
def world(request, revm):
    """The treasury has 300 tokens in the pool, the staker 100."""
    found = make_staking_world(revm, request.param)
    found.fund(300)
    found.stake(found.roles.staker, 100 * found.unit)
    return found


def limits(world, owner):
    return world.vault.view("maxWithdraw", owner), world.vault.view("maxRedeem", owner)


# ---------------------------------------------------------------------------------------- requests


def test_a_request_keeps_shares_value_and_times(world):
    staker, unit = world.roles.staker, world.unit
    shares, now = world.shares(staker), world.now()
    sent = world.vault.send(staker, "request_withdraw", shares // 2)
    assert sent.value == 50 * unit
    expected = (shares // 2, 50 * unit, now + COOLDOWN, now + COOLDOWN + WINDOW)
    assert sent.event("WithdrawRequested") == (staker, *expected)
    assert world.vault.view("withdrawal_request", staker) == expected
    assert world.shares(staker) == shares


def test_nothing_leaves_without_a_request(world):
    staker = world.roles.staker
    assert limits(world, staker) == (0, 0)
    for function in ("withdraw", "redeem"):
        with pytest.raises(Revert, match="vault: above the maximum"):
            world.vault.send(staker, function, 1, staker, staker)


def test_a_request_is_claimable_from_the_end_of_the_cooldown_to_the_end_of_the_window(world):
    staker = world.roles.staker
    value = world.request(staker)
    world.pass_time(COOLDOWN - 1)
    assert limits(world, staker) == (0, 0)
    with pytest.raises(Revert, match="vault: above the maximum"):
        world.vault.send(staker, "redeem", 1, staker, staker)
    world.pass_time(1)
    assert limits(world, staker) == (value, world.shares(staker))
    world.pass_time(WINDOW - 1)
    assert limits(world, staker) == (value, world.shares(staker))
    world.pass_time(1)
    assert limits(world, staker) == (0, 0)
    with pytest.raises(Revert, match="vault: above the maximum"):
        world.vault.send(staker, "redeem", 1, staker, staker)


def test_the_times_of_a_request_are_those_of_its_making(world):
    staker = world.roles.staker
    world.request(staker)
    world.own("set_withdrawal_times", HOUR, HOUR)
    world.pass_time(COOLDOWN - 1)
    assert limits(world, staker) == (0, 0)
    world.pass_time(WINDOW)
    assert world.redeem_all(staker) == 100 * world.unit


def test_requested_shares_cannot_be_sent_or_requested_twice(world):
    staker, friend, vault = world.roles.staker, world.roles.friend, world.vault
    shares = world.shares(staker)
    world.request(staker, shares // 4)
    vault.send(staker, "approve", friend, MOST)
    for sender, function, args in (
        (staker, "transfer", (friend, shares - shares // 4 + 1)),
        (friend, "transferFrom", (staker, friend, shares - shares // 4 + 1)),
    ):
        with pytest.raises(Revert, match="shares: above what is free"):
            vault.send(sender, function, *args)
    with pytest.raises(Revert, match="vault: requested already"):
        world.request(staker, 1)
    vault.send(staker, "transfer", friend, shares - shares // 4)
    assert vault.view("withdrawal_request", staker).shares == world.shares(staker) == shares // 4
    world.stake(staker, world.unit)
    vault.send(staker, "transfer", friend, world.unit * VIRTUAL)
    with pytest.raises(Revert, match="shares: above what is free"):
        vault.send(staker, "transfer", friend, 1)


def test_a_cancelled_request_frees_its_shares(world):
    staker, friend, vault = world.roles.staker, world.roles.friend, world.vault
    shares = world.shares(staker)
    world.request(staker)
    assert vault.send(staker, "cancel_withdraw").event("WithdrawCancelled") == (staker, shares)
    assert vault.view("withdrawal_request", staker) == (0, 0, 0, 0)
    with pytest.raises(Revert, match="vault: no request"):
        vault.send(staker, "cancel_withdraw")
    vault.send(staker, "transfer", friend, shares - 5 * VIRTUAL)
    world.request(staker, 5 * VIRTUAL)
    world.pass_time(COOLDOWN)
    assert limits(world, staker) == (5, 5 * VIRTUAL)


def test_a_lapsed_request_is_no_request(world):
    staker, friend, vault = world.roles.staker, world.roles.friend, world.vault
    shares = world.shares(staker)
    world.request(staker)
    world.pass_time(COOLDOWN + WINDOW - 1)
    with pytest.raises(Revert, match="shares: above what is free"):
        vault.send(staker, "transfer", friend, 1)
    world.pass_time(1)
    assert vault.view("withdrawal_request", staker) == (0, 0, 0, 0)
    with pytest.raises(Revert, match="vault: no request"):
        vault.send(staker, "cancel_withdraw")
    vault.send(staker, "transfer", friend, shares - 7 * VIRTUAL)
    with pytest.raises(Revert, match="shares: above what is free"):
        world.request(staker, 7 * VIRTUAL + 1)
    world.request(staker, 7 * VIRTUAL)
    world.pass_time(COOLDOWN)
    assert limits(world, staker) == (7, 7 * VIRTUAL)


@pytest.mark.parametrize("excess", [1, MOST])
def test_no_more_than_is_held_can_be_requested(world, excess):
    staker = world.roles.staker
    wanted = min(world.shares(staker) + excess, MOST)
    for shares in (0, wanted):
        with pytest.raises(Revert, match="shares: above what is free"):
            world.request(staker, shares)


# ------------------------------------------------------------------------------------------ claims


def test_a_claim_is_booked_and_logged_as_erc4626_says(world):
    staker, friend, vault, unit = world.roles.staker, world.roles.friend, world.vault, world.unit
    shares = world.shares(staker)
    world.request(staker)
    world.pass_time(COOLDOWN)
    sent = vault.send(staker, "redeem", shares // 4, friend, staker)
    assert sent.value == 25 * unit == world.held(friend)
    assert sent.event("Withdraw") == (staker, friend, staker, 25 * unit, shares // 4)
    assert sent.event("Transfer") == (staker, ZERO, shares // 4)
    assert not sent.named("Forfeited")
    sent = vault.send(staker, "withdraw", 50 * unit, friend, staker)
    assert sent.value == shares // 2
    assert sent.event("Withdraw") == (staker, friend, staker, 50 * unit, shares // 2)
    assert world.held(friend) == 75 * unit
    assert world.shares(staker) == shares // 4
    assert world.assets() == vault.view("totalAssets") == world.held(vault.address) == 325 * unit
    assert vault.view("ledger", NO_MARKET) == (400 * unit, 75 * unit, 0)
    assert vault.view("history", 1)[0][1:] == (325 * unit, 0, 75 * unit)
    assert limits(world, staker) == (25 * unit, shares // 4)
    world.redeem_all(staker)
    assert world.shares(staker) == 0
    assert vault.view("withdrawal_request", staker) == (0, 0, 0, 0)


def test_others_claim_by_an_allowance_of_shares(world):
    staker, friend, vault, unit = world.roles.staker, world.roles.friend, world.vault, world.unit
    shares = world.shares(staker)
    world.request(staker)
    world.pass_time(COOLDOWN)
    for function, amount in (("redeem", shares), ("withdraw", 100 * unit)):
        with pytest.raises(Revert, match="shares: above the allowance"):
            vault.send(friend, function, amount, friend, staker)
    vault.send(staker, "approve", friend, shares // 2)
    vault.send(friend, "withdraw", 25 * unit, friend, staker)
    assert vault.view("allowance", staker, friend) == shares // 4
    vault.send(friend, "redeem", shares // 4, friend, staker)
    assert vault.view("allowance", staker, friend) == 0
    vault.send(staker, "approve", friend, MOST)
    vault.send(friend, "redeem", shares // 2, staker, staker)
    assert vault.view("allowance", staker, friend) == MOST
    assert (world.held(friend), world.held(staker)) == (50 * unit, 50 * unit)


def test_zero_can_be_claimed_at_any_time(world):
    staker, stranger = world.roles.staker, world.roles.stranger
    for function in ("withdraw", "redeem"):
        sent = world.vault.send(stranger, function, 0, stranger, staker)
        assert sent.value == 0
        assert sent.event("Withdraw") == (stranger, stranger, staker, 0, 0)


def test_nobody_is_paid_at_the_address_of_nobody_or_of_the_vault(world):
    staker = world.roles.staker
    world.request(staker)
    world.pass_time(COOLDOWN)
    for receiver in (ZERO, world.vault.address):
        for function in ("withdraw", "redeem"):
            with pytest.raises(Revert, match="shares: bad receiver"):
                world.vault.send(staker, function, 1, receiver, staker)


# --------------------------------------------------------------------------- the lower of two values


def test_a_gain_after_the_request_stays_with_the_other_holders(world):
    """Specification 9: 100 of 400 requested, a gain of 40 then: 100 are paid, not 110."""
    staker, vault, unit = world.roles.staker, world.vault, world.unit
    shares = world.shares(staker)
    assert world.request(staker) == 100 * unit
    world.gain(40 * unit)
    world.pass_time(COOLDOWN)
    assert world.worth(staker) == pytest.approx(110 * unit, abs=1)
    assert vault.view("maxWithdraw", staker) == 100 * unit
    redeemable = vault.view("maxRedeem", staker)
    assert vault.view("previewRedeem", redeemable) == 100 * unit
    assert vault.view("previewRedeem", redeemable + 1) == 100 * unit + 1
    sent = vault.send(staker, "redeem", redeemable, staker, staker)
    assert sent.value == 100 * unit == world.held(staker)
    assert sent.event("Forfeited") == (staker, shares - redeemable, pytest.approx(10 * unit, abs=2))
    assert [event[2] for event in sent.named("Transfer")] == [redeemable, shares - redeemable]
    assert world.shares(staker) == 0
    assert vault.view("totalSupply") == vault.view("balanceOf", vault.address)
    assert world.assets() == 340 * unit


def test_requested_shares_bear_losses(world):
    """Specification 9: 100 of 400 requested, a loss of 80 then: 80 are paid."""
    staker, unit = world.roles.staker, world.unit
    shares = world.shares(staker)
    assert world.request(staker) == 100 * unit
    world.lose(80 * unit)
    world.pass_time(COOLDOWN)
    assert limits(world, staker) == (pytest.approx(80 * unit, abs=1), shares)
    assert world.redeem_all(staker) == pytest.approx(80 * unit, abs=1)


def test_a_loss_made_good_before_the_exit_costs_nothing_and_no_more_than_the_loss_is_made_good(world):
    staker, unit = world.roles.staker, world.unit
    world.request(staker)
    world.lose(80 * unit)
    world.gain(60 * unit)
    world.pass_time(COOLDOWN)
    assert limits(world, staker)[0] == pytest.approx(95 * unit, abs=1)
    world.gain(60 * unit)
    assert limits(world, staker)[0] == 100 * unit


def test_a_new_request_takes_the_new_value_and_waits_again(world):
    staker, vault, unit = world.roles.staker, world.vault, world.unit
    world.request(staker)
    world.gain(40 * unit)
    vault.send(staker, "cancel_withdraw")
    assert world.request(staker) == pytest.approx(110 * unit, abs=1)
    world.pass_time(COOLDOWN - 1)
    assert limits(world, staker) == (0, 0)
    world.pass_time(1)
    assert world.redeem_all(staker) == pytest.approx(110 * unit, abs=1)


@pytest.mark.parametrize("change", [-80, 0, 40, 4_000])
@pytest.mark.parametrize("pieces", [2, 7])
def test_claiming_in_pieces_pays_no_more_than_claiming_at_once(world, change, pieces):
    staker, vault, unit = world.roles.staker, world.vault, world.unit
    world.request(staker)
    if change < 0:
        world.lose(-change * unit)
    else:
        world.gain(change * unit)
    world.pass_time(COOLDOWN)
    at_once = limits(world, staker)[0]
    for left in range(pieces, 0, -1):
        shares = vault.view("maxRedeem", staker) // left
        preview = vault.view("previewRedeem", shares)
        assert vault.send(staker, "redeem", shares, staker, staker).value == preview
    assert at_once - pieces <= world.held(staker) <= at_once
    # what the rounding of shares left over is not worth a token unit each
    assert world.worth(staker) <= pieces


def test_each_part_of_a_request_keeps_its_own_lower_value(world):
    """Half is claimed after a loss; the recovery gives the other half what it was worth, and no more."""
    staker, vault, unit = world.roles.staker, world.vault, world.unit
    world.request(staker)
    world.lose(200 * unit)
    world.pass_time(COOLDOWN)
    vault.send(staker, "redeem", world.shares(staker) // 2, staker, staker)
    assert world.held(staker) == pytest.approx(25 * unit, abs=1)
    world.gain(1_000 * unit)
    assert limits(world, staker)[0] == pytest.approx(50 * unit, abs=1)


def test_withdrawing_all_leaves_at_most_a_token_units_worth_of_shares(world):
    staker, vault, unit = world.roles.staker, world.vault, world.unit
    world.request(staker)
    world.gain(33 * unit + 1)
    world.pass_time(COOLDOWN)
    vault.send(staker, "withdraw", 100 * unit, staker, staker)
    assert world.worth(staker) <= 1 and vault.view("maxWithdraw", staker) == 0


def test_a_share_worth_more_than_a_token_unit_pays_no_more_than_at_the_request(revm):
    """Three shares, of 1.5 units each at the request and of 2 at the exit: 4 units for two of them."""
    world = make_staking_world(revm, 6)
    attacker, vault = world.roles.attacker, world.vault
    world.stake(attacker, 1)
    world.gain(3 * VIRTUAL)  # the shares are the attacker's 10**6 and the virtual 10**6
    assert world.request(attacker, 3) == 4
    world.gain(VIRTUAL)
    world.pass_time(COOLDOWN)
    assert [vault.view("convertToAssets", shares) for shares in (2, 3)] == [4, 6]
    assert limits(world, attacker) == (4, 2)
    assert world.redeem_all(attacker) == 4


# --------------------------------------------------------------------------- the breaker and exits


def test_an_exit_is_no_loss_to_the_breaker(world):
    """Half of the pool leaves: the fall stays what it was, and 30 % of the rest are there to be paid."""
    staker, unit = world.roles.staker, world.unit
    world.own("set_withdrawal_times", HOUR, HOUR)
    world.own("set_breaker", 3 * WAD // 10, WAD // 4)
    world.stake(staker, 200 * unit)
    world.pass_time(3 * HOUR)
    world.lose(60 * unit)  # 10 % of 600
    world.request(staker)
    world.pass_time(HOUR)
    state = world.vault.view("breaker_state")
    assert (state.is_open, state.peak) == (False, 600 * unit)
    paid = world.redeem_all(staker)
    assert paid == pytest.approx(270 * unit, abs=1)
    for hours in (1, 3, 1):
        state = world.vault.view("breaker_state")
        assert not state.is_open
        assert state.peak == pytest.approx(300 * unit, abs=unit // 10**5)
        assert world.coverage() == pytest.approx(60 * unit, abs=unit // 10**5)
        world.pass_time(hours * HOUR)
    world.pass_time(9 * HOUR)
    assert world.vault.view("breaker_state").peak == pytest.approx(270 * unit, abs=unit // 10**5)


@pytest.mark.parametrize("age", range(9))
def test_an_exit_shrinks_the_peak_however_old_it_is(world, age):
    """900 at the peak, 6 are lost in each hour that follows, then half of the staker's shares leave."""
    staker, unit = world.roles.staker, world.unit
    world.own("set_breaker", 3 * WAD // 10, WAD // 4)
    world.own("set_withdrawal_times", HOUR, 24 * HOUR)
    world.stake(staker, 200 * unit)
    world.pass_time(HOUR - world.now() % HOUR)
    world.request(staker)
    world.pass_time(HOUR)
    world.fund(300)
    peak, shares = 900, world.shares(staker) // 2
    for hour in range(age):
        world.pass_time(HOUR)
        world.lose(6 * unit)
        assert world.vault.view("breaker_state").peak == peak * unit, hour
    books = world.assets()
    paid = world.vault.send(staker, "redeem", shares, staker, staker).value
    assert paid > 140 * unit
    left = world.assets()
    for hour in range(age, 12):
        # the level carried into an hour counts for it: that of hour 0 is seen up to hour 9
        forgotten = min(max(hour - 9, 0), age)
        expected = (peak - 6 * forgotten) * unit * left / books
        assert world.vault.view("breaker_state").peak == pytest.approx(expected, rel=1e-5), hour
        world.pass_time(HOUR)


def test_an_exit_of_a_single_unit_is_booked(world):
    staker, assets = world.roles.staker, world.assets()
    world.request(staker)
    world.pass_time(COOLDOWN)
    world.vault.send(staker, "withdraw", 1, staker, staker)
    assert world.assets() == assets - 1 == world.held(world.vault.address)
    assert world.vault.view("ledger", NO_MARKET).outflow == 1


def test_an_exit_with_nothing_leaves_the_peak_alone(world):
    """The pool is lost: what its shares take out is nothing, and no level shrinks with it."""
    staker = world.roles.staker
    world.own("set_withdrawal_times", HOUR, HOUR)
    world.request(staker)
    world.pass_time(HOUR)
    assert world.lose(400 * world.unit) == 400 * world.unit
    peak = world.vault.view("breaker_state").peak
    assert (peak, world.redeem_all(staker), world.shares(staker)) == (400 * world.unit, 0, 0)
    assert world.vault.view("breaker_state").peak == peak


def test_nobody_joins_or_leaves_while_the_breaker_is_open(world):
    staker, unit = world.roles.staker, world.unit
    world.request(staker)
    world.pass_time(COOLDOWN)
    world.own("set_breaker", 3 * WAD // 10, WAD // 4)
    world.lose(100 * unit)
    assert world.vault.view("maxDeposit", staker) > 0 and limits(world, staker)[0] > 0
    world.lose(100 * unit)
    assert world.vault.view("breaker_state").is_open
    assert world.vault.view("is_unsettled") is True
    assert world.vault.view("maxDeposit", staker) == world.vault.view("maxMint", staker) == 0
    assert limits(world, staker) == (0, 0)
    for function, args in (
        ("deposit", (1, staker)),
        ("mint", (1, staker)),
        ("withdraw", (1, staker, staker)),
        ("redeem", (1, staker, staker)),
    ):
        with pytest.raises(Revert, match="vault: above the maximum"):
            world.vault.send(staker, function, *args)
    world.pass_time(9 * HOUR)
    assert world.vault.view("is_unsettled") is False
    assert world.redeem_all(staker) == pytest.approx(70 * unit, abs=1)
