"""Bybit's example: a pool of 1,000,000, a market that loses 350,000, and a breaker at 30 %."""

from __future__ import annotations

import pytest
from support import BOTH_DECIMALS, BOTH_SIDES, Exchange
from support.distress import away, distress_market, fund_vault, positioned

from perpsim.protocol import wad

LOSS, PAID, CARRIED = 350_000, 300_000, 50_000
#: a millionth of a token
DUST = 10**12


@pytest.mark.exchange(markets=(distress_market(),) * 2)
@BOTH_DECIMALS
@BOTH_SIDES
def test_the_vault_pays_300_000_and_the_winners_carry_50_000(exchange: Exchange, side: int) -> None:
    """3,500 contracts, 100 under water each, and bids for all of them at the mark: for 3,000 the vault makes
    up the difference, then it stands 30 % under its peak, and the other side takes over the last 500."""
    fund_vault(exchange, 1_000_000)
    vault, unit = exchange.vault, exchange.unit()
    loser = positioned(exchange, side, size=3_500, stake=3_500_000)
    winner, keeper = exchange.actor("winner"), exchange.actor("keeper")
    exchange.move(away(side, 1_100))
    assert loser.equity == -wad(LOSS)
    exchange.actor("bids", deposit=10**8).order(side, 3_500, away(side, 1_100))
    rich = winner.equity

    sent = keeper.liquidate(loser, with_deleverage=True)

    event = sent.event("Liquidated")
    assert (event.closed, event.cover) == (wad(3_500), pytest.approx(wad(PAID), abs=wad(1)))
    assert exchange.fund * unit == pytest.approx(wad(1_000_000 - PAID), abs=DUST)
    state = vault.view("breaker_state")
    assert state.is_open and state.peak * unit == wad(1_000_000) and state.line * unit == wad(700_000)
    assert vault.view("coverage", 0) == vault.view("coverage", 1) == 0
    ledger = vault.view("ledger", 0)
    assert (ledger.outflow * unit, ledger.deficit * unit) == (pytest.approx(wad(PAID), abs=DUST),) * 2
    receipt = sent.event("DeleverageReceipt")
    assert receipt.quantity == pytest.approx(wad(500), abs=wad("0.01"))
    assert receipt.haircut == pytest.approx(wad(CARRIED), abs=wad(1))
    assert rich - winner.equity == pytest.approx(wad(CARRIED), abs=wad(1))
    assert (loser.size(), loser.collateral) == (0, 0)
    exchange.check_invariants(size_dust=20)

    # another market's loss waits for the other side, too, until the fall is less than 25 %
    other = positioned(exchange, side, "other", market=1)
    exchange.move(away(side, 1_100), market=1)
    exchange.actor("bids").order(side, 10, away(side, 1_100), market=1)
    assert keeper.liquidate(other, with_deleverage=True, market=1).event("Liquidated").cover == 0
    fund_vault(exchange, 50_001)
    assert not vault.view("breaker_state").is_open
    assert vault.view("coverage", 1) * unit == pytest.approx(wad(50_001), abs=DUST)
