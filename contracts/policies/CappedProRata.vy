# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Capped pro rata
@license Apache-2.0
@notice Everybody in profit bears the same, at most what it can: haircut_i = min(cap_i, tau), with the tau at
        which the sum is what is needed.

        Weight: 1 a row with a cap. Cap: the size whose closing costs no more than the profit. Key:
        2**128 - 1 - cap, the smallest cap first, so that an equal part of what is left is exact
        water-filling.
        Source: arXiv 2512.01112, "capped pro rata".
"""

from contracts.interfaces import IDeleveragePolicy
from contracts.modules import adl_scores
from contracts.modules import adl_shares

implements: IDeleveragePolicy


@external
@pure
def name() -> String[24]:
    """
    @notice Short name.
    """
    return "capped-pro-rata"


@external
@pure
def weighted() -> bool:
    """
    @notice The number of rows that can bear something must be known.
    """
    return True


@external
@pure
def charges() -> bool:
    """
    @notice Positions are closed.
    """
    return False


@external
@pure
def rank(case: IDeleveragePolicy.Case, candidate: IDeleveragePolicy.Candidate) -> IDeleveragePolicy.Row:
    """
    @notice The candidate's place, weight and limit.
    @param case What is to be deleveraged.
    @param candidate A counterparty, settled.
    """
    cap: uint256 = adl_shares._size_within_profit(case, candidate)
    return IDeleveragePolicy.Row(key=adl_scores.KEY_LIMIT - cap, weight=min(cap, 1), cap=cap)


@external
@pure
def allot(left: IDeleveragePolicy.Left, row: IDeleveragePolicy.Row) -> uint256:
    """
    @notice An equal part of what is left, at most the cap.
    @param left What is still to allot.
    @param row The next row of the sorted list.
    """
    return adl_shares._in_proportion(left, row)
