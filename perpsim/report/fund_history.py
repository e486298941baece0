"""The insurance history of a run as exchanges publish theirs: time, balance, change and cause.

Exact: amounts are integers in token units, and balances are their sums.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import polars as pl

from perpsim.report.data import ReportError, RunFiles, lookup, to_float

#: how finely a history is told; seconds a row, 0 for each flow by itself
PERIODS = {"flow": 0, "hour": 3600, "day": 86_400}
#: causes in the order of their columns; others follow as the log names them
CAUSES = ("penalty", "fee", "fund", "stake", "cover", "repay", "reward", "unstake")
FIRST = "initial"

_HOURS_TO_LIST = 3
_DAYS_TO_LIST = 4


@dataclass(frozen=True)
class FundFlow:
    """One flow in token units. `account` is the one whose liquidation caused it, None where there is none."""

    time: int
    block: int
    market: int
    account: int | None
    cause: str
    amount: int
    balance: int


@dataclass(frozen=True)
class Period:
    """The flows that begin at `time` (seconds) and last a period; balances in token units."""

    time: int
    balance: int
    lowest: int
    change: int
    by_cause: dict[str, int]
    flows: int


@dataclass(frozen=True)
class FundHistory:
    """All flows of a run. `books` are the vault's own at the end, token units, None where nothing says."""

    folder: Path
    scenario: str
    unit: str
    decimals: int
    markets: tuple[str, ...]
    flows: tuple[FundFlow, ...]
    books: int | None
    blocks: int
    planned_blocks: int
    complete: bool

    @property
    def balance(self) -> int:
        """After the last flow, token units."""
        return self.flows[-1].balance if self.flows else 0

    @property
    def start(self) -> int:
        """What it was first filled with, token units."""
        return sum(flow.amount for flow in self.flows if flow.cause == FIRST)

    @property
    def moves(self) -> tuple[FundFlow, ...]:
        """The flows after the fund was first filled."""
        return tuple(flow for flow in self.flows if flow.cause != FIRST)

    @property
    def causes(self) -> list[str]:
        """Causes of the moves, in the order of columns."""
        found = {flow.cause for flow in self.moves}
        return [cause for cause in CAUSES if cause in found] + sorted(found - set(CAUSES))

    def total(self, cause: str) -> int:
        """The sum of the flows of a cause, token units."""
        return sum(flow.amount for flow in self.flows if flow.cause == cause)

    def suits(self) -> str:
        """The period that tells this history in a readable number of rows."""
        if not self.moves:
            return "flow"
        hours = (self.moves[-1].time - self.moves[0].time) / 3600
        return "flow" if hours <= _HOURS_TO_LIST else "hour" if hours <= 24 * _DAYS_TO_LIST else "day"

    def until(self, block: int) -> FundHistory:
        """The history as it was after a block."""
        return replace(self, flows=tuple(flow for flow in self.flows if flow.block <= block))

    def periods(self, seconds: int) -> Iterator[Period]:
        """One for each stretch of `seconds` from the first move to the last, those without a move too."""
        before, following = self.start, None
        for number, group in groupby(self.moves, lambda flow: flow.time // seconds):
            for quiet in range(number if following is None else following, number):
                yield Period(quiet * seconds, before, before, 0, {}, 0)
            flows = list(group)
            sums: dict[str, int] = {}
            for flow in flows:
                sums[flow.cause] = sums.get(flow.cause, 0) + flow.amount
            lowest, last = min(before, *(flow.balance for flow in flows)), flows[-1].balance
            yield Period(number * seconds, last, lowest, last - before, sums, len(flows))
            before, following = last, number + 1


def read_history(folder: Path) -> FundHistory:
    """The history in a run folder; a `ReportError` says what is missing."""
    files = RunFiles(folder)
    summary, frame = files.summary(), files.table("fund")
    if files.notes:
        raise ReportError(f"{folder}: {files.notes[0]}")
    lacking = [name for name in ("time", "kind", "amount") if name not in frame.columns]
    if lacking:
        raise ReportError(f"{folder}: fund.parquet has no column {lacking[0]}")
    listed = lookup(summary, "parameters.markets") or []
    books = lookup(summary, "fund.books")
    blocks = int(to_float(summary.get("blocks")) or 0)
    return FundHistory(
        folder=folder,
        scenario=str(summary.get("scenario") or folder.name),
        unit=str(lookup(summary, "parameters.collateral.symbol") or "USD"),
        decimals=int(to_float(lookup(summary, "parameters.collateral.decimals")) or 6),
        markets=tuple(str(lookup(market, "symbol") or at) for at, market in enumerate(listed)),
        flows=tuple(_flows(folder, frame)),
        books=int(books) if isinstance(books, str) and books.isdecimal() else None,
        blocks=blocks,
        planned_blocks=int(to_float(summary.get("planned_blocks")) or blocks),
        complete=summary.get("complete") is True,
    )


def _flows(folder: Path, frame: pl.DataFrame) -> Iterator[FundFlow]:
    balance = 0
    for row in frame.iter_rows(named=True):
        try:
            amount = int(row["amount"])
        except (TypeError, ValueError):
            raise ReportError(f"{folder}: fund.parquet: {row['amount']!r} is no amount") from None
        balance += amount
        yield FundFlow(
            time=row["time"],
            block=row.get("block", 0),
            market=row.get("market", 0),
            account=row.get("account"),
            cause=str(row["kind"]),
            amount=amount,
            balance=balance,
        )


def write_csv(history: FundHistory, by: str, path: Path) -> None:
    """The history as a table with exact decimals; amounts out of the fund are negative."""
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(_rows(history, by))
    except OSError as error:
        raise ReportError(f"{path}: cannot be written ({error.strerror or error})") from None


def csv_text(history: FundHistory, by: str) -> str:
    """What `write_csv` writes, as text."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(_rows(history, by))
    return text.getvalue()


def _rows(history: FundHistory, by: str) -> Iterator[Sequence[object]]:
    def exact(units: int) -> str:
        return decimal(units, history.decimals)

    seconds = PERIODS[by]
    if not seconds:
        yield "time", "block", "balance", "change", "cause", "market", "account"
        for flow in history.flows:
            yield (
                stamp(flow.time),
                flow.block,
                exact(flow.balance),
                exact(flow.amount),
                flow.cause,
                market_name(history, flow.market),
                "" if flow.account is None else flow.account,
            )
        return
    causes = history.causes
    yield "time", "balance", "lowest", "change", *causes, "flows"
    for period in history.periods(seconds):
        parts = [exact(period.by_cause.get(cause, 0)) for cause in causes]
        totals = [exact(period.balance), exact(period.lowest), exact(period.change)]
        yield stamp(period.time), *totals, *parts, period.flows


def stamp(time: int) -> str:
    """2020-03-12T10:42:00Z."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def decimal(units: int, decimals: int) -> str:
    """Token units as a decimal number, every digit of it."""
    whole, part = divmod(abs(units), 10**decimals)
    return f"{'-' if units < 0 else ''}{whole}.{part:0{decimals}d}"


def market_name(history: FundHistory, market: int) -> str:
    """Symbol of a market; empty for what belongs to none."""
    return history.markets[market] if 0 <= market < len(history.markets) else ""
