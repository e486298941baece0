"""Runs of the small scenario that end in deleveraging, and a way to forge their logs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from perpsim.deleveraging.run import RunAudit, audit_run
from perpsim.scenarios.loading import load_scenario
from perpsim.simulation.command import build
from perpsim.simulation.folder import RunFolder
from perpsim.simulation.record import tables
from perpsim.simulation.summary import summarise

#: without a fund nearly every loss is deleveraged
OVERRIDES = ("checks.window=0", "fund.initial=0", "clock.blocks=125")

Row = dict[str, Any]


@pytest.fixture(scope="session")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`run_of("pro-rata", "key=value")`: the folder of a run with that policy, made once."""
    made: dict[tuple[str, ...], Path] = {}

    def make(policy: str, *overrides: str) -> Path:
        key = (policy, *overrides)
        if key not in made:
            scenario = load_scenario("smoke", [*OVERRIDES, f"markets.0.adl={policy}", *overrides])
            simulation = build(scenario)
            with simulation.protocol.chain:
                complete = simulation.run()
                made[key] = tmp_path_factory.mktemp("runs") / policy
                summary = summarise(simulation, "revm", complete, "", 0.0)
                RunFolder(made[key]).write(tables(simulation), summary)
        return made[key]

    return make


class Forgery:
    """A copy of a run whose log can be changed. Events are rows with their values under `args`."""

    def __init__(self, original: Path, copy: Path) -> None:
        shutil.copytree(original, copy)
        self.folder = copy
        self._path = copy / "events.parquet"
        self._frame = pl.read_parquet(self._path)
        self.events: list[Row] = self._frame.to_dicts()
        for event in self.events:
            event["args"] = json.loads(event["args"])

    def named(self, name: str) -> list[Row]:
        """The events of that name."""
        return [event for event in self.events if event["event"] == name]

    def around(self, receipt: Row) -> Iterator[Row]:
        """The events of a receipt's own transaction."""
        where = receipt["block"], receipt["tx"]
        return (event for event in self.events if (event["block"], event["tx"]) == where)

    def insert(self, before: Row, **changes: Any) -> None:
        """Put an event like `before`, but for changes, in front of it."""
        at = next(number for number, event in enumerate(self.events) if event is before)
        self.events.insert(at, {**before, **changes})

    def remove(self, event: Row) -> None:
        """Take an event out."""
        self.events = [one for one in self.events if one is not event]

    def audited(self) -> RunAudit:
        """Write it, and audit it."""
        rows = [{**event, "args": json.dumps(event["args"])} for event in self.events]
        pl.DataFrame(rows, schema=self._frame.schema).write_parquet(self._path)
        return audit_run(self.folder)


@pytest.fixture
def forge(tmp_path: Path) -> Callable[[Path], Forgery]:
    """A copy of a run to be forged."""
    return lambda original: Forgery(original, tmp_path / "forged")
