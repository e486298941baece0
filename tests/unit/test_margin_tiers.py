"""Margin schedules: tables as exchanges publish them, and what no accepted table may do."""

from __future__ import annotations

import itertools
from decimal import Decimal
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from support import BOTH_SIDES, FOK, PLAIN, START_PRICE, deployed, plain_market

from perpsim.chain import Revert
from perpsim.protocol import WAD, ProtocolParams, Tier, wad

pytestmark = PLAIN


def table(*rows):
    """(limit, initial %, maintenance %, deduction)."""
    return tuple(Tier(wad(a), wad(b) // 100, wad(c) // 100, wad(d)) for a, b, c, d in rows)


# maintenance rates and deductions as published for BTCUSDT; the initial rates are one over the leverage
BINANCE_2021 = table(
    (50_000, "0.8", "0.4", 0),
    (250_000, "1", "0.5", 50),
    (1_000_000, "2", "1", 1_300),
    (10_000_000, "5", "2.5", 16_300),
    (20_000_000, "10", "5", 266_300),
    (50_000_000, "20", "10", 1_266_300),
    (100_000_000, "25", "12.5", 2_516_300),
    (200_000_000, "33.3", "15", 5_016_300),
)
BYBIT = table(
    (2_000_000, "1", ".5", 0),
    (2_600_000, "1.11", ".56", 1_200),
    (3_200_000, "1.25", ".63", 3_020),
    (3_800_000, "1.42", ".67", 4_300),
    (4_400_000, "1.66", ".71", 5_820),
    (5_000_000, "2", ".77", 8_460),
    (5_600_000, "2.5", ".91", 15_460),
    (8_500_000, "3.33", "1.0", 20_500),
)


def expected(tiers, notional):
    """Initial and maintenance margin by the published rule."""
    tier = next((t for t in tiers if notional <= t.limit), tiers[-1])
    return tuple(
        ceil(Fraction(notional * rate, WAD)) - tier.deduction if notional else 0
        for rate in (tier.initial_rate, tier.maintenance_rate)
    )


def requirement(exchange, notional):
    return exchange.clearinghouse.view("margin_requirement", 0, notional)


def set_tiers(exchange, tiers):
    return exchange.owner.send(exchange.parameters, "set_margin_tiers", 0, list(tiers))


@pytest.mark.parametrize(
    "notional, maintenance",
    [
        (50_000, 200),
        (50_001, "200.005"),
        (250_000, 1_200),
        (1_000_000, 8_700),
        (10_000_000, 233_700),
        (20_000_000, 733_700),
        (50_000_000, 3_733_700),
        (100_000_000, 9_983_700),
        (200_000_000, 24_983_700),
        # the last tier also serves what is above it
        (300_000_000, 39_983_700),
    ],
)
def test_a_published_table_gives_the_published_margin(exchange, notional, maintenance):
    set_tiers(exchange, BINANCE_2021)
    assert requirement(exchange, wad(notional))[1] == wad(maintenance)


@pytest.mark.parametrize("tiers", [BINANCE_2021, BYBIT], ids=["binance", "bybit"])
def test_every_notional_is_served_by_its_tier(exchange, tiers):
    set_tiers(exchange, tiers)
    for tier in tiers:
        for notional in (tier.limit - 1, tier.limit, tier.limit + 1, tier.limit // 3):
            assert requirement(exchange, notional) == expected(tiers, notional)
    assert requirement(exchange, 0) == (0, 0)


def test_the_margin_of_the_tiniest_size_is_not_nothing(exchange):
    set_tiers(exchange, BINANCE_2021)
    assert requirement(exchange, 1) == (1, 1)


TIERS = st.lists(
    st.tuples(st.integers(1, 10**9), st.integers(0, 10**17), st.integers(0, 10**17), st.fractions(0, 1)),
    min_size=1,
    max_size=8,
)


def build(rows):
    """Tiers whose limits and rates rise, and whose deductions use the given part of what is allowed."""
    tiers = []
    limit, maintenance, initial, deduction = 0, 10**6, 10**6, 0
    for width, up_maintenance, up_initial, part in rows:
        maintenance += up_maintenance
        initial = max(initial + up_initial, maintenance)
        if initial > WAD:
            break
        if tiers:
            jump = min(maintenance - tiers[-1].maintenance_rate, initial - tiers[-1].initial_rate)
            deduction += int(jump * limit // WAD * part)
        limit += width * WAD
        tiers.append(Tier(limit, initial, maintenance, deduction))
    return tiers


@settings(max_examples=150)
@given(rows=TIERS, notionals=st.lists(st.integers(1, 9 * 10**27), min_size=1, max_size=10))
def test_margin_never_falls_as_a_position_grows(exchange, rows, notionals):
    tiers = build(rows)
    assume(tiers)
    with exchange.isolated():
        try:
            set_tiers(exchange, tiers)
        except Revert as refused:
            assert refused.reason == "tiers: deduction out of range"
            return
        limits = [tier.limit + step for tier in tiers for step in (0, 1)]
        found = [(0, 0)] + [requirement(exchange, n) for n in sorted({*notionals, *limits})]
        for smaller, larger in itertools.pairwise(found):
            assert smaller[0] <= larger[0], "initial margin falls"
            assert smaller[1] <= larger[1], "maintenance margin falls"
        assert all(initial >= maintenance >= 0 for initial, maintenance in found)


FIRST = Tier(1_000_000 * WAD, wad("0.1"), wad("0.05"), 0)


@given(
    up_initial=st.one_of(st.just(0), st.integers(0, 10**17)),
    up_maintenance=st.integers(0, 5 * 10**16),
    deduction=st.one_of(st.integers(0, 10**23), st.integers(0, 10**6)),
)
@example(up_initial=0, up_maintenance=10**16, deduction=10_000 * WAD)
@example(up_initial=10**6 - 1, up_maintenance=10**6 - 1, deduction=10**12 - 10**6)
def test_whatever_table_is_accepted_no_margin_falls_at_the_edge(
    exchange, up_initial, up_maintenance, deduction
):
    """Neither the initial nor the maintenance margin, as they are kept."""
    second = Tier(
        2 * FIRST.limit, FIRST.initial_rate + up_initial, FIRST.maintenance_rate + up_maintenance, deduction
    )
    with exchange.isolated():
        try:
            set_tiers(exchange, (FIRST, second))
        except Revert as refused:
            assert refused.reason == "tiers: deduction out of range"
            jump = min(up_initial, up_maintenance) * FIRST.limit // WAD
            assert deduction > jump - 10**18, "a table without a fault was refused"
            return
        below, above = (requirement(exchange, FIRST.limit + step) for step in (0, 1))
        assert below[0] <= above[0] and below[1] <= above[1]


@settings(max_examples=60)
@given(rows=TIERS, notional=st.integers(0, 9 * 10**27))
def test_a_kept_table_is_the_table_that_was_set(exchange, rows, notional):
    """Rates to 1e-12, everything else exactly."""
    tiers = [
        Tier(t.limit, t.initial_rate // 10**6 * 10**6, t.maintenance_rate // 10**6 * 10**6, t.deduction)
        for t in build(rows)
    ]
    assume(tiers)
    with exchange.isolated():
        try:
            set_tiers(exchange, tiers)
        except Revert:
            assume(False)
        assert requirement(exchange, notional) == expected(tiers, notional)


def test_a_shorter_table_replaces_a_longer_one_whole(exchange):
    set_tiers(exchange, BYBIT)
    set_tiers(exchange, BINANCE_2021[:2])
    assert [exchange.clearinghouse.view("tiers", 0, i) != 0 for i in range(8)] == [True] * 2 + [False] * 6
    assert requirement(exchange, wad(5_000_000)) == expected(BINANCE_2021[:2], wad(5_000_000))


STEPS = (Tier(wad(20_000), wad("0.1"), wad("0.05")), Tier(10**8 * WAD, wad("0.2"), wad("0.1"), wad(1_000)))


@BOTH_SIDES
def test_growing_into_the_next_tier_needs_its_margin(side):
    with deployed(ProtocolParams(markets=(plain_market(tiers=STEPS),))) as exchange:
        against = exchange.actor("against", deposit=1_000_000)
        trader = exchange.actor("trader", deposit=2_000)
        exchange.open(side, trader, against, 2, START_PRICE)
        assert trader.health == (wad(2_000), wad(2_000), wad(1_000))
        # the third: 20 % of 30,000 less 1,000
        against.order(-side, 1, START_PRICE)
        trader.deposit("2999.999999")
        with pytest.raises(Revert, match="order: margin"):
            trader.order(side, 1, START_PRICE)
        trader.deposit("0.000001")
        trader.order(side, 1, START_PRICE, FOK)
        assert trader.health == (wad(5_000), wad(5_000), wad(2_000))


@BOTH_SIDES
def test_the_mark_moves_a_position_between_tiers(side):
    with deployed(ProtocolParams(markets=(plain_market(tiers=STEPS),))) as exchange:
        against = exchange.actor("against", deposit=1_000_000)
        trader = exchange.actor("trader", deposit=10_000)
        exchange.open(side, trader, against, 2, START_PRICE)
        for price, initial, maintenance in ((9_999, "1999.8", "999.9"), (10_001, "3000.4", "1000.2")):
            exchange.move(price)
            assert trader.health[1:] == (wad(initial), wad(maintenance))


def test_a_harsher_table_does_not_touch_anybodys_money(exchange, maker, taker):
    exchange.trade(taker, maker, 10, START_PRICE)
    before = taker.equity, maker.equity
    set_tiers(exchange, table((10**8, "100", "99", 0)))
    assert (taker.equity, maker.equity) == before
    assert taker.health.initial == wad(100_000)
    exchange.check_invariants(dust=0)
    assert Decimal(taker.withdrawable) / 10**6 == 900_000
