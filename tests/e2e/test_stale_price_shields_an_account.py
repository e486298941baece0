"""A crumb of a position in a market whose oracle sleeps: no liquidation while it is stale, in any market.

That is the rule (equity needs all prices). What must not happen is that the shield lets the account do
more.
"""

from __future__ import annotations

import pytest
from support import BOTH_SIDES, Exchange
from support.distress import away, distress_market, positioned

from perpsim.chain import Revert
from perpsim.protocol import wad


@pytest.mark.exchange(markets=(distress_market(), distress_market()))
@BOTH_SIDES
def test_the_shield_is_a_cage(exchange: Exchange, side: int) -> None:
    """While shielded he neither opens nor withdraws, anywhere; he may close. The first price ends it."""
    winner = exchange.actor("winner", deposit=10**8)
    loser = positioned(exchange, side, stake=20_000)
    exchange.open(side, loser, winner, "0.001", 10_000, market=1)
    keeper = exchange.actor("keeper", deposit=1)
    # only the first market's oracle is awake
    exchange.move(away(side, 500), after=61)
    assert loser.withdrawable == 0
    fresh = exchange.actor("fresh", deposit=10**6)
    for market in (0, 1):
        fresh.order(-side, 1, away(side, 500), market=market)
        with pytest.raises(Revert, match="order: stale index"):
            loser.order(side, "0.001", away(side, 500), 2, market=market)
        fresh.cancel_all(market)
    exchange.move(away(side, 1_950), after=30)
    with pytest.raises(Revert, match="liquidate: stale index"):
        keeper.liquidate(loser)
    with pytest.raises(Revert, match="withdraw: "):
        loser.withdraw("0.000001")
    fresh.order(side, 1, away(side, 1_950))
    assert loser.order(-side, 1, away(side, 1_950), 2, reduce_only=True).filled == wad(1)
    # anybody's price for the other market, and the keeper is back
    exchange.owner.send(exchange.oracle, "post", 1, wad(10_000), exchange.now)
    fresh.order(side, 20, away(side, 1_950))
    assert keeper.liquidate(loser).value > 0
    exchange.check_invariants(dust=10, size_dust=0)
