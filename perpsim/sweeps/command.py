"""From what the user asked for to a sweep folder: everything between the command line and the campaign."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from perpsim.chain.artifacts import Compiler
from perpsim.errors import UserError
from perpsim.sweeps.campaign import Pool, Progress, Tally, campaign
from perpsim.sweeps.design import Design
from perpsim.sweeps.job import jobs
from perpsim.sweeps.loading import load_sweep
from perpsim.sweeps.model import Sweep
from perpsim.sweeps.pools import local_pool
from perpsim.sweeps.store import SweepFolder

SWEEPS = Path("sweeps")


@dataclass(frozen=True)
class Request:
    """A sweep as the command line asks for it. `dask`: address of a scheduler, instead of this machine."""

    sweep: str
    workers: int | None = None
    dask: str | None = None
    seeds: int | None = None
    out: Path | None = None


@dataclass(frozen=True)
class Result:
    """A sweep, or what there is of it."""

    folder: SweepFolder
    tally: Tally
    total: int
    report: Path | None


def execute(
    request: Request, notice: Callable[[str], None], progress: Progress, should_stop: Callable[[], bool]
) -> Result:
    """Do what is missing of a sweep. Raises `UserError` before anything is written if it cannot be done."""
    sweep = load_sweep(request.sweep)
    if request.seeds is not None:
        sweep = sweep.model_copy(update={"seeds": request.seeds})
    design = Design(sweep)
    if not design.points:
        raise UserError(f"sweep {sweep.name}: its ranges have no points: it is for `perpsim optimise`")
    design.check()
    with pool_for(request) as pool:
        folder = SweepFolder.take(request.out or SWEEPS / sweep.name, design)
        # Once here, not once in every worker.
        Compiler().load_all()
        done = {(point, seed) for point, seed in folder.done() if seed in design.seeds}
        if done:
            notice(f"{folder.path}: {len(done):,} of {design.runs:,} runs are there already")
        progress.start(design.runs - len(done), "runs")
        try:
            tally = campaign(jobs(design, done), pool, folder, sweep.limits.attempts, progress, should_stop)
        finally:
            progress.finish()
    folder.compact()
    # Whoever stops a sweep does not want to wait for a page about half of it; `perpsim report` writes that.
    report = _report(folder, notice) if tally.complete else None
    return Result(folder, tally, design.runs, report)


def pool_for(request: Request) -> AbstractContextManager[Pool]:
    """The workers that were asked for; by default one a core."""
    if request.dask is not None:
        from perpsim.sweeps.cluster import dask_pool

        if request.workers is not None:
            raise UserError("--workers is for this machine: a cluster has as many as its scheduler says")
        return dask_pool(request.dask)
    return local_pool(request.workers or os.cpu_count() or 1)


def _report(folder: SweepFolder, notice: Callable[[str], None]) -> Path | None:
    """The report. A sweep that is done is not lost because its report fails."""
    try:
        from perpsim.report.sweep_page import write_sweep_report

        return write_sweep_report(folder.path)
    except Exception as error:
        notice(f"the report could not be written: {error}; try `perpsim report {folder.path}`")
        return None


def describe(sweep: Sweep) -> list[str]:
    """A sweep in a few lines."""
    design = Design(sweep)
    lines = [f"{sweep.name}: {sweep.title}"]
    lines += [line.strip() for line in sweep.description.strip().splitlines()]
    lines.append(f"scenario {sweep.scenario}")
    if sweep.optimise is None:
        lines.append(f"{design.points:,} points x {sweep.seeds:,} seeds: {design.runs:,} runs")
    else:
        trials = sweep.optimise.trials
        lines.append(
            f"{trials:,} trials x {sweep.seeds:,} seeds: at most {trials * sweep.seeds:,} runs to optimise"
        )
    return lines
