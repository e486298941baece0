"""A finished run at any of its blocks: its log is folded up to there."""

from __future__ import annotations

import pickle
from bisect import bisect_right
from collections.abc import Callable, Sequence
from operator import itemgetter
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import polars as pl

from perpsim.deleveraging.replay import read_values
from perpsim.deleveraging.run import policies_of, scenario_markets
from perpsim.errors import UserError
from perpsim.report.data import RunFiles, lookup
from perpsim.report.decimate import decimate, rounded
from perpsim.report.fund_history import FundHistory, read_history
from perpsim.serve.moment import Check, Keeper, Moment, Rows, Sign
from perpsim.serve.view import frame
from perpsim.simulation.indexer import Indexer
from perpsim.simulation.ledger import Ledger

Handler = Callable[[Any, int], None]

HOUSE, LIQUIDATOR, VAULT, BOOK = "Clearinghouse", "Liquidator", "InsuranceVault", "OrderBook"
# States that are kept to start folding from, and points of a line.
_KEPT, _POINTS = 48, 700
_BY_BLOCK = itemgetter("block")
# Columns of blocks.parquet that are drawn, and what the page calls them; a market's number comes behind.
_LINES = {
    "price": "price",
    "index": "index",
    "mark": "mark",
    "open_interest": "open_interest",
    "leverage": "leverage",
    "funding_8h": "funding",
    "bid_depth": "bid_depth",
    "ask_depth": "ask_depth",
}


