"""From what the user asked for to an optimum on disk: the search, done by the same workers as sweeps."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from perpsim.chain.artifacts import Compiler
from perpsim.errors import UserError
from perpsim.sweeps.campaign import Pool, campaign
from perpsim.sweeps.command import SWEEPS, Request, pool_for
from perpsim.sweeps.job import Job, make_job
from perpsim.sweeps.loading import load_sweep
from perpsim.sweeps.objectives import Row
from perpsim.sweeps.optimise import Search, Watcher
from perpsim.sweeps.optimum import RESULT, Optimum, write_result
from perpsim.sweeps.store import REPORT, ROWS, SWEEP, SweepFolder

PAGE = "optimisation.html"


@dataclass(frozen=True)
class Found:
    """An optimisation that is over, or was broken off: then there is no page."""

    search: Search
    optimum: Optimum
    folder: Path
    page: Path | None


class Progress(Protocol):
    """Somebody who watches."""

    def start(self, total: int, what: str) -> None:
        """There are at most `total` runs to do."""

    def __call__(self, done: int, failures: int, /) -> None:
        """So many are done, of which so many have failed."""

    def trial(self, number: int, planned: int, feasible: int) -> None:
        """So many of the planned trials are done, of which so many hold the constraints."""

    def finish(self) -> None:
        """It is over."""


def execute(
    request: Request,
    trials: int | None,
    force: bool,
    notice: Callable[[str], None],
    progress: Progress,
    should_stop: Callable[[], bool],
) -> Found:
    """Search, do the runs that are missing, write the result. Raises `UserError` before anything is written
    if it cannot be done."""
    sweep = load_sweep(request.sweep)
    search = Search(sweep, trials)
    path = request.out or SWEEPS / sweep.name
    with pool_for(request) as pool:
        if force:
            _clear(path)
        folder = _Rows.take(path, search.space)
        # Once here, not once in every worker.
        Compiler().load_all()
        runs = _Runs(search, folder, pool, progress, should_stop)
        if runs.known:
            notice(f"{path}: {len(runs.known):,} runs are there already")
        progress.start(search.most_runs, "runs")
        try:
            optimum = search.run(runs, runs)
        finally:
            progress.finish()
    folder.compact()
    page = None
    if optimum.complete:
        write_result(sweep, optimum, path)
        page = _page(search, optimum, path, notice)
    return Found(search, optimum, path, page)


class _Rows(SweepFolder):
    """A sweep folder that passes on what it is given to write."""

    heard: Callable[[Job, Mapping[str, Any]], None]

    def add(self, job: Job, outcome: Mapping[str, Any], attempts: int) -> None:
        super().add(job, outcome, attempts)
        self.heard(job, outcome)


class _Runs(Watcher):
    """Evaluates points by a campaign, and tells how far it is; rows that are on disk are taken from there."""

    def __init__(
        self,
        search: Search,
        folder: _Rows,
        pool: Pool,
        progress: Progress,
        should_stop: Callable[[], bool],
    ) -> None:
        self._space, self._folder, self._pool = search.space, folder, pool
        self._progress, self._should_stop = progress, should_stop
        self._seeds, self._planned = len(search.space.seeds), search.planned
        self._columns = ["status", "reason", *sorted(search.goal.figures)]
        frame = folder.frame().select("key", *self._columns)
        #: of every run its status and the figures that matter here, by key
        self.known: dict[str, Row] = {row.pop("key"): row for row in frame.iter_rows(named=True)}
        self._done = self._failures = 0

    def __call__(self, wanted: Iterator[tuple[int, int]], note: Callable[[int, int, Row], None]) -> bool:
        def missing() -> Iterator[Job]:
            for point, seed in wanted:
                if self._should_stop():
                    return
                job = make_job(self._space, point, seed)
                row = self.known.get(job.key)
                if row is None:
                    yield job
                else:
                    self._count(row)
                    note(point, seed, row)

        def heard(job: Job, outcome: Mapping[str, Any]) -> None:
            row = self.known[job.key] = {name: outcome[name] for name in self._columns}
            self._count(row)
            note(job.point, job.seed, row)

        self._folder.heard = heard
        attempts = self._space.sweep.limits.attempts
        tally = campaign(
            missing(), self._pool, self._folder, attempts, lambda done, failures: None, self._should_stop
        )
        return tally.complete and not self._should_stop()

    def _count(self, row: Row) -> None:
        self._done += 1
        self._failures += row["status"] != "ok"
        self._progress(self._done, self._failures)

    def trial_done(self, trials: int, feasible: int) -> None:
        """Runs that a trial does not need any more count as done."""
        self._done = trials * self._seeds
        self._progress.trial(trials, self._planned, feasible)
        self._progress(self._done, self._failures)

    def confirming(self, runs: int) -> None:
        """The runs on fresh seeds are counted anew."""
        self._done = 0
        self._progress.finish()
        self._progress.start(runs, "fresh runs")


def _clear(path: Path) -> None:
    """Take away what an earlier sweep left in a folder."""
    if not path.exists():
        return
    if not (path / SWEEP).is_file():
        raise UserError(f"sweep folder {path}: --force only overwrites sweep folders, this is none")
    try:
        if (path / ROWS).exists():
            shutil.rmtree(path / ROWS)
        for name in (RESULT, PAGE, REPORT, SWEEP):
            (path / name).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"sweep folder {path}: {error.strerror or error}") from None


def _page(search: Search, optimum: Optimum, folder: Path, notice: Callable[[str], None]) -> Path | None:
    """The page. An optimum that is found is not lost because its page fails."""
    try:
        from perpsim.report.optimise_page import write_page

        return write_page(search, optimum, folder / PAGE)
    except Exception as error:
        notice(f"the page could not be written: {error}")
        return None
