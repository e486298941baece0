"""The search for parameters: optuna proposes points, each is run on the same seeds, and told how it did.

A seeded sampler is asked for trials and told about them in order, and what it is told depends on their rows
alone, not on when these came in. So the same command gives the same trials, and what is on disk already is
not run again.

The sampler is optuna's TPE (tree-structured Parzen estimator; https://arxiv.org/abs/2304.11127), which takes
constraints and, with two objectives, looks for the whole Pareto front.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from perpsim.errors import UserError
from perpsim.sweeps.model import Sweep
from perpsim.sweeps.objectives import BEYOND, Constraint, Goal, Row, Values, goal_of
from perpsim.sweeps.objectives_model import Optimise
from perpsim.sweeps.optimum import Optimum, Trial, best_of
from perpsim.sweeps.space import Space

if TYPE_CHECKING:
    import optuna

#: a trial is given up when its first runs all fail for the same reason
GIVE_UP = 3


class Evaluate(Protocol):
    """Runs points on seeds."""

    def __call__(self, wanted: Iterator[tuple[int, int]], note: Callable[[int, int, Row], None]) -> bool:
        """Run each point on each seed that is wanted, taking the next one only when there is room for it, and
        `note` every row as it comes, in any order. False if it was interrupted."""


class Watcher:
    """Somebody who watches; this one does not care."""

    def trial_done(self, trials: int, feasible: int) -> None:
        """So many trials are done, of which so many hold the constraints."""

    def confirming(self, runs: int) -> None:
        """The search is over, the best have so many runs on fresh seeds before them."""


class _Evaluation:
    """The runs of one point. Rows count in the order of their seeds, so it does not matter which of them
    comes in first."""

    def __init__(self, goal: Goal, values: Values, seeds: Sequence[int], stop_early: bool) -> None:
        self._goal, self._values, self._seeds = goal, values, seeds
        self._stop_early = stop_early
        self._ahead: dict[int, Row] = {}
        #: rows of the first seeds, without a gap
        self._rows: list[Row] = []
        self.refused = ""
        self._stopped = False

    @property
    def over(self) -> bool:
        """No more rows are wanted."""
        return bool(self.refused) or self._stopped or len(self._rows) == len(self._seeds)

    def note(self, seed: int, row: Row) -> None:
        """A row has come in."""
        self._ahead[seed] = row
        while not self.over and (following := self._seeds[len(self._rows)]) in self._ahead:
            self._rows.append(self._ahead.pop(following))
            self._look()

    def _usable(self) -> list[Row]:
        """Rows of the runs that came to their end."""
        return [row for row in self._rows if row["status"] == "ok"]

    def _look(self) -> None:
        """Is there any sense in going on?"""
        there, total = len(self._rows), len(self._seeds)
        usable = self._usable()
        if there == min(GIVE_UP, total) and not usable:
            reasons = {row["reason"] for row in self._rows}
            self.refused = reasons.pop() if len(reasons) == 1 else ""
        if self._stop_early and there < total:
            samples = ((one, one.quantity.sample(usable, self._values)) for one in self._goal.constraints)
            self._stopped = any(one.hopeless(sample, total) for one, sample in samples)

    def judged(self, number: int) -> Trial:
        """What the runs have shown."""
        rows, goal, values = self._usable(), self._goal, self._values
        samples = [one.quantity.sample(rows, values) for one in goal.constraints]
        estimates = [one.quantity.estimate(sample) for one, sample in zip(goal.constraints, samples)]
        return Trial(
            number,
            dict(values),
            tuple(one.estimate(one.sample(rows, values)) for one in goal.objectives),
            tuple(estimates),
            tuple(map(Constraint.violation, goal.constraints, samples, estimates)),
            len(self._rows),
            len(self._rows) - len(rows),
            self._stopped,
            self.refused,
        )


class Search:
    """One optimisation. `trials`: so many, not as many as the sweep says.

    Raises `UserError` if the sweep makes no sense."""

    def __init__(self, sweep: Sweep, trials: int | None = None) -> None:
        self.goal = goal_of(sweep)
        assert sweep.optimise is not None
        self.asked: Optimise = sweep.optimise
        self.space = Space(sweep)
        self.space.check()
        self.planned = trials or self.asked.trials
        seeds = self.space.seeds
        fresh = len(seeds) if self.asked.holdout is None else self.asked.holdout
        #: seeds on which the best are run again
        self.fresh = range(seeds.stop, seeds.stop + fresh)
        for one in self.goal.constraints:
            one.check(len(seeds))

    @property
    def unit(self) -> str:
        """What amounts are told in."""
        return self.space.base.collateral.symbol

    @property
    def most_runs(self) -> int:
        """Runs of all trials if none is stopped."""
        return self.planned * len(self.space.seeds)

    def run(self, evaluate: Evaluate, watcher: Watcher | None = None) -> Optimum:
        """Do all trials, then run the best again on fresh seeds."""
        watcher = watcher or Watcher()
        study, distributions = self._study(), self.space.distributions()
        trials: list[Trial] = []
        while len(trials) < self.planned:
            count = min(self.asked.together, self.planned - len(trials))
            asked = [study.ask(distributions) for _ in range(count)]
            points = [self.space.add(one.params) for one in asked]
            found = self._tried(evaluate, points, self.space.seeds, self.asked.stop_early)
            if found is None:
                return Optimum(self.goal, trials, best_of(trials, self.goal), complete=False)
            for one, trial in zip(asked, found):
                self._tell(study, one, trial)
                trials.append(trial)
            watcher.trial_done(len(trials), sum(trial.feasible for trial in trials))
        return self._confirmed(evaluate, watcher, trials)

    def _confirmed(self, evaluate: Evaluate, watcher: Watcher, trials: list[Trial]) -> Optimum:
        """The best of many estimates looks better than it is: it is run again on seeds that did not choose
        it."""
        front = best_of(trials, self.goal)
        if not front or not self.fresh:
            return Optimum(self.goal, trials, front)
        watcher.confirming(len(front) * len(self.fresh))
        found = self._tried(evaluate, front, self.fresh, False)
        if found is None:
            return Optimum(self.goal, trials, front, complete=False)
        return Optimum(self.goal, trials, front, dict(zip(front, found)))

    def _tried(
        self, evaluate: Evaluate, points: Sequence[int], seeds: range, stop_early: bool
    ) -> list[Trial] | None:
        """The points, each on all seeds; None if they were interrupted."""
        evaluations = {point: self._evaluation(point, seeds, stop_early) for point in points}

        def wanted() -> Iterator[tuple[int, int]]:
            for seed in seeds:
                for point, evaluation in evaluations.items():
                    if not evaluation.over:
                        yield point, seed

        if not evaluate(wanted(), lambda point, seed, row: evaluations[point].note(seed, row)):
            return None
        return [one.judged(point) for point, one in evaluations.items()]

    def _evaluation(self, point: int, seeds: range, stop_early: bool) -> _Evaluation:
        evaluation = _Evaluation(self.goal, self.space.values(point), seeds, stop_early)
        try:
            self.space.scenario(point, seeds[0])
        except UserError as error:
            evaluation.refused = str(error)
        return evaluation

    def _study(self) -> optuna.Study:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.TPESampler(seed=self.asked.seed, n_startup_trials=self.asked.startup)
        large, small = optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE
        directions = [large if up else small for up in self.goal.maximise]
        return optuna.create_study(sampler=sampler, directions=directions)

    def _tell(self, study: optuna.Study, asked: optuna.Trial, trial: Trial) -> None:
        # The sampler forgets a trial that failed and would come back to the same corner. One that violates a
        # constraint it remembers; its objective does not matter.
        for number, violation in enumerate(trial.violations):
            asked.set_constraint(str(number), violation)
        lost = bool(trial.refused) or any(math.isnan(score) for score in trial.scores)
        asked.set_constraint("lost", BEYOND if lost else 0.0)
        study.tell(asked, [0.0 if math.isnan(score) else score for score in trial.scores])
