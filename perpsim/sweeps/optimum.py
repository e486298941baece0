"""What an optimisation has found: its trials, the best of them, and these once more on fresh seeds."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perpsim.sweeps.model import Scalar, Sweep
from perpsim.sweeps.objectives import Goal
from perpsim.sweeps.statistics import Estimate

RESULT = "optimisation.json"


@dataclass(frozen=True)
class Trial:
    """A point and what its runs have shown; a quantity that no run has is None.

    `violations` are above 0 where a constraint does not hold (see `Constraint.violation`). `stopped`: its
    constraints could not hold any more, the rest of its seeds was not run. `refused`: why it is no scenario,
    or none that the exchange takes; empty for others.
    """

    number: int
    values: dict[str, Scalar]
    objectives: tuple[Estimate | None, ...]
    constraints: tuple[Estimate | None, ...]
    violations: tuple[float, ...]
    runs: int
    failed: int
    stopped: bool = False
    refused: str = ""

    @property
    def feasible(self) -> bool:
        """All constraints hold, and there is a value of each objective."""
        if self.refused or self.stopped or None in self.objectives:
            return False
        return all(violation <= 0 for violation in self.violations)

    @property
    def violation(self) -> float:
        """All constraints together; 0 where they hold."""
        return sum(max(violation, 0.0) for violation in self.violations)

    @property
    def scores(self) -> list[float]:
        """The objectives' estimates; not a number where there is none."""
        return [math.nan if one is None else one.value for one in self.objectives]


@dataclass(frozen=True)
class Optimum:
    """`front`: numbers of the trials that no other beats, a single one for one objective; by the first
    objective. `fresh`: these trials run again, on seeds that did not choose them. `complete` is false for
    what was interrupted."""

    goal: Goal
    trials: list[Trial]
    front: list[int]
    fresh: dict[int, Trial] = field(default_factory=dict)
    complete: bool = True

    @property
    def nearest(self) -> Trial | None:
        """The trial that violates its constraints least, of those that could be run."""
        ran = [trial for trial in self.trials if not trial.refused]
        return min(ran, key=lambda trial: trial.violation, default=None)


def best_of(trials: Sequence[Trial], goal: Goal) -> list[int]:
    """Numbers of the feasible trials that no other feasible one dominates. Of equals the earliest."""
    feasible = [trial for trial in trials if trial.feasible]
    if len(goal.objectives) == 1:
        sign = -1 if goal.maximise[0] else 1
        best = min(feasible, key=lambda trial: sign * trial.scores[0], default=None)
        return [] if best is None else [best.number]
    front: dict[tuple[float, ...], Trial] = {}
    for trial in feasible:
        if not any(goal.dominates(other.scores, trial.scores) for other in feasible):
            front.setdefault(tuple(trial.scores), trial)
    return [trial.number for _, trial in sorted(front.items())]


def write_result(sweep: Sweep, optimum: Optimum, folder: Path) -> Path:
    """Write what was found as JSON: every trial with its estimates, the best, and these on fresh seeds."""
    assert sweep.optimise is not None
    table = {
        "sweep": sweep.name,
        "scenario": sweep.scenario,
        "optimise": sweep.optimise.model_dump(mode="json"),
        "front": optimum.front,
        "fresh": [_table(trial) for trial in optimum.fresh.values()],
        "trials": [_table(trial) for trial in optimum.trials],
    }
    path = folder / RESULT
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(_plain(table), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(beside, path)
    return path


def _plain(value: Any) -> Any:
    """The same without numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _table(trial: Trial) -> dict[str, object]:
    return dataclasses.asdict(trial) | {"feasible": trial.feasible}
