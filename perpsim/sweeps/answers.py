"""What the runs of a sweep say: how likely it is that winners pay, and how much is lost before the fund pays.

All rows that are asked about are one sample. Where it has several points, crashes are drawn again as wholes,
with all the points that ran on their seed. Rows whose run failed or broke an invariant have no figures that
count: they are left out, counted and named, and the chance of deleveraging is also given as if all of them
had ended in one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from perpsim.errors import UserError
from perpsim.sweeps import statistics
from perpsim.sweeps.model import Scalar
from perpsim.sweeps.statistics import Estimate

VARY = "vary."
#: levels of value at risk and expected shortfall
LEVELS = (0.95, 0.99, 0.999)
#: the deficit before the fund: what is lost beyond margins, whoever bears it
DEFICIT = "shortfall.total"
#: what winners lose by deleveraging
HAIRCUT = "shortfall.adl"
#: a fund is depleted when less than this share of it is left
DEPLETED = 0.01
#: figures whose mean and median are given
MAIN = (
    DEFICIT,
    "shortfall.paid_by_fund",
    HAIRCUT,
    "shortfall.socialised",
    "fund.max_drawdown",
    "fund.need",
    "fund.cover2",
    "liquidations.count",
    "liquidations.notional",
    "adl.count",
    "adl.accounts",
    "keepers.profit",
    "keepers.underwater_worst",
    "markets.0.fall",
)


@dataclass(frozen=True)
class Failures:
    """Runs that are not counted: why, and how many of each; most first."""

    count: int
    reasons: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Answers:
    """Of a set of runs. Losses in quote units.

    `adl`, `socialised`, `depleted`: in how many winners were deleveraged, losses were charged to everybody,
    less than 1 % of the fund was left. `adl_at_worst`: the share had all failed runs been deleveraged, too.
    `value_at_risk` and `expected_shortfall` of the deficit before the fund, by level. `haircut` of winners
    in all runs, `haircut_when_adl` in those with deleveraging. `means` and `medians` of the main figures.
    """

    runs: int
    crashes: int
    failures: Failures
    adl: Estimate
    adl_at_worst: float
    socialised: Estimate
    depleted: Estimate
    value_at_risk: dict[float, Estimate]
    expected_shortfall: dict[float, Estimate]
    haircut: Estimate
    haircut_when_adl: Estimate
    means: dict[str, Estimate]
    medians: dict[str, Estimate]


@dataclass(frozen=True)
class PointAnswers:
    """Of the runs of one point; `values` of what varies, by label."""

    point: int
    values: dict[str, Scalar]
    answers: Answers


def answers(frame: pl.DataFrame, level: float = statistics.LEVEL) -> Answers:
    """What the rows of a sweep's frame say, taken together."""
    ok, failures = counted(frame)
    seeds = seeds_of(ok)

    def event(rows: pl.Expr) -> Estimate:
        return statistics.probability(ok.select(rows.cast(pl.Float64)).to_series(), seeds, level)

    has_adl = pl.col("adl.count") > 0
    happened = ok.filter(has_adl)
    deficit = column(ok, DEFICIT)
    figures = {name: ok.drop_nulls(name) for name in MAIN}
    return Answers(
        runs=frame.height,
        crashes=ok["seed"].n_unique(),
        failures=failures,
        adl=event(has_adl),
        adl_at_worst=(happened.height + failures.count) / frame.height if frame.height else float("nan"),
        socialised=event(pl.col("shortfall.socialised") > 0),
        depleted=event(pl.col("fund.min") <= DEPLETED * pl.col("fund.start")),
        value_at_risk={q: statistics.value_at_risk(deficit, q, seeds, level) for q in LEVELS},
        expected_shortfall={q: statistics.expected_shortfall(deficit, q, seeds, level) for q in LEVELS},
        haircut=statistics.mean(column(ok, HAIRCUT), seeds, level),
        haircut_when_adl=statistics.mean(column(happened, HAIRCUT), seeds_of(happened), level),
        means={
            name: statistics.mean(column(rows, name), seeds_of(rows), level) for name, rows in figures.items()
        },
        medians={
            name: statistics.median(column(rows, name), seeds_of(rows), level)
            for name, rows in figures.items()
        },
    )


def by_point(frame: pl.DataFrame, level: float = statistics.LEVEL) -> Iterator[PointAnswers]:
    """The same of each point by itself, in their order."""
    for rows in frame.sort("point", "seed").partition_by("point", maintain_order=True):
        yield PointAnswers(rows["point"][0], values_of(rows), answers(rows, level))


def paired(frame: pl.DataFrame, figure: str, first: int, second: int) -> Estimate:
    """By how much the figure of point `first` is larger than that of `second` on the same crash, on average.
    Only crashes that both have count."""
    ok = counted(frame)[0].drop_nulls(figure)
    one, other = (ok.filter(pl.col("point") == point).select("seed", figure) for point in (first, second))
    both = one.join(other, on="seed", suffix=".other").sort("seed")
    return statistics.difference(column(both, figure), column(both, f"{figure}.other"))


# what others need of a frame, too


def counted(frame: pl.DataFrame) -> tuple[pl.DataFrame, Failures]:
    """The rows whose figures count, and what became of the others."""
    good = pl.col("status") == "ok"
    failed = frame.filter(~good)
    reasons = (
        failed.group_by(pl.col("reason").fill_null(""))
        .len("runs")
        .sort("runs", "reason", descending=[True, False])
    )
    return frame.filter(good), Failures(failed.height, tuple(reasons.iter_rows()))


def seeds_of(rows: pl.DataFrame) -> npt.NDArray[np.int64] | None:
    """Seeds, where runs share them; else None: each run is a crash of its own."""
    seeds = rows["seed"]
    return seeds.to_numpy() if seeds.n_unique() < rows.height else None


def column(rows: pl.DataFrame, name: str) -> npt.NDArray[np.float64]:
    """The numbers of a figure."""
    if name not in rows.columns:
        raise UserError(f"figure {name}: the runs do not have it")
    return rows[name].cast(pl.Float64).to_numpy()


def labels_of(frame: pl.DataFrame) -> list[str]:
    """What varies."""
    return [name.removeprefix(VARY) for name in frame.columns if name.startswith(VARY)]


def values_of(rows: pl.DataFrame) -> dict[str, Scalar]:
    """The values of the first row, by label."""
    return {label: rows[f"{VARY}{label}"][0] for label in labels_of(rows)}
