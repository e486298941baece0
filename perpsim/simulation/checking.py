"""Runs scenarios in full and holds them to what their files expect: `perpsim scenarios --check`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from perpsim.scenarios import Scenario
from perpsim.scenarios.loading import load_scenario
from perpsim.simulation.command import build
from perpsim.simulation.invariants import InvariantViolation
from perpsim.simulation.summary import summarise

Row = dict[str, Any]


def figures(scenario: Scenario, engine: str = "revm") -> Row:
    """Summary of a whole run, nothing written. Raises `InvariantViolation` if a check fails."""
    began = time.monotonic()
    simulation = build(scenario, engine)
    with simulation.protocol.chain:
        simulation.run()
        return summarise(simulation, engine, True, "", time.monotonic() - began)


def checked(names: Iterable[str], echo: Callable[[str], None]) -> bool:
    """Run each and print a table of its expectations; whether all of them, and all invariants, hold."""
    right = True
    for scenario in [load_scenario(name) for name in names]:
        try:
            summary = figures(scenario)
        except InvariantViolation as error:
            echo(f"{scenario.name}: {error}")
            right = False
            continue
        for line in _told(summary):
            echo(line)
        right = right and all(row["holds"] for row in summary["expected"])
    return right


def _told(summary: Row) -> Iterator[str]:
    yield (
        f"{summary['scenario']}: {summary['blocks']:,} blocks, {summary['transactions']:,} transactions, "
        f"{summary['wall_seconds']:.1f} s, digest {summary['digest'][:16]}"
    )
    width = max((len(row["figure"]) for row in summary["expected"]), default=0)
    for row in summary["expected"]:
        value = "-" if row["value"] is None else f"{row['value']:,.6g}"
        real = "" if row["real"] is None else f"  really {row['real']:,.6g}"
        word = "holds" if row["holds"] else "FAILS"
        bounds = f"{row['low']:,.6g} to {row['high']:,.6g}"
        yield f"  {word}  {row['figure']:<{width}}  {value:>12}  {bounds}{real}"
