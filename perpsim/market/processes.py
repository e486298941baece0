"""The stochastic processes behind drawn paths: pure functions from random streams to returns a block.

Everything here keeps two promises that make paths reproducible: a shorter run sees the beginning of a longer
one (each quantity draws from a stream of its own, one block after the other), and nothing depends on other
markets. Time steps are given in years (365 days) or seconds, returns are logarithmic.
"""

from __future__ import annotations

from math import exp, log

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

#: seconds; these markets never close
YEAR = 365 * 86_400


def student(rng: np.random.Generator, normals: FloatArray, freedom: float) -> FloatArray:
    """`normals` scaled block by block to Student's t with `freedom` (> 2) degrees, of variance 1.

    Given the same stream, several markets have their wild blocks together (multivariate t): then the
    correlation of the normals is that of the result.
    """
    scaled: FloatArray = normals * np.sqrt((freedom - 2) / rng.chisquare(freedom, normals.size))
    return scaled


def heston_variance(
    normals: FloatArray, start: float, long_run: float, reversion: float, vol_of_vol: float, years: float
) -> FloatArray:
    """Variance (a year) at the beginning of each step of `years`, driven by standard `normals`.

    Full truncation (Lord, Koekkoek and van Dijk 2010): below zero, where the discrete process may go and the
    exact one cannot, the noise stops and the variance used is zero.
    """
    variance = np.empty(normals.size)
    pull, kick = reversion * years, vol_of_vol * years**0.5
    level = start
    for step, normal in enumerate(normals.tolist()):
        known = level if level > 0 else 0.0
        variance[step] = known
        level += pull * (long_run - known) + kick * known**0.5 * normal
    return variance


def jump_times(
    rng: np.random.Generator, rate: float, branching: float, half_life: float, horizon: float
) -> FloatArray:
    """Times (seconds, ascending, up to `horizon`) of a Hawkes process with an exponential kernel.

    `rate`: jumps a second on average, triggered ones included. `branching` (< 1; 0 is a Poisson process):
    jumps that one triggers, half of them within `half_life` seconds. The intensity begins at its average.
    Exact, after Dassios and Zhao (2013): the next jump is the earlier of one from the constant base and one
    from what is left of the excitement, which may not come at all.
    """
    base = rate * (1 - branching)
    decay = log(2) / half_life
    excess = rate - base
    now = 0.0
    times: list[float] = []
    while True:
        spontaneous, triggered = rng.standard_exponential(2).tolist()
        wait = spontaneous / base
        if excess > 0 and (rest := 1 - decay * triggered / excess) > 0:
            wait = min(wait, -log(rest) / decay)
        now += wait
        if now > horizon:
            return np.array(times)
        times.append(now)
        excess = excess * exp(-decay * wait) + branching * decay


def jump_returns(
    rng: np.random.Generator, times: FloatArray, mean: float, deviation: float, steps: int, seconds: float
) -> FloatArray:
    """Sum of the jumps within each of `steps` steps of `seconds`; a jump at the end of a step is in it."""
    sizes = mean + deviation * rng.standard_normal(times.size)
    owner = np.maximum(np.ceil(times / seconds).astype(np.int64) - 1, 0)
    returns: FloatArray = np.bincount(owner, weights=sizes, minlength=steps).astype(np.float64)
    return returns


def jump_growth(rate: float, mean: float, deviation: float) -> float:
    """Expected growth of the price by `rate` jumps a unit of time with normal logarithms."""
    return rate * (exp(mean + deviation**2 / 2) - 1)
