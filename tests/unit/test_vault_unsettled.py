"""Nobody joins or leaves the insurance vault between a loss arising and its being booked."""

from __future__ import annotations

import pytest
from staking_world import COOLDOWN, VIRTUAL, make_staking_world

from perpsim.chain import Revert


@pytest.fixture
def world(revm):
    """A staker who may claim, and somebody who wants to join; all by the rules, so far."""
    found = make_staking_world(revm)
    found.stake(found.roles.staker, 1_000 * found.unit)
    found.request(found.roles.staker)
    found.pass_time(COOLDOWN)
    found.give(found.roles.late, 1_000 * found.unit)
    return found


def is_shut(world):
    """Whether joining and leaving are refused, by the limits and by the steps alike."""
    vault, staker, late = world.vault, world.roles.staker, world.roles.late
    unsettled = vault.view("is_unsettled")
    for function, who, step, others in (
        ("maxDeposit", late, "deposit", ()),
        ("maxMint", late, "mint", ()),
        ("maxWithdraw", staker, "withdraw", (staker,)),
        ("maxRedeem", staker, "redeem", (staker,)),
    ):
        assert (vault.view(function, who) == 0) is unsettled
        if unsettled:
            with pytest.raises(Revert, match="vault: above the maximum"):
                vault.send(who, step, 1, who, *others)
    if not unsettled:
        vault.send(late, "deposit", 1, late)
        vault.send(late, "mint", VIRTUAL, late)
        vault.send(staker, "withdraw", 1, staker, staker)
        vault.send(staker, "redeem", VIRTUAL, staker, staker)
    return unsettled


def test_as_long_as_nothing_is_in_doubt_everybody_comes_and_goes(world):
    assert not is_shut(world)


# ------------------------------------------------------------------------------ bankrupt accounts


def test_a_reported_bankrupt_account_shuts_the_vault_until_it_is_solvent_or_gone(world):
    world.set_equity(7, -1)
    assert not is_shut(world)  # nobody has told the vault
    sent = world.vault.send(world.roles.stranger, "report", 7)
    assert sent.value is True
    assert is_shut(world)
    assert world.vault.view("reported") == 7
    world.set_equity(7, 0)
    assert not is_shut(world)
    assert world.vault.view("reported") == 0
    world.set_equity(7, -1)
    assert not is_shut(world)


@pytest.mark.parametrize("equity", [0, 1, 2**255 - 1])
def test_a_solvent_account_cannot_be_reported(world, equity):
    world.set_equity(7, equity)
    with pytest.raises(Revert, match="vault: not bankrupt"):
        world.vault.send(world.roles.attacker, "report", 7)
    assert not is_shut(world)


@pytest.mark.parametrize("number", [0, 2**32, 2**32 + 7, 2**256 - 1])
def test_what_is_no_account_cannot_be_reported(world, number):
    world.set_equity(number, -1)
    with pytest.raises(Revert, match="vault: not bankrupt"):
        world.vault.send(world.roles.attacker, "report", number)


def test_the_vault_stays_shut_until_the_last_reported_account_is_settled(world):
    numbers = (7, 2**32 - 1, 1)
    for number in numbers:
        world.set_equity(number, -(10**18))
        world.vault.send(world.roles.stranger, "report", number)
    for number in numbers:
        assert is_shut(world)
        world.set_equity(number, 5)
    assert not is_shut(world)


def test_the_list_holds_eight_accounts_each_once_and_makes_room_for_new_ones(world):
    vault, stranger = world.vault, world.roles.stranger
    for number in range(1, 10):
        world.set_equity(number, -1)
    for _ in range(2):
        for number in range(1, 9):
            assert vault.send(stranger, "report", number).value is True
    assert vault.view("reported") == sum(number << (32 * (number - 1)) for number in range(1, 9))
    assert vault.send(stranger, "report", 9).value is False
    assert is_shut(world)
    for number in (2, 5, 8):
        world.set_equity(number, 0)
    assert vault.send(stranger, "report", 9).value is True
    left = (1, 3, 4, 6, 7, 9)
    assert vault.view("reported") == sum(number << (32 * i) for i, number in enumerate(left))
    for number in left:
        assert is_shut(world)
        world.set_equity(number, 0)
    assert not is_shut(world)


