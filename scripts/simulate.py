"""`ape run simulate SCENARIO ...`: the same as `perpsim run SCENARIO ...`."""

import click


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def cli(arguments: tuple[str, ...]) -> None:
    """Run a scenario and write a run folder."""
    from perpsim.cli import main

    main(["run", *arguments], prog_name="perpsim")
