"""The expressions of `[optimise]`: what they read, what they compute, what they refuse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from support.optimise_world import FUND, MARGIN, POLICY, row_of, sweep_of

from perpsim.errors import UserError
from perpsim.sweeps.objectives import BEYOND, Constraint, Quantity, constraint, quantity

SWEEP = sweep_of(MARGIN, FUND, POLICY, minimise="margin")
ROWS = [row_of(shortfall__total=float(size), adl__count=float(size > 7)) for size in range(10)]


def read(text: str) -> Quantity:
    return quantity(text, SWEEP, "optimise.minimise")


def held(text: str, strict: bool = False) -> Constraint:
    return constraint(text, SWEEP, strict)


def violation(one: Constraint, sample: Any) -> float:
    return one.violation(np.array(sample), one.quantity.estimate(np.array(sample)))


def value(text: str, rows: list[dict[str, object]] = ROWS) -> float:
    one = read(text)
    estimate = one.estimate(one.sample(rows, {"margin": 0.005}))
    assert estimate is not None
    assert estimate.n == 1 or estimate.low <= estimate.value <= estimate.high
    return estimate.value


def test_statistics_of_figures_are_what_they_say() -> None:
    sizes = np.arange(10.0)
    assert value("mean(shortfall.total)") == 4.5
    assert 4 <= value("median(shortfall.total)") <= 5
    assert 8 <= value("p90(shortfall.total)") <= 9
    assert value("es80(shortfall.total)") >= np.quantile(sizes, 0.8)
    assert value("p(shortfall.total >= 4)") == 0.6
    assert value("p( shortfall.total < 4 )") == 0.4
    assert value("p(shortfall.total)") == 0.9
    assert value("p(adl)") == 0.2


def test_an_event_may_be_a_share_of_another_figure() -> None:
    rows = [row_of(fund__min=low, fund__start=1_000.0) for low in (0.0, 9.9, 10.1, 500.0)]
    assert value("p(depleted)", rows) == 0.5


def test_a_parameter_goes_by_its_label_or_its_key() -> None:
    assert value("margin") == value("markets.0.tiers.0.maintenance") == 0.005
    assert not read("margin").figures


def test_runs_without_the_figure_do_not_count() -> None:
    rows = [row_of(adl__first_after_seconds=None), row_of(adl__first_after_seconds=30.0)]
    assert value("mean(adl.first_after_seconds)", rows) == 30
    one = read("mean(adl.first_after_seconds)")
    assert one.estimate(one.sample(rows[:1], {})) is None
    lost = held("mean(adl.first_after_seconds) >= 10")
    assert violation(lost, np.zeros(0)) == BEYOND


@pytest.mark.parametrize(
    ("text", "op", "limit"),
    [
        ("p(adl) <= 0.01", "<=", 0.01),
        ("p(adl)<=1 %", "<=", 0.01),
        ("p(keepers.profit < -5) <= 5%", "<=", 0.05),
        ("mean(keepers.profit) >= -1_000.5", ">=", -1000.5),
        ("es99.9(shortfall.total) <= 1e6", "<=", 1e6),
    ],
)
def test_constraints_compare_with_a_number(text: str, op: str, limit: float) -> None:
    one = held(text)
    assert (one.op, one.limit) == (op, pytest.approx(limit))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("p(adl) < 0.01", "expected QUANTITY <= NUMBER or QUANTITY >= NUMBER"),
        ("p(adl) <= few", "expected QUANTITY <= NUMBER"),
        ("p(adl)", "expected QUANTITY <= NUMBER"),
        ("<= 5", "expected QUANTITY <= NUMBER"),
        ("p(adl) <= 5", "a probability lies between 0 and 1"),
        ("p(adl > 2) <= 0.1", "adl is an event, it has no size to compare"),
        ("p(adk.count) <= 0.1", r"'adk.count' is neither a figure nor an event.*did you mean adl.count"),
        ("mean(shortfal.total) <= 1", r"'shortfal.total' is no figure.*did you mean shortfall.total"),
        ("mean(shortfall.total > 3) <= 1", "only a probability takes a condition"),
        ("shortfall.total <= 1", r"which statistic of it\? such as mean\(shortfall.total\)"),
        ("p100(shortfall.total) <= 1", "100 is no percentile between 0 and 100"),
        ("p0(shortfall.total) <= 1", "0 is no percentile"),
        ("variance(shortfall.total) <= 1", "is neither mean.FIGURE."),
        ("margins <= 1", r"did you mean margin\?"),
        ("policy <= 1", "policy: its values are no numbers"),
        ("__import__('os') <= 1", "is neither mean"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        held(text)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("optimise.constraints: ")


def test_strictly_the_far_end_of_the_interval_must_hold() -> None:
    events = np.repeat([1.0, 0.0], [10, 90])
    for text in ("p(adl) <= 0.12", "p(adl) >= 0.08"):
        assert violation(held(text), events) <= 0
        assert violation(held(text, strict=True), events) > 0
    assert violation(held("p(adl) <= 0.3", strict=True), events) <= 0


def test_a_violation_grows_with_the_distance_and_has_no_unit() -> None:
    small, large = np.repeat([1.0, 0.0], [5, 95]), np.repeat([1.0, 0.0], [50, 50])
    one = held("p(adl) <= 0.01")
    assert 0 < violation(one, small) < violation(one, large)
    cents, euros = held("mean(shortfall.total) <= 100"), held("mean(shortfall.total) <= 1")
    assert violation(cents, np.array([300.0, 500.0])) == pytest.approx(violation(euros, np.array([3.0, 5.0])))
    assert violation(held("mean(keepers.profit) >= 0"), np.zeros(3)) == 0


@pytest.mark.parametrize(
    ("text", "hopeless", "open_"),
    [
        ("p(adl) <= 0.2", [1, 1, 1], [0, 1, 1]),
        ("p(adl) >= 0.9", [0, 0], [1, 0]),
        ("mean(shortfall.total) <= 10", [50.0, 60.0], [50.0, 50.0]),
        ("p90(shortfall.total) <= 10", [11.0, 12.0], [9.0, 11.0]),
        ("es90(shortfall.total) <= 10", [11.0, 12.0], [9.0, 11.0]),
        ("p5(fund.min) >= 10", [9.0, 8.0], [9.0, 11.0]),
        ("margin <= 0.004", [0.005], [0.003]),
    ],
)
def test_hopeless_is_what_no_completion_can_mend(
    text: str, hopeless: list[float], open_: list[float]
) -> None:
    one = held(text)
    assert one.hopeless(np.array(hopeless), 10)
    assert not one.hopeless(np.array(open_), 10)


@pytest.mark.parametrize(
    "text", ["mean(keepers.profit) <= 10", "mean(keepers.profit) >= 10", "es90(fund.min) >= 1"]
)
def test_nothing_is_hopeless_where_a_run_may_bring_anything(text: str) -> None:
    assert not held(text).hopeless(np.array([-1e9, 1e9, -1e9]), 10)


@pytest.mark.parametrize(
    "text", ["p(adl) <= 0.15", "mean(adl.count) <= 0.15", "p80(adl.count) <= 0", "p(adl) >= 0.5"]
)
@pytest.mark.parametrize("strict", [False, True])
def test_what_holds_in_the_end_was_never_hopeless(text: str, strict: bool) -> None:
    one, rng = held(text, strict), np.random.default_rng(3)
    found = set()
    for share in np.linspace(0, 1, 60):
        sample = (rng.random(60) < share).astype(float)
        if violation(one, sample) <= 0:
            assert not any(one.hopeless(sample[:count], 60) for count in range(61))
            found.add("held")
        elif any(one.hopeless(sample[:count], 60) for count in range(60)):
            found.add("hopeless")
    assert found == {"held", "hopeless"}


def test_too_few_seeds_for_a_strict_constraint_are_told_before_anything_runs() -> None:
    one = held("p(adl) <= 0.01", strict=True)
    with pytest.raises(
        UserError, match=r"cannot hold strictly: the interval of 50 runs .*it takes about \d+ seeds"
    ):
        one.check(50)
    one.check(1_000)
    held("p(adl) <= 0.01").check(50)
    with pytest.raises(UserError, match=r"wider than that$"):
        held("p(adl) <= 0", strict=True).check(1_000)


def test_a_bound_of_everything_is_always_within_reach() -> None:
    assert held("mean(keepers.profit) >= 0").quantity.at_best(np.zeros(0), 5, ">=") == math.inf
