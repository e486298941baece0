"""A bankrupt account has lost in one market and won in another; the keeper chooses which one to close
first.

He is short in the first market himself, so he would rather have the second market's shorts pay.
"""

from __future__ import annotations

import pytest
from support import BOTH_SIDES, Exchange, deployed
from support.distress import away, distress_market

from perpsim.protocol import ProtocolParams, wad

PARAMS = ProtocolParams(decimals=18, markets=(distress_market(), distress_market()))


def haircuts(exchange: Exchange, side: int, second_move: int, first: int) -> tuple[int, int]:
    """What the winners of the two markets lose against the mark; WAD."""
    loser = exchange.actor("loser", deposit=21_000)
    winners = [exchange.actor(f"winner {market}", deposit=10**6) for market in (0, 1)]
    for market, size in ((0, 10), (1, 10)):
        exchange.open(side, loser, winners[market], size, 10_000, market=market)
        exchange.open(side, exchange.actor("rich", deposit=10**7), winners[market], 10, 10_000, market=market)
    exchange.move(away(side, 3_000))
    exchange.owner.send(exchange.oracle, "post", 1, wad(away(side, second_move)), exchange.now)
    before = [winner.equity for winner in winners]
    keeper = exchange.actor("keeper", deposit=1)
    for market in (first, 1 - first):
        if loser.equity < 0 and loser.size(market):
            keeper.send(exchange.liquidator, "deleverage", loser.account, market)
    assert loser.equity >= 0
    exchange.check_open_interest(0)
    exchange.check_open_interest(1)
    after = [winner.equity for winner in winners]
    return before[0] - after[0], before[1] - after[1]


@BOTH_SIDES
@pytest.mark.parametrize("second_move", [-500, 0, 100, 2_000, 3_000])
def test_the_order_does_not_matter(side: int, second_move: int) -> None:
    """Who pays for the deficit, and how much, is the same whichever market comes first."""
    found = []
    for first in (0, 1):
        with deployed(PARAMS) as exchange:
            found.append(haircuts(exchange, side, second_move, first))
    deficit = wad(10 * (3_000 + second_move) - 21_000)
    for paid in found:
        assert abs(sum(paid) - deficit) <= 10**6
        if second_move <= 0:
            assert paid[1] <= 10**6, "the winners of a market where the account has won have paid"
    assert all(abs(one - two) <= 10**6 for one, two in zip(*found)), found
