"""Bars side by side and curves as standalone SVG: small pictures without a script."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from perpsim.report.data import Floats
from perpsim.report.figure import BLUE, FAINT, INK, SERIES
from perpsim.report.words import esc

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
_ROW = 19
_TITLE = 30
_LINE = 14  # of the detail below a title
_LETTER = 6.1  # of the detail, about
_GAP = 26
_LABELS = 142
_VALUES = 76
_DASHES = ("", "7 3", "2 3", "11 3", "8 3 2 3", "4 3", "12 3 2 3", "2 6")
_EDGE = 18  # room for half of the last tick's label


@dataclass(frozen=True)
class Bars:
    """One question, answered by a bar for each name. `texts` stand beside the bars; None: no bar."""

    title: str
    detail: str
    values: Sequence[float | None]
    texts: Sequence[str]
    most: float | None = None  # what a full bar stands for; by default the largest value


def bars_svg(names: Sequence[str], panels: Sequence[Bars], width: int) -> str:
    """Panels in two columns, in one where it is narrow."""
    columns = 2 if width >= 700 else 1
    each = (width - _GAP * (columns - 1)) / columns
    details = [textwrap.wrap(panel.detail, int(each / _LETTER)) for panel in panels]
    head = _TITLE + _LINE * max(map(len, details), default=0)
    tall = head + _ROW * len(names) + 18
    rows = -(-len(panels) // columns)
    parts = []
    for at, (panel, detail) in enumerate(zip(panels, details)):
        x, y = (at % columns) * (each + _GAP), (at // columns) * tall
        parts += _heading(panel.title, detail, x, y)
        parts += _panel(names, panel, x, y + head, each)
    return _svg(width, rows * tall, "; ".join(p.title for p in panels), parts)


def _heading(title: str, detail: Sequence[str], x: float, y: float) -> list[str]:
    parts = [f'<text x="{x:.0f}" y="{y + 17:.0f}" font-weight="600" font-size="14">{esc(title)}</text>']
    for at, line in enumerate(detail):
        below = y + _TITLE + 3 + _LINE * at
        parts.append(f'<text x="{x:.0f}" y="{below:.0f}" font-size="11.5" fill="#566070">{esc(line)}</text>')
    return parts


def _panel(names: Sequence[str], panel: Bars, x: float, y: float, width: float) -> list[str]:
    """Rows of bars; `y` is where the first begins."""
    room = width - _LABELS - _VALUES
    most = panel.most or max((abs(v) for v in panel.values if v is not None), default=0.0) or 1.0
    parts = []
    for at, (name, value, words) in enumerate(zip(names, panel.values, panel.texts)):
        top = y + at * _ROW
        base = x + _LABELS
        length = 0.0 if value is None else max(min(abs(value) / most, 1.0), 0.0) * room
        parts.append(f'<text x="{base - 8:.1f}" y="{top + 13:.1f}" text-anchor="end">{esc(name)}</text>')
        parts.append(
            f'<line x1="{base:.1f}" x2="{base:.1f}" y1="{top:.1f}" y2="{top + _ROW:.1f}" stroke="{FAINT}"/>'
        )
        if length > 0:
            parts.append(
                f'<rect x="{base:.1f}" y="{top + 3:.1f}" width="{max(length, 1.0):.1f}" height="{_ROW - 6}" '
                f'rx="2" fill="{BLUE}"/>'
            )
        parts.append(f'<text x="{base + length + 6:.1f}" y="{top + 13:.1f}">{esc(words)}</text>')
    return parts


@dataclass(frozen=True)
class Curve:
    """A line through points whose coordinates lie between 0 and 1."""

    name: str
    x: Floats
    y: Floats


def curves_svg(curves: Sequence[Curve], across: str, upward: str, width: int) -> str:
    """Curves over the diagonal, with a legend beside them (below them where it is narrow)."""
    beside = width >= 700
    left, top = 52.0, 10.0
    side = min(width - left - (250 if beside else _EDGE), 430.0)
    legend_x, legend_y = (left + side + 28, top + 14) if beside else (left, top + side + 58)
    height = top + side + 50 + (0 if beside else 20 * len(curves) + 10)
    below, middle = top + side + 38, left + side / 2
    parts = [
        f'<rect x="{left}" y="{top}" width="{side:.1f}" height="{side:.1f}" fill="none" stroke="{FAINT}"/>',
        f'<line x1="{left}" y1="{top + side:.1f}" x2="{left + side:.1f}" y2="{top}" stroke="{FAINT}"/>',
        f'<text x="{middle:.1f}" y="{below:.1f}" text-anchor="middle">{esc(across)}</text>',
        f'<text transform="translate(13,{top + side / 2:.1f}) rotate(-90)" text-anchor="middle">'
        f"{esc(upward)}</text>",
    ]
    for tick in (0, 25, 50, 75, 100):
        at = tick / 100 * side
        parts.append(
            f'<text x="{left + at:.1f}" y="{top + side + 17:.1f}" text-anchor="middle" font-size="11.5" '
            f'fill="#566070">{tick} %</text>'
            f'<text x="{left - 6}" y="{top + side - at + 4:.1f}" text-anchor="end" font-size="11.5" '
            f'fill="#566070">{tick} %</text>'
        )
    for at, curve in enumerate(curves):
        color, dash = SERIES[at % len(SERIES)], _DASHES[at % len(_DASHES)]
        points = " ".join(
            f"{left + x * side:.1f},{top + (1 - y) * side:.1f}" for x, y in zip(curve.x, curve.y)
        )
        look = f'fill="none" stroke="{color}" stroke-width="2"'
        look += f' stroke-dasharray="{dash}"' if dash else ""
        y = legend_y + 20 * at
        parts.append(f'<polyline points="{points}" {look}><title>{esc(curve.name)}</title></polyline>')
        parts.append(f'<line x1="{legend_x:.1f}" x2="{legend_x + 26:.1f}" y1="{y:.1f}" y2="{y:.1f}" {look}/>')
        parts.append(f'<text x="{legend_x + 34:.1f}" y="{y + 4:.1f}">{esc(curve.name)}</text>')
    return _svg(width, height, f"{upward} over {across}", parts)


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img" font-family="{FONT}" font-size="13" fill="{INK}">'
        f"<title>{esc(title)}</title>{''.join(parts)}</svg>"
    )
