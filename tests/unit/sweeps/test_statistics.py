"""Estimates: what they say of samples whose truth is known."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from perpsim.sweeps import statistics
from perpsim.sweeps.statistics import (
    BEYOND,
    Estimate,
    bands,
    expected_shortfall,
    mean,
    median,
    order_statistics,
    probability,
    quantile,
    value_at_risk,
    wilson,
)

LOSSES = st.lists(st.floats(0, 1e9, allow_subnormal=False), min_size=2, max_size=60)
LEVELS = st.sampled_from((0.5, 0.9, 0.95, 0.99, 0.999))


@pytest.fixture
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 200)


@settings(max_examples=40)
@given(LOSSES, LEVELS)
def test_the_value_is_within_its_interval_and_the_tail_beyond_the_quantile(
    sample: list[float], q: float
) -> None:
    at_risk, shortfall = value_at_risk(sample, q), expected_shortfall(sample, q)
    for found in (mean(sample), median(sample), at_risk, shortfall):
        assert found.low <= found.value <= found.high
        assert found.n == len(sample)
    slack = 1e-9 * max(1.0, max(sample))
    assert at_risk.value <= shortfall.value + slack
    assert shortfall.value <= max(sample) + slack
    assert at_risk.value == np.quantile(sample, q, method="inverted_cdf")


def test_the_mean_of_the_worst_counts_the_last_run_in_part() -> None:
    # The worst 5 % of 30 runs: 1.5 runs.
    sample = [0.0] * 28 + [10.0, 40.0]
    assert expected_shortfall(sample, 0.95).value == pytest.approx((40 + 0.5 * 10) / 1.5)
    assert expected_shortfall(sample, 0.5).value == pytest.approx(50 / 15)


def test_estimates_are_the_same_each_time() -> None:
    sample = np.random.default_rng(3).lognormal(size=80)
    for figure in (mean, median):
        assert figure(sample) == figure(sample)
    assert expected_shortfall(sample, 0.9) == expected_shortfall(sample, 0.9)


@pytest.mark.parametrize(
    ("truth", "figure"),
    [
        (math.exp(0.125), mean),
        (1.0, median),
        (math.exp(0.5 * norm.ppf(0.9)), lambda sample: value_at_risk(sample, 0.9)),
        (
            math.exp(0.125) * norm.cdf(0.5 - norm.ppf(0.9)) / 0.1,
            lambda sample: expected_shortfall(sample, 0.9),
        ),
        (norm.sf(math.log(1.5) / 0.5), lambda sample: probability(sample > 1.5)),
    ],
    ids=["mean", "median", "value at risk", "expected shortfall", "probability"],
)
def test_nineteen_of_twenty_intervals_hold_the_truth(truth: float, figure: object, few_draws: None) -> None:
    """Roughly: of 100 samples of 200 lognormal losses, 85 at least (a fair 95 % has that in 99.99 %)."""
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(100):
        found = figure(rng.lognormal(0, 0.5, 200))  # type: ignore[operator]
        held += found.low <= truth <= found.high
    assert held >= 85


def test_runs_of_one_crash_are_drawn_together() -> None:
    crashes = np.random.default_rng(1).lognormal(size=50)
    repeated, seeds = np.repeat(crashes, 20), np.repeat(np.arange(50), 20)
    for figure in (mean, lambda *sample: expected_shortfall(sample[0], 0.9, *sample[1:])):
        once, together, apart = figure(crashes), figure(repeated, seeds), figure(repeated)
        assert together.value == pytest.approx(once.value)
        assert together.high - together.low == pytest.approx(once.high - once.low, rel=0.1)
        assert apart.high - apart.low < 0.4 * (once.high - once.low)
        assert together.n == 1_000


def test_crashes_with_different_numbers_of_runs_are_weighed_by_them() -> None:
    found = mean([1.0, 1.0, 1.0, 5.0], [7, 7, 7, 9])
    assert found.value == 2.0 and (found.low, found.high) == (1.0, 5.0)


# probabilities


def test_none_and_all_have_the_interval_of_wilson() -> None:
    never, always = probability([False] * 100), probability([True] * 100)
    assert (never.value, never.low) == (0.0, 0.0)
    # Wilson 1927: z^2 / (n + z^2).
    assert never.high == pytest.approx(1.96**2 / (100 + 1.96**2), rel=1e-3)
    assert (always.low, always.high) == (pytest.approx(1 - never.high), 1.0)
    assert never.warning == "none of 100 runs" and always.warning == "all 100 runs"


def test_a_few_events_have_it_too_and_many_do_not() -> None:
    few, many = probability([True] * 3 + [False] * 97), probability([True] * 30 + [False] * 70)
    assert (few.low, few.high) == pytest.approx(wilson(0.03, 100))
    assert few.warning == "only 3 of 100 runs" and not many.warning
    assert probability([False] * 3 + [True] * 97).warning == "all but 3 of 100 runs"
    assert many.low == pytest.approx(0.21, abs=0.02) and many.high == pytest.approx(0.39, abs=0.02)


def test_never_in_many_runs_of_few_crashes_says_little() -> None:
    assert probability([False] * 400, np.repeat(np.arange(20), 20)).high == pytest.approx(wilson(0, 20)[1])


# samples that are too small


def test_a_level_that_too_few_runs_lie_beyond_says_how_many_it_takes() -> None:
    sample = np.arange(200.0)
    assert value_at_risk(sample, 0.95).warning == ""
    words = "200 crashes are too few for 99 %: 2 lie beyond, it takes 1,000"
    assert value_at_risk(sample, 0.99).warning == expected_shortfall(sample, 0.99).warning == words
    assert value_at_risk(np.arange(1_000.0), 0.99).warning == ""
    assert f"takes {BEYOND * 1_000:,}" in value_at_risk(sample, 0.999).warning


def test_no_runs_and_one_run_have_no_interval() -> None:
    nothing = mean([])
    assert math.isnan(nothing.value) and nothing.n == 0 and nothing.warning == "no runs"
    one = quantile([4.0], 0.9)
    assert one.value == 4.0 and math.isnan(one.low) and "one crash" in one.warning
    assert math.isnan(mean([1.0, 2.0], [5, 5]).high)


def test_what_never_varies_is_certain_as_far_as_it_goes() -> None:
    assert mean([2.0] * 50) == Estimate(2.0, 2.0, 2.0, 50)
    assert expected_shortfall([0.0] * 300, 0.95) == Estimate(0.0, 0.0, 0.0, 300)


@pytest.mark.parametrize("wrong", [0.0, 1.0, -0.1, 1.5])
def test_a_level_outside_of_0_and_1_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        value_at_risk([1.0, 2.0], wrong)


def test_figures_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="not a number"):
        mean([1.0, math.nan])


# quantiles


def test_a_quantile_may_be_infinite() -> None:
    sample = [*np.arange(1.0, 91.0), *[math.inf] * 10]
    found = quantile(sample, 0.85)
    assert found.value == 85.0 and found.low < 85.0 and found.high == math.inf
    assert quantile(sample, 0.95).value == math.inf
    assert quantile(sample, 0.5).high < math.inf


@settings(max_examples=30)
@given(LOSSES)
def test_a_quantile_rises_with_its_level(sample: list[float]) -> None:
    found = [quantile(sample, q).value for q in (0.1, 0.5, 0.9, 0.99)]
    assert found == sorted(found)


def test_the_exact_interval_is_two_runs_of_the_ordered_sample() -> None:
    # Binomial(100, 0.9): 84 to 95 hold the middle 95 %.
    assert order_statistics(np.arange(1.0, 101.0), 0.9) == (84.0, 96.0)
    assert order_statistics(np.arange(1.0, 101.0), 0.99)[1] == math.inf
    assert order_statistics([1.0, 2.0, 3.0], 0.01)[0] == -math.inf


def test_the_exact_interval_and_the_bootstrap_agree_on_a_large_sample() -> None:
    sample = np.random.default_rng(2).exponential(size=2_000)
    low, high = order_statistics(sample, 0.9)
    found = quantile(sample, 0.9)
    assert (found.low, found.high) == pytest.approx((low, high), rel=0.05)


# bands


def test_bands_are_the_intervals_of_many_figures() -> None:
    sample = np.random.default_rng(5).exponential(size=300)
    figures = np.stack([sample, 2 * sample])
    low, high = bands(300, lambda drawn: figures[:, drawn].mean(-1))
    found = statistics.interval(300, lambda drawn: sample[drawn].mean(-1))
    assert (low[0], high[0]) == pytest.approx(found)
    assert (low[1], high[1]) == pytest.approx((2 * low[0], 2 * high[0]))


def test_a_figure_that_no_run_knows_is_no_reason_to_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        unknown = quantile(np.full(6, np.inf), 0.99)
        some = quantile(np.array([1.0, 2.0, np.inf, 4.0]), 0.5)
    assert unknown.value == unknown.low == unknown.high == np.inf
    assert some.value == 2.0 and some.high == np.inf
