"""A plot as SVG whose colours the page's style gives: lines, bands, intervals and marks over two scales."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from perpsim.report.bars import FONT
from perpsim.report.sweep_axes import Scale, short
from perpsim.report.words import esc

#: width of a picture on a wide and on a narrow page
WIDE, NARROW = 940, 358
SERIES = 8  # colours that the style sheet knows
_DASHES = ("", "7 3", "2 3", "11 3", "8 3 2 3", "4 3", "12 3 2 3", "2 6")
_LETTER = 7.1  # about, at 12 pixels, of a wide font
_LINE = 15
_LEFT, _RIGHT, _BELOW, _TITLE = 52, 14, 40, 22


def both(draw: Callable[[int], str]) -> str:
    """A picture for wide and for narrow pages."""
    shown = (("wide-only", WIDE), ("narrow-only", NARROW))
    return "".join(f'<div class="flow {look}">{draw(width)}</div>' for look, width in shown)


def svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    """A picture out of its parts."""
    return (
        f'<svg class="plot" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img" font-family="{FONT}" font-size="12">'
        f"<title>{esc(title)}</title>{''.join(parts)}</svg>"
    )


def long(text: str, size: float = 12.0) -> float:
    """About how wide a text is, pixels."""
    return len(text) * _LETTER * size / 12.0


def fitted(text: str, room: float, size: float = 12.0) -> str:
    """The text, cut where it is wider than its room."""
    letters = int(room / (_LETTER * size / 12.0) + 0.01)
    return text if len(text) <= letters else text[: max(letters - 1, 1)].rstrip() + "\u2026"


def words(
    x: float, y: float, text: str, *, anchor: str = "", look: str = "", size: float = 0, bold: bool = False
) -> str:
    """A line of text."""
    more = f' text-anchor="{anchor}"' if anchor else ""
    more += f' class="{look}"' if look else ""
    more += f' font-size="{size:g}"' if size else ""
    more += ' font-weight="600"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{more}>{esc(text)}</text>'


@dataclass(frozen=True)
class Axis:
    """A scale, what it measures, and how its ticks are written."""

    scale: Scale
    label: str = ""
    tick: Callable[[float], str] = short
    at: Sequence[tuple[float, str]] = ()  # ticks of its own, for names


class Plot:
    """Draws onto a frame whose upper left corner lies at (`x`, `y`) of the picture."""

    def __init__(
        self,
        title: str,
        across: Axis,
        upward: Axis,
        *,
        width: float,
        height: float,
        x: float = 0,
        y: float = 0,
    ) -> None:
        self.across, self.upward = across, upward
        self.left, self.right = x + _LEFT, x + width - _RIGHT
        self.top, self.bottom = y + (_TITLE if title else 8), y + height - _BELOW
        self.parts = [words(x, y + 13, fitted(title, width, 13), bold=True, size=13)] if title else []
        self._marks: list[tuple[float, str, int]] = []
        self._frame(x)

    def px(self, value: float) -> float:
        """Where a value stands across."""
        return self.left + self.across.scale.at(value) * (self.right - self.left)

    def py(self, value: float) -> float:
        """Where a value stands upward."""
        return self.bottom - self.upward.scale.at(value) * (self.bottom - self.top)

    def _frame(self, x: float) -> None:
        wide = self.right - self.left
        for value in self.upward.scale.ticks(max(2, int((self.bottom - self.top) / 28))):
            y = self.py(value)
            self.parts.append(f'<path class="grid" d="M{self.left:.1f},{y:.1f}H{self.right:.1f}"/>')
            self.parts.append(
                words(self.left - 6, y + 4, self.upward.tick(value), anchor="end", look="soft", size=11)
            )
        ticks = self.across.at or [
            (v, self.across.tick(v)) for v in self.across.scale.ticks(max(2, int(wide / 70)))
        ]
        before = -math.inf
        for value, text in ticks:
            at, half = self.px(value), long(text, 11) / 2
            at_text = min(max(at, self.left + half - 20), self.right + _RIGHT - half)
            self.parts.append(f'<path class="axis" d="M{at:.1f},{self.bottom:.1f}v4"/>')
            if at_text - half > before + 6:
                self.parts.append(
                    words(at_text, self.bottom + 16, text, anchor="middle", look="soft", size=11)
                )
                before = at_text + half
        self.parts.append(f'<path class="axis" d="M{self.left:.1f},{self.bottom:.1f}H{self.right:.1f}"/>')
        label = fitted(self.across.label, self.right - x, 11)
        self.parts.append(words(self.right, self.bottom + 32, label, anchor="end", look="soft", size=11))

    def line(self, xs: Sequence[float], ys: Sequence[float], series: int = 0, *, step: bool = False) -> None:
        """A line through the points; a point that is not a number breaks it. `step`: level up to the next."""
        path, pen = [], "M"
        for x, y in zip(xs, ys):
            if not (math.isfinite(x) and math.isfinite(y)):
                pen = "M"
                continue
            at, to = self.px(x), self.py(y)
            path.append(f"H{at:.1f}V{to:.1f}" if step and pen == "L" else f"{pen}{at:.1f},{to:.1f}")
            pen = "L"
        dash = _DASHES[series % SERIES]
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<path class="line s{series % SERIES}"{dashed} d="{"".join(path)}"/>')

    def band(self, xs: Sequence[float], low: Sequence[float], high: Sequence[float], series: int = 0) -> None:
        """What lies between two lines."""
        there = [(x, a, b) for x, a, b in zip(xs, low, high) if all(map(math.isfinite, (x, a, b)))]
        if len(there) < 2:
            return
        out = [f"{self.px(x):.1f},{self.py(b):.1f}" for x, _, b in there]
        back = [f"{self.px(x):.1f},{self.py(a):.1f}" for x, a, _ in reversed(there)]
        self.parts.append(f'<path class="band s{series % SERIES}" d="M{"L".join(out + back)}z"/>')

    def interval(self, x: float, low: float, value: float, high: float, told: str, series: int = 0) -> None:
        """A point with its interval, in words for the pointer."""
        if not math.isfinite(value):
            return
        at, look = self.px(x), f"s{series % SERIES}"
        if math.isfinite(low) and math.isfinite(high):
            a, b = self.py(low), self.py(high)
            self.parts.append(
                f'<path class="whisker {look}" d="M{at:.1f},{a:.1f}V{b:.1f}M{at - 4:.1f},{a:.1f}h8'
                f'M{at - 4:.1f},{b:.1f}h8"/>'
            )
        self.parts.append(
            f'<circle class="dot {look}" cx="{at:.1f}" cy="{self.py(value):.1f}" r="3.6">'
            f"<title>{esc(told)}</title></circle>"
        )

    def level(self, y: float) -> None:
        """A level to compare with, such as no difference."""
        self.parts.append(f'<path class="zero" d="M{self.left:.1f},{self.py(y):.1f}H{self.right:.1f}"/>')

    def mark(self, x: float, text: str, series: int) -> None:
        """A value across that is pointed out; its words stand above the frame (see `marks_height`)."""
        self._marks.append((x, text, series))

    def svg_parts(self) -> list[str]:
        """Everything drawn so far."""
        return self.parts + self._drawn_marks()

    def _drawn_marks(self) -> list[str]:
        found = []
        for at, (value, text, series) in enumerate(sorted(self._marks)):
            x, look = self.px(value), f"s{series % SERIES}"
            y = self.top + 14 + at * _LINE
            right = x + 6 + long(text, 11) > self.right
            found.append(f'<path class="mark {look}" d="M{x:.1f},{self.bottom:.1f}V{y - 10:.1f}"/>')
            anchor, place = ("end", x - 5) if right else ("", x + 5)
            found.append(words(place, y, text, anchor=anchor, look="halo", size=11))
        return found


def legend(names: Sequence[str], width: float, y: float) -> tuple[list[str], float]:
    """Swatches with names, in as many lines as they need; and how high that is."""
    parts, x, line = [], 0.0, 0
    for series, name in enumerate(names):
        name = fitted(name, width - 40)
        wide = 32 + long(name) + 16
        if x and x + wide > width:
            x, line = 0.0, line + 1
        at = y + 12 + line * 19
        dash = _DASHES[series % SERIES]
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        parts.append(f'<path class="line s{series % SERIES}"{dashed} d="M{x:.1f},{at - 4:.1f}h24"/>')
        parts.append(words(x + 31, at, name))
        x += wide
    return parts, 19.0 * (line + 1) if names else 0.0
