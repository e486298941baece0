"""What a run shows in the terminal: progress while it goes, a table when it is done."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from perpsim.simulation.command import Result

_PLAIN_EVERY = 5.0
_RATE_SPAN = 10.0


class ProgressDisplay:
    """A bar with rates and time left on stderr; a plain line every few seconds when that is no terminal."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._total = 0
        self._what = "blocks"
        self._began = 0.0
        self._printed = 0.0
        self._marks: list[tuple[float, int, int]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.finish()

    def notice(self, text: str) -> None:
        """A line about the run itself."""
        self._console.print(Text(text), soft_wrap=True)

    def start(self, total: int, what: str = "blocks") -> None:
        """The loop begins and has `total` blocks (or other things) to go."""
        self._total, self._what = total, what
        self._began = self._printed = time.monotonic()
        self._marks = [(self._began, 0, 0)]
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.completed:>6,.0f}/{task.total:,.0f} " + what),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f} %  {task.fields[rate]}"),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
                refresh_per_second=4,
            )
            self._task = self._bar.add_task("", total=total, rate="")
            self._bar.start()

    def __call__(self, blocks: int, transactions: int) -> None:
        """`blocks` blocks and `transactions` transactions are done."""
        now = time.monotonic()
        last = self._marks[-1]
        if now - last[0] < 0.2 and blocks < self._total:
            return
        self._marks.append((now, blocks, transactions))
        while len(self._marks) > 2 and now - self._marks[1][0] > _RATE_SPAN:
            self._marks.pop(0)
        first = self._marks[0]
        span = max(now - first[0], 1e-9)
        pace = (blocks - first[1]) / span
        rate = self._told(pace, transactions, (transactions - first[2]) / span)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=blocks, rate=rate)
        elif now - self._printed >= _PLAIN_EVERY:
            self._printed = now
            left = (self._total - blocks) / pace if pace else 0.0
            share = 100 * blocks / self._total
            print(
                f"{blocks:,}/{self._total:,} {self._what}  {share:.0f} %  {rate}  {_clock(left)} left",
                file=sys.stderr,
                flush=True,
            )

    def _told(self, pace: float, transactions: int, transactions_pace: float) -> str:
        """How fast it goes, a second."""
        return f"{pace:,.0f} {self._what}/s  {transactions_pace:,.0f} tx/s"

    def finish(self) -> None:
        """The loop is over."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def print_summary(result: Result) -> None:
    """The figures that matter, the verdict and where the rest is."""
    console = Console(highlight=False)
    summary = result.summary
    unit = summary["parameters"]["collateral"]["symbol"]
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name, value in _rows(summary, unit):
        table.add_row(name, value)
    console.print()
    console.print(table)
    if keepers := summary["keepers"]["by_name"]:
        console.print()
        console.print(keeper_table(list(keepers.values()), unit))
    if result.verdict:
        console.print()
        console.print(Text(" ".join(result.verdict)), soft_wrap=True)
    console.print()
    console.print(Text(f"report: {result.report or 'not written'}"), soft_wrap=True)


def _rows(summary: dict[str, Any], unit: str) -> list[tuple[str, str]]:
    fund, liquidations = summary["fund"], summary["liquidations"]
    shortfall, adl = summary["shortfall"], summary["adl"]
    keepers, checks = summary["keepers"], summary["invariants"]

    def money(value: float) -> str:
        return f"{value:,.0f} {unit}"

    legs = f"fund {money(shortfall['paid_by_fund'])}, ADL {money(shortfall['adl'])}"
    legs += f", socialised {money(shortfall['socialised'])}"
    liquidated = f"{liquidations['count']:,} of {liquidations['accounts']:,} accounts"
    liquidated += f", {money(liquidations['notional'])}"
    blocks = f"{summary['blocks']:,} of {summary['planned_blocks']:,}"
    if summary["complete"]:
        blocks = f"{summary['blocks']:,}"
    return [
        ("scenario", f"{summary['scenario']}, seed {summary['seed']}, {summary['engine']}"),
        ("blocks", f"{blocks}, {summary['transactions']:,} transactions ({summary['reverted']:,} reverted)"),
        ("fund", f"start {money(fund['start'])}, end {money(fund['end'])}, lowest {money(fund['min'])}"),
        ("liquidations", liquidated),
        ("shortfall", f"{money(shortfall['total'])}: {legs}"),
        (
            "deleveraging",
            f"{adl['count']:,} times ({adl['by_list']:,} by list), {money(adl['notional'])}, "
            f"{adl['accounts']:,} accounts reduced",
        ),
        ("keepers", f"earned {money(keepers['reward'])}, paid {money(keepers['gas_cost'])} for gas"),
        ("invariants", f"checked {checks['checked']:,} times, {checks['violations']:,} violations"),
        ("digest", summary["digest"][:16]),
        ("time", f"{summary['wall_seconds']:.1f} s"),
    ]


def keeper_table(rows: Sequence[Mapping[str, Any]], unit: str) -> Table:
    """How each keeper fared: from the rows of keepers.parquet."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.caption = (
        f"gas in millions, cost and profit in {unit}; under water: the accounts it served, before it came, "
        "mean / worst in seconds"
    )
    table.caption_justify = "left"
    table.add_column("keeper")
    table.add_column("strategy", no_wrap=True)
    counts = ("found", "sent", "won", "lost", "reverted", "dropped")
    for head in (*counts, "gas", "cost", "profit", "under water"):
        table.add_column(head, justify="right", no_wrap=head != "under water")
    for row in rows:
        wait = row["underwater_seconds"]
        table.add_row(
            row["name"],
            row["strategy"],
            *(f"{row[name]:,}" for name in counts),
            f"{row['gas_used'] / 1e6:,.1f}",
            f"{row['gas_cost']:,.0f}",
            f"{row['profit']:,.0f}",
            "" if wait is None else f"{wait:,.0f} / {row['underwater_worst']:,.0f}",
        )
    return table


def _count(groups: Sequence[Any]) -> int:
    """Accounts in all groups of a kind."""
    return sum(group.count for group in groups)
