"""Eight numbers in two words, against a plain list of them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.harness import Harness

SOURCE = """
# pragma version 0.4.3

from contracts.modules import lanes


@external
@pure
def shift(near: uint256, far: uint256, steps: uint256) -> (uint256, uint256):
    return lanes._shift(near, far, steps)


@external
@pure
def sum(near: uint256, far: uint256) -> uint256:
    return lanes._sum(near, far)


@external
@pure
def maximum(near: uint256, far: uint256) -> uint256:
    return lanes._maximum(near, far)


@external
@pure
def scaled(word: uint256, part: uint256, whole: uint256) -> uint256:
    return lanes._scaled(word, part, whole)
"""

MOST = 2**64 - 1
NUMBERS = st.lists(st.integers(0, MOST), min_size=8, max_size=8)


@pytest.fixture(scope="module")
def module() -> Harness:
    """The module in a contract."""
    return Harness(SOURCE)


def words(numbers: list[int]) -> tuple[int, int]:
    """Numbers, the newest first, as they are packed."""
    near, far = (sum(n << 64 * i for i, n in enumerate(half)) for half in (numbers[:4], numbers[4:]))
    return near, far


@given(numbers=NUMBERS, steps=st.integers(0, 10) | st.integers(0, 2**256 - 1))
@example([MOST] * 8, 0)
@example([MOST] * 8, 4)
@example([MOST] * 8, 5)
@example([MOST] * 8, 2**256 - 1)
def test_a_shift_moves_all_and_forgets_the_oldest(module: Harness, numbers: list[int], steps: int) -> None:
    moved = ([0] * min(steps, 8) + numbers)[:8]
    assert tuple(module.view("shift", *words(numbers), steps)) == words(moved)


@given(numbers=NUMBERS)
@example([MOST] * 8)
def test_sum_and_maximum_are_over_all_eight(module: Harness, numbers: list[int]) -> None:
    assert module.view("sum", *words(numbers)) == sum(numbers)
    assert module.view("maximum", *words(numbers)) == max(numbers)


@pytest.mark.parametrize("place", range(8))
def test_each_place_counts(module: Harness, place: int) -> None:
    numbers = [0] * 8
    numbers[place] = MOST
    assert module.view("sum", *words(numbers)) == module.view("maximum", *words(numbers)) == MOST


@given(numbers=NUMBERS, whole=st.integers(1, 2**128 - 1), data=st.data())
def test_each_number_is_scaled_by_itself_and_rounded_up(
    module: Harness, numbers: list[int], whole: int, data: st.DataObject
) -> None:
    part = data.draw(st.integers(0, whole) | st.just(whole))
    expected = words([-(-number * part // whole) for number in numbers])
    assert tuple(module.view("scaled", word, part, whole) for word in words(numbers)) == expected
