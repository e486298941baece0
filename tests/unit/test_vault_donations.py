"""The first depositor's attack: money is put into the vault so that the next one's shares are rounded away.

The attacker stakes first, then has the vault receive an amount in some way; then the victim stakes. The loss
is what the victim paid less what the shares are worth, to the fraction.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest
from staking_world import COOLDOWN, VIRTUAL, make_staking_world

from perpsim.chain import Revert

#: tokens, and token units
STAKES = [(0, 1), (0, 1_000), (1, 0), (1_000, 0)]
SIZES = [(0, 1), (0, 999_999), (1, 0), (99, 1), (10**4, 0), (10**6, 7), (10**8, 0), (10**10, 1), (10**11, 0)]
VICTIMS = [(0, 1), (0, 12_345), (1, 0), (1_000, 3), (10**6, 0)]


def worth(world, who):
    """What somebody's shares are worth, a fraction of token units."""
    view = world.vault.view
    return Fraction(world.shares(who) * (view("totalAssets") + 1), view("totalSupply") + VIRTUAL)


def give(world, way, amount):
    """Have the vault receive token units."""
    if way == "transfer":
        world.token.send(world.roles.donor, "transfer", world.vault.address, amount)
    elif way == "fund":
        world.vault.send(world.roles.donor, "fund", amount)
    else:
        world.gain(amount)


@pytest.mark.parametrize("decimals", [6, 18])
@pytest.mark.parametrize("way", ["transfer", "fund", "penalties"])
@pytest.mark.parametrize("before", [True, False], ids=["before the attacker", "after the attacker"])
def test_no_donation_moves_a_victims_loss_above_a_tenth_of_a_percent(revm, decimals, way, before):
    world = make_staking_world(revm, decimals)
    attacker, victim = world.roles.attacker, world.roles.victim
    for who in (attacker, victim):
        world.give(who, 2**150)
    worst = Fraction(0)
    accepted = 0
    for stake, size, paid in product(STAKES, SIZES, VICTIMS):
        stake, size, paid = (tokens * world.unit + units for tokens, units in (stake, size, paid))
        start = revm.snapshot()
        if before:
            give(world, way, size)
        world.vault.send(attacker, "deposit", stake, attacker)
        if not before:
            give(world, way, size)
        try:
            shares = world.vault.send(victim, "deposit", paid, victim).value
        except Revert as refused:
            # rather than be robbed
            assert refused.reason == "vault: too few shares"
            assert way == "penalties" and not before
        else:
            accepted += 1
            assert shares == world.shares(victim) >= 1_000
            worst = max(worst, 1 - worth(world, victim) / paid)
            if way != "penalties" or before:
                # not a single unit is lost to rounding
                assert worth(world, victim) > paid - 1
        revm.revert(start)
    assert accepted > 100
    assert worst <= Fraction(1, 1_000)


@pytest.mark.parametrize("decimals", [6, 18])
def test_donations_in_tokens_and_gifts_cost_the_victim_nothing_at_all(revm, decimals):
    """They leave the price alone: a gift buys the treasury shares, a donation is not counted."""
    world = make_staking_world(revm, decimals)
    attacker, victim = world.roles.attacker, world.roles.victim
    world.stake(attacker, 1)
    for way in ("transfer", "fund"):
        give(world, way, 10**6 * world.unit)
    world.stake(victim, 12_345)
    assert world.worth(victim) == 12_345


@pytest.mark.parametrize("size", [2, 10**3, 10**6, 10**9, 10**12])
def test_the_attacker_loses_half_of_what_is_given(revm, size):
    """It falls to the virtual shares; of the victim he gets what rounding leaves, a thousandth at most."""
    world = make_staking_world(revm)
    attacker, victim = world.roles.attacker, world.roles.victim
    world.stake(attacker, 1)
    world.gain(size)
    world.give(victim, 10**9)
    try:
        world.vault.send(victim, "deposit", 10**9, victim)
    except Revert as refused:
        assert refused.reason == "vault: too few shares"
    world.request(attacker)
    world.pass_time(COOLDOWN)
    world.redeem_all(attacker)
    assert world.held(attacker) <= 1 + size // 2 + 10**6
