"""Warning signs: how large the fund is for what it insures, what a further fall costs it, who is near."""

from __future__ import annotations

import re

import numpy as np
import polars as pl

from perpsim.report.data import Floats, RunData, column, times
from perpsim.report.facts import fund_balance
from perpsim.report.figure import AMBER, BLUE, FAINT, GREEN, PURPLE, RED, Chart, Panel, Trace
from perpsim.report.words import moment

#: from the mildest to the worst
_LOOKS = ((GREEN, "dot"), (AMBER, "dashdot"), (PURPLE, "dash"), (RED, "solid"), (BLUE, "longdash"))
_FALL, _RISE, _NEED, _NEAR = (re.compile(rf"{name}_(\d+)") for name in ("loss", "loss_up", "need", "near"))
_MOST = 10.0  # of the crowding: a book that is all but empty would press the rest flat


def sign_chart(run: RunData) -> Chart | None:
    """The fund as a share of the open interest; positions against depth; how many signs were on."""
    found = fund_to_interest(run)
    if found is None:
        return None
    traces = [Trace("fund / open interest", found[0], found[1] * 100, BLUE)]
    panels = [Panel("fund / open interest, %", 0.9, zero=True)]
    reading = (
        "The fund as a share of the open interest: it falls when the fund pays, and when positions grow "
        "faster than the fund. A small share before a crash is a warning."
    )
    signs = run["warnings"]
    x, crowding = column(signs, "time"), column(signs, "crowding")
    if x is not None and crowding is not None:
        # there is no ratio to an empty book: it is as bad as it gets
        shown = np.where(np.isnan(crowding), _MOST, np.minimum(crowding, _MOST))
        traces.append(Trace("crowding", x, shown, PURPLE, len(panels)))
        panels.append(Panel(f"liquidated by 5 % / depth of the book, up to {_MOST:.0f}", 0.7, zero=True))
        reading += " Where a move of 5 % would liquidate more than the book can take, a cascade is possible."
    on = [c for c in signs.columns if c.startswith("on_") and signs.schema[c] == pl.Boolean]
    if x is not None and on:
        many = signs.select(pl.sum_horizontal(on)).to_series().cast(pl.Float64).to_numpy()
        traces.append(Trace("signs that were on", x, many, RED, len(panels), kind="step"))
        traces += _crash(run, len(panels))
        panels.append(Panel(f"signs that were on, of {len(on)}", 0.6, zero=True))
    return Chart("signs", "How large was the fund for what it insured?", reading, panels, traces)


def _crash(run: RunData, panel: int) -> list[Trace]:
    at = run.number("warnings.crash")
    if at is None:
        return []
    here = [f"the crash hit: {moment(at)}"]
    mark = Trace(
        "the crash hits", np.array([at]), np.zeros(1), RED, panel, kind="marks", symbol="diamond", labels=here
    )
    return [mark]


def fund_to_interest(run: RunData) -> tuple[Floats, Floats] | None:
    """(times, fund over open interest), as recorded or else out of the blocks.

    NaN until positions are there: before that the ratio is large and says nothing.
    """
    signs = run["warnings"]
    x, share, interest = (column(signs, key) for key in ("time", "fund_to_oi", "open_interest"))
    if x is None or share is None or interest is None:
        x, balance, interest = times(run), column(run["blocks"], "fund"), _interest(run)
        if x is None or balance is None or interest is None:
            return None
        share = balance / np.where(interest > 0, interest, np.nan)
    opened = np.flatnonzero(interest >= np.nanmax(interest) / 2)
    if not opened.size or not np.nanmax(interest) > 0:
        return None
    there = np.arange(len(x)) >= opened[0]
    return x, np.where(there, share, np.nan)


def _interest(run: RunData) -> Floats | None:
    """The worth of all long positions, over all markets."""
    parts = []
    for market in run.markets():
        size, mark = (column(run["blocks"], f"{key}_{market}") for key in ("open_interest", "mark"))
        if size is not None and mark is not None:
            parts.append(size * mark)
    return np.nansum(parts, axis=0) if parts else None


def stress_chart(run: RunData) -> Chart | None:
    """What the fund would lose if the prices moved further, at that moment's positions and book."""
    traces = _family(run, _FALL, "by {} %", 0)
    if not traces:
        return None
    panels = [Panel(f"loss of the fund by a further fall, {run.unit}", 1.1, zero=True, format="~s")]
    for pattern, label in ((_NEED, "beyond all margins by a fall"), (_RISE, "loss of the fund by a rise")):
        more = _family(run, pattern, "by {} %", len(panels))
        if any(np.nan_to_num(trace.y).any() for trace in more):
            traces += more
            panels.append(Panel(f"{label}, {run.unit}", 0.9, zero=True, format="~s"))
    reading = (
        "At every moment: the loss of the fund if the price moved at once by so much more, with the "
        "positions and the book as they stood."
    )
    balance = fund_balance(run)
    most = max(float(np.nanmax(trace.y)) for trace in traces if trace.panel == 0)
    if balance is not None and most < float(np.nanmin(balance[1])) / 4:
        # its line would press all others flat
        reading += " None of them came to a quarter of what the fund had."
    elif balance is not None:
        traces.insert(0, Trace("what the fund has", *balance, FAINT, kind="step", width=3.6))
        reading += " Where a line meets what the fund has, such a move empties it, and others bear the rest."
    return Chart("stress", "What would a further fall have cost the fund?", reading, panels, traces)


def near_chart(run: RunData) -> Chart | None:
    """Accounts within a few per cent of their liquidation."""
    traces = _family(run, _NEAR, "within {} %", 0)
    if not traces:
        return None
    return Chart(
        "near",
        "How many were close to liquidation?",
        "Accounts that a fall (for shorts, a rise) of so much would make liquidatable. Many of them close "
        "together are the fuel of a cascade.",
        [Panel("accounts", 0.9, zero=True)],
        traces,
    )


def _family(run: RunData, pattern: re.Pattern[str], name: str, panel: int) -> list[Trace]:
    """The columns whose name ends in a number of per cent, of the table that has them; the smallest first."""
    for table in ("warnings", "blocks"):
        frame = run[table]
        x = column(frame, "time")
        found = sorted((int(m[1]), m[0]) for c in frame.columns if (m := pattern.fullmatch(c)))
        lines = [(n, y) for n, key in found if (y := column(frame, key)) is not None]
        if x is not None and lines:
            return [
                Trace(name.format(n), x, y, color, panel, dash=dash)
                for (n, y), (color, dash) in zip(lines, _LOOKS)
            ]
    return []
