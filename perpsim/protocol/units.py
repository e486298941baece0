"""Exact conversion between what people write and what the contracts hold. Money never passes through a
float's error: decimals are read from their shortest text, as written."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal

WAD = 10**18
#: scale of a side's size multiplier `a` and of its cumulative quote `k` (see contracts/modules/side_index.vy)
A_ONE = 10**36
K_ONE = 10**30
MAX_UINT = 2**256 - 1

Number = int | float | str | Decimal


def scaled(value: Number, decimals: int = 18) -> int:
    """`value` in units of 10**-decimals, as written: `scaled(0.0005)` is 5 * 10**14. Excess is cut."""
    exact = Decimal(repr(value) if isinstance(value, float) else value)
    return int((exact * (Decimal(10) ** decimals)).to_integral_value(ROUND_FLOOR))


def wad(value: Number) -> int:
    """`value` as 18-decimal fixed point."""
    return scaled(value, 18)
