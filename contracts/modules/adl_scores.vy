# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Scores of deleveraging queues
@license Apache-2.0
@notice Ratios in WAD, rounded down and held below 2**127 (1.7e20), so that the product of two of them always
        fits and no score reverts.
"""

WAD: constant(uint256) = 10**18
RATIO_LIMIT: constant(uint256) = 2**127 - 1
KEY_LIMIT: constant(uint256) = 2**128 - 1


@internal
@pure
def _positive(x: int256) -> uint256:
    """
    @notice max(x, 0).
    """
    return convert(max(x, 0), uint256)


@internal
@pure
def _ratio(numerator: uint256, denominator: uint256) -> uint256:
    """
    @notice floor(numerator / denominator) in WAD, at most `RATIO_LIMIT`, which also stands for something / 0;
            0 / 0 is 0.
    @param numerator Below 2**128.
    """
    if numerator == 0:
        return 0
    if denominator == 0:
        return RATIO_LIMIT
    return min(numerator * WAD // denominator, RATIO_LIMIT)


@internal
@pure
def _product(a: uint256, b: uint256) -> uint256:
    """
    @notice floor(a * b) in WAD of two ratios, at most `KEY_LIMIT`.
    """
    return min(a * b // WAD, KEY_LIMIT)
