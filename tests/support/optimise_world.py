"""Optimisations without an exchange: rows come from a formula."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from perpsim.sweeps.figures import FIGURES
from perpsim.sweeps.model import Sweep
from perpsim.sweeps.objectives import Row
from perpsim.sweeps.optimise import Search

Formula = Callable[[dict[str, Any], int], dict[str, float]]


def sweep_of(*vary: dict[str, Any], seeds: int = 20, **optimise: Any) -> Sweep:
    """A sweep of the smoke scenario that optimises something."""
    table = {
        "name": "made-up",
        "title": "Made up",
        "scenario": "smoke",
        "seeds": seeds,
        "first_seed": 1,
        "vary": list(vary),
        "optimise": optimise,
    }
    return Sweep.model_validate(table)


MARGIN = {"key": "markets.0.tiers.0.maintenance", "label": "margin", "low": 0.001, "high": 0.01}
FUND = {"key": "fund.initial", "label": "fund", "low": 1_000.0, "high": 100_000.0, "scale": "log"}
KEEPERS = {"key": "agents.keepers.2.lag_blocks", "label": "lag", "low": 0, "high": 9, "integer": True}
POLICY = {"key": "markets.0.adl", "label": "policy", "values": ["index", "queue-bitmex", "pro-rata"]}


def row_of(**figures: Any) -> dict[str, Any]:
    """A run's row; what is not given is 0."""
    given = {name.replace("__", "."): value for name, value in figures.items()}
    return {"status": "ok", "reason": ""} | {one.name: 0.0 for one in FIGURES} | given


class Formulas:
    """Evaluates by a formula of values and seed. `ahead` runs are out at a time and come back in any order.
    After `patience` runs it is interrupted. Rows that it has are not computed again."""

    def __init__(self, search: Search, formula: Formula, ahead: int = 1, patience: int = 10**9) -> None:
        self.search, self.formula = search, formula
        self.ahead, self.patience = ahead, patience
        self.rows: dict[tuple[Any, int], Row] = {}
        self.computed = 0
        self._random = random.Random(ahead)

    def __call__(self, wanted: Iterator[tuple[int, int]], note: Callable[[int, int, Row], None]) -> bool:
        out: list[tuple[int, int]] = []
        while True:
            while len(out) < self.ahead and (one := next(wanted, None)) is not None:
                out.append(one)
            if not out:
                return True
            point, seed = out.pop(self._random.randrange(len(out)))
            values = self.search.space.values(point)
            key = (tuple(values.values()), seed)
            if key not in self.rows:
                if self.computed == self.patience:
                    return False
                self.computed += 1
                self.rows[key] = row_of(**self.formula(values, seed))
            note(point, seed, self.rows[key])
