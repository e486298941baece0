"""Which parameters matter most: rank correlations, and Sobol indices where the design is for them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from perpsim.report.sections import block
from perpsim.report.sweep_charts import Range, Shares, shares_svg
from perpsim.report.sweep_data import SweepData
from perpsim.report.sweep_plot import both
from perpsim.report.sweep_words import cell, told
from perpsim.report.table import Cell, Table, text
from perpsim.report.words import NOTHING, number
from perpsim.sweeps.answers import DEFICIT, HAIRCUT
from perpsim.sweeps.sensitivity import ADL, FIGURES, Sobol, Weight, sobol, weights
from perpsim.sweeps.statistics import Estimate

_TITLES = {
    DEFICIT: "Loss before the fund",
    ADL: "Deleveraging",
    HAIRCUT: "Taken from winners",
    "keepers.profit": "Keepers' profit",
}


def matter_blocks(data: SweepData) -> list[str]:
    """The table of what matters most, and the Sobol indices; nothing where fewer than two things vary."""
    if len(data.labels) < 2 or data.seeds < 2:
        return []
    found = {figure: weights(data.done, figure) for figure in FIGURES}
    blocks = [_table({figure: ranked for figure, ranked in found.items() if ranked})]
    if data.sweep.sample.kind == "saltelli":
        blocks.append(_sobol([sobol(data.done, data.sweep, figure) for figure in FIGURES]))
    return blocks


def _table(found: dict[str, list[Weight]]) -> str:
    if not found:
        return ""
    # in the order in which they matter for the figure that most is about
    order = [weight.label for weight in next(iter(found.values()))]
    order += [w.label for ranked in found.values() for w in ranked if w.label not in order]
    rows = []
    for label in dict.fromkeys(order):
        row: list[Cell] = [text(label)]
        for ranked in found.values():
            row.append(next((_weight(w) for w in ranked if w.label == label), (NOTHING, None)))
        rows.append(row)
    return block(
        "What matters most?",
        "How strongly each figure goes with each parameter, the others and the crash held fixed, by ranks: "
        "at 1 it always rises with it, at \u22121 it always falls, at 0 it does not care. Where values are "
        "words there is no sign. With 95 % intervals over the crashes.",
        Table(("Parameter", *(_TITLES.get(figure, figure) for figure in found)), rows).html(),
    )


def _weight(weight: Weight) -> Cell:
    e, signed = weight.part, weight.rank is not None
    shown = _two(e.value, signed)
    if math.isfinite(e.low) and math.isfinite(e.high):
        shown += f" ({_two(e.low, signed)} to {_two(e.high, signed)})"
    # sorted by strength, whatever the sign
    return shown, abs(e.value)


def _two(value: float, signed: bool) -> str:
    value = round(value, 2)
    return ("+" if signed and value > 0 else "") + number(value, 2 if value else 0)


def _sobol(found: Sequence[Sobol]) -> str:
    parts = []
    for one in found:
        title = _TITLES.get(one.figure, one.figure)
        if one.indices:
            parts.append(f"<h4>{title}</h4>{_bars(title, one)}")
        notes = f"{title}: {one.words}." if one.words else ""
        if notes:
            parts.append(f'<p class="note">{notes}</p>')
    rows: list[list[Cell]] = [
        [
            text(_TITLES.get(one.figure, one.figure)),
            text(index.label),
            _index(index.first),
            _index(index.total),
        ]
        for one in found
        for index in one.indices
    ]
    if not rows:
        return ""
    base = max(one.base for one in found)
    return block(
        "How much of the spread is whose?",
        "Sobol indices of the mean over the crashes: alone is the share of its variance that a parameter "
        "explains by itself, with others what it explains together with them, too. Bars with 95 % intervals, "
        f"from {base:,} base points.",
        "".join(parts) + Table(("Figure", "Parameter", "Alone", "With others"), rows).html(),
    )


def _bars(title: str, one: Sobol) -> str:
    rows = [
        Shares(
            index.label,
            [_range(index.label, "alone", index.first), _range(index.label, "with others", index.total)],
        )
        for index in one.indices
    ]
    name = f"Sobol indices: {title}"
    return both(lambda width: shares_svg(name, ("alone", "with others"), rows, width))


def _range(label: str, kind: str, e: Estimate) -> Range:
    return Range(e.value, e.low, e.high, f"{label} {kind}: {told(e, share=True)}")


def _index(e: Estimate) -> Cell:
    return cell(e, share=True)
