"""Doing the runs of a sweep: through an executor, a few ahead, each row on disk as soon as it is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from dataclasses import dataclass
from typing import Protocol

from perpsim.errors import UserError
from perpsim.sweeps.job import Job
from perpsim.sweeps.nursery import Died, run_job
from perpsim.sweeps.store import SweepFolder
from perpsim.sweeps.trial import Outcome, failed

# Seconds between two looks at whether to stop.
_LOOK = 0.2


class Pool(Protocol):
    """Workers. Their number may change while they work."""

    @property
    def executor(self) -> Executor:
        """Who takes jobs."""

    @property
    def workers(self) -> int:
        """How many runs go on at a time."""

    def lost(self) -> str:
        """Why no more outcomes are to be expected; empty while they are."""


class Progress(Protocol):
    """Somebody who watches."""

    def start(self, total: int, what: str) -> None:
        """There are `total` runs to do."""

    def __call__(self, done: int, failures: int, /) -> None:
        """So many are done, of which so many have failed."""

    def finish(self) -> None:
        """It is over."""


@dataclass
class Tally:
    """What came of a campaign."""

    done: int = 0
    failures: int = 0
    complete: bool = False


def campaign(
    jobs: Iterator[Job],
    pool: Pool,
    folder: SweepFolder,
    attempts: int,
    progress: Callable[[int, int], None],
    should_stop: Callable[[], bool],
    work: Callable[[Job], Outcome] = run_job,
) -> Tally:
    """Do all `jobs`. A run whose worker died is tried `attempts` times and then recorded as failed, with the
    reason. What is held here does not grow with the number of runs.

    Raises `UserError` when rows cannot be written or the workers are gone; what is done is on disk.
    """
    tally = Tally()
    waiting: dict[Future[Outcome], tuple[Job, int]] = {}

    def submit(job: Job, attempt: int) -> None:
        waiting[pool.executor.submit(work, job)] = (job, attempt)

    def note(job: Job, outcome: Outcome, attempt: int) -> None:
        folder.add(job, outcome, attempt)
        tally.done += 1
        tally.failures += outcome["status"] != "ok"
        progress(tally.done, tally.failures)

    try:
        while not should_stop():
            # Two a worker: the next job is there when one is done.
            while len(waiting) < 2 * pool.workers and (job := next(jobs, None)) is not None:
                if job.fault:
                    note(job, failed(job.fault), 0)
                else:
                    submit(job, 1)
            if not waiting:
                tally.complete = True
                break
            ready, _ = wait(waiting, timeout=_LOOK, return_when=FIRST_COMPLETED)
            if not ready and (words := pool.lost()):
                raise UserError(f"{words}; {tally.done:,} runs are done and kept in {folder.path}")
            for future in ready:
                job, attempt = waiting.pop(future)
                try:
                    note(job, future.result(), attempt)
                except (Died, CancelledError) as error:
                    if words := pool.lost():
                        raise UserError(
                            f"{words}; {tally.done:,} runs are done and kept in {folder.path}"
                        ) from None
                    if attempt < attempts:
                        submit(job, attempt + 1)
                    else:
                        note(job, failed(f"{error or 'cancelled'} ({attempt} attempts)"), attempt)
    finally:
        for future in waiting:
            future.cancel()
    return tally
