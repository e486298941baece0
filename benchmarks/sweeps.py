"""What sweeps cost: runs a second and how well two workers share them, what forking saves, memory of workers
and of the parent, bytes of what is sent and kept, and what a dask scheduler bears.

    python benchmarks/sweeps.py [--only PART ...] [--runs N] [--rounds N] [--rows N] [--tasks N]

Wall time means little on a machine that does other things: processor time stands beside it, and the load.
Memory and files are read from /proc: Linux.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pickle
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil

from perpsim.chain.artifacts import Compiler
from perpsim.sweeps.campaign import campaign
from perpsim.sweeps.cluster import DaskPool, dask_pool
from perpsim.sweeps.design import Design
from perpsim.sweeps.figures import FIGURES
from perpsim.sweeps.job import Job, jobs, make_job
from perpsim.sweeps.loading import load_sweep
from perpsim.sweeps.nursery import Nursery
from perpsim.sweeps.pools import local_pool
from perpsim.sweeps.store import ROWS, SweepFolder
from perpsim.sweeps.trial import Outcome

SWEEP = "fund-size-smoke"
#: what parts tell each other: seconds and bytes
Figures = dict[str, float]
#: "100,000 runs on 100 machines", of so many cores
RUNS, MACHINES, CORES = 100_000, 100, 16


def design(seeds: int, *settings: str) -> Design:
    """The sweep with so many seeds."""
    return Design(load_sweep(SWEEP).model_copy(update={"seeds": seeds, "set": list(settings)}))


def memory(pid: int, kind: str = "Rss") -> float:
    """Memory of a process, MB: resident, or its share of it (Pss)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")) / 1024


def processor(pid: int) -> float:
    """Processor seconds of a process so far."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def of_children() -> float:
    """Processor seconds of all processes that this one has started and that are over."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def sample_outcome() -> Outcome:
    """The outcome of a run."""
    with closing(Nursery()) as nursery:
        return nursery.run(make_job(found := design(1), 0, found.seeds[0]))


# ---------------------------------------------------------------------------- runs a second


