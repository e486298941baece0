"""The chart of the keepers: what each had earned by when, and the gas it used for it."""

from __future__ import annotations

import numpy as np
import polars as pl

from perpsim.report.data import Floats, RunData, column, span, texts
from perpsim.report.decimate import BIN_NAMES, bin_width, binned
from perpsim.report.figure import DASHES, PATTERNS, SERIES, Chart, Panel, Trace

SHOWN = 6  # keepers with a line of their own: as many as there are dashes
OTHERS = "all others"


def keeper_chart(run: RunData) -> Chart | None:
    """Out of the keepers' transactions; without those, only the rewards, out of the liquidations."""
    sent = run["keeper_txs"]
    frame = sent if sent.height else run["liquidations"]
    when, who, reward = column(frame, "time"), column(frame, "keeper", 1.0), column(frame, "reward")
    reach = span(run)
    if when is None or who is None or reward is None or reach is None:
        return None
    cost, gas = column(frame, "cost"), column(frame, "gas_used", 1.0)
    earned = np.nan_to_num(reward) - (0.0 if cost is None else np.nan_to_num(cost))
    groups = _groups(run, who, np.abs(np.nan_to_num(reward)))
    net = cost is not None and bool(np.nan_to_num(cost).any())
    what = "reward less gas" if net else "rewards"
    panels = [Panel(f"{what} so far, {run.unit}", 1.1, format="~s")]
    traces = [
        Trace(name, *_running(when[rows], earned[rows], reach), color, kind="step", dash=dash, width=1.8)
        for (name, rows), color, dash in zip(groups, (*SERIES, *SERIES), (*DASHES, "dot"))
    ]
    bar = bin_width(reach[1] - reach[0])
    if gas is not None and np.nan_to_num(gas).any():
        panels.append(Panel(f"gas per {BIN_NAMES[bar]}", 0.8, format="~s", zero=True))
        traces += [
            Trace(name, *binned(when[rows], gas[rows], bar), color, 1, kind="bar", pattern=pattern)
            for (name, rows), color, pattern in zip(groups, (*SERIES, *SERIES), PATTERNS)
        ]
    reading = (
        "A line that rises is a keeper that earns; one that falls pays for gas and wins nothing."
        if net
        else "A line that rises is a keeper that wins liquidations; one that stays flat comes too late."
    )
    return Chart("keepers", "When did keepers earn, and which?", reading, panels, traces, bar=bar)


def names(run: RunData) -> dict[int, str]:
    """What the keepers are called, by account; each once."""
    frame = run["keepers"]
    ids = column(frame, "account", 1.0)
    if ids is None:
        return {}
    found: dict[int, str] = {}
    for account, name in zip(ids, texts(frame, "name")):
        taken = name in found.values()
        found[int(account)] = f"{name} ({account:.0f})" if taken or not name else name
    return found


def _groups(run: RunData, who: Floats, weight: Floats) -> list[tuple[str, Floats]]:
    """(name, rows) of the keepers that earned most, and of all others together."""
    known = names(run)
    sums = pl.DataFrame({"who": who, "weight": weight}).group_by("who").agg(pl.col("weight").sum())
    order = sums.sort(["weight", "who"], descending=[True, False])["who"].to_list()
    alone = order if len(order) <= SHOWN else order[: SHOWN - 1]
    groups = [(known.get(int(one), f"account {one:.0f}"), who == one) for one in alone]
    if len(alone) < len(order):
        groups.append((OTHERS, ~np.isin(who, alone)))
    return groups


def _running(when: Floats, amounts: Floats, reach: tuple[float, float]) -> tuple[Floats, Floats]:
    """The sum so far, from the beginning of the run to its end; one point a moment."""
    moments, at = np.unique(when, return_inverse=True)
    sums = np.cumsum(np.bincount(at, weights=amounts, minlength=len(moments)))
    x = np.concatenate(([reach[0]], moments, [max(reach[1], moments[-1])]))
    return x, np.concatenate(([0.0], sums, [sums[-1]]))
