"""A winner whose whole side was closed is flat and has his gain, but only in the index: can he take it
out?"""

from __future__ import annotations

from support import BOTH_DECIMALS, BOTH_SIDES, Exchange
from support.distress import DISTRESS, away, positioned

from perpsim.protocol import wad


@DISTRESS
@BOTH_DECIMALS
@BOTH_SIDES
def test_what_deleveraging_has_realised_can_be_withdrawn(exchange: Exchange, side: int) -> None:
    """In a market that is close-only by now, where he can never trade again."""
    winner = exchange.actor("winner", deposit=100_000)
    loser = positioned(exchange, side)
    exchange.move(away(side, 2_000))
    exchange.actor("keeper").liquidate(loser, with_deleverage=True)
    assert winner.size() == 0 and winner.equity == wad(110_000)
    exchange.owner.send(exchange.parameters, "set_close_only", 0, True)
    assert winner.withdrawable == 110_000 * 10**exchange.params.decimals
    winner.withdraw(110_000)
    assert winner.equity == 0
    exchange.check_invariants(dust=0, size_dust=0)
