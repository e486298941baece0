"""What the runs of a sweep say: how likely it is that winners pay, and how much is lost before the fund pays.

All rows that are asked about are one sample. Where it has several points, crashes are drawn again as wholes,
with all the points that ran on their seed. Rows whose run failed or broke an invariant have no figures that
count: they are left out, counted and named, and the chance of deleveraging is also given as if all of them
had ended in one.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from perpsim.sweeps import statistics
from perpsim.sweeps.cases import Failures, column, counted, seeds_of
from perpsim.sweeps.statistics import Estimate

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
