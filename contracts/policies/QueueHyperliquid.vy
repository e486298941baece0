# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Queue by Hyperliquid's score
@license Apache-2.0
@notice Highest score first, each closed as far as it can bear, the last one partly. Score, each factor
        and the product in WAD and rounded down:

            long:  (mark price / entry price) * (notional / account value)
            short: (entry price / mark price) * (notional / account value)

        Prices are compared by the values of the position at them. Key: the score, held below 2**128; 0
        without equity.
        Source: Hyperliquid's documents, "Auto-deleveraging".
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
    return "queue-hyperliquid"


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
    return IDeleveragePolicy.Row(key=self._key(case.is_long, candidate), weight=0, cap=candidate.cap)


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
def _key(is_long: bool, candidate: IDeleveragePolicy.Candidate) -> uint256:
    """
    @notice The score.
    """
    if candidate.equity <= 0:
        return 0
    leverage: uint256 = adl_scores._ratio(candidate.notional, convert(candidate.equity, uint256))
    gain: uint256 = 0
    if is_long:
        gain = adl_scores._ratio(candidate.notional, candidate.entry)
    else:
        gain = adl_scores._ratio(candidate.entry, candidate.notional)
    return adl_scores._product(gain, leverage)
