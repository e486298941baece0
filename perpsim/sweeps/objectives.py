"""What is optimised and what must hold, read from one line each and computed from rows.

    margin                          a varied parameter, by its label or key
    mean(shortfall.total)           mean over the seeds, of any figure of `perpsim.sweeps.figures`
    median(fund.need)
    p95(fund.need), p99.9(...)      percentile (value at risk)
    es99(shortfall.total)           expected shortfall: the mean beyond the percentile
    p(adl)                          probability of an event, or
    p(keepers.profit < 0)           of a figure being so, or
    p(shortfall.unpaid)             of it being above 0

A constraint compares one of them with a number: `p(adl) <= 1 %`, `mean(keepers.profit) >= 0`.
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from perpsim.errors import UserError
from perpsim.sweeps import statistics
from perpsim.sweeps.figures import FIGURES
from perpsim.sweeps.model import Scalar, Sweep
from perpsim.sweeps.statistics import Estimate

Floats = npt.NDArray[np.float64]
#: figures of a run by name, and its `status` and `reason`
Row = Mapping[str, Any]
Values = Mapping[str, Scalar]

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
#: events, or runs without one, from which on `statistics.probability` draws its interval
FEW = 10
#: violation of a constraint that could not even be computed
BEYOND = 1e9

_NAME = r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*"
_NUMBER = r"[-+]?[0-9][0-9_]*(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?"
_STATISTIC = re.compile(
    rf"(?P<name>mean|median|p|(?P<tail>p|es)(?P<level>[0-9]+(?:\.[0-9]+)?))"
    rf"\(\s*(?P<figure>{_NAME})\s*(?:(?P<op><=|>=|<|>)\s*(?P<limit>{_NUMBER})\s*)?\)"
)
_CONSTRAINT = re.compile(rf"(?P<left>.*[^<>=\s])\s*(?P<op><=|>=)\s*(?P<limit>{_NUMBER})\s*(?P<percent>%?)")
_FORMS = "mean(FIGURE), median(FIGURE), p95(FIGURE), es95(FIGURE), p(EVENT) or a label of what varies"


@dataclass(frozen=True)
class Event:
    """Something that happens in a run or does not."""

    figure: str
    op: str
    limit: float
    #: the limit is a share of this figure
    of: str = ""

    def happened(self, row: Row) -> float | None:
        """1.0 or 0.0; None where the run has no such figure."""
        value = row[self.figure]
        whole = row[self.of] if self.of else 1.0
        if value is None or whole is None:
            return None
        return float(_COMPARE[self.op](value, self.limit * whole))


EVENTS = {
    "adl": Event("adl.count", ">", 0),
    "socialised": Event("shortfall.socialised", ">", 0),
    "shortfall": Event("shortfall.total", ">", 0),
    "depleted": Event("fund.min", "<", 0.01, of="fund.start"),
}


@dataclass(frozen=True)
class Quantity:
    """A number that a point has: a statistic over its runs, or, where there is none, a varied parameter, of
    which `figure` is the label."""

    text: str
    statistic: str
    figure: str
    #: of percentiles (the median, too) and expected shortfalls, 0 to 1
    level: float = 0.0
    event: Event | None = None

    @property
    def figures(self) -> set[str]:
        """The figures of a run that it is made of."""
        if self.event:
            return {name for name in (self.event.figure, self.event.of) if name}
        return {self.figure} if self.statistic else set()

    @property
    def unit(self) -> str:
        """As figures have it: `quote`, `share`, `count`, `seconds` or empty."""
        if self.event:
            return "share"
        return _UNITS[self.figure] if self.statistic else ""

    def sample(self, rows: Iterable[Row], values: Values) -> Floats:
        """What the statistic is taken of: the figure of each run that has it, or 1 where the event happened.
        `values` are those of the point."""
        if not self.statistic:
            return np.array([values[self.figure]], dtype=np.float64)
        found = (self.event.happened(row) if self.event else row[self.figure] for row in rows)
        return np.array([value for value in found if value is not None], dtype=np.float64)

    def estimate(self, sample: Floats) -> Estimate | None:
        """The statistic with its interval; None of no runs."""
        if not sample.size:
            return None
        if not self.statistic:
            value = float(sample[0])
            return Estimate(value, value, value, sample.size)
        if self.statistic == "mean":
            return statistics.mean(sample)
        if self.statistic == "p":
            return statistics.probability(sample > 0)
        if self.statistic == "es":
            return statistics.expected_shortfall(sample, self.level)
        if self.statistic == "median":
            return statistics.median(sample)
        # A value at risk warns where too few runs lie above it, which is no matter of a low percentile.
        percentile = statistics.value_at_risk if self.level > 0.5 else statistics.quantile
        return percentile(sample, self.level)

    def at_best(self, sample: Floats, total: int, op: str) -> float:
        """The most favourable value for `op` that the statistic can still take when the rest of `total` runs
        are in: what is missing is filled with the best a run can do."""
        if not self.statistic:
            return float(sample[0])
        least, most = self._ends()
        filled = np.full(max(total, sample.size), least if op == "<=" else most)
        filled[: sample.size] = sample
        if self.statistic in ("mean", "p"):
            return float(filled.mean())
        # However a percentile is interpolated, it lies between these; an expected shortfall lies above it.
        place = self.level * (filled.size - 1)
        if op == "<=":
            return float(np.sort(filled)[math.floor(place)])
        return math.inf if self.statistic == "es" else float(np.sort(filled)[math.ceil(place)])

    def _ends(self) -> tuple[float, float]:
        """The least and the most that a run's value can be."""
        if self.event:
            return 0.0, 1.0
        counted = self.figure.startswith("shortfall.") or _UNITS.get(self.figure) in ("count", "seconds")
        return 0.0 if counted else -math.inf, math.inf


