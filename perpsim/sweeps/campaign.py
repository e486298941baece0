"""Doing the runs of a sweep: through an executor, a few ahead, each row on disk as soon as it is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Protocol

from perpsim.errors import UserError
from perpsim.sweeps.job import Job
from perpsim.sweeps.nursery import NotStarted, OtherProgram
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

    def work(self, job: Job) -> Outcome:
        """What the executor is given to do. Raises `Died` where a run did not survive."""

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
) -> Tally:
    """Do all `jobs`. A run whose worker died is tried `attempts` times and then recorded as failed, with the
    reason. What is held here does not grow with the number of runs.

    Raises `UserError` when rows cannot be written or the workers are gone; what is done is on disk.
    """
    return _Campaign(pool, folder, attempts, progress, should_stop).run(jobs)


class _Campaign:
    """The runs that are out, and what has come back."""

    def __init__(
        self,
        pool: Pool,
        folder: SweepFolder,
        attempts: int,
        progress: Callable[[int, int], None],
        should_stop: Callable[[], bool],
    ) -> None:
        self._pool, self._folder, self._attempts = pool, folder, attempts
        self._progress, self._should_stop = progress, should_stop
        self._tally = Tally()
        self._out: dict[Future[Outcome], tuple[Job, int]] = {}
        # They come by themselves: asking each of thousands that are out would take longer than the answers.
        self._back: SimpleQueue[Future[Outcome]] = SimpleQueue()

    def run(self, jobs: Iterator[Job]) -> Tally:
        """Until there are no more, or it is to stop."""
        left = True
        try:
            while not self._should_stop():
                # Two a worker: the next job is there when one is done.
                if left and len(self._out) < 2 * self._pool.workers:
                    job = next(jobs, None)
                    left = job is not None
                    if job is not None:
                        self._begin(job)
                elif self._out:
                    self._wait()
                else:
                    self._tally.complete = not left
                    break
        finally:
            for future in list(self._out):
                future.cancel()
        return self._tally

    def _begin(self, job: Job) -> None:
        if job.fault:
            self._note(job, failed(job.fault), 0)
        else:
            self._submit(job, 1)

    def _submit(self, job: Job, attempt: int) -> None:
        try:
            future = self._pool.executor.submit(self._pool.work, job)
        except Exception:
            self._check()
            raise
        self._out[future] = (job, attempt)
        future.add_done_callback(self._back.put)

    def _wait(self) -> None:
        """Take what comes back; it may be nothing for a while."""
        try:
            future = self._back.get(timeout=_LOOK)
        except Empty:
            self._check()
            return
        job, attempt = self._out.pop(future)
        try:
            outcome = future.result()
        except OtherProgram as error:
            raise self._over(str(error)) from None
        except Exception as error:
            self._check()
            self._lost(job, attempt, error)
        else:
            self._note(job, outcome, attempt)

    def _lost(self, job: Job, attempt: int, error: Exception) -> None:
        """A run did not survive: once more, or it has failed."""
        if attempt < self._attempts:
            self._submit(job, attempt + 1)
            return
        if isinstance(error, NotStarted):
            # It is not the run: all others would be recorded as failed too.
            raise self._over(f"workers cannot be started: {error}")
        words = str(error).splitlines()
        reason = words[0] if words else type(error).__name__
        self._note(job, failed(f"{reason} ({attempt} attempts)"), attempt)

    def _note(self, job: Job, outcome: Outcome, attempt: int) -> None:
        self._folder.add(job, outcome, attempt)
        self._tally.done += 1
        self._tally.failures += outcome["status"] != "ok"
        self._progress(self._tally.done, self._tally.failures)

    def _check(self) -> None:
        """Raise `UserError` if the workers are gone."""
        if words := self._pool.lost():
            raise self._over(words)

    def _over(self, words: str) -> UserError:
        done, path = self._tally.done, self._folder.path
        return UserError(f"{words}; {done:,} runs are done and kept in {path}: the same command goes on")
