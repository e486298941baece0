"""A table as HTML that page.js makes sortable, and the cells it is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from perpsim.report.data import Floats
from perpsim.report.words import NOTHING, duration, esc, moment, number, percent

Cell = tuple[str, float | None]  # what is shown, and what it is sorted by (None: the text)
MANY = 10  # columns: more of them need smaller letters on paper
Maker = Callable[[float | None], Cell]


@dataclass(frozen=True)
class Table:
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    look: str = ""  # pairs: long values may be broken anywhere

    def html(self) -> str:
        numeric = [any(r[i][1] is not None for r in self.rows) for i in range(len(self.heads))]
        sides = [' class="n"' if is_number else "" for is_number in numeric]
        heads = "".join(
            f'<th scope="col"{side}><button type="button">{esc(h)}</button></th>'
            for h, side in zip(self.heads, sides)
        )
        rows = "".join(
            "<tr>" + "".join(_cell(c, side) for c, side in zip(row, sides)) + "</tr>" for row in self.rows
        )
        note = f'<p class="note">{esc(self.note)}</p>' if self.note else ""
        size = " long" if len(self.rows) > 60 else ""
        look = self.look + (" many" if len(self.heads) > MANY else "")
        return (
            f'<div class="wide{size}" tabindex="0"><table class="sort {look}">'
            f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>{note}"
        )


def _cell(cell: Cell, side: str) -> str:
    key = "" if cell[1] is None else f' data-v="{cell[1]:.12g}"'
    return f"<td{side}{key}>{esc(cell[0])}</td>"


def text(value: object) -> Cell:
    return str(value), None


def figure(value: float | None, digits: int | None = None) -> Cell:
    if value is None or not np.isfinite(value):
        return NOTHING, None
    return number(value, digits), value


def amount(value: float | None) -> Cell:
    """Money in a table: whole units, cents when small."""
    if value is None or not np.isfinite(value):
        return NOTHING, None
    return number(value, 0 if abs(value) >= 1000 or abs(value) < 0.005 else 2), value


def when(value: float | None) -> Cell:
    return (
        (NOTHING, None)
        if value is None or not np.isfinite(value)
        else (moment(value).removesuffix(" UTC"), value)
    )


def share(value: float | None) -> Cell:
    return (NOTHING, None) if value is None or not np.isfinite(value) else (percent(value), value)


def span_of(seconds: float | None) -> Cell:
    """A length of time."""
    if seconds is None or not np.isfinite(seconds):
        return NOTHING, None
    return duration(seconds), seconds


def account_no(value: float | None) -> Cell:
    return (NOTHING, None) if value is None or not np.isfinite(value) else (f"{value:.0f}", value)


def listed(
    columns: Sequence[tuple[str, Floats | Sequence[str] | None, Maker]], order: Sequence[int]
) -> Table:
    """A table of those columns that exist."""
    there = [(head, values, make) for head, values, make in columns if values is not None]
    rows = []
    for i in order:
        row: list[Cell] = []
        for _, values, make in there:
            value = values[i]
            row.append(text(value) if isinstance(value, str) else make(float(value)))
        rows.append(row)
    return Table([head for head, _, _ in there], rows)
