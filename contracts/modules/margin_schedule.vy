# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Margin schedule
@license Apache-2.0
@notice Up to eight tiers a market, as exchanges publish them: a position whose notional is within `limit` needs
        notional * rate - deduction. The last tier also serves everything above its limit.
        One word a tier: limit u88 (1e6 wei of WAD) | deduction u88 (WAD) | initial rate u40 (1e-12) | maintenance rate u40
        (1e-12).
"""

from contracts.modules import fixed_point

MAX_TIERS: constant(uint256) = 8
MAX_MARKETS: constant(uint256) = 8
U40: constant(uint256) = 2**40 - 1
U88: constant(uint256) = 2**88 - 1
# limits are kept in 1e6 wei, rates in 1e-12
LIMIT_UNIT: constant(int256) = 10**6
RATE_ONE: constant(int256) = 10**12

tiers: public(uint256[MAX_TIERS][MAX_MARKETS])


@external
@view
def margin_requirement(market: uint256, notional: uint256) -> (int256, int256):
    """
    @notice Initial and maintenance margin (WAD) of a notional.
    @param market Market.
    @param notional WAD.
    """
    return self._requirement(market, convert(notional, int256))


@internal
@view
def _tier(market: uint256, notional: int256) -> uint256:
    """
    @notice The word of the tier that serves a notional (WAD).
    """
    word: uint256 = self.tiers[market][0]
    for i: uint256 in range(1, MAX_TIERS):
        # unsafe: 88 + 20 bits
        if notional <= unsafe_mul(convert(word >> 168, int256), LIMIT_UNIT):
            break
        higher: uint256 = self.tiers[market][i]
        if higher == 0:
            break
        word = higher
    return word


@internal
@pure
def _maintenance(tier: uint256, notional: int256) -> int256:
    """
    @notice Maintenance margin (WAD, rounded up) of a notional (WAD) that a tier's word serves.
    """
    # unsafe: 184 + 40 bits; a tier's deduction is below its requirement
    return unsafe_sub(
        fixed_point._ceil_div(unsafe_mul(notional, convert(tier & U40, int256)), RATE_ONE),
        convert((tier >> 80) & U88, int256),
    )


@internal
@view
def _requirement(market: uint256, notional: int256) -> (int256, int256):
    """
    @notice Initial and maintenance margin (WAD, rounded up) of a notional (WAD).
    """
    if notional == 0:
        return 0, 0
    word: uint256 = self._tier(market, notional)
    deduction: int256 = convert((word >> 80) & U88, int256)
    # unsafe: 184 + 40 bits; a tier's deduction is below its requirement
    return (
        unsafe_sub(
            fixed_point._ceil_div(unsafe_mul(notional, convert((word >> 40) & U40, int256)), RATE_ONE),
            deduction,
        ),
        unsafe_sub(
            fixed_point._ceil_div(unsafe_mul(notional, convert(word & U40, int256)), RATE_ONE), deduction
        ),
    )
