"""Ring-fenced markets: a tranche that pays for its market only, and is the only one to pay for it."""

from __future__ import annotations

import pytest
from staking_world import make_staking_world
from vault_world import DAY, FEE_SHARE, FUND, HOUR, PENALTY, WAD

from perpsim.chain import Revert

POOL, RING_FENCED, OTHER = 8, 1, 0


@pytest.fixture(params=[6, 18], ids=["6 decimals", "18 decimals"])
def world(request, revm):
    """A pool of 1,000 tokens, 250 of them staked; market 1 is isolated."""
    found = make_staking_world(revm, request.param)
    found.fund(750)
    found.stake(found.roles.staker, 250 * found.unit)
    found.own("set_isolated", RING_FENCED, True)
    return found


def pools(world):
    """Books of the shared pool and of the tranche."""
    view = world.vault.view
    assert view("assets") == view("totalAssets") + view("pool_assets", RING_FENCED)
    assert view("totalAssets") == view("pool_assets", OTHER) == view("pool_assets", POOL)
    assert world.held(world.vault.address) >= view("assets")
    return view("totalAssets"), view("pool_assets", RING_FENCED)


def fund_market(world, tokens, market=RING_FENCED):
    return world.vault.send(world.roles.donor, "fund_market", market, tokens * world.unit)


def test_a_market_is_isolated_with_an_empty_tranche(world):
    assert world.vault.view("is_isolated", RING_FENCED) and not world.vault.view("is_isolated", OTHER)
    assert pools(world) == (1_000 * world.unit, 0)
    assert (world.coverage(RING_FENCED), world.coverage(OTHER)) == (0, 1_000 * world.unit)


def test_only_its_own_inflows_feed_a_tranche(world):
    unit = world.unit
    for kind, amount in ((PENALTY, 10), (FEE_SHARE, 20)):
        world.book(RING_FENCED, kind, amount * unit)
        world.book(OTHER, kind, 100 * unit)
    world.fund(1_000)
    sent = fund_market(world, 30)
    assert sent.value == 30 * unit
    assert sent.event("Inflow") == (RING_FENCED, FUND, 30 * unit, 60 * unit)
    assert not sent.named("Transfer")
    assert pools(world) == (2_200 * unit, 60 * unit)
    assert world.vault.view("ledger", RING_FENCED) == (60 * unit, 0, 0)


def test_a_tranche_pays_its_market_and_no_other_and_nobody_else_does(world):
    unit = world.unit
    fund_market(world, 100)
    sent = world.cover(RING_FENCED, 150 * unit)
    assert sent.event("Cover") == (RING_FENCED, 150 * unit, 100 * unit, 0)
    assert world.reward(RING_FENCED, unit).value == 0
    assert pools(world) == (1_000 * unit, 0)
    fund_market(world, 100)
    assert world.cover(OTHER, 5_000 * unit).value == 1_000 * unit
    assert world.reward(OTHER, unit).value == 0
    assert pools(world) == (0, 100 * unit)
    sent = world.reward(RING_FENCED, 5 * unit)
    assert sent.event("RewardPaid") == (RING_FENCED, 5 * unit, 95 * unit)
    sent = world.vault.send(world.roles.liquidator, "repay", RING_FENCED, 50 * unit)
    assert sent.event("Cover") == (RING_FENCED, 0, 50 * unit, 45 * unit)
    assert world.vault.view("ledger", RING_FENCED) == (200 * unit, 155 * unit, 150 * unit)


def test_stakers_have_no_part_in_a_tranche(world):
    staker, unit = world.roles.staker, world.unit
    fund_market(world, 500)
    world.gain(100 * unit, market=RING_FENCED)
    assert world.worth(staker) == 250 * unit
    world.lose(600 * unit, market=RING_FENCED)
    assert world.worth(staker) == 250 * unit
    assert world.vault.view("maxDeposit", staker) > 0


def test_history_covers_all_pools(world):
    unit = world.unit
    fund_market(world, 100)
    world.pass_time(HOUR)
    world.cover(RING_FENCED, 40 * unit)
    world.cover(OTHER, 10 * unit)
    world.gain(3 * unit, market=RING_FENCED)
    rows = world.vault.view("history", 2)
    assert rows[0][1:] == (1_053 * unit, 3 * unit, 50 * unit)
    assert rows[1][1:] == (1_100 * unit, 1_100 * unit, 0)


def test_a_cap_binds_a_tranche(world):
    unit = world.unit
    fund_market(world, 100)
    world.own("set_cap", RING_FENCED, 30 * unit, DAY)
    assert world.coverage(RING_FENCED) == 30 * unit
    assert world.cover(RING_FENCED, 50 * unit).value == 30 * unit
    assert world.coverage(RING_FENCED) == 0
    assert world.coverage(OTHER) == 1_000 * unit


