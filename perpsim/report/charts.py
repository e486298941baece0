"""The charts: which there are, what each asks, and what it shows. One without data is left out."""

from __future__ import annotations

import numpy as np

from perpsim.report.charts_fund import fund_chart, liquidation_chart, shortfall_chart
from perpsim.report.data import Floats, RunData, column, lookup, over_markets, positive, to_float
from perpsim.report.decimate import BIN_NAMES, bin_width
from perpsim.report.figure import AMBER, BLUE, FAINT, PURPLE, RED, SERIES, Chart, Panel, Trace


def all_charts(run: RunData) -> list[Chart]:
    """Every chart that the run has data for, in reading order."""
    markets = run.markets()
    found: list[Chart | None] = [price_chart(run, m, len(markets) > 1) for m in markets]
    found += [fund_chart(run), liquidation_chart(run), shortfall_chart(run), interest_chart(run)]
    found += [funding_chart(run), *(depth_chart(run, m, len(markets) > 1) for m in markets)]
    found += [underwater_chart(run), gas_chart(run)]
    return [c for c in found if c is not None]


def times(run: RunData) -> Floats | None:
    return column(run["blocks"], "time")


def _of(run: RunData, market: int, several: bool) -> str:
    return f" ({run.market_name(market)})" if several else ""


def price_chart(run: RunData, market: int, several: bool) -> Chart | None:
    x, blocks = times(run), run["blocks"]
    looks = (
        ("market price", f"price_{market}", FAINT, "solid", 3.2),
        ("index (the oracle's price)", f"index_{market}", AMBER, "solid", 1.7),
        ("mark (what margins are measured at)", f"mark_{market}", BLUE, "solid", 0.9),
    )
    traces = [
        Trace(name, x, y, color, dash=dash, width=width)
        for name, key, color, dash, width in looks
        if x is not None and (y := positive(column(blocks, key))) is not None
    ]
    if not traces:
        return None
    return Chart(
        f"price-{market}",
        f"How far did the price go, and did the exchange follow it?{_of(run, market, several)}",
        "Where the lines lie on one another the exchange saw the market as it was; where index or mark lag "
        "behind, positions were measured at an old price.",
        [Panel(f"price, {run.unit}", 1.35)],
        traces,
    )


def interest_chart(run: RunData) -> Chart | None:
    x, blocks, markets = times(run), run["blocks"], run.markets()
    traces: list[Trace] = []
    panels: list[Panel] = []
    for base, label, dash in (
        ("open_interest", f"open interest, {run.unit}", "solid"),
        ("leverage", "mean leverage", "solid"),
    ):
        rows = []
        for i, market in enumerate(markets):
            y = column(blocks, f"{base}_{market}")
            mark = column(blocks, f"mark_{market}")
            if x is None or y is None:
                continue
            name = run.market_name(market) if len(markets) > 1 else label.split(",")[0]
            color = (
                SERIES[i % len(SERIES)] if len(markets) > 1 else (BLUE if base == "open_interest" else PURPLE)
            )
            if base == "open_interest" and mark is not None:
                y = y * mark
            rows.append(Trace(name, x, y, color, panel=len(panels), dash=dash))
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


def funding_chart(run: RunData) -> Chart | None:
    x, blocks, markets = times(run), run["blocks"], run.markets()
    traces = [
        Trace(
            run.market_name(m) if len(markets) > 1 else "funding rate",
            x,
            y * 100,
            SERIES[i % len(SERIES)],
            kind="line" if len(markets) > 1 else "area",
        )
        for i, m in enumerate(markets)
        if x is not None and (y := column(blocks, f"funding_8h_{m}")) is not None
    ]
    if not traces:
        return None
    return Chart(
        "funding",
        "Who paid whom for holding a position?",
        "Above zero the longs pay the shorts, below zero the shorts pay the longs; the rate is for eight "
        "hours.",
        [Panel("% of the position per 8 hours", 0.9)],
        traces,
    )


def depth_chart(run: RunData, market: int, several: bool) -> Chart | None:
    x, blocks = times(run), run["blocks"]
    if x is None:
        return None
    traces: list[Trace] = []
    panels: list[Panel] = []
    bids, asks = column(blocks, f"bid_depth_{market}"), column(blocks, f"ask_depth_{market}")
    if bids is not None or asks is not None:
        panels.append(Panel(f"within 2 % of the price, {run.unit}", zero=True, format="~s"))
        for name, y, color, dash in (("bids", bids, BLUE, "solid"), ("asks", asks, AMBER, "solid")):
            if y is not None:
                traces.append(Trace(name, x, y, color, dash=dash))
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
        f"Was there anybody to trade with?{_of(run, market, several)}",
        "Depth is what stands in the book close to the price: liquidations sell into the bids. A middle "
        "far below the index means that the exchange was cheaper than the rest of the world.",
        panels,
        traces,
    )


def underwater_chart(run: RunData) -> Chart | None:
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


def gas_chart(run: RunData) -> Chart | None:
    x, blocks = times(run), run["blocks"]
    gas, fee = column(blocks, "gas_used"), column(blocks, "base_fee")
    if x is None or gas is None:
        return None
    gas = np.nan_to_num(gas)
    width = max(60, bin_width(float(x[-1] - x[0])) // 4)
    starts, which = np.unique(x // width * width, return_inverse=True)
    mean = np.bincount(which, weights=gas) / np.bincount(which)
    most = np.zeros(len(starts))
    np.maximum.at(most, which, gas)
    # a step that lasts to the end of the last stretch
    starts, mean, most = np.append(starts, x[-1]), np.append(mean, mean[-1]), np.append(most, most[-1])
    traces = [
        Trace("fullest block", starts, most, "#b59ad6", kind="step", width=1.2),
        Trace("mean", starts, mean, PURPLE, kind="step", width=1.8),
    ]
    name = BIN_NAMES.get(width, f"{width // 60} minutes")
    panels = [Panel(f"gas used per block, by {name}", zero=True, format="~s")]
    limit = to_float(lookup(run.parameters, "clock.gas_limit"))
    room = f"A block holds {limit:,.0f} gas; a" if limit else "A block holds only so much gas; a"
    reading = f"{room} full one makes transactions wait."
    if fee is not None and np.nanmax(fee) > 0:
        traces.append(Trace("base fee", x, fee * 1e-9, AMBER, panel=1, kind="step", width=1.2))
        panels.append(Panel("base fee, gwei", 0.8, zero=True, format="~s"))
        reading = (
            f"{room} full one makes transactions wait. The base fee is what each unit of gas costs at least, "
            "and rises while blocks are more than half full."
        )
    return Chart("gas", "How busy was the chain?", reading, panels, traces)
