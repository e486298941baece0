"""Somebody clears one side of the book, or trades with himself at the edge of the band, to push others
under."""

from __future__ import annotations

import pytest
from support import BOTH_SIDES, Exchange, plain_market
from support.distress import TERMS, away, positioned

from perpsim.chain import Revert
from perpsim.protocol import wad

BANDED = plain_market(liquidation=TERMS, band=wad("0.02"), basis_time=150)


def quoted(exchange: Exchange, side: int) -> None:
    """A thin honest market around 10,000 in which the victim's exit rests last."""
    honest = exchange.actor("honest", deposit=10**6)
    honest.order(side, 1, away(side, 10))
    honest.order(-side, 1, away(-side, 10))


@pytest.mark.exchange(markets=(BANDED,))
@BOTH_SIDES
def test_the_mark_does_not_move_within_a_block(exchange: Exchange, side: int) -> None:
    """Sell into all bids, quote anew far below, poke, liquidate: the mark is the book's of the block
    before."""
    victim = positioned(exchange, side, stake=10_001)
    quoted(exchange, side)
    exchange.refresh(12)
    mark = exchange.mark()
    attacker = exchange.actor("attacker", deposit=10**6)
    attacker.order(-side, 1, away(side, 10), 2)
    attacker.order(side, "0.001", away(side, 5_000))
    attacker.order(-side, "0.001", away(side, 4_990))
    exchange.wait(1)
    attacker.send(exchange.clearinghouse, "poke", 0)
    # a second of the average of 150 s, of 2 % at most
    assert abs(exchange.mark() - mark) <= mark // 50 // 149
    with pytest.raises(Revert, match="liquidate: healthy"):
        attacker.liquidate(victim)


@pytest.mark.exchange(markets=(BANDED,))
@BOTH_SIDES
def test_an_attacker_who_holds_the_book_for_an_hour_gets_the_band_at_most(
    exchange: Exchange, side: int
) -> None:
    """Nobody else quotes: the mark follows him to 2 % from the index and no further; a margin of 10 % is
    safe."""
    victim = positioned(exchange, side)
    attacker = exchange.actor("attacker", deposit=10**6)
    attacker.order(side, "0.001", away(side, 5_000))
    attacker.order(-side, "0.001", away(side, 4_990))
    for _ in range(60):
        exchange.refresh(60)
    assert 0 <= (exchange.mark() - wad(away(side, 200))) * side < 10**12
    assert victim.equity >= wad(8_000) > victim.health.maintenance
    with pytest.raises(Revert, match="liquidate: healthy"):
        attacker.liquidate(victim)