def test_each_pool_has_a_breaker_of_its_own(world):
    unit = world.unit
    fund_market(world, 100)
    world.own("set_breaker", 3 * WAD // 10, WAD // 4)
    sent = world.cover(RING_FENCED, 50 * unit)
    assert sent.value == 30 * unit
    assert sent.event("TrancheBreakerMoved") == (RING_FENCED, True, 70 * unit, 100 * unit)
    assert not sent.named("BreakerOpened")
    assert world.coverage(RING_FENCED) == 0
    assert world.vault.view("breaker_state", RING_FENCED)[:3] == (True, 100 * unit, 70 * unit)
    assert world.vault.view("breaker_state", OTHER) == world.vault.view("breaker_state")
    assert not world.vault.view("breaker_state").is_open
    assert not world.vault.view("is_unsettled")
    sent = world.cover(OTHER, 400 * unit)
    assert sent.event("BreakerOpened") == (700 * unit, 1_000 * unit)
    sent = fund_market(world, 6)
    assert sent.event("TrancheBreakerMoved") == (RING_FENCED, False, 76 * unit, 100 * unit)
    assert world.coverage(RING_FENCED) == 6 * unit
    assert world.coverage(OTHER) == 0


def test_a_tranches_peak_ages_like_any_other(world):
    unit = world.unit
    world.own("set_breaker", 3 * WAD // 10, WAD // 4)
    fund_market(world, 100)
    world.pass_time(HOUR)
    world.cover(RING_FENCED, 30 * unit)
    world.pass_time(8 * HOUR)
    assert world.vault.view("breaker_state", RING_FENCED).peak == 100 * unit
    world.pass_time(HOUR)
    assert world.vault.view("breaker_state", RING_FENCED)[:2] == (False, 70 * unit)
    assert world.coverage(RING_FENCED) == 21 * unit


def test_coming_back_a_market_brings_its_tranche_to_the_treasury(world):
    """Stakers who joined for the occasion gain nothing by it."""
    unit, staker, vault = world.unit, world.roles.staker, world.vault
    fund_market(world, 200)
    world.gain(300 * unit, market=RING_FENCED)
    sent = world.own("set_isolated", RING_FENCED, False)
    assert sent.event("IsolatedSet") == (RING_FENCED, False, 500 * unit)
    assert sent.event("Transfer")[1] == vault.address
    assert vault.view("totalAssets") == vault.view("pool_assets", RING_FENCED) == 1_500 * unit
    assert vault.view("assets") == 1_500 * unit
    assert world.worth(staker) == 250 * unit
    assert world.coverage(RING_FENCED) == world.coverage(OTHER) == 1_500 * unit
    assert vault.view("history", 1)[0].balance == 1_500 * unit
    sent = world.own("set_isolated", RING_FENCED, True)
    assert sent.event("IsolatedSet") == (RING_FENCED, True, 0)
    assert pools(world) == (1_500 * unit, 0)
    assert world.vault.view("breaker_state", RING_FENCED)[:2] == (False, 0)


def test_a_switch_to_where_it_is_changes_and_logs_nothing(world):
    fund_market(world, 100)
    # a breaker that opened, and would close with the next flow
    world.cover(OTHER, 400 * world.unit)
    world.pass_time(10 * HOUR)
    before = pools(world)
    for market, isolated in ((RING_FENCED, True), (OTHER, False)):
        assert world.own("set_isolated", market, isolated).events == []
        assert world.vault.view("is_isolated", market) is isolated
    assert pools(world) == before


@pytest.mark.parametrize("market", [8, 2**256 - 1])
def test_there_are_eight_markets(world, market):
    for sender, function, args in (
        (world.roles.owner, "set_isolated", (market, True)),
        (world.roles.donor, "fund_market", (market, 1)),
        (world.roles.stranger, "report_market", (market,)),
    ):
        with pytest.raises(Revert, match="vault: unknown market"):
            world.vault.send(sender, function, *args)
    for function in ("is_isolated", "coverage"):
        with pytest.raises(Revert, match="vault: unknown market"):
            world.vault.view(function, market)
    for function in ("pool_assets", "breaker_state"):
        with pytest.raises(Revert, match="vault: unknown market"):
            world.vault.view(function, market + (market == 8))


def test_only_the_owner_isolates_and_only_tranches_are_funded(world):
    with pytest.raises(Revert, match="access: not owner"):
        world.vault.send(world.roles.stranger, "set_isolated", OTHER, True)
    with pytest.raises(Revert, match="vault: not isolated"):
        fund_market(world, 1, market=OTHER)


#: what the owner tries
SWITCHES = ((OTHER, True), (RING_FENCED, False))


def refused(world, market, isolated):
    with pytest.raises(Revert, match="vault: unsettled"):
        world.own("set_isolated", market, isolated)


def test_no_switch_takes_a_loss_from_the_pool_under_which_it_arose(world):
    """A bankrupt account, a debt or a freeze of the market itself, an open breaker: the border stays."""
    world.set_equity(7, -1)
    world.vault.send(world.roles.stranger, "report", 7)
    for market, isolated in SWITCHES:
        refused(world, market, isolated)
    world.set_equity(7, 0)
    for market, isolated in SWITCHES:
        for frozen, unpaid in ((True, 0), (False, 1)):
            world.freeze(market, frozen, unpaid)
            refused(world, market, isolated)
            world.freeze(market, False)
    world.own("set_breaker", 3 * WAD // 10, WAD // 4)
    fund_market(world, 100)
    world.lose(40 * world.unit, market=RING_FENCED)
    refused(world, RING_FENCED, False)
    world.pass_time(9 * HOUR)
    world.lose(400 * world.unit, market=OTHER)
    for market, isolated in SWITCHES:
        refused(world, market, isolated)
    world.pass_time(9 * HOUR)
    for market, isolated in SWITCHES:
        world.own("set_isolated", market, isolated)


def test_a_debt_of_another_isolated_market_stands_in_nobodys_way(world):
    world.freeze(RING_FENCED, False, unpaid=10**18)
    world.own("set_isolated", OTHER, True)
    world.own("set_isolated", OTHER, False)
    refused(world, RING_FENCED, False)


def test_a_tranche_that_does_not_fit_into_the_shared_pool_stays_where_it_is(world):
    limit = (2**60 - 1) * world.unit // 10**6
    world.vault.send(world.roles.donor, "fund_market", RING_FENCED, limit)
    with pytest.raises(Revert, match="vault: over limit"):
        fund_market(world, 1)
    with pytest.raises(Revert, match="vault: over limit"):
        world.own("set_isolated", RING_FENCED, False)
    assert pools(world) == (1_000 * world.unit, limit)
