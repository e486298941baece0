"""The mark price: median of three, held in its band, and nobody's toy.

First the rule by itself against a plain model, then the market around it.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import BOTH_SIDES, COMPILER, IOC, deployed, plain_market
from support.harness import Harness

from perpsim.chain import Revert
from perpsim.protocol import WAD, FundingTerms, ProtocolParams, wad

# ------------------------------------------------------------------------------------------- the rule

BOOK = """
# pragma version 0.4.3

bid: uint256
ask: uint256


@external
def set_top(bid: uint256, ask: uint256):
    self.bid = bid
    self.ask = ask


@external
@view
def block_start_top() -> (uint256, uint256):
    return self.bid, self.ask
"""

TIME = 1_700_000_000
TERMS = FundingTerms()


class Rule:
    """`Pricing` over a book whose top is set by hand; words packed and unpacked."""

    def __init__(self):
        self.book = Harness(BOOK)
        self.chain = self.book.chain
        pricing = COMPILER.load("Pricing")
        self.codec = pricing.interface.functions["renewed"]
        self.address = self.chain.deploy(pricing, sender=self.book.sender)

    def renew(self, state, top, elapsed, new_index=0, terms=TERMS):
        """State is (mark, index, basis, premium); the next one and the funding rate a second."""
        mark, index, basis, premium = state
        self.book.send("set_top", *top)
        price_word = mark << 88 | TIME << 48 | TIME << 8 | 1
        premium_word = basis << 168 | (premium & (2**64 - 1)) << 104 | index
        funding = (terms.interest // 10**9) << 224
        for value, at in ((terms.clamp, 192), (terms.cap, 160), (terms.band, 128)):
            funding |= value // 10**9 << at
        funding |= terms.basis_time << 32 | terms.premium_time
        when = TIME + elapsed
        arguments = (price_word, premium_word, funding, self.book.address, new_index, when)
        answer = self.chain.view(self.address, self.codec.encode(*arguments), None, when)
        price, second = self.codec.decode(answer)
        unpacked = (second >> 104) & (2**64 - 1)
        assert price & 255 == 1, "flags are kept"
        assert (price >> 8) & (2**40 - 1) == when
        assert (price >> 48) & (2**40 - 1) == (when if new_index else TIME)
        found = (
            (price >> 88) & (2**88 - 1),
            second & (2**88 - 1),
            second >> 168,
            unpacked - (unpacked >> 63 << 64),
        )
        return found, price >> 176


@pytest.fixture(scope="module")
def rule():
    return Rule()


def decay(elapsed, time):
    with localcontext() as context:
        context.prec = 50
        return Fraction((-Decimal(elapsed) / Decimal(time)).exp())


def clamp(x, low, high):
    return max(low, min(x, high))


def model(state, top, elapsed, new_index=0, terms=TERMS):
    """The rule in exact fractions of WAD."""
    mark, index, basis, premium = map(Fraction, state)
    bid, ask = top
    mid = Fraction(bid + ask, 2) if bid and ask else None
    band = Fraction(terms.band, WAD)
    if elapsed:
        seen = clamp(mid - index, -index * band, index * band) if mid else Fraction(0)
        basis = seen + (basis - seen) * decay(elapsed, terms.basis_time)
        held = (mark - index) / index * WAD
        premium = held + (premium - held) * decay(elapsed, terms.premium_time)
    index = Fraction(new_index or index)
    mark = sorted((index, index + basis, mid))[1] if mid else index + basis
    mark = clamp(mark, index - index * band, index + index * band)
    wanted = premium + clamp(terms.interest - premium, -terms.clamp, terms.clamp)
    rate = clamp(wanted, -terms.cap, terms.cap)
    return (mark, index, basis, premium), rate * mark / WAD / 28_800


PRICE = st.integers(10**15, 10**24)
NEAR = st.fractions(Fraction(1, 2), Fraction(2))


@settings(max_examples=300)
@given(
    index=PRICE,
    mark_off=st.fractions(Fraction(-1, 20), Fraction(1, 20)),
    basis_off=st.fractions(Fraction(-1, 20), Fraction(1, 20)),
    premium=st.integers(-5 * 10**16, 5 * 10**16),
    mid=NEAR,
    spread=st.fractions(0, Fraction(1, 2)),
    sides=st.sampled_from(["both", "both", "both", "bid", "ask", "none"]),
    elapsed=st.one_of(st.integers(0, 60), st.integers(0, 10**6)),
    moved=st.one_of(st.none(), st.fractions(Fraction(1, 10), Fraction(10))),
)
@example(wad(10_000), Fraction(0), Fraction(0), 0, Fraction(1), Fraction(0), "both", 0, None)
@example(wad(10_000), Fraction(1, 20), Fraction(1, 20), 0, Fraction(2), Fraction(0), "both", 12, None)
def test_the_rule_is_what_the_design_says(
    rule, index, mark_off, basis_off, premium, mid, spread, sides, elapsed, moved
):
    state = (int(index * (1 + mark_off)), index, int(index * basis_off), premium)
    bid = int(index * mid * (1 - spread)) if sides in ("both", "bid") else 0
    ask = int(index * mid * (1 + spread)) + 1 if sides in ("both", "ask") else 0
    new_index = int(index * moved) if moved else 0
    found, rate = rule.renew(state, (bid, ask), elapsed, new_index)
    expected, expected_rate = model(state, (bid, ask), elapsed, new_index)
    # exp is exact to 1e-15; the rest are a few wei of division
    scale = max(index, new_index, ask)
    for name, got, due in zip(("mark", "index", "basis"), found, expected):
        assert abs(got - due) <= scale // 10**14 + 5, name
    assert abs(found[3] - expected[3]) <= 2_000
    assert abs(rate - expected_rate) <= scale // 10**17 + 5
    assert found[1] == (new_index or index)


@st.composite
def accepted_terms(draw):
    """Any funding terms that `Parameters` takes, the bounds often among them."""

    def share(most):
        return draw(st.sampled_from([0, most]) | st.integers(0, most // 10**9).map(lambda x: x * 10**9))

    time = st.sampled_from([1, 2**32 - 1]) | st.integers(1, 2**32 - 1)
    return FundingTerms(
        interest=share(WAD) * draw(st.sampled_from([1, -1])),
        clamp=share(WAD),
        cap=share(WAD),
        band=share(WAD // 2),
        basis_time=draw(time),
        premium_time=draw(time),
    )


@given(
    terms=accepted_terms(),
    index=PRICE,
    mark_off=st.fractions(Fraction(-1, 2), Fraction(1, 2)),
    basis_off=st.fractions(Fraction(-1, 2), Fraction(1, 2)),
    premium=st.integers(-5 * 10**17, 5 * 10**17),
    mid=NEAR,
    elapsed=st.integers(0, 10**6),
)
@example(
    FundingTerms(WAD, WAD, WAD, WAD // 2, 2**32 - 1, 2**32 - 1),
    10**22,
    0,
    Fraction(1, 3),
    0,
    Fraction(1),
    10**6,
)
@example(FundingTerms(-WAD, WAD, WAD, 0, 2**31, 2**31), 10**22, 0, Fraction(1, 3), 0, Fraction(1), 10**6)
def test_the_rule_holds_for_all_terms_that_parameters_takes(
    rule, terms, index, mark_off, basis_off, premium, mid, elapsed
):
    state = (int(index * (1 + mark_off)), index, int(index * basis_off), premium)
    top = (int(index * mid), int(index * mid) + 2)
    found, rate = rule.renew(state, top, elapsed, 0, terms)
    expected, expected_rate = model(state, top, elapsed, 0, terms)
    scale = max(index, top[1])
    for name, got, due in zip(("mark", "index", "basis"), found, expected):
        assert abs(got - due) <= scale // 10**14 + 5, name
    assert abs(found[3] - expected[3]) <= 2_000
    assert abs(rate - expected_rate) <= scale // 10**17 + 5


@given(
    index=PRICE,
    basis_off=st.fractions(Fraction(-1, 2), Fraction(1, 2)),
    mid=st.fractions(Fraction(1, 100), Fraction(100)),
    elapsed=st.integers(0, 10**6),
    band=st.integers(0, 5 * 10**8).map(lambda x: x * 10**9),
    moved=st.one_of(st.none(), st.fractions(Fraction(1, 100), Fraction(100))),
)
def test_whatever_the_book_and_the_past_the_mark_is_in_its_band(
    rule, index, basis_off, mid, elapsed, band, moved
):
    terms = TERMS._replace(band=band)
    top = (int(index * mid), int(index * mid) + 1)
    new_index = int(index * moved) if moved else 0
    state = (index, index, int(index * basis_off), 0)
    (mark, index, _, _), _ = rule.renew(state, top, elapsed, new_index, terms)
    assert abs(mark - index) * WAD <= index * band


@given(
    index=st.integers(10**18, 10**24),
    basis_off=st.fractions(Fraction(-1, 20), Fraction(1, 20)),
    premium=st.integers(-(10**16), 10**16),
    mid=st.one_of(st.none(), st.fractions(Fraction(9, 10), Fraction(11, 10))),
    parts=st.lists(st.integers(1, 1_000), min_size=2, max_size=6),
)
def test_the_averages_compose(rule, index, basis_off, premium, mid, parts):
    """Renewing more often with the same book and the same mark gives the same averages."""
    top = (int(index * mid), int(index * mid)) if mid else (0, 0)
    start = (index, index, int(index * basis_off), premium)
    at_once, _ = rule.renew(start, top, sum(parts))
    state = start
    for part in parts:
        after, _ = rule.renew(state, top, part)
        state = (index, index, after[2], after[3])  # the mark held where it was
    assert abs(state[2] - at_once[2]) <= len(parts) * (index // 10**14 + 5)
    assert abs(state[3] - at_once[3]) <= len(parts) * 2_000


@given(index=PRICE, mid=NEAR, off=st.fractions(Fraction(-1, 25), Fraction(1, 25)))
def test_without_time_nothing_but_a_new_index_moves_the_averages(rule, index, mid, off):
    state = (int(index * (1 + off)), index, int(index * off), int(off * WAD))
    top = (int(index * mid), int(index * mid) + 2)
    for new_index in (0, index * 3):
        found, _ = rule.renew(state, top, 0, new_index)
        assert found[2:] == state[2:]


def test_the_largest_price_fits_and_a_larger_mark_does_not(rule):
    largest = 2**88 - 1
    (mark, index, _, _), _ = rule.renew((WAD, WAD, 0, 0), (0, 0), 12, largest)
    assert (mark, index) == (largest, largest)
    with pytest.raises(Revert, match="overflow"):
        rule.renew((WAD, WAD, 10**9, 0), (0, 0), 12, largest)


# ----------------------------------------------------------------------------------------- the market

BAND = Decimal("0.05")
LIVELY = plain_market(funding=FundingTerms(interest=0))
pytestmark = pytest.mark.exchange(markets=(LIVELY,))


def settle_in(exchange, blocks=300):
    for _ in range(blocks):
        exchange.refresh()


@pytest.mark.parametrize("book", ["empty", "bid only", "ask only"])
def test_without_a_two_sided_book_the_mark_is_the_index(exchange, maker, book):
    if book == "bid only":
        maker.buy(1, 9_000)
    elif book == "ask only":
        maker.sell(1, 11_000)
    settle_in(exchange, 5)
    assert exchange.mark() == wad(10_000)
    exchange.move(7_777)
    assert exchange.mark() == wad(7_777)


@BOTH_SIDES
def test_the_mark_follows_the_book_slowly_and_no_further_than_its_mid(exchange, maker, side):
    mid = 10_000 + side * 200
    exchange.quote(maker, mid - 1, mid + 1, 1)
    marks = []
    for _ in range(150):
        exchange.refresh()
        marks.append(side * (exchange.mark() - wad(10_000)))
    assert marks[0] < wad(20), "one block is 8 % of the way"
    assert marks == sorted(marks)
    assert wad("199.99") < marks[-1] <= wad(200)


@BOTH_SIDES
def test_when_the_book_empties_the_mark_glides_back_to_the_index(exchange, maker, side):
    mid = 10_000 + side * 200
    exchange.quote(maker, mid - 1, mid + 1, 1)
    settle_in(exchange)
    maker.cancel_all()
    distances = []
    for _ in range(300):
        exchange.refresh()
        distances.append(side * (exchange.mark() - wad(10_000)))
    assert distances[0] > wad(180), "clearing the book does not make the mark jump"
    assert distances == sorted(distances, reverse=True)
    assert 0 <= distances[-1] < wad("0.001")


@BOTH_SIDES
def test_no_quotes_and_no_time_move_the_mark_past_the_band(exchange, maker, side):
    far = 10_000 + side * 6_000
    exchange.quote(maker, far - 1, far + 1, "0.001")
    settle_in(exchange)
    edge = wad(10_000 + side * 10_000 * BAND)
    assert 0 <= side * (edge - exchange.mark()) < 10**12
    exchange.move(12_000)
    assert exchange.mark() <= wad(12_000 * (1 + BAND))


@BOTH_SIDES
def test_nothing_done_within_a_block_moves_the_mark_in_it(exchange, maker, taker, rival, side):
    exchange.quote(maker, 9_999, 10_001, 10)
    exchange.refresh()
    with exchange.isolated():
        exchange.refresh()
        undisturbed = exchange.mark()
    exchange.wait()
    # the whole book is taken away and put up elsewhere, before price and poke
    taker.order(side, 10, 10_000 + side * 2_000, IOC)
    maker.cancel_all()
    far = 10_000 + side * 2_000
    exchange.quote(rival, far - 1, far + 1, 5)
    exchange.owner.send(exchange.oracle, "post", 0, wad(10_000), exchange.now)
    assert exchange.mark() == undisturbed
    exchange.poke()
    assert exchange.mark() == undisturbed


@BOTH_SIDES
@pytest.mark.parametrize("size", ["0.001", 100])
def test_trades_with_oneself_do_not_touch_the_mark(exchange, maker, taker, rival, side, size):
    """Only what rests counts, not what was paid."""
    exchange.quote(rival, 9_000, 11_000, 1)
    for _ in range(3):
        exchange.refresh()
        before = exchange.mark()
        for price in (10_400, 9_600, 10_999):
            exchange.open(side, taker, maker, size, price)
            exchange.open(-side, taker, maker, size, price)
        exchange.poke()
        assert exchange.mark() == before == wad(10_000)


@BOTH_SIDES
def test_minimum_size_quotes_at_the_edge_cannot_liquidate_who_has_the_bands_margin(exchange, maker, side):
    """The cheapest attack on the mark: quotes of a thousandth far away, kept up for an hour."""
    victim = exchange.actor("victim", deposit=1_100)
    exchange.open(side, victim, maker, 1, 10_000)
    far = 10_000 - side * 3_000
    exchange.quote(maker, far - 1, far + 1, "0.001")
    settle_in(exchange)
    health = victim.health
    assert wad(1_100 - 10_000 * BAND) - wad(50) < health.equity, "no more than the band and its funding"
    assert health.equity > health.maintenance


def test_a_poke_by_anyone_does_what_an_oracle_update_does(exchange, maker, stranger):
    exchange.quote(maker, 10_099, 10_101, 1)
    exchange.wait()
    with exchange.isolated():
        exchange.owner.send(exchange.oracle, "post", 0, wad(10_000), exchange.now)
        posted = exchange.market()
    stranger.send(exchange.clearinghouse, "poke", 0)
    poked = exchange.market()
    assert poked.index_time < posted.index_time
    assert poked._replace(index_time=0) == posted._replace(index_time=0)
    assert poked.mark > wad(10_000)


def test_the_index_may_fall_as_far_as_it_likes_in_one_update(exchange, maker):
    exchange.quote(maker, 9_999, 10_001, 1)
    settle_in(exchange, 10)
    for price in (3_000, 1, "0.01", 9_000_000):
        exchange.move(price)
        state = exchange.market()
        assert state.index == wad(price)
        assert abs(state.mark - state.index) <= state.index * BAND


@pytest.mark.parametrize("band", ["0", "0.01", "0.5"])
def test_the_band_is_a_parameter(band):
    market = plain_market(funding=FundingTerms(interest=0, band=wad(band)))
    with deployed(ProtocolParams(markets=(market,))) as exchange:
        maker = exchange.actor("maker", deposit=1_000_000)
        exchange.quote(maker, 16_000, 16_001, "0.001")
        settle_in(exchange)
        edge = wad(10_000 * (1 + Decimal(band)))
        assert 0 <= edge - exchange.mark() < 10**13
