"""Figures of many runs with their uncertainty.

Every interval is a bootstrap (scipy.stats.bootstrap, seeded) unless the docstring says otherwise: BCa (Efron
1987, Better bootstrap confidence intervals) where that can be afforded and is defined, else percentiles. What
is drawn again are whole crashes: runs on the same seed saw the same prices and the same crowd, so runs of
several points that share seeds are drawn together (`seeds`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
#: of an array (draws, crashes) of numbers of crashes: a figure of each draw
Statistic = Callable[[Rows], Floats]

LEVEL = 0.95
#: draws of a bootstrap, and of one of more than `_BCA` runs
RESAMPLES, RESAMPLES_OF_MANY = 2_000, 1_000
#: runs that have to lie beyond a quantile before it can be trusted
BEYOND = 10
#: fewer crashes, or events, than this are few: a bootstrap of them is too narrow
FEW = 10
# Beyond that many crashes BCa costs much and differs little.
_BCA = 1_000
_SEED = 6
# Numbers held at a time while drawing.
_HELD = 4_000_000


@dataclass(frozen=True)
class Estimate:
    """A figure, the interval that holds its true value with probability `level`, and the number of runs that
    it is from. `warning`: why not to trust it, in words. Not a number where there is no run, or one only."""

    value: float
    low: float
    high: float
    n: int
    level: float = LEVEL
    warning: str = ""


def mean(sample: npt.ArrayLike, seeds: npt.ArrayLike | None = None, level: float = LEVEL) -> Estimate:
    """The mean of a figure over runs."""
    crashes = _Crashes(sample, seeds)
    if crashes.n == 0:
        return _nothing(level)
    sums, counts = crashes.total(crashes.sample), crashes.sizes

    def statistic(drawn: Rows) -> Floats:
        return cast(Floats, sums[drawn].sum(-1) / counts[drawn].sum(-1))

    return crashes.estimate(float(crashes.sample.mean()), statistic, level, bca=True)


def probability(events: npt.ArrayLike, seeds: npt.ArrayLike | None = None, level: float = LEVEL) -> Estimate:
    """The share of runs in which something happened.

    With fewer than ten runs in which it did, or did not, the interval is Wilson's (1927) for the number of
    crashes instead.
    """
    sample = np.asarray(events, dtype=float)
    found = mean(sample, seeds, level)
    happened = int(sample.sum())
    if found.n == 0 or min(happened, found.n - happened) >= FEW:
        return found
    low, high = wilson(found.value, _Crashes(sample, seeds).count, level)
    return replace(found, low=low, high=high, warning=_few(happened, found.n))


def _few(happened: int, runs: int) -> str:
    if not happened:
        return f"none of {runs:,} runs"
    if happened == runs:
        return f"all {runs:,} runs"
    if happened < FEW:
        return f"only {happened} of {runs:,} runs"
    return f"all but {runs - happened} of {runs:,} runs"


def wilson(share: float, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's interval for a share that was observed in `n` independent trials."""
    from scipy.stats import norm

    z = float(norm.ppf((1 + level) / 2))
    middle = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = (middle - spread) / (1 + z * z / n), (middle + spread) / (1 + z * z / n)
    # Both hold the share; rounding may not.
    return max(min(low, share), 0.0), min(max(high, share), 1.0)


def quantile(
    sample: npt.ArrayLike, q: float, seeds: npt.ArrayLike | None = None, level: float = LEVEL
) -> Estimate:
    """The least figure that at least a share `q` (above 0, below 1) of the runs does not exceed. Figures may
    be infinite: the bootstrap draws places in the order of the runs, not figures."""
    crashes = _Crashes(sample, seeds)
    if crashes.n == 0:
        return _nothing(level)
    tail = _Tail(crashes, q)
    places = crashes.estimate(float(tail.place(crashes.all)[0]), tail.place, level, bca=False)
    if math.isnan(places.low):
        return replace(places, value=float(tail.figures[int(places.value)]))
    return replace(
        places,
        value=float(tail.figures[int(places.value)]),
        low=float(tail.figures[math.ceil(places.high)]),
        high=float(tail.figures[math.floor(places.low)]),
    )


def median(sample: npt.ArrayLike, seeds: npt.ArrayLike | None = None, level: float = LEVEL) -> Estimate:
    """The figure of the run in the middle. Where no two runs share a crash the interval is exact, by
    `order_statistics`."""
    crashes = _Crashes(sample, seeds)
    if crashes.n < 2 or crashes.count < crashes.n:
        return quantile(sample, 0.5, seeds, level)
    value = float(np.quantile(crashes.sample, 0.5, method="inverted_cdf"))
    low, high = order_statistics(crashes.sample, 0.5, level)
    words = "" if math.isfinite(high - low) else f"only {crashes.n} crashes"
    return Estimate(value, low, high, crashes.n, level, words)