def pace(workers: int, runs: int) -> tuple[float, float, float]:
    """Runs a second while all workers are busy, processor seconds a run of the workers, and of the parent."""
    found, ends = design(-(-runs // 3)), [time.monotonic()]
    before, mine = of_children(), time.process_time()
    with tempfile.TemporaryDirectory() as path:
        folder = SweepFolder.take(Path(path), found)
        with local_pool(workers) as pool:
            campaign(
                jobs(found, ()),
                pool,
                folder,
                1,
                lambda done, bad: ends.append(time.monotonic()),
                lambda: False,
            )
    # Without the start of the workers and the last runs, which not all of them have.
    first, last = 2 * workers, found.runs - workers
    rate = (last - first) / (ends[last] - ends[first])
    return rate, (of_children() - before) / found.runs, (time.process_time() - mine) / found.runs


def part_workers(options: argparse.Namespace, found: Figures) -> None:
    """Two workers against one, by turns."""
    measured: dict[int, list[tuple[float, float, float]]] = {1: [], 2: []}
    for number in range(options.rounds):
        for workers in measured:
            measured[workers].append(pace(workers, options.runs))
            rate, each, parent = measured[workers][-1]
            print(
                f"round {number + 1}: {workers} workers {rate:.2f} runs/s, processor {each:.3f} s a run, "
                f"parent {parent * 1000:.1f} ms, load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
    one, two = (statistics.median(rate for rate, _, _ in measured[workers]) for workers in (1, 2))
    best = [max(rate for rate, _, _ in measured[workers]) for workers in (1, 2)]
    busy = [statistics.median(each for _, each, _ in measured[workers]) for workers in (1, 2)]
    print(f"{SWEEP}: {one:.2f} runs/s with 1 worker, {two:.2f} with 2 (medians of {options.rounds})")
    print(f"efficiency: wall {two / one / 2:.2f}, of the best rounds {best[1] / best[0] / 2:.2f}, ", end="")
    print(f"of processor time {busy[0] / busy[1]:.2f}")


def part_fork(options: argparse.Namespace, found: Figures) -> None:
    """What a run costs beside its blocks: forked, redeployed in one process, in a process of its own."""
    todo = list(jobs(design(options.short, "clock.blocks=1"), ()))[: options.short]

    def cost(runs: list[Job], **how: Any) -> float:
        before = of_children()
        with closing(Nursery(**how)) as nursery:
            for job in runs:
                nursery.run(job)
        return of_children() - before

    for name, how in (("forked", {}), ("redeployed", {"fork": False})):
        # The start of the process is in both, and cancels out.
        each = (cost(todo[: 1 + 20], **how) - cost(todo[:1], **how)) / 20
        print(f"{name}: {each * 1000:.0f} ms of processor time a run of one block", flush=True)
    print(f"a process of its own: {statistics.median(cost(todo[:1]) for _ in range(3)) * 1000:.0f} ms")


def part_memory(options: argparse.Namespace, found: Figures) -> None:
    """Memory of a nursery as it gives birth, on three exchanges."""
    sweep = design(options.nursery // 3 + 1, "clock.blocks=60")
    with closing(Nursery()) as nursery:
        for number, job in enumerate(jobs(sweep, ()), 1):
            nursery.run(job)
            assert nursery.pid is not None
            if number in (1, 50, 100, options.nursery):
                rss, pss = (memory(nursery.pid, kind) for kind in ("Rss", "Pss"))
                print(f"nursery after {number} runs: RSS {rss:.1f} MB, PSS {pss:.1f} MB", flush=True)
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"largest process of a run of 60 blocks: {largest:.0f} MB")


# ------------------------------------------------------------------------- what is kept


class Instantly:
    """Workers that have the outcome already."""

    workers = 2

    def __init__(self, outcome: Outcome) -> None:
        class Here(Executor):
            def submit(self, work: Any, /, *arguments: Any, **options: Any) -> Future[Any]:
                future: Future[Any] = Future()
                future.set_result(outcome)
                return future

        self.executor = Here()

    def work(self, job: Job) -> Outcome:
        """Nobody asks."""
        raise NotImplementedError

    def lost(self) -> str:
        """Never."""
        return ""


def on_disk(path: Path) -> tuple[int, int, int]:
    """Files, their bytes, and the bytes of the blocks that they take."""
    found = [file.stat() for file in path.rglob("*.parquet")]
    return len(found), sum(file.st_size for file in found), sum(file.st_blocks * 512 for file in found)


def part_parent(options: argparse.Namespace, found: Figures) -> None:
    """Memory of the parent, rows a second, and bytes a row."""
    outcome, sweep = sample_outcome(), design(-(-options.rows // 3))
    job = make_job(sweep, 0, sweep.seeds[0])
    print(f"a job {len(pickle.dumps(job)):,} bytes, an outcome {len(pickle.dumps(outcome)):,} bytes, pickled")
    looks = (options.rows // 20, options.rows // 4, options.rows // 2, options.rows)

    def look(done: int, failures: int) -> None:
        if done in looks:
            print(f"parent after {done:,} runs: RSS {memory(os.getpid()):.0f} MB", flush=True)

    with tempfile.TemporaryDirectory() as path:
        folder = SweepFolder.take(Path(path), sweep)
        began, mine = time.monotonic(), time.process_time()
        tally = campaign(jobs(sweep, ()), Instantly(outcome), folder, 1, look, lambda: False)
        wall, each = time.monotonic() - began, (time.process_time() - mine) / tally.done
        print(f"parent: {tally.done / wall:,.0f} rows/s, {each * 1000:.2f} ms of processor time each")
        for words in ("of their own", "put together"):
            files, size, blocks = on_disk(Path(path) / ROWS)
            print(f"rows {words}: {files:,} files, a row {size / tally.done:,.0f} bytes, ", end="")
            print(f"{blocks / tally.done:,.0f} on disk", flush=True)
            found.setdefault("row bytes", blocks / tally.done)
            folder.compact(2)
        found["row"] = each


# ---------------------------------------------------------------------------- a scheduler


class Relay:
    """A port that passes everything on to another one, and counts."""

    def __init__(self, port: int) -> None:
        self._to, self.there, self.back = port, 0, 0
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self) -> None:
        while True:
            near, _ = self._door.accept()
            far = socket.create_connection(("127.0.0.1", self._to))
            for ends, name in (((near, far), "there"), ((far, near), "back")):
                threading.Thread(target=self._pass, args=(*ends, name), daemon=True).start()

    def _pass(self, source: socket.socket, drain: socket.socket, name: str) -> None:
        try:
            while chunk := source.recv(1 << 16):
                setattr(self, name, getattr(self, name) + len(chunk))
                drain.sendall(chunk)
        except OSError:
            pass
        drain.close()


@contextmanager
def running(*arguments: str) -> Iterator[int]:
    """A process of dask's; its id."""
    command = [sys.executable, "-m", "dask", *arguments, "--no-dashboard"]
    path = os.pathsep.join(filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH"))))
    environment, silent = os.environ | {"PYTHONPATH": path}, subprocess.DEVNULL
    with subprocess.Popen(command, stdout=silent, stderr=silent, env=environment) as process:
        try:
            yield process.pid
        finally:
            process.kill()


def nothing(job: Job) -> Outcome:
    """A run that costs nothing, with an outcome as long as that of one."""
    figures = {one.name: job.seed / 7 for one in FIGURES}
    return {"status": "ok", "reason": "", "digest": job.key[:32] * 2, "seconds": 1 / 7} | figures


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def part_dask(options: argparse.Namespace, found: Figures) -> None:
    """Tasks that do nothing, through the executor that runs go through."""
    todo, port = list(jobs(design(-(-options.tasks // 3)), ()))[: options.tasks], free_port()
    worker = ("worker", f"tcp://127.0.0.1:{port}", "--nthreads", "8", "--no-nanny")
    with running("scheduler", "--host", "127.0.0.1", "--port", str(port)) as scheduler:
        while socket.socket().connect_ex(("127.0.0.1", port)):
            time.sleep(0.1)
        with running(*worker) as one, running(*worker) as two:
            relay = Relay(port)
            with all_workers(relay.port) as executor:
                through(executor, todo[:100])
                before, tasks = (relay.there, relay.back), todo[: max(100, len(todo) // 10)]
                through(executor, tasks)
                there, back = (relay.there - before[0]) / len(tasks), (relay.back - before[1]) / len(tasks)
            with all_workers(port) as executor:
                through(executor, todo[:100])
                pids = (scheduler, os.getpid(), one, two)
                started, began = [processor(pid) for pid in pids], time.monotonic()
                through(executor, todo)
                wall = time.monotonic() - began
                used = [(processor(pid) - start) / len(todo) for pid, start in zip(pids, started)]
    load = os.getloadavg()[0]
    print(f"dask: {len(todo):,} tasks that do nothing, {len(todo) / wall:,.0f} a second (load {load:.1f})")
    print(
        f"processor time a task: scheduler {used[0] * 1000:.2f} ms, parent {used[1] * 1000:.2f} ms, "
        f"worker {sum(used[2:]) * 1000:.2f} ms; bytes a task: from the parent {there:,.0f}, to it {back:,.0f}"
    )
    found |= {"scheduler": used[0], "parent": used[1], "sent": there + back}


def on_paper(found: Figures) -> None:
    """What 100,000 runs on 100 machines would ask for and cost, if all parts for that were measured."""
    if not {"row", "scheduler"} <= found.keys():
        return
    parent = found["row"] + found["parent"]
    borne = 1 / max(found["scheduler"], parent)
    print(f"on paper, {RUNS:,} runs on {MACHINES} machines of {CORES} cores: ", end="")
    print(f"{RUNS * found['sent'] / 1e6:,.0f} MB sent, {RUNS * found['row bytes'] / 1e6:,.0f} MB on disk")
    print(f"borne: scheduler {1 / found['scheduler']:,.0f} tasks/s, parent {1 / parent:,.0f} rows/s")
    for seconds in (1, 5, 20, 60):
        asked = MACHINES * CORES / seconds
        rate = min(asked, borne)
        print(
            f"  runs of {seconds} s: {asked:,.0f} a second wanted, {rate:,.0f} possible, all in "
            f"{RUNS / rate / 60:,.1f} min, {rate * found['sent'] / 1e6:.2f} MB/s sent, "
            f"{rate * found['row bytes'] / 1e6:.2f} MB/s written"
        )


@contextmanager
def all_workers(port: int) -> Iterator[Executor]:
    """The executor of a cluster, as soon as both of its workers are there."""
    with dask_pool(f"tcp://127.0.0.1:{port}") as pool:
        assert isinstance(pool, DaskPool)
        while pool.workers < 16:
            pool.look()
            time.sleep(0.2)
        yield pool.executor


def through(executor: Executor, tasks: list[Job]) -> None:
    """All tasks, two a thread of the workers at a time, as a campaign has it."""
    free, done = threading.Semaphore(32), threading.Semaphore(0)
    # By a name that workers know; what is in __main__ would be sent as code each time.
    work = importlib.import_module(Path(__file__).stem).nothing

    def back(future: Future[Outcome]) -> None:
        free.release()
        done.release()

    for job in tasks:
        free.acquire()
        executor.submit(work, job).add_done_callback(back)
    for _ in tasks:
        done.acquire()


PARTS: dict[str, Callable[[argparse.Namespace, Figures], None]] = {
    "workers": part_workers,
    "fork": part_fork,
    "memory": part_memory,
    "parent": part_parent,
    "dask": part_dask,
}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts (default: all)")
    parser.add_argument("--runs", type=int, default=30, help="runs a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--short", type=int, default=24, help=argparse.SUPPRESS)
    parser.add_argument("--nursery", type=int, default=200, help="runs of one nursery")
    parser.add_argument("--rows", type=int, default=20_000, help="rows that the parent writes")
    parser.add_argument("--tasks", type=int, default=5_000, help="tasks for dask that do nothing")
    options = parser.parse_args()
    Compiler().load_all()
    found: Figures = {}
    for part in options.only:
        PARTS[part](options, found)
    on_paper(found)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
