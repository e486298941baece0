"""The chart of the stakers: what they had in the fund, how much of it wanted out, what a share was worth."""

from __future__ import annotations

import numpy as np

from perpsim.report.data import RunData, column, times
from perpsim.report.figure import BLUE, GREEN, RED, Chart, Panel, Trace


def staker_chart(run: RunData) -> Chart | None:
    """None where nobody ever staked."""
    x, blocks = times(run), run["blocks"]
    staked, asked, price = (column(blocks, key) for key in ("staked", "requested", "share_price"))
    if x is None or staked is None or not np.nan_to_num(staked).any():
        return None
    traces = [Trace("staked", x, staked, BLUE, kind="area")]
    panels = [Panel(f"in the fund, {run.unit}", zero=True, format="~s")]
    if asked is not None and np.nan_to_num(asked).any():
        traces.append(Trace("of it asked to leave", x, asked, RED, kind="step", dash="dash"))
    if price is not None:
        traces.append(Trace("price of a share", x, price, GREEN, len(panels), kind="step"))
        panels.append(Panel(f"worth of a share, {run.unit}", 0.7))
    return Chart(
        "stakers",
        "Did those who staked run?",
        "Stakers put money into the fund for a share of what it earns, and bear its losses. Who wants to "
        "leave has to ask and to wait, and bears losses meanwhile; with every loss a share is worth less.",
        panels,
        traces,
    )
