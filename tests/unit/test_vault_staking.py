"""Joining the insurance vault: shares, the treasury's part, limits, ERC-20."""

from __future__ import annotations

import pytest
from staking_world import COOLDOWN, VIRTUAL, make_staking_world
from vault_world import FUND, NO_MARKET, make_world

from perpsim.chain import Revert

ZERO = "0x" + "00" * 20
MOST = 2**256 - 1


@pytest.fixture(params=[6, 18], ids=["6 decimals", "18 decimals"])
def world(request, revm):
    return make_staking_world(revm, request.param)


# ------------------------------------------------------------------------------------------ set-up


def test_staking_is_off_until_the_owner_switches_it_on(revm):
    world = make_world(revm, 6)
    vault, staker = world.vault, world.roles.staker
    world.token.send(staker, "mint", staker, 100)
    world.token.send(staker, "approve", vault.address, MOST)
    assert vault.view("is_staking_on") is False
    assert vault.view("maxDeposit", staker) == vault.view("maxMint", staker) == 0
    for function, amount in (("deposit", 100), ("mint", 100 * VIRTUAL)):
        with pytest.raises(Revert, match="vault: above the maximum"):
            vault.send(staker, function, amount, staker)
    with pytest.raises(Revert, match="access: not owner"):
        vault.send(staker, "set_staking", True)
    assert vault.send(world.roles.owner, "set_staking", True).event("StakingSet").on is True
    assert vault.send(staker, "deposit", 100, staker).value == 100 * VIRTUAL


def test_whoever_is_in_may_leave_after_staking_was_switched_off(world):
    staker = world.roles.staker
    world.stake(staker, 100 * world.unit)
    world.request(staker)
    world.own("set_staking", False)
    assert world.vault.view("maxDeposit", staker) == 0
    world.pass_time(13 * 86_400)
    assert world.redeem_all(staker) == 100 * world.unit


def test_shares_are_an_erc20_with_six_more_decimals_than_the_token(world):
    vault = world.vault
    assert vault.view("asset") == vault.view("token") == world.token.address
    assert vault.view("decimals") == world.token.view("decimals") + 6
    assert (vault.view("name"), vault.view("symbol")) == ("Insurance vault share", "INSV")
    assert vault.view("totalSupply") == vault.view("totalAssets") == 0
    assert vault.view("convertToShares", world.unit) == 10 ** vault.view("decimals")
    assert vault.view("convertToAssets", 10 ** vault.view("decimals")) == world.unit


@pytest.mark.parametrize(
    "cooldown, window", [(3_599, 3_600), (3_600, 3_599), (90 * 86_400 + 1, 3_600), (3_600, MOST)]
)
def test_times_below_an_hour_or_above_90_days_are_refused(world, cooldown, window):
    with pytest.raises(Revert, match="vault: bad times"):
        world.own("set_withdrawal_times", cooldown, window)
    assert world.vault.view("withdrawal_times") == (13 * 86_400, 3 * 86_400)


def test_only_the_owner_sets_times(world):
    with pytest.raises(Revert, match="access: not owner"):
        world.vault.send(world.roles.stranger, "set_withdrawal_times", 3_600, 3_600)
    sent = world.own("set_withdrawal_times", 3_600, 7_200)
    assert sent.event("WithdrawalTimesSet") == (3_600, 7_200)
    assert world.vault.view("withdrawal_times") == (3_600, 7_200)


# ----------------------------------------------------------------------------------------- joining


def test_a_stake_is_booked_and_logged_as_erc4626_says(world):
    unit, staker, friend = world.unit, world.roles.staker, world.roles.friend
    world.give(staker, 100 * unit)
    sent = world.vault.send(staker, "deposit", 100 * unit, friend)
    shares = 100 * unit * VIRTUAL
    assert sent.value == shares == world.shares(friend)
    assert sent.event("Deposit") == (staker, friend, 100 * unit, shares)
    assert sent.event("Transfer") == (ZERO, friend, shares)
    assert world.assets() == world.vault.view("totalAssets") == world.held(world.vault.address) == 100 * unit
    assert world.vault.view("ledger", NO_MARKET) == (100 * unit, 0, 0)
    assert world.vault.view("history", 1)[0][1:] == (100 * unit, 100 * unit, 0)
    assert world.coverage() == 100 * unit


def test_mint_takes_what_so_many_shares_cost_rounded_up(world):
    staker = world.roles.staker
    world.give(staker, 10 * world.unit)
    sent = world.vault.send(staker, "mint", 3 * VIRTUAL + 1, staker)
    assert sent.value == 4
    assert sent.event("Deposit") == (staker, staker, 4, 3 * VIRTUAL + 1)
    assert world.assets() == 4
    assert world.shares(staker) == 3 * VIRTUAL + 1


@pytest.mark.parametrize("function", ["deposit", "mint"])
def test_nothing_may_be_staked_at_any_time(world, function):
    staker = world.roles.staker
    for on in (True, False):
        world.own("set_staking", on)
        sent = world.vault.send(staker, function, 0, staker)
        assert sent.value == 0
        assert sent.event("Deposit") == (staker, staker, 0, 0)
    assert world.vault.view("totalSupply") == world.assets() == 0


