"""A process that opens exchanges once and gives every run a child of its own.

A run leaves memory behind in the engine and may die, so each has a process to itself. Starting one from
nothing costs a second of imports and a tenth for the deployment. A nursery has done both: it keeps the
exchanges that it has opened, forks, and the child runs a path on its copy and is gone. Where there is no fork
(outside Unix) the nursery runs paths itself, opens an exchange for each, and is replaced after
`RUNS_WITHOUT_FORK`.

Nurseries are plain subprocesses that speak pickles over pipes: a thread of this process, or of a worker of a
cluster, has one each.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from typing import IO, Any

from perpsim.sweeps.job import Job
from perpsim.sweeps.trial import Outcome, exchange_key, failed, measure

#: exchanges that a nursery keeps, the last ones used
KEPT = 32
RUNS_WITHOUT_FORK = 25

FORKS = hasattr(os, "fork")


class Died(Exception):
    """The process of a run ended without a word: killed, or out of memory."""


# ------------------------------------------------------------------------------ in the nursery


class _Exchanges:
    """The exchanges that have been opened, by key."""

    def __init__(self) -> None:
        self._open: dict[str, Any] = {}

    def of(self, job: Job) -> Any:
        """The exchange on which a job begins; None where it cannot be opened: the run itself will say why."""
        from perpsim.simulation.setup import open_exchange

        scenario = job.model()
        key = exchange_key(scenario)
        protocol = self._open.pop(key, None)
        if protocol is None:
            try:
                protocol = open_exchange(scenario, "revm")
            except Exception:
                return None
            if len(self._open) >= KEPT:
                self._open.pop(next(iter(self._open)))
        self._open[key] = protocol
        return protocol


def _attempt(job: Job, protocol: Any = None) -> Outcome:
    """Run a job; a fault of the program is an outcome too, so that other runs go on."""
    try:
        return measure(job.model(), protocol)
    except MemoryError:
        return {"died": "out of memory"}
    except Exception as error:
        return failed(f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}")


def _child(job: Job, protocol: Any, end: int) -> None:
    """Run a job in a forked process and write the outcome to a pipe."""
    if job.memory is not None:
        import resource

        # Not the address space: threads reserve much of that and never use it.
        resource.setrlimit(resource.RLIMIT_DATA, (job.memory, job.memory))
    outcome = _attempt(job, protocol)
    with os.fdopen(end, "wb") as pipe:
        pickle.dump(outcome, pipe)


def _fork(job: Job, protocol: Any) -> Outcome:
    mine, childs = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(mine)
            _child(job, protocol, childs)
            code = 0
        finally:
            # Nothing that the nursery has open may be closed or flushed a second time.
            os._exit(code)
    os.close(childs)
    with os.fdopen(mine, "rb") as pipe:
        told = pipe.read()
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return {"died": f"killed by signal {number} ({signal.Signals(number).name})"}
    try:
        outcome: Outcome = pickle.loads(told)
    except Exception:
        return {"died": f"it ended with exit code {os.waitstatus_to_exitcode(status)} and no result"}
    return outcome


def serve(tasks: IO[bytes], outcomes: IO[bytes], *, fork: bool = FORKS) -> None:
    """Take jobs until there are no more."""
    # Ctrl-C goes to whoever started the nursery, who will end it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    exchanges = _Exchanges()
    for _ in range(sys.maxsize if fork else RUNS_WITHOUT_FORK):
        try:
            job = pickle.load(tasks)
        except EOFError:
            return
        pickle.dump(_fork(job, exchanges.of(job)) if fork else _attempt(job), outcomes)
        outcomes.flush()


# -------------------------------------------------------------------------- in whoever has one


class Nursery:
    """A nursery and the way to it. One job at a time."""

    def __init__(self, *, fork: bool = FORKS) -> None:
        self._fork = fork
        self._process: subprocess.Popen[bytes] | None = None
        self._words: IO[bytes] | None = None
        self._left = 0

    @property
    def pid(self) -> int | None:
        """The nursery's process, None while there is none."""
        return self._process.pid if self._process is not None else None

    def run(self, job: Job) -> Outcome:
        """Run a job and wait for its outcome. Raises `Died`."""
        if self._process is None or self._left == 0:
            self._start()
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        self._left -= 1
        try:
            pickle.dump(job, process.stdin)
            process.stdin.flush()
            outcome: Outcome = pickle.load(process.stdout)
        except (OSError, EOFError, ValueError, pickle.UnpicklingError):
            words = self._last_words(process)
            self.close()
            raise Died(words) from None
        if "died" in outcome:
            raise Died(outcome["died"])
        return outcome

    def close(self) -> None:
        """End the process, whatever it is doing."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    # What could not be sent to it is of no use to anybody.
                    with suppress(OSError):
                        pipe.close()
        if self._words is not None:
            self._words.close()
            self._words = None

    def _start(self) -> None:
        self.close()
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the nursery)
        command = [sys.executable, "-m", "perpsim.sweeps.nursery"]
        if not self._fork:
            command.append("--no-fork")
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._words
        )
        self._left = sys.maxsize if self._fork else RUNS_WITHOUT_FORK

    def _last_words(self, process: subprocess.Popen[bytes]) -> str:
        """Why a process ended."""
        try:
            code: int | None = process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            code = None
        how = f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        lines = []
        if self._words is not None:
            self._words.seek(0)
            lines = self._words.read().decode(errors="replace").strip().splitlines()
        return f"the worker ended ({how})" + (f": {lines[-1][:200]}" if lines else "")


_mine = threading.local()
_all: list[Nursery] = []


def run_job(job: Job) -> Outcome:
    """Run a job in the nursery of this thread. Raises `Died`. This is what executors are given."""
    nursery = getattr(_mine, "nursery", None)
    if nursery is None:
        nursery = _mine.nursery = Nursery()
        _all.append(nursery)
    outcome: Outcome = nursery.run(job)
    return outcome


def close_all() -> None:
    """End the nurseries of all threads of this process, and what they are doing."""
    while _all:
        _all.pop().close()


def _main(arguments: list[str]) -> None:
    # Whatever prints must not get between the pickles.
    outcomes = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, outcomes, fork="--no-fork" not in arguments)


if __name__ == "__main__":
    _main(sys.argv[1:])
