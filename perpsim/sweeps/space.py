"""The points that an optimisation tries: not laid down beforehand, but proposed one by one."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from perpsim.errors import UserError
from perpsim.scenarios.loading import scenario_table, set_key, validate
from perpsim.sweeps.design import Design
from perpsim.sweeps.model import Scalar, Sweep, Vary

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

#: significant digits of values from ranges: what is found is to be written down
DIGITS = 4


class Space(Design):
    """A design that begins without points. What varies says from where they may be drawn."""

    def __init__(self, sweep: Sweep) -> None:
        super().__init__(sweep)
        self.points = 0
        self._added: list[list[tuple[Scalar, Any]]] = []

    def distributions(self) -> dict[str, BaseDistribution]:
        """What a sampler draws from, by label. Of a list it draws the number of an entry."""
        return {vary.title: _distribution(vary) for vary in self.sweep.vary}

    def add(self, drawn: Mapping[str, Any]) -> int:
        """Add the point that a sampler has drawn, and say its number."""
        self._added.append([_taken(vary, drawn[vary.title]) for vary in self.sweep.vary])
        self.points = len(self._added)
        return self.points - 1

    def check(self) -> None:
        """Raises `UserError` where something that varies fits the scenario at none of its values. A range of
        which only a part fits is no mistake: trials beyond it are counted as refused."""
        base = scenario_table(self.sweep.scenario, self.sweep.set)
        for position, vary in enumerate(self.sweep.vary):
            _distribution(vary)
            faults = []
            values = [vary.at(0.0), vary.at(0.5), vary.at(1.0)] if vary.values is None else vary.values
            for value in values:
                table = copy.deepcopy(base)
                try:
                    for key in vary.key:
                        set_key(table, key, copy.deepcopy(value))
                    validate(table)
                except UserError as error:
                    faults.append(str(error))
            if len(faults) == len(values):
                raise UserError(f"vary.{position} ({vary.title}): no value of it is a scenario: {faults[0]}")

    def _chosen(self, point: int) -> list[tuple[Scalar, Any]]:
        return self._added[point]


def _distribution(vary: Vary) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if vary.values is not None:
        return CategoricalDistribution(tuple(range(len(vary.values))))
    assert vary.low is not None and vary.high is not None
    log = vary.scale == "log"
    if not vary.integer:
        return FloatDistribution(vary.low, vary.high, log=log)
    low, high = math.ceil(vary.low), math.floor(vary.high)
    if low > high:
        raise UserError(f"vary: {vary.title}: no whole number lies between {vary.low:g} and {vary.high:g}")
    return IntDistribution(low, high, log=log)


def _taken(vary: Vary, drawn: Any) -> tuple[Scalar, Any]:
    """What was drawn, as rows hold it and as the scenario takes it."""
    if vary.values is not None:
        return vary.shown(drawn), vary.values[drawn]
    if vary.integer:
        return float(drawn), int(drawn)
    assert vary.low is not None and vary.high is not None
    value = min(max(float(f"{drawn:.{DIGITS}g}"), vary.low), vary.high)
    return value, value
