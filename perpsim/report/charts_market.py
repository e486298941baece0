"""The charts of the markets: prices, open interest and leverage, funding, depth, and who is under water."""

from __future__ import annotations

import numpy as np

from perpsim.report.data import Floats, RunData, column, over_markets, positive, times
from perpsim.report.figure import AMBER, BLUE, DASHES, FAINT, PURPLE, RED, SERIES, Chart, Panel, Trace


def _of(run: RunData, market: int) -> str:
    return f" ({run.market_name(market)})" if len(run.markets()) > 1 else ""


def price_chart(run: RunData, market: int) -> Chart | None:
    """Market price, index and mark; below them, how far the exchange was away from the market."""
    x, blocks = times(run), run["blocks"]
    looks = (
        ("market price", f"price_{market}", FAINT, "solid", 3.6),
        ("index (the oracle's price)", f"index_{market}", AMBER, "dash", 1.6),
        ("mark (what margins are measured at)", f"mark_{market}", BLUE, "solid", 0.9),
    )
    traces = [
        Trace(name, x, y, color, dash=dash, width=width)
        for name, key, color, dash, width in looks
        if x is not None and (y := positive(column(blocks, key))) is not None
    ]
    if not traces or x is None:
        return None
    panels = [Panel(f"price, {run.unit}", 1.35)]
    price = positive(column(blocks, f"price_{market}"))
    for name, key, color, dash, _ in looks[1:]:
        seen = positive(column(blocks, key))
        if price is not None and seen is not None:
            off = (seen / price - 1) * 100
            traces.append(Trace(name, x, off, color, 1, dash="dot" if dash == "dash" else dash, width=1.1))
            panels[1:] = [Panel("index and mark against the market price, %", 0.7)]
    return Chart(
        f"price-{market}",
        f"How far did the price go, and did the exchange follow it?{_of(run, market)}",
        "Where the lines lie on one another the exchange saw the market as it was; where index or mark lag "
        "behind, positions were measured at an old price.",
        panels,
        traces,
    )


def interest_chart(run: RunData) -> Chart | None:
    """What was at stake, and on how much leverage, a line a market."""
    x, blocks, markets = times(run), run["blocks"], run.markets()
    traces: list[Trace] = []
    panels: list[Panel] = []
    for base, label, alone in (
        ("open_interest", f"open interest, {run.unit}", BLUE),
        ("leverage", "mean leverage of the leveraged traders", PURPLE),
    ):
        rows = []
        for i, market in enumerate(markets):
            y, mark = column(blocks, f"{base}_{market}"), column(blocks, f"mark_{market}")
            if x is None or y is None:
                continue
            if base == "open_interest" and mark is not None:
                y = y * mark
            rows.append(_line(run, i, label.split(",")[0], x, y, alone, len(panels)))
        if rows:
            traces += rows
            panels.append(Panel(label, zero=True, format="~s"))
    if not traces:
        return None
    return Chart(
        "interest",
        "How much was at stake, and on how much leverage?",
        "Open interest is the worth of all long positions (there are as many short ones); it falls when "
        "positions are closed. Leverage is position over equity: it rises by itself when losses eat the "
        "equity.",
        panels,
        traces,
    )


def _line(run: RunData, i: int, name: str, x: Floats, y: Floats, alone: str, panel: int) -> Trace:
    """The line of the i-th market; a single market has the colour `alone` and the name of the figure."""
    if len(run.markets()) == 1:
        return Trace(name, x, y, alone, panel)
    color, dash = SERIES[i % len(SERIES)], DASHES[i % len(DASHES)]
    return Trace(run.market_name(run.markets()[i]), x, y, color, panel, dash=dash)


def funding_chart(run: RunData) -> Chart | None:
    """The funding rate, a line a market."""
    x, blocks, markets = times(run), run["blocks"], run.markets()
    traces = [
        Trace("funding rate", x, y * 100, BLUE, kind="area")
        if len(markets) == 1
        else _line(run, i, "", x, y * 100, BLUE, 0)
        for i, market in enumerate(markets)
        if x is not None and (y := column(blocks, f"funding_8h_{market}")) is not None
    ]
    if not traces:
        return None
    return Chart(
        "funding",
        "Who paid whom for holding a position?",
        "Above zero the longs pay the shorts, below zero the shorts pay the longs; the rate is for eight "
        "hours. At its limit, one side wants out and finds nobody.",
        [Panel("% of the position per 8 hours", 0.9)],
        traces,
    )


def depth_chart(run: RunData, market: int) -> Chart | None:
    """What stands in the book close to the price, and how far its middle is from the index."""
    x, blocks = times(run), run["blocks"]
    if x is None:
        return None
    traces: list[Trace] = []
    panels: list[Panel] = []
    bids, asks = column(blocks, f"bid_depth_{market}"), column(blocks, f"ask_depth_{market}")
    if bids is not None or asks is not None:
        panels.append(Panel(f"within 2 % of the price, {run.unit}", zero=True, format="~s"))
        for name, y, color, kind in (("bids", bids, BLUE, "area"), ("asks", asks, AMBER, "line")):
            if y is not None:
                traces.append(Trace(name, x, y, color, kind=kind, width=1.3))
    mid, index = (positive(column(blocks, f"{key}_{market}")) for key in ("mid", "index"))
    if mid is not None and index is not None:
        off = (mid / index - 1.0) * 100
        if np.isfinite(off).any():
            traces.append(Trace("mid against index", x, off, PURPLE, panel=len(panels), width=1.2))
            panels.append(Panel("middle of the book against the index, %", 0.8))
    if not traces:
        return None
    return Chart(
        f"depth-{market}",
        f"Was there anybody to trade with?{_of(run, market)}",
        "Depth is what stands in the book close to the price: liquidations sell into the bids. A middle "
        "far below the index means that the exchange was cheaper than the rest of the world.",
        panels,
        traces,
    )


def underwater_chart(run: RunData) -> Chart | None:
    """Accounts that could have been liquidated and were not yet."""
    x, y = times(run), over_markets(run["blocks"], "underwater", run.markets())
    if x is None or y is None:
        return None
    return Chart(
        "underwater",
        "Did liquidations keep up?",
        "Accounts that could be liquidated at the end of each block and had not been: a spike that does "
        "not come down means that keepers, or the book, were overwhelmed.",
        [Panel("accounts below their maintenance margin", 0.8, zero=True)],
        [Trace("accounts", x, y, RED, kind="area", width=1.2)],
    )
