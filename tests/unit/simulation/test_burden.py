"""Figures of a policy's burden, on made-up accounts whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpsim.simulation.burden import Census, Deleveraged, gini, hedges, lorenz, outcome, top_share

MARK = 100.0


def census(size: list[list[float]], profit: list[list[float]], equity: list[float]) -> Census:
    """Accounts 1, 2, ... ; nobody is account 0."""
    return Census(
        equity=np.array([0.0, *equity]),
        maintenance=np.full(len(equity) + 1, 1.0) * np.array([0.0, *([1.0] * len(equity))]),
        size=np.array([[0.0, *row] for row in size]),
        profit=np.array([[0.0, *row] for row in profit]),
        mark=np.full(len(size), MARK),
    )


def deleveraged(before: Census, after: Census, **changes: object) -> Deleveraged:
    one = Deleveraged(1, 0, 30.0, 3.0, 0.0, 100_000, True, before, after)
    return replace(one, **changes)


# A bankrupt long of 3 and three shorts: two winners, one loser.
BEFORE = census([[3, -2, -2, -2]], [[-130, 80, 40, -10]], [-30, 200, 100, 50])
# The winners are closed by 2 and by 1, 10 a unit below the mark.
AFTER = census([[0, 0, -1, -2]], [[0, 0, 20, -10]], [0, 180, 90, 50])


def test_what_was_taken_from_whom() -> None:
    found = outcome("queue", [deleveraged(BEFORE, AFTER)])
    assert found.taken == pytest.approx(30)
    assert found.overshoot == pytest.approx(0)
    # All of the profit of the first and half of the second's was closed out.
    assert found.profit_closed == pytest.approx(80 + 20)
    assert found.touched == 2
    assert found.largest == pytest.approx(20)
    assert found.largest_share == pytest.approx(20 / 80)
    assert found.survival == 0
    assert found.kept == pytest.approx(60 / 80)
    assert found.losers_share == pytest.approx(0)
    assert found.burden.tolist() == pytest.approx([0, 0, 20, 10, 0])
    # Two winners who bear 20 and 10: a sixth.
    assert found.gini == pytest.approx(1 / 6)
    assert found.top_share == pytest.approx(1)
    assert found.hedges == 0
    assert found.verdict is True


def test_losers_of_the_winning_side_are_counted_apart() -> None:
    by_size = census([[0, -1, -1, -1]], [[0, 40, 20, -5]], [0, 190, 90, 40])
    found = outcome("index", [deleveraged(BEFORE, by_size, verdict=None)])
    assert found.taken == pytest.approx(30)
    assert found.losers_share == pytest.approx(1 / 3)
    assert found.gini == pytest.approx(0)
    assert found.touched == 3
    assert found.survival == pytest.approx(0.5)
    assert found.verdict is None


def test_taking_more_than_was_needed_is_overshoot() -> None:
    found = outcome("queue", [deleveraged(BEFORE, AFTER, needed=25.0)])
    assert found.overshoot == pytest.approx(5)


def test_an_account_pushed_below_its_margin_is_counted() -> None:
    pushed = census([[0, 0, -1, -2]], [[0, 0, 20, -10]], [0, 180, 0.5, 50])
    assert outcome("index", [deleveraged(BEFORE, pushed)]).pushed_under == 1
    assert outcome("index", [deleveraged(BEFORE, AFTER)]).pushed_under == 0


def test_several_deleveragings_add_up_and_one_wrong_verdict_is_enough() -> None:
    again = census([[0, 0, 0, -2]], [[0, 0, 0, -10]], [0, 180, 85, 50])
    second = deleveraged(AFTER, again, account=4, needed=5.0, quantity=1.0, by_index=1.0, verdict=False)
    found = outcome("queue", [deleveraged(BEFORE, AFTER), second])
    assert found.deleveragings == 2
    assert found.taken == pytest.approx(35)
    assert found.needed == pytest.approx(35)
    assert found.by_index == pytest.approx(1 / 4)
    assert found.gas == 200_000
    assert found.verdict is False


def test_a_pair_that_loses_one_leg_is_broken() -> None:
    pair = [[3, -2, -2], [0, 2, 2]]
    before = census(pair, [[-30, 10, 10], [0, 0, 0]], [-30, 100, 100])
    after = census([[0, 0, -1.9], [0, 2, 2]], [[0, 0, 10], [0, 0, 0]], [0, 80, 90])
    assert hedges(before).tolist() == [False, False, True, True]
    found = outcome("queue", [deleveraged(before, after)])
    # One kept nearly all of its leg, the other none.
    assert (found.hedges, found.hedges_broken) == (2, 1)


def test_one_position_is_no_hedge_and_two_that_add_up_neither() -> None:
    assert not hedges(BEFORE).any()
    assert not hedges(census([[1, 1], [1, -0.5]], [[0, 0], [0, 0]], [100, 100])).any()


burdens = st.lists(st.floats(0, 1e6), min_size=1, max_size=50).map(np.array)


@given(burdens, st.floats(0.5, 1000))
def test_gini_lies_between_0_and_1_whatever_the_currency(values: np.ndarray, scale: float) -> None:
    found = gini(values)
    if values.sum() == 0:
        assert found is None
        return
    assert found is not None
    assert -1e-9 <= found < 1
    assert gini(values * scale) == pytest.approx(found, abs=1e-9)


@given(st.integers(1, 100))
def test_gini_of_one_who_bears_it_all(count: int) -> None:
    values = np.zeros(count)
    values[count // 2] = 5.0
    assert gini(values) == pytest.approx(1 - 1 / count)
    assert gini(np.ones(count)) == pytest.approx(0)
    assert top_share(values) == 1.0
    assert top_share(np.ones(count)) == pytest.approx(min(1.0, 10 / count))


@given(burdens)
def test_the_lorenz_curve_hangs_below_the_diagonal_and_agrees_with_gini(values: np.ndarray) -> None:
    shares, borne = lorenz(values)
    assert shares.size == borne.size == values.size + 1
    assert (borne <= shares + 1e-9).all()
    found = gini(values)
    if found is not None:
        assert 1 - 2 * np.trapz(borne, shares) == pytest.approx(found, abs=1e-6)
