"""Heat maps of any two parameters: tables with tinted cells, of which the page shows the one chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
import polars as pl

from perpsim.report.sections import block
from perpsim.report.sweep_axes import short
from perpsim.report.sweep_data import SweepData
from perpsim.report.sweep_odds import EVENTS
from perpsim.report.sweep_words import setting
from perpsim.report.words import NOTHING, count, esc, percent

#: values of a parameter that get a row or a column each; more of them are put into so many ranges
_MOST, _RANGES = 12, 6


#: figures whose mean is shown besides the chances of events
_MEANS = {
    "shortfall.total": "Loss before the fund, mean",
    "shortfall.adl": "Taken from winners, mean",
    "keepers.profit": "Keepers' profit, mean",
}


@dataclass(frozen=True)
class _Measure:
    key: str
    title: str
    values: pl.Series
    share: bool = False


def _measures(data: SweepData) -> list[_Measure]:
    """What differs between runs."""
    found = [_Measure(of.__name__, title, pl.Series(of(data.whole)), True) for title, of in EVENTS]
    found += [
        _Measure(name, f"{title}, {data.unit}", data.done[name])
        for name, title in _MEANS.items()
        if name in data.done.columns
    ]
    return [one for one in found if one.values.drop_nulls().n_unique() > 1]


@dataclass(frozen=True)
class _Levels:
    """Where each run lies along a parameter, and what the levels are called."""

    names: Sequence[str]
    of: pl.Series


def _levels(data: SweepData, label: str) -> _Levels:
    column = data.done[f"vary.{label}"]
    distinct = column.unique(maintain_order=True).to_list()
    numeric = column.dtype.is_numeric()
    if not numeric or len(distinct) <= _MOST:
        levels = sorted(distinct) if numeric else distinct
        where = {value: at for at, value in enumerate(levels)}
        return _Levels([setting(v) for v in levels], pl.Series([where[v] for v in column.to_list()]))
    values = column.to_numpy()
    vary = data.vary(label)
    low, high = float(values.min()), float(values.max())
    log = vary.scale == "log" and low > 0
    ends = np.geomspace(low, high, _RANGES + 1) if log else np.linspace(low, high, _RANGES + 1)
    at = np.clip(np.searchsorted(ends, values, side="right") - 1, 0, _RANGES - 1)
    names = [f"{_end(a)} to {_end(b)}" for a, b in pairwise(ends)]
    return _Levels(names, pl.Series(at))


def _end(value: float) -> str:
    return short(float(f"{value:.3g}"))


def heat_block(data: SweepData) -> str:
    """All pairs of parameters and all figures, one of them shown; '' where fewer than two vary."""
    levels = {label: _levels(data, label) for label in data.labels if data.done.height}
    levels = {label: one for label, one in levels.items() if len(one.names) > 1}
    measures = _measures(data)
    if len(levels) < 2 or not measures:
        return ""
    labels = list(levels)
    maps = []
    for down, across in combinations(range(len(labels)), 2):
        for measure in measures:
            shown = (down, across, measure) == (0, 1, measures[0])
            key = f'data-pair="{down}-{across}" data-figure="{measure.key}"{"" if shown else " hidden"}'
            table = _map(measure, labels[down], labels[across], levels)
            maps.append(f"<div {key}>{table}</div>")
    rest = len(labels) - 2
    pooled = " Whatever else varies takes all its values." if rest else ""
    return block(
        "What do two of them do together?",
        "The stronger the tint, the higher the figure. Where a range was sampled, it is cut into equal parts."
        f"{pooled} A cell tells the pointer how many runs it holds.",
        f'<div class="maps" id="maps">{_choices(labels, measures)}{"".join(maps)}</div>',
    )


def _choices(labels: Sequence[str], measures: Sequence[_Measure]) -> str:
    def select(name: str, what: str, options: Sequence[tuple[str, str]], chosen: int) -> str:
        listed = "".join(
            f'<option value="{esc(key)}"{" selected" if at == chosen else ""}>{esc(title)}</option>'
            for at, (key, title) in enumerate(options)
        )
        return f'<label>{what} <select name="{name}">{listed}</select></label>'

    places = [(str(at), label) for at, label in enumerate(labels)]
    found = select("figure", "Figure", [(one.key, one.title) for one in measures], 0)
    if len(labels) > 2:
        found += select("down", "by", places, 0) + select("across", "and", places, 1)
    return f'<div class="choices">{found}</div>'


def _map(measure: _Measure, down: str, across: str, levels: dict[str, _Levels]) -> str:
    rows, columns = levels[down], levels[across]
    found = (
        pl.DataFrame({"value": measure.values, "row": rows.of, "column": columns.of})
        .group_by("row", "column")
        .agg(pl.col("value").mean(), pl.len().alias("n"))
    )
    cells = {(r, c): (value, n) for r, c, value, n in found.select("row", "column", "value", "n").iter_rows()}
    there = [value for value, _ in cells.values() if value is not None]
    low, high = (min(there), max(there)) if there else (0.0, 1.0)
    low = min(low, 0.0) if measure.share else low

    def td(at: tuple[int, int]) -> str:
        value, n = cells.get(at, (None, 0))
        if value is None:
            return f'<td title="{count(n, "run")}">{NOTHING}</td>'
        heat = (value - low) / (high - low) if high > low else 0.0
        shown = percent(round(value, 4)) if measure.share else short(float(f"{value:.3g}"))
        return f'<td style="--h:{heat:.2f}" title="{count(n, "run")}">{esc(shown)}</td>'

    heads = "".join(f'<th scope="col">{esc(name)}</th>' for name in columns.names)
    body = "".join(
        f'<tr><th scope="row">{esc(name)}</th>{"".join(td((r, c)) for c in range(len(columns.names)))}</tr>'
        for r, name in enumerate(rows.names)
    )
    corner = f"<span>{esc(down)} \u2193</span><span>{esc(across)} \u2192</span>"
    return (
        f'<div class="wide" tabindex="0"><table class="heat"><caption>{esc(measure.title)}</caption>'
        f'<thead><tr><th scope="col">{corner}</th>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
