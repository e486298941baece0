"""The pictures of a sweep: curves with bands, intervals over a parameter, boxes, bars of shares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from perpsim.report.sweep_axes import Scale, per_cent, roomy, scale_of, short
from perpsim.report.sweep_plot import SERIES, Axis, Plot, fitted, legend, long, svg, words
from perpsim.report.words import esc

_GAP = 26
_ROW = 26
_HEAD = 40


@dataclass(frozen=True)
class Range:
    """A value with its interval, and in words."""

    value: float
    low: float
    high: float
    text: str


@dataclass(frozen=True)
class Line:
    """A curve and, where it has one, the band around it."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    #: points of their own beside it
    dots: Sequence[tuple[float, Range]] = ()


def lines_svg(
    title: str,
    lines: Sequence[Line],
    across: Axis,
    upward: Axis,
    width: int,
    marks: Sequence[tuple[float, str]] = (),
    step: bool = False,
) -> str:
    """Curves with their bands over one pair of axes, and values across that are pointed out."""
    names = [line.name for line in lines] if len(lines) > 1 else []
    entries, above = legend(names, width, 0)
    height = above + min(330.0, 150 + width * 0.24) + 14 * len(marks)
    plot = Plot("", across, upward, width=width, height=height - above, y=above)
    for series, line in enumerate(lines):
        plot.band(line.x, line.low, line.high, series)
    for series, line in enumerate(lines):
        plot.line(line.x, line.y, series, step=step)
        for x, one in line.dots:
            if x <= across.scale.high:
                plot.interval(x, one.low, one.value, one.high, one.text, series)
    for at, (value, text) in enumerate(marks):
        plot.mark(value, text, at + 1)
    return svg(width, height, title, [*entries, *plot.svg_parts()])


@dataclass(frozen=True)
class Panel:
    """One figure over a parameter's values. `level`: what to compare with, such as no difference."""

    title: str
    ranges: Sequence[Range]
    share: bool = False
    level: float | None = None


