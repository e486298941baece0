"""The run folder on disk: where a run may write, and writing without losing what was there."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from perpsim.errors import UserError

TABLES = (
    "events",
    "blocks",
    "accounts",
    "fund",
    "liquidations",
    "adl",
    "adl_rows",
    "keepers",
    "keeper_txs",
    "warnings",
    "stakers",
)
SUMMARY = "summary.json"
REPORT = "report.html"
RUN_FILES = (*(f"{table}.parquet" for table in TABLES), SUMMARY, REPORT)


class RunFolder:
    """A folder that takes one run. Nothing is replaced before the new files are complete.

    `files` are those by which a folder of the kind is told; only such a one is overwritten.
    """

    def __init__(self, path: Path, *, force: bool = False, files: Collection[str] = RUN_FILES) -> None:
        self.path = path
        self._files = set(files)
        if path.exists():
            self._check_existing(force)
        self._made = not path.exists()
        try:
            path.mkdir(parents=True, exist_ok=True)
            probe = path / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise UserError(f"output folder {path}: cannot be written ({error.strerror or error})") from None

    def _check_existing(self, force: bool) -> None:
        if not self.path.is_dir():
            raise UserError(f"output folder {self.path}: is a file")
        if not force:
            raise UserError(
                f"output folder {self.path} exists: choose another with --out, or overwrite it with --force"
            )
        names = {entry.name for entry in self.path.iterdir()}
        if names and not names & self._files:
            raise UserError(f"output folder {self.path}: --force only overwrites run folders, this is none")

    def write(self, tables: Mapping[str, pl.DataFrame], summary: Mapping[str, Any]) -> None:
        """Write all files of a run beside the old ones, then put them in their place."""
        names = [f"{name}.parquet" for name in tables]
        for name, table in tables.items():
            table.write_parquet(self._draft(f"{name}.parquet"))
        text = json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
        self._draft(SUMMARY).write_text(text, encoding="utf-8")
        # A report of an earlier run must not stand beside the figures of this one.
        (self.path / REPORT).unlink(missing_ok=True)
        for name in (*names, SUMMARY):
            os.replace(self._draft(name), self.path / name)

    def discard(self) -> None:
        """Take the folder away again if it was made for this run and holds nothing."""
        if self._made and not any(self.path.iterdir()):
            self.path.rmdir()

    def _draft(self, name: str) -> Path:
        return self.path / f".{name}.new"


def fresh_folder(parent: Path, name: str) -> Path:
    """`parent`/`name`, with a number behind it when that exists."""
    path = parent / name
    number = 2
    while path.exists():
        path = parent / f"{name}-{number}"
        number += 1
    return path
