"""What a sweep's rows say of deleveraging, depletion and the deficit before the fund."""

from __future__ import annotations

import time

import numpy as np
import polars as pl
import pytest
from crash_rows import rows, sweep_of

from perpsim.errors import UserError
from perpsim.sweeps.answers import LEVELS, MAIN, Answers, answers
from perpsim.sweeps.cases import cases, column
from perpsim.sweeps.figures import FIGURES

FUND = {"key": "fund.initial", "label": "fund", "values": [100, 200]}


SWEEP = sweep_of(FUND, seeds=20)


def crashes() -> pl.DataFrame:
    """Twenty crashes with two funds: the smaller one is short in eight, the larger one in three of these."""
    runs = []
    for point, (fund, short) in enumerate(((100.0, 8), (200.0, 3))):
        for seed in range(20):
            loss = 300.0 - 10 * seed
            run = {"point": point, "seed": seed, "fund": fund, "fund.start": fund, "shortfall.total": loss}
            if seed < short:
                run |= {"adl.count": 2.0, "shortfall.adl": loss - fund, "fund.min": 0.5}
            if seed == 0:
                run |= {"shortfall.socialised": 1.0}
            runs.append(run)
    return rows(SWEEP, runs)


def each(frame: pl.DataFrame) -> list[Answers]:
    """The answers of both funds."""
    return [answers(part) for _, part in cases(frame, SWEEP)]


def test_each_fund_has_its_own_answers() -> None:
    small, large = each(crashes())
    assert (small.adl.value, large.adl.value) == (0.4, 0.15)
    assert small.depleted.value == 0.4 and small.socialised.value == 0.05
    assert small.runs == small.crashes == small.adl.n == 20
    assert small.haircut_when_adl.value == pytest.approx(np.mean([200 - 10 * n for n in range(8)]))
    assert small.haircut.value == pytest.approx(0.4 * small.haircut_when_adl.value)
    # The deficit before the fund is the same with either.
    assert small.value_at_risk == large.value_at_risk
    assert small.value_at_risk[0.95].value == 290.0
    assert small.expected_shortfall[0.95].value == 300.0


def test_all_points_together_are_as_many_crashes_as_there_are_seeds() -> None:
    found = answers(crashes())
    assert (found.runs, found.crashes, found.adl.n) == (40, 20, 40)
    assert found.adl.value == pytest.approx((8 + 3) / 40)
    assert "20 crashes are too few" in found.value_at_risk[0.99].warning
    assert set(found.value_at_risk) == set(found.expected_shortfall) == set(LEVELS)
    assert set(found.means) == set(found.medians) == set(MAIN) <= {one.name for one in FIGURES}


def test_failed_runs_are_counted_and_named_and_bounded() -> None:
    broken = pl.col("seed").is_in([18, 19]) & (pl.col("point") == 1)
    frame = crashes().with_columns(
        status=pl.when(broken).then(pl.lit("failed")).otherwise("status"),
        reason=pl.when(broken).then(pl.lit("killed by signal 9")).otherwise("reason"),
        **{"adl.count": pl.when(broken).then(None).otherwise("adl.count")},
    )
    frame = frame.with_columns(
        status=pl.when(pl.col("seed") == 17).then(pl.lit("violation")).otherwise("status"),
        reason=pl.when(pl.col("seed") == 17).then(pl.lit("block 3: fund")).otherwise("reason"),
    )
    _, found = each(frame)
    assert found.failures.count == 3
    assert found.failures.reasons == (("killed by signal 9", 2), ("block 3: fund", 1))
    assert (found.runs, found.adl.n, found.adl.value) == (20, 17, 3 / 17)
    assert found.adl_at_worst == (3 + 3) / 20


def test_runs_that_all_failed_have_no_answers() -> None:
    found = answers(crashes().with_columns(status=pl.lit("failed")))
    assert found.adl.n == 0 and found.adl.warning == "no runs"
    assert found.adl_at_worst == 1.0 and found.failures.count == 40
    assert answers(crashes().clear()).runs == 0


def test_a_figure_that_some_runs_do_not_have_is_of_the_others() -> None:
    served = pl.when(pl.col("seed") < 5).then(None).otherwise(7.0).alias("keepers.underwater_worst")
    found = answers(crashes().with_columns(served))
    assert found.means["keepers.underwater_worst"].n == 30
    assert found.means["keepers.underwater_worst"].value == 7.0


def test_a_figure_that_there_is_not_is_named() -> None:
    with pytest.raises(UserError, match=r"figure adl\.pain: the runs do not have it"):
        column(crashes(), "adl.pain")


def test_ten_thousand_runs_are_answered_in_seconds() -> None:
    rng = np.random.default_rng(1)
    runs = [
        {
            "point": point,
            "seed": seed,
            "fund": 100.0 + 100 * point,
            "shortfall.total": loss,
            "adl.count": float(loss > 3),
        }
        for point in range(2)
        for seed, loss in enumerate(rng.lognormal(size=5_000))
    ]
    frame = rows(sweep_of(FUND, seeds=5_000), runs)
    began = time.perf_counter()
    answers(frame)
    assert time.perf_counter() - began < 15
