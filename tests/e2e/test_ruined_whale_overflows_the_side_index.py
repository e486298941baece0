"""A whale is deleveraged down to a crumb and owes millions: its loss a unit is beyond any price.

The other side's cumulative quote has 136 bits. A keeper's call that might run over must make progress.
"""

from __future__ import annotations

import pytest
from support import LONG, SHORT, deployed
from support.distress import away, distress_market, positioned

from perpsim.protocol import ProtocolParams, wad

CRUMBS = distress_market(lot_size=wad("0.000001"), min_size=wad("0.000001"))


@pytest.mark.parametrize("side", [LONG, SHORT], ids=["long", "short"])
def test_a_crumb_with_a_whales_debt_is_deleveraged(side: int) -> None:
    """`whale` buys (sells) 1,000 at the new mark and is closed down to a millionth at a ruinous price."""
    with deployed(ProtocolParams(markets=(CRUMBS,))) as exchange:
        keeper = exchange.actor("keeper", deposit=1)
        mark = away(side, 6_000)
        loser = positioned(exchange, side, size=1_000, stake=10**6, against="early")
        holder, bystander = exchange.actor("holder", deposit=100), exchange.actor("bystander", deposit=100)
        exchange.open(side, holder, bystander, "0.000001", 10_000)
        exchange.move(mark)
        whale = exchange.actor("whale", deposit=mark * 100)
        exchange.open(side, exchange.actor("early"), whale, 1_000, mark)
        keeper.send(exchange.liquidator, "deleverage", loser.account, 0)
        assert 0 < abs(whale.size()) < wad("0.000001") and whale.equity < -wad(10**6)
        sent = keeper.send(exchange.liquidator, "deleverage", whale.account, 0)
        assert whale.size() == whale.collateral == 0
        # the others pay for what the position has lost, which is nothing; the debt is from elsewhere
        booked, receipt = sent.event("BadDebtBooked"), sent.event("DeleverageReceipt")
        assert receipt.haircut == 0 and booked.deficit == receipt.deficit
        exchange.check_invariants(dust=10**12)
        for other in (holder, bystander):
            if other.equity < 0:
                keeper.liquidate(other, with_deleverage=True)
            assert other.equity >= 0
        exchange.check_invariants(dust=10**12)
