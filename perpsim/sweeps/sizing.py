"""How large the fund must be so that winners are deleveraged in no more than a share p of the crashes.

Two ways, independent of each other where the fund varies:

- from what each crash needs: the least F with P(need > F) <= p, the quantile 1 - p of the needs;
- from runs with funds of several sizes: the smallest of these with which at most p of the runs deleveraged.

And three sizes that rules of thumb give:

- newsvendor: the F that minimises r * F + c * kappa * E[(need - F)+] a year, for r the cost of capital (of a
  unit for a year), kappa the cost of a unit of loss that the fund does not cover, c crashes like these a
  year, the fund filled up again after each: P(need > F) = r / (c * kappa), so the value at risk of the need
  at level 1 - r / (c * kappa) (Arrow, Harris and Marschak 1951, Optimal inventory policy);
- Cover-2: what the two accounts that a stress hits worst lose beyond their margin (`fund.cover2`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from perpsim.errors import UserError
from perpsim.sweeps import statistics
from perpsim.sweeps.answers import HAIRCUT
from perpsim.sweeps.cases import VARY, Failures, cases, chosen, column, counted, labels_of, seeds_of
from perpsim.sweeps.model import Scalar, Sweep
from perpsim.sweeps.needs import Needs, fund_label
from perpsim.sweeps.statistics import BEYOND, LEVEL, Estimate

Floats = npt.NDArray[np.float64]

#: points of a curve, and funds tried beyond which they are put together in so many groups
CURVE, BINS = 40, 10
_MANY_FUNDS = 30
#: what to know of sizes by need where the fund takes stakes
STAKERS = "a guess, since stakers come and go as the fund fares: trust funds that were tried"


@dataclass(frozen=True)
class Terms:
    """`capital` costs that share of itself a year, a unit of loss not covered `shortfall`; crashes a year."""

    capital: float = 0.1
    shortfall: float = 5.0
    crashes: float = 1.0

    def __post_init__(self) -> None:
        for words, cost in (
            ("cost-of-capital", self.capital),
            ("cost-of-shortfall", self.shortfall),
            ("crashes-a-year", self.crashes),
        ):
            if not 0 < cost < math.inf:
                raise UserError(f"--{words} {cost:g}: has to be above 0")

    @property
    def share(self) -> float:
        """The share of crashes that is cheapest left uncovered; 1 and more: no fund pays."""
        return self.capital / (self.shortfall * self.crashes)


@dataclass(frozen=True)
class Size:
    """A fund. `fund` may be infinite: none is enough, or the runs do not tell. `exact`: an interval by order
    statistics, where crashes are independent. `words`: what to know of it, empty if nothing."""

    fund: Estimate
    exact: tuple[float, float] | None
    words: str = ""


@dataclass(frozen=True)
class CurvePoint:
    """With `fund`: the chance of deleveraging, and the loss per crash that it does not cover: by the needs,
    or (`is_measured`) what deleveraging took from winners in runs that had such a fund."""

    fund: float
    adl: Estimate
    loss: Estimate
    is_measured: bool


@dataclass(frozen=True)
class Check:
    """Runs with other funds than those that told the need: in how many the need foretold whether there would
    be a deleveraging."""

    runs: int
    right: int


@dataclass(frozen=True)
class Sizing:
    """Of the crashes that have `values` in common. `p` is the chance of deleveraging that is allowed.

    `needed`: size by what crashes need, `at_worst` the same had no fund been enough in any failed run.
    `observed`: the smallest fund tried with which at most `p` of the runs deleveraged; `sure`: with which the
    upper end of the interval is at most `p`. `hopeless`, `unknown`: shares of the crashes in which no fund is
    enough, or none that was tried. `curve` by needs, `tried` as measured, funds rising.
    """

    values: dict[str, Scalar]
    p: float
    crashes: int
    failures: Failures
    needed: Size
    at_worst: float
    tried: tuple[CurvePoint, ...]
    observed: float | None
    sure: float | None
    check: Check | None
    newsvendor: Size
    cover2: Estimate
    cover2_largest: float
    hopeless: float
    unknown: float
    curve: tuple[CurvePoint, ...]


def sizings(
    frame: pl.DataFrame,
    sweep: Sweep,
    p: float,
    where: Sequence[str] = (),
    terms: Terms = Terms(),
    with_stakers: bool = False,
) -> list[Sizing]:
    """A size for each combination of what else varies in steps; what varies without steps is taken together.

    :param frame: Rows of the sweep.
    :param p: The chance of deleveraging that is allowed, above 0 and below 1.
    :param where: Only the rows with these values, each as "LABEL=VALUE".
    :param with_stakers: Whether the fund of the scenario takes stakes.

    Raises `UserError` if `p` is no chance, or no rows are left.
    """
    if not 0 < p < 1:
        raise UserError(f"--p-adl {p:g}: a chance is above 0 and below 1")
    rows = chosen(frame, where)
    if not counted(rows)[0].height:
        among = f" with {', '.join(where)}" if where else ""
        raise UserError(f"sweep {sweep.name}: no run has finished{among}, so there is nothing to size by")
    fund = fund_label(sweep)
    return [
        sizing(part, values, fund, p, terms, with_stakers)
        for values, part in cases(rows, sweep, apart_from=fund)
        if counted(part)[0].height
    ]


def sizing(
    rows: pl.DataFrame,
    values: dict[str, Scalar],
    fund: str | None,
    p: float,
    terms: Terms,
    with_stakers: bool = False,
) -> Sizing:
    """The size by all `rows` together, which have `values`. `fund` is the label of its size, if it varies."""
    ok, failures = counted(rows)
    needs = Needs.of(ok, fund, with_stakers)
    seeds = seeds_of(needs.rows)
    tried = _tried(ok) if fund is not None else []
    stress = needs.rows.drop_nulls("fund.cover2")
    failed = np.full(_failed_crashes(rows, needs, fund), np.inf)
    return Sizing(
        values=values,
        p=p,
        crashes=needs.count,
        failures=failures,
        needed=size(needs, p),
        at_worst=float(np.quantile(np.concatenate([needs.need, failed]), 1 - p, method="inverted_cdf")),
        tried=tuple(tried),
        observed=next((point.fund for point in tried if point.adl.value <= p), None),
        sure=next((point.fund for point in tried if point.adl.high <= p), None),
        check=_check(ok, needs, fund) if fund is not None else None,
        newsvendor=newsvendor(needs, terms),
        cover2=statistics.mean(column(stress, "fund.cover2"), seeds_of(stress)),
        cover2_largest=max(stress["fund.cover2"].to_list(), default=math.nan),
        hopeless=float(needs.hopeless.mean()),
        unknown=float(needs.unknown.mean()),
        curve=tuple(_curve(needs, seeds)),
    )


def size(needs: Needs, p: float) -> Size:
    """The least fund that at most a share `p` of the crashes need more than."""
    seeds = seeds_of(needs.rows)
    found = statistics.quantile(needs.need, 1 - p, seeds)
    crashes = needs.count if seeds is None else np.unique(seeds).size
    if not found.warning and crashes * p < BEYOND - 1e-6:
        takes = math.ceil(BEYOND / p - 1e-6)
        words = f"{crashes:,} crashes are too few: {crashes * p:.2g} may deleverage, it takes {takes:,}"
        found = replace(found, warning=words)
    exact = statistics.order_statistics(needs.need, 1 - p) if seeds is None else None
    return Size(found, exact, _words(needs, found, p))


def newsvendor(needs: Needs, terms: Terms) -> Size:
    """The fund that costs least, with what it does not cover."""
    if terms.share < 1:
        return size(needs, terms.share)
    none = Estimate(0.0, 0.0, 0.0, needs.count)
    return Size(none, None, "capital costs more than all that a fund saves")


def _words(needs: Needs, found: Estimate, p: float) -> str:
    """Why there is no size, or what is behind it."""
    hopeless, unknown = float(needs.hopeless.mean()), float(needs.unknown.mean())
    told = (
        f"no fund reaches that: {100 * hopeless:.3g} % of the crashes deleverage although the fund has money "
        "(caps, cover slippage, timeouts)"
    )
    if hopeless > p:
        return told
    short = f"in {int(needs.unknown.sum()):,} of {needs.count:,} crashes no fund that was tried was enough"
    if math.isinf(found.value):
        return f"not known: {short}; run the sweep with a larger fund.initial"
    words = [STAKERS] if needs.with_stakers else []
    if unknown:
        words.append(f"{short}; they count as needing more than any")
    if hopeless:
        words.append(f"{100 * hopeless:.3g} % of the crashes deleverage with any fund")
    return "; ".join(words)


def _failed_crashes(rows: pl.DataFrame, needs: Needs, fund: str | None) -> int:
    """Crashes of which no run tells."""
    keys = [f"{VARY}{label}" for label in labels_of(rows) if label != fund]
    return rows.select(*keys, "seed").unique().height - needs.count


def _check(rows: pl.DataFrame, needs: Needs, fund: str) -> Check:
    """Whether what the largest fund of each crash says of the others is so."""
    keys = [f"{VARY}{label}" for label in labels_of(rows) if label != fund]
    told = needs.rows.select(*keys, "seed", told="key").with_columns(
        need=pl.Series(needs.need), unknown=pl.Series(needs.unknown)
    )
    both = rows.join(told, on=[*keys, "seed"]).filter((pl.col("key") != pl.col("told")) & ~pl.col("unknown"))
    right = (pl.col("need") > pl.col("fund.start")) == (pl.col("adl.count") > 0)
    return Check(both.height, int(both.select(right.sum()).item()))


# curves


def _tried(rows: pl.DataFrame) -> list[CurvePoint]:
    """What was measured with each fund; where they are many, with groups, called by their largest."""
    funds = rows["fund.start"]
    if funds.n_unique() > _MANY_FUNDS:
        funds = _largest(funds, (funds.rank("ordinal").cast(pl.Int64) - 1) * BINS // funds.len())
    rows = rows.with_columns(funds.alias("fund.tried"))
    points = []
    for part in rows.sort("fund.tried", "point", "seed").partition_by("fund.tried", maintain_order=True):
        seeds = seeds_of(part)
        points.append(
            CurvePoint(
                fund=part["fund.tried"][0],
                adl=statistics.probability(column(part, "adl.count") > 0, seeds),
                loss=statistics.mean(column(part, HAIRCUT), seeds),
                is_measured=True,
            )
        )
    return points


def _largest(funds: pl.Series, place: pl.Series) -> pl.Series:
    frame = pl.DataFrame({"fund": funds, "place": place})
    return frame.select(pl.col("fund").max().over("place")).to_series()


def _curve(needs: Needs, seeds: npt.NDArray[np.int64] | None) -> list[CurvePoint]:
    """From no fund to the largest need that is known: chances with Wilson's interval, and losses not covered
    of the crashes whose need is known."""
    finite = np.isfinite(needs.need)
    known = needs.need[finite]
    top = float(known.max()) if known.size else 0.0
    if top <= 0:
        return []
    funds = np.linspace(0.0, top, CURVE)
    crashes = needs.count if seeds is None else np.unique(seeds).size
    known_seeds = None if seeds is None else seeds[finite]
    means, low, high = statistics.mean_bands(np.maximum(known - funds[:, None], 0.0), known_seeds)
    points = []
    for place, fund in enumerate(funds.tolist()):
        share = float((needs.need > fund).mean())
        adl = Estimate(share, *statistics.wilson(share, crashes), needs.count)
        loss = Estimate(float(means[place]), float(low[place]), float(high[place]), known.size, LEVEL)
        points.append(CurvePoint(fund, adl, loss, is_measured=False))
    return points