@dataclass(frozen=True)
class Constraint:
    """What must hold of a point. `strict`: at the far end of the interval, not only at the estimate."""

    text: str
    quantity: Quantity
    op: str
    limit: float
    strict: bool = False

    def check(self, runs: int) -> None:
        """Raises `UserError` if so many runs a point are too few for it ever to hold."""
        if self.quantity.statistic != "p" or not self.hopeless(np.zeros(0), runs):
            return
        sizes = (round(1.1**power) for power in range(25, 170))
        need = next((size for size in sizes if not self.hopeless(np.zeros(0), size)), 0)
        raise UserError(
            f"optimise.constraints: {self.text} cannot hold strictly: the interval of {runs:,} runs is wider "
            "than that" + (f"; it takes about {need:,} seeds" if need else "")
        )

    def far(self, estimate: Estimate) -> float:
        """The figure that must hold."""
        if not self.strict:
            return estimate.value
        return estimate.high if self.op == "<=" else estimate.low

    def holds(self, estimate: Estimate | None) -> bool:
        """Whether it does."""
        return estimate is not None and bool(_COMPARE[self.op](self.far(estimate), self.limit))

    def violation(self, sample: Floats, estimate: Estimate | None) -> float:
        """How far a point is from holding it, given its sample and the estimate from that: above 0 where it
        does not. Constraints in different units are added up, so it is told in the limit and the runs'
        standard deviation."""
        if estimate is None or math.isnan(self.far(estimate)):
            return BEYOND
        beyond = self.far(estimate) - self.limit
        scale = abs(self.limit) + float(sample.std()) or 1.0
        return min((beyond if self.op == "<=" else -beyond) / scale, BEYOND)

    def hopeless(self, sample: Floats, total: int) -> bool:
        """Whether it cannot hold any more, whatever the rest of `total` runs will bring."""
        best = self.quantity.at_best(sample, total, self.op)
        if not _COMPARE[self.op](best, self.limit):
            return True
        if not self.strict or self.quantity.statistic != "p":
            return False
        # The interval of few events, or of all but few, is Wilson's; of more of them the estimate decides.
        if min(best, 1 - best) * total >= FEW:
            return False
        low, high = statistics.wilson(best, total)
        return not _COMPARE[self.op](high if self.op == "<=" else low, self.limit)


