# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Socialised loss
@license Apache-2.0
@notice Nobody is closed: everybody in profit pays loss * profit_i / sum of profits out of its collateral.
        Nobody pays more than its profit or its equity; what such a limit spares one, the others pay in the
        same proportion.

        Weight: the profit (WAD quote). Cap: min(equity, profit) (WAD quote). Key: weight / cap in WAD,
        rounded down: who comes to its cap first is asked first.
        Source: Crypto.com Exchange, "Socialised loss".
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
    return "socialise"


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
    @notice Nobody is closed.
    """
    return True


@external
@pure
def rank(case: IDeleveragePolicy.Case, candidate: IDeleveragePolicy.Candidate) -> IDeleveragePolicy.Row:
    """
    @notice The candidate's place, weight and limit.
    @param case What is to be deleveraged.
    @param candidate A counterparty, settled.
    """
    weight: uint256 = adl_scores._positive(candidate.profit)
    cap: uint256 = min(candidate.cap, weight)
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
