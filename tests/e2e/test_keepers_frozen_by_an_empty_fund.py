"""The fund is smaller than the bad debt (Perpetual Protocol: the liquidation reverts when it is needed
most)."""

from __future__ import annotations

import pytest
from support import BOTH_SIDES, Exchange
from support.distress import away, distress_market, fund_vault, positioned

from perpsim.protocol import wad


@pytest.mark.exchange(markets=(distress_market(),))
@BOTH_SIDES
@pytest.mark.parametrize("fund", [0, "0.000001", 1, 100, 1_000])
def test_ten_bankrupt_accounts_and_no_money(exchange: Exchange, side: int, fund: object) -> None:
    """Bids there are, but 10 % under water: what the fund cannot cover the winners do, call after call."""
    if fund:
        fund_vault(exchange, fund)
    losers = [positioned(exchange, side, f"loser {i}") for i in range(10)]
    bids = exchange.actor("bids", deposit=10**7)
    exchange.move(away(side, 2_000))
    bids.order(side, 1_000, away(side, 2_010))
    keeper = exchange.actor("keeper")
    before = exchange.fund
    for loser in losers:
        assert keeper.liquidate(loser, with_deleverage=True).value == wad(10)
        assert (loser.size(), loser.collateral) == (0, 0)
    assert exchange.fund <= before
    assert exchange.vault.view("coverage", 0) == 0
    assert exchange.actor("winner").size() == -bids.size()
    exchange.check_invariants(size_dust=20)


@pytest.mark.exchange(markets=(distress_market(),))
@BOTH_SIDES
def test_an_open_breaker_does_not_stop_liquidations(exchange: Exchange, side: int) -> None:
    """The fund has lost its 30 % for today; those who are solvent close as before and pay their penalty
    into it."""
    fund_vault(exchange, 1_000)
    first, second = positioned(exchange, side, "first"), positioned(exchange, side, "second")
    bids = exchange.actor("bids", deposit=10**7)
    exchange.move(away(side, 700))
    bids.order(side, 10, away(side, 1_100))
    keeper = exchange.actor("keeper")
    keeper.liquidate(first)
    assert exchange.vault.view("breaker_state").is_open
    bids.cancel_all()
    bids.order(side, 10, away(side, 800))
    event = keeper.liquidate(second).event("Liquidated")
    assert event.closed == wad(10) and event.penalty > event.reward > 0
    bids.order(side, 10, away(side, 800))
    assert keeper.liquidate(first).value > 0
