"""The legend of a chart: buttons that hide a series, each with a picture of its line, bar or mark."""

from __future__ import annotations

from perpsim.report.figure import Chart, Trace
from perpsim.report.words import esc

#: stroke lengths of plotly's dashes, for a line one wide
_DASHES = {
    "solid": (),
    "dot": (1, 1),
    "dash": (3, 3),
    "longdash": (5, 5),
    "dashdot": (3, 2, 1, 2),
    "longdashdot": (5, 2, 1, 2),
}
_WIDE, _HIGH = 26, 12
_STRIPES = {
    "/": "M-3,15L12,0M3,15L18,0M9,15L24,0M15,15L30,0",
    "\\": "M-3,0L12,15M3,0L18,15M9,0L24,15M15,0L30,15",
    "x": "M-3,15L12,0M9,15L24,0M-3,0L12,15M9,0L24,15",
    "-": "M0,3H26M0,9H26",
    "|": "M9,0V12M15,0V12",
    "+": "M6,3H20M6,9H20M9,0V12M15,0V12",
    ".": "M8,3h2M13,3h2M18,3h2M8,9h2M13,9h2M18,9h2",
}


def legend(chart: Chart) -> str:
    """Nothing where every panel has a single series: its label names it."""
    entries = chart.legend()
    if len(entries) == len(chart.traces) == len({trace.panel for trace in chart.traces}):
        return ""
    names = "".join(
        f'<button type="button" aria-pressed="true" data-traces="{",".join(map(str, where))}">'
        f"{_swatch(trace)}{esc(trace.name)}</button>"
        for trace, where in entries
    )
    return f'<div class="legend">{names}</div>'


def _swatch(trace: Trace) -> str:
    color, middle = trace.color, _HIGH / 2
    if trace.kind == "bar":
        body = f'<rect x="6" width="14" height="{_HIGH}" rx="1" fill="{color}"/>'
        if trace.pattern:
            body += f'<path d="{_STRIPES[trace.pattern]}" stroke="#fff" stroke-width="1.6"/>'
            body += '<path d="M0,0h6v12h-6zM20,0h6v12h-6z" fill="#fff"/>'
    elif trace.kind == "marks" and trace.symbol == "diamond":
        body = f'<path d="M13,0l6,6l-6,6l-6,-6z" fill="{color}"/>'
    elif trace.kind == "marks":
        body = f'<circle cx="13" cy="{middle}" r="5" fill="{color}"/>'
    else:
        width = max(trace.width, 1.4)
        strokes = ",".join(f"{part * max(width, 1.6):.1f}" for part in _DASHES[trace.dash])
        dashed = f' stroke-dasharray="{strokes}"' if strokes else ""
        line = f'<path d="M0,{middle}H{_WIDE}" stroke="{color}" stroke-width="{width}"{dashed}/>'
        under = f'<path d="M0,{middle}H{_WIDE}V{_HIGH}H0z" fill="{color}" fill-opacity=".15"/>'
        body = (under if trace.kind == "area" else "") + line
    return (
        f'<svg width="{_WIDE}" height="{_HIGH}" viewBox="0 0 {_WIDE} {_HIGH}" aria-hidden="true">{body}</svg>'
    )