class RunHistory:
    """A run folder, readable at any block; safe to be asked by several threads.

    A `UserError` says what is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        files = RunFiles(folder)
        self._folder = folder
        self._summary = files.summary()
        if files.notes:
            raise UserError(f"{folder}: {files.notes[0]}")
        self._markets, self._decimals = scenario_markets(folder, self._summary)
        self._frames = {
            name: files.table(name)
            for name in ("blocks", "fund", "keepers", "keeper_txs", "warnings", "accounts")
        }
        self._require("blocks", ["block", "time", "fund", *self._columns()])
        self._require("fund", ["amount"])
        blocks = self._frames["blocks"]
        if not blocks.height:
            raise UserError(f"{folder}: the run has no blocks")
        self.blocks: list[int] = blocks["block"].to_list()
        self._times: dict[int, int] = dict(zip(self.blocks, blocks["time"].to_list()))
        self._lock = Lock()
        try:
            self._read_log()
            self._fold_money()
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            what = f"{type(error).__name__}: {error}"
            raise UserError(
                f"{folder}: the log is none that this version of perpsim writes ({what})"
            ) from error
        self._roles = self._read_roles()
        self._indexer = self._fresh()
        self._at = 0
        self._kept: dict[int, bytes] = {}

    # what the page is told once

    @property
    def first(self) -> int:
        """The first block."""
        return self.blocks[0]

    @property
    def last(self) -> int:
        """The last block."""
        return self.blocks[-1]

    @property
    def version(self) -> int:
        """A finished run does not change."""
        return 0

    @property
    def unit(self) -> str:
        """What amounts are counted in."""
        return str(lookup(self._summary, "parameters.collateral.symbol") or "USD")

    def about(self) -> dict[str, Any]:
        """Titles, markets and the range of blocks."""
        summary = self._summary
        scenario = str(summary.get("scenario") or self._folder.name)
        blocks = self._frames["blocks"]
        return {
            "live": False,
            "title": str(summary.get("title") or scenario),
            "scenario": scenario,
            "seed": summary.get("seed"),
            "complete": summary.get("complete") is True,
            "unit": self.unit,
            "markets": [market.symbol for market in self._markets],
            "first": self.first,
            "last": self.last,
            "start": blocks["time"][0],
            "end": blocks["time"][-1],
        }

    def series(self) -> dict[str, Any]:
        """Lines over the whole run: `t` (seconds) and `y`, thinned out with their extremes kept."""
        found = {"fund": self._line("fund")}
        markets = [
            {name: self._line(f"{column}_{number}") for column, name in _LINES.items()}
            for number in range(len(self._markets))
        ]
        return {**found, "markets": markets}

    def fund_history(self, block: int) -> FundHistory:
        """The flows of the fund up to a block."""
        return read_history(self._folder).until(block)

    # what it is told of a block

    def frame(self, block: int) -> dict[str, Any]:
        """All that is shown of a block."""
        with self._lock:
            return frame(self._moment(block))

    def _moment(self, block: int) -> Moment:
        """The state after a block, the nearest earlier one where the run has none of that number."""
        row = max(bisect_right(self.blocks, block) - 1, 0)
        block = self.blocks[row]
        self._fold_to(block)
        figures = self._frames["blocks"].row(row, named=True)
        numbers = range(len(self._markets))
        ledger = self._ledger
        return Moment(
            block=block,
            time=self._times[block],
            markets=self._markets,
            unit=self.unit,
            indexer=self._indexer,
            fund_rows=_until(ledger.fund_rows, block),
            liquidations=_until(ledger.liquidations, block),
            adl=_until(ledger.adl, block),
            bad_debt=_until(ledger.bad_debt, block),
            broken=[text for at, text in self._broken if at <= block],
            leverage=[figures[f"leverage_{number}"] for number in numbers],
            prices=[figures[f"price_{number}"] for number in numbers],
            keepers=self._keepers(block),
            signs=self._signs(block),
            checks=[self._compared()],
            roles=self._roles,
        )

    # reading

    def _columns(self) -> list[str]:
        return [f"{name}_{number}" for number in range(len(self._markets)) for name in _LINES]

    def _require(self, table: str, columns: Sequence[str]) -> None:
        path = self._folder / f"{table}.parquet"
        if not path.is_file():
            raise UserError(f"{self._folder}: {path.name} is missing")
        found = self._frames[table].columns
        if not found:
            raise UserError(f"{self._folder}: {path.name} cannot be read")
        lacking = [name for name in columns if name not in found]
        if lacking:
            raise UserError(f"{self._folder}: {path.name} has no column {lacking[0]}")

    def _read_log(self) -> None:
        path = self._folder / "events.parquet"
        if not path.is_file():
            raise UserError(f"{self._folder}: events.parquet is missing")
        house = pl.col("contract").is_in([HOUSE, LIQUIDATOR, VAULT]) | pl.col("contract").str.starts_with(
            BOOK
        )
        try:
            columns = ("block", "time", "contract", "event", "args")
            frame = pl.scan_parquet(path).filter(house).select(columns).collect()
        except (pl.exceptions.PolarsError, OSError, ValueError):
            raise UserError(f"{path}: cannot be read as an event log") from None
        self._log = frame
        self._log_blocks: list[int] = frame["block"].to_list()

    def _fold_money(self) -> None:
        """Everything about money is folded once: its rows carry their block."""
        owners: dict[str, int] = {}
        policies = policies_of(self._summary)
        self._ledger = ledger = Ledger(self._decimals, lambda owner: owners.get(owner, 0), policies)
        self._broken: list[tuple[int, str]] = []
        handlers: dict[tuple[str, str], Handler] = {
            **{(VAULT, name): handler for name, handler in ledger.vault_handlers().items()},
            **{(LIQUIDATOR, name): handler for name, handler in ledger.liquidator_handlers().items()},
            (HOUSE, "AccountOpened"): lambda event, time: owners.__setitem__(event.owner, event.account),
        }
        names = pl.struct("contract", "event").is_in([{"contract": c, "event": e} for c, e in handlers])
        for block, time, contract, name, text in self._log.filter(names).iter_rows():
            ledger.block = block
            handlers[contract, name](read_values(text), time)
            self._broken += [(block, words) for words in ledger.broken[len(self._broken) :]]

    def _read_roles(self) -> dict[int, str]:
        accounts = self._frames["accounts"]
        if not {"account", "role"} <= set(accounts.columns):
            return {}
        return dict(zip(accounts["account"].to_list(), accounts["role"].to_list()))

    # folding

    def _fresh(self) -> Indexer:
        return Indexer(self._markets, self._decimals)

    def _handlers(self) -> dict[tuple[str, str], Handler]:
        indexer = self._indexer
        timeouts = [market.liquidation.adl_timeout for market in self._markets]
        found: dict[tuple[str, str], Handler] = {}
        for name, handler in indexer.clearinghouse_handlers().items():
            found[HOUSE, name] = handler
        for name, handler in indexer.liquidator_handlers(timeouts).items():
            found[LIQUIDATOR, name] = handler
        for market in range(len(self._markets)):
            for name, handler in indexer.book_handlers(market).items():
                found[f"{BOOK}{market}", name] = handler
        return found

    def _fold_to(self, block: int) -> None:
        """Bring the indexer to the state after `block`."""
        end = bisect_right(self._log_blocks, block)
        if end < self._at:
            start = max((at for at in self._kept if at <= end), default=0)
            self._indexer = pickle.loads(self._kept[start]) if start else self._fresh()
            self._at = start
        else:
            later = max((at for at in self._kept if at <= end), default=0)
            if later > self._at:
                self._indexer, self._at = pickle.loads(self._kept[later]), later
        stretch = max(len(self._log_blocks) // _KEPT, 1)
        handlers = self._handlers()
        while self._at < end:
            until = min(end, (self._at // stretch + 1) * stretch)
            rows = self._log.slice(self._at, until - self._at).select("time", "contract", "event", "args")
            for time, contract, name, text in rows.iter_rows():
                handler = handlers.get((contract, name))
                if handler is not None:
                    handler(read_values(text), time)
            self._at = until
            if until % stretch == 0 and until not in self._kept:
                self._kept[until] = pickle.dumps(self._indexer, pickle.HIGHEST_PROTOCOL)

    # figures

    def _line(self, column: str) -> dict[str, list[Any]]:
        blocks = self._frames["blocks"]
        values = blocks[column].cast(pl.Float64).to_numpy().astype(np.float64)
        if column.startswith(("index_", "mark_")):
            # Zero stands for "none yet".
            values = np.where(values > 0, values, np.nan)
        rows = decimate(values, _POINTS)
        return {"t": blocks["time"].to_numpy()[rows].tolist(), "y": rounded(values[rows])}

    def _keepers(self, block: int) -> list[Keeper]:
        sent, known = self._frames["keeper_txs"], self._frames["keepers"]
        if not {"keeper", "outcome", "won", "calls", "cost", "reward"} <= set(sent.columns):
            return []
        names = (
            {row["account"]: row for row in known.iter_rows(named=True)} if "name" in known.columns else {}
        )

        def ended(outcome: str) -> pl.Expr:
            return pl.col("calls").filter(pl.col("outcome") == outcome).sum().alias(outcome)

        table = (
            sent.filter(pl.col("block") <= block)
            .group_by("keeper")
            .agg(
                pl.col("won").sum().alias("taken"),
                *(ended(outcome) for outcome in ("lost", "vain", "reverted")),
                pl.col("reward").sum(),
                pl.col("cost").sum(),
            )
        )
        rows = {row["keeper"]: row for row in table.iter_rows(named=True)}
        return [
            Keeper(
                account=account,
                name=str(lookup(names.get(account), "name") or f"account {account}"),
                strategy=str(lookup(names.get(account), "strategy") or ""),
                won=int(lookup(row, "taken") or 0),
                lost=int(lookup(row, "lost") or 0),
                vain=int(lookup(row, "vain") or 0),
                reverted=int(lookup(row, "reverted") or 0),
                reward=float(lookup(row, "reward") or 0.0),
                cost=float(lookup(row, "cost") or 0.0),
            )
            for account in sorted({*names, *rows})
            for row in (rows.get(account),)
        ]

    def _signs(self, block: int) -> list[Sign]:
        samples = self._frames["warnings"]
        if "block" not in samples.columns:
            return []
        seen = samples.filter(pl.col("block") <= block)
        found = []
        for column in samples.columns:
            if not column.startswith("on_"):
                continue
            name = column.removeprefix("on_")
            text = lookup(self._summary, f"warnings.signs.{name}.text")
            found.append(Sign(name, str(text or name), _since(seen, column)))
        return found

    def _compared(self) -> Check:
        """What the run itself checked against the contracts."""
        checked = int(lookup(self._summary, "invariants.checked") or 0)
        violation = str(self._summary.get("violation") or "")
        found = violation or f"{checked:,} times in this run, no difference"
        return Check("Contracts and log agree to the last wei", not violation, found)


def _until(rows: Rows, block: int) -> Rows:
    """The rows of a ledger up to a block."""
    return rows[: bisect_right(rows, block, key=_BY_BLOCK)]


def _since(samples: pl.DataFrame, column: str) -> int | None:
    """The time from which a sign has been on without a break; None if it is off."""
    since = None
    for time, on in samples.select("time", column).reverse().iter_rows():
        if not on:
            break
        since = time
    return since
