"""Reads a run folder. What is missing or damaged becomes an empty frame and a note, never an error."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from perpsim.errors import UserError

TABLES = ("blocks", "accounts", "fund", "liquidations", "adl", "adl_rows", "keepers")
#: tables that not every run has
EXTRA = ("keeper_txs", "warnings", "audit")
# the first funding comes first: it is where a fund starts, not an inflow of the run
INFLOWS = ("initial", "penalty", "fee", "fund", "stake")
OUTFLOWS = ("cover", "repay", "reward", "unstake")
WAD = 1e18
FLOAT_ENDINGS = ("", "_f64", "_float", "_f", "_value")

# events that say who bore what is left, and the argument that holds what one side was charged
LOSS_EVENTS = {"DeficitResolved": "socialised", "RewardPaid": ""}
MARKET_COLUMN = re.compile(r"(?:price|index|mark|mid|open_interest)_(\d+)")

Floats = npt.NDArray[np.float64]
_NONE = pl.DataFrame()


class ReportError(UserError):
    """There is nothing to report on."""


def to_float(value: object) -> float | None:
    """A number out of JSON: int, float, or a decimal string; None for anything else."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float, str)):
        try:
            result = float(value)
        except (ValueError, OverflowError):
            return None
        return result if np.isfinite(result) else None
    return None


def lookup(tree: object, path: str) -> Any:
    """The value at a dotted path of nested dictionaries, None where it ends early."""
    for key in path.split("."):
        if not isinstance(tree, dict):
            return None
        tree = tree.get(key)
    return tree


@dataclass
class RunData:
    """One run as it lies on disk."""

    folder: Path
    summary: dict[str, Any]
    tables: dict[str, pl.DataFrame]
    losses: pl.DataFrame  # time, event, socialised, treasury: what neither fund nor deleveraging paid
    notes: list[str] = field(default_factory=list)  # what could not be read

    def __getitem__(self, name: str) -> pl.DataFrame:
        """A table; an empty one where the run has none."""
        return self.tables.get(name, _NONE)

    def number(self, path: str) -> float | None:
        return to_float(lookup(self.summary, path))

    @property
    def complete(self) -> bool:
        return self.summary.get("complete") is True

    @property
    def parameters(self) -> dict[str, Any]:
        found = self.summary.get("parameters")
        return found if isinstance(found, dict) else {}

    @property
    def decimals(self) -> int:
        for path in ("collateral.decimals", "token.decimals", "decimals", "protocol.decimals"):
            value = to_float(lookup(self.parameters, path))
            if value is not None:
                return int(value)
        return 6

    @property
    def unit(self) -> str:
        """What amounts are counted in. The collateral is a mock dollar unless the run names it."""
        for path in ("collateral.symbol", "token.symbol", "protocol.symbol", "symbol"):
            value = lookup(self.parameters, path)
            if isinstance(value, str) and value:
                return value
        return "USD"

    def markets(self) -> list[int]:
        columns = (MARKET_COLUMN.fullmatch(name) for name in self["blocks"].columns)
        return sorted({int(match[1]) for match in columns if match})

    def market_name(self, market: int) -> str:
        """The name in the scenario, else 'market 0'."""
        listed = self.parameters.get("markets", self.parameters.get("market"))
        if isinstance(listed, dict):
            listed = [listed]
        if isinstance(listed, list) and market < len(listed):
            for key in ("name", "symbol"):
                found = lookup(listed[market], key)
                if isinstance(found, str):
                    return found
        return f"market {market}"


