# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Queue by Binance's score
@license Apache-2.0
@notice Highest score first, each closed as far as it can bear, the last one partly. Score, each factor
        and the product in WAD and rounded down:

            PnL%         = max(0, unrealised profit) / max(1, wallet balance)
            margin ratio = maintenance margin / equity, 0 without equity
            score        = PnL% * margin ratio

        with 1 one whole unit of quote. Key: the score, held below 2**128.
        Source: Binance, "What Is Auto-Deleveraging (ADL)", where equity is wallet + unrealised profit.
"""

from contracts.interfaces import IDeleveragePolicy
from contracts.modules import adl_scores
from contracts.modules import adl_shares

implements: IDeleveragePolicy

ONE: constant(int256) = 10**18


@external
@pure
def name() -> String[24]:
    """
    @notice Short name.
    """
    return "queue-binance"


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
    @notice The score.
    """
    if candidate.equity <= 0:
        return 0
    gain: uint256 = adl_scores._ratio(
        adl_scores._positive(candidate.profit), convert(max(candidate.collateral, ONE), uint256)
    )
    margin_ratio: uint256 = adl_scores._ratio(
        adl_scores._positive(candidate.maintenance), convert(candidate.equity, uint256)
    )
    return adl_scores._product(gain, margin_ratio)
