"""Scenarios that are about prices alone, and how far a measured figure may be from the true one."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

from perpsim.market.paths import sample_paths
from perpsim.scenarios import Scenario
from perpsim.scenarios.loading import validate

FloatArray = npt.NDArray[np.float64]

# Of a normal figure one in 15,000 is further off; seeds are fixed, so a test that passes keeps passing.
SIGMAS = 4.0


def scenario(*prices: dict[str, Any], blocks: int = 1_000, seconds: int = 12, **changes: Any) -> Scenario:
    """The small scenario with one market for each table of prices."""
    text = (resources.files("perpsim") / "scenarios" / "smoke.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    table["clock"].update(blocks=blocks, seconds_per_block=seconds)
    table["markets"] = [{**table["markets"][0], "symbol": f"M{number}"} for number in range(len(prices))]
    table["prices"] = list(prices)
    # Blocks may be longer than prices live.
    table["agents"]["oracle"] = {"lag_blocks": 0}
    return validate({**table, **changes})


def paths(*prices: dict[str, Any], **options: Any) -> FloatArray:
    """Prices of shape (markets, blocks)."""
    made = scenario(*prices, **options)
    return sample_paths(made, np.random.SeedSequence(made.seed))


def returns(*prices: dict[str, Any], **options: Any) -> FloatArray:
    """Logarithmic returns of shape (markets, blocks - 1)."""
    logs: FloatArray = np.diff(np.log(paths(*prices, **options)), axis=1)
    return logs


def runs(*prices: dict[str, Any], count: int, **options: Any) -> FloatArray:
    """Logarithmic returns of `count` runs, a seed each, of shape (runs, markets, blocks - 1)."""
    made = scenario(*prices, **options)
    drawn = [sample_paths(made, np.random.SeedSequence(seed)) for seed in range(count)]
    logs: FloatArray = np.diff(np.log(drawn), axis=2)
    return logs


def assert_mean(sample: FloatArray, expected: float, sigmas: float = SIGMAS) -> None:
    """The mean of independent figures is `expected`, by the central limit theorem."""
    error = float(sample.std() / np.sqrt(sample.size))
    assert abs(float(sample.mean()) - expected) < sigmas * error, (sample.mean(), expected, error)


def assert_mean_of_dependent(sample: FloatArray, expected: float, batch: int) -> None:
    """The same for figures that are independent only over more than `batch` places."""
    count = sample.size // batch
    assert_mean(sample[: count * batch].reshape(count, batch).mean(axis=1), expected)


def assert_distributed(sample: FloatArray, probability: FloatArray) -> None:
    """Kolmogorov and Smirnov: `probability`, the distribution function at the sorted `sample`, fits it.

    The limit is exceeded by one true sample in 1,000.
    """
    ranks = np.arange(1, sample.size + 1) / sample.size
    distance = max(float(np.max(ranks - probability)), float(np.max(probability - ranks + 1 / sample.size)))
    assert distance * np.sqrt(sample.size) < 1.95, distance
