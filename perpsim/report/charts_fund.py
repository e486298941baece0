"""The charts about the fund, the liquidations and the losses."""

from __future__ import annotations

import numpy as np

from perpsim.report.data import INFLOWS, OUTFLOWS, Floats, RunData, column, over_markets, span, texts
from perpsim.report.decimate import BIN_NAMES, bin_width, binned
from perpsim.report.facts import drawdown, fund_balance
from perpsim.report.figure import AMBER, BLUE, GREEN, GREY, PURPLE, RED, Chart, Panel, Trace
from perpsim.report.words import count, money

OUTCOMES = (
    ("above", "above the bankruptcy price: margin was left", GREEN, ""),
    ("at", "at the bankruptcy price: nothing left, nothing lost", AMBER, "."),
    ("below", "beyond the bankruptcy price: a loss was left", RED, "/"),
)
FLOWS = (
    ("penalty", "left over by liquidations", GREEN, ""),
    ("fee", "share of trading fees", BLUE, ""),
    ("fund", "top-ups", PURPLE, ""),
    ("stake", "stakes", GREY, ""),
    ("cover", "losses covered", RED, "/"),
    ("repay", "older debts paid", RED, "x"),
    ("reward", "keeper rewards", AMBER, "."),
    ("unstake", "stakes taken out", GREY, "."),
)


def _bar(run: RunData) -> int:
    reach = span(run)
    return bin_width(reach[1] - reach[0]) if reach else 3600


def fund_chart(run: RunData) -> Chart | None:
    series = fund_balance(run)
    if series is None:
        return None
    x, y = series
    unit, bar = run.unit, _bar(run)
    traces = [
        Trace("balance", x, y, BLUE, kind="step"),
        *_losses_on(run, x, y, bar),
        Trace("below its peak", x, drawdown(y) * 100, RED, panel=1, kind="area", width=1.2),
    ]
    still = float(y.max() - y.min()) < 1e-3 * float(y.max())
    panels = [
        Panel(f"balance, {unit}", 1.1, format="~s", zero=still),
        Panel("below its highest so far, %", 0.6),
    ]
    flows = _flow_bars(run, bar, len(panels))
    if flows:
        traces += flows
        panels.append(Panel(f"in (up) and out (down) per {BIN_NAMES[bar]}, {unit}", 0.8, format="~s"))
    return Chart(
        "fund",
        "What happened to the insurance fund?",
        "The fund lives on what liquidations leave over and pays what liquidations lose beyond the "
        "margin; marks on the line stand where it paid such losses (the larger, the more) and where it "
        "did not reach and others were deleveraged.",
        panels,
        traces,
        bar=bar,
    )


