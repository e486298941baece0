# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Shares of a deleveraging
@license Apache-2.0
@notice How much a row bears, in turn or in proportion. All divisions round down: what a row is spared goes on
        to the next ones, and the last one with a weight is asked for all that is left.
"""

from contracts.interfaces import IDeleveragePolicy
from contracts.modules import adl_scores


@internal
@pure
def _in_turn(left: IDeleveragePolicy.Left, row: IDeleveragePolicy.Row) -> uint256:
    """
    @notice All that the row can bear.
    """
    return min(row.cap, left.amount)


@internal
@pure
def _in_proportion(left: IDeleveragePolicy.Left, row: IDeleveragePolicy.Row) -> uint256:
    """
    @notice floor(amount * weight / weights), at most the cap; nothing without a weight.
    @dev With rows sorted by `_pressure` this is water-filling: once a row is below its cap, so are all after
         it.
    """
    # an amount and a weight below 2**128 each: their product fits
    if row.weight == 0 or left.weight == 0:
        return 0
    return min(min(row.cap, left.amount), left.amount * row.weight // left.weight)


@internal
@pure
def _pressure(weight: uint256, cap: uint256) -> uint256:
    """
    @notice floor(weight / cap) in WAD, a key: high is who comes to its cap first as all bear more in
            proportion to their weights.
    """
    return adl_scores._ratio(weight, cap)


@internal
@pure
def _size_within_profit(case: IDeleveragePolicy.Case, candidate: IDeleveragePolicy.Candidate) -> uint256:
    """
    @notice The size whose closing costs the candidate no more than its profit: profit * quantity / haircut,
            rounded down, at most its cap. Nothing without a profit, the cap without a haircut.
    """
    if candidate.profit <= 0:
        return 0
    if case.haircut == 0:
        return candidate.cap
    # a profit below 2**128 and a quantity below 2**96: their product fits
    return min(candidate.cap, convert(candidate.profit, uint256) * case.quantity // case.haircut)
