"""Which of the parameters that vary a figure hangs on.

Sobol indices (Sobol 1993; estimators of Saltelli et al. 2010, Variance based sensitivity analysis of model
output, as scipy.stats.sobol_indices has them) of the mean over the crashes of each point: `first` is the
share of its variance that a parameter explains by itself, `total` the share that is left when all others are
known: what it does alone and together with them. They need points drawn for them: `sample.kind` "saltelli".

Rank correlations for any sampling: Spearman's over all runs, and partial ones, with the other parameters and
the crash held fixed (Conover and Iman 1981, Rank transformations; Marino et al. 2008, A methodology for
performing global uncertainty and sensitivity analysis). Crashes are held fixed by ranks less the mean of
their crash, which common random numbers allow. A parameter whose values are words counts as a column of zeros
and ones a value; its correlation is the multiple one and has no sign.

Intervals are bootstraps: of base rows for Sobol indices, of crashes for correlations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from perpsim.sweeps import statistics
from perpsim.sweeps.answers import DEFICIT, HAIRCUT
from perpsim.sweeps.cases import VARY, column, counted, labels_of
from perpsim.sweeps.model import Sweep
from perpsim.sweeps.statistics import Estimate, Rows

Floats = npt.NDArray[np.float64]

#: whether there was a deleveraging, 1 or 0; its mean is P(ADL)
ADL = "adl"
#: what is looked at unless something else is asked for
FIGURES = (DEFICIT, ADL, HAIRCUT, "keepers.profit")
_NEEDS = 'Sobol indices need sample.kind = "saltelli" in the sweep; rank correlations say what matters here'


@dataclass(frozen=True)
class Index:
    """Sobol indices of a parameter."""

    label: str
    first: Estimate
    total: Estimate


@dataclass(frozen=True)
class Sobol:
    """Sobol indices of a figure, of `base` rows of the design; most important first. `words`: why there are
    none, or what to know of them."""

    figure: str
    indices: tuple[Index, ...]
    base: int
    words: str = ""


@dataclass(frozen=True)
class Weight:
    """How a figure goes with a parameter: `rank` over all runs (None for words), `part` with all else held
    fixed. -1 to 1 for numbers, 0 to 1 for words."""

    label: str
    rank: Estimate | None
    part: Estimate


def of_runs(rows: pl.DataFrame, figure: str) -> Floats:
    """A figure of each run; `ADL` is 1 where there was a deleveraging."""
    if figure == ADL:
        return np.asarray(column(rows, "adl.count") > 0, dtype=float)
    return column(rows, figure)


# Sobol indices


def sobol(frame: pl.DataFrame, sweep: Sweep, figure: str) -> Sobol:
    """Sobol indices of the mean of a figure over crashes."""
    if sweep.sample.kind != "saltelli":
        return Sobol(figure, (), 0, _NEEDS)
    labels, drawn = [one.title for one in sweep.vary], sweep.sample.points or 0
    table = _base_rows(frame, figure, len(labels) + 2)
    # The estimators want a power of 2.
    base = 2 ** int(math.log2(len(table))) if len(table) > 1 else 0
    words = f"{base:,} of {drawn:,} base rows, the others are not complete" if base < drawn else ""
    if not base:
        return Sobol(figure, (), 0, "not enough runs have finished")
    table = table[:base]
    if np.ptp(table) == 0:
        return Sobol(figure, (), base, "it is the same in all runs")

    def statistic(drawn: Rows) -> Floats:
        return np.stack([_indices(table[rows]) for rows in drawn], axis=1)

    values = _indices(table)
    low, high = statistics.bands(base, statistic)
    found = [
        Estimate(value, min(down, value), max(up, value), base)
        for value, down, up in zip(values.tolist(), low.tolist(), high.tolist())
    ]
    pairs = [Index(*one) for one in zip(labels, found[: len(labels)], found[len(labels) :])]
    return Sobol(figure, tuple(sorted(pairs, key=lambda one: -one.total.value)), base, words)


def _base_rows(frame: pl.DataFrame, figure: str, width: int) -> Floats:
    """Means over crashes, a row each base row with all of its points: A, B, then A with one column each of B.
    Only crashes that all of them have count."""
    rows, _ = counted(frame)
    rows = rows.select(
        base=pl.col("point") // width,
        place=pl.col("point") % width,
        seed="seed",
        value=pl.Series(of_runs(rows, figure)),
    ).filter(pl.col("value").is_not_nan())
    whole = rows.filter(pl.len().over("base", "seed") == width)
    means = whole.group_by("base", "place").agg(pl.col("value").sort_by("seed").mean()).sort("base", "place")
    return cast(Floats, means["value"].to_numpy().reshape(-1, width))


def _indices(table: Floats) -> Floats:
    """First-order indices, then total ones."""
    from scipy.stats import sobol_indices

    columns = table.T[:, None, :]
    parts = {"f_A": columns[0], "f_B": columns[1], "f_AB": columns[2:]}
    found = sobol_indices(func=parts, n=len(table))
    return np.concatenate([np.atleast_1d(found.first_order), np.atleast_1d(found.total_order)])


# rank correlations


def weights(frame: pl.DataFrame, figure: str) -> list[Weight]:
    """What matters most for a figure, the strongest first. Without parameters that vary, or where the figure
    never does, none."""
    rows, _ = counted(frame)
    values = of_runs(rows, figure)
    rows, values = rows.filter(~np.isnan(values)), values[~np.isnan(values)]
    labels = [label for label in labels_of(rows) if rows[f"{VARY}{label}"].n_unique() > 1]
    if not labels or np.ptp(values) == 0:
        return []
    sides = [_columns(rows[f"{VARY}{label}"]) for label in labels]
    figures, ends = [_ranks(pl.Series(values))], [0]
    for side in sides:
        figures += side
        ends.append(ends[-1] + len(side))
    crashes, crash = np.unique(rows["seed"].to_numpy(), return_inverse=True)
    matrix = np.stack(figures)
    blocks = [list(range(1 + low, 1 + high)) for low, high in pairwise(ends)]
    signed = [_is_numeric(rows, label) for label in labels]
    every = list(range(1, len(matrix)))
    alone = [_Case(block, [], sign) for block, sign in zip(blocks, signed)]
    others = [
        _Case(block, [row for row in every if row not in block], sign) for block, sign in zip(blocks, signed)
    ]
    within = np.stack([_within(row, crash) for row in matrix])
    over_all = _estimates(_Sums(matrix, crash, crashes.size), alone)
    in_part = _estimates(_Sums(within, crash, crashes.size), others)
    found = [
        Weight(label, one if sign else None, part)
        for label, sign, one, part in zip(labels, signed, over_all, in_part)
    ]
    return sorted(found, key=lambda one: -abs(one.part.value))


def _is_numeric(rows: pl.DataFrame, label: str) -> bool:
    return rows[f"{VARY}{label}"].dtype == pl.Float64


def _columns(values: pl.Series) -> list[Floats]:
    """A parameter as rows of numbers: its ranks, or for words one a value but for the first."""
    if values.dtype == pl.Float64:
        return [_ranks(values)]
    return [(values == word).to_numpy().astype(float) for word in values.unique().sort()[1:]]


def _ranks(values: pl.Series) -> Floats:
    return values.rank("average").to_numpy().astype(float)


def _within(row: Floats, crash: Rows) -> Floats:
    """Numbers less the mean of their crash; as they are where each crash ran once."""
    counts = np.bincount(crash)
    if counts.max() < 2:
        return row
    return cast(Floats, row - (np.bincount(crash, weights=row) / counts)[crash])


class _Case(NamedTuple):
    """A parameter's rows, those that are held fixed, and whether it has a sign."""

    block: list[int]
    fixed: list[int]
    signed: bool


