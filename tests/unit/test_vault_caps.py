"""What may leave the insurance vault for a market within a rolling window, at 6 and 18 decimals."""

from __future__ import annotations

import pytest
from deployed import START
from vault_world import DAY, HOUR, WAD, make_world

from perpsim.chain import Revert


@pytest.fixture(params=[6, 18], ids=["6 decimals", "18 decimals"])
def world(request, revm):
    # at the beginning of an hour, so that tests can count in hours
    return make_world(revm, request.param, START // HOUR * HOUR + HOUR)


@pytest.fixture
def uncoupled(world):
    """A vault without a breaker, so that only caps bind."""
    world.vault.send(world.roles.owner, "set_breaker", WAD, WAD)
    world.fund(1_000_000)
    return world


def test_a_cap_limits_its_own_market_only(uncoupled):
    world, unit = uncoupled, uncoupled.unit
    sent = world.vault.send(world.roles.owner, "set_cap", 1, 500 * unit)
    assert sent.event("CapSet") == (1, 500 * unit, DAY)
    assert world.vault.view("cap", 1) == (500 * unit, DAY, 500 * unit)
    assert (world.coverage(1), world.coverage(0)) == (500 * unit, 1_000_000 * unit)
    sent = world.cover(1, 600 * unit)
    assert sent.event("Cover") == (1, 600 * unit, 500 * unit, 999_500 * unit)
    assert world.coverage(1) == 0
    assert world.cover(0, 600 * unit).value == 600 * unit


def test_rewards_count_against_the_cap(uncoupled):
    world, unit = uncoupled, uncoupled.unit
    world.vault.send(world.roles.owner, "set_cap", 1, 500 * unit)
    world.reward(1, 400 * unit)
    assert world.cover(1, 400 * unit).value == 100 * unit
    assert world.reward(1, 1).value == 0


def test_what_left_comes_back_after_the_window_and_not_before(uncoupled):
    world, unit = uncoupled, uncoupled.unit
    world.vault.send(world.roles.owner, "set_cap", 0, 500 * unit, DAY)
    bucket = -(-DAY // 7)
    world.pass_time(bucket - world.now() % bucket)  # the first second of a bucket
    world.cover(0, 500 * unit)
    world.pass_time(DAY)
    assert world.coverage() == 0
    world.pass_time(8 * bucket - DAY - 1)
    assert world.coverage() == 0
    world.pass_time(1)
    assert world.coverage() == 500 * unit


def test_payments_leave_the_window_one_bucket_after_another(uncoupled):
    world, unit = uncoupled, uncoupled.unit
    world.vault.send(world.roles.owner, "set_cap", 0, 800 * unit, 7 * HOUR)
    for _ in range(8):
        assert world.cover(0, 100 * unit).value == 100 * unit
        world.pass_time(HOUR)
    assert world.coverage() == 100 * unit
    world.pass_time(3 * HOUR)
    assert world.vault.view("cap", 0) == (800 * unit, 7 * HOUR, 400 * unit)


def test_a_lowered_cap_counts_what_left_before(uncoupled):
    world, unit, owner = uncoupled, uncoupled.unit, uncoupled.roles.owner
    world.vault.send(owner, "set_cap", 0, 500 * unit)
    world.cover(0, 300 * unit)
    world.vault.send(owner, "set_cap", 0, 350 * unit)
    assert world.coverage() == 50 * unit
    world.vault.send(owner, "set_cap", 0, 200 * unit)
    assert world.coverage() == 0


def test_another_window_forgets_nothing(uncoupled):
    world, unit, owner = uncoupled, uncoupled.unit, uncoupled.roles.owner
    world.vault.send(owner, "set_cap", 0, 500 * unit, DAY)
    world.cover(0, 300 * unit)
    world.pass_time(HOUR)
    world.vault.send(owner, "set_cap", 0, 500 * unit, 60)
    assert world.coverage() == 200 * unit
    world.pass_time(60)
    assert world.coverage() == 200 * unit
    world.pass_time(20)
    assert world.coverage() == 500 * unit


def test_another_window_counts_nothing_twice(uncoupled):
    world, unit, owner = uncoupled, uncoupled.unit, uncoupled.roles.owner
    world.vault.send(owner, "set_cap", 0, 800 * unit, 7 * HOUR)
    for _ in range(6):
        world.cover(0, 100 * unit)
        world.pass_time(HOUR)
    world.vault.send(owner, "set_cap", 0, 800 * unit, 14 * HOUR)
    assert world.coverage() == 200 * unit
    world.pass_time(16 * HOUR)
    assert world.coverage() == 800 * unit


def test_another_cap_over_the_same_window_leaves_the_past_where_it_was(uncoupled):
    world, unit, owner = uncoupled, uncoupled.unit, uncoupled.roles.owner
    world.vault.send(owner, "set_cap", 0, 800 * unit, 7 * HOUR)
    world.cover(0, 300 * unit)
    world.pass_time(7 * HOUR)
    world.vault.send(owner, "set_cap", 0, 500 * unit, 7 * HOUR)
    assert world.coverage() == 200 * unit
    world.pass_time(HOUR)
    assert world.coverage() == 500 * unit


def test_a_cap_is_lifted_with_zero(uncoupled):
    world, owner = uncoupled, uncoupled.roles.owner
    world.vault.send(owner, "set_cap", 0, 500 * world.unit)
    world.cover(0, 500 * world.unit)
    assert world.vault.send(owner, "set_cap", 0, 0).event("CapSet") == (0, 0, DAY)
    assert world.vault.view("cap", 0) == (0, 0, 0)
    assert world.coverage() == world.assets()


def test_a_cap_counts_in_millionths_rounded_against_the_payment(revm):
    world = make_world(revm, 18)
    world.fund(1)
    sent = world.vault.send(world.roles.owner, "set_cap", 0, 5 * 10**12 + 999)
    assert sent.event("CapSet").cap == 5 * 10**12
    for _ in range(5):
        assert world.cover(0, 1).value == 1
    assert world.cover(0, 1).value == 0


def test_a_cap_goes_up_to_what_the_books_can_hold(world):
    limit = (2**60 - 1) * world.unit // 10**6
    sent = world.vault.send(world.roles.owner, "set_cap", 0, limit, 365 * DAY)
    assert sent.event("CapSet") == (0, limit, 365 * DAY)
    assert world.vault.view("cap", 0) == (limit, 365 * DAY, limit)
    with pytest.raises(Revert, match="vault: bad cap"):
        world.vault.send(world.roles.owner, "set_cap", 0, limit + 1)


@pytest.mark.parametrize(
    "cap, window", [(10**6, 0), (10**6, 365 * DAY + 1), (2**128, DAY), (2**256 - 1, DAY)]
)
def test_a_cap_that_makes_no_sense_is_refused(world, cap, window):
    with pytest.raises(Revert, match="vault: bad"):
        world.vault.send(world.roles.owner, "set_cap", 0, cap, window)


def test_a_cap_that_would_round_to_none_is_refused(revm):
    world = make_world(revm, 18)
    with pytest.raises(Revert, match="vault: bad cap"):
        world.vault.send(world.roles.owner, "set_cap", 0, 10**12 - 1)
