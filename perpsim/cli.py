"""The command line: run a scenario, list scenarios, and look at what a run has left."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from perpsim.errors import UserError
from perpsim.interrupts import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USER, stop_on_interrupt
from perpsim.sweeps.cli import answers, optimise, size, sweep, sweeps

Command = Callable[..., None]


class _Group(click.Group):
    """Turns a user's mistake into one line and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(EXIT_USER)
        except BrokenPipeError:
            # The reader of a pipe has gone; nothing more to tell it.
            sys.stderr.close()
            ctx.exit(EXIT_FAILED)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="perpsim", message="%(prog)s %(version)s")
def main() -> None:
    """Replay market crashes through a perpetual exchange that runs in an EVM."""


def scenario_options(command: Command) -> Command:
    """What says which scenario is run how, and where its files go."""
    options = (
        click.option(
            "--seed", type=click.IntRange(min=0), help="Seed of everything random (default: the scenario's)."
        ),
        click.option("--blocks", type=click.IntRange(min=1), help="Stop after that many blocks."),
        click.option(
            "--prices",
            multiple=True,
            metavar="[SYMBOL=]CANDLES.csv",
            help="Candle file in place of a market's prices (default: the first market); repeatable.",
        ),
        click.option(
            "--set", "overrides", multiple=True, metavar="KEY.PATH=VALUE", help="Change a key; repeatable."
        ),
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Folder to write (default: a fresh one below runs/).",
        ),
        click.option("--force", is_flag=True, help="Overwrite what an earlier one left in --out."),
    )
    for option in reversed(options):
        command = option(command)
    return command


class _Share(click.ParamType):
    """A share of the transactions: a fraction, `all` or `off`."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            share = {"all": 1.0, "off": 0.0}.get(value)
            share = float(value) if share is None else share
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            self.fail(f"{value!r} is neither all, off nor a fraction from 0 to 1", param, ctx)
        return share


@main.command()
@click.argument("scenario")
@scenario_options
@click.option(
    "--engine",
    default="revm",
    show_default=True,
    metavar="revm|py-evm|URL",
    help="What executes the contracts.",
)
@click.option(
    "--audit",
    type=_Share(),
    metavar="all|SHARE|off",
    help="Share of the transactions that py-evm executes too, to be compared (default: the scenario's).",
)
def run(scenario: str, **options: Any) -> None:
    """Run SCENARIO, a name from `perpsim scenarios` or a TOML file, and write a run folder."""
    # Imported here so that --help and the other commands stay quick.
    from perpsim.simulation.command import Request, execute
    from perpsim.simulation.display import ProgressDisplay, print_summary

    request = Request(scenario, **options)
    with stop_on_interrupt() as stopped, ProgressDisplay() as display:
        result = execute(request, display.notice, display, stopped)
    print_summary(result)
    if result.interrupted:
        click.echo(
            f"interrupted after {result.summary['blocks']:,} blocks; kept in {result.folder}", err=True
        )
        sys.exit(EXIT_INTERRUPTED)
    if result.violation:
        click.echo(f"stopped: {result.violation}", err=True)
        sys.exit(EXIT_FAILED)


@main.command()
@click.argument("scenario")
@scenario_options
def policies(scenario: str, **options: Any) -> None:
    """Run SCENARIO to the moment before a deleveraging, then every policy on that same state."""
    from perpsim.simulation.command import Request
    from perpsim.simulation.display import ProgressDisplay
    from perpsim.simulation.policies_command import PAGE, execute

    request = Request(scenario, **options)
    with stop_on_interrupt() as stopped, ProgressDisplay() as display:
        found = execute(request, display.notice, display, stopped)
    if found is None:
        click.echo("interrupted; nothing was written", err=True)
        sys.exit(EXIT_INTERRUPTED)
    comparison, folder = found
    from perpsim.report.policies_table import told

    for line in told(comparison):
        click.echo(line)
    click.echo(f"\npage: {folder / PAGE}")


@main.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--show", metavar="NAME", help="Explain one scenario.")
@click.option("--check", is_flag=True, help="Run NAMEs (default: all) in full; do their expectations hold?")
def scenarios(names: tuple[str, ...], show: str | None, check: bool) -> None:
    """List the scenarios that come with perpsim."""
    from perpsim.scenarios.loading import load_scenario, scenario_names

    if check:
        from perpsim.simulation.checking import checked

        if not checked(names or scenario_names(), click.echo):
            sys.exit(EXIT_FAILED)
        return
    if names:
        raise UserError(f"{names[0]}: names go with --check; did you mean --show {names[0]}?")
    from perpsim.simulation.explanation import explained

    if show:
        for line in explained(load_scenario(show)):
            click.echo(line)
        return
    known = scenario_names()
    width = max(map(len, known))
    for name in known:
        click.echo(f"{name:<{width}}  {load_scenario(name).title}")


@main.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--pictures",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Of a sweep: its pictures, too, as SVG.",
)
def report(folder: Path, pictures: Path | None) -> None:
    """Write the report of the run, or of the sweep, in DIR again."""
    from perpsim.report import write_report
    from perpsim.report.pictures import write_pictures
    from perpsim.report.sweep_page import is_sweep, write_sweep_report

    if not is_sweep(folder):
        if pictures is not None:
            raise UserError(f"{folder}: --pictures is for sweeps, this is none")
        click.echo(f"report: {write_report(folder)}")
        return
    page = write_sweep_report(folder)
    click.echo(f"report: {page}")
    for path in write_pictures(page, pictures) if pictures is not None else ():
        click.echo(f"picture: {path}")


@main.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--by", type=click.Choice(["flow", "hour", "day"]), help="A row each (default: what suits the length)."
)
@click.option("--csv", "table", type=click.Path(path_type=Path), metavar="FILE", help="Write the rows there.")
def fund(folder: Path, by: str | None, table: Path | None) -> None:
    """Print the insurance history of the run in DIR: time, balance, change, cause."""
    from perpsim.report.fund_history import read_history, write_csv
    from perpsim.report.fund_text import agreement, told

    history = read_history(folder)
    by = by or history.suits()
    for line in told(history, by):
        click.echo(line)
    if table is not None:
        write_csv(history, by, table)
        click.echo(f"written to {table}")
    agrees, words = agreement(history)
    click.echo(words, err=not agrees)
    if not agrees:
        sys.exit(EXIT_FAILED)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--account", type=click.IntRange(min=1), help="Only those that concern one account.")
def adl(folder: Path, account: int | None) -> None:
    """Recompute every deleveraging of the run in DIR from its log: did the right accounts bear it?"""
    from perpsim.deleveraging.audit_text import told
    from perpsim.deleveraging.run import audit_run

    run = audit_run(folder)
    for line in told(run, account):
        click.echo(line)
    if run.failed:
        sys.exit(EXIT_FAILED)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="[DIR]", required=False)
@click.option("--rpc", metavar="URL", help="A node, instead of a run folder.")
@click.option(
    "--deployment",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="With --rpc: the file that `ape run deploy` wrote.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port", default=8765, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 takes a free one."
)
def serve(folder: Path | None, rpc: str | None, deployment: Path | None, host: str, port: int) -> None:
    """Show the run in DIR block by block on a local web page, or an exchange on a node as it goes on."""
    from perpsim.serve.command import show

    show(folder, rpc, deployment, host, port, click.echo)


for command in (sweep, sweeps, answers, size, optimise):
    main.add_command(command)


if __name__ == "__main__":
    main()
