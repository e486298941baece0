# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Queue by BitMEX's score
@license Apache-2.0
@notice Highest score first, each closed as far as it can bear, the last one partly. Score, each factor
        and the result in WAD and rounded toward zero:

            PNL%   = (mark value - entry value) / |entry value|
            EffLev = |mark value| / (mark value - bankrupt value)
            score  = PNL% * EffLev with a profit, PNL% / EffLev with a loss

        Key: 2**127 + score, held in [0, 2**128); 0 for an account without equity.
        Source: BitMEX, "Auto-Deleveraging (ADL)". The bankrupt value is the one at which the position's share
        of the account's equity is gone.
"""

from contracts.interfaces import IDeleveragePolicy
from contracts.modules import adl_scores
from contracts.modules import adl_shares

implements: IDeleveragePolicy

ZERO: constant(uint256) = 2**127


@external
@pure
def name() -> String[24]:
    """
    @notice Short name.
    """
    return "queue-bitmex"


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
    return IDeleveragePolicy.Row(key=self._key(candidate), weight=0, cap=candidate.cap)


@external
@pure
def allot(left: IDeleveragePolicy.Left, row: IDeleveragePolicy.Row) -> uint256:
    """
    @notice All that the row can bear.
    @param left What is still to allot.
    @param row The next row of the sorted list.
    """
    return adl_shares._in_turn(left, row)


@internal
@pure
def _key(candidate: IDeleveragePolicy.Candidate) -> uint256:
    """
    @notice 2**127 + score.
    """
    if candidate.share <= 0:
        return 0
    leverage: uint256 = adl_scores._ratio(candidate.notional, convert(candidate.share, uint256))
    if candidate.profit > 0:
        gain: uint256 = adl_scores._ratio(convert(candidate.profit, uint256), candidate.entry)
        return ZERO + min(adl_scores._product(gain, leverage), ZERO - 1)
    loss: uint256 = adl_scores._ratio(convert(-candidate.profit, uint256), candidate.entry)
    return ZERO - adl_scores._ratio(loss, leverage)
