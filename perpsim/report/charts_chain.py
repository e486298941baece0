"""The chart of the chain: gas of ours and of others, the base fee, and who had to wait."""

from __future__ import annotations

import numpy as np

from perpsim.report.data import Floats, RunData, column, lookup, times, to_float
from perpsim.report.decimate import BIN_NAMES, fine_width
from perpsim.report.figure import AMBER, BLUE, FAINT, GREY, PURPLE, RED, Chart, Panel, Trace

WEI_PER_GWEI = 1e9


def chain_chart(run: RunData) -> Chart | None:
    """Gas a block in stretches of time; base fee and queue block by block."""
    x, blocks = times(run), run["blocks"]
    gas = column(blocks, "gas_used")
    if x is None or gas is None:
        return None
    gas, outside = np.nan_to_num(gas), column(blocks, "outside_gas")
    others = np.zeros(len(gas)) if outside is None else np.nan_to_num(outside)
    width = fine_width(float(x[-1] - x[0]))
    starts, mean, most = _stretches(x, gas + others, width)
    traces = [Trace("fullest block", starts, most, FAINT, kind="step", width=2.6)]
    if others.any():
        traces.append(Trace("mean of all", starts, mean, GREY, kind="step", dash="dot"))
        mean = _stretches(x, gas, width)[1]
    name = "mean of the exchange's transactions" if others.any() else "mean"
    traces.append(Trace(name, starts, mean, PURPLE, kind="step", width=1.8))
    panels = [Panel(f"gas used per block, by {BIN_NAMES[width]}", zero=True, format="~s")]
    limit = to_float(lookup(run.parameters, "network.gas_limit") or lookup(run.parameters, "clock.gas_limit"))
    room = f"A block holds {limit:,.0f} gas; a" if limit else "A block holds only so much gas; a"
    reading = f"{room} full one makes transactions wait."
    fee = column(blocks, "base_fee")
    if fee is not None and np.nanmax(fee) > 0:
        traces.append(Trace("base fee", x, fee / WEI_PER_GWEI, AMBER, len(panels), kind="step", width=1.2))
        panels.append(Panel("base fee, gwei", 0.8, zero=True, format="~s"))
        reading += (
            " The base fee is what each unit of gas costs at least; it rises while blocks are more than half "
            "full, and who bids less than it waits."
        )
    waiting = _waiting(run, x, len(panels))
    if waiting:
        traces += waiting
        panels.append(Panel("transactions of the exchange's users", 0.7, zero=True, format="~s"))
    return Chart("gas", "How busy was the chain?", reading, panels, traces)


def _stretches(x: Floats, values: Floats, width: int) -> tuple[Floats, Floats, Floats]:
    """(beginnings, means, highest) of stretches of `width` seconds; the last lasts to the end."""
    starts, which = np.unique(x // width * width, return_inverse=True)
    mean = np.bincount(which, weights=values) / np.bincount(which)
    most = np.zeros(len(starts))
    np.maximum.at(most, which, values)
    return np.append(starts, x[-1]), np.append(mean, mean[-1]), np.append(most, most[-1])


def _waiting(run: RunData, x: Floats, panel: int) -> list[Trace]:
    looks = (
        ("waiting after the block", "queued", BLUE, "solid"),
        ("dropped: expired, or pushed out", "dropped", RED, "dot"),
    )
    found = []
    for name, key, color, dash in looks:
        y = column(run["blocks"], key)
        if y is not None and np.nan_to_num(y).any():
            found.append(Trace(name, x, y, color, panel, kind="step", dash=dash, width=1.2))
    return found
