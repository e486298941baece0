"""Profit that bears the margin does not free collateral that is owed as funding."""

from __future__ import annotations

import pytest
from support import BOTH_SIDES, LONG, deployed, plain_market

from perpsim.chain import Revert
from perpsim.protocol import FundingTerms, ProtocolParams, wad

#: 2.88 % per 8 h from long to short
CARRY = FundingTerms(interest=wad("0.0288"), clamp=wad(1), cap=wad(1), band=0)


@BOTH_SIDES
def test_only_collateral_less_what_is_owed_can_leave(side: int) -> None:
    terms = CARRY if side == LONG else CARRY._replace(interest=-CARRY.interest)
    with deployed(ProtocolParams(markets=(plain_market(funding=terms),))) as exchange:
        maker = exchange.actor("maker", deposit=1_000_000)
        trader = exchange.actor("trader", deposit=2_000)
        exchange.open(side, trader, maker, 1, 10_000)
        exchange.move(10_000 + side * 5_000)
        exchange.wait(50)
        owed = -trader.position().pending
        assert owed > 0
        free = trader.withdrawable
        assert free == (wad(2_000) - owed) // exchange.unit()
        with pytest.raises(Revert, match="above what is withdrawable"):
            trader.send(exchange.clearinghouse, "withdraw", free + 1)
        before = trader.equity
        trader.send(exchange.clearinghouse, "withdraw", free)
        assert trader.equity == before - free * exchange.unit()
        assert trader.withdrawable == 0
        exchange.check_invariants()
