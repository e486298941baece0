"""An optimum in words: quantities with their intervals, a verdict, and lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from perpsim.report.sweep_words import setting
from perpsim.report.sweep_words import told as interval
from perpsim.report.words import MINUS, NOTHING, count, number, percent

if TYPE_CHECKING:
    from perpsim.sweeps.model import Sweep, Vary
    from perpsim.sweeps.objectives import Constraint, Quantity
    from perpsim.sweeps.optimise import Search
    from perpsim.sweeps.optimum import Optimum, Trial
    from perpsim.sweeps.statistics import Estimate

#: a value so near an end of its range, as a share of it, is said to lie there
_EDGE = 0.01


def told(quantity: Quantity, estimate: Estimate | None, unit: str) -> str:
    """A quantity with its interval; `unit` is the quote unit."""
    if estimate is None:
        return NOTHING
    kind = quantity.unit
    if not quantity.statistic:
        return setting(estimate.value)
    if kind == "share":
        return interval(estimate, share=True)
    return interval(estimate, {"quote": unit, "seconds": "s"}.get(kind, ""))


def asked(constraint: Constraint, unit: str) -> str:
    """What a constraint demands: `at most 1 %`."""
    kind, limit = constraint.quantity.unit, constraint.limit
    if kind == "share":
        value = percent(limit)
    else:
        value = f"{number(limit)} {({'quote': unit, 'seconds': 's'}).get(kind, '')}".strip()
    words = f"at {'most' if constraint.op == '<=' else 'least'} {value}"
    return words + (", strictly" if constraint.strict else "")


def point(trial: Trial, without: Sequence[str] = ()) -> str:
    """Where a trial lies: `margin = 0.0072, policy = index`, without some labels."""
    told = ((label, value) for label, value in trial.values.items() if label not in without)
    return ", ".join(f"{label} = {setting(value)}" for label, value in told)


def verdict(sweep: Sweep, optimum: Optimum, unit: str) -> str:
    """What was found, in a few sentences."""
    if not optimum.front:
        return _nothing(sweep, optimum, unit)
    if len(optimum.goal.objectives) == 1:
        return _single(sweep, optimum, unit)
    return _front(optimum, unit)


def _nothing(sweep: Sweep, optimum: Optimum, unit: str) -> str:
    trials = count(len(optimum.trials), "trial")
    nearest = optimum.nearest
    if nearest is None:
        why = optimum.trials[0].refused if optimum.trials else "nothing was tried"
        return f"None of {trials} could be run: {why}."
    if not optimum.goal.constraints:
        return f"None of {trials} has a value of {', '.join(one.text for one in optimum.goal.objectives)}."
    broken = [
        f"{one.quantity.text} is {told(one.quantity, estimate, unit)}, {asked(one, unit)} is asked"
        for one, estimate, off in zip(optimum.goal.constraints, nearest.constraints, nearest.violations)
        if off > 0
    ] or ["an objective has no value"]
    return (
        f"None of {trials} holds all constraints. The nearest is trial {nearest.number} ({point(nearest)}): "
        f"{'; '.join(broken)}."
    )


def _single(sweep: Sweep, optimum: Optimum, unit: str) -> str:
    (number_,) = optimum.front
    best, goal = optimum.trials[number_], optimum.goal
    objective, most = goal.objectives[0], goal.maximise[0]
    size = "largest" if most else "least"
    value = told(objective, best.objectives[0], unit)
    # Where a parameter is the objective its value is said already.
    others = point(best, () if objective.statistic else (objective.figure,))
    said = f"The {size} {objective.text} found is {value}{f', with {others}' if others else ''}: the best of "
    said += f"{count(len(optimum.trials), 'trial')} on {count(best.runs, 'crash', 'crashes')} each."
    fresh = optimum.fresh.get(number_)
    if fresh is None:
        said += _constraints(optimum, best, unit, "There")
    else:
        where = f"On {count(fresh.runs, 'fresh one')}"
        if objective.statistic:
            said += f" {where} it is {told(objective, fresh.objectives[0], unit)}."
        said += _constraints(optimum, fresh, unit, where)
        if best.feasible and not fresh.feasible:
            said += (
                " The best of many estimates looks better than it is: take more seeds, or demand that the "
                "far end of the interval holds (strict = true)."
            )
    edges = edge(sweep.vary, best)
    if edges:
        said += f" {' and '.join(edges)}: a wider range may hold something better."
    return said


def _constraints(optimum: Optimum, trial: Trial, unit: str, where: str) -> str:
    """Which of the constraints hold of a trial."""
    parts = []
    for one, estimate, off in zip(optimum.goal.constraints, trial.constraints, trial.violations):
        holds = "holds" if off <= 0 else "does not hold"
        parts.append(f"{one.text} {holds}: {told(one.quantity, estimate, unit)}")
    return f" {where} {'; '.join(parts)}." if parts else ""


def _front(optimum: Optimum, unit: str) -> str:
    first, last = optimum.trials[optimum.front[0]], optimum.trials[optimum.front[-1]]

    def both(trial: Trial) -> str:
        pairs = zip(optimum.goal.objectives, trial.objectives)
        return " and ".join(f"{one.text} {told(one, estimate, unit)}" for one, estimate in pairs)

    said = f"{count(len(optimum.front), 'point')} of {count(len(optimum.trials), 'trial')} "
    said += f"{'is' if len(optimum.front) == 1 else 'are'} beaten by no other in both objectives: "
    if len(optimum.front) == 1:
        return said + f"{both(first)}, with {point(first)}."
    said += f"from {both(first)} ({point(first)}) to {both(last)} ({point(last)})."
    lost = sum(not trial.feasible for trial in optimum.fresh.values())
    if optimum.goal.constraints and optimum.fresh:
        runs = next(iter(optimum.fresh.values())).runs
        said += f" On {count(runs, 'fresh crash', 'fresh crashes')} "
        said += (
            f"{lost} of them {'does' if lost == 1 else 'do'} not hold the constraints."
            if lost
            else "all hold."
        )
    return said


def edge(varied: Sequence[Vary], trial: Trial) -> list[str]:
    """Which values lie at an end of their range."""
    found = []
    for vary in varied:
        value = trial.values[vary.title]
        if vary.low is None or vary.high is None or isinstance(value, str):
            continue
        room = _EDGE * (vary.high - vary.low)
        if vary.scale == "log":
            low, high = (
                vary.low * (vary.high / vary.low) ** _EDGE,
                vary.high / (vary.high / vary.low) ** _EDGE,
            )
        else:
            low, high = vary.low + room, vary.high - room
        if value <= low or value >= high:
            found.append(f"{vary.title} lies at the {'low' if value <= low else 'high'} end of its range")
    return found


def lines(search: Search, optimum: Optimum) -> Iterator[str]:
    """For the terminal, in plain letters."""
    sweep, unit, trials = search.space.sweep, search.unit, optimum.trials
    feasible = sum(trial.feasible for trial in trials)
    refused, stopped = sum(bool(trial.refused) for trial in trials), sum(trial.stopped for trial in trials)
    rows: list[tuple[str, str]] = [
        ("scenario", f"{sweep.scenario}, {sweep.seeds:,} seeds a trial"),
        (
            "trials",
            f"{len(trials):,}: {feasible:,} feasible, {stopped:,} stopped early, {refused:,} refused; "
            f"{count(sum(trial.runs for trial in trials), 'run')}",
        ),
    ]
    for number_ in optimum.front:
        rows += _told(optimum, optimum.trials[number_], unit)
    width = 2 + max(len(head) for head, _ in rows)
    for head, text in rows:
        yield _plain(f"{head:<{width}}{text}")
    yield ""
    yield _plain(verdict(sweep, optimum, unit))


def _told(optimum: Optimum, trial: Trial, unit: str) -> Iterator[tuple[str, str]]:
    yield f"trial {trial.number}", point(trial)
    fresh = optimum.fresh.get(trial.number)
    goal = optimum.goal
    parts = [
        *((one, at, "") for at, one in enumerate(goal.objectives) if one.statistic),
        *((one.quantity, at, one.text) for at, one in enumerate(goal.constraints)),
    ]
    for quantity, at, constraint in parts:
        text = constraint or quantity.text
        seen = [
            told(quantity, (one.constraints if constraint else one.objectives)[at], unit)
            for one in (trial, fresh)
            if one is not None
        ]
        yield "", f"{text}: {seen[0]}" + (f"; on fresh seeds {seen[1]}" if fresh else "")


def _plain(text: str) -> str:
    return text.replace(MINUS, "-").replace(NOTHING, "-")