class _Sums:
    """All that covariances of the rows of a matrix are made of, as sums of each crash. The first row is the
    figure."""

    def __init__(self, matrix: Floats, crash: Rows, crashes: int) -> None:
        self.crashes, self.width, self.n = crashes, len(matrix), matrix.shape[1]
        centred = matrix - matrix.mean(axis=1, keepdims=True)
        parts = [np.ones(self.n), *centred]
        parts += [one * other for one in centred for other in centred]
        self._sums = np.stack([np.bincount(crash, weights=part, minlength=crashes) for part in parts])

    def covariance(self, drawn: Rows) -> Floats:
        """Of all rows, of each draw of crashes."""
        total = statistics.times(drawn, self.crashes) @ self._sums.T
        means = total[:, 1 : self.width + 1] / total[:, :1]
        products = (total[:, self.width + 1 :] / total[:, :1]).reshape(-1, self.width, self.width)
        return cast(Floats, products - means[:, :, None] * means[:, None, :])

    def correlations(self, drawn: Rows, cases: Sequence[_Case]) -> Floats:
        """Of the figure with the block of each case: the root of the share that it explains of the variance
        that what is held fixed leaves."""
        covariance = self.covariance(drawn)
        found = np.zeros((len(cases), len(drawn)))
        for number, (block, fixed, signed) in enumerate(cases):
            without, _ = _left(covariance, fixed)
            left, slopes = _left(covariance, block + fixed)
            with np.errstate(divide="ignore", invalid="ignore"):
                share = np.where(without > 1e-12 * covariance[:, 0, 0], 1 - left / without, 0.0)
            found[number] = np.sqrt(np.clip(np.nan_to_num(share), 0, 1))
            if signed:
                found[number] *= np.sign(slopes[:, 0])
        return found


def _left(covariance: Floats, known: list[int]) -> tuple[Floats, Floats]:
    """The variance of the figure that rows do not explain linearly, and their slopes."""
    own, shared = covariance[:, 0, 0], covariance[:, 0, known]
    slopes = np.einsum(
        "rij,rj->ri", np.linalg.pinv(covariance[:, known][:, :, known], hermitian=True), shared
    )
    return own - (slopes * shared).sum(axis=1), slopes


def _estimates(sums: _Sums, cases: Sequence[_Case]) -> list[Estimate]:
    values = sums.correlations(np.arange(sums.crashes)[None, :], cases)[:, 0]
    if sums.crashes < 2:
        return [Estimate(float(one), math.nan, math.nan, sums.n, warning="only one crash") for one in values]
    low, high = statistics.bands(sums.crashes, lambda drawn: sums.correlations(drawn, cases))
    words = f"only {sums.crashes} crashes" if sums.crashes < statistics.FEW else ""
    return [
        Estimate(value, min(down, value), max(up, value), sums.n, warning=words)
        for value, down, up in zip(values.tolist(), low.tolist(), high.tolist())
    ]
