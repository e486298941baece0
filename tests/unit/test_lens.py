"""Bulk reads: what they say is what a transaction in the same block finds."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from support import BOTH_SIDES, PLAIN, deployed, plain_market

from perpsim.chain import Revert
from perpsim.protocol import WAD, FundingTerms, ProtocolParams, Tier, wad

pytestmark = PLAIN

#: 10 % and 5 % up to 20,000, then 20 % and 10 % less 1,000, then 50 % and 40 % less 31,000
STEPS = (
    Tier(wad(20_000), wad("0.1"), wad("0.05")),
    Tier(wad(100_000), wad("0.2"), wad("0.1"), wad(1_000)),
    Tier(10**8 * WAD, wad("0.5"), wad("0.4"), wad(31_000)),
)


def test_a_market_is_shown_as_it_is(exchange, maker, taker):
    exchange.trade(taker, maker, 2, 10_000)
    exchange.move(10_100)
    state = exchange.market()
    assert (state.index, state.mark, state.open_interest) == (wad(10_100), wad(10_100), wad(2))
    assert state.index_time == state.accrued_at == exchange.now
    assert (state.close_only, state.stale, state.max_age) == (False, False, 60)
    assert state.book == exchange.book.address == exchange.clearinghouse.view("book_of", 0)
    exchange.wait(61)
    assert exchange.market().stale


def test_a_market_that_is_not_there_is_all_zero(exchange):
    state = exchange.market(5)
    assert (state.book, state.mark, state.open_interest_cap) == ("0x" + "00" * 20, 0, 0)
    with pytest.raises(Revert):
        exchange.market(8)


def test_accounts_are_listed_in_rows(exchange):
    actors = [exchange.actor(f"actor {i}", deposit=i + 1) for i in range(5)]
    rows = exchange.lens.view("accounts", 2, 3)
    assert [row.account for row in rows] == [2, 3, 4]
    assert [row.owner for row in rows] == [actor.address for actor in actors[1:4]]
    assert [row.collateral for row in rows] == [wad(2), wad(3), wad(4)]
    assert len(exchange.lens.view("accounts", 1, 256)) == 5
    assert exchange.lens.view("accounts", 6, 10) == []
    assert exchange.lens.view("accounts", 2**255, 10) == []
    with pytest.raises(Revert):
        exchange.lens.view("accounts", 1, 257)


@BOTH_SIDES
def test_a_row_is_the_accounts_health(exchange, maker, taker, side):
    exchange.open(side, taker, maker, 1, 10_000)
    exchange.move(10_050)
    row = exchange.lens.view("account", taker.account)
    assert (row.equity, row.initial_margin, row.maintenance_margin) == taker.health
    assert (row.account, row.owner, row.collateral) == (taker.account, taker.address, taker.collateral)


@BOTH_SIDES
def test_positions_are_listed_by_market(side):
    with deployed(ProtocolParams(markets=tuple(plain_market(symbol=s) for s in "ABC"))) as exchange:
        maker = exchange.actor("maker", deposit=1_000_000)
        trader = exchange.actor("trader", deposit=100_000)
        exchange.open(side, trader, maker, 1, 10_000, market=0)
        exchange.open(-side, trader, maker, 2, 10_000, market=2)
        exchange.move(10_500, market=2)
        rows = exchange.lens.view("positions", trader.account)
        assert [row.market for row in rows] == [0, 2]
        assert [row.size for row in rows] == [side * WAD, -side * 2 * WAD]
        assert [row.mark for row in rows] == [wad(10_000), wad(10_500)]
        for row in rows:
            assert row.bankruptcy_price == trader.bankruptcy_price(row.market)
            assert row.liquidation_price == trader.liquidation_price(row.market)
            assert (row.size, row.entry_value, row.pending) == trader.position(row.market)
        assert exchange.lens.view("positions", 999) == []


@BOTH_SIDES
def test_the_liquidatable_are_those_below_the_maintenance_margin(exchange, maker, side):
    poor = exchange.actor("poor", deposit=1_000)
    rich = exchange.actor("rich", deposit=5_000)
    for trader in (poor, rich):
        exchange.open(side, trader, maker, 1, 10_000)
    everyone = list(exchange.accounts)
    edge = Decimal(poor.liquidation_price()) / WAD
    exchange.move(edge + side * Decimal("0.000001"))
    assert exchange.lens.view("liquidatable", everyone) == []
    exchange.move(edge - side * Decimal("0.000001"))
    assert exchange.lens.view("liquidatable", everyone) == [poor.account]
    assert exchange.lens.view("liquidatable", [rich.account, maker.account, 999]) == []


# prices


@BOTH_SIDES
def test_the_prices_of_one_position_by_hand(exchange, maker, side):
    """1,000 on one of 10,000: bankrupt 1,000 away; liquidated where equity is 5 % of the price."""
    trader = exchange.actor("trader", deposit=1_000)
    exchange.open(side, trader, maker, 1, 10_000)
    assert trader.bankruptcy_price() == wad(10_000 - side * 1_000)
    exact = Fraction(10_000 - side * 1_000) / (1 - side * Fraction(5, 100)) * WAD
    assert abs(trader.liquidation_price() - exact) <= 1


def test_without_a_position_there_are_no_prices(exchange, trader):
    for account in (trader.account, 0, 999):
        assert exchange.lens.view("bankruptcy_price", account, 0) == 0
        assert exchange.lens.view("liquidation_price", account, 0) == 0


def test_a_long_that_nothing_can_hurt_has_no_liquidation_price(exchange, maker):
    owner = exchange.actor("owner of it all", deposit=20_000)
    exchange.trade(owner, maker, 1, 10_000)
    assert owner.liquidation_price() == 0
    assert owner.bankruptcy_price() == -wad(10_000)


ACCOUNT = {
    "side": st.sampled_from([1, -1]),
    "size": st.integers(1, 20_000),
    "deposit": st.integers(1_000, 150_000),
    "price": st.integers(8_000, 12_000),
    "tiers": st.sampled_from([plain_market().tiers, STEPS]),
    "elsewhere": st.integers(-3_000, 3_000),
    "funding": st.booleans(),
}


def account_of(side, size, deposit, price, tiers, elsewhere, funding, markets):
    """Somebody who holds `size` thousandths here and `elsewhere` thousandths in another market, later on."""
    exchange = markets
    maker = exchange.actor("maker", deposit=100_000_000)
    trader = exchange.actor("trader", deposit=deposit)
    try:
        exchange.open(side, trader, maker, Decimal(size) / 1_000, 10_000)
        if elsewhere:
            way = 1 if elsewhere > 0 else -1
            exchange.open(way, trader, maker, Decimal(abs(elsewhere)) / 1_000, 10_000, market=1)
    except Revert:
        assume(False)
    exchange.refresh(40)
    exchange.move(price)
    return trader


def markets_for(tiers, funding):
    terms = FundingTerms(interest=wad("0.05"), clamp=WAD, cap=WAD, band=0)
    if not funding:
        terms = plain_market().funding
    return ProtocolParams(
        markets=(plain_market(tiers=tiers, funding=terms), plain_market(symbol="OTHER", funding=terms))
    )


@settings(max_examples=120)
@given(**ACCOUNT)
@example(1, 1_000, 1_000, 10_000, STEPS, 0, False)
@example(-1, 2_000, 2_000, 10_001, STEPS, 500, True)
def test_at_its_liquidation_price_an_account_has_its_maintenance_margin_to_the_wei(
    side, size, deposit, price, tiers, elsewhere, funding
):
    with deployed(markets_for(tiers, funding)) as exchange:
        trader = account_of(side, size, deposit, price, tiers, elsewhere, funding, exchange)
        # from here on without funding, so that only the price moves equity
        for market in (0, 1):
            owner = exchange.owner
            owner.send(exchange.parameters, "set_funding_terms", market, plain_market().funding)
        exchange.refresh(1)

        def excess(index):
            exchange.wait(1)
            exchange.owner.send(exchange.oracle, "post", 0, index, exchange.now)
            health = trader.health
            return health.equity - health.maintenance

        found = trader.liquidation_price()
        if found == 0:
            assert excess(1) >= 0, "there is none, yet next to nothing is too low"
            return
        assert abs(excess(found)) <= size // 1_000 + 5
        step = 10**14
        assert excess(found + side * step) > 0 > excess(found - side * step)


@BOTH_SIDES
def test_the_liquidation_price_is_found_in_a_table_of_eight_tiers(side):
    """In the last tier as in the first."""
    rates = [5 * 10**15 * (tier + 1) for tier in range(8)]
    tiers, deduction = [], 0
    for tier, rate in enumerate(rates):
        if tier:
            deduction += (rate - rates[tier - 1]) * tiers[-1].limit // WAD
        tiers.append(Tier(wad(100_000) * (tier + 1), 2 * rate, rate, deduction))
    with deployed(ProtocolParams(markets=(plain_market(tiers=tuple(tiers)),))) as exchange:
        maker = exchange.actor("maker", deposit=100_000_000)
        for size in (1, 25, 45, 79, 200):
            trader = exchange.actor(f"holder of {size}", deposit=1_000 * size)
            exchange.open(side, trader, maker, size, 10_000)
            found = trader.liquidation_price()
            notional = size * found
            tier = next((t for t in tiers if notional <= t.limit), tiers[-1])
            equity = wad(1_000) * size + side * (size * found - size * wad(10_000))
            margin = notional * tier.maintenance_rate // WAD - tier.deduction
            assert abs(equity - margin) <= 2 * size


@settings(max_examples=120)
@given(**ACCOUNT)
def test_the_bankruptcy_price_is_the_formula_rounded_down(
    side, size, deposit, price, tiers, elsewhere, funding
):
    with deployed(markets_for(tiers, funding)) as exchange:
        trader = account_of(side, size, deposit, price, tiers, elsewhere, funding, exchange)
        held = trader.size()
        mark, health = exchange.mark(), trader.health
        notional = ceil(Fraction(abs(held) * mark, WAD))
        here = exchange.clearinghouse.view("margin_requirement", 0, notional)[1]
        share = Fraction(health.equity * here, health.maintenance)
        exact = mark - share * WAD / held
        # by a wei of the share, and one of the price
        assert 0 <= exact - trader.bankruptcy_price() < 1 + Fraction(WAD, abs(held))


@BOTH_SIDES
def test_views_move_with_time_as_transactions_do(side):
    terms = FundingTerms(interest=wad("0.0288"), clamp=WAD, cap=WAD, band=0)
    with deployed(ProtocolParams(markets=(plain_market(funding=terms),))) as exchange:
        maker = exchange.actor("maker", deposit=1_000_000)
        trader = exchange.actor("trader", deposit=1_000)
        exchange.open(side, trader, maker, 1, 10_000)
        soon = exchange.now + 40
        seen = exchange.lens.view("account", trader.account, timestamp=soon)
        position = exchange.lens.view("positions", trader.account, timestamp=soon)[0]
        exchange.wait(40)
        exchange.poke()
        assert exchange.lens.view("account", trader.account) == seen
        assert exchange.lens.view("positions", trader.account)[0] == position
        assert seen.equity == wad(1_000) - side * wad("0.4")


def test_where_the_margin_jumps_past_the_equity_no_price_makes_them_equal():
    """From 5 % to 10 % of the notional at 50,000, with nothing deducted: up to there a short has more than it
    needs, past it less."""
    jump = (Tier(wad(50_000), wad("0.1"), wad("0.05")), Tier(10**8 * WAD, wad("0.2"), wad("0.1")))
    with deployed(ProtocolParams(markets=(plain_market(tiers=jump),))) as exchange:
        trader = exchange.actor("trader", deposit=5_000)
        exchange.move(4_900)
        exchange.open(-1, trader, exchange.actor("maker", deposit=10**6), 10, 4_900)
        assert trader.liquidation_price() == 0
        exchange.move(5_000)
        equity, _, maintenance = trader.health
        assert (equity, maintenance) == (wad(4_000), wad(2_500))
        exchange.move("5000.001")
        assert trader.health.equity < trader.health.maintenance
        assert trader.liquidation_price() == 0
