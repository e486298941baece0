"""Scales and their ticks, linear or logarithmic, for pictures without a script."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from perpsim.report.words import MINUS

_STEPS = (1.0, 2.0, 5.0, 10.0)
_SIZES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
#: a range of so many times its least value is drawn on a logarithmic scale
_WIDE = 40.0


@dataclass(frozen=True)
class Scale:
    """A range of values; `log` needs both ends above 0."""

    low: float
    high: float
    log: bool = False

    def at(self, value: float) -> float:
        """Where a value lies: 0 at the low end, 1 at the high one; outside it is cut off."""
        if self.log:
            value = max(value, self.low)
            part = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return min(max(part, 0.0), 1.0)

    def ticks(self, most: int) -> list[float]:
        """At most `most` round values inside."""
        return self._decades(most) if self.log else self._even(most)

    def _even(self, most: int) -> list[float]:
        least = (self.high - self.low) / most
        unit = 10.0 ** math.floor(math.log10(least))
        step = next(unit * s for s in _STEPS if unit * s >= least * 0.999999)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        # a range that the rounding leaves one tick too many is thinned out
        return [n * step for n in range(first, last + 1)][: most + 1]

    def _decades(self, most: int) -> list[float]:
        low, high = math.floor(math.log10(self.low) + 1e-9), math.ceil(math.log10(self.high) - 1e-9)
        for steps in ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
            found = [s * 10.0**n for n in range(low, high + 1) for s in steps]
            inside = [v for v in found if self.low * 0.999 <= v <= self.high * 1.001]
            if len(inside) <= most:
                return inside
        return inside[:: -(-len(inside) // most)]


def scale_of(values: Iterable[float], *, zero: bool = False, log: bool | None = None) -> Scale:
    """The scale that holds all finite values; `zero`: from 0 on; `log` None: where the range is wide."""
    there = [v for v in values if math.isfinite(v)]
    low, high = (min(there), max(there)) if there else (0.0, 1.0)
    if log is None:
        log = not zero and low > 0 and high / low > _WIDE
    if log and low > 0:
        return Scale(low, high, True) if high > low else Scale(low / 2, high * 2, True)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high <= low:
        room = abs(high) / 2 or 1.0
        return Scale(0.0 if zero and low == 0 else low - room, high + room)
    return Scale(low, high)


def roomy(scale: Scale, share: float = 0.06) -> Scale:
    """The same with room at both ends, but none beyond 0."""
    if scale.log:
        more = (scale.high / scale.low) ** share
        return Scale(scale.low / more, scale.high * more, True)
    room = (scale.high - scale.low) * share
    low = scale.low if scale.low == 0 else scale.low - room
    return Scale(low, scale.high + room if scale.high else 0.0)


def short(value: float) -> str:
    """A number beside a tick: 200k, 1.5M, 0.25."""
    size = abs(value)
    for unit, letter in _SIZES:
        if size >= unit * 0.99995:
            text = f"{size / unit:.4g}{letter}"
            break
    else:
        text = f"{size:.4g}" if size >= 1e-4 or not size else f"{size:.0e}"
    return MINUS + text if value < 0 else text


def per_cent(value: float) -> str:
    """A share beside a tick: 5 %."""
    text = f"{abs(value) * 100:.3g} %"
    return MINUS + text if value < 0 else text
