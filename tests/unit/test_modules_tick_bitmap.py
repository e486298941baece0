"""The tick bitmap against a plain sorted set."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.harness import Harness

MAX_TICK = 2**24 - 1

SOURCE = """
# pragma version 0.4.3

from contracts.modules import tick_bitmap

initializes: tick_bitmap


@external
def add(tick: uint256):
    tick_bitmap._add(tick)


@external
def remove(tick: uint256):
    tick_bitmap._remove(tick)


@external
@view
def above(tick: uint256) -> uint256:
    return tick_bitmap._above(tick)


@external
@view
def below(tick: uint256) -> uint256:
    return tick_bitmap._below(tick)


@external
@pure
def lowest(word: uint256) -> uint256:
    return tick_bitmap._lowest(word)


@external
@pure
def highest(word: uint256) -> uint256:
    return tick_bitmap._highest(word)


@external
@view
def words(tick: uint256) -> uint256[3]:
    return [tick_bitmap.leaves[tick >> 8], tick_bitmap.branches[tick >> 16], tick_bitmap.root]
"""


@pytest.fixture(scope="module")
def bitmap():
    return Harness(SOURCE)


# ticks that share a leaf, a branch, or nothing, and the edges of all words
TICK = st.one_of(
    st.integers(1, MAX_TICK),
    st.integers(1, 600),
    st.integers(65_000, 66_000),
    st.sampled_from([1, 255, 256, 257, 65_535, 65_536, 65_537, MAX_TICK - 256, MAX_TICK - 1, MAX_TICK]),
)


@given(word=st.integers(1, 2**256 - 1))
@example(1)
@example(2**255)
@example(2**256 - 1)
def test_the_lowest_and_the_highest_bit_are_found(bitmap, word):
    assert bitmap.view("lowest", word) == (word & -word).bit_length() - 1
    assert bitmap.view("highest", word) == word.bit_length() - 1


def test_every_single_bit_is_both_lowest_and_highest(bitmap):
    for bit in range(256):
        assert bitmap.view("lowest", 1 << bit) == bitmap.view("highest", 1 << bit) == bit


@settings(max_examples=150)
@given(changes=st.lists(TICK, max_size=60), asked=st.lists(TICK, min_size=1, max_size=20))
def test_it_is_a_sorted_set(bitmap, changes, asked):
    snapshot = bitmap.chain.snapshot()
    present: set[int] = set()
    try:
        for tick in changes:
            bitmap.send("remove" if tick in present else "add", tick)
            present ^= {tick}
        for tick in [*asked, *changes]:
            assert bitmap.view("above", tick) == min((t for t in present if t > tick), default=0)
            assert bitmap.view("below", tick) == max((t for t in present if t < tick), default=0)
        for tick in list(present):
            bitmap.send("remove", tick)
        for tick in changes:
            assert bitmap.view("words", tick) == (0, 0, 0), "something is left behind"
    finally:
        bitmap.chain.revert(snapshot)


@given(tick=TICK)
def test_a_lone_tick_has_no_neighbours(bitmap, tick):
    snapshot = bitmap.chain.snapshot()
    bitmap.send("add", tick)
    assert bitmap.view("above", tick) == bitmap.view("below", tick) == 0
    if tick > 1:
        assert bitmap.view("above", tick - 1) == tick
        assert bitmap.view("above", 1) in (0, tick)
    if tick < MAX_TICK:
        assert bitmap.view("below", tick + 1) == tick
    bitmap.chain.revert(snapshot)
