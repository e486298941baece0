"""What goes on inside a nursery: exchanges that are opened once, and a forked child for each run.

    python -m perpsim.sweeps.nursery_process [--no-fork]

Jobs come in and outcomes go out as pickles, one after the other, through standard input and output.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from perpsim.sweeps.job import Job, ours
from perpsim.sweeps.trial import Outcome, exchange_key, failed, measure

#: exchanges that a nursery keeps, the last ones used
KEPT = 32
RUNS_WITHOUT_FORK = 25
FORKS = hasattr(os, "fork")

#: the first thing a nursery says
READY = "ready"
#: keys of an answer that is no outcome: why the process of a run ended; that the job is another program's
DIED, OTHERS = "died", "others"

# Why a child is ended: nobody waits for it, or it has no memory left.
_GONE, _FULL = "gone", "out of memory"
# Seconds between two looks at a child's memory, and how many in a row may find it full; full is less than
# allocators take at a time (bytes).
_LOOK, _PATIENCE, _GRAIN = 1.0, 5, 1 << 20
_PAGE = os.sysconf("SC_PAGESIZE") if FORKS else 0
# Read from a pipe at a time.
_CHUNK = 1 << 16
# Whom the kernel ends first where memory runs out: a run, not the sweep.
_OOM_SCORE = "500"


class _Exchanges:
    """The exchanges that have been opened, by key."""

    def __init__(self) -> None:
        self._open: dict[str, Any] = {}

    def of(self, job: Job) -> Any:
        """The exchange on which a job begins; None where it cannot be opened: the run itself will say why."""
        from perpsim.simulation.setup import open_exchange

        try:
            scenario = job.model()
            key = exchange_key(scenario)
            protocol = self._open.pop(key, None) or open_exchange(scenario, "revm")
        except Exception:
            return None
        if len(self._open) >= KEPT:
            self._open.pop(next(iter(self._open)))
        self._open[key] = protocol
        return protocol


def serve(tasks: IO[bytes], outcomes: IO[bytes], *, fork: bool = FORKS) -> None:
    """Take jobs until there are no more, or until nobody waits for the outcome any more."""
    _tell(outcomes, READY)
    exchanges = _Exchanges()
    for _ in range(sys.maxsize if fork else RUNS_WITHOUT_FORK):
        try:
            job: Job = pickle.load(tasks)
        except EOFError:
            return
        if not ours(job):
            outcome: Outcome | None = {OTHERS: True}
        elif fork:
            outcome = _fork(job, exchanges.of(job), tasks, outcomes)
        else:
            outcome = _attempt(job)
        if outcome is None:
            return
        _tell(outcomes, outcome)


def _tell(pipe: IO[bytes], what: object) -> None:
    pickle.dump(what, pipe)
    pipe.flush()


def _attempt(job: Job, protocol: Any = None) -> Outcome:
    """Run a job; a fault of the program is an outcome too, so that other runs go on."""
    try:
        return measure(job.model(), protocol)
    except MemoryError:
        return {DIED: _FULL}
    except Exception as error:
        return failed(f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}")


def _fork(job: Job, protocol: Any, tasks: IO[bytes], outcomes: IO[bytes]) -> Outcome | None:
    """Run a job in a child. None if nobody waits for the outcome any more; the child is ended then."""
    limit = _limit(job.memory)
    mine, childs = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(mine)
            # The nursery's own ends: who waits there must notice when the nursery is gone.
            for pipe in (tasks, outcomes):
                os.close(pipe.fileno())
            _child(job, protocol, childs, limit)
            code = 0
        except Exception as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
        finally:
            # Nothing that the nursery has open may be closed or flushed a second time.
            os._exit(code)
    os.close(childs)
    with os.fdopen(mine, "rb", buffering=0) as pipe:
        told, end = _listen(pipe, tasks, pid, limit)
    if end:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if end == _GONE:
        return None
    return {DIED: end} if end else _outcome(told, status)


def _listen(pipe: IO[bytes], tasks: IO[bytes], pid: int, limit: int | None) -> tuple[bytes, str]:
    """All that a child tells; and why no more is waited for, if it is not done."""
    told, full = bytearray(), 0
    while True:
        ready = select.select([pipe, tasks], [], [], _LOOK if limit else None)[0]
        if tasks in ready:
            # Nothing more comes while a job is not done: what can be read there is the end.
            return b"", _GONE
        if ready:
            chunk = os.read(pipe.fileno(), _CHUNK)
            if not chunk:
                return bytes(told), ""
            told += chunk
        elif limit:
            # An interpreter that gets no memory may also go round in circles.
            full = full + 1 if limit - _held(pid) < _GRAIN else 0
            if full == _PATIENCE:
                return b"", _FULL


def _child(job: Job, protocol: Any, end: int, limit: int | None) -> None:
    """Run a job in a forked process and write the outcome to a pipe."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    if limit is not None:
        import resource

        # Not the address space: threads reserve much of that and never use it.
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    outcome = _attempt(job, protocol)
    with os.fdopen(end, "wb") as pipe:
        pickle.dump(outcome, pipe)


def _limit(memory: int | None) -> int | None:
    """Bytes of data that a child may have if it may take so many on top of what it is born with; None where
    there is no limit, or no way to tell (outside Linux)."""
    import resource

    held = _held(os.getpid())
    if memory is None or not held:
        return None
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    return held + memory if hard == resource.RLIM_INFINITY else min(held + memory, hard)


def _held(pid: int) -> int:
    """Bytes of data of a process, its stack among them; 0 if that is not known."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[5]) * _PAGE
    except (OSError, IndexError):
        return 0


def _outcome(told: bytes, status: int) -> Outcome:
    """What a child has said, or how it ended."""
    if os.WIFSIGNALED(status):
        return {DIED: signalled(os.WTERMSIG(status))}
    try:
        outcome: Outcome = pickle.loads(told)
    except Exception:
        return {DIED: f"it ended with exit code {os.waitstatus_to_exitcode(status)} and no result"}
    return outcome


def signalled(number: int) -> str:
    """That a process was ended by a signal, in words."""
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"killed by signal {number}"
    hint = ", as the system does where memory runs out" if name == "SIGKILL" else ""
    return f"killed by signal {number} ({name}{hint})"


def _main(arguments: list[str]) -> None:
    # Ctrl-C goes to whoever started the nursery, who will end it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Whatever prints must not get between the pickles.
    outcomes = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, outcomes, fork="--no-fork" not in arguments)


if __name__ == "__main__":
    _main(sys.argv[1:])
