"""Opening markets and setting their terms: bounds, packing, who may."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import COMPILER, LONG, plain_market

from perpsim.chain import Revert
from perpsim.protocol import WAD, FundingTerms, MarketTerms, Tier, wad

ZERO = "0x" + "00" * 20
TERMS = MarketTerms()
FUNDING = FundingTerms()
TIER = Tier(wad(1_000_000), wad("0.1"), wad("0.05"), 0)
VAST, VAST_TOO = Tier(wad(10**10), wad("0.1"), wad("0.1")), Tier(wad(10**11), wad("0.5"), wad("0.5"))


def owner_sets(exchange, function, *arguments):
    return exchange.owner.send(exchange.parameters, function, *arguments)


def kept(rate):
    """A rate as it is kept: cut to 1e-9, toward zero."""
    return abs(rate) // 10**9 * 10**9 * (1 if rate > 0 else -1)


def new_book(exchange, market=1, clearinghouse=None):
    """Address of a book made for a market."""
    return exchange.chain.deploy(
        COMPILER.load("OrderBook"),
        clearinghouse or exchange.clearinghouse.address,
        exchange.liquidator.address,
        market,
        *(WAD, WAD, WAD, 32),
        sender=exchange.owner.address,
    )


def add_market(exchange, book=None, terms=TERMS, funding=FUNDING, tiers=(TIER,), cap=WAD):
    book = book or new_book(exchange)
    return owner_sets(exchange, "add_market", book, terms, funding, list(tiers), cap)


# what is set is what the exchange says


@given(
    maker_fee=st.integers(-(10**17), 10**17),
    taker_fee=st.integers(0, 10**17),
    vault_share=st.integers(0, 10_000),
    max_age=st.integers(1, 2**16 - 1),
)
def test_terms_are_kept_to_a_billionth(exchange, maker_fee, taker_fee, vault_share, max_age):
    with exchange.isolated():
        terms = MarketTerms(maker_fee, taker_fee, vault_share, max_age)
        if kept(maker_fee) + kept(taker_fee) < 0:
            with pytest.raises(Revert, match="terms: rebate above taker fee"):
                owner_sets(exchange, "set_terms", 0, terms)
            return
        sent = owner_sets(exchange, "set_terms", 0, terms)
        assert sent.event("TermsSet") == (0, terms)
        state = exchange.market()
        assert (state.maker_fee, state.taker_fee) == (kept(maker_fee), kept(taker_fee))
        assert state.maker_fee + state.taker_fee >= 0
        assert (state.vault_share, state.max_age) == (vault_share, max_age)
        assert state.book == exchange.book.address


@given(
    interest=st.integers(-WAD, WAD),
    clamp=st.integers(0, WAD),
    cap=st.integers(0, WAD),
    band=st.integers(0, WAD // 2),
    basis_time=st.integers(1, 2**32 - 1),
    premium_time=st.integers(1, 2**32 - 1),
)
def test_funding_terms_are_packed_without_touching_each_other(
    exchange, interest, clamp, cap, band, basis_time, premium_time
):
    with exchange.isolated():
        terms = FundingTerms(interest, clamp, cap, band, basis_time, premium_time)
        sent = owner_sets(exchange, "set_funding_terms", 0, terms)
        assert sent.event("FundingTermsSet") == (0, terms)
        word = exchange.clearinghouse.view("market_words", 0)[6]

        def field(at, bits=32):
            return (word >> at) & (2**bits - 1)

        assert (word >> 224) * 10**9 == kept(interest)
        assert (field(192), field(160), field(128)) == (clamp // 10**9, cap // 10**9, band // 10**9)
        assert (field(32), field(0)) == (basis_time, premium_time)


@given(cap=st.integers(0, 2**95 - 1))
def test_the_open_interest_cap_is_kept_to_a_million_wei(exchange, cap):
    with exchange.isolated():
        before = exchange.market()
        assert owner_sets(exchange, "set_open_interest_cap", 0, cap).event("OpenInterestCapSet") == (0, cap)
        assert exchange.market() == before._replace(open_interest_cap=cap // 10**6 * 10**6)


def test_setting_the_cap_leaves_open_interest_and_epochs_alone(exchange, maker, taker):
    exchange.trade(taker, maker, 3, 10_000)
    owner_sets(exchange, "set_open_interest_cap", 0, 2**95 - 1)
    assert exchange.market().open_interest == wad(3)
    exchange.check_invariants()


def test_close_only_leaves_everything_else_in_its_word(exchange):
    before = exchange.market()
    owner_sets(exchange, "set_close_only", 0, True)
    assert exchange.market() == before._replace(close_only=True)
    owner_sets(exchange, "set_close_only", 0, False)
    assert exchange.market() == before


# bounds: the last value that is taken and the first that is not


def refused(exchange, reason, function, *arguments):
    with pytest.raises(Revert, match=reason):
        owner_sets(exchange, function, 0, *arguments)


@pytest.mark.parametrize(
    "good, bad, reason",
    [
        ({"maker_fee": WAD // 10}, {"maker_fee": WAD // 10 + 1}, "terms: maker fee out of range"),
        (
            {"maker_fee": -WAD // 10, "taker_fee": WAD // 10},
            {"maker_fee": -WAD // 10 - 1, "taker_fee": WAD // 10},
            "terms: maker fee out of range",
        ),
        ({"taker_fee": WAD // 10}, {"taker_fee": WAD // 10 + 1}, "terms: taker fee out of range"),
        ({"taker_fee": 0, "maker_fee": 0}, {"taker_fee": -1}, "terms: taker fee out of range"),
        (
            {"maker_fee": -wad("0.0005"), "taker_fee": wad("0.0005")},
            {"maker_fee": -wad("0.0005") - 10**9, "taker_fee": wad("0.0005")},
            "terms: rebate above taker fee",
        ),
        ({"vault_share": 10_000}, {"vault_share": 10_001}, "terms: vault share above 100 %"),
        ({"max_age": 2**16 - 1}, {"max_age": 2**16}, "terms: max age out of range"),
        ({"max_age": 1}, {"max_age": 0}, "terms: max age out of range"),
    ],
)
def test_terms_out_of_range_are_refused(exchange, good, bad, reason):
    owner_sets(exchange, "set_terms", 0, TERMS._replace(**good))
    refused(exchange, reason, "set_terms", TERMS._replace(**bad))


@pytest.mark.parametrize(
    "good, bad, reason",
    [
        ({"interest": WAD}, {"interest": WAD + 1}, "funding: interest out of range"),
        ({"interest": -WAD}, {"interest": -WAD - 1}, "funding: interest out of range"),
        ({"clamp": WAD}, {"clamp": WAD + 1}, "funding: clamp or cap out of range"),
        ({"cap": WAD}, {"cap": WAD + 1}, "funding: clamp or cap out of range"),
        ({"band": WAD // 2}, {"band": WAD // 2 + 1}, "funding: band out of range"),
        ({"basis_time": 1}, {"basis_time": 0}, "funding: basis time out of range"),
        ({"basis_time": 2**32 - 1}, {"basis_time": 2**32}, "funding: basis time out of range"),
        ({"premium_time": 1}, {"premium_time": 0}, "funding: premium time out of range"),
        ({"premium_time": 2**32 - 1}, {"premium_time": 2**32}, "funding: premium time out of range"),
    ],
)
def test_funding_terms_out_of_range_are_refused(exchange, good, bad, reason):
    owner_sets(exchange, "set_funding_terms", 0, FUNDING._replace(**good))
    refused(exchange, reason, "set_funding_terms", FUNDING._replace(**bad))


@pytest.mark.parametrize(
    "tiers, reason",
    [
        ([], "tiers: none"),
        ([TIER._replace(limit=0)], "tiers: limits must rise"),
        ([TIER._replace(limit=10**6 - 1)], "tiers: limits must rise"),
        ([TIER._replace(limit=2**87 * 10**6)], "tiers: limits must rise"),
        ([TIER, TIER], "tiers: limits must rise"),
        ([TIER, TIER._replace(limit=TIER.limit - 1)], "tiers: limits must rise"),
        ([TIER._replace(maintenance_rate=0)], "tiers: maintenance rate"),
        ([TIER._replace(maintenance_rate=10**6 - 1)], "tiers: maintenance rate"),
        ([TIER._replace(initial_rate=TIER.maintenance_rate - 10**6)], "tiers: initial below maintenance"),
        ([TIER._replace(initial_rate=WAD + 10**6)], "tiers: initial above 100 %"),
        ([TIER._replace(deduction=1)], "tiers: deduction out of range"),
        (
            [TIER, TIER._replace(limit=2 * TIER.limit, maintenance_rate=wad("0.04"))],
            "tiers: rates must not fall",
        ),
        (
            [TIER, TIER._replace(limit=2 * TIER.limit, initial_rate=wad("0.09"))],
            "tiers: rates must not fall",
        ),
        (
            [TIER, Tier(2 * TIER.limit, wad("0.2"), wad("0.06"), wad(10_000) + 1)],
            "tiers: deduction out of range",
        ),
        # the maintenance margin would not fall, the initial margin would
        (
            [TIER, Tier(2 * TIER.limit, wad("0.1"), wad("0.06"), wad(10_000))],
            "tiers: deduction out of range",
        ),
        (
            [
                TIER,
                Tier(2 * TIER.limit, wad("0.2"), wad("0.1"), wad(40_000)),
                Tier(3 * TIER.limit, wad("0.3"), wad("0.2"), wad(39_999)),
            ],
            "tiers: deduction out of range",
        ),
        # no margin would fall, but the field has 88 bits
        ([VAST, VAST_TOO._replace(deduction=2**88)], "tiers: deduction out of range"),
    ],
)
def test_margin_tables_with_a_fault_are_refused(exchange, tiers, reason):
    refused(exchange, reason, "set_margin_tiers", tiers)


def test_margin_tables_at_the_bounds_are_taken(exchange):
    for tiers in (
        [Tier(2**87 * 10**6 - 1, WAD, WAD)],
        [Tier(10**6, 10**6, 10**6)],
        [TIER, Tier(2 * TIER.limit, wad("0.2"), wad("0.06"), wad(10_000))],
        [VAST, VAST_TOO._replace(deduction=2**88 - 1)],
    ):
        sent = owner_sets(exchange, "set_margin_tiers", 0, tiers)
        assert sent.event("MarginTiersSet") == (0, tiers)


def test_no_cap_lets_a_position_outgrow_its_word(exchange):
    refused(exchange, "cap: out of range", "set_open_interest_cap", 2**95)


# markets


def test_a_market_is_added_with_all_its_terms(exchange):
    book = new_book(exchange)
    sent = add_market(exchange, book, cap=wad(7))
    assert sent.value == 1
    assert sent.event("MarketAdded") == (1, book)
    assert [name for _, name, _ in sent.events if name.endswith("Set")] == [
        "TermsSet",
        "FundingTermsSet",
        "MarginTiersSet",
        "OpenInterestCapSet",
    ]
    state = exchange.market(1)
    assert (state.book, state.open_interest_cap) == (book, wad(7))
    assert (state.index, state.mark, state.open_interest, state.stale) == (0, 0, 0, True)
    assert (state.a_long, state.k_long) == (state.a_short, state.k_short) == (10**36, 0)
    assert exchange.parameters.view("markets_count") == 2
    assert exchange.parameters.view("books", 1) == exchange.clearinghouse.view("book_of", 1)


@pytest.mark.parametrize("book", [ZERO, "0x" + "11" * 20])
def test_a_market_needs_a_book_with_code(exchange, book):
    with pytest.raises(Revert, match="market: book has no code"):
        add_market(exchange, book=book)
    assert exchange.parameters.view("markets_count") == 1


def test_a_market_takes_no_book_that_was_made_for_another(exchange, stranger):
    """It would settle there, and a book cannot be exchanged."""
    for book in (
        exchange.book.address,
        new_book(exchange, market=2),
        new_book(exchange, clearinghouse=stranger.address),
    ):
        with pytest.raises(Revert, match="market: book of another market"):
            add_market(exchange, book=book)


def test_a_market_with_a_fault_is_not_added(exchange):
    for fault in (
        {"terms": TERMS._replace(max_age=0)},
        {"funding": FUNDING._replace(band=WAD)},
        {"tiers": ()},
        {"cap": 2**95},
    ):
        with pytest.raises(Revert):
            add_market(exchange, **fault)
    assert exchange.parameters.view("markets_count") == 1
    assert exchange.clearinghouse.view("book_of", 1) == ZERO


SETTERS = {
    "set_terms": (TERMS,),
    "set_funding_terms": (FUNDING,),
    "set_margin_tiers": ([TIER],),
    "set_open_interest_cap": (1,),
    "set_close_only": (True,),
    "collect_treasury": ("0x" + "11" * 20,),
}


@pytest.mark.parametrize("setter", SETTERS)
@pytest.mark.parametrize("market", [1, 8, 2**255])
def test_nothing_is_set_in_a_market_that_is_not_there(exchange, setter, market):
    with pytest.raises(Revert, match="market: unknown"):
        owner_sets(exchange, setter, market, *SETTERS[setter])


@pytest.mark.parametrize("setter", SETTERS)
def test_only_the_owner_sets_terms(exchange, trader, setter):
    with pytest.raises(Revert, match="access: not owner"):
        trader.send(exchange.parameters, setter, 0, *SETTERS[setter])


def test_a_new_owner_takes_over_in_two_steps(exchange, stranger):
    owner_sets(exchange, "transfer_ownership", stranger.address)
    owner_sets(exchange, "set_open_interest_cap", 0, wad(1))
    stranger.send(exchange.parameters, "accept_ownership")
    with pytest.raises(Revert, match="access: not owner"):
        owner_sets(exchange, "set_open_interest_cap", 0, wad(2))
    stranger.send(exchange.parameters, "set_open_interest_cap", 0, wad(2))


# terms are for what comes


def test_new_fees_are_paid_by_the_next_fill(exchange, maker, taker):
    exchange.trade(taker, maker, 1, 10_000)
    owner_sets(exchange, "set_terms", 0, MarketTerms(wad("0.001"), wad("0.002"), 0, 60))
    fill = exchange.trade(taker, maker, 1, 10_000).event("Fill")
    assert (fill.maker_fee, fill.taker_fee) == (wad(10), wad(20))
    exchange.check_invariants()


def test_a_shorter_age_makes_the_present_index_stale(exchange, maker, taker):
    exchange.wait(30)
    owner_sets(exchange, "set_terms", 0, TERMS._replace(max_age=29))
    assert exchange.market().stale
    maker.sell(1, 10_000)
    with pytest.raises(Revert, match="order: stale index"):
        taker.order(LONG, 1, 10_000)


def test_setters_pay_no_attention_to_what_positions_would_like(exchange, maker, taker):
    """Terms can be set whatever is open, and money is untouched by it."""
    exchange.trade(taker, maker, 5, 10_000)
    before = taker.equity, maker.equity
    market = plain_market()
    owner_sets(exchange, "set_margin_tiers", 0, list(market.tiers))
    owner_sets(exchange, "set_terms", 0, market.terms)
    owner_sets(exchange, "set_funding_terms", 0, market.funding)
    assert (taker.equity, maker.equity) == before
    exchange.check_invariants()
