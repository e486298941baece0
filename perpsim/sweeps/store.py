"""The folder of a sweep: every finished run is a row on disk at once, found again by its key.

sweep.json                         the sweep and its base scenario
rows/<2 digits>/<key>.parquet      a run
rows/<2 digits>/part-<n>.parquet   many of them, put together when there are many
report.html
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import polars as pl

from perpsim.errors import UserError
from perpsim.sweeps.design import Design
from perpsim.sweeps.figures import FIGURES
from perpsim.sweeps.job import Job, program_key, told
from perpsim.sweeps.model import Sweep

SWEEP = "sweep.json"
ROWS = "rows"
REPORT = "report.html"
#: rows of their own in a folder from which on they are put together
TOGETHER = 64
# So many rows are added between two looks at whether some are to be put together.
_LOOK = 4_096
_FORMAT = 1
# What of a sweep file may change while its runs stay the same.
_FREE = {"title", "description", "seeds", "limits", "optimise"}


def schema(sweep: Sweep) -> dict[str, Any]:
    """Columns of the rows of a sweep."""
    varied = {f"vary.{one.title}": pl.Float64 if one.numeric else pl.String for one in sweep.vary}
    return {
        "key": pl.String,
        "point": pl.Int64,
        "seed": pl.Int64,
        "status": pl.String,
        "reason": pl.String,
        "attempts": pl.Int64,
        "digest": pl.String,
        "seconds": pl.Float64,
        **varied,
        **{one.name: pl.Float64 for one in FIGURES},
    }


class SweepFolder:
    """A sweep on disk. `path` may be used by one program at a time."""

    def __init__(self, path: Path, sweep: Sweep) -> None:
        self.path = path
        self.sweep = sweep
        self.schema = schema(sweep)
        self._added = 0

    @classmethod
    def take(cls, path: Path, design: Design) -> Self:
        """A folder for a sweep: a new one, or the one that it has begun. Raises `UserError` if something else
        is there. Texts, the number of seeds and what is optimised may have changed: the runs are the same."""
        folder, mine = cls(path, design.sweep), _description(design)
        try:
            if not path.exists() or not any(path.iterdir()):
                path.mkdir(parents=True, exist_ok=True)
                _write_description(path, mine)
                return folder
        except OSError as error:
            raise UserError(f"sweep folder {path}: {error.strerror or error}") from None
        there = _read(path)
        name = there["sweep"]["name"]
        if _runs(there["sweep"]) != _runs(mine["sweep"]):
            raise UserError(f"sweep folder {path}: holds another sweep ({name}): choose another with --out")
        if there["base"] != mine["base"]:
            raise UserError(
                f"sweep folder {path}: holds the same sweep of another scenario: choose another with --out"
            )
        if there["program"] != mine["program"]:
            raise UserError(
                f"sweep folder {path}: was begun by another version of the program, whose runs may differ: "
                "choose another with --out"
            )
        if there != mine:
            _write_description(path, mine)
        return folder

    @classmethod
    def open(cls, path: Path) -> Self:
        """The sweep in a folder, to be read. Raises `UserError` if there is none."""
        return cls(path, Sweep.model_validate(_read(path)["sweep"]))

    @property
    def description(self) -> dict[str, Any]:
        """What sweep.json says: `sweep`, `base` (the scenario), `versions`."""
        return _read(self.path)

    def done(self) -> set[tuple[int, int]]:
        """Point and seed of the runs that are there."""
        files = self._files()
        if not files:
            return set()
        return set(pl.scan_parquet(files).select("point", "seed").collect().iter_rows())

    def add(self, job: Job, outcome: Mapping[str, Any], attempts: int) -> None:
        """Write the row of a run. Raises `UserError` if it cannot be written; nothing else is lost then."""
        row = {
            "key": job.key,
            "point": job.point,
            "seed": job.seed,
            "attempts": attempts,
            **{f"vary.{label}": value for label, value in job.values.items()},
            **outcome,
        }
        frame = pl.DataFrame([row], schema=self.schema, orient="row")
        place = self.path / ROWS / job.key[:2]
        try:
            place.mkdir(parents=True, exist_ok=True)
            _put(frame, place / f"{job.key}.parquet")
            self._added += 1
            if self._added % _LOOK == 0:
                self.compact()
        except OSError as error:
            raise UserError(
                f"sweep folder {self.path}: cannot be written ({error.strerror or error}); the runs that are "
                "done are kept: make room and start the same command again"
            ) from None

    def compact(self, least: int = TOGETHER) -> None:
        """Put rows together where there are at least so many of their own in a folder."""
        for place in sorted((self.path / ROWS).glob("??")):
            single = sorted(path for path in place.glob("*.parquet") if not path.name.startswith("part-"))
            if len(single) < least:
                continue
            number = len(list(place.glob("part-*.parquet")))
            _put(pl.read_parquet(single), place / f"part-{number}.parquet")
            for path in single:
                path.unlink()

    def frame(self) -> pl.DataFrame:
        """All rows, by point and seed; a column `vary.<label>` for each thing that varies, one a figure."""
        files = self._files()
        if not files:
            return pl.DataFrame(schema=self.schema)
        # A row may be there twice if putting together was broken off between writing and removing.
        return pl.read_parquet(files).unique("key", keep="any").sort("point", "seed")

    def _files(self) -> list[Path]:
        return sorted((self.path / ROWS).glob("??/*.parquet"))


def _description(design: Design) -> dict[str, Any]:
    from perpsim.simulation.summary import versions

    return {
        "format": _FORMAT,
        "sweep": design.sweep.model_dump(mode="json"),
        "base": json.loads(told(design.base)),
        "points": design.points,
        "seeds": [design.seeds.start, design.seeds.stop],
        "versions": versions(),
        "program": program_key(),
    }


def _runs(sweep: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the runs of a sweep, of all that its file says."""
    return {key: value for key, value in sweep.items() if key not in _FREE}


def _write_description(path: Path, description: Mapping[str, Any]) -> None:
    _write(path / SWEEP, (json.dumps(description, indent=2) + "\n").encode())


def _read(path: Path) -> dict[str, Any]:
    try:
        table = json.loads((path / SWEEP).read_text(encoding="utf-8"))
    except FileNotFoundError:
        words = "is no sweep folder" if path.is_dir() else "no such folder"
        raise UserError(f"sweep folder {path}: {words}; `perpsim sweep` makes one") from None
    except (OSError, ValueError) as error:
        raise UserError(f"sweep folder {path}: {SWEEP}: {error}") from None
    if not isinstance(table, dict) or table.get("format") != _FORMAT:
        raise UserError(f"sweep folder {path}: not written by this version of the program")
    return table


def _put(frame: pl.DataFrame, path: Path) -> None:
    """Write a file whole or not at all."""
    beside = path.with_suffix(".new")
    try:
        # Statistics of a column help nobody in a file of one row, and are half of it.
        frame.write_parquet(beside, statistics=frame.height > 1)
        os.replace(beside, path)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, pl.exceptions.PolarsError):
            raise OSError(str(error)) from None
        raise


def _write(path: Path, content: bytes) -> None:
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    os.replace(beside, path)
