"""The size of the fund: by what crashes need, by funds that were tried, and one against the other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from crash_rows import in_spite_of_money, needs, rows, run_with, sweep_of
from hypothesis import given, settings
from hypothesis import strategies as st

from perpsim.errors import UserError
from perpsim.sweeps.cases import chosen
from perpsim.sweeps.model import Sweep
from perpsim.sweeps.sizing import STAKERS, Terms, sizings

AMPLE = 1e6
DEPTH = {"key": "agents.makers.depth", "label": "depth", "values": [1.0, 2.0]}
POLICY = {"key": "markets.0.adl", "label": "policy", "values": ["index", "random"]}


def ample(found: list[float]) -> tuple[pl.DataFrame, Sweep]:
    """One point: crashes with a fund that is enough for all."""
    sweep = sweep_of(seeds=len(found))
    return rows(sweep, (run_with(AMPLE, need, seed=seed) for seed, need in enumerate(found))), sweep


def funds(found: list[float], values: list[float]) -> tuple[pl.DataFrame, Sweep]:
    """The same crashes with funds of several sizes."""
    sweep = sweep_of({"key": "fund.initial", "label": "fund", "values": values}, seeds=len(found))
    runs = [
        run_with(fund, need, seed=seed, point=point, fund=fund)
        for point, fund in enumerate(values)
        for seed, need in enumerate(found)
    ]
    return rows(sweep, runs), sweep


# by need


def test_the_size_is_what_all_but_a_share_p_of_the_crashes_need() -> None:
    frame, sweep = ample([float(need) for need in range(1, 101)])
    (found,) = sizings(frame, sweep, 0.1)
    assert found.needed.fund.value == 90.0
    assert found.needed.fund.low < 90 < found.needed.fund.high
    assert found.needed.exact == (84.0, 96.0)
    assert found.crashes == found.needed.fund.n == 100 and found.needed.words == ""
    # With it exactly ten crashes of a hundred deleverage, with a hair less it would be eleven.
    assert sum(need > 90 for need in range(1, 101)) == 10


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1e5), min_size=3, max_size=40))
def test_the_size_falls_as_more_is_allowed_and_holds_what_it_says(found: list[float]) -> None:
    frame, sweep = ample(found)
    sizes = []
    for p in (0.01, 0.1, 0.3, 0.6):
        (one,) = sizings(frame, sweep, p)
        fund = one.needed.fund
        assert sum(need > fund.value for need in found) <= p * len(found) + 1e-9
        assert fund.low <= fund.value <= fund.high
        sizes.append(fund.value)
    assert sizes == sorted(sizes, reverse=True)


def test_intervals_hold_the_true_size_of_nineteen_sweeps_in_twenty() -> None:
    """Roughly, both of them: 40 sweeps of 120 crashes, whose needs have a known quantile."""
    truth, rng = math.exp(1.2816), np.random.default_rng(1)
    drawn = exact = 0
    for _ in range(40):
        frame, sweep = ample(rng.lognormal(size=120).tolist())
        (found,) = sizings(frame, sweep, 0.1)
        assert found.needed.exact is not None
        drawn += found.needed.fund.low <= truth <= found.needed.fund.high
        exact += found.needed.exact[0] <= truth <= found.needed.exact[1]
    assert drawn >= 33 and exact >= 35


def test_too_few_crashes_say_how_many_it_takes() -> None:
    frame, sweep = ample(needs(200))
    assert "it takes 1,000" in sizings(frame, sweep, 0.01)[0].needed.fund.warning
    assert sizings(frame, sweep, 0.05)[0].needed.fund.warning == ""


def test_no_fund_helps_against_deleveraging_in_spite_of_money() -> None:
    frame, sweep = ample(needs(90))
    stuck = rows(sweep, (in_spite_of_money(AMPLE, seed=100 + seed) for seed in range(10)))
    both = pl.concat([frame, stuck])
    (hard,) = sizings(both, sweep, 0.05)
    assert hard.needed.fund.value == math.inf and hard.hopeless == 0.1
    assert hard.needed.words.startswith("no fund reaches that: 10 % of the crashes deleverage although")
    (easy,) = sizings(both, sweep, 0.2)
    assert easy.needed.fund.value < math.inf
    assert easy.needed.words == "10 % of the crashes deleverage with any fund"


def test_runs_whose_fund_came_to_its_end_do_not_tell_the_size() -> None:
    frame, sweep = funds([float(need) for need in range(1, 101)], [10.0, 80.0])
    (found,) = sizings(frame, sweep, 0.1)
    assert found.unknown == 0.2 and found.hopeless == 0.0
    assert found.needed.fund.value == math.inf
    assert "in 20 of 100 crashes no fund that was tried was enough" in found.needed.words
    assert "larger fund.initial" in found.needed.words
    # For less it is enough, and what is not known counts against the fund.
    (less,) = sizings(frame, sweep, 0.3)
    assert less.needed.fund.value == 70.0 and "needing more than any" in less.needed.words


def test_with_stakers_a_size_by_need_is_told_to_be_a_guess() -> None:
    frame, sweep = ample(needs(100))
    (found,) = sizings(frame, sweep, 0.1, with_stakers=True)
    assert found.needed.words == found.newsvendor.words == STAKERS
    assert sizings(frame, sweep, 0.1)[0].needed.words == ""


def test_runs_that_failed_are_bounded_by_the_worst() -> None:
    frame, sweep = ample([float(need) for need in range(1, 101)])
    frame = frame.with_columns(status=pl.when(pl.col("seed") < 5).then(pl.lit("failed")).otherwise("status"))
    (found,) = sizings(frame, sweep, 0.1)
    assert found.crashes == 95 and found.failures.count == 5
    assert found.needed.fund.value == 91.0 and found.at_worst == 95.0


# by funds that were tried


def test_the_smallest_fund_tried_that_is_enough_is_found_and_agrees() -> None:
    frame, sweep = funds([float(need) for need in range(1, 201)], [150.0, 100.0, 190.0, 1000.0])
    (found,) = sizings(frame, sweep, 0.06)
    assert [point.fund for point in found.tried] == [100.0, 150.0, 190.0, 1000.0]
    assert [point.adl.value for point in found.tried] == [0.5, 0.25, 0.05, 0.0]
    assert found.observed == 190.0 and found.sure == 1000.0
    assert found.needed.fund.value == 188.0
    assert found.check is not None and (found.check.runs, found.check.right) == (600, 600)
    # What winners lost with a fund of 150: 1 to 50 in a quarter of the crashes.
    assert found.tried[1].loss.value == pytest.approx(sum(range(51)) / 200)
    assert found.tried[1].loss.low < found.tried[1].loss.value < found.tried[1].loss.high


def test_a_need_that_foretells_wrongly_shows_in_the_check() -> None:
    frame, sweep = funds([float(need) for need in range(1, 101)], [50.0, 1000.0])
    wrong = (pl.col("fund.start") == 50) & (pl.col("seed") < 4)
    frame = frame.with_columns(**{"adl.count": pl.when(wrong).then(1.0).otherwise("adl.count")})
    check = sizings(frame, sweep, 0.1)[0].check
    assert check is not None and (check.runs, check.right) == (100, 96)


def test_none_of_the_funds_tried_may_be_enough() -> None:
    frame, sweep = funds([float(need) for need in range(1, 101)], [10.0, 20.0])
    (found,) = sizings(frame, sweep, 0.1)
    assert found.observed is None and found.sure is None


def test_many_funds_are_put_together_in_groups_that_are_called_by_their_largest() -> None:
    rng = np.random.default_rng(1)
    vary = {"key": "fund.initial", "label": "fund", "low": 1.0, "high": 300.0}
    sweep = sweep_of(vary, seeds=1, sample={"kind": "random", "points": 400})
    values = rng.uniform(1, 300, 400).tolist()
    runs = [
        run_with(fund, float(rng.uniform(0, 200)), seed=1, point=point, fund=fund)
        for point, fund in enumerate(values)
    ]
    (found,) = sizings(rows(sweep, runs), sweep, 0.05)
    assert len(found.tried) == 10 and all(point.adl.n == 40 for point in found.tried)
    assert found.tried[-1].fund == pytest.approx(max(values))
    chances = [point.adl.value for point in found.tried]
    assert chances[0] > 0.8 and chances[-1] == 0.0


# curves, rules of thumb


def test_the_curve_falls_from_no_fund_to_the_largest_need() -> None:
    frame, sweep = ample(needs(300))
    (found,) = sizings(frame, sweep, 0.05)
    funds_, chances = [p.fund for p in found.curve], [p.adl.value for p in found.curve]
    losses = [p.loss.value for p in found.curve]
    assert funds_ == sorted(funds_) and funds_[0] == 0.0
    assert chances == sorted(chances, reverse=True) and chances[-1] == 0.0
    assert losses == sorted(losses, reverse=True) and losses[-1] == 0.0
    assert losses[0] == pytest.approx(np.mean(needs(300)))
    for point in found.curve:
        assert point.adl.low <= point.adl.value <= point.adl.high
        assert point.loss.low <= point.loss.value <= point.loss.high


def test_the_newsvendor_size_costs_least() -> None:
    crashes = needs(400)
    frame, sweep = ample(crashes)
    terms = Terms(capital=0.1, shortfall=2.0, crashes=0.5)
    (found,) = sizings(frame, sweep, 0.01, terms=terms)

    def cost(fund: float) -> float:
        lost = np.mean(np.maximum(np.array(crashes) - fund, 0.0))
        return float(terms.capital * fund + terms.crashes * terms.shortfall * lost)

    best = found.newsvendor.fund.value
    assert best in crashes
    assert cost(best) == pytest.approx(min(cost(fund) for fund in [0.0, *crashes]))


def test_where_capital_costs_more_than_it_saves_the_newsvendor_holds_none() -> None:
    frame, sweep = ample(needs(50))
    (found,) = sizings(frame, sweep, 0.01, terms=Terms(capital=0.5, shortfall=0.4))
    assert found.newsvendor.fund.value == 0.0 and "costs more" in found.newsvendor.words


def test_cover_2_stands_beside_them() -> None:
    frame, sweep = ample([10.0, 20.0, 60.0])
    (found,) = sizings(frame, sweep, 0.5)
    assert found.cover2.value == pytest.approx(3.0) and found.cover2_largest == 6.0


# what else varies


def several(**first: Any) -> tuple[pl.DataFrame, Sweep]:
    """Two depths and two policies, of which the depth matters."""
    sweep = sweep_of(DEPTH, POLICY, seeds=20, **first)
    runs = [
        run_with(AMPLE, (seed + 1) / depth, seed=seed, point=2 * at + by, depth=depth, policy=policy)
        for at, depth in enumerate((1.0, 2.0))
        for by, policy in enumerate(("index", "random"))
        for seed in range(20)
    ]
    return rows(sweep, runs), sweep


def test_each_combination_of_what_else_varies_has_its_size() -> None:
    frame, sweep = several()
    found = sizings(frame, sweep, 0.1)
    assert [one.values for one in found] == [
        {"depth": depth, "policy": policy} for depth in (1.0, 2.0) for policy in ("index", "random")
    ]
    assert [one.needed.fund.value for one in found] == [18.0, 18.0, 9.0, 9.0]


def test_conditions_choose_rows() -> None:
    frame, sweep = several()
    found = sizings(frame, sweep, 0.1, where=["depth=2", "policy = random"])
    assert [one.values for one in found] == [{"depth": 2.0, "policy": "random"}]
    assert chosen(frame, []).height == 80


def test_what_varies_without_steps_is_taken_together_crash_by_crash() -> None:
    vary = {"key": "agents.makers.depth", "label": "depth", "low": 1.0, "high": 2.0}
    sweep = sweep_of(vary, seeds=50, sample={"kind": "random", "points": 4})
    runs = [
        run_with(AMPLE, 100.0 + seed, seed=seed, point=point, depth=1 + point / 5)
        for point in range(4)
        for seed in range(50)
    ]
    (found,) = sizings(rows(sweep, runs), sweep, 0.1)
    assert found.values == {} and found.crashes == 200
    # Runs of one crash are no crashes of their own.
    assert found.needed.exact is None and "50 crashes are too few" in found.needed.fund.warning


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("deep=1", "expected LABEL=VALUE, what varies is depth, policy"),
        ("depth", "expected LABEL=VALUE"),
        ("depth=deep", "the values of depth are numbers"),
        ("depth=3", "no run has that, depth is 1, 2"),
        ("policy=queue", "no run has that, policy is index, random"),
    ],
)
def test_conditions_that_make_no_sense_are_refused_in_one_line(where: str, words: str) -> None:
    with pytest.raises(UserError) as refused:
        chosen(several()[0], [where])
    assert words in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("p", [0.0, 1.0, -1.0, 2.0, math.nan])
def test_what_is_no_chance_is_refused(p: float) -> None:
    frame, sweep = ample([1.0, 2.0])
    with pytest.raises(UserError, match="above 0 and below 1"):
        sizings(frame, sweep, p)


def test_without_finished_runs_there_is_nothing_to_size_by() -> None:
    frame, sweep = ample([1.0, 2.0])
    with pytest.raises(UserError, match="no run has finished"):
        sizings(frame.clear(), sweep, 0.1)
    with pytest.raises(UserError, match="no run has finished"):
        sizings(frame.with_columns(status=pl.lit("failed")), sweep, 0.1)


@pytest.mark.parametrize("wrong", [{"capital": 0.0}, {"shortfall": -1.0}, {"crashes": math.inf}])
def test_costs_that_are_none_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match="has to be above 0"):
        Terms(**wrong)
