"""What an optimisation has found, as one small page that works offline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from perpsim.report.optimise_pictures import front_svg, history_svg, parameters_svg
from perpsim.report.optimise_words import asked, told, verdict
from perpsim.report.page import PLACE, static
from perpsim.report.run_again import command
from perpsim.report.sections import Sections, block
from perpsim.report.sweep_plot import both
from perpsim.report.sweep_words import cell, setting
from perpsim.report.table import Cell, Table, figure, text
from perpsim.report.words import NOTHING, count, esc, number

if TYPE_CHECKING:
    from perpsim.sweeps.model import Sweep, Vary
    from perpsim.sweeps.objectives import Quantity
    from perpsim.sweeps.optimise import Search
    from perpsim.sweeps.optimum import Optimum, Trial
    from perpsim.sweeps.statistics import Estimate

_STAR = "* Too few runs, or too few of them in which it happened, to trust the interval."
_MARKS = "Blue dots hold the constraints, red ones are the best, grey crosses do not hold them."


def write_page(search: Search, optimum: Optimum, path: Path) -> Path:
    """Write the page."""
    path.write_text(render(search, optimum), encoding="utf-8")
    return path


def render(search: Search, optimum: Optimum) -> str:
    """The page as HTML."""
    page = _Page(search, optimum)
    sections = Sections()
    sections.group("best", "The best", [page.best(), page.quantities(), page.front()])
    sections.group("trials", "What was tried", [page.history(), page.parameters(), page.trials()])
    sections.group("how", "How it was searched", [page.how()])
    values = {
        "title": esc(page.sweep.title),
        "subtitle": esc(page.subtitle()),
        "notices": "".join(f'<p class="notice partial">{esc(words)}</p>' for words in page.notices()),
        "verdict": esc(verdict(page.sweep, optimum, page.unit)),
        "figures": "".join(
            f"<div><dt>{esc(name)}</dt><dd>{esc(value)}<small>{esc(detail)}</small></dd></div>"
            for name, value, detail in page.key_figures()
        ),
        "contents": sections.contents(),
        "sections": sections.html(),
        "css": static("page.css") + static("sweep.css"),
        "script": static("page.js"),
    }
    return PLACE.sub(lambda match: values[match[1]], static("sweep.html"))


class _Page:
    def __init__(self, search: Search, optimum: Optimum) -> None:
        self.search, self.optimum = search, optimum
        self.sweep: Sweep = search.space.sweep
        self.goal = optimum.goal
        self.unit = search.unit

    def subtitle(self) -> str:
        seeds = self.search.space.seeds
        parts = [
            f"Scenario {self.sweep.scenario}",
            count(len(self.optimum.trials), "trial"),
            f"{count(len(seeds), 'crash', 'crashes')} each (seeds {seeds[0]} to {seeds[-1]})",
        ]
        return " \u00b7 ".join(parts)

    def notices(self) -> list[str]:
        """What a reader must know before believing anything below."""
        everything = (*self.optimum.trials, *self.optimum.fresh.values())
        failed, runs = sum(one.failed for one in everything), sum(one.runs for one in everything)
        if not failed:
            return []
        return [f"{failed:,} of {count(runs, 'run')} failed and are left out of every figure."]

    def key_figures(self) -> list[tuple[str, str, str]]:
        trials = self.optimum.trials
        refused = sum(bool(trial.refused) for trial in trials)
        return [
            ("Trials", number(len(trials)), "points that were tried"),
            ("Feasible", number(sum(trial.feasible for trial in trials)), "all constraints hold"),
            ("Stopped early", number(sum(trial.stopped for trial in trials)), "could not hold them any more"),
            ("Refused", number(refused), "no scenario, or none that the exchange takes"),
            ("Runs", number(sum(trial.runs for trial in trials)), "of all trials"),
        ]

    def best(self) -> str:
        """The parameters of the best trial, and the command that runs it."""
        if len(self.optimum.front) != 1:
            return ""
        trial = self.optimum.trials[self.optimum.front[0]]
        rows = [
            [text(vary.title), text(", ".join(vary.key)), text(_range(vary)), _set(trial.values[vary.title])]
            for vary in self.sweep.vary
        ]
        table = Table(("Parameter", "Key of the scenario", "Searched", "Best"), rows)
        again = f"<p>To look at one of its runs: <code>{esc(self._command(trial))}</code></p>"
        return block(f"Trial {trial.number}", "What the search has chosen.", table.html() + again)

    def _command(self, trial: Trial) -> str:
        space = self.search.space
        values = space.overrides(trial.number)
        return command(self.sweep.scenario, self.sweep.set, values, space.seeds[0])

    def quantities(self) -> str:
        """Objective and constraints of the best trial, on the crashes that chose it and on fresh ones."""
        if len(self.optimum.front) != 1:
            return ""
        (place,) = self.optimum.front
        trial, fresh = self.optimum.trials[place], self.optimum.fresh.get(place)
        rows = [
            self._row(one, "as much as may be" if most else "as little as may be", estimate, again, "")
            for one, most, estimate, again in zip(
                self.goal.objectives, self.goal.maximise, trial.objectives, _objectives(fresh, trial)
            )
        ]
        last = fresh or trial
        for at, one in enumerate(self.goal.constraints):
            again = fresh.constraints[at] if fresh else None
            holds = "yes" if last.violations[at] <= 0 else "no"
            rows.append(self._row(one.quantity, asked(one, self.unit), trial.constraints[at], again, holds))
        heads = ["Quantity", "Asked", f"On {count(trial.runs, 'crash', 'crashes')}"]
        heads += [f"On {count(fresh.runs, 'fresh one')}"] if fresh else []
        heads += ["Holds"] if self.goal.constraints else []
        kept = [0, 1, 2, *([3] if fresh else []), *([4] if self.goal.constraints else [])]
        return block(
            "Does it hold?",
            "In brackets 95 % intervals. The fresh crashes took no part in the choice: believe them rather "
            "than the others.",
            Table(heads, [[row[at] for at in kept] for row in rows]).html(),
        )

    def _row(
        self, one: Quantity, wanted: str, estimate: Estimate | None, fresh: Estimate | None, holds: str
    ) -> list[Cell]:
        seen = [text(told(one, each, self.unit)) for each in (estimate, fresh)]
        return [text(one.text), text(wanted), *seen, text(holds)]

    def front(self) -> str:
        """The Pareto front as a picture and as a table."""
        if len(self.goal.objectives) == 1:
            return ""
        picture = both(lambda width: front_svg(self.optimum, self.unit, width))
        rows = [self._front_row(place) for place in self.optimum.front]
        fresh = bool(self.optimum.fresh)
        heads = ["Trial", *self._labels, *self._heads]
        heads += [f"{head} (fresh)" for head in self._heads] if fresh else []
        heads += ["Holds on fresh crashes"] if fresh and self.goal.constraints else []
        reading = f"Each mark is a trial. {_MARKS} Whoever wants more of one objective pays with the other."
        table = Table(heads, rows, _STAR).html() if rows else ""
        return block("What one objective costs in the other", reading, picture + table)

    def _front_row(self, place: int) -> list[Cell]:
        trial, fresh = self.optimum.trials[place], self.optimum.fresh.get(place)
        row = [figure(place, 0), *map(_set, trial.values.values()), *self._estimates(trial)]
        if fresh:
            row += self._estimates(fresh)
            row += [text("yes" if fresh.feasible else "no")] if self.goal.constraints else []
        return row

    def history(self) -> str:
        """How the search went on; of one objective."""
        if len(self.goal.objectives) > 1:
            return ""
        return block(
            f"{self.goal.objectives[0].text}, trial by trial",
            f"{_MARKS} The line is the best so far.",
            both(lambda width: history_svg(self.optimum, self.unit, width)),
        )

    def parameters(self) -> str:
        picture = both(lambda width: parameters_svg(self.sweep, self.optimum, self.unit, width))
        if "<svg" not in picture:
            return ""
        return block(
            "What does each parameter do?",
            f"{_MARKS} The dashed level is what a constraint demands. Trials that were stopped early stand "
            "where their few runs put them.",
            picture,
        )

    def trials(self) -> str:
        """All trials."""
        heads = ["Trial", *self._labels, *self._heads, "Runs", "Outcome"]
        rows = [
            [
                figure(trial.number, 0),
                *map(_set, trial.values.values()),
                *self._estimates(trial),
                figure(trial.runs, 0),
                text(self._outcome(trial)),
            ]
            for trial in self.optimum.trials
        ]
        return block("All trials", "In the order in which they were tried.", Table(heads, rows, _STAR).html())

    def _outcome(self, trial: Trial) -> str:
        if trial.refused:
            words = trial.refused
            return "refused: " + (words if len(words) <= 60 else words[:59] + "\u2026")
        if trial.number in self.optimum.front:
            return "best" if len(self.goal.objectives) == 1 else "on the front"
        return "stopped early" if trial.stopped else "feasible" if trial.feasible else "does not hold"

    @property
    def _labels(self) -> list[str]:
        return [vary.title for vary in self.sweep.vary]

    @property
    def _shown(self) -> list[Quantity]:
        """Objectives and constraints that are statistics; parameters have a column already."""
        every = [*self.goal.objectives, *(one.quantity for one in self.goal.constraints)]
        return [one for one in every if one.statistic]

    @property
    def _heads(self) -> list[str]:
        units = {"quote": f", {self.unit}", "seconds": ", s"}
        return list(dict.fromkeys(one.text + units.get(one.unit, "") for one in self._shown))

    def _estimates(self, trial: Trial) -> list[Cell]:
        every = [*self.goal.objectives, *(one.quantity for one in self.goal.constraints)]
        found: dict[str, Cell] = {}
        for one, estimate in zip(every, (*trial.objectives, *trial.constraints)):
            if one.statistic:
                empty: Cell = (NOTHING, None)
                found[one.text] = empty if estimate is None else cell(estimate, share=one.unit == "share")
        return list(found.values())

    def how(self) -> str:
        asked_, fresh = self.search.asked, self.search.fresh
        strict = "at the far end of its interval" if asked_.strict else "at the estimate"
        pairs = [
            ("minimise", ", ".join(asked_.minimise) or NOTHING),
            ("maximise", ", ".join(asked_.maximise) or NOTHING),
            ("constraints", "; ".join(asked_.constraints) or NOTHING),
            ("a constraint must hold", strict),
            (
                "sampler",
                "optuna's TPE (tree-structured Parzen estimator), which takes constraints into account",
            ),
            ("its seed", str(asked_.seed)),
            ("trials drawn at random first", str(min(asked_.startup, len(self.optimum.trials)))),
            ("trials proposed at a time", str(asked_.together)),
            ("hopeless trials", "stopped early" if asked_.stop_early else "run to their last seed"),
            ("fresh seeds", f"{fresh[0]} to {fresh[-1]}" if fresh else "none"),
            ("laid over the scenario", ", ".join(self.sweep.set) or NOTHING),
            *_versions().items(),
        ]
        return Table(("What", "Value"), [[text(k), text(v)] for k, v in pairs], look="pairs").html()


def _objectives(fresh: Trial | None, trial: Trial) -> Sequence[Estimate | None]:
    return fresh.objectives if fresh else [None] * len(trial.objectives)


def _set(value: float | str) -> Cell:
    return setting(value), value if isinstance(value, float) else None


def _range(vary: Vary) -> str:
    if vary.low is None or vary.high is None:
        assert vary.values is not None
        return ", ".join(setting(vary.shown(at)) for at in range(len(vary.values)))
    kind = " (log)" if vary.scale == "log" else ""
    return f"{setting(vary.low)} to {setting(vary.high)}{kind}"


def _versions() -> dict[str, str]:
    from perpsim.simulation.summary import versions

    return versions()
