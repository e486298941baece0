"""`ape run simulate SCENARIO ...`: the same as `perpsim run SCENARIO ...`."""

import sys
from pathlib import Path

import click


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def cli(arguments: tuple[str, ...]) -> None:
    """Run a scenario and write a run folder."""
    # ape takes the project off the path once it has read the script, even where it is installed from there.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from perpsim.cli import main

    main(["run", *arguments], prog_name="perpsim")
