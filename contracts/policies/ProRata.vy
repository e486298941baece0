# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Pro rata by profit
@license Apache-2.0
@notice Everybody in profit is closed in proportion to it: haircut_i = H * profit_i / sum of profits. Nobody
        gives up more than its profit or its equity; what such a limit spares one, the others bear in the same
        proportion.

        Weight: the profit (WAD quote). Cap: the size whose closing costs no more than the profit. Key:
        weight / cap in WAD, rounded down: who comes to its cap first is asked first.
        Source: arXiv 2512.01112, "pro rata".
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
    return "pro-rata"


@external
@pure
def weighted() -> bool:
    """
    @notice Shares are in proportion to weights.
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
    weight: uint256 = adl_scores._positive(candidate.profit)
    cap: uint256 = adl_shares._size_within_profit(case, candidate)
    return IDeleveragePolicy.Row(key=adl_shares._pressure(weight, cap), weight=weight, cap=cap)


@external
@pure
def allot(left: IDeleveragePolicy.Left, row: IDeleveragePolicy.Row) -> uint256:
    """
    @notice The row's part by weight, at most its cap.
    @param left What is still to allot.
    @param row The next row of the sorted list.
    """
    return adl_shares._in_proportion(left, row)
