"""Small sweeps, and nurseries whose runs do what a test wants."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import psutil

from perpsim.sweeps.design import Design
from perpsim.sweeps.job import Job, make_job
from perpsim.sweeps.model import Sweep
from perpsim.sweeps.nursery import Nursery

#: blocks in which the smallest crash has its first liquidations
SHORT_RUN = 60
# Prices without an end, for a run that outlasts any test.
_ENDLESS = ['prices={ kind = "gbm", start = 10000.0, volatility = 0.5 }', "clock.blocks=100000"]


def small_sweep(blocks: int = SHORT_RUN, **changes: Any) -> Sweep:
    """Two sizes of the fund on two seeds."""
    return Sweep.model_validate(
        {
            "name": "small",
            "title": "Small",
            "scenario": "smoke",
            "set": [f"clock.blocks={blocks}"],
            "seeds": 2,
            "vary": [{"key": "fund.initial", "label": "fund", "values": [5_000, 200_000]}],
        }
        | changes
    )


def long_job() -> Job:
    """A run that outlasts any test."""
    return job_of(small_sweep(set=_ENDLESS))


def job_of(sweep: Sweep, point: int = 0, run: int = 0) -> Job:
    """A run of a sweep: of a point, on the seed of that number."""
    design = Design(sweep)
    return make_job(design, point, design.seeds[run])


def program(measure: str, *, exchanges: bool = False) -> tuple[str, ...]:
    """What a nursery runs in which `measure`, given as source text, takes the place of a run: `def
    measure(scenario, protocol)`; the real one is `real`. Without `exchanges` there are none to open."""
    lines = [
        "from perpsim.sweeps import nursery_process as nursery",
        "import os, signal, sys, time",
        "real = nursery.measure",
        measure,
        "nursery.measure = measure",
        "" if exchanges else "nursery._Exchanges.of = lambda self, job: None",
        "nursery._main(sys.argv[1:])",
    ]
    return ("-c", "\n".join(lines))


class Scripted(Nursery):
    """A nursery whose runs do what a source text says, see `program`."""

    def __init__(self, measure: str, **options: Any) -> None:
        super().__init__(**options)
        self.program = program(measure)


def children(pid: int | None) -> list[psutil.Process]:
    """Processes that a process has started, and those that they have; none if it is gone."""
    try:
        return list(psutil.Process(pid).children(recursive=True)) if pid is not None else []
    except psutil.NoSuchProcess:
        return []


def alive(process: psutil.Process) -> bool:
    """Whether a process still runs; one that only waits to be noticed does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def eventually(holds: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait until something holds, and what it is then; fails after so many seconds."""
    until = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.02)
    return found


def open_files() -> int:
    """How many files and pipes this process has open."""
    return len(os.listdir("/proc/self/fd"))