def _losses_on(run: RunData, x: Floats, y: Floats, bar: int) -> list[Trace]:
    """Marks on the balance: one a bar at the most, at the end of the stretch it sums up."""
    result = []
    frame = run["fund"]
    when, amounts = column(frame, "time"), column(frame, "amount", 10.0**run.decimals)
    covers = np.array(texts(frame, "kind")) == "cover"
    fine = max(60, bar // 4)
    marks = [("loss paid by the fund", RED, "circle", when, amounts, covers)]
    receipts = run["adl"]
    when, amounts = column(receipts, "time"), column(receipts, "haircut")
    marks.append(("deleveraging", PURPLE, "diamond", when, amounts, np.ones(receipts.height, dtype=bool)))
    for name, color, symbol, at, sums, chosen in marks:
        if at is None or sums is None or not chosen.any():
            continue
        starts, heights = binned(at[chosen], np.abs(sums[chosen]), fine)
        where = np.clip(np.searchsorted(x, starts + fine, side="right") - 1, 0, len(x) - 1)
        top = heights.max() if len(heights) and heights.max() > 0 else 1.0
        sizes = 5.0 + 11.0 * np.sqrt(heights / top).astype(np.float64)
        labels = [money(h, run.unit) for h in heights]
        marks_on = Trace(
            name, x[where], y[where], color, kind="marks", symbol=symbol, sizes=sizes, labels=labels
        )
        result.append(marks_on)
    return result


def _flow_bars(run: RunData, bar: int, panel: int) -> list[Trace]:
    frame = run["fund"]
    when, amounts = column(frame, "time"), column(frame, "amount", 10.0**run.decimals)
    if when is None or amounts is None:
        return []
    kinds, result = np.array(texts(frame, "kind")), []
    for kind, name, color, pattern in FLOWS:
        chosen = kinds == kind
        if chosen.any():
            sign = 1 if kind in INFLOWS else -1 if kind in OUTFLOWS else 0
            starts, sums = binned(when[chosen], np.abs(amounts[chosen]), bar)
            result.append(Trace(name, starts, sign * sums, color, panel, kind="bar", pattern=pattern))
    return result


def liquidation_chart(run: RunData) -> Chart | None:
    frame, bar = run["liquidations"], _bar(run)
    when = column(frame, "time")
    if when is None:
        return None
    outcome, notional = np.array(texts(frame, "outcome")), column(frame, "notional")
    traces = []
    for key, name, color, pattern in OUTCOMES:
        chosen = outcome == key
        if not chosen.any():
            continue
        starts, sums = binned(when[chosen], np.ones(int(chosen.sum())), bar)
        traces.append(Trace(name, starts, sums, color, kind="bar", pattern=pattern))
        if notional is not None:
            starts, sums = binned(when[chosen], notional[chosen], bar)
            traces.append(Trace(name, starts, sums, color, 1, kind="bar", pattern=pattern))
    if not traces:
        return None
    panels = [Panel(f"liquidations per {BIN_NAMES[bar]}", zero=True)]
    if notional is not None:
        panels.append(Panel(f"worth of the positions closed, {run.unit}", 0.8, format="~s", zero=True))
    vain = int((outcome == "none").sum())
    note = f" Not shown: {count(vain, 'attempt')} that closed nothing, for want of a buyer." if vain else ""
    return Chart(
        "liquidations",
        "How did the liquidations end?",
        "A position sold before its margin is used up leaves something over and pays a penalty to the "
        "fund; one sold beyond that point leaves a loss, which somebody else has to pay." + note,
        panels,
        traces,
        bar=bar,
    )


def shortfall_chart(run: RunData) -> Chart | None:
    bar, traces = _bar(run), []
    frame = run["fund"]
    kinds, losses = np.array(texts(frame, "kind")), run.losses
    resolved = np.array(texts(losses, "event")) == "DeficitResolved"
    left = column(losses, "time")
    sources = (
        (
            "the fund",
            column(frame, "time"),
            column(frame, "amount", 10.0**run.decimals),
            kinds == "cover",
            BLUE,
            "",
        ),
        (
            "deleveraged accounts",
            column(run["adl"], "time"),
            column(run["adl"], "haircut"),
            None,
            PURPLE,
            "/",
        ),
        ("everybody on one side", left, column(losses, "socialised"), resolved, AMBER, "x"),
        ("the treasury", left, column(losses, "treasury"), resolved, GREY, "."),
    )
    for name, when, amounts, chosen, color, pattern in sources:
        if when is None or amounts is None:
            continue
        if chosen is not None:
            when, amounts = when[chosen], amounts[chosen]
        sign = -1 if np.nansum(amounts) < 0 else 1  # the fund's payments are negative
        starts, sums = binned(when, sign * amounts, bar)
        if sums.any():
            traces.append(Trace(name, starts, sums, color, kind="bar", pattern=pattern))
    blocks = run["blocks"]
    when, amounts = column(blocks, "time"), over_markets(blocks, "shortfall", run.markets())
    if not traces and when is not None and amounts is not None and np.nansum(amounts) > 0:
        starts, sums = binned(when, amounts, bar)
        traces.append(Trace("loss beyond the margin", starts, sums, RED, kind="bar"))
    if not traces:
        return None
    return Chart(
        "shortfall",
        "Who paid for the losses that no margin covered?",
        "Each bar is what was lost beyond the margin; first the fund pays, then positions of the other "
        "side are closed at a worse price (deleveraging), and what is left is charged to one side "
        "(socialised).",
        [Panel(f"per {BIN_NAMES[bar]}, {run.unit}", zero=True, format="~s")],
        traces,
        bar=bar,
    )
