"""The side index against exact fractions: at most a wei off, and never in the account's favour."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor, trunc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.harness import Harness

WAD = 10**18
A_ONE = 10**36
K_ONE = 10**30

SOURCE = """
# pragma version 0.4.3

from contracts.modules import side_index


@external
@pure
def settle(
    size: int256, entry: int256, a_seen: int256, k_seen: int256, a: int256, k: int256
) -> (int256, int256, int256):
    return side_index._settle(size, entry, a_seen, k_seen, a, k)


@external
@pure
def after_flow(k: int256, a: int256, flow: int256) -> int256:
    return side_index._after_flow(k, a, flow)


@external
@pure
def after_spread(k: int256, a: int256, amount: int256, open_interest: int256) -> int256:
    return side_index._after_spread(k, a, amount, open_interest)


@external
@pure
def after_reduction(a: int256, quantity: int256, open_interest: int256) -> int256:
    return side_index._after_reduction(a, quantity, open_interest)
"""


@pytest.fixture(scope="module")
def index():
    return Harness(SOURCE)


SIZE = st.one_of(st.integers(1, 2**95 - 1), st.integers(1, 10**24), st.integers(1, 100))
SIGN = st.sampled_from([1, -1])
ENTRY = st.one_of(st.integers(-(2**127), 2**127 - 1), st.integers(-(10**30), 10**30))
A = st.one_of(st.integers(10**27, A_ONE), st.just(A_ONE))
K = st.one_of(st.integers(-(2**135), 2**135 - 1), st.integers(-(10**36), 10**36))


@given(size=SIZE, sign=SIGN, entry=ENTRY, a_seen=A, k_seen=K, a=A, k=K)
@example(1, 1, 0, A_ONE, 0, A_ONE, -1)
@example(1, -1, 0, A_ONE, 0, A_ONE, -1)
@example(2**95 - 1, 1, 2**127 - 1, 10**27, -(2**135), 10**27, 2**135 - 1)
@example(2**95 - 1, -1, -(2**127), 10**27, 2**135 - 1, 10**27, -(2**135))
def test_settling_is_exact_but_for_rounding_against_the_account(
    index, size, sign, entry, a_seen, k_seen, a, k
):
    a = min(a, a_seen)  # a only falls
    left, kept, gain = index.view("settle", sign * size, entry, a_seen, k_seen, a, k)
    g = Fraction(a, a_seen)
    assert left == trunc(sign * size * g)
    # quote (1e-18) = size (1e-18) * k (1e-30) / a_seen (1e-36) * 1e-12
    paid = Fraction(size * (k - k_seen) * 10**6, a_seen)
    assert gain - (kept - entry) == floor(paid)
    # however split between collateral and entry value, their difference is off by less than a wei, downward
    assert 0 <= paid - (gain - (kept - entry)) < 1
    assert abs(kept - entry * g) < 1


@given(size=SIZE, sign=SIGN, entry=ENTRY, a=A, k=K)
def test_settling_twice_at_the_same_index_changes_nothing(index, size, sign, entry, a, k):
    assert index.view("settle", sign * size, entry, a, k, a, k) == (sign * size, entry, 0)


@given(size=SIZE, sign=SIGN, entry=ENTRY, a_seen=A, k_seen=K, k=K)
def test_a_position_of_a_finished_epoch_is_flat(index, size, sign, entry, a_seen, k_seen, k):
    left, kept, gain = index.view("settle", sign * size, entry, a_seen, k_seen, 0, k)
    assert (left, kept) == (0, 0)
    assert gain == floor(Fraction(size * (k - k_seen) * 10**6, a_seen)) - entry


FLOW = st.one_of(st.integers(-(2**100), 2**100), st.integers(-(10**20), 10**20))


@given(k=K, a=A, flow=FLOW)
def test_funding_moves_k_by_the_floor(index, k, a, flow):
    assert index.view("after_flow", k, a, flow) == k + floor(Fraction(a * flow, 10**24))


@given(a_long=A, a_short=A, flow=FLOW)
def test_no_funding_flow_pays_out_more_than_it_takes_in(index, a_long, a_short, flow):
    paid = index.view("after_flow", 0, a_long, -flow)
    got = index.view("after_flow", 0, a_short, flow)
    # per unit of effective size
    assert Fraction(paid, a_long) + Fraction(got, a_short) <= 0


@given(
    k=st.integers(-(10**36), 10**36),
    a=A,
    amount=st.integers(-(10**27), 10**27),
    open_interest=st.integers(10**9, 2**95),
)
def test_a_charge_on_a_side_is_never_short_and_a_gift_never_long(index, k, a, amount, open_interest):
    after = index.view("after_spread", k, a, amount, open_interest)
    # what the whole side receives: basis size is open_interest / a
    booked = Fraction((after - k) * open_interest * 10**6, a)
    assert booked <= amount
    assert amount - booked < Fraction(open_interest * 10**6, a) + 1


@given(a=A, open_interest=st.integers(1, 2**95), share=st.fractions(0, 1))
def test_a_reduction_leaves_no_more_than_the_rest(index, a, open_interest, share):
    quantity = ceil(open_interest * share)
    after = index.view("after_reduction", a, quantity, open_interest)
    assert after == floor(Fraction(a * (open_interest - quantity), open_interest))
    assert 0 <= after <= a


@given(
    sizes=st.lists(st.integers(10**12, 10**24), min_size=1, max_size=8),
    cuts=st.lists(st.fractions(Fraction(1, 100), Fraction(9, 10)), min_size=1, max_size=4),
    price=st.integers(10**15, 10**23),
    side=SIGN,
)
def test_deleveraging_a_side_pays_it_no_more_than_the_price(index, sizes, cuts, price, side):
    """Several pro-rata cuts: sizes shrink in proportion, no more is paid than quantity * price."""
    a, k, open_interest = A_ONE, 0, sum(sizes)
    handed_out = 0
    for cut in cuts:
        quantity = floor(open_interest * cut)
        proceeds = side * quantity * price // WAD
        if quantity == 0:
            continue
        k = index.view("after_spread", k, a, proceeds, open_interest)
        a = index.view("after_reduction", a, quantity, open_interest)
        open_interest -= quantity
        handed_out += proceeds
    settled = [index.view("settle", side * size, 0, A_ONE, 0, a, k) for size in sizes]
    total = sum(abs(left) for left, _, _ in settled)
    assert total <= open_interest
    # dust: a wei of size an account, and what the multiplier lost by rounding down
    assert open_interest - total <= len(sizes) + len(cuts) + sum(sizes) * len(cuts) // 10**27
    assert sum(gain for _, _, gain in settled) <= handed_out
