"""What one parameter changes: the main figures over its values, and the differences on the same crashes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from perpsim.report.data import Floats
from perpsim.report.sections import block
from perpsim.report.sweep_charts import Boxes, Panel, Range, Spread, boxes_svg, intervals_svg
from perpsim.report.sweep_data import Case, SweepData
from perpsim.report.sweep_odds import EVENTS, deleveraged, warned_cells
from perpsim.report.sweep_plot import both
from perpsim.report.sweep_words import cell, setting, told
from perpsim.report.table import Cell, Table, figure, text
from perpsim.report.words import NOTHING, money, number, percent
from perpsim.sweeps.cases import seeds_of
from perpsim.sweeps.statistics import Estimate, mean

_BOX = "The box holds the middle half, the whiskers 5 to 95 %; the bar is the median and the ring the mean."
#: a parameter with more values than this is sampled, not stepped through
MOST_VALUES = 16
#: what is compared besides events: what it is called, and its figure
_MEANS = {
    "Loss before the fund": "shortfall.total",
    "Taken from winners": "shortfall.adl",
    "Winners deleveraged": "adl.accounts",
    "Liquidated notional": "liquidations.notional",
    "Keepers' profit": "keepers.profit",
    "Seconds under water": "keepers.underwater_seconds",
}


@dataclass(frozen=True)
class Effect:
    """A figure over the values of a parameter. `changes`: against the first value on the same crashes, of
    which there are so many."""

    title: str
    share: bool
    means: Sequence[Estimate]
    changes: Sequence[Estimate]
    crashes: Sequence[int]


@dataclass(frozen=True)
class _Measured:
    title: str
    figure: str
    detail: str
    share: bool = False
    money: bool = False


_SPREADS = (
    _Measured("Loss before the fund", "shortfall.total", "of a run", money=True),
    _Measured("Liquidated notional", "liquidations.notional", "of a run", money=True),
    _Measured("Keepers' profit", "keepers.profit", "of a run, all keepers together", money=True),
    _Measured("Time under water, seconds", "keepers.underwater_seconds", "mean of a run's accounts"),
)
_BURDENS = (
    _Measured("How unevenly it is borne", "adl.gini", "Gini coefficient of the haircuts"),
    _Measured("Borne by the ten hit hardest", "adl.top_share", "share of the haircuts", share=True),
    _Measured("Taken from winners", "shortfall.adl", "haircut of a run", money=True),
    _Measured("Taken beyond the need", "adl.overshoot", "overshoot of a run", money=True),
    _Measured("Profit closed beyond the need", "adl.profit_overshoot", "of a run", money=True),
    _Measured("Winners deleveraged", "adl.accounts", "accounts in a run"),
    _Measured("Hedges broken", "adl.hedges_broken", "in a run"),
)


def effect_blocks(data: SweepData) -> list[str]:
    """The blocks of every parameter that has few values."""
    found = []
    for label in data.labels:
        cases = data.grouped([label])
        if 2 <= len(cases) <= MOST_VALUES:
            found += _blocks(data, label, cases)
    return found


def _blocks(data: SweepData, label: str, cases: list[Case]) -> list[str]:
    numeric = all(isinstance(case.values[label], float) for case in cases)
    if numeric:
        cases = sorted(cases, key=lambda case: float(case.values[label]))
    names = [setting(case.values[label]) for case in cases]
    effects = [one for one in effects_of(data, label, cases) if _moves(one)]
    rest = [other for other in data.labels if other != label]
    pooled = f" Over all values of {' and '.join(rest)} alike." if rest else ""
    found = []
    if numeric and effects:
        found.append(_intervals(data, label, cases, effects, pooled))
    if effects and any(one.changes for one in effects):
        found.append(_changes(data, label, names, effects, pooled))
    if not numeric:
        found.insert(0, _spreads(data, label, names, cases, pooled))
        found.append(_burdens(data, label, names, cases, pooled))
    return [part for part in found if part]


def _moves(effect: Effect) -> bool:
    return any(np.isfinite(one.value) and one.value for one in effect.means)


def effects_of(data: SweepData, label: str, cases: Sequence[Case]) -> list[Effect]:
    """The main figures of each case, and what they change; crashes, not runs, are what is resampled."""
    others = [f"vary.{other}" for other in data.labels if other != label]
    on = ["seed", *others]
    comparable = data.sweep.sample.kind == "grid"
    found = []
    for title, event in EVENTS:
        columns = [_column(case, on, event(case)) for case in cases]
        found.append(_effect(title, True, columns, on, comparable))
    for title, name in _MEANS.items():
        if name in data.done.columns:
            columns = [_column(case, on, case.rows[name].to_numpy()) for case in cases]
            found.append(_effect(title, False, columns, on, comparable))
    return found


def _column(case: Case, on: Sequence[str], values: Floats) -> pl.DataFrame:
    return case.rows.select(on).with_columns(pl.Series("value", values).cast(pl.Float64).fill_nan(None))


def _effect(
    title: str, share: bool, columns: Sequence[pl.DataFrame], on: Sequence[str], comparable: bool
) -> Effect:
    means = [_mean(column) for column in columns]
    changes, crashes = [], []
    if comparable:
        base = columns[0].rename({"value": "before"})
        for column in columns:
            both = column.join(base, on=list(on), how="inner")
            crashes.append(both.drop_nulls("value")["seed"].n_unique())
            changes.append(_mean(both.with_columns(value=pl.col("value") - pl.col("before"))))
    return Effect(title, share, means, changes, crashes)


def _mean(column: pl.DataFrame) -> Estimate:
    there = column.drop_nulls("value").sort("seed")
    return mean(there["value"].to_numpy(), seeds_of(there))


def _intervals(
    data: SweepData, label: str, cases: Sequence[Case], effects: Sequence[Effect], pooled: str
) -> str:
    at = [float(case.values[label]) for case in cases]
    vary = data.vary(label)
    log = vary.scale == "log" or (at[0] > 0 and at[-1] / at[0] >= 20)

    def panel(one: Effect) -> Panel:
        unit = "" if one.share or one.title.startswith(("Winners", "Seconds")) else data.unit
        ranges = [
            Range(
                e.value, e.low, e.high, f"{label} = {setting(x)}: {told(e, unit, share=one.share)}, n = {e.n}"
            )
            for x, e in zip(at, one.means)
        ]
        return Panel(
            one.title + ("" if one.share else f", mean{f', {unit}' if unit else ''}"), ranges, one.share
        )

    panels = [panel(one) for one in effects]
    same = (
        " All values were run on the same crashes: the intervals show how much crashes differ, the table "
        "below how much the values do."
    )
    return block(
        f"What does {label} change?",
        f"Points are means over the crashes, with their 95 % intervals.{pooled}"
        + (same if any(one.changes for one in effects) else ""),
        both(
            lambda width: intervals_svg(
                f"Main figures over {label}", at, label, panels, width, log and at[0] > 0
            )
        ),
    )


def _differs(e: Estimate) -> bool:
    return bool(np.isfinite(e.value) and (e.value or e.low or e.high))


def _changes(
    data: SweepData, label: str, names: Sequence[str], effects: Sequence[Effect], pooled: str
) -> str:
    changed = [one for one in effects if any(_differs(e) for e in one.changes[1:])]
    same = [one.title for one in effects if one not in changed and any(e.n for e in one.changes[1:])]
    notes = [warned_cells([e for one in changed for e in one.changes[1:]])]
    notes += [f"No difference at all: {', '.join(same)}."] if same else []
    heads = [label, "Crashes", *(one.title for one in changed)]
    rows = []
    for at, name in enumerate(names):
        pairs = max(one.crashes[at] for one in effects)
        row: list[Cell] = [text(name), figure(float(pairs))]
        for one in changed:
            if at:
                row.append(cell(one.changes[at], share=one.share, signed=True))
            else:
                first = one.means[0]
                shown = percent(first.value) if one.share else number(first.value)
                row.append((shown, first.value) if np.isfinite(first.value) else (NOTHING, None))
        rows.append(row)
    return block(
        f"How much does it differ from {label} = {names[0]} on the same crashes?",
        "The first row is the mean there; the others are the mean differences from it, crash by crash, with "
        f"their 95 % intervals: one that holds 0 may be chance.{pooled} Shares in percentage points, amounts "
        f"in {data.unit}.",
        Table(
            heads, rows, note=" ".join(filter(None, notes)), look="many" if len(changed) > 4 else ""
        ).html(),
    )


def _spreads(data: SweepData, label: str, names: Sequence[str], cases: Sequence[Case], pooled: str) -> str:
    samples = {one: [case.sample(one.figure) for case in cases] for one in _SPREADS}
    panels = _panels(samples, data.unit)
    if not panels:
        return ""
    return block(
        f"What does {label} change?",
        f"How runs are spread for each {label}.{pooled} {_BOX}",
        both(lambda width: boxes_svg(f"Spread over runs for each {label}", names, panels, width)),
    )


def _burdens(data: SweepData, label: str, names: Sequence[str], cases: Sequence[Case], pooled: str) -> str:
    samples = {
        one: [case.sample(one.figure)[deleveraged(case)[_has(case, one.figure)] > 0] for case in cases]
        for one in _BURDENS
    }
    panels = _panels(samples, data.unit)
    if not panels:
        return ""
    runs = [int(deleveraged(case).sum()) for case in cases]
    told_runs = f"{min(runs):,}" if min(runs) == max(runs) else f"{min(runs):,} to {max(runs):,}"
    return block(
        f"Who bears it under each {label}, and how evenly?",
        f"Only runs in which winners were deleveraged ({told_runs} for each {label}).{pooled} {_BOX}",
        both(lambda width: boxes_svg(f"Burden for each {label}", names, panels, width)),
    )


def _panels(samples: Mapping[_Measured, Sequence[Floats]], unit: str) -> list[Boxes]:
    """Those of which there is anything."""
    return [
        Boxes(
            one.title + (f", {unit}" if one.money else ""),
            one.detail,
            [_spread(one, sample, unit) for sample in found],
            one.share,
        )
        for one, found in samples.items()
        if any(sample.size and sample.any() for sample in found)
    ]


def _has(case: Case, name: str) -> Floats:
    return case.rows[name].is_not_null().to_numpy() if name in case.rows.columns else np.zeros(0, bool)


def _spread(one: _Measured, sample: Floats, unit: str) -> Spread:
    if not sample.size:
        return Spread(None, float("nan"), "no run")
    low, first, middle, third, high = (float(v) for v in np.quantile(sample, (0.05, 0.25, 0.5, 0.75, 0.95)))

    def say(value: float) -> str:
        return percent(value) if one.share else money(value, unit if one.money else "")

    words = f"median {say(middle)}, 5 to 95 %: {say(low)} to {say(high)}, {sample.size:,} runs"
    return Spread((low, first, middle, third, high), float(sample.mean()), words)