class RunFiles:
    """The files of a run folder. `notes` gathers what is missing or cannot be read."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.notes: list[str] = []
        if not self.folder.is_dir():
            raise ReportError(f"{folder}: no such run folder")
        names = ["summary.json", "events.parquet", *(f"{t}.parquet" for t in TABLES)]
        if not any((self.folder / n).is_file() for n in names):
            raise ReportError(f"{folder}: not a run folder (none of {', '.join(names)} is in it)")

    def table(self, name: str) -> pl.DataFrame:
        """A table, empty if it cannot be had."""
        path = self.folder / f"{name}.parquet"
        if not path.is_file():
            self.notes.append(f"{path.name} is missing")
            return pl.DataFrame()
        try:
            return pl.read_parquet(path)
        except (pl.exceptions.PolarsError, OSError, ValueError):
            self.notes.append(f"{path.name} cannot be read")
            return pl.DataFrame()

    def summary(self) -> dict[str, Any]:
        """The figures of summary.json, none if it cannot be had."""
        path = self.folder / "summary.json"
        if not path.is_file():
            self.notes.append("summary.json is missing")
            return {}
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self.notes.append("summary.json cannot be read")
            return {}
        if not isinstance(found, dict):
            self.notes.append("summary.json holds no table of figures")
            return {}
        return found

    def events(self, names: Sequence[str]) -> pl.DataFrame:
        """Time, name and arguments (JSON) of the events with these names; none if they cannot be had."""
        path = self.folder / "events.parquet"
        empty = pl.DataFrame(schema={"time": pl.Int64, "event": pl.String, "args": pl.String})
        if not path.is_file():
            self.notes.append(f"{path.name} is missing")
            return empty
        wanted = pl.col("event").is_in(list(names))
        try:
            return pl.scan_parquet(path).filter(wanted).select("time", "event", "args").collect()
        except (pl.exceptions.PolarsError, OSError, ValueError):
            self.notes.append(f"{path.name} cannot be read")
            return empty


def _losses(files: RunFiles) -> pl.DataFrame:
    """What neither fund nor deleveraging paid, out of the event log (amounts there are WAD)."""
    schema = {"time": pl.Int64, "event": pl.String, "socialised": pl.Float64, "treasury": pl.Float64}
    found = files.events(list(LOSS_EVENTS))
    rows: list[tuple[Any, ...]] = []
    for time, event, text in found.iter_rows():
        try:
            values = json.loads(text)
        except (TypeError, ValueError):
            continue
        charged = to_float(lookup(values, LOSS_EVENTS[event])) or 0.0
        treasury = to_float(lookup(values, "from_treasury")) or 0.0
        rows.append((time, event, charged / WAD, treasury / WAD))
    return pl.DataFrame(rows, schema=schema, orient="row")


def load(folder: Path) -> RunData:
    """Reads everything that is there."""
    files = RunFiles(folder)
    summary = files.summary()
    extra = [name for name in EXTRA if (files.folder / f"{name}.parquet").is_file()]
    tables = {name: files.table(name) for name in (*TABLES, *extra)}
    losses = _losses(files)
    return RunData(files.folder, summary, tables, losses, files.notes)


def column(frame: pl.DataFrame, name: str, scale: float = WAD) -> Floats | None:
    """A column as floats; None when it is absent, or holds no number at all.

    A text column holds exact integers: it is divided by `scale`, unless a float column goes with it.
    """
    for ending in FLOAT_ENDINGS:
        if name + ending in frame.columns and frame.schema[name + ending].is_numeric():
            values = frame[name + ending].cast(pl.Float64).to_numpy().astype(np.float64)
            break
    else:
        if name not in frame.columns or frame.schema[name] != pl.String:
            return None
        values = frame[name].cast(pl.Float64, strict=False).to_numpy().astype(np.float64) / scale
    return values if np.isfinite(values).any() else None


def times(run: RunData) -> Floats | None:
    """The times of the blocks, seconds."""
    return column(run["blocks"], "time")


def span(run: RunData) -> tuple[float, float] | None:
    """First and last time: of the blocks, or else of whatever there is."""
    for names in (("blocks",), ("fund", "liquidations", "adl")):
        found = [t for name in names if (t := column(run[name], "time")) is not None]
        if found:
            return min(float(np.nanmin(t)) for t in found), max(float(np.nanmax(t)) for t in found)
    return None


def positive(values: Floats | None) -> Floats | None:
    """Prices: zero stands for 'none yet'."""
    if values is None or not (values > 0).any():
        return None
    return np.where(values > 0, values, np.nan)


def over_markets(frame: pl.DataFrame, name: str, markets: Sequence[int]) -> Floats | None:
    """A block column that exists once, or once a market and is then summed."""
    single = column(frame, name)
    if single is not None:
        return single
    parts = [part for m in markets if (part := column(frame, f"{name}_{m}")) is not None]
    return np.nansum(parts, axis=0) if parts else None


def summed(frame: pl.DataFrame, name: str) -> float | None:
    """None only where there is no such column: nothing in it makes 0."""
    if not any(name + ending in frame.columns for ending in FLOAT_ENDINGS):
        return None
    values = column(frame, name)
    return 0.0 if values is None else float(np.nansum(values[np.isfinite(values)]))


def texts(frame: pl.DataFrame, name: str) -> list[str]:
    """A column as text; '' where it is absent or null."""
    if name not in frame.columns:
        return [""] * frame.height
    return ["" if v is None else str(v) for v in frame[name].to_list()]