@dataclass(frozen=True)
class Goal:
    """The objectives, whether each is to be large, and the constraints."""

    objectives: tuple[Quantity, ...]
    maximise: tuple[bool, ...]
    constraints: tuple[Constraint, ...]

    @property
    def figures(self) -> set[str]:
        """The figures of a run that matter."""
        used = [*self.objectives, *(one.quantity for one in self.constraints)]
        return set().union(*(one.figures for one in used))

    def dominates(self, one: Sequence[float], other: Sequence[float]) -> bool:
        """Whether `one` is as good in every objective and better in at least one."""
        gains = [b - a if not up else a - b for a, b, up in zip(one, other, self.maximise)]
        return all(gain >= 0 for gain in gains) and any(gain > 0 for gain in gains)


def goal_of(sweep: Sweep) -> Goal:
    """What the section `[optimise]` of a sweep asks for. Raises `UserError`."""
    asked = sweep.optimise
    if asked is None:
        raise UserError(f"sweep {sweep.name}: has no section [optimise]")
    if not sweep.vary:
        raise UserError(f"sweep {sweep.name}: vary: is missing, there is nothing to optimise over")
    texts = [("minimise", text) for text in asked.minimise] + [("maximise", text) for text in asked.maximise]
    return Goal(
        tuple(quantity(text, sweep, f"optimise.{place}") for place, text in texts),
        tuple(place == "maximise" for place, _ in texts),
        tuple(constraint(text, sweep, asked.strict) for text in asked.constraints),
    )


def constraint(text: str, sweep: Sweep, strict: bool = False) -> Constraint:
    """Read a constraint. Raises `UserError`."""
    found = _CONSTRAINT.fullmatch(text.strip())
    if not found:
        raise UserError(
            f"optimise.constraints: {text!r}: expected QUANTITY <= NUMBER or QUANTITY >= NUMBER, "
            'such as "p(adl) <= 0.01"'
        )
    one = quantity(found["left"], sweep, "optimise.constraints")
    limit = float(found["limit"]) / (100 if found["percent"] else 1)
    if one.statistic == "p" and not 0 <= limit <= 1:
        raise UserError(
            f"optimise.constraints: {text!r}: a probability lies between 0 and 1, or 0 % and 100 %"
        )
    return Constraint(text.strip(), one, found["op"], limit, strict)


def quantity(text: str, sweep: Sweep, place: str) -> Quantity:
    """Read a quantity that stands at `place` of the file. Raises `UserError`."""
    text = text.strip()
    for vary in sweep.vary:
        if text == vary.title or text in vary.key:
            if not vary.numeric:
                raise UserError(f"{place}: {text}: its values are no numbers")
            return Quantity(text, "", vary.title)
    found = _STATISTIC.fullmatch(text)
    if not found:
        if text in _UNITS:
            raise UserError(f"{place}: {text}: which statistic of it? such as mean({text}) or p95({text})")
        raise UserError(
            f"{place}: {text!r} is neither {_FORMS}" + _near(text, [one.title for one in sweep.vary])
        )
    return _statistic(found, place)


def _statistic(found: re.Match[str], place: str) -> Quantity:
    text, figure = found[0], found["figure"]
    if found["name"] == "p":
        if figure in EVENTS:
            if found["op"]:
                raise UserError(f"{place}: {text}: {figure} is an event, it has no size to compare")
            return Quantity(text, "p", figure, event=EVENTS[figure])
        _known(figure, place, text, EVENTS)
        event = Event(figure, found["op"] or ">", float(found["limit"] or 0))
        return Quantity(text, "p", figure, event=event)
    if found["op"]:
        raise UserError(f"{place}: {text}: only a probability takes a condition, as in p({figure} ...)")
    _known(figure, place, text, ())
    if not found["tail"]:
        return Quantity(text, found["name"], figure, 0.5)
    level = float(found["level"]) / 100
    if not 0 < level < 1:
        raise UserError(f"{place}: {text}: {found['level']} is no percentile between 0 and 100")
    return Quantity(text, "es" if found["tail"] == "es" else "percentile", figure, level)


def _known(figure: str, place: str, text: str, events: Iterable[str]) -> None:
    if figure not in _UNITS:
        kinds = "neither a figure nor an event" if events else "no figure"
        raise UserError(
            f"{place}: {text}: {figure!r} is {kinds} of a run" + _near(figure, [*events, *_UNITS])
        )


def _near(text: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(text, names, n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else ""


_UNITS = {one.name: one.unit for one in FIGURES}
