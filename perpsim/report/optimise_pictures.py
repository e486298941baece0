"""The pictures of an optimisation: its trials one after another, the front, and what each parameter does."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perpsim.report.optimise_words import point, told
from perpsim.report.sweep_axes import Scale, per_cent, roomy, scale_of, short
from perpsim.report.sweep_plot import Axis, Plot, svg
from perpsim.report.words import esc

if TYPE_CHECKING:
    from perpsim.sweeps.model import Sweep, Vary
    from perpsim.sweeps.objectives import Quantity
    from perpsim.sweeps.optimum import Optimum, Trial
    from perpsim.sweeps.statistics import Estimate

_GAP = 26
_FEASIBLE, _BEST, _OTHER = 0, 1, 7  # colours
_MOST_PANELS = 12
Estimates = Callable[["Trial"], "Estimate | None"]


@dataclass(frozen=True)
class _Upward:
    """What is drawn upward: a quantity of each trial, and the level that is demanded of it."""

    quantity: Quantity
    of: Estimates
    level: float | None = None

    def value(self, trial: Trial) -> float:
        estimate = self.of(trial)
        return math.nan if estimate is None else estimate.value


def _objective(optimum: Optimum, at: int) -> _Upward:
    return _Upward(optimum.goal.objectives[at], lambda trial: trial.objectives[at])


def _constraint(optimum: Optimum, at: int) -> _Upward:
    one = optimum.goal.constraints[at]
    return _Upward(one.quantity, lambda trial: trial.constraints[at], one.limit)


def history_svg(optimum: Optimum, unit: str, width: int) -> str:
    """The objective of each trial in the order in which they were tried, and the best so far."""
    upward, most = _objective(optimum, 0), optimum.goal.maximise[0]
    across = Axis(roomy(Scale(0, max(len(optimum.trials) - 1, 1))), "trial")
    height = min(330.0, 150 + width * 0.24)
    plot = Plot("", across, _axis(upward, optimum.trials), width=width, height=height)
    xs, ys, best = [], [], math.nan
    for trial in optimum.trials:
        score = trial.scores[0]
        better = score > best if most else score < best
        if trial.feasible and (better or math.isnan(best)):
            best = score
        xs.append(float(trial.number))
        ys.append(best)
    plot.line(xs, ys, _FEASIBLE, step=True)
    _marks(plot, optimum, lambda trial: float(trial.number), upward, unit)
    return svg(width, height, "The objective of each trial", plot.svg_parts())


def front_svg(optimum: Optimum, unit: str, width: int) -> str:
    """Both objectives of every trial, and the front."""
    first, second = _objective(optimum, 0), _objective(optimum, 1)
    height = min(430.0, 170 + width * 0.3)
    across = _axis(first, optimum.trials)
    plot = Plot(second.quantity.text, across, _axis(second, optimum.trials), width=width, height=height)
    front = [optimum.trials[number] for number in optimum.front]
    plot.line([first.value(one) for one in front], [second.value(one) for one in front], _BEST)
    _marks(plot, optimum, first.value, second, unit)
    return svg(width, height, "Both objectives of each trial", plot.svg_parts())


def parameters_svg(sweep: Sweep, optimum: Optimum, unit: str, width: int) -> str:
    """What each parameter does to objectives and constraints: a plot each, with the level demanded."""
    upwards = [_objective(optimum, at) for at, one in enumerate(optimum.goal.objectives) if one.statistic]
    upwards += [
        _constraint(optimum, at) for at, one in enumerate(optimum.goal.constraints) if one.quantity.statistic
    ]
    pairs = [(vary, upward) for upward in upwards for vary in sweep.vary][:_MOST_PANELS]
    columns = 2 if width >= 700 and len(pairs) > 1 else 1
    each, tall = (width - _GAP * (columns - 1)) / columns, 215.0
    parts: list[str] = []
    for place, (vary, upward) in enumerate(pairs):
        x, y = (place % columns) * (each + _GAP), (place // columns) * (tall + 12)
        across, where = _parameter(vary)
        axis = _axis(upward, optimum.trials)
        plot = Plot(upward.quantity.text, across, axis, width=each, height=tall, x=x, y=y)
        if upward.level is not None:
            plot.level(upward.level)
        _marks(plot, optimum, where, upward, unit)
        parts += plot.svg_parts()
    rows = -(-len(pairs) // columns)
    return svg(width, rows * (tall + 12), "What each parameter does", parts) if pairs else ""


def _parameter(vary: Vary) -> tuple[Axis, Callable[[Trial], float]]:
    """The axis of a parameter, and where a trial stands on it."""
    if vary.low is not None and vary.high is not None:
        scale = roomy(Scale(vary.low, vary.high, vary.scale == "log"))
        return Axis(scale, vary.title), lambda trial: float(trial.values[vary.title])
    assert vary.values is not None
    names = [vary.shown(at) for at in range(len(vary.values))]
    ticks = [(float(at), short(name) if isinstance(name, float) else name) for at, name in enumerate(names)]
    axis = Axis(Scale(-0.5, len(names) - 0.5), vary.title, at=ticks)
    return axis, lambda trial: float(names.index(trial.values[vary.title]))


def _axis(upward: _Upward, trials: Sequence[Trial]) -> Axis:
    share = upward.quantity.unit == "share"
    values = [upward.value(trial) for trial in trials]
    values += [] if upward.level is None else [upward.level]
    scale = Scale(0.0, max(*values, 0.01)) if share and min(values) >= 0 else roomy(scale_of(values))
    return Axis(scale, upward.quantity.text, per_cent if share else short)


def _marks(plot: Plot, optimum: Optimum, where: Callable[[Trial], float], upward: _Upward, unit: str) -> None:
    """A dot for each trial that holds the constraints, larger ones for the best; a cross for the others."""
    best = set(optimum.front)
    # The best are drawn last, so that nothing hides them.
    for trial in sorted(optimum.trials, key=lambda one: (one.number in best, one.feasible)):
        x, y = where(trial), upward.value(trial)
        if not (math.isfinite(x) and math.isfinite(y)):
            continue
        at, to = plot.px(x), plot.py(y)
        name = f"trial {trial.number}: {told(upward.quantity, upward.of(trial), unit)}, {point(trial)}"
        title = f"<title>{esc(name)}</title>"
        if trial.feasible:
            series, radius = (_BEST, 5.5) if trial.number in best else (_FEASIBLE, 3.6)
            parts = f'<circle class="dot s{series}" cx="{at:.1f}" cy="{to:.1f}" r="{radius}">{title}</circle>'
        else:
            cross = f"M{at - 3:.1f},{to - 3:.1f}l6,6m0,-6l-6,6"
            parts = f'<path class="whisker s{_OTHER}" d="{cross}">{title}</path>'
        plot.parts.append(parts)
