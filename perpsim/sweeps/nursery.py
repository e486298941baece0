"""A process that opens exchanges once and gives every run a child of its own, and the way to it.

A run leaves memory behind in the engine and may die, so each has a process to itself. Starting one from
nothing costs a second of imports and a tenth for the deployment. A nursery has done both: it keeps the
exchanges that it has opened, forks, and the child runs a path on its copy and is gone. Where there is no fork
(outside Unix) the nursery runs paths itself, opens an exchange for each, and is replaced after
`RUNS_WITHOUT_FORK`.

Nurseries are plain subprocesses that speak pickles over pipes: a thread of this process, or of a worker of a
cluster, has one each. A nursery whose owner is gone ends by itself, and its run with it.
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
from pathlib import Path
from typing import IO, Any

import perpsim
from perpsim.sweeps import nursery_process
from perpsim.sweeps.job import Job
from perpsim.sweeps.nursery_process import DIED, FORKS, OTHERS, READY, RUNS_WITHOUT_FORK, signalled
from perpsim.sweeps.trial import Outcome

# A run is one thread's work: pools of them in every child would only cost memory. Where native code gives up
# for lack of memory, it says so in a line, and not on pages.
_SURROUNDINGS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"), "1") | {
    "RUST_BACKTRACE": "0"
}
_HINT = "note: run with `RUST_BACKTRACE"
# Bytes of the last that a process wrote which are looked at, and characters of it that are told.
_TAIL, _TOLD = 4_000, 200


class Died(Exception):
    """The process of a run ended without a word: killed, or out of memory."""


class NotStarted(Died):
    """A nursery could not even begin."""


class OtherProgram(Exception):
    """The program of the worker is not the one that the run was asked of: its outcome could be another."""


class Nursery:
    """A nursery and the way to it. One job at a time; it may be closed from another thread, for good.

    `owner` says for whom it works, see `close_all`.
    """

    #: what the process runs
    program = ("-m", nursery_process.__name__)

    def __init__(self, *, fork: bool = FORKS, owner: str = "") -> None:
        self.owner = owner
        self.closed = False
        self._fork = fork
        self._process: subprocess.Popen[bytes] | None = None
        self._words: IO[bytes] | None = None
        self._left = 0
        # Held while a job is done; and while it is decided whether there is a process.
        self._turn, self._birth = threading.Lock(), threading.Lock()

    @property
    def pid(self) -> int | None:
        """The nursery's process, None while there is none."""
        process = self._process
        return process.pid if process is not None else None

    def run(self, job: Job) -> Outcome:
        """Run a job and wait for its outcome. Raises `Died`, `OtherProgram`."""
        parcel = pickle.dumps(job)
        with self._turn:
            if self._process is None or self._left == 0:
                self._start()
            assert self._words is not None
            # What one run has said is of no use to the next, and would pile up.
            self._words.seek(0)
            self._words.truncate()
            self._left -= 1
            outcome: Outcome | None = self._ask(parcel)
            if outcome is None:
                words = self._last_words()
                self._end()
                raise Died(words)
            if DIED in outcome:
                raise Died(_with(outcome[DIED], self._said()))
        if OTHERS in outcome:
            raise OtherProgram("the program of a worker is not the one that began the sweep")
        return outcome

    def kill(self) -> None:
        """Make an end of it, whatever it is doing; `close` tidies up."""
        with self._birth:
            self.closed = True
            if self._process is not None:
                _kill(self._process)

    def close(self) -> None:
        """End the process, whatever it is doing, and use it no more."""
        self.kill()
        with self._turn:
            self._end()

    def _start(self) -> None:
        self._end()
        command = [sys.executable, "-P", *self.program]
        if not self._fork:
            command.append("--no-fork")
        package = str(Path(perpsim.__file__).parent.parent)
        path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
        # A group of its own: Ctrl-C is not for it, and what it has forked is ended with it.
        group = {"process_group": 0} if FORKS else {}
        with self._birth:
            if self.closed:
                raise Died("it was closed")
            try:
                self._words = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (closed with the nursery)
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._words,
                    env=os.environ | _SURROUNDINGS | {"PYTHONPATH": path},
                    **group,  # type: ignore[call-overload]
                )
            except OSError as error:
                raise NotStarted(f"it could not be started ({error.strerror or error})") from None
        self._left = sys.maxsize if self._fork else RUNS_WITHOUT_FORK
        if self._ask(b"") != READY:
            words = self._last_words()
            self._end()
            raise NotStarted(words)

    def _ask(self, parcel: bytes) -> Any:
        """What the process says to a parcel; None if it has nothing sensible to say any more."""
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(parcel)
            process.stdin.flush()
            return pickle.load(process.stdout)
        except Exception:
            # Of half a pickle anything may come.
            return None

    def _last_words(self) -> str:
        """Why the process ended."""
        process = self._process
        assert process is not None
        try:
            code = process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "the worker is not understood any more"
        how = signalled(-code) if code < 0 else f"exit code {code}"
        return _with(f"the worker ended ({how})", self._said())

    def _said(self) -> str:
        """The last line that the process wrote."""
        if self._words is None:
            return ""
        end = self._words.seek(0, os.SEEK_END)
        self._words.seek(max(0, end - _TAIL))
        lines = self._words.read().decode(errors="replace").splitlines()
        lines = [line.strip() for line in lines if line.strip() and not line.startswith(_HINT)]
        return lines[-1][:_TOLD] if lines else ""

    def _end(self) -> None:
        """End the process if there is one, and what it has forked."""
        with self._birth:
            process, self._process = self._process, None
            if process is not None:
                _kill(process)
                process.wait()
        if process is not None:
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                # What could not be sent to it is of no use to anybody.
                with suppress(OSError):
                    pipe.close()
        if self._words is not None:
            self._words.close()
            self._words = None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all of its group; they may be gone already."""
    if FORKS:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def _with(reason: str, said: str) -> str:
    return f"{reason}: {said}" if said else reason


_mine = threading.local()
_guard = threading.Lock()
_all: set[Nursery] = set()
_over: set[str] = set()


def run_job(job: Job, owner: str = "") -> Outcome:
    """Run a job in the nursery of this thread. Raises `Died`, `OtherProgram`. This is what executors are
    given. `owner` names the sweep where several share the workers."""
    with _guard:
        if owner in _over:
            raise Died("its sweep is over")
        nursery: Nursery | None = getattr(_mine, "nursery", None)
        if nursery is None or nursery.closed:
            nursery = _mine.nursery = Nursery()
            _all.add(nursery)
        nursery.owner = owner
    return nursery.run(job)


def close_all(owner: str = "") -> None:
    """End the nurseries of all threads of this process, and what they are doing; with an `owner` those that
    worked for it last, and none will work for it again."""
    with _guard:
        if owner:
            _over.add(owner)
        chosen = [nursery for nursery in _all if owner in ("", nursery.owner)]
        _all.difference_update(chosen)
    # All of them first: they end side by side.
    for nursery in chosen:
        nursery.kill()
    for nursery in chosen:
        nursery.close()
