# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Random order
@license Apache-2.0
@notice An order drawn from the seed, each closed as far as it can bear, the last one partly; profit and
        leverage do not matter, as on dYdX v4. There a start in a fixed order is drawn; here the whole order
        is, so that no account number shelters its owner.

        Key: the upper half of keccak256(seed, account), 32 bytes each.
        Source: dYdX v4, "Contract loss mechanisms: deleveraging".
"""

from contracts.interfaces import IDeleveragePolicy
from contracts.modules import adl_shares

implements: IDeleveragePolicy


@external
@pure
def name() -> String[24]:
    """
    @notice Short name.
    """
    return "random"


@external
@pure
def weighted() -> bool:
    """
    @notice A queue has no weights.
    """
    return False


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
    @notice The candidate's place and limit.
    @param case What is to be deleveraged.
    @param candidate A counterparty, settled.
    """
    drawn: bytes32 = keccak256(concat(convert(case.seed, bytes32), convert(candidate.account, bytes32)))
    return IDeleveragePolicy.Row(key=convert(drawn, uint256) >> 128, weight=0, cap=candidate.cap)


@external
@pure
def allot(left: IDeleveragePolicy.Left, row: IDeleveragePolicy.Row) -> uint256:
    """
    @notice All that the row can bear.
    @param left What is still to allot.
    @param row The next row of the sorted list.
    """
    return adl_shares._in_turn(left, row)
