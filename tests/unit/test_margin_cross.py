"""One account, several markets: equity and margins add up, and every path sees the same sums."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import BOTH_DECIMALS, BOTH_SIDES, FOK, IOC, deployed, fresh, plain_market

from perpsim.chain import Revert
from perpsim.protocol import WAD, FundingTerms, ProtocolParams, Tier, wad

# 10 % and 5 %; 20 % and 10 %; 4 % and 2 %
MARKETS = (
    plain_market(symbol="A"),
    plain_market(symbol="B", tiers=(Tier(10**8 * WAD, wad("0.2"), wad("0.1")),)),
    plain_market(symbol="C", tiers=(Tier(10**8 * WAD, wad("0.04"), wad("0.02")),)),
)
EIGHT = tuple(plain_market(symbol=f"M{i}") for i in range(8))
pytestmark = pytest.mark.exchange(markets=MARKETS)


@pytest.fixture
def against(exchange):
    return exchange.actor("against", deposit=100_000_000)


@pytest.fixture
def trader(exchange, against):
    return exchange.actor("trader", deposit=10_000)


@BOTH_DECIMALS
@BOTH_SIDES
def test_equity_and_margins_add_up_over_the_markets(exchange, against, trader, side):
    exchange.open(side, trader, against, 1, 10_000, market=0)
    exchange.open(-side, trader, against, 1, 10_000, market=1)
    exchange.open(side, trader, against, 2, 10_000, market=2)
    assert trader.health == (wad(10_000), wad(1_000 + 2_000 + 800), wad(500 + 1_000 + 400))
    exchange.move(10_000 + side * 100, market=0)
    exchange.move(10_000 + side * 30, market=1)
    exchange.move(10_000 - side * 10, market=2)
    health = trader.health
    assert health.equity == wad(10_000 + 100 - 30 - 20)
    assert health.initial == wad(Decimal(3_800) + side * (Decimal(10) + 6 - Decimal("0.8")))
    exchange.check_invariants(dust=0)


@BOTH_SIDES
def test_profit_in_one_market_bears_a_position_in_another(exchange, against, trader, side):
    trader.withdraw(9_000)
    exchange.open(side, trader, against, 1, 10_000, market=0)
    against.order(-side, 1, 10_000, market=1)
    with pytest.raises(Revert, match="order: margin"):
        trader.order(side, 1, 10_000, market=1)
    # 2,000 for the new one and 10 % of the old one's new notional
    profit = Decimal(2_000) / (1 - side * Decimal("0.1"))
    exchange.move((10_000 + side * (profit + 1)).quantize(Decimal(1)), market=0)
    trader.order(side, 1, 10_000, FOK, market=1)
    assert trader.health.equity >= trader.health.initial
    exchange.check_invariants(dust=0)


@BOTH_SIDES
def test_a_loss_in_one_market_stops_opening_in_another(exchange, against, trader, side):
    exchange.open(side, trader, against, 5, 10_000, market=0)
    exchange.move(10_000 - side * 1_500, market=0)
    against.order(-side, "0.001", 10_000, market=1)
    with pytest.raises(Revert, match="order: margin"):
        trader.order(side, "0.001", 10_000, market=1)
    # nor as a maker
    against.cancel_all(market=1)
    with pytest.raises(Revert, match="order: margin"):
        trader.order(side, "0.001", 10_000, market=1)


@BOTH_SIDES
def test_closing_in_one_market_is_measured_by_the_whole_account(exchange, against, trader, side):
    """Equity between the margins: a close in B may cost the 10 % that it frees there."""
    exchange.open(side, trader, against, 5, 10_000, market=0)
    exchange.open(side, trader, against, 1, 10_000, market=1)
    exchange.move(10_000 - side * 900, market=0)
    health = trader.health
    assert health.maintenance < health.equity < health.initial
    limit = 10_000 - side * 1_000
    against.order(side, 1, limit - side * Decimal("0.001"), market=1)
    with pytest.raises(Revert, match="order: margin"):
        trader.order(-side, 1, limit - side, market=1)
    against.cancel_all(market=1)
    against.order(side, 1, limit, market=1)
    trader.order(-side, 1, limit, FOK, market=1)
    after = trader.health
    assert after.equity - after.maintenance == health.equity - health.maintenance


@BOTH_SIDES
def test_the_bankruptcy_price_shares_the_equity_out_by_maintenance_margin(exchange, against, trader, side):
    exchange.open(side, trader, against, 2, 10_000, market=0)  # MM 1,000
    exchange.open(-side, trader, against, 3, 10_000, market=1)  # MM 3,000
    assert trader.bankruptcy_price(0) == wad(10_000 - side * 10_000 * Decimal("0.25") / 2)
    assert trader.bankruptcy_price(1) == wad(10_000 + side * 10_000 * Decimal("0.75") / 3)
    assert trader.bankruptcy_price(2) == 0


@BOTH_SIDES
def test_closing_at_the_bankruptcy_price_leaves_the_ratio_of_the_rest(exchange, against, trader, side):
    exchange.open(side, trader, against, 2, 10_000, market=0)
    exchange.open(-side, trader, against, 3, 10_000, market=1)
    before = trader.health
    price = trader.bankruptcy_price(0)
    exchange.open(-side, trader, against, 2, Decimal(price) / WAD, market=0)
    after = trader.health
    assert after.equity * before.maintenance == before.equity * after.maintenance
    exchange.check_invariants(dust=0)


def test_the_margin_of_all_markets_stays_when_money_is_withdrawn(exchange, against, trader):
    exchange.trade(trader, against, 1, 10_000, market=0)
    exchange.trade(against, trader, 1, 10_000, market=2)
    assert trader.withdrawable == (10_000 - 1_000 - 400) * 10**6
    exchange.move(9_000, market=0)
    assert trader.withdrawable == (10_000 - 1_000 - 900 - 400) * 10**6
    exchange.move(8_000, market=2)  # the short gains 2,000, which helps but does not leave
    assert trader.withdrawable == (10_000 - 1_000 + 2_000 - 900 - 320) * 10**6


def test_one_stale_market_is_enough_to_keep_everything(exchange, against, trader):
    exchange.trade(trader, against, 1, 10_000, market=0)
    exchange.trade(trader, against, 1, 10_000, market=1)
    exchange.wait(61)
    for market in (0, 2):
        exchange.owner.send(exchange.oracle, "post", market, wad(10_000), exchange.now)
    assert trader.withdrawable == 0
    exchange.owner.send(exchange.oracle, "post", 1, wad(10_000), exchange.now)
    assert trader.withdrawable == 7_000 * 10**6


@settings(max_examples=80)
@given(
    trades=st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from([1, -1]), st.integers(1, 3_000)), min_size=1, max_size=8
    ),
    moves=st.lists(st.tuples(st.integers(0, 2), st.integers(9_000, 11_000)), max_size=4),
    funding=st.booleans(),
    seconds=st.integers(1, 60),
)
def test_the_whole_is_the_sum_of_what_each_market_says(trades, moves, funding, seconds):
    """Equity and margins from the parts in exact fractions, rounded against the account by a wei each."""
    markets = MARKETS
    if funding:
        terms = FundingTerms(interest=wad("0.003"), clamp=wad("0.01"), cap=wad("0.01"), band=0)
        markets = tuple(plain_market(symbol=m.symbol, tiers=m.tiers, funding=terms) for m in MARKETS)
    with deployed(ProtocolParams(markets=markets)) as exchange:
        against = exchange.actor("against", deposit=100_000_000)
        trader = exchange.actor("trader", deposit=1_000_000)
        for market, side, size in trades:
            exchange.open(side, trader, against, Decimal(size) / 1_000, 10_000, market=market)
        exchange.refresh()
        for market, price in moves:
            exchange.move(price, market=market)
        exchange.wait(seconds)
        for actor in (trader, against):
            collateral = Fraction(actor.collateral)
            value, maintenance, initial = Fraction(0), Fraction(0), Fraction(0)
            for number, market in enumerate(markets):
                size, entry, pending = actor.position(number)
                mark = exchange.mark(number)
                value += Fraction(size * mark, WAD) - entry + pending
                notional = Fraction(abs(size) * mark, WAD)
                initial += notional * market.tiers[0].initial_rate / WAD
                maintenance += notional * market.tiers[0].maintenance_rate / WAD
            health = actor.health
            assert 0 <= collateral + value - health.equity < 3
            assert 0 <= health.initial - initial < 6
            assert 0 <= health.maintenance - maintenance < 6
        exchange.check_invariants()


@settings(max_examples=40)
@given(
    held=st.lists(
        st.tuples(st.integers(0, 7), st.sampled_from([1, -1])),
        min_size=1,
        max_size=8,
        unique_by=lambda x: x[0],
    ),
    prices=st.lists(st.integers(9_500, 10_500), min_size=8, max_size=8),
    seen_from=st.integers(0, 7),
)
def test_a_fill_sees_what_the_view_says_from_whichever_market(held, prices, seen_from):
    """Health before a trade at the mark without a fee is health after it."""
    with deployed(ProtocolParams(markets=EIGHT)) as exchange:
        against = exchange.actor("against", deposit=100_000_000)
        trader = exchange.actor("trader", deposit=100_000)
        for market, side in held:
            exchange.open(side, trader, against, 1, 10_000, market=market)
        exchange.wait()
        for market, price in enumerate(prices):
            exchange.owner.send(exchange.oracle, "post", market, wad(price), exchange.now)
        before = trader.health
        exchange.trade(trader, against, 1, prices[seen_from], market=seen_from)
        assert trader.equity == before.equity
        fill = exchange.trade(against, trader, 1, prices[seen_from], market=seen_from).event("Fill")
        assert trader.health == before
        assert fill.maker_collateral == trader.collateral
        exchange.check_invariants(dust=0)


def test_positions_in_all_eight_markets_are_traded_within_a_blocks_gas():
    exchange = fresh(ProtocolParams(markets=EIGHT), flush_every=1)
    one = exchange.actor("one", deposit=1_000_000)
    other = exchange.actor("other", deposit=1_000_000)
    for market in range(8):
        exchange.trade(one, other, 1, 10_000, market=market)
    one.sell(1, 10_000)
    sent = other.buy(1, 10_000, IOC)
    assert sent.filled == wad(1)
    assert sent.gas < 500_000
    assert one.send(exchange.clearinghouse, "withdraw", 1).gas < 250_000
    exchange.check_invariants(dust=0)


def test_there_is_no_ninth_market():
    with deployed(ProtocolParams(markets=EIGHT)) as exchange:
        market = EIGHT[0]
        with pytest.raises(Revert, match="market: too many"):
            exchange.owner.send(
                exchange.parameters,
                "add_market",
                exchange.book.address,
                market.terms,
                market.funding,
                list(market.tiers),
                wad(1),
            )