def value_at_risk(
    sample: npt.ArrayLike, q: float, seeds: npt.ArrayLike | None = None, level: float = LEVEL
) -> Estimate:
    """The loss that a share `q` of the runs does not exceed: `quantile` of losses, with a warning where the
    sample is too small for the level."""
    return _warned(quantile(sample, q, seeds, level), q, _Crashes(sample, seeds).count)


def expected_shortfall(
    sample: npt.ArrayLike, q: float, seeds: npt.ArrayLike | None = None, level: float = LEVEL
) -> Estimate:
    """The mean of the worst share 1 - `q` of losses, the last run of them counted in part (Acerbi and Tasche
    2002, On the coherence of expected shortfall): never below the value at risk."""
    crashes = _Crashes(sample, seeds)
    if crashes.n == 0:
        return _nothing(level)
    tail = _Tail(crashes, q)
    found = crashes.estimate(float(tail.mean(crashes.all)[0]), tail.mean, level, bca=True)
    return _warned(found, q, crashes.count)


def order_statistics(sample: npt.ArrayLike, q: float, level: float = LEVEL) -> tuple[float, float]:
    """An interval for the quantile `q` of independent runs that is exact for any distribution: two runs of
    the ordered sample, whose numbers are quantiles of the binomial distribution of how many lie below (David
    and Nagaraja 2003, Order Statistics, 7.1). Infinite where the sample does not reach so far."""
    from scipy.stats import binom

    ordered = np.sort(np.asarray(sample, dtype=float))
    low, high = binom.ppf([(1 - level) / 2, (1 + level) / 2], ordered.size, q).astype(int)
    return (
        float(ordered[low - 1]) if low >= 1 else -math.inf,
        float(ordered[high]) if high < ordered.size else math.inf,
    )


def _warned(found: Estimate, q: float, crashes: int) -> Estimate:
    beyond = crashes * (1 - q)
    # As many as it takes may leave a hair less.
    if beyond > BEYOND - 1e-6:
        return found
    takes = math.ceil(BEYOND / (1 - q) - 1e-6)
    words = f"{crashes:,} crashes are too few for {100 * q:g} %: {beyond:.2g} lie beyond, it takes {takes:,}"
    return replace(found, warning=words)


def _nothing(level: float) -> Estimate:
    return Estimate(math.nan, math.nan, math.nan, 0, level, "no runs")


def times(drawn: Rows, count: int) -> Floats:
    """How often each of `count` crashes was drawn; a row a draw."""
    rows = drawn.shape[0]
    flat = drawn + count * np.arange(rows)[:, None]
    found = np.bincount(flat.ravel(), minlength=rows * count)
    return cast(Floats, found.reshape(rows, count).astype(float))


class _Crashes:
    """A sample, grouped by crash. `count` crashes with numbers from 0; `of` is the crash of each run."""

    def __init__(self, sample: npt.ArrayLike, seeds: npt.ArrayLike | None) -> None:
        self.sample: Floats = np.asarray(sample, dtype=float).ravel()
        self.n = self.sample.size
        if np.isnan(self.sample).any():
            raise ValueError("a figure is not a number")
        if seeds is None:
            self.of: Rows = np.arange(self.n)
            self.count = self.n
        else:
            found, of = np.unique(np.asarray(seeds), return_inverse=True)
            self.of, self.count = of.astype(np.intp), found.size
        self.sizes = np.bincount(self.of, minlength=self.count).astype(float)

    @property
    def all(self) -> Rows:
        """The draw that takes every crash once."""
        return np.arange(self.count)[None, :]

    def total(self, figures: Floats) -> Floats:
        """The sum of each crash."""
        return cast(Floats, np.bincount(self.of, weights=figures, minlength=self.count))

    def estimate(self, value: float, statistic: Statistic, level: float, bca: bool) -> Estimate:
        """A figure with the interval that drawing crashes again gives it."""
        if self.count < 2:
            return Estimate(value, math.nan, math.nan, self.n, level, "one crash says nothing of others")
        words = f"only {self.count} crashes" if self.count < FEW else ""
        if (self.sample == self.sample[0]).all():
            return Estimate(value, value, value, self.n, level, words)
        low, high = interval(self.count, statistic, level, bca, self.n)
        return Estimate(value, min(low, value), max(high, value), self.n, level, words)


