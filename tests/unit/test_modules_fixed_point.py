"""Division with a direction, clamp, median, exp; packing of words."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.harness import Harness

from perpsim.chain import Revert

WAD = 10**18
MAX = 2**255 - 1

SOURCE = """
# pragma version 0.4.3

from contracts.modules import fixed_point
from contracts.modules import order_words
from contracts.modules import packing


@external
@pure
def floor_div(a: int256, b: int256) -> int256:
    return fixed_point._floor_div(a, b)


@external
@pure
def ceil_div(a: int256, b: int256) -> int256:
    return fixed_point._ceil_div(a, b)


@external
@pure
def clamp(x: int256, low: int256, high: int256) -> int256:
    return fixed_point._clamp(x, low, high)


@external
@pure
def median(a: int256, b: int256, c: int256) -> int256:
    return fixed_point._median(a, b, c)


@external
@pure
def exp_negative(x: int256) -> int256:
    return fixed_point._exp_negative(x)


@external
@pure
def checked(x: int256, bits: uint256) -> int256:
    return packing._checked(x, bits)


@external
@pure
def account(collateral: int256, held: int256) -> int256:
    return packing._account(collateral, held)


@external
@pure
def holding(size: int256, entry: int256, epoch: int256) -> int256:
    return packing._holding(size, entry, epoch)


@external
@pure
def index(a: int256, k: int256) -> int256:
    return packing._index(a, k)


@external
@view
def packed_top(top: order_words.Top) -> uint256:
    return order_words._packed(top)


@external
@view
def top(word: uint256) -> order_words.Top:
    return order_words._top(word)
"""


@pytest.fixture(scope="module")
def modules():
    return Harness(SOURCE)


def signed(bits):
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def unsigned(bits):
    return st.integers(0, 2**bits - 1)


ANY = st.one_of(st.integers(-MAX - 1, MAX), st.integers(-1000, 1000))
DIVISOR = st.one_of(st.integers(1, MAX), st.integers(1, 100))


@given(a=ANY, b=DIVISOR)
@example(-1, MAX)
@example(-MAX - 1, 1)
@example(MAX, 1)
def test_floor_division_is_pythons_for_every_sign(modules, a, b):
    assert modules.view("floor_div", a, b) == a // b


@given(a=ANY, b=DIVISOR)
@example(1, MAX)
@example(-MAX - 1, 1)
def test_ceiling_division_mirrors_floor_division(modules, a, b):
    assert modules.view("ceil_div", a, b) == -(-a // b)


@given(x=ANY, low=ANY, high=ANY)
def test_clamp_moves_into_the_interval(modules, x, low, high):
    low, high = sorted((low, high))
    assert modules.view("clamp", x, low, high) == sorted((low, x, high))[1]


@given(a=ANY, b=ANY, c=ANY)
def test_median_is_the_middle_whatever_the_order(modules, a, b, c):
    assert modules.view("median", a, b, c) == sorted((a, b, c))[1]


def exp(x):
    with localcontext() as context:
        context.prec = 60
        return (-Decimal(x) / WAD).exp() * WAD


@given(x=st.one_of(st.integers(0, 45 * WAD), st.integers(0, 10**6), st.integers(0, WAD)))
@example(0)
@example(1)
@example(41 * WAD)
@example(42 * WAD - 1)
@example(42 * WAD)
@example(MAX)
def test_exp_is_exact_to_fifteen_digits(modules, x):
    found = modules.view("exp_negative", x)
    assert abs(found - (exp(x) if x < 100 * WAD else 0)) <= 1_000
    assert 0 <= found <= WAD


def test_exp_of_nothing_is_one(modules):
    assert modules.view("exp_negative", 0) == WAD


@given(x=st.integers(0, 42 * WAD), step=st.integers(0, 42 * WAD))
def test_exp_never_rises_by_more_than_its_error(modules, x, step):
    assert modules.view("exp_negative", x + step) <= modules.view("exp_negative", x) + 1_000


@given(x=st.integers(0, 20 * WAD), y=st.integers(0, 20 * WAD))
def test_exp_composes(modules, x, y):
    together = modules.view("exp_negative", x + y)
    apart = modules.view("exp_negative", x) * modules.view("exp_negative", y) // WAD
    assert abs(together - apart) <= 3_000


# packing: what goes in comes out, and nothing that does not fit goes in


@pytest.mark.parametrize("bits", [64, 80, 88, 96, 128, 136])
def test_a_checked_field_takes_exactly_what_fits(modules, bits):
    edge = 2 ** (bits - 1)
    for fits in (-edge, -edge + 1, -1, 0, 1, edge - 1):
        assert modules.view("checked", fits, bits) == fits
    for too_large in (edge, -edge - 1, MAX, -MAX - 1):
        with pytest.raises(Revert, match="overflow"):
            modules.view("checked", too_large, bits)


@given(collateral=signed(128), held=unsigned(8))
def test_an_account_word_gives_back_its_fields(modules, collateral, held):
    word = modules.view("account", collateral, held)
    assert (word >> 128, word & 255) == (collateral, held)


@given(size=signed(96), entry=signed(128), epoch=unsigned(32))
def test_a_holding_gives_back_its_fields(modules, size, entry, epoch):
    word = modules.view("holding", size, entry, epoch)
    assert word >> 160 == size
    unpacked = (word >> 32) & (2**128 - 1)
    assert unpacked - (unpacked >> 127 << 128) == entry
    assert word & (2**32 - 1) == epoch


@given(a=unsigned(120), k=signed(136))
def test_an_index_word_gives_back_its_fields(modules, a, k):
    word = modules.view("index", a, k)
    assert (word & (2**120 - 1), word >> 120) == (a, k)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_word_refuses_what_its_fields_cannot_hold(modules, sign):
    def edge(bits):
        return 2 ** (bits - 1) if sign > 0 else -(2 ** (bits - 1)) - 1

    for call in (
        ("account", edge(128), 0),
        ("holding", edge(96), 0, 0),
        ("holding", 0, edge(128), 0),
        ("index", 10**36, edge(136)),
    ):
        with pytest.raises(Revert):
            modules.view(*call)


TICK = unsigned(24)


@given(next_id=unsigned(32), bid=TICK, ask=TICK, bid_before=TICK, ask_before=TICK)
def test_a_top_word_gives_back_its_fields_in_the_same_block(
    modules, next_id, bid, ask, bid_before, ask_before
):
    top = (next_id, bid, ask, bid_before, ask_before)
    assert tuple(modules.view("top", modules.view("packed_top", top))) == top


@given(next_id=unsigned(32), bid=TICK, ask=TICK, bid_before=TICK, ask_before=TICK)
def test_in_a_later_block_the_best_ticks_are_those_before(modules, next_id, bid, ask, bid_before, ask_before):
    word = modules.view("packed_top", (next_id, bid, ask, bid_before, ask_before))
    earlier = word - (1 << 96)
    assert tuple(modules.view("top", earlier)) == (next_id, bid, ask, bid, ask)
