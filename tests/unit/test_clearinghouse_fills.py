"""What a fill does to two accounts: entry values, fees, rounding, open interest, and when it is refused."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import (
    BOTH_DECIMALS,
    BOTH_SIDES,
    COMPILER,
    IOC,
    LONG,
    PLAIN,
    SHORT,
    START_TIME,
    Exchange,
    deployed,
    plain_market,
)

from perpsim.chain import Revert, open_chain
from perpsim.protocol import WAD, MarketParams, ProtocolParams, deploy, wad

pytestmark = PLAIN

FEES = pytest.mark.exchange(
    markets=(plain_market(maker_fee=wad("0.0002"), taker_fee=wad("0.0005"), vault_share=1_000),)
)
REBATE = pytest.mark.exchange(
    markets=(plain_market(maker_fee=-wad("0.0003"), taker_fee=wad("0.0005"), vault_share=2_500),)
)


# positions


@BOTH_DECIMALS
@BOTH_SIDES
def test_a_fill_makes_two_opposite_positions_at_one_price(exchange, maker, taker, side):
    fill = exchange.open(side, taker, maker, "1.5", 10_000).event("Fill")
    assert taker.position() == (side * wad("1.5"), side * wad(15_000), 0)
    assert maker.position() == (-side * wad("1.5"), -side * wad(15_000), 0)
    assert (fill.taker, fill.maker, fill.price) == (taker.account, maker.account, wad(10_000))
    assert fill.size == side * wad("1.5")
    assert (fill.taker_size, fill.taker_entry) == (taker.size(), taker.position().entry)
    assert (fill.maker_size, fill.maker_entry) == (maker.size(), maker.position().entry)
    assert (fill.taker_collateral, fill.maker_collateral) == (taker.collateral, maker.collateral)
    assert fill.liquidation is False
    assert taker.equity == maker.equity == wad(1_000_000)
    exchange.check_invariants(dust=0)


@BOTH_SIDES
def test_adding_to_a_position_adds_its_cost(exchange, maker, taker, side):
    exchange.open(side, taker, maker, 1, 10_000)
    exchange.open(side, taker, maker, 2, 11_000)
    assert taker.position()[:2] == (side * wad(3), side * wad(32_000))
    assert taker.collateral == wad(1_000_000)


@BOTH_SIDES
def test_reducing_realises_that_part_at_the_average_price(exchange, maker, taker, side):
    exchange.open(side, taker, maker, 1, 10_000)
    exchange.open(side, taker, maker, 1, 12_000)
    exchange.open(-side, taker, maker, "0.5", 10_000)
    assert taker.position()[:2] == (side * wad("1.5"), side * wad(16_500))
    assert taker.collateral == wad(1_000_000) - side * wad(500)
    exchange.check_invariants(dust=0)


@BOTH_SIDES
def test_closing_realises_everything(exchange, maker, taker, side):
    exchange.open(side, taker, maker, 2, 10_000)
    exchange.open(-side, taker, maker, 2, 10_000 + side * 250)
    assert taker.position() == (0, 0, 0)
    assert taker.collateral == taker.equity == wad(1_000_500)
    assert maker.collateral == wad(999_500)
    assert exchange.market().open_interest == 0
    exchange.check_invariants(dust=0)


@BOTH_SIDES
def test_trading_through_zero_closes_and_opens_at_the_new_price(exchange, maker, taker, side):
    exchange.open(side, taker, maker, 2, 10_000)
    exchange.open(-side, taker, maker, 5, 11_000)
    assert taker.position()[:2] == (-side * wad(3), -side * wad(33_000))
    assert taker.collateral == wad(1_000_000) + side * wad(2_000)
    assert exchange.market().open_interest == wad(3)
    exchange.check_invariants(dust=0)


def test_open_interest_counts_what_is_open_not_what_is_traded(exchange, maker, taker, rival):
    def interest():
        return exchange.market().open_interest

    exchange.trade(taker, maker, 2, 10_000)
    assert interest() == wad(2)
    exchange.trade(rival, taker, 1, 10_000)  # the long changes hands
    assert interest() == wad(2)
    exchange.trade(maker, rival, 1, 10_000)  # both reduce
    assert interest() == wad(1)
    exchange.trade(rival, maker, 3, 10_000)
    assert interest() == wad(4)
    exchange.check_invariants(dust=0)


# fees


@FEES
@BOTH_DECIMALS
@BOTH_SIDES
def test_both_pay_their_fee_and_the_vault_gets_its_share(exchange, maker, taker, side):
    fill = exchange.open(side, taker, maker, 3, 10_000).event("Fill")
    assert (fill.taker_fee, fill.maker_fee) == (wad(15), wad(6))
    assert (taker.equity, maker.equity) == (wad(999_985), wad(999_994))
    assert exchange.fees() == (wad("18.9"), wad("2.1"))
    exchange.check_invariants(dust=0)


@REBATE
@BOTH_DECIMALS
@BOTH_SIDES
def test_a_rebate_comes_out_of_the_takers_fee(exchange, maker, taker, side):
    fill = exchange.open(side, taker, maker, 3, 10_000).event("Fill")
    assert (fill.taker_fee, fill.maker_fee) == (wad(15), -wad(9))
    assert (taker.equity, maker.equity) == (wad(999_985), wad(1_000_009))
    assert exchange.fees() == (wad("4.5"), wad("1.5"))
    exchange.check_invariants(dust=0)


@FEES
@BOTH_DECIMALS
def test_the_vaults_share_is_swept_to_it_in_whole_units(exchange, maker, taker, stranger):
    exchange.open(LONG, taker, maker, "0.333", "10000.001")
    treasury, vault = exchange.fees()
    before = exchange.fund
    assert stranger.send(exchange.clearinghouse, "sweep_fees", 0).value == vault // exchange.unit()
    assert exchange.fund - before == vault // exchange.unit()
    assert exchange.fees() == (treasury, vault % exchange.unit())
    assert stranger.send(exchange.clearinghouse, "sweep_fees", 0).value == 0
    exchange.check_invariants(dust=0)


@FEES
@BOTH_DECIMALS
def test_the_treasurys_share_is_collected_by_the_owner_in_whole_units(exchange, maker, taker, stranger):
    exchange.open(LONG, taker, maker, "0.333", "10000.001")
    treasury, vault = exchange.fees()
    sent = exchange.owner.send(exchange.parameters, "collect_treasury", 0, stranger.address)
    units = treasury // exchange.unit()
    assert stranger.tokens == sent.value == units
    assert sent.event("TreasuryCollected") == (0, stranger.address, units)
    assert exchange.fees() == (treasury % exchange.unit(), vault)
    exchange.check_invariants(dust=0)


@pytest.mark.parametrize("maker_fee", ["-0.0005", "-0.0003", "0", "0.0002"])
@BOTH_SIDES
def test_a_round_trip_with_oneself_never_profits(side, maker_fee):
    market = plain_market(maker_fee=wad(maker_fee), taker_fee=wad("0.0005"))
    with deployed(ProtocolParams(markets=(market,))) as exchange:
        one = exchange.actor("one hand", deposit=100_000)
        other = exchange.actor("other hand", deposit=100_000)
        for price_in, price_out in ((10_000, 10_000), (9_000, 11_000), (11_000, 9_000)):
            before = one.equity + other.equity
            exchange.open(side, one, other, "1.234", price_in)
            exchange.open(-side, one, other, "1.234", price_out)
            cost = before - one.equity - other.equity
            rate = Fraction(maker_fee) + Fraction("0.0005")
            assert cost == rate * (price_in + price_out) * wad("1.234") >= 0
        exchange.check_invariants(dust=0)


# rounding: a grid so odd that nothing divides

ODD = MarketParams(
    symbol="ODD",
    tick_size=1_234_567_890_123_457,
    lot_size=1,
    min_size=1,
    terms=plain_market().terms._replace(maker_fee=333_333_000_000_000, taker_fee=777_777_000_000_000),
    funding=plain_market().funding,
    tiers=plain_market().tiers,
)


def exact(amount):
    return Decimal(amount) / WAD


@pytest.mark.exchange(markets=(ODD,))
@pytest.mark.parametrize("decimals", [18])
def test_a_token_of_18_decimals_leaves_no_wei_of_the_treasurys(exchange, maker, taker, stranger):
    collected = []
    for size in (1, 2, 10**18 + 1, 3 * 10**18 + 2):
        exchange.open(LONG, taker, maker, exact(size), exact(8_000_000 * ODD.tick_size))
        treasury, vault = exchange.fees()
        sent = exchange.owner.send(exchange.parameters, "collect_treasury", 0, stranger.address)
        collected.append(treasury)
        assert (sent.value, exchange.fees()) == (treasury, (0, vault))
    assert {amount % 2 for amount in collected} == {0, 1} and stranger.tokens == sum(collected)


@settings(max_examples=80)
@given(
    side=st.sampled_from([LONG, SHORT]),
    trades=st.lists(
        st.tuples(
            st.booleans(),
            st.one_of(st.integers(1, 10**19), st.integers(1, 1_000)),
            st.integers(7_500_000, 8_500_000),
        ),
        min_size=1,
        max_size=6,
    ),
    rebate=st.booleans(),
)
def test_every_rounding_is_against_the_caller_and_below_two_wei(side, trades, rebate):
    terms = ODD.terms._replace(maker_fee=-333_333_000_000_000) if rebate else ODD.terms
    params = ProtocolParams(markets=(MarketParams(**{**vars(ODD), "terms": terms}),))
    with deployed(params) as exchange:
        maker = exchange.actor("maker", deposit=10_000_000)
        taker = exchange.actor("taker", deposit=10_000_000)

        def wealth(actor):
            """What is owned apart from the size: exact, whatever the split."""
            return actor.collateral - actor.position().entry

        for same_side, size, ticks in trades:
            way = side if same_side else -side
            price = ticks * ODD.tick_size
            before = wealth(taker), wealth(maker)
            exchange.open(way, taker, maker, exact(size), exact(price))
            quote = Fraction(way * size * price, WAD)
            notional = abs(quote)
            for actor, was, cost, rate in (
                (taker, before[0], quote, terms.taker_fee),
                (maker, before[1], -quote, terms.maker_fee),
            ):
                due = cost + notional * rate / WAD
                paid = was - wealth(actor)
                # the quote and the fee, each rounded up by less than a wei; the notional of a fee, too
                assert 0 <= paid - due < 3, actor
                assert paid == ceil(cost) + ceil(ceil(notional) * Fraction(rate, WAD))
        exchange.check_invariants(dust=2 * len(trades))


def test_the_dust_of_rounding_stays_with_the_exchange():
    with deployed(ProtocolParams(markets=(ODD,))) as exchange:
        maker = exchange.actor("maker", deposit=10_000)
        taker = exchange.actor("taker", deposit=10_000)
        for _ in range(10):
            exchange.trade(taker, maker, exact(1), exact(8_100_001 * ODD.tick_size))
        # both pay the ceiling of a quote of 10,000.0011... wei: the long 1 wei more, the short gets the floor
        assert exchange.ledger().gap == 10
        exchange.check_invariants(dust=10)


# open-interest cap

CAPPED = pytest.mark.exchange(markets=(plain_market(open_interest_cap=wad(5)),))


@CAPPED
@BOTH_SIDES
def test_no_trade_takes_open_interest_past_the_cap(exchange, maker, taker, side):
    exchange.open(side, taker, maker, 4, 10_000)
    maker.order(-side, 2, 10_000)
    with pytest.raises(Revert, match="order: open-interest cap"):
        taker.order(side, "1.001", 10_000)
    assert taker.order(side, 1, 10_000).filled == wad(1)
    assert exchange.market().open_interest == wad(5)


@CAPPED
def test_at_the_cap_positions_still_change_hands_and_close(exchange, maker, taker, rival):
    exchange.trade(taker, maker, 5, 10_000)
    exchange.trade(rival, taker, 2, 10_000)
    exchange.trade(maker, rival, 2, 10_000)
    assert exchange.market().open_interest == wad(3)
    exchange.check_invariants(dust=0)


@CAPPED
def test_a_cap_lowered_below_what_is_open_stops_nothing_but_growth(exchange, maker, taker, rival):
    exchange.trade(taker, maker, 5, 10_000)
    exchange.owner.send(exchange.parameters, "set_open_interest_cap", 0, wad(1))
    with pytest.raises(Revert, match="order: open-interest cap"):
        exchange.trade(rival, maker, "0.001", 10_000)
    maker.cancel_all()
    exchange.trade(rival, taker, 2, 10_000)
    exchange.trade(maker, rival, 2, 10_000)
    exchange.check_invariants(dust=0)


@CAPPED
def test_what_the_cap_refuses_later_in_a_walk_is_returned(exchange, maker, rival, taker):
    maker.sell(4, 10_000)
    rival.sell(4, 10_000)
    assert taker.buy(8, 10_000).value == (0, wad(4))
    assert taker.orders() == []
    exchange.check_invariants(dust=0)


# close-only


@pytest.fixture
def stopped(exchange, maker, taker):
    """Somebody is long 2, somebody short 2, and opening has been stopped."""
    exchange.trade(taker, maker, 2, 10_000)
    sent = exchange.owner.send(exchange.parameters, "set_close_only", 0, True)
    assert sent.event("CloseOnlySet") == (0, True)
    return exchange


@BOTH_SIDES
def test_close_only_refuses_what_opens(stopped, maker, rival, side):
    with pytest.raises(Revert, match="order: market is close-only"):
        rival.order(side, 1, 10_000)
    maker.order(-side if side == SHORT else LONG, 2, 10_000)
    with pytest.raises(Revert, match="order: market is close-only"):
        rival.order(-LONG, 1, 10_000)


def test_close_only_refuses_to_trade_through_zero(stopped, taker, rival):
    taker.sell(2, 10_001, reduce_only=True)
    with pytest.raises(Revert, match="order: market is close-only"):
        taker.sell(3, 9_999)


@BOTH_SIDES
def test_close_only_lets_everyone_close_against_resting_orders(exchange, maker, taker, rival, side):
    """Also against orders that were there before and open: somebody must take the other side."""
    exchange.open(side, taker, maker, 2, 10_000)
    rival.order(side, 2, 10_000)
    exchange.owner.send(exchange.parameters, "set_close_only", 0, True)
    assert taker.order(-side, 2, 10_000).filled == wad(2)
    assert taker.size() == 0
    assert rival.size() == side * wad(2)
    assert exchange.market().open_interest == wad(2)
    exchange.check_invariants(dust=0)


def test_in_close_only_two_who_close_meet(stopped, maker, taker):
    taker.sell(2, 10_000, reduce_only=True)
    assert maker.buy(2, 10_000).filled == wad(2)
    assert stopped.market().open_interest == 0


def test_close_only_leaves_money_and_cancelling_alone(stopped, maker, taker, rival):
    order = taker.sell(2, 12_000, reduce_only=True).id
    rival.deposit(1)
    rival.withdraw(2)
    taker.withdraw(1)
    taker.cancel(order)
    stopped.move(10_100)
    stopped.check_invariants(dust=0)


def test_close_only_can_be_lifted(stopped, maker, rival):
    stopped.owner.send(stopped.parameters, "set_close_only", 0, False)
    stopped.trade(rival, maker, 1, 10_000)


# a stale index: 60 seconds is the maximum age


@BOTH_SIDES
def test_an_index_is_fresh_in_its_last_second_and_stale_after(exchange, maker, taker, side):
    exchange.wait(60)
    assert not exchange.market().stale
    exchange.open(side, taker, maker, 1, 10_000)
    exchange.wait(1)
    assert exchange.market().stale
    maker.order(-side, 1, 10_000)
    with pytest.raises(Revert, match="order: stale index"):
        taker.order(side, 1, 10_000)
    exchange.refresh()
    assert taker.order(side, 1, 10_000).filled == wad(1)


@pytest.fixture
def stale(exchange, maker, taker):
    """The taker is long 2, the maker short 2; then the oracle falls silent."""
    exchange.trade(taker, maker, 2, 10_000)
    exchange.wait(61)
    return exchange


@BOTH_SIDES
def test_with_a_stale_index_nobody_opens_neither_as_taker_nor_as_maker(stale, maker, taker, rival, side):
    closer = taker if side == LONG else maker
    rival.order(side, 1, 10_000)
    with pytest.raises(Revert, match="order: stale index"):
        closer.order(-side, 1, 10_000, reduce_only=True)
    assert rival.size() == 0


def test_with_a_stale_index_two_who_close_still_meet(stale, maker, taker):
    taker.sell(2, 10_000, reduce_only=True)
    assert maker.buy(2, 10_000).filled == wad(2)
    assert stale.market().open_interest == 0
    stale.check_invariants(dust=0)


def test_with_a_stale_index_nothing_is_withdrawn_from_under_a_position(stale, taker, rival):
    assert taker.withdrawable == 0
    with pytest.raises(Revert, match="withdraw: nothing, or above what is withdrawable"):
        taker.withdraw(1)
    rival.withdraw(1_000_000)  # who holds nothing is free to go
    stale.refresh()
    taker.withdraw(1)


def test_with_a_stale_index_deposits_and_cancels_work(stale, maker, taker):
    taker.deposit(5)
    order = maker.buy(1, 5_000).id
    maker.cancel(order)
    stale.poke()
    stale.check_invariants(dust=0)


def test_with_a_stale_index_nobody_is_liquidated(stale, keeper, taker):
    with pytest.raises(Revert, match="liquidate: stale index"):
        keeper.liquidate(taker)


def test_a_stale_index_elsewhere_stops_an_account_from_opening_here():
    """Its margin would be counted at a price that is no more."""
    markets = (plain_market(symbol="HERE"), plain_market(symbol="THERE"))
    with deployed(ProtocolParams(markets=markets)) as exchange:
        maker = exchange.actor("maker", deposit=1_000_000)
        taker = exchange.actor("taker", deposit=1_000_000)
        trader = exchange.actor("trader", deposit=1_000_000)
        exchange.trade(trader, maker, 1, 10_000, market=1)
        exchange.wait(61)
        exchange.owner.send(exchange.oracle, "post", 0, wad(10_000), exchange.now)
        # as taker
        taker.sell(1, 10_000)
        with pytest.raises(Revert, match="order: stale index"):
            trader.buy(1, 10_000)
        # as maker: removed, and the taker goes on
        trader.sell(1, 9_999)
        sent = taker.buy(1, 9_999, IOC)
        assert (sent.filled, len(sent.named("OrderRemoved"))) == (0, 1)
        assert trader.size() == 0
        # who holds nothing there may
        exchange.trade(taker, exchange.actor("rival", deposit=10_000), 1, 10_000)
        exchange.check_invariants(dust=0)


@pytest.mark.parametrize("as_taker", [True, False], ids=["taker", "maker"])
def test_a_stale_index_elsewhere_lets_an_account_close_here(as_taker):
    """Closing makes what it holds smaller, whatever the other market is worth."""
    markets = (plain_market(symbol="HERE"), plain_market(symbol="THERE"))
    with deployed(ProtocolParams(markets=markets)) as exchange:
        maker = exchange.actor("maker", deposit=1_000_000)
        trader = exchange.actor("trader", deposit=1_000_000)
        exchange.trade(trader, maker, 2, 10_000, market=0)
        exchange.trade(trader, maker, 1, 10_000, market=1)
        exchange.wait(61)
        exchange.owner.send(exchange.oracle, "post", 0, wad(10_000), exchange.now)
        assert exchange.market(1).stale
        newcomer = exchange.actor("newcomer", deposit=1_000_000)
        if as_taker:
            newcomer.buy(1, 10_000)
            assert trader.sell(1, 10_000).filled == wad(1)
        else:
            trader.sell(1, 10_000)
            assert newcomer.buy(1, 10_000).filled == wad(1)
        assert trader.size() == wad(1)
        exchange.check_invariants(dust=0)


def test_a_market_without_a_price_trades_nothing():
    chain = open_chain("revm", timestamp=START_TIME)
    exchange = Exchange(deploy(chain, ProtocolParams(markets=(plain_market(),)), compiler=COMPILER))
    maker = exchange.actor("maker", deposit=1_000_000)
    taker = exchange.actor("taker", deposit=1_000_000)
    with pytest.raises(Revert, match="market: unknown or without a price"):
        exchange.poke()
    maker.sell(1, 10_000)
    with pytest.raises(Revert, match="order: stale index"):
        taker.buy(1, 10_000)
    exchange.move(10_000)
    assert taker.buy(1, 10_000).filled == wad(1)
    exchange.check_invariants(dust=0)
