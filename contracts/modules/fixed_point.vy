# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Fixed-point arithmetic
@license Apache-2.0
@notice WAD (1e18) arithmetic with the rounding direction in every name. Vyper's signed `//` truncates toward zero; a
        ledger that rounds against the caller needs floor and ceiling, so nothing else divides signed money.
"""

WAD: constant(int256) = 10**18

# exp(-x) is 0 in WAD from here on: ln(1e18) = 41.45
EXP_ZERO: constant(int256) = 42 * 10**18


@internal
@pure
def _floor_div(numerator: int256, denominator: int256) -> int256:
    """
    @notice Quotient rounded toward minus infinity.
    @param numerator Any value.
    @param denominator Positive.
    """
    # unsafe: the denominator is positive, and quotient * denominator lies between 0 and the numerator
    quotient: int256 = unsafe_div(numerator, denominator)
    if unsafe_mul(quotient, denominator) > numerator:
        return unsafe_sub(quotient, 1)
    return quotient


@internal
@pure
def _ceil_div(numerator: int256, denominator: int256) -> int256:
    """
    @notice Quotient rounded toward plus infinity.
    @param numerator Any value.
    @param denominator Positive.
    """
    # unsafe: as in `_floor_div`
    quotient: int256 = unsafe_div(numerator, denominator)
    if unsafe_mul(quotient, denominator) < numerator:
        return unsafe_add(quotient, 1)
    return quotient


@internal
@pure
def _clamp(x: int256, low: int256, high: int256) -> int256:
    """
    @notice `x` moved into [low, high].
    """
    return max(low, min(x, high))


@internal
@pure
def _median(a: int256, b: int256, c: int256) -> int256:
    """
    @notice The middle one of three values.
    """
    return max(min(a, b), min(max(a, b), c))


@internal
@pure
def _exp_negative(x: int256) -> int256:
    """
    @notice exp(-x) in WAD, for x >= 0 in WAD, within 1e-15.
    @dev exp(-x) = exp(-x / 64)^64; the inner argument is below 0.66, where at most fifteen Taylor terms are exact to 1e-18.
    """
    if x >= EXP_ZERO:
        return 0
    # unsafe throughout: y < 0.66e18, terms and total within 1e18
    y: int256 = unsafe_div(x, 64)
    term: int256 = WAD
    total: int256 = WAD
    for i: int256 in range(1, 16):
        term = unsafe_div(unsafe_mul(term, -y), unsafe_mul(WAD, i))
        if term == 0:
            break
        total = unsafe_add(total, term)
    for _: uint256 in range(6):
        total = unsafe_div(unsafe_mul(total, total), WAD)
    return total
