"""Reader of exchange candle files.

Accepts what exchanges hand out: with or without a header, times as ISO 8601 or as epoch seconds,
milliseconds, microseconds or nanoseconds, columns `time, open, high, low, close[, more]` (the order of a
Binance kline) when there is no header. Gaps are allowed and reported; anything that cannot be right is a
`UserError` that names the line.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from perpsim.errors import UserError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Prices = tuple[float, float, float, float]

_PRICE_COLUMNS = ("open", "high", "low", "close")
_TIME_NAMES = (
    "timestamp_utc",
    "open_time",
    "opentime",
    "timestamp",
    "datetime",
    "time",
    "date",
    "unix",
    "start",
    "ts",
    "t",
)
_SHORT_NAMES = {"o": "open", "h": "high", "l": "low", "c": "close"}
# Times before 2000 or after 2100 are taken for a mistake (a price column read as a time, a wrong unit).
_EARLIEST = 946_684_800
_LATEST = 4_102_444_800


@dataclass(frozen=True)
class Candles:
    """Candles in ascending order of time. `times`: openings in whole seconds (UTC); prices in quote units."""

    times: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    interval: int
    source: str = ""

    def __len__(self) -> int:
        return int(self.times.size)

    @property
    def start(self) -> int:
        """Opening of the first candle, seconds."""
        return int(self.times[0])

    @property
    def end(self) -> int:
        """End of the last candle, seconds (exclusive)."""
        return int(self.times[-1]) + self.interval

    def gaps(self) -> list[Gap]:
        """Stretches without candles, in order."""
        steps = np.diff(self.times)
        return [
            Gap(int(self.times[i]) + self.interval, int(self.times[i + 1]))
            for i in np.flatnonzero(steps > self.interval)
        ]


@dataclass(frozen=True)
class Gap:
    """No candle from `start` (inclusive) to `end` (exclusive), seconds."""

    start: int
    end: int

    def __str__(self) -> str:
        return f"{iso(self.start)} to {iso(self.end)}"


def iso(time: int) -> str:
    """`time` (seconds) as ISO 8601 in UTC."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_candles(path: Path | str) -> Candles:
    """Read a candle file. Raises `UserError` with the number of the line that is wrong."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"candle file {path}: no such file") from None
    except IsADirectoryError:
        raise UserError(f"candle file {path}: is a folder, not a file") from None
    except UnicodeDecodeError:
        raise UserError(f"candle file {path}: is not a text file (unpack it first?)") from None
    except OSError as error:
        raise UserError(f"candle file {path}: {error.strerror or error}") from None
    return parse_candles(text.splitlines(), str(path))


def parse_candles(lines: Iterable[str], name: str = "candles") -> Candles:
    """Parse the lines of a candle file called `name` (for messages only)."""
    columns: dict[str, int] | None = None
    times: list[int] = []
    rows: list[tuple[float, float, float, float]] = []
    numbers: list[int] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        cells = _split(line)
        if columns is None:
            columns = _header(cells)
            if columns is not None:
                missing = [column for column in ("time", *_PRICE_COLUMNS) if column not in columns]
                if missing:
                    absent = ", ".join(missing)
                    raise UserError(
                        f"candle file {name}, line {number}: no column for {absent} in the header"
                    )
                continue
            columns = {"time": 0, "open": 1, "high": 2, "low": 3, "close": 4}
        time, prices = _row(cells, columns, f"candle file {name}, line {number}")
        times.append(time)
        rows.append(prices)
        numbers.append(number)
    if not rows:
        raise UserError(f"candle file {name}: no candles in it")
    if len(rows) == 1:
        raise UserError(f"candle file {name}: only one candle; two are needed to know how long a candle is")
    _check_order(times, numbers, name)
    stamps = np.array(times, dtype=np.int64)
    table = np.array(rows, dtype=np.float64)
    return Candles(
        times=stamps,
        open=table[:, 0].copy(),
        high=table[:, 1].copy(),
        low=table[:, 2].copy(),
        close=table[:, 3].copy(),
        interval=int(np.diff(stamps).min()),
        source=name,
    )


def _split(line: str) -> list[str]:
    delimiter = next((mark for mark in (",", ";", "\t") if mark in line), ",")
    return [cell.strip().strip('"') for cell in next(csv.reader([line], delimiter=delimiter))]


def _header(cells: list[str]) -> dict[str, int] | None:
    """Column positions when the cells name columns, None when they are a candle already."""
    names = [cell.lower().replace(" ", "_") for cell in cells]
    names = [_SHORT_NAMES.get(name, name) for name in names]
    if not any(name in _PRICE_COLUMNS for name in names):
        return None
    found = {name: names.index(name) for name in _PRICE_COLUMNS if name in names}
    for candidate in _TIME_NAMES:
        if candidate in names:
            found["time"] = names.index(candidate)
            break
    return found


def _row(cells: list[str], columns: dict[str, int], where: str) -> tuple[int, Prices]:
    if len(cells) <= max(columns.values()):
        raise UserError(f"{where}: {len(cells)} columns, expected at least {max(columns.values()) + 1}")
    time = _time(cells[columns["time"]], where)
    values = []
    for column in _PRICE_COLUMNS:
        cell = cells[columns[column]]
        try:
            value = float(cell)
        except ValueError:
            raise UserError(f"{where}: {column} is not a number: {_short(cell)}") from None
        if not math.isfinite(value) or value <= 0:
            raise UserError(f"{where}: {column} must be above zero: {_short(cell)}")
        values.append(value)
    opened, high, low, close = values
    if high < low:
        raise UserError(f"{where}: high {high:g} is below low {low:g}")
    if not (low <= opened <= high and low <= close <= high):
        figures = f"{opened:g} {high:g} {low:g} {close:g}"
        raise UserError(f"{where}: open and close must lie between low and high: {figures}")
    return time, (opened, high, low, close)


def _time(cell: str, where: str) -> int:
    """Whole seconds of an ISO time or an epoch figure, whose unit shows in its magnitude."""
    try:
        figure = float(cell)
    except ValueError:
        seconds = _iso_seconds(cell, where)
    else:
        if not math.isfinite(figure):
            raise UserError(f"{where}: not a time: {_short(cell)}")
        for _ in range(3):
            if abs(figure) > 1e11:
                figure /= 1000
        seconds = figure
    if not _EARLIEST <= seconds < _LATEST:
        raise UserError(f"{where}: not a time between the years 2000 and 2100: {_short(cell)}")
    return round(seconds)


def _iso_seconds(cell: str, where: str) -> float:
    text = cell.upper().removesuffix("UTC").strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"{where}: not a time: {_short(cell)}") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _check_order(times: list[int], numbers: list[int], name: str) -> None:
    for i in range(1, len(times)):
        if times[i] == times[i - 1]:
            raise UserError(f"candle file {name}, line {numbers[i]}: second candle for {iso(times[i])}")
        if times[i] < times[i - 1]:
            falling = all(later < earlier for earlier, later in pairwise(times))
            hint = "; the file runs from new to old, reverse it" if falling else ""
            order = f"{iso(times[i])} comes after {iso(times[i - 1])}"
            raise UserError(f"candle file {name}, line {numbers[i]}: unsorted, {order}{hint}")


def _short(cell: str) -> str:
    text = cell if len(cell) <= 40 else cell[:37] + "..."
    return repr(text)
