"""The worked examples of SPECIFICATION.md, to the last digit, for collateral of 6 and 18 decimals."""

from __future__ import annotations

from decimal import Decimal

import pytest
from support import BOTH_DECIMALS, LONG, SHORT, plain_market
from support.distress import fund_vault

from perpsim.protocol import LiquidationParams, Tier, VaultParams, wad

RULES = LiquidationParams(
    penalty_rate=wad("0.004"), reward_rate=wad("0.001"), reward_min=0, reward_max=wad(1_000), full_below=0
)
TIERS = (Tier(wad(10**7), wad("0.02"), wad("0.01")),)
FUND = 1_000
EXAMPLE = pytest.mark.exchange(
    markets=(plain_market(tiers=TIERS, liquidation=RULES),), vault=VaultParams(breaker_trip=wad(1))
)


def tokens(value: str, decimals: int) -> int:
    return int(Decimal(value) * 10**decimals)


@BOTH_DECIMALS
@EXAMPLE
@pytest.mark.parametrize(
    ("side", "fill", "penalty", "cover", "kept", "reward", "fund"),
    [
        (LONG, 9_750, "39", "0", "11", "9.75", "29.25"),
        (LONG, 9_720, "20", "0", "0", "9.72", "10.28"),
        (LONG, 9_700, "0", "0", "0", "9.70", "-9.70"),
        (LONG, 9_690, "0", "10", "0", "9.69", "-19.69"),
        (SHORT, 10_250, "41", "0", "9", "10.25", "30.75"),
        (SHORT, 10_280, "20", "0", "0", "10.28", "9.72"),
        (SHORT, 10_300, "0", "0", "0", "10.30", "-10.30"),
        (SHORT, 10_310, "0", "10", "0", "10.31", "-20.31"),
    ],
)
def test_liquidation_against_the_bankruptcy_price(
    exchange, maker, keeper, decimals, side, fill, penalty, cover, kept, reward, fund
):
    fund_vault(exchange, FUND)
    trader = exchange.actor("loser", deposit=300)
    exchange.open(side, trader, maker, 1, 10_000)
    exchange.move(9_750 if side == LONG else 10_250)
    assert trader.equity == wad(50)
    assert trader.bankruptcy_price() == wad(9_700 if side == LONG else 10_300)
    maker.order(side, 1, fill)
    before, fund_before = keeper.collateral, exchange.fund

    done = keeper.liquidate(trader).named("Liquidated")[0]

    assert (done.penalty, done.cover, done.reward) == (wad(penalty), wad(cover), wad(reward))
    assert trader.size() == 0
    assert trader.collateral == wad(kept)
    assert keeper.collateral - before == wad(reward)
    assert exchange.fund - fund_before == tokens(fund, decimals)
    exchange.check_invariants()


@EXAMPLE
def test_liquidation_price_of_the_example_is_where_equity_equals_maintenance_margin(exchange, maker):
    trader = exchange.actor("loser", deposit=300)
    exchange.open(LONG, trader, maker, 1, 10_000)
    exchange.move(9_750)
    price = trader.liquidation_price()
    assert abs(price - wad(9_700) * 100 // 99) <= 1
    exchange.move(Decimal(price + 10**6) / 10**18)
    equity, _, maintenance = trader.health
    assert equity >= maintenance
    exchange.move(Decimal(price - 10**6) / 10**18)
    equity, _, maintenance = trader.health
    assert equity < maintenance


@BOTH_DECIMALS
@EXAMPLE
def test_deleveraging_by_index_shares_the_deficit_by_size(exchange, maker, keeper, decimals):
    loser = exchange.actor("loser", deposit=300)
    first = exchange.actor("first short", deposit=100_000)
    second = exchange.actor("second short", deposit=100_000)
    exchange.open(LONG, loser, first, 1, 10_000)
    exchange.open(LONG, maker, first, "0.5", 10_000)
    exchange.open(LONG, maker, second, "0.5", 10_000)
    exchange.move(9_600)
    assert loser.equity == -wad(100)
    assert loser.bankruptcy_price() == wad(9_700)
    before = first.equity, second.equity

    receipt = keeper.liquidate(loser, with_deleverage=True).named("DeleverageReceipt")[0]

    assert receipt.haircut == receipt.deficit == wad(100)
    assert receipt.bankruptcy_price == wad(9_700)
    assert (first.size(), second.size()) == (-wad("0.75"), -wad("0.25"))
    assert (before[0] - first.equity, before[1] - second.equity) == (wad(75), wad(25))
    assert loser.equity == 0
    exchange.check_invariants()


@EXAMPLE
def test_a_position_closed_by_half_through_the_index_keeps_its_average_entry(exchange, maker, keeper):
    holder = exchange.actor("holder", deposit=100_000)
    loser = exchange.actor("loser", deposit=300)
    exchange.move(9_400)
    exchange.open(SHORT, loser, holder, 1, 9_400)
    exchange.open(LONG, maker, exchange.actor("other short", deposit=100_000), 1, 9_400)
    exchange.move(9_800)
    collateral = holder.collateral

    keeper.liquidate(loser, with_deleverage=True)

    size, entry, pending = holder.position()
    assert (size, entry) == (wad("0.5"), wad(4_700))
    # half of it closed at the bankruptcy price 9,700
    assert holder.collateral + pending - collateral == wad(4_850) - wad(4_700)
    assert exchange.top() == (0, 0)
