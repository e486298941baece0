"""The commands about many runs: `perpsim sweep`, `perpsim sweeps`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from perpsim.errors import UserError
from perpsim.interrupts import EXIT_FAILED, EXIT_INTERRUPTED, stop_on_interrupt


@click.command()
@click.argument("sweep")
@click.option("--workers", type=click.IntRange(1, 1024), help="Runs at a time here (default: one a core).")
@click.option("--dask", metavar="ADDRESS", help="Scheduler of a dask cluster, instead of this machine.")
@click.option("--seeds", type=click.IntRange(min=1), help="Runs a point (default: the sweep's).")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the sweep (default: sweeps/NAME). One that holds part of it is gone on with.",
)
def sweep(sweep: str, **options: Any) -> None:
    """Do the runs of SWEEP, a name from `perpsim sweeps` or a TOML file; what is done already is kept."""
    from perpsim.sweeps.command import Request, execute
    from perpsim.sweeps.display import SweepDisplay, told

    with stop_on_interrupt() as stopped, SweepDisplay() as display:
        result = execute(Request(sweep, **options), display.notice, display, stopped)
    for line in told(result):
        click.echo(line)
    if not result.tally.complete:
        click.echo("interrupted; what is done is kept, and the same command goes on with it", err=True)
        sys.exit(EXIT_INTERRUPTED)
    if result.tally.failures == result.tally.done and result.tally.done:
        sys.exit(EXIT_FAILED)


@click.command()
@click.option("--show", metavar="NAME", help="Explain one sweep.")
def sweeps(show: str | None) -> None:
    """List the sweeps that come with perpsim."""
    from perpsim.sweeps.command import describe
    from perpsim.sweeps.loading import load_sweep, sweep_names

    if show:
        for line in describe(load_sweep(show)):
            click.echo(line)
        return
    names = sweep_names()
    if not names:
        raise UserError("no sweeps come with this installation")
    width = max(map(len, names))
    for name in names:
        click.echo(f"{name:<{width}}  {load_sweep(name).title}")
