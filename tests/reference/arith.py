"""Integers with a scale, and every rounding by name."""

from __future__ import annotations

WAD = 10**18
BP = 10**4
#: from here on exp(-x) is 0 in WAD
EXP_ZERO = 42 * WAD


def ceil_div(numerator: int, denominator: int) -> int:
    """Quotient rounded toward plus infinity; `//` is the one toward minus infinity."""
    return -(-numerator // denominator)


def toward_zero(numerator: int, denominator: int) -> int:
    """Quotient rounded toward zero, for a positive denominator."""
    return numerator // denominator if numerator >= 0 else -(-numerator // denominator)


def clamp(x: int, low: int, high: int) -> int:
    """`x` moved into [low, high]."""
    return max(low, min(x, high))


def median(a: int, b: int, c: int) -> int:
    """The middle one of three."""
    return sorted((a, b, c))[1]


def exp_negative(x: int) -> int:
    """exp(-x) in WAD for x >= 0 in WAD: exp(-x / 64)^64, at most fifteen terms of the series, each product
    cut to WAD. The specification promises 1e-15; the steps are those that `fixed_point.vy` documents."""
    if x >= EXP_ZERO:
        return 0
    y = x // 64
    term = total = WAD
    for i in range(1, 16):
        term = toward_zero(term * -y, WAD * i)
        if term == 0:
            break
        total += term
    for _ in range(6):
        total = total * total // WAD
    return total


def value_of(size: int, price: int) -> int:
    """What a signed size is worth at a price, floor."""
    return size * price // WAD


def cost_of(size: int, price: int) -> int:
    """What buying a signed size at a price costs, ceiling: who pays pays more, who receives gets less."""
    return ceil_div(size * price, WAD)


def notional_of(size: int, price: int) -> int:
    """Notional of a signed size at a price, ceiling."""
    return ceil_div(abs(size) * price, WAD)
