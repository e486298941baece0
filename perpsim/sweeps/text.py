"""Estimates as the terminal shows them."""

from __future__ import annotations

import math

from perpsim.report.words import number
from perpsim.sweeps.model import Scalar
from perpsim.sweeps.statistics import Estimate


def estimate(found: Estimate, unit: str = "") -> str:
    """A figure and its interval."""
    if math.isnan(found.low):
        return money(found.value, unit)
    ends = f"{number(found.low)} to {upper(found.high)}"
    return f"{money(found.value, unit)} ({100 * found.level:g} %: {ends})"


def chance(found: Estimate) -> str:
    """A share of runs and its interval."""
    if math.isnan(found.low):
        return share(found.value)
    return f"{share(found.value)} ({100 * found.level:g} %: {share(found.low)} to {share(found.high)})"


def upper(value: float) -> str:
    """The upper end of an interval."""
    return number(value) if math.isfinite(value) else "more than is known"


def money(value: float, unit: str) -> str:
    """An amount in full."""
    return f"{number(value)} {unit}".rstrip()


def share(value: float) -> str:
    """A fraction in percent, three digits."""
    return f"{100 * value:.3g} %" if math.isfinite(value) else number(None)


def setting(values: dict[str, Scalar]) -> str:
    """What a case has, on a line."""
    return ", ".join(
        f"{label} = {value}" if isinstance(value, str) else f"{label} = {value:,.10g}"
        for label, value in values.items()
    )
