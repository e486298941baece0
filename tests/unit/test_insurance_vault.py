"""The insurance vault: books, coverage, breaker, ledger and history, at 6 and 18 decimals."""

from __future__ import annotations

import pytest
from deployed import START
from vault_world import FEE_SHARE, FUND, HOUR, NO_MARKET, PENALTY, WAD, make_world

from perpsim.chain import Revert

ZERO = "0x" + "00" * 20


@pytest.fixture(params=[6, 18], ids=["6 decimals", "18 decimals"])
def world(request, revm):
    # at the beginning of an hour, so that tests can count in hours
    return make_world(revm, request.param, START // HOUR * HOUR + HOUR)


# ------------------------------------------------------------------------------------------ set-up


def test_the_vault_starts_empty_with_the_usual_breaker_and_no_caps(world):
    assert world.assets() == 0
    assert world.coverage() == 0
    assert world.vault.view("token") == world.token.address
    assert world.vault.view("breaker_state") == (False, 0, 0, 30 * WAD // 100, 25 * WAD // 100)
    assert world.vault.view("cap", 7) == (0, 0, 0)


@pytest.mark.parametrize("decimals", [0, 5, 19, 255])
def test_a_token_with_other_than_6_to_18_decimals_is_refused(deploy, roles, decimals):
    token = deploy("Stablecoin", "Odd", "ODD", decimals)
    with pytest.raises(Revert, match="vault: decimals"):
        deploy("InsuranceVault", token.address, roles.owner)


def test_the_core_is_set_once(revm, deploy, roles):
    token = deploy("Stablecoin", "Dollar", "USD", 6)
    vault = deploy("InsuranceVault", token.address, roles.owner)
    with pytest.raises(Revert, match="access: not owner"):
        vault.send(roles.stranger, "set_core", roles.clearinghouse, roles.liquidator)
    for pair in ((ZERO, roles.liquidator), (roles.clearinghouse, ZERO)):
        with pytest.raises(Revert, match="vault: zero address"):
            vault.send(roles.owner, "set_core", *pair)
    sent = vault.send(roles.owner, "set_core", roles.clearinghouse, roles.liquidator)
    assert sent.event("CoreSet") == (roles.clearinghouse, roles.liquidator)
    assert vault.view("clearinghouse") == roles.clearinghouse
    assert vault.view("liquidator") == roles.liquidator
    with pytest.raises(Revert, match="vault: core is set"):
        vault.send(roles.owner, "set_core", roles.stranger, roles.stranger)


@pytest.mark.parametrize(
    "function, args, reason",
    [
        ("book_inflow", (0, 1, 1), "vault: not clearinghouse"),
        ("cover", (0, 1), "vault: not liquidator"),
        ("reward", (0, 1), "vault: not liquidator"),
        ("set_cap", (0, 0, 1), "access: not owner"),
        ("set_breaker", (WAD, WAD), "access: not owner"),
    ],
)
def test_each_door_opens_for_one_role_only(world, function, args, reason):
    allowed = {
        "vault: not clearinghouse": world.roles.clearinghouse,
        "vault: not liquidator": world.roles.liquidator,
        "access: not owner": world.roles.owner,
    }[reason]
    for caller in (
        world.roles.stranger,
        world.roles.clearinghouse,
        world.roles.liquidator,
        world.roles.owner,
    ):
        if caller != allowed:
            with pytest.raises(Revert) as refused:
                world.vault.send(caller, function, *args)
            assert refused.value.reason == reason
    world.vault.send(allowed, function, *args)


@pytest.mark.parametrize("market", [8, 2**256 - 1])
def test_there_are_eight_markets(world, market):
    roles = world.roles
    for caller, function, args in (
        (roles.clearinghouse, "book_inflow", (market, 1, 1)),
        (roles.liquidator, "cover", (market, 1)),
        (roles.liquidator, "reward", (market, 1)),
        (roles.owner, "set_cap", (market, 0, 1)),
    ):
        with pytest.raises(Revert, match="vault: unknown market"):
            world.vault.send(caller, function, *args)
    for function in ("coverage", "cap"):
        with pytest.raises(Revert, match="vault: unknown market"):
            world.vault.view(function, market)
    with pytest.raises(Revert, match="vault: unknown market"):
        world.vault.view("ledger", market + (market == 8))


# ------------------------------------------------------------------------------------------- flows


def test_anyone_may_fund_the_vault(world):
    sent = world.fund(1_000)
    assert sent.value == 1_000 * world.unit
    assert sent.event("Inflow") == (NO_MARKET, FUND, 1_000 * world.unit, 1_000 * world.unit)
    assert world.assets() == world.held(world.vault.address) == 1_000 * world.unit
    assert world.vault.view("ledger", NO_MARKET) == (1_000 * world.unit, 0, 0)


def test_funding_without_the_tokens_is_refused(world):
    with pytest.raises(Revert, match="token: transfer failed"):
        world.vault.send(world.roles.stranger, "fund", world.unit)


@pytest.mark.parametrize("kind", [PENALTY, FEE_SHARE, FUND])
def test_what_the_clearinghouse_sent_is_booked_by_market_and_kind(world, kind):
    sent = world.book(5, kind, 7 * world.unit)
    assert sent.event("Inflow") == (5, kind, 7 * world.unit, 7 * world.unit)
    assert world.assets() == 7 * world.unit
    assert world.vault.view("ledger", 5) == (7 * world.unit, 0, 0)
    assert world.vault.view("ledger", 4) == (0, 0, 0)


@pytest.mark.parametrize("kind", [0, 4, 2**256 - 1])
def test_an_unknown_kind_of_inflow_is_refused(world, kind):
    with pytest.raises(Revert, match="vault: unknown kind"):
        world.vault.send(world.roles.clearinghouse, "book_inflow", 0, kind, 1)


def test_donations_change_nothing(world):
    world.fund(100)
    before = (
        world.assets(),
        world.coverage(),
        world.vault.view("breaker_state"),
        world.vault.view("history", 3),
    )
    world.token.send(world.roles.donor, "transfer", world.vault.address, 10**6 * world.unit)
    assert (
        world.assets(),
        world.coverage(),
        world.vault.view("breaker_state"),
        world.vault.view("history", 3),
    ) == before


def test_a_deficit_is_paid_to_the_clearinghouse_and_booked_to_its_market(world):
    world.fund(1_000)
    sent = world.cover(2, 100 * world.unit)
    assert sent.value == 100 * world.unit
    assert sent.event("Cover") == (2, 100 * world.unit, 100 * world.unit, 900 * world.unit)
    assert world.held(world.roles.clearinghouse) == 100 * world.unit
    assert world.assets() == world.held(world.vault.address) == 900 * world.unit
    assert world.vault.view("ledger", 2) == (0, 100 * world.unit, 100 * world.unit)


def test_a_reward_is_an_outflow_but_no_deficit(world):
    world.fund(1_000)
    sent = world.reward(3, 10 * world.unit)
    assert sent.value == 10 * world.unit
    assert sent.event("RewardPaid") == (3, 10 * world.unit, 990 * world.unit)
    assert world.held(world.roles.clearinghouse) == 10 * world.unit
    assert world.vault.view("ledger", 3) == (0, 10 * world.unit, 0)


@pytest.mark.parametrize("amount", [1, 10**30, 2**256 - 1])
def test_an_empty_vault_pays_nothing_and_never_reverts(world, amount):
    for _ in range(2):
        sent = world.cover(0, amount)
        assert sent.value == 0
        assert sent.event("Cover") == (0, amount, 0, 0)
        for function in ("reward", "repay"):
            sent = world.vault.send(world.roles.liquidator, function, 0, amount)
            assert (sent.value, sent.events) == (0, [])
    assert world.vault.view("ledger", 0) == (0, 0, min(2 * amount, 2**256 - 1))
    assert world.vault.view("breaker_state").is_open is False


def test_a_vault_without_a_breaker_pays_to_the_last_unit(world):
    world.vault.send(world.roles.owner, "set_breaker", WAD, WAD)
    world.fund(1_000)
    sent = world.cover(0, 5_000 * world.unit)
    assert sent.value == 1_000 * world.unit
    assert sent.event("Cover") == (0, 5_000 * world.unit, 1_000 * world.unit, 0)
    assert not sent.named("BreakerOpened")
    assert world.vault.view("ledger", 0) == (0, 1_000 * world.unit, 5_000 * world.unit)
    assert world.cover(0, 1).value == 0
    world.fund(1)
    assert world.coverage() == world.unit


def test_books_stop_at_a_trillion_tokens_without_holding_up_a_liquidation(world):
    limit = (2**60 - 1) * world.unit // 10**6
    world.vault.send(world.roles.donor, "fund", limit - 5)
    with pytest.raises(Revert, match="vault: over limit"):
        world.vault.send(world.roles.donor, "fund", 6)
    sent = world.book(0, PENALTY, 2**128)
    assert sent.event("Inflow") == (0, PENALTY, 5, limit)
    assert world.assets() == limit
    assert world.book(0, PENALTY, 2**128).events == []
    assert world.coverage() == limit - -(-limit * 7 // 10)
    assert world.vault.view("history", 1)[0].balance == limit


# ----------------------------------------------------------------------------------------- breaker


def test_bybits_example_the_fund_pays_30_percent_and_winners_carry_the_rest(world):
    """FIELD: pool 1,000,000, a market loses 350,000: the vault pays 300,000 and winners carry 50,000."""
    unit = world.unit
    world.fund(1_000_000)
    assert world.coverage() == 300_000 * unit
    sent = world.cover(0, 350_000 * unit)
    assert sent.value == 300_000 * unit
    assert sent.event("Cover") == (0, 350_000 * unit, 300_000 * unit, 700_000 * unit)
    assert sent.event("BreakerOpened") == (700_000 * unit, 1_000_000 * unit)
    assert world.vault.view("ledger", 0) == (0, 300_000 * unit, 350_000 * unit)
    assert world.coverage(0) == world.coverage(1) == 0
    assert world.cover(1, unit).value == 0


def test_a_loss_that_stops_short_of_the_line_leaves_the_breaker_closed(world):
    world.fund(1_000_000)
    assert not world.cover(0, 300_000 * world.unit - 1).named("BreakerOpened")
    assert world.coverage() == 1
    assert world.cover(0, 1).event("BreakerOpened") == (700_000 * world.unit, 1_000_000 * world.unit)


def test_rewards_stop_at_the_line_too(world):
    world.fund(1_000)
    sent = world.reward(0, 400 * world.unit)
    assert sent.value == 300 * world.unit
    assert sent.event("BreakerOpened")
    assert world.reward(0, 1).value == 0


def test_an_open_breaker_closes_when_the_fall_is_less_than_a_quarter(world):
    unit = world.unit
    world.fund(1_000_000)
    world.cover(0, 300_000 * unit)
    sent = world.book(0, PENALTY, 50_000 * unit)
    assert not sent.named("BreakerClosed")
    assert world.coverage() == 0
    assert world.vault.view("breaker_state") == (
        True,
        10**6 * unit,
        7 * 10**5 * unit,
        3 * WAD // 10,
        WAD // 4,
    )
    sent = world.book(0, PENALTY, 1)
    assert sent.event("BreakerClosed") == (750_000 * unit + 1, 1_000_000 * unit)
    assert world.coverage() == 50_000 * unit + 1


def test_a_peak_counts_for_eight_full_hours_and_no_ninth(world):
    unit = world.unit
    world.fund(1_000_000)
    world.pass_time(10)
    world.cover(0, 300_000 * unit)
    world.pass_time(9 * HOUR - 10 - 1)  # the last second in which the first hour is one of the eight before
    state = world.vault.view("breaker_state")
    assert (state.is_open, state.peak, world.coverage()) == (True, 10**6 * unit, 0)
    world.pass_time(1)
    state = world.vault.view("breaker_state")
    assert (state.is_open, state.peak) == (False, 700_000 * unit)
    assert world.coverage() == 210_000 * unit
    sent = world.cover(0, 210_000 * unit)
    assert sent.event("BreakerClosed") == (700_000 * unit, 700_000 * unit)
    assert sent.event("BreakerOpened") == (490_000 * unit, 700_000 * unit)


def test_the_level_carried_into_an_hour_counts_for_that_hour(world):
    """The fund loses in hour 5 what it held since hour 0: the old level counts until hour 13 is over."""
    unit = world.unit
    world.fund(1_000)
    world.pass_time(5 * HOUR)
    world.cover(0, 200 * unit)
    world.pass_time(8 * HOUR)
    assert world.vault.view("breaker_state").peak == 1_000 * unit
    world.pass_time(HOUR)
    assert world.vault.view("breaker_state").peak == 800 * unit


def test_a_peak_counts_as_long_when_there_are_flows_in_every_hour(world):
    unit = world.unit
    world.fund(1_000)
    for _ in range(8):
        world.pass_time(HOUR)
        world.cover(0, 10 * unit)
        assert world.vault.view("breaker_state").peak == 1_000 * unit
    for carried in (1_000, 990, 980, 970):
        world.pass_time(HOUR)
        world.cover(0, 10 * unit)
        assert world.vault.view("breaker_state").peak == carried * unit


@pytest.mark.parametrize("hours", [9, 10, 16, 17, 100, 10_000])
def test_after_a_long_rest_the_peak_is_the_present_level(world, hours):
    world.fund(1_000)
    world.cover(0, 100 * world.unit)
    world.pass_time(hours * HOUR)
    assert world.vault.view("breaker_state").peak == 900 * world.unit
    assert world.cover(0, 1_000 * world.unit).value == 270 * world.unit


def test_a_rise_and_a_fall_within_an_hour_leave_the_top_as_the_peak(world):
    unit = world.unit
    world.fund(100)
    world.book(0, PENALTY, 100 * unit)
    world.cover(0, 50 * unit)
    assert world.vault.view("breaker_state").peak == 200 * unit
    world.pass_time(HOUR)
    world.book(0, PENALTY, 25 * unit)
    assert world.vault.view("breaker_state").peak == 200 * unit
    assert world.coverage() == 35 * unit


def test_fractions_of_a_millionth_never_let_a_payment_past_the_line(revm):
    world = make_world(revm, 18)
    world.vault.send(world.roles.donor, "fund", 10**18 + 1)
    peak = 10**18 + 10**12
    line = peak * 7 // 10
    assert world.vault.view("breaker_state")[1:3] == (peak, line)
    assert world.cover(0, 10**18).value == 10**18 + 1 - line
    assert world.assets() == line


def test_a_change_of_the_breaker_is_applied_at_once(world):
    unit, owner = world.unit, world.roles.owner
    world.fund(1_000)
    world.cover(0, 100 * unit)
    sent = world.vault.send(owner, "set_breaker", WAD // 10, WAD // 20)
    assert sent.event("BreakerSet") == (WAD // 10, WAD // 20)
    assert sent.event("BreakerOpened") == (900 * unit, 1_000 * unit)
    assert world.coverage() == 0
    sent = world.vault.send(owner, "set_breaker", WAD // 2, WAD // 2)
    assert sent.event("BreakerClosed") == (900 * unit, 1_000 * unit)
    assert world.coverage() == 400 * unit
    world.cover(0, 400 * unit)
    sent = world.vault.send(owner, "set_breaker", WAD, WAD)
    assert sent.event("BreakerClosed") == (500 * unit, 1_000 * unit)
    assert world.coverage() == 500 * unit


def test_rates_are_kept_to_the_last_digit(world):
    for trip, resume in ((1, 1), (WAD - 1, WAD - 1), (WAD // 3, WAD // 3 - 1)):
        world.vault.send(world.roles.owner, "set_breaker", trip, resume)
        assert world.vault.view("breaker_state")[3:] == (trip, resume)


@pytest.mark.parametrize(
    "trip, resume", [(WAD + 1, 1), (0, 0), (WAD // 2, 0), (WAD // 2, WAD // 2 + 1), (0, 1)]
)
def test_a_breaker_that_makes_no_sense_is_refused(world, trip, resume):
    with pytest.raises(Revert, match="vault: bad breaker"):
        world.vault.send(world.roles.owner, "set_breaker", trip, resume)


# ----------------------------------------------------------------------------------------- history


def test_history_tells_every_hour_since_the_vault_exists_newest_first(world):
    unit, start = world.unit, world.now() // HOUR * HOUR
    assert world.vault.view("history", 0) == []
    assert world.vault.view("history", 168) == [(start, 0, 0, 0)]
    world.fund(1_000)
    world.cover(0, 100 * unit)
    world.pass_time(3 * HOUR)
    world.reward(0, 10 * unit)
    world.book(0, FEE_SHARE, 5 * unit)
    assert world.vault.view("history", 168) == [
        (start + 3 * HOUR, 895 * unit, 5 * unit, 10 * unit),
        (start + 2 * HOUR, 900 * unit, 0, 0),
        (start + HOUR, 900 * unit, 0, 0),
        (start, 900 * unit, 1_000 * unit, 100 * unit),
    ]
    assert len(world.vault.view("history", 2)) == 2


def test_history_goes_back_a_week_and_forgets_what_is_older(world):
    unit, start = world.unit, world.now() // HOUR * HOUR
    world.fund(1_000)
    world.pass_time(167 * HOUR)
    entries = world.vault.view("history", 2**256 - 1)
    assert len(entries) == 168
    assert entries[-1] == (start, 1_000 * unit, 1_000 * unit, 0)
    world.pass_time(HOUR)
    assert world.vault.view("history", 168)[-1] == (start + HOUR, 1_000 * unit, 0, 0)
    world.cover(0, 200 * unit)  # in the place of the first hour
    entries = world.vault.view("history", 168)
    assert entries[0] == (start + 168 * HOUR, 800 * unit, 0, 200 * unit)
    assert set(entries[1:]) == {(start + hour * HOUR, 1_000 * unit, 0, 0) for hour in range(1, 168)}


# --------------------------------------------------------------------------------------------- gas


def test_an_inflow_within_the_hour_writes_three_words(world):
    world.fund(1_000)
    world.book(0, PENALTY, world.unit)
    world.pass_time(1)
    data = world.vault.calldata("book_inflow", 0, PENALTY, world.unit)
    intrinsic = 21_000 + sum(16 if byte else 4 for byte in data)
    sent = world.book(0, PENALTY, world.unit)
    assert sent.gas - intrinsic < 21_600


def test_asking_for_coverage_reads_two_words(world):
    world.fund(1_000)
    data = world.vault.calldata("coverage", 0)
    intrinsic = 21_000 + sum(16 if byte else 4 for byte in data)
    assert world.vault.send(world.roles.stranger, "coverage", 0).gas - intrinsic < 6_000