@pytest.mark.parametrize("function", ["deposit", "mint"])
@pytest.mark.parametrize("amount", [0, 10**6])
def test_neither_nobody_nor_the_vault_may_receive_shares(world, function, amount):
    staker = world.roles.staker
    world.give(staker, 10 * world.unit)
    for receiver in (ZERO, world.vault.address):
        assert world.vault.view("maxDeposit", receiver) == world.vault.view("maxMint", receiver) == 0
        with pytest.raises(Revert, match=r"vault: above the maximum|shares: bad receiver"):
            world.vault.send(staker, function, amount, receiver)


@pytest.mark.parametrize("function", ["deposit", "mint"])
def test_staking_needs_the_tokens_and_the_allowance(world, function):
    staker = world.roles.staker
    amount = 10 * world.unit * (VIRTUAL if function == "mint" else 1)
    with pytest.raises(Revert, match="token: transfer failed"):
        world.vault.send(staker, function, amount, staker)
    world.token.send(staker, "mint", staker, 10 * world.unit)
    with pytest.raises(Revert, match="token: transfer failed"):
        world.vault.send(staker, function, amount, staker)


def test_the_limits_of_joining_are_met_exactly(world):
    vault, whale = world.vault, world.roles.whale
    world.give(whale, 2**120)
    limit = (2**60 - 1) * world.unit // 10**6
    assert vault.view("maxDeposit", whale) == limit
    assert vault.view("maxMint", whale) == limit * VIRTUAL
    with pytest.raises(Revert, match="vault: above the maximum"):
        vault.send(whale, "deposit", limit + 1, whale)
    with pytest.raises(Revert, match="vault: above the maximum"):
        vault.send(whale, "mint", limit * VIRTUAL + 1, whale)
    vault.send(whale, "deposit", limit // 2, whale)
    assert vault.view("maxDeposit", whale) == limit - limit // 2
    vault.send(whale, "mint", vault.view("maxMint", whale), whale)
    assert world.assets() == limit
    assert vault.view("maxDeposit", whale) == vault.view("maxMint", whale) == 0
    for amount in (1, MOST):
        with pytest.raises(Revert, match="vault: above the maximum"):
            vault.send(whale, "deposit", amount, whale)
    assert vault.send(whale, "deposit", 0, whale).value == 0


def test_after_a_total_loss_joining_stops_where_shares_would_outgrow_128_bits(world):
    """The stakers' shares are worth nothing then, and each token buys a multiple of what there is."""
    vault, staker, late = world.vault, world.roles.staker, world.roles.late
    world.stake(staker, 10**9 * world.unit)
    assert world.lose(2 * 10**9 * world.unit) == 10**9 * world.unit
    assert world.worth(staker) == 0
    most = vault.view("maxDeposit", late)
    world.give(late, most + 1)
    with pytest.raises(Revert, match="vault: above the maximum"):
        vault.send(late, "deposit", most + 1, late)
    if most:
        vault.send(late, "deposit", most, late)
        assert world.worth(late) >= most * 999 // 1_000
    assert vault.view("totalSupply") < 2**128
    # a gift is still taken, and buys as many of the treasury's shares as there is room for
    world.fund(10**9)
    assert vault.view("totalSupply") == 2**128 - 1 - VIRTUAL
    assert vault.view("maxDeposit", late) == vault.view("maxMint", late) == 0
    assert world.fund(10**9).value == 10**9 * world.unit


def test_joining_stops_a_share_before_128_bits_where_a_unit_buys_a_power_of_two(world):
    """2**69 shares are worth nothing together, so each token unit buys as many again."""
    vault, staker, late = world.vault, world.roles.staker, world.roles.late
    world.stake(staker, 10**9 * world.unit)
    world.request(staker)
    world.pass_time(COOLDOWN)
    world.lose(10**9 * world.unit)
    vault.send(staker, "redeem", world.shares(staker) + VIRTUAL - 2**69, staker, staker)
    most = 2**59 - 2
    assert vault.view("maxDeposit", late) == most
    world.give(late, most + 1)
    with pytest.raises(Revert, match="vault: above the maximum"):
        vault.send(late, "deposit", most + 1, late)
    vault.send(late, "deposit", most, late)
    assert vault.view("totalSupply") + VIRTUAL == 2**128 - 2**69
    assert vault.view("maxDeposit", late) == 0


# ------------------------------------------------------------------------------------ the treasury


@pytest.mark.parametrize("source", ["fund", "penalties", "both"])
def test_the_first_staker_gets_nothing_of_the_treasurys_and_loses_nothing_to_it(world, source):
    unit, staker, vault = world.unit, world.roles.staker, world.vault
    if source != "penalties":
        world.fund(1_000_000)
    if source != "fund":
        world.gain(777_777 * unit + 3)
    before = world.assets()
    for amount in (1, 1_000, 5 * unit + 7):
        world.stake(staker, amount)
    assert world.worth(staker) == 1 + 1_000 + 5 * unit + 7
    assert vault.view("balanceOf", vault.address) == before * VIRTUAL
    assert vault.view("totalSupply") == vault.view("balanceOf", vault.address) + world.shares(staker)


def test_gains_and_losses_are_shared_with_the_treasury_by_what_each_brought(world):
    unit, staker = world.unit, world.roles.staker
    world.fund(300)
    world.stake(staker, 100 * unit)
    world.gain(40 * unit)
    assert world.worth(staker) == pytest.approx(110 * unit, abs=1)
    world.lose(220 * unit)
    assert world.worth(staker) == pytest.approx(55 * unit, abs=1)


def test_a_gift_buys_the_treasury_shares_and_leaves_the_price(world):
    unit, staker, vault = world.unit, world.roles.staker, world.vault
    world.stake(staker, 100 * unit)
    world.gain(50 * unit)
    worth = world.worth(staker)
    sent = world.fund(3_000)
    assert sent.event("Inflow") == (NO_MARKET, FUND, 3_000 * unit, 3_150 * unit)
    shares = vault.view("balanceOf", vault.address)
    assert sent.event("Transfer") == (ZERO, vault.address, shares)
    assert world.worth(staker) == worth
    assert vault.view("convertToAssets", shares) == pytest.approx(3_000 * unit, abs=1)


def test_the_treasurys_shares_are_brought_up_to_date_when_somebody_joins_an_empty_vault(world):
    unit, staker, vault = world.unit, world.roles.staker, world.vault
    world.fund(1_000)
    world.stake(staker, unit)
    world.request(staker)
    world.pass_time(13 * 86_400)
    world.redeem_all(staker)
    world.gain(500 * unit)
    world.give(staker, unit)
    sent = vault.send(staker, "deposit", unit, staker)
    minted = sent.named("Transfer")
    assert [event.receiver for event in minted] == [vault.address, staker]
    assert world.worth(staker) == unit
    world.request(staker)
    world.pass_time(13 * 86_400)
    world.redeem_all(staker)
    world.lose(1_200 * unit)
    world.give(staker, unit)
    sent = vault.send(staker, "deposit", unit, staker)
    assert sent.named("Transfer")[0][:2] == (vault.address, ZERO)
    assert world.worth(staker) == unit


def test_nobody_moves_or_claims_the_treasurys_shares(world):
    vault, staker = world.vault, world.roles.staker
    world.fund(1_000)
    world.stake(staker, world.unit)
    assert vault.view("maxRedeem", vault.address) == vault.view("maxWithdraw", vault.address) == 0
    with pytest.raises(Revert, match="shares: above the allowance"):
        vault.send(staker, "transferFrom", vault.address, staker, 1)
    with pytest.raises(Revert, match="vault: above the maximum"):
        vault.send(staker, "redeem", 1, staker, vault.address)


# ------------------------------------------------------------------------------------------ ERC-20


def test_shares_can_be_sent(world):
    vault, staker, friend = world.vault, world.roles.staker, world.roles.friend
    shares = world.stake(staker, 10 * world.unit)
    sent = vault.send(staker, "transfer", friend, shares // 4)
    assert sent.value is True
    assert sent.event("Transfer") == (staker, friend, shares // 4)
    assert (world.shares(staker), world.shares(friend)) == (shares - shares // 4, shares // 4)
    for amount in (0, shares - shares // 4):
        vault.send(staker, "transfer", staker, amount)
        assert world.shares(staker) == shares - shares // 4
    assert vault.send(friend, "transfer", staker, 0).value is True


def test_more_shares_than_one_has_cannot_be_sent(world):
    vault, staker, friend = world.vault, world.roles.staker, world.roles.friend
    shares = world.stake(staker, 10 * world.unit)
    for receiver in (friend, staker):
        for amount in (shares + 1, MOST):
            with pytest.raises(Revert, match="shares: above what is free"):
                vault.send(staker, "transfer", receiver, amount)
    for receiver in (ZERO, vault.address):
        with pytest.raises(Revert, match="shares: bad receiver"):
            vault.send(staker, "transfer", receiver, 1)


def test_an_allowance_runs_down_unless_it_is_the_largest(world):
    vault, staker, friend = world.vault, world.roles.staker, world.roles.friend
    shares = world.stake(staker, 10 * world.unit)
    sent = vault.send(staker, "approve", friend, 10)
    assert sent.value is True
    assert sent.event("Approval") == (staker, friend, 10)
    vault.send(friend, "transferFrom", staker, friend, 4)
    assert vault.view("allowance", staker, friend) == 6
    with pytest.raises(Revert, match="shares: above the allowance"):
        vault.send(friend, "transferFrom", staker, friend, 7)
    vault.send(staker, "approve", friend, MOST)
    with pytest.raises(Revert, match="shares: above what is free"):
        vault.send(friend, "transferFrom", staker, friend, shares - 3)
    vault.send(friend, "transferFrom", staker, friend, shares - 4)
    assert vault.view("allowance", staker, friend) == MOST
    assert (world.shares(staker), world.shares(friend)) == (0, shares)
