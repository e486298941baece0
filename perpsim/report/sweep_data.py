"""A sweep as the report sees it: its finished runs, gathered into cases that can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl
import polars.selectors as cs

from perpsim.report.data import Floats, lookup
from perpsim.report.sweep_words import setting
from perpsim.sweeps.cases import seeds_of
from perpsim.sweeps.needs import FUND_KEY

if TYPE_CHECKING:
    from perpsim.sweeps.design import Design
    from perpsim.sweeps.model import Sweep, Vary

#: a design with more points than this is looked at as a whole
MOST_CASES = 64
_DUST = 6  # decimal places


@dataclass(frozen=True)
class Case:
    """Runs that belong together: those of a point, or of all points."""

    name: str
    values: dict[str, float | str]
    rows: pl.DataFrame

    @property
    def crashes(self) -> int:
        """How many seeds they are from."""
        return int(self.rows["seed"].n_unique())

    def sample(self, figure: str) -> Floats:
        """The figure of each run that has it."""
        if figure not in self.rows.columns:
            return np.zeros(0)
        return self.rows[figure].drop_nulls().to_numpy().astype(np.float64)

    def sums(self, figure: str) -> Floats:
        """The same for an amount that is 0 where a run has none."""
        if figure not in self.rows.columns:
            return np.zeros(0)
        return self.rows[figure].fill_null(0.0).to_numpy().astype(np.float64)

    def seeds(self, figure: str | None = None) -> npt.NDArray[np.int64] | None:
        """The crash of each run (that has the figure), where several runs share one; else None."""
        rows = self.rows if figure is None else self.rows.drop_nulls(figure)
        return seeds_of(rows)


@dataclass(frozen=True)
class SweepData:
    """A sweep and the rows that are there."""

    sweep: Sweep
    frame: pl.DataFrame
    #: what sweep.json says: base, points, seeds, versions
    description: dict[str, Any] = field(default_factory=dict)
    #: None where the base scenario is not there any more
    design: Design | None = None

    @cached_property
    def done(self) -> pl.DataFrame:
        """The runs that came to their end, by point and seed."""
        done = self.frame.filter(pl.col("status") == "ok").sort("point", "seed")
        # sums of exact amounts leave a dust of floats: a figure of 1e-9 is none
        return done.with_columns(cs.float().round(_DUST) + 0.0)

    @cached_property
    def failed(self) -> pl.DataFrame:
        """The runs that did not."""
        return self.frame.filter(pl.col("status") != "ok").sort("point", "seed")

    @property
    def unit(self) -> str:
        """What amounts are counted in."""
        symbol = lookup(self.description, "base.collateral.symbol")
        return symbol if isinstance(symbol, str) and symbol else "USD"

    @property
    def points(self) -> int:
        """Points of the design."""
        return int(self.description.get("points") or self.frame["point"].n_unique())

    @property
    def planned(self) -> int:
        """Runs of the whole sweep."""
        return self.points * self.sweep.seeds

    @property
    def labels(self) -> list[str]:
        """What varies."""
        return [vary.title for vary in self.sweep.vary]

    @property
    def fund_labels(self) -> list[str]:
        """Of what varies, that which is the fund's initial sum."""
        return [vary.title for vary in self.sweep.vary if FUND_KEY in vary.key]

    def vary(self, label: str) -> Vary:
        """What a label stands for."""
        return next(vary for vary in self.sweep.vary if vary.title == label)

    @property
    def seeds(self) -> int:
        """How many crashes there are, however many points were run on each."""
        return int(self.done["seed"].n_unique())

    @cached_property
    def tabled(self) -> bool:
        """True where each point is a case of its own."""
        return self.points <= MOST_CASES and (self.sweep.sample.kind == "grid" or self.sweep.seeds > 1)

    @cached_property
    def cases(self) -> list[Case]:
        """The points in their order; all runs as one where there are too many points."""
        if not self.tabled:
            return [self.whole] if self.done.height else []
        return self.grouped(self.labels)

    @property
    def whole(self) -> Case:
        """All runs as one case."""
        return Case("all runs" if self.points == 1 else "all points together", {}, self.done)

    def grouped(self, labels: Sequence[str]) -> list[Case]:
        """Runs with the same values of these labels, in the order of the design."""
        if not self.done.height:
            return []
        columns = [f"vary.{label}" for label in labels]
        if not columns:
            return [self.whole]
        found = []
        for key, rows in self.done.group_by(columns, maintain_order=True):
            values = dict(zip(labels, key))
            found.append(Case(self.named(values), values, rows))
        return found

    def named(self, values: dict[str, float | str]) -> str:
        """`depth = 0.35, policy = random`; of a single parameter only its value."""
        if len(self.labels) == 1:
            return next(setting(value) for value in values.values())
        return ", ".join(f"{label} = {setting(value)}" for label, value in values.items())
