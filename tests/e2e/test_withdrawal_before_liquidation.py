"""A whale takes out the profit of a large position and leaves the exchange to close it (Hyperliquid,
March 2025)."""

from __future__ import annotations

import pytest
from support import BOTH_SIDES, Exchange
from support.distress import away, distress_market, fund_vault

from perpsim.chain import Revert
from perpsim.protocol import Tier, wad

#: 10 % margin up to a million, 20 % up to ten, 40 % beyond
TIERED = distress_market(
    tiers=(
        Tier(wad(10**6), wad("0.1"), wad("0.05")),
        Tier(wad(10**7), wad("0.2"), wad("0.1"), wad(50_000)),
        Tier(wad(10**9), wad("0.4"), wad("0.2"), wad(1_050_000)),
    )
)


@pytest.mark.exchange(markets=(TIERED,))
@BOTH_SIDES
def test_what_can_be_withdrawn_leaves_the_initial_margin_of_the_size(exchange: Exchange, side: int) -> None:
    """2,000 units: 20 million of notional need 40 %, less the deduction; not a unit more comes out."""
    whale, other = exchange.actor("whale", deposit=9_000_000), exchange.actor("other", deposit=10**8)
    exchange.open(side, whale, other, 2_000, 10_000)
    exchange.move(away(-side, 1_000))
    gained = wad(2_000_000)
    notional = 2_000 * wad(away(-side, 1_000))
    _, initial, maintenance = whale.health
    assert whale.equity == wad(9_000_000) + gained
    # deductions lower the initial margin too
    assert initial == notional * 4 // 10 - wad(1_050_000)
    most = whale.withdrawable
    assert most == (whale.equity - initial) // exchange.unit()
    with pytest.raises(Revert, match="withdraw: "):
        whale.send(exchange.clearinghouse, "withdraw", most + 1)
    whale.send(exchange.clearinghouse, "withdraw", most)
    assert whale.withdrawable == 0
    # the price has to move by the difference of the margins before anything may be liquidated at all
    assert whale.equity - maintenance >= notional * 2 // 10


@pytest.mark.exchange(markets=(TIERED,))
@BOTH_SIDES
def test_the_fund_has_the_margin_of_a_large_position_to_sell_into(exchange: Exchange, side: int) -> None:
    """Liquidated at its maintenance margin into a book 3 % worse, the whale's own margin pays for it."""
    whale, other = exchange.actor("whale", deposit=9_000_000), exchange.actor("other", deposit=10**8)
    exchange.open(side, whale, other, 2_000, 10_000)
    exchange.move(away(-side, 1_000))
    whale.send(exchange.clearinghouse, "withdraw", whale.withdrawable)
    fund_vault(exchange, 100_000)
    price = exchange.mark()
    while whale.equity >= whale.health.maintenance:
        price -= side * wad(100)
        exchange.move(price // 10**18)
    bids = exchange.actor("bids", deposit=10**8)
    per_cent_97 = (price * (100 - 3 * side) // 100) // 10**15 * 10**15
    bids.send(exchange.book, "place", side > 0, per_cent_97, wad(2_000), 0, False, 0)
    event = exchange.actor("keeper").liquidate(whale).event("Liquidated")
    assert event.closed > 0 and event.cover == 0 and event.penalty > 0
    assert whale.equity > 0 and exchange.fund > 100_000 * 10**6


@pytest.mark.exchange(markets=(TIERED,))
@BOTH_SIDES
def test_nothing_comes_out_at_an_old_price(exchange: Exchange, side: int) -> None:
    """Before the oracle has said how far the price has gone."""
    whale, other = exchange.actor("whale", deposit=9_000_000), exchange.actor("other", deposit=10**8)
    exchange.open(side, whale, other, 100, 10_000)
    exchange.wait(61)
    assert whale.withdrawable == 0
    with pytest.raises(Revert, match="withdraw: "):
        whale.withdraw(1)
