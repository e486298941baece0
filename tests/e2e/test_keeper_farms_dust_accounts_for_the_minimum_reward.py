"""A keeper opens many tiny accounts, lets them fall, and liquidates them for the lower bound of the
reward.

Fees: 0.02 % and 0.05 %. The reward is 0.1 % of the notional, at least 2, but never above the penalty of
0.5 %.
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from support import BOTH_SIDES, Exchange
from support.distress import away, distress_market, fund_vault, positioned

from perpsim.protocol import wad

MARKET = distress_market(maker_fee=wad("0.0002"), taker_fee=wad("0.0005"), lot_size=1, min_size=1)


@pytest.mark.exchange(markets=(MARKET,))
@BOTH_SIDES
@pytest.mark.parametrize("size", ["0.000000000000000001", "0.000000000001", "0.0001", "0.01"])
def test_a_solvent_account_pays_for_its_own_reward(exchange: Exchange, side: int, size: str) -> None:
    """Both accounts are the keeper's: with a surplus to take the penalty from, he pays himself and the
    fees."""
    fund_vault(exchange, 50_000)
    keeper = exchange.actor("keeper", deposit=1_000)
    stake = max(Decimal(size) * 1_010, Decimal("0.000001"))
    dust = positioned(exchange, side, "dust", size=size, stake=stake, against="second account")
    second = exchange.actor("second account")
    start = dust.equity + second.equity + keeper.equity
    exchange.move(away(side, 701))
    if dust.equity >= dust.health.maintenance:
        # a stake of one token unit is a fortune for a position of a few wei: nothing to farm at all
        assert Decimal(size) < Decimal("0.000001")
        return
    second.order(side, size, away(side, 800))
    event = keeper.liquidate(dust).event("Liquidated")
    assert event.closed == wad(size) and event.reward <= event.notional // 200
    assert dust.equity + second.equity + keeper.equity <= start
    assert exchange.fund >= 50_000 * 10**6


@pytest.mark.exchange(markets=(MARKET,))
@BOTH_SIDES
def test_a_hundred_accounts_without_surplus_cost_the_vault_their_penalty_rate_at_most(
    exchange: Exchange, side: int
) -> None:
    """Sold by the keeper to himself at the bankruptcy price, the reward comes from the vault.

    That is what the reward is for; per notional it is never more than the penalty rate, and from 400 of
    notional on it falls toward 0.1 %, of which the fees on the way in and out take 0.09 %.
    """
    fund_vault(exchange, 50_000)
    keeper, second = exchange.actor("keeper", deposit=1_000), exchange.actor("second account", deposit=10**6)
    farmed = closed = 0
    crops = []
    for i in range(100):
        size = Decimal("0.01") if i % 2 else Decimal("0.1")
        crops.append(positioned(exchange, side, f"dust {i}", size=size, stake=1_005 * size,
                                against="second account"))  # fmt: skip
    exchange.move(away(side, 1_000))
    for crop, size in zip(crops, ["0.1", "0.01"] * 50):
        second.order(side, size, away(side, 1_000))
        event = keeper.liquidate(crop).event("Liquidated")
        assert crop.size() == 0 and event.reward <= wad(2)
        farmed += event.reward
        closed += event.notional
    assert farmed == keeper.collateral - wad(1_000)
    assert wad(50_000) - exchange.fund * exchange.unit() <= farmed <= closed // 200
    exchange.check_invariants(size_dust=0)
