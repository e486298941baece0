"""A chart's description, and how it becomes what plotly.js draws. Times are seconds after the run's start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from perpsim.report.data import Floats
from perpsim.report.decimate import decimate, rounded
from perpsim.report.words import plain

# Dark enough on white (3:1 and more), told apart by lightness as well as by hue.
INK, BLUE, RED, GREEN, AMBER, PURPLE, GREY = (
    "#1c2430",
    "#1f5fae",
    "#b3372b",
    "#2a7f62",
    "#c58a1a",
    "#74539e",
    "#7b8494",
)
SERIES = (BLUE, RED, GREEN, PURPLE, AMBER, "#3b8ea5", "#8a5a44", GREY)
FAINT = "#c3cad4"
#: lines of one panel differ by dash as well as by colour, for paper without colours
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
#: as bars differ by pattern
PATTERNS = ("", "/", ".", "x", "-", "+", "|", "\\")
POINTS = 3000  # a line, about

Indices = npt.NDArray[np.int64]


def _format(values: Floats) -> str:
    """In full, with as many digits as matter at this size."""
    seen = np.abs(values[np.isfinite(values)])
    largest = float(seen.max()) if len(seen) else 0.0
    return ":,.0f" if largest >= 1000 else ":,.2f" if largest >= 10 else ":.4~g"


@dataclass(frozen=True)
class Trace:
    """One line, one row of bars, or one set of marks."""

    name: str
    x: Floats
    y: Floats
    color: str
    panel: int = 0
    kind: str = "line"  # line, area, step, bar, marks
    dash: str = "solid"
    width: float = 1.6
    symbol: str = "circle"
    sizes: Floats | None = None
    pattern: str = ""  # of bars: tells them apart on paper
    hover: str = ""  # number format where the usual one does not do: after plotly's %{y...}
    labels: Sequence[str] = ()  # of marks: what the pointer shows instead of the height

    @property
    def is_line(self) -> bool:
        return self.kind in ("line", "area", "step")

    def drawn(self, start: float, keep: Indices, bar: float) -> dict[str, Any]:
        axis = "" if self.panel == 0 else str(self.panel + 1)
        # whole seconds after the start; page.js turns them into dates
        result: dict[str, Any] = {
            "name": plain(self.name),
            "x": [int(v) for v in (self.x[keep] - start)],
            "y": rounded(self.y[keep]),
            "xaxis": "x",
            "yaxis": "y" + axis,
            "hovertemplate": f"%{{y{self.hover or _format(self.y)}}}",
        }
        if self.kind == "bar":
            marker: dict[str, Any] = {"color": self.color, "line": {"width": 0}}
            if self.pattern:
                marker["pattern"] = {"shape": self.pattern, "fillmode": "overlay", "fgcolor": "#fff"}
                marker["pattern"] |= {"fgopacity": 0.7, "size": 6, "solidity": 0.3}
            # in the middle of its stretch: the pointer picks the bar whose time is nearest
            result["x"] = [int(v + bar / 2) for v in (self.x[keep] - start)]
            return result | {"type": "bar", "marker": marker, "width": bar * 1000 * 0.86}
        result["type"] = "scatter"
        if self.kind == "marks":
            size: Any = 9 if self.sizes is None else rounded(self.sizes, 3)
            line = {"color": "#fff", "width": 1}
            marker = {"color": self.color, "symbol": self.symbol, "size": size, "line": line, "opacity": 0.9}
            if self.labels:
                result |= {"text": [plain(v) for v in self.labels], "hovertemplate": "%{text}"}
            return result | {"mode": "markers", "marker": marker}
        shape = "hv" if self.kind == "step" else "linear"
        result["mode"] = "lines" if len(keep) > 1 else "lines+markers"
        result["line"] = {"color": self.color, "width": self.width, "dash": self.dash, "shape": shape}
        if self.kind == "area":
            result |= {"fill": "tozeroy", "fillcolor": self.color + "22"}
        return result


@dataclass(frozen=True)
class Panel:
    """One plot of a chart; several of them stand above one another on the same time axis."""

    label: str
    share: float = 1.0  # of the height
    format: str = ""  # of the ticks, after d3
    zero: bool = False  # the axis begins at zero


@dataclass(frozen=True)
class Chart:
    """A question, one sentence on how to read the answer, and the answer."""

    key: str
    question: str
    reading: str
    panels: Sequence[Panel]
    traces: Sequence[Trace]
    bar: float = 3600.0  # seconds a bar
    note: str = ""

    @property
    def height(self) -> int:
        return 110 + round(sum(p.share for p in self.panels) * 190)

    def _kept(self, points: int) -> list[Indices]:
        """Which points of each trace are drawn. Lines over the same times share them, for the pointer."""
        groups: dict[int, list[Trace]] = {}
        for t in self.traces:
            if t.is_line:
                groups.setdefault(id(t.x), []).append(t)
        chosen: dict[int, Indices] = {}
        for key, members in groups.items():
            picks = [decimate(t.y, max(8, points // len(members))) for t in members]
            chosen[key] = np.unique(np.concatenate(picks))
        return [chosen[id(t.x)] if t.is_line else np.arange(len(t.y), dtype=np.int64) for t in self.traces]

    def legend(self) -> list[tuple[Trace, list[int]]]:
        """The first trace of each name, and where all that bear the name stand."""
        result: dict[str, tuple[Trace, list[int]]] = {}
        for i, t in enumerate(self.traces):
            result.setdefault(t.name, (t, []))[1].append(i)
        return list(result.values())

    def drawn(self, start: float, end: float, points: int = POINTS) -> dict[str, Any]:
        """For plotly.js; the page's script fills in what all charts share."""
        whole = sum(p.share for p in self.panels)
        gap = 0.0 if len(self.panels) == 1 else 46 / self.height
        usable, top = 1.0 - gap * (len(self.panels) - 1), 1.0
        layout: dict[str, Any] = {"height": self.height, "barmode": "relative"}
        labels = []
        for i, panel in enumerate(self.panels):
            bottom = max(0.0, top - usable * panel.share / whole)
            axis: dict[str, Any] = {"domain": [round(bottom, 4), round(top, 4)], "tickformat": panel.format}
            if panel.zero:
                axis["rangemode"] = "tozero"
            layout["yaxis" + (str(i + 1) if i else "")] = axis
            labels.append({"text": plain(panel.label), "y": round(top, 4)})
            top = bottom - gap
        layout["xaxis"] = {
            "range": [0, max(1, int(end - start))],
            "anchor": "y" + (str(len(self.panels)) if len(self.panels) > 1 else ""),
        }
        return {
            "key": self.key,
            "data": [t.drawn(start, keep, self.bar) for t, keep in zip(self.traces, self._kept(points))],
            "layout": layout,
            "labels": labels,
        }
