"""The log of a run, read from its folder and folded again by the indexer that the simulation uses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import polars as pl

from perpsim.errors import UserError
from perpsim.scenarios import Market
from perpsim.simulation.counterparties import Counterparties
from perpsim.simulation.indexer import Indexer

HOUSE, LIQUIDATOR = "Clearinghouse", "Liquidator"

_COLUMNS = ("block", "time", "tx", "contract", "event", "args")


class Logged(NamedTuple):
    """An event of the log. `args` has its values as attributes: integers, truth values, strings, lists."""

    block: int
    time: int
    tx: int
    contract: str
    name: str
    args: Any


def read_log(folder: Path) -> Iterator[Logged]:
    """The events of clearinghouse and liquidator in a run folder, in order; a UserError if there are none."""
    path = folder / "events.parquet"
    if not path.is_file():
        raise UserError(f"{folder}: events.parquet is missing")
    try:
        wanted = pl.col("contract").is_in([HOUSE, LIQUIDATOR])
        frame = pl.scan_parquet(path).filter(wanted).select(_COLUMNS).collect()
    except (pl.exceptions.PolarsError, OSError, ValueError):
        raise UserError(f"{path}: cannot be read as an event log") from None
    return _parsed(path, frame)


def _parsed(path: Path, frame: pl.DataFrame) -> Iterator[Logged]:
    for block, time, tx, contract, name, text in frame.iter_rows():
        try:
            args = read_values(text)
        except (TypeError, ValueError):
            raise UserError(f"{path}: block {block}: the values of {name} cannot be read") from None
        yield Logged(block, time, tx, contract, name, args)


def read_values(text: str) -> Any:
    """The values of an event, as attributes, out of its text in the log."""
    return _values(json.loads(text))


def _values(value: Any) -> Any:
    """Values as they were before they were written: integers are decimal strings there."""
    if isinstance(value, dict):
        return SimpleNamespace(**{name: _values(item) for name, item in value.items()})
    if isinstance(value, list):
        return [_values(item) for item in value]
    if isinstance(value, str) and not value.startswith("0x"):
        return int(value)
    return value


class Replay:
    """Accounts and markets as the log tells them up to the last event taken, from where `indexer` stands."""

    def __init__(self, markets: Sequence[Market], decimals: int, indexer: Indexer | None = None) -> None:
        self.indexer = indexer or Indexer(markets, decimals)
        self.counterparties = Counterparties(self.indexer, list(markets))
        self._handlers = self.indexer.clearinghouse_handlers()

    def take(self, event: Logged) -> None:
        """Fold an event."""
        if event.contract == HOUSE:
            handler = self._handlers.get(event.name)
            if handler is not None:
                handler(event.args, event.time)