def test_a_full_list_costs_a_bounded_amount_of_gas(world):
    for number in range(1, 9):
        world.set_equity(number, -1)
        world.vault.send(world.roles.stranger, "report", number)
    for number in range(1, 9):
        world.set_equity(number, 0)
    world.pass_time(1)
    assert world.vault.send(world.roles.late, "deposit", 1, world.roles.late).gas < 250_000


# ---------------------------------------------------------------------------------------- markets


@pytest.mark.parametrize("frozen, unpaid", [(True, 0), (False, 1), (True, 10**18)])
@pytest.mark.parametrize("market", [0, 1])
def test_a_reported_market_shuts_the_vault_until_it_is_settled(world, market, frozen, unpaid):
    world.freeze(market, frozen, unpaid)
    sent = world.vault.send(world.roles.stranger, "report_market", market)
    assert sent.value is True
    assert is_shut(world)
    world.freeze(market, False)
    assert not is_shut(world)


@pytest.mark.parametrize("market", [0, 1, 2, 7])
def test_a_settled_or_unknown_market_shuts_nothing(world, market):
    assert world.vault.send(world.roles.attacker, "report_market", market).value is False
    assert not is_shut(world)


def test_other_flags_of_a_market_do_not_count(world):
    world.core.send(world.roles.stranger, "set_market", 0, 1, 0)
    assert world.vault.send(world.roles.attacker, "report_market", 0).value is False


def test_the_vault_notices_by_itself_that_it_could_not_pay_a_deficit(world):
    """It pays what the cap leaves; the rest became unpaid debt in the same transaction."""
    world.own("set_cap", 1, 100 * world.unit)
    assert world.lose(300 * world.unit, market=1) == 100 * world.unit
    world.freeze(1, False, unpaid=200 * 10**18)
    assert is_shut(world)
    world.freeze(1, False, unpaid=0)
    assert not is_shut(world)


def test_a_deficit_paid_in_full_leaves_no_doubt(world):
    world.lose(300 * world.unit, market=1)
    world.freeze(0, True)
    # only a doubt makes the vault look: this market would have to be reported
    assert not is_shut(world)


def test_what_an_isolated_market_owes_is_nothing_to_the_shared_pool(world):
    world.own("set_isolated", 1, True)
    world.lose(300 * world.unit, market=1)
    world.freeze(1, True, unpaid=10**18)
    assert world.vault.send(world.roles.stranger, "report_market", 1).value is False
    assert not is_shut(world)
    world.freeze(0, True)
    world.vault.send(world.roles.stranger, "report_market", 0)
    assert is_shut(world)
    world.freeze(0, False)
    assert not is_shut(world)


# ------------------------------------------------------------------------------ what is not shut


def test_requests_cancellations_and_transfers_go_on_while_the_vault_is_shut(world):
    staker, friend, vault = world.roles.staker, world.roles.friend, world.vault
    world.set_equity(7, -1)
    vault.send(staker, "report", 7)
    vault.send(staker, "cancel_withdraw")
    vault.send(staker, "transfer", friend, world.shares(staker) // 2)
    world.request(friend)
    assert world.vault.view("is_unsettled")


def test_whoever_requests_before_the_loss_is_booked_bears_it_all_the_same(world):
    staker, vault = world.roles.staker, world.vault
    vault.send(staker, "cancel_withdraw")
    world.set_equity(7, -400 * 10**18)
    vault.send(world.roles.stranger, "report", 7)
    assert world.request(staker) == 1_000 * world.unit
    world.pass_time(COOLDOWN)
    assert vault.view("maxWithdraw", staker) == 0
    world.lose(400 * world.unit)
    world.set_equity(7, 0)
    assert world.redeem_all(staker) == pytest.approx(600 * world.unit, abs=1)
