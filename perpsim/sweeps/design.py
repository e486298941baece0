"""Which scenario each point of a sweep is: values of what varies, laid over the base."""

from __future__ import annotations

import copy
import math
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from perpsim.errors import UserError
from perpsim.scenarios import Scenario
from perpsim.scenarios.loading import Table, scenario_table, set_key, validate
from perpsim.sweeps.model import Scalar, Sweep, Vary

Floats = npt.NDArray[np.float64]


class Design:
    """The points of a sweep, numbered from 0, and the scenario of each.

    In a `saltelli` design of base n and d parameters, point i * (d + 2) is row i of matrix A, the next one
    that of B, and the d after it row i of A with one column each from B.
    """

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self._base = scenario_table(sweep.scenario, sweep.set)
        #: the base scenario, before anything varies
        self.base = validate(copy.deepcopy(self._base))
        self._first = self.base.seed if sweep.first_seed is None else sweep.first_seed
        if sweep.sample.kind == "grid":
            self.points = math.prod(_levels(vary) for vary in sweep.vary)
        else:
            each = len(sweep.vary) + 2 if sweep.sample.kind == "saltelli" else 1
            self.points = each * (sweep.sample.points or 0)

    @property
    def labels(self) -> list[str]:
        """What tables call the things that vary."""
        return [vary.title for vary in self.sweep.vary]

    @property
    def seeds(self) -> range:
        """The seeds that every point is run on."""
        return range(self._first, self._first + self.sweep.seeds)

    @property
    def runs(self) -> int:
        """All points on all seeds."""
        return self.points * self.sweep.seeds

    def values(self, point: int) -> dict[str, Scalar]:
        """The values of a point as rows hold them, by label."""
        return {vary.title: shown for vary, (shown, _) in zip(self.sweep.vary, self._chosen(point))}

    def overrides(self, point: int) -> list[tuple[str, Any]]:
        """The keys of a point and what they are set to."""
        chosen = zip(self.sweep.vary, self._chosen(point))
        return [(key, value) for vary, (_, value) in chosen for key in vary.key]

    def scenario(self, point: int, seed: int) -> Scenario:
        """The scenario of a point. Raises `UserError` if it is none, which names the keys of the point."""
        table = copy.deepcopy(self._base)
        overrides = self.overrides(point)
        try:
            _lay(table, overrides)
            table["seed"] = seed
            return validate(table)
        except UserError as error:
            told = ", ".join(f"{key} = {value!r}" for key, value in overrides)
            raise UserError(f"{error}" + (f" (with {told[:200]})" if told else "")) from None

    def check(self) -> None:
        """Try each value of what varies, the other keys as in the first point. Raises `UserError`."""
        first = self._chosen(0) if self.points else []
        for position, vary in enumerate(self.sweep.vary):
            for shown, value in _ends(vary):
                table = copy.deepcopy(self._base)
                others = [
                    (key, chosen[1])
                    for other, (one, chosen) in enumerate(zip(self.sweep.vary, first))
                    if other != position
                    for key in one.key
                ]
                try:
                    _lay(table, others + [(key, value) for key in vary.key])
                    validate(table)
                except UserError as error:
                    raise UserError(f"vary.{position} ({vary.title} = {shown}): {error}") from None

    def _chosen(self, point: int) -> list[tuple[Scalar, Any]]:
        """Of each thing that varies: its value at a point as rows hold it, and as the scenario takes it."""
        if not 0 <= point < self.points:
            raise IndexError(point)
        if self.sweep.sample.kind != "grid":
            return [_along(vary, share) for vary, share in zip(self.sweep.vary, self._shares[point].tolist())]
        chosen: list[tuple[Scalar, Any]] = []
        # The last one varies fastest.
        for vary in reversed(self.sweep.vary):
            point, level = divmod(point, _levels(vary))
            chosen.append(_level(vary, level))
        return chosen[::-1]

    @cached_property
    def _shares(self) -> Floats:
        """Where in [0, 1) each point lies along each thing that varies."""
        from scipy.stats import qmc

        sample, width = self.sweep.sample, len(self.sweep.vary)
        rng, count = np.random.default_rng(sample.seed), sample.points or 0
        if sample.kind == "random":
            return rng.random((count, width))
        if sample.kind == "latin-hypercube":
            drawn: Floats = qmc.LatinHypercube(width, rng=rng).random(count)
            return drawn
        if sample.kind == "sobol":
            drawn = qmc.Sobol(width, rng=rng).random(count)
            return drawn
        both = qmc.Sobol(2 * width, rng=rng).random(count)
        first, second = both[:, :width], both[:, width:]
        rows = np.empty((count, width + 2, width))
        rows[:, 0], rows[:, 1] = first, second
        for column in range(width):
            rows[:, 2 + column] = first
            rows[:, 2 + column, column] = second[:, column]
        return rows.reshape(-1, width)


def _levels(vary: Vary) -> int:
    return len(vary.values) if vary.values is not None else vary.points or 0


def _level(vary: Vary, level: int) -> tuple[Scalar, Any]:
    if vary.values is not None:
        return vary.shown(level), vary.values[level]
    value = vary.at(level / (_levels(vary) - 1))
    return float(value), value


def _along(vary: Vary, share: float) -> tuple[Scalar, Any]:
    if vary.values is not None:
        level = min(int(share * len(vary.values)), len(vary.values) - 1)
        return vary.shown(level), vary.values[level]
    value = vary.at(share)
    return float(value), value


def _ends(vary: Vary) -> list[tuple[Scalar, Any]]:
    if vary.values is not None:
        return [_level(vary, level) for level in range(len(vary.values))]
    return [_along(vary, 0.0), _along(vary, 1.0)]


def _lay(table: Table, overrides: list[tuple[str, Any]]) -> None:
    for key, value in overrides:
        set_key(table, key, copy.deepcopy(value))