def intervals_svg(
    title: str, at: Sequence[float], label: str, panels: Sequence[Panel], width: int, log: bool = False
) -> str:
    """A plot a figure, in two columns where there is room."""
    columns = 2 if width >= 700 and len(panels) > 1 else 1
    each = (width - _GAP * (columns - 1)) / columns
    tall = 215.0
    across = Axis(roomy(scale_of(at, log=log)), label)
    parts = []
    for number, panel in enumerate(panels):
        x, y = (number % columns) * (each + _GAP), (number // columns) * (tall + 10)
        ends = [v for r in panel.ranges for v in (r.value, r.low, r.high)]
        scale = roomy(scale_of([*ends, *([] if panel.level is None else [panel.level])], zero=True))
        upward = Axis(scale, tick=per_cent if panel.share else short)
        plot = Plot(panel.title, across, upward, width=each, height=tall, x=x, y=y)
        if panel.level is not None:
            plot.level(panel.level)
        plot.line(at, [r.value for r in panel.ranges])
        for where, one in zip(at, panel.ranges):
            plot.interval(where, one.low, one.value, one.high, one.text)
        parts += plot.svg_parts()
    rows = -(-len(panels) // columns)
    return svg(width, rows * (tall + 10), title, parts)


@dataclass(frozen=True)
class Spread:
    """How a figure is spread over runs: quantiles 5, 25, 50, 75, 95 % (None: no run has it) and the mean."""

    quantiles: tuple[float, float, float, float, float] | None
    mean: float
    text: str


@dataclass(frozen=True)
class Boxes:
    """A figure's spread for each name."""

    title: str
    detail: str
    spreads: Sequence[Spread]
    share: bool = False


def boxes_svg(title: str, names: Sequence[str], panels: Sequence[Boxes], width: int) -> str:
    """Boxes side by side on one scale a figure: whiskers 5 to 95 %, box 25 to 75 %, bar median, dot mean."""
    columns = 2 if width >= 700 and len(panels) > 1 else 1
    each = (width - _GAP * (columns - 1)) / columns
    labels = min(max((long(name) for name in names), default=0.0) + 8, each * 0.42)
    tall = _HEAD + _ROW * len(names) + 36
    parts = []
    for number, panel in enumerate(panels):
        x, y = (number % columns) * (each + _GAP), (number // columns) * tall
        parts += [words(x, y + 14, fitted(panel.title, each, 13), bold=True, size=13)]
        parts += [words(x, y + 30, fitted(panel.detail, each, 11), look="soft", size=11)]
        parts += _boxes(names, panel, x, y + _HEAD, each, labels)
    return svg(width, -(-len(panels) // columns) * tall, title, parts)


def _boxes(names: Sequence[str], panel: Boxes, x: float, y: float, width: float, labels: float) -> list[str]:
    ends = [v for s in panel.spreads if s.quantiles for v in (*s.quantiles, s.mean)]
    scale = roomy(scale_of(ends, zero=True), 0.03)
    left, right = x + labels, x + width - 12
    bottom = y + _ROW * len(names)
    parts = []

    def at(value: float) -> float:
        return left + scale.at(value) * (right - left)

    for value in scale.ticks(max(2, int((right - left) / 70))):
        tick = (per_cent if panel.share else short)(value)
        parts.append(f'<path class="grid" d="M{at(value):.1f},{y:.1f}V{bottom:.1f}"/>')
        parts.append(words(at(value), bottom + 15, tick, anchor="middle", look="soft", size=11))
    for row, (name, spread) in enumerate(zip(names, panel.spreads)):
        middle = y + _ROW * row + _ROW / 2
        shown = fitted(name, labels - 8)
        parts.append(words(left - 8, middle + 4, shown, anchor="end"))
        if spread.quantiles is None:
            parts.append(words(left + 6, middle + 4, spread.text, look="soft", size=11))
            continue
        a, b, c, d, e = map(at, spread.quantiles)
        look, up = f"s{row % SERIES}", middle - 4
        parts.append(
            f"<g><title>{esc(name)}: {esc(spread.text)}</title>"
            f'<path class="whisker {look}" d="M{a:.1f},{middle}H{e:.1f}M{a:.1f},{up}v8M{e:.1f},{up}v8"/>'
            f'<rect class="box {look}" x="{b:.1f}" y="{middle - 7}" width="{max(d - b, 1):.1f}" height="14" '
            'rx="2"/>'
            f'<path class="median" d="M{c:.1f},{middle - 8}v16"/>'
            f'<circle class="mean" cx="{at(spread.mean):.1f}" cy="{middle}" r="3"/></g>'
        )
    return parts


@dataclass(frozen=True)
class Shares:
    """For one name: several shares with their intervals."""

    name: str
    ranges: Sequence[Range] = field(default_factory=tuple)


def shares_svg(title: str, kinds: Sequence[str], rows: Sequence[Shares], width: int) -> str:
    """A bar for each kind of share under every name, with its interval across its end."""
    thick, between = 13.0, 12.0
    labels = min(max((long(row.name) for row in rows), default=0.0) + 10, width * 0.42)
    ends = [v for row in rows for r in row.ranges for v in (r.value, r.high)]
    scale = Scale(0.0, max([1.0, *(min(v, 1.2) for v in ends if math.isfinite(v))]))
    left, right, top = labels, width - 24.0, 24.0
    each = thick * len(kinds) + between
    bottom = top + each * len(rows)
    parts = []

    def at(value: float) -> float:
        return left + scale.at(value) * (right - left)

    for value in scale.ticks(5):
        parts.append(f'<path class="grid" d="M{at(value):.1f},{top}V{bottom:.1f}"/>')
        parts.append(words(at(value), bottom + 15, per_cent(value), anchor="middle", look="soft", size=11))
    x = left
    for series, kind in enumerate(kinds):
        parts.append(f'<rect class="fill s{series}" x="{x:.1f}" y="4" width="12" height="11" rx="2"/>')
        parts.append(words(x + 17, 14, kind))
        x += 17 + long(kind) + 18
    for number, row in enumerate(rows):
        y = top + each * number + between / 2
        parts.append(words(left - 8, y + each / 2 - 2, fitted(row.name, labels - 8), anchor="end"))
        for series, one in enumerate(row.ranges):
            if not math.isfinite(one.value):
                continue
            middle = y + thick * (series + 0.5)
            end = max(at(one.value) - left, 1.0)
            parts.append(
                f'<rect class="fill s{series}" x="{left:.1f}" y="{middle - thick / 2 + 1:.1f}" '
                f'width="{end:.1f}" height="{thick - 2}" rx="2">'
                f"<title>{esc(one.text)}</title></rect>"
            )
            if math.isfinite(one.low) and math.isfinite(one.high):
                a, b = at(one.low), at(one.high)
                parts.append(
                    f'<path class="range" d="M{a:.1f},{middle:.1f}H{b:.1f}'
                    f'M{a:.1f},{middle - 3:.1f}v6M{b:.1f},{middle - 3:.1f}v6"/>'
                )
    return svg(width, bottom + 26, title, parts)