def interval(
    count: int, statistic: Statistic, level: float = LEVEL, bca: bool = False, runs: int = 0
) -> tuple[float, float]:
    """The bootstrap interval of a figure of `count` independent things, which `statistic` is told by number;
    `runs` of them all."""
    if bca and count <= _BCA:
        with warnings.catch_warnings():
            # Where it is not defined it says so and gives what is not a number.
            warnings.simplefilter("ignore")
            low, high = _drawn(count, statistic, level, "BCa", runs)
        if math.isfinite(float(low)) and math.isfinite(float(high)):
            return float(low), float(high)
    low, high = _drawn(count, statistic, level, "percentile", runs)
    return float(low), float(high)


def bands(count: int, statistic: Statistic, level: float = LEVEL) -> tuple[Floats, Floats]:
    """As `interval`, by percentiles, for many figures at once: `statistic` gives (figures, draws)."""
    return _drawn(count, statistic, level, "percentile")


def mean_bands(
    figures: npt.ArrayLike, seeds: npt.ArrayLike | None = None, level: float = LEVEL
) -> tuple[Floats, Floats, Floats]:
    """Means over runs of many figures (figures, runs) at once, and both ends of their intervals, by
    percentiles. Not numbers with fewer than two crashes."""
    matrix = np.asarray(figures, dtype=float)
    crashes = _Crashes(matrix[0], seeds)
    means = matrix.mean(axis=1) if crashes.n else np.full(len(matrix), math.nan)
    if crashes.count < 2:
        return means, np.full_like(means, math.nan), np.full_like(means, math.nan)
    sums = np.stack([crashes.total(figure) for figure in matrix])

    def statistic(drawn: Rows) -> Floats:
        often = times(drawn, crashes.count)
        return cast(Floats, (often @ sums.T / (often @ crashes.sizes)[:, None]).T)

    low, high = bands(crashes.count, statistic, level)
    return means, np.minimum(low, means), np.maximum(high, means)


def _drawn(
    count: int, statistic: Statistic, level: float, method: str, runs: int = 0
) -> tuple[Floats, Floats]:
    from scipy.stats import bootstrap

    many = max(count, runs)

    def of_rows(drawn: Floats, axis: int) -> Floats:
        rows = np.atleast_2d(drawn).astype(np.intp)
        found = statistic(rows)
        return found if drawn.ndim > 1 else found[..., 0]

    found = bootstrap(
        (np.arange(count),),
        of_rows,
        vectorized=True,
        method=method,
        n_resamples=RESAMPLES if many <= _BCA else RESAMPLES_OF_MANY,
        batch=max(1, _HELD // many),
        confidence_level=level,
        rng=np.random.default_rng(_SEED),
    ).confidence_interval
    return found.low, found.high


class _Tail:
    """The upper end of a sample: quantiles and the mean beyond them, of draws of crashes. `figures` fall."""

    def __init__(self, crashes: _Crashes, q: float) -> None:
        if not 0 < q < 1:
            raise ValueError(f"a level of {q} is not between 0 and 1")
        order = np.argsort(-crashes.sample, kind="stable")
        self.figures: Floats = crashes.sample[order]
        self._crashes, self._share = crashes, 1 - q
        self._of = crashes.of[order]
        # Draws reach further down than the sample does, but hardly ever further than this.
        expected = self._share * crashes.n
        per_crash = crashes.n / crashes.count
        self._near = min(crashes.n, int(2 * expected + 10 * per_crash * math.sqrt(expected + 1)) + 10)

    def place(self, drawn: Rows) -> Floats:
        """Where among `figures` the quantile is."""
        weights, wanted = self._weights(drawn)
        beyond = np.floor(wanted + 1e-9)[:, None]
        return cast(Floats, (np.cumsum(weights, axis=1) > beyond).argmax(axis=1).astype(float))

    def mean(self, drawn: Rows) -> Floats:
        """The mean beyond it."""
        weights, wanted = self._weights(drawn)
        reached = np.cumsum(weights, axis=1)
        taken = np.minimum(weights, np.maximum(wanted[:, None] - (reached - weights), 0.0))
        return cast(Floats, taken @ self.figures[: weights.shape[1]] / wanted)

    def _weights(self, drawn: Rows) -> tuple[Floats, Floats]:
        """How often each run was drawn, down to where the tail ends at least; how many the tail is."""
        often = times(drawn, self._crashes.count)
        wanted = self._share * (often @ self._crashes.sizes)
        weights = often[:, self._of[: self._near]]
        if (weights.sum(axis=1) < wanted + 1).any():
            weights = often[:, self._of]
        return weights, wanted
