"""Funding: who pays, how much, from when to when, and that what is paid is what is received."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import BOTH_DECIMALS, BOTH_SIDES, LONG, SHORT, deployed, plain_market

from perpsim.chain import Revert
from perpsim.protocol import FundingTerms, MarketParams, ProtocolParams, wad

# With the mark held at the index the premium is 0 and the rate is the interest: 2.88 % in 8 hours are 1e-6 a
# second, at 10,000 a hundredth of a token a second for each unit of size.
CARRY = FundingTerms(interest=wad("0.0288"), clamp=wad(1), cap=wad(1), band=0)
CARRY_BACK = CARRY._replace(interest=-CARRY.interest)
A_SECOND = wad("0.01")
OPPOSITE = {LONG: CARRY, SHORT: CARRY_BACK}

pytestmark = pytest.mark.exchange(markets=(plain_market(funding=CARRY),))

BOTH_SIGNS = pytest.mark.parametrize("payer", [LONG, SHORT], ids=["longs pay", "shorts pay"])


@pytest.fixture
def payer():
    return LONG


@pytest.fixture
def exchange(payer, decimals):
    """A market in which the side of `payer` pays a hundredth of a token a second for each unit."""
    markets = (plain_market(funding=OPPOSITE[payer]),)
    with deployed(ProtocolParams(decimals=decimals, markets=markets)) as found:
        yield found


# who pays


@BOTH_SIGNS
@BOTH_DECIMALS
def test_one_side_pays_the_other_by_size_and_second(exchange, maker, taker, rival, payer):
    exchange.open(payer, taker, maker, 2, 10_000)
    exchange.open(payer, rival, maker, 1, 10_000)
    exchange.wait(3_600)
    assert taker.equity == wad(1_000_000) - 2 * 3_600 * A_SECOND
    assert rival.equity == wad(1_000_000) - 1 * 3_600 * A_SECOND
    assert maker.equity == wad(1_000_000) + 3 * 3_600 * A_SECOND
    assert taker.position().pending == -2 * 3_600 * A_SECOND
    assert exchange.market().funding_per_second == payer * A_SECOND
    exchange.check_invariants(dust=0)


@BOTH_SIGNS
def test_nobody_pays_without_a_position(exchange, maker, taker, payer):
    exchange.refresh(100_000)
    exchange.open(LONG, taker, maker, 1, 10_000)
    assert (taker.equity, maker.equity) == (wad(1_000_000), wad(1_000_000))


@BOTH_SIGNS
@BOTH_SIDES
def test_who_comes_later_pays_nothing_for_the_past(exchange, maker, taker, rival, payer, side):
    exchange.open(side, taker, maker, 1, 10_000)
    exchange.wait(50)
    exchange.open(side, rival, maker, 1, 10_000)
    exchange.wait(10)
    flow = -payer * side * A_SECOND
    assert rival.equity == wad(1_000_000) + 10 * flow
    assert taker.equity == wad(1_000_000) + 60 * flow
    assert maker.equity == wad(1_000_000) - 70 * flow
    exchange.check_invariants(dust=0)


@BOTH_SIGNS
@BOTH_SIDES
def test_who_has_closed_pays_no_more(exchange, maker, taker, payer, side):
    exchange.open(side, taker, maker, 1, 10_000)
    exchange.wait(30)
    exchange.open(-side, taker, maker, 1, 10_000)
    settled = wad(1_000_000) - payer * side * 30 * A_SECOND
    assert taker.collateral == taker.equity == settled
    exchange.wait(1_000)
    assert taker.equity == settled
    exchange.check_invariants(dust=0)


@BOTH_SIGNS
@BOTH_SIDES
def test_a_trade_settles_what_is_due_before_the_size_changes(exchange, maker, taker, payer, side):
    exchange.open(side, taker, maker, 1, 10_000)
    exchange.wait(20)
    exchange.open(side, taker, maker, 3, 10_000)
    assert taker.position() == (side * wad(4), side * wad(40_000), 0)
    exchange.wait(10)
    assert taker.equity == wad(1_000_000) - payer * side * (20 + 4 * 10) * A_SECOND


# the view and the transaction


@BOTH_SIGNS
@pytest.mark.parametrize("trade", ["more", "less", "all", "through zero"])
def test_the_view_says_what_a_transaction_in_the_same_second_finds(exchange, maker, taker, payer, trade):
    exchange.open(payer, taker, maker, 2, 10_000)
    exchange.wait(47)
    seen = taker.equity, maker.equity
    way, size = {"more": (1, 1), "less": (-1, 1), "all": (-1, 2), "through zero": (-1, 5)}[trade]
    exchange.open(way * payer, taker, maker, size, 10_000)
    assert (taker.equity, maker.equity) == seen
    exchange.check_invariants(dust=0)


def test_reading_or_poking_in_between_changes_nothing(exchange, maker, taker):
    exchange.trade(taker, maker, 1, 10_000)
    with exchange.isolated():
        for _ in range(6):
            exchange.wait(10)
            exchange.poke()
        in_steps = taker.equity, maker.equity
    exchange.wait(60)
    assert (taker.equity, maker.equity) == in_steps


def test_a_second_poke_in_a_block_changes_no_word(exchange, maker, taker):
    exchange.trade(taker, maker, 1, 10_000)
    exchange.wait(30)
    first = exchange.poke()
    words = exchange.clearinghouse.view("market_words", 0)
    second = exchange.poke()
    assert exchange.clearinghouse.view("market_words", 0) == words
    assert [len(sent.named("Accrued")) for sent in (first, second)] == [1, 0]


# the event


@BOTH_SIGNS
def test_every_accrual_is_written_to_the_log(exchange, maker, taker, payer):
    exchange.open(payer, taker, maker, 1, 10_000)
    accrued = exchange.move(10_500, after=40).event("Accrued")
    assert accrued.flow == payer * 40 * A_SECOND
    assert (accrued.index, accrued.mark, accrued.index_time) == (wad(10_500), wad(10_500), exchange.now)
    assert accrued.funding_per_second == payer * A_SECOND * 105 // 100


# money


@BOTH_SIGNS
def test_what_is_owed_cannot_be_withdrawn_and_what_is_due_serves_as_margin(exchange, maker, taker, payer):
    exchange.open(payer, taker, maker, 1, 10_000)
    exchange.wait(50)
    assert taker.withdrawable == (1_000_000 - 1_000) * 10**6 - 500_000
    assert maker.withdrawable == (1_000_000 - 1_000) * 10**6 + 500_000
    poor = exchange.actor("poor", deposit=1_000)
    exchange.open(-payer, poor, taker, 1, 10_000)
    exchange.wait(10)
    assert poor.withdrawable == 100_000
    poor.withdraw("0.1")
    assert poor.collateral == wad("999.9")
    exchange.check_invariants(dust=0)


def test_a_withdrawal_that_leaves_unsettled_funding_owed_is_refused(exchange, maker):
    debtor = exchange.actor("debtor", deposit=1_001)
    exchange.trade(debtor, maker, 1, 10_000)
    exchange.wait(60)  # owes 0.6
    with pytest.raises(Revert, match="withdraw: nothing, or above what is withdrawable"):
        debtor.withdraw("0.400001")
    debtor.withdraw("0.4")
    assert debtor.health.equity == debtor.health.initial


@BOTH_SIGNS
def test_funding_alone_can_make_an_account_liquidatable(exchange, maker, keeper, payer):
    debtor = exchange.actor("debtor", deposit=1_000)
    exchange.open(payer, debtor, maker, 1, 10_000)
    for _ in range(10):
        exchange.refresh(5_000)  # 50 each
    assert debtor.health[::2] == (wad(500), wad(500))
    with pytest.raises(Revert, match="liquidate: healthy"):
        keeper.liquidate(debtor)
    exchange.wait(1)
    maker.order(payer, 1, 10_000)
    keeper.liquidate(debtor)
    assert 0 < payer * debtor.size() < wad(1)
    exchange.check_invariants()


def test_margin_is_checked_after_funding_not_before(exchange, maker):
    """Leverage is counted with what is owed: 1,000 and ten seconds of funding are not 1,000."""
    debtor = exchange.actor("debtor", deposit=2_000)
    exchange.trade(debtor, maker, 1, 10_000)
    exchange.wait(10)
    maker.sell(1, 10_000)
    with pytest.raises(Revert, match="order: margin"):
        debtor.buy(1, 10_000)
    debtor.deposit("0.1")
    debtor.buy(1, 10_000)
    assert debtor.health[:2] == (wad(2_000), wad(2_000))


# the rate


@pytest.mark.parametrize(
    "interest, clamp, cap, expected",
    [
        ("0.0001", "0.0005", "0.0075", "0.0001"),
        ("0.0010", "0.0005", "0.0075", "0.0005"),
        ("0.0100", "0.0500", "0.0075", "0.0075"),
        ("-0.0100", "0.0500", "0.0075", "-0.0075"),
        ("-0.0010", "0.0005", "0.0075", "-0.0005"),
        ("0.0100", "0", "0.0075", "0"),
        ("0.0100", "0.0500", "0", "0"),
    ],
)
def test_without_a_premium_the_rate_is_the_clamped_and_capped_interest(interest, clamp, cap, expected):
    terms = FundingTerms(interest=wad(interest), clamp=wad(clamp), cap=wad(cap), band=0)
    with deployed(ProtocolParams(markets=(plain_market(funding=terms),))) as exchange:
        per_second = Decimal(exchange.market().funding_per_second)
        assert abs(per_second - Decimal(expected) * wad(10_000) / 28_800) < 1


@BOTH_SIDES
def test_who_is_on_the_dear_side_pays(side, decimals):
    """The book stands above the index: longs pay; below: shorts."""
    market = MarketParams(funding=FundingTerms(interest=0, clamp=0))
    with deployed(ProtocolParams(markets=(market,))) as exchange:
        maker = exchange.actor("maker", deposit=10_000_000)
        trader = exchange.actor("trader", deposit=1_000_000)
        exchange.open(side, trader, maker, 1, 10_000)
        exchange.quote(maker, 10_000 + side * 100, 10_000 + side * 100 + 1, 1)
        for _ in range(100):
            exchange.refresh()
        state = exchange.market()
        assert side * (state.mark - state.index) > wad(90)
        assert side * state.premium > 0
        assert side * state.funding_per_second > 0
        before = trader.equity
        exchange.wait(12)
        assert before - trader.equity == 12 * side * state.funding_per_second
        exchange.check_invariants()


# setters


@BOTH_SIGNS
def test_new_terms_do_not_touch_the_past(exchange, maker, taker, payer):
    exchange.open(payer, taker, maker, 1, 10_000)
    exchange.wait(30)
    exchange.owner.send(exchange.parameters, "set_funding_terms", 0, OPPOSITE[payer]._replace(interest=0))
    assert taker.equity == wad(1_000_000) - 30 * A_SECOND
    exchange.refresh(10)
    at_change = taker.equity
    # the new rate is in force from the next renewal at the latest
    exchange.wait(50)
    assert taker.equity == at_change
    assert exchange.market().funding_per_second == 0
    exchange.check_invariants(dust=0)


SETTERS = {
    "set_terms": (plain_market().terms,),
    "set_funding_terms": (CARRY,),
    "set_margin_tiers": (list(plain_market().tiers),),
    "set_open_interest_cap": (wad(5),),
    "set_close_only": (True,),
}


@pytest.mark.parametrize("setter", SETTERS)
def test_every_setter_accrues_first(exchange, maker, taker, setter):
    exchange.trade(taker, maker, 1, 10_000)
    exchange.wait(30)
    sent = exchange.owner.send(exchange.parameters, setter, 0, *SETTERS[setter])
    assert sent.named("Accrued")[0].flow == 30 * A_SECOND
    assert exchange.market().accrued_at == exchange.now
    assert taker.equity == wad(1_000_000) - 30 * A_SECOND
    exchange.check_invariants(dust=0)


def test_a_setter_of_one_market_leaves_the_clock_of_another_alone():
    markets = (plain_market(funding=CARRY), plain_market(symbol="OTHER", funding=CARRY))
    with deployed(ProtocolParams(markets=markets)) as exchange:
        before = exchange.clearinghouse.view("market_words", 1)
        exchange.wait(30)
        exchange.owner.send(exchange.parameters, "set_close_only", 0, True)
        exchange.poke(0)
        assert exchange.clearinghouse.view("market_words", 1) == before


# conservation

ACTORS = 4


@settings(max_examples=60)
@given(
    decimals=st.sampled_from([6, 18]),
    interest=st.integers(-(10**17), 10**17),
    steps=st.lists(
        st.tuples(
            st.integers(0, ACTORS - 1),
            st.integers(0, ACTORS - 1),
            st.integers(1, 10**21),
            st.integers(1, 40_000),
            st.integers(5_000, 15_000),
            st.booleans(),
        ),
        min_size=1,
        max_size=10,
    ),
)
def test_what_is_paid_is_what_is_received(decimals, interest, steps):
    """Any trades between four, at any rate and price: nothing from nowhere, and dust is counted in wei."""
    odd = plain_market(
        tick_size=1_234_567_890_123_457,
        lot_size=1,
        min_size=1,
        funding=FundingTerms(interest=interest, clamp=wad(1), cap=wad(1), band=wad("0.05")),
    )
    with deployed(ProtocolParams(decimals=decimals, markets=(odd,))) as exchange:
        actors = [exchange.actor(f"actor {i}", deposit=10**9) for i in range(ACTORS)]
        touches = 0
        for long, short, size, seconds, price, book in steps:
            if book and not exchange.book.view("orders_of", actors[0].account):
                tick = odd.tick_size
                bid = price * 10**18 // tick * tick
                actors[0].send(exchange.book, "place", True, bid, 10**15)
                actors[0].send(exchange.book, "place", False, bid + tick, 10**15)
            exchange.move(Decimal(price) + Decimal(size) / 10**18, after=seconds)
            if long != short:
                price_word = exchange.mark() // odd.tick_size * odd.tick_size
                for actor, is_buy in ((actors[short], False), (actors[long], True)):
                    actor.send(exchange.book, "cancel_all")
                    actor.send(exchange.book, "place", is_buy, price_word, size)
                for actor in actors:
                    actor.cancel_all()
                touches += 2
        exchange.wait(1_000)
        total = sum(actor.equity for actor in actors)
        put_in = ACTORS * wad(10**9)
        # each touch rounds quote and funding down by less than a wei, each view of an open position twice
        assert 0 <= put_in - total <= 4 * touches + 3 * ACTORS
        exchange.check_invariants(dust=4 * touches + 3 * ACTORS)
