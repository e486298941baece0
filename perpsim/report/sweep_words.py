"""Estimates in words: as many digits as their interval bears, and what a parameter's value is called."""

from __future__ import annotations

import math

from perpsim.report.table import Cell
from perpsim.report.words import MINUS, NOTHING, known, number, percent
from perpsim.sweeps.statistics import Estimate

_DASH = "\u2013"
_MOST_DIGITS = 6
#: after the low end of an interval whose high end is not known
_OPEN = " or more"


def digits_of(low: float, high: float) -> int | None:
    """Decimal places that leave two digits of half the interval (negative: before the point), if any."""
    half = (high - low) / 2
    if not math.isfinite(half) or half <= 0:
        return None
    return min(1 - math.floor(math.log10(half)), _MOST_DIGITS)


def _rounded(value: float, digits: int) -> str:
    shown = round(value, digits)
    return number(shown, max(digits, 0) if shown else 0)


def _short(value: float) -> str:
    """Three digits that count."""
    return number(value if value == 0 else round(value, 2 - math.floor(math.log10(abs(value)))))


def told(estimate: Estimate, unit: str = "", *, share: bool = False, signed: bool = False) -> str:
    """`8.3 % (6.7 to 10.2 %)`, `431,000 USD (388,000 to 502,000 USD)`: the value and its interval."""
    if not known(estimate.value):
        return NOTHING
    value, interval = parts(estimate, share=share, signed=signed)
    unit = "%" if share else unit
    after = f" {unit}" if unit else ""
    if interval.endswith(_OPEN):
        interval = f"{interval.removesuffix(_OPEN)}{after}{_OPEN}"
    elif interval:
        interval += after
    return f"{value}{after}" + (f" ({interval})" if interval else "")


def parts(estimate: Estimate, *, share: bool = False, signed: bool = False) -> tuple[str, str]:
    """The value and its interval, without a unit; the interval is empty where there is none."""
    factor = 100 if share else 1
    value, low, high = (factor * part for part in (estimate.value, estimate.low, estimate.high))
    if math.isfinite(low) and high == math.inf:
        return _sign(value, signed) + _short(value), _short(low) + _OPEN
    digits = digits_of(low, high)
    if digits is not None and share:
        # of a share a digit less where the interval is wide
        digits = max(digits - (1 if high - low >= 6 else 0), 0)
    if digits is None:
        plain = percent(estimate.value).removesuffix(" %") if share else number(value)
        return _sign(value, signed) + plain, ""
    ends = [_sign(round(end, digits), signed) + _rounded(end, digits) for end in (low, high)]
    between = " to " if MINUS in "".join(ends) or signed else _DASH
    return _sign(round(value, digits), signed) + _rounded(value, digits), between.join(ends)


def _sign(value: float, signed: bool) -> str:
    return "+" if signed and value > 0 else ""


def cell(estimate: Estimate, *, share: bool = False, signed: bool = False) -> Cell:
    """For a table: the value, its interval, and a star where the sample is too small."""
    if not known(estimate.value):
        return NOTHING, None
    value, interval = parts(estimate, share=share, signed=signed)
    unit = " %" if share else ""
    text = f"{value}{unit}" + (f" ({interval})" if interval else "")
    return text + (" *" if estimate.warning else ""), estimate.value


def setting(value: float | str) -> str:
    """A parameter's value."""
    if isinstance(value, str):
        return value
    return number(value) if abs(value) >= 1000 else f"{value:.6g}".replace("-", MINUS)
