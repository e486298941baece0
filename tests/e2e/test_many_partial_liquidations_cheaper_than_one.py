"""Cutting a liquidation into pieces: the account must not pay less, nor the keeper earn more."""

from __future__ import annotations

import pytest
from support import BOTH_SIDES, Exchange
from support.distress import DISTRESS, away, fund_vault, positioned

from perpsim.protocol import wad


@DISTRESS
@BOTH_SIDES
@pytest.mark.parametrize("distance", [890, 940, 990])
def test_the_penalty_is_the_same_in_pieces(exchange: Exchange, side: int, distance: int) -> None:
    """All at one price, the mark or worse, in one go or in pieces: nobody is better off for the cutting."""
    ends = []
    for most in (None, "2.5", "0.7"):
        with exchange.isolated():
            fund_vault(exchange, 50_000)
            loser = positioned(exchange, side)
            keeper = exchange.actor("keeper", deposit=1)
            exchange.actor("maker", deposit=10**6).order(side, 10, away(side, distance))
            exchange.move(away(side, 890))
            assert exchange.liquidator.view("closable", loser.account, 0) == wad(10)
            penalty = pieces = 0
            while loser.size() and loser.equity < loser.health.maintenance:
                event = keeper.liquidate(loser, most).event("Liquidated")
                penalty += event.penalty
                pieces += 1
            ends.append((penalty, loser.size(), loser.equity, keeper.collateral, pieces))
    whole = ends[0]
    for penalty, size, equity, earned, pieces in ends[1:]:
        if size == 0:
            assert abs(penalty - whole[0]) <= pieces and abs(equity - whole[2]) <= pieces
        else:
            # good bids made it healthy again on the way: less was closed, less was due
            assert penalty < whole[0] and equity >= whole[2]
        assert earned <= whole[3] + wad(2)
