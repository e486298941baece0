"""The commands about many runs: `perpsim sweep`, `sweeps`, `answers`, `size` and `optimise`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from perpsim.errors import UserError
from perpsim.interrupts import EXIT_FAILED, EXIT_INTERRUPTED, stop_on_interrupt

if TYPE_CHECKING:
    from perpsim.sweeps.store import SweepFolder

_workers = click.option(
    "--workers", type=click.IntRange(1, 1024), help="Runs at a time here (default: one a core)."
)
_dask = click.option(
    "--dask", metavar="ADDRESS", help="Scheduler of a dask cluster, instead of this machine."
)


@click.command()
@click.argument("sweep")
@_workers
@_dask
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


@click.command()
@click.argument("folder", metavar="SWEEP_DIR", type=click.Path(path_type=Path))
@click.option(
    "--where",
    multiple=True,
    metavar="LABEL=VALUE",
    help="Only runs with this value of what varies (several).",
)
def answers(folder: Path, where: tuple[str, ...]) -> None:
    """What the runs in SWEEP_DIR say: how often winners pay, how large the loss before the fund is, and what
    matters most for it, each with its interval."""
    from perpsim.sweeps.answers_text import told
    from perpsim.sweeps.cases import chosen
    from perpsim.sweeps.store import SweepFolder

    opened = SweepFolder.open(folder)
    click.echo(f"sweep {opened.sweep.name}: {opened.sweep.title}")
    for line in told(chosen(opened.frame(), where), opened.sweep, _unit(opened)):
        click.echo(line)


@click.command()
@click.argument("folder", metavar="SWEEP_DIR", type=click.Path(path_type=Path))
@click.option(
    "--p-adl", type=float, default=0.01, show_default=True, help="Chance of deleveraging that is allowed."
)
@click.option(
    "--where",
    multiple=True,
    metavar="LABEL=VALUE",
    help="Only runs with this value of what varies (several).",
)
@click.option(
    "--cost-of-capital", type=float, default=0.1, show_default=True, help="Of a unit of the fund, a year."
)
@click.option(
    "--cost-of-shortfall", type=float, default=5.0, show_default=True, help="Of a unit of loss not covered."
)
@click.option(
    "--crashes-a-year", type=float, default=1.0, show_default=True, help="How often a crash like these comes."
)
@click.option("--csv", type=click.Path(path_type=Path), metavar="FILE", help="Write sizes and curves there.")
def size(folder: Path, p_adl: float, where: tuple[str, ...], csv: Path | None, **terms: float) -> None:
    """How large the fund must be, by the runs in SWEEP_DIR, for winners to be deleveraged in no more than a
    share --p-adl of the crashes."""
    from perpsim.sweeps.sizing import Terms, sizings
    from perpsim.sweeps.sizing_text import told, write_csv
    from perpsim.sweeps.store import SweepFolder

    costs = Terms(terms["cost_of_capital"], terms["cost_of_shortfall"], terms["crashes_a_year"])
    opened = SweepFolder.open(folder)
    staking = opened.description["base"]["fund"]["staking"] is not None
    found = sizings(opened.frame(), opened.sweep, p_adl, where, costs, staking)
    click.echo(f"sweep {opened.sweep.name}: {opened.sweep.title}")
    for line in told(found, costs, _unit(opened)):
        click.echo(line)
    if csv is not None:
        write_csv(found, csv)
        click.echo(f"sizes and curves: {csv}")


@click.command()
@click.argument("sweep")
@_workers
@_dask
@click.option("--trials", type=click.IntRange(1, 100_000), help="Points to try (default: the sweep's).")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of its runs (default: sweeps/NAME). Runs that are there are not done again.",
)
@click.option("--force", is_flag=True, help="Throw away the runs of an earlier one in the folder.")
def optimise(sweep: str, trials: int | None, force: bool, **options: Any) -> None:
    """Search what varies in SWEEP for the best point of its section [optimise]."""
    from perpsim.sweeps.command import Request
    from perpsim.sweeps.display import SearchDisplay
    from perpsim.sweeps.optimise_command import execute

    with stop_on_interrupt() as stopped, SearchDisplay() as display:
        found = execute(Request(sweep, **options), trials, force, display.notice, display, stopped)
    if not found.optimum.complete:
        click.echo(
            f"interrupted after {len(found.optimum.trials):,} of {found.search.planned:,} trials; what is "
            f"done is kept in {found.folder}, and the same command (without --force) goes on with it",
            err=True,
        )
        sys.exit(EXIT_INTERRUPTED)
    from perpsim.report.optimise_words import lines

    for line in lines(found.search, found.optimum):
        click.echo(line)
    if found.page is not None:
        click.echo(f"\npage: {found.page}")
    if not found.optimum.front:
        sys.exit(EXIT_FAILED)


def _unit(folder: SweepFolder) -> str:
    symbol: str = folder.description["base"]["collateral"]["symbol"]
    return symbol
