"""Rows of a sweep as if they had been run, from a few figures that a test states."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import polars as pl

from perpsim.sweeps.figures import FIGURES
from perpsim.sweeps.model import Sweep
from perpsim.sweeps.store import schema

#: what a run has that says nothing of itself
CALM = {"fund.start": 1_000.0, "fund.min": 1_000.0, "fund.enough": 1.0, "fund.exhausted": 0.0}


def sweep_of(*vary: Mapping[str, Any], seeds: int = 4, **rest: Any) -> Sweep:
    """A sweep over smoke."""
    given = {"name": "t", "title": "t", "scenario": "smoke", "seeds": seeds, "vary": list(vary)}
    return Sweep.model_validate(given | rest)


def rows(sweep: Sweep, runs: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """A frame of runs, each with `point`, `seed`, its labels and the figures that are not those of calm."""
    names = {one.name for one in FIGURES}
    table = []
    for run in runs:
        row = dict.fromkeys(names, 0.0) | CALM | {"status": "ok", "reason": "", "point": 0}
        table.append(
            row | {f"vary.{key}" if key in labels(sweep) else key: value for key, value in run.items()}
        )
    for number, row in enumerate(table):
        row |= {"key": f"{number:064x}", "attempts": 1, "digest": "", "seconds": 1.0}
    return pl.DataFrame(table, schema=schema(sweep), orient="row")


def labels(sweep: Sweep) -> list[str]:
    return [one.title for one in sweep.vary]


def needs(seeds: int, seed: int = 1) -> list[float]:
    """What crashes need of a fund: some nothing, few very much."""
    drawn = np.random.default_rng(seed).lognormal(9, 1, seeds)
    return [float(need) if need > 4_000 else 0.0 for need in drawn]


def run_with(fund: float, need: float, /, **rest: Any) -> dict[str, Any]:
    """A crash that needs `need`, with such a fund: what is missing winners lose."""
    run: dict[str, Any] = {"fund.start": fund, "fund.need": need, "fund.cover2": need / 10, "fund.min": fund}
    if need > fund:
        run |= {"fund.enough": 0.0, "fund.exhausted": 1.0, "adl.count": 1.0, "shortfall.adl": need - fund}
    return run | {"shortfall.total": need} | rest


def in_spite_of_money(fund: float, /, **rest: Any) -> dict[str, Any]:
    """A crash that deleverages although the fund has money."""
    return run_with(fund, 0.0) | {"fund.enough": 0.0, "adl.count": 3.0, "shortfall.adl": 7.0} | rest
