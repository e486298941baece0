"""What a liquidation does when it fills better than, at and worse than the bankruptcy price.

The account holds 10 at 10,000 with a stake of 10,000, so it is bankrupt at 9,000 (a short: at 11,000).
The market is plain: maintenance margin 5 %, penalty 0.5 % of the notional closed, keeper's reward 0.1 %.
The mark goes to 9,300 (10,700): equity 3,000 is below two thirds of the maintenance margin of 4,650 (5,350),
so everything is closed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from support import BOTH_DECIMALS, BOTH_SIDES, LONG, SHORT, Actor, Exchange
from support.distress import DISTRESS, NO_BREAKER, away, distress_market, fund_vault, positioned

from perpsim.protocol import wad

FUND = 50_000
#: what a wei of size is worth, and the rounding of its sums (WAD)
CRUMB = 1_000


class Money(NamedTuple):
    """Whole tokens: what the account keeps, the fund's change, the keeper's reward, penalty and cover."""

    kept: str
    fund: str
    reward: str
    penalty: str = "0"
    cover: str = "0"


def liquidated(
    exchange: Exchange, side: int, distance: Any, keeper: Actor, maker: Actor
) -> tuple[Actor, Any]:
    """Liquidate against one order of the whole size, that far from the entry."""
    loser = positioned(exchange, side)
    exchange.move(away(side, 700))
    assert loser.bankruptcy_price() == wad(away(side, 1_000))
    maker.order(side, 10, away(side, distance))
    return loser, keeper.liquidate(loser).event("Liquidated")


def check(
    exchange: Exchange, loser: Actor, keeper: Actor, event: Any, money: Money, closed: Any = 10
) -> None:
    """Everybody's money and the log, to the wei."""
    assert loser.collateral == wad(money.kept)
    assert exchange.fund * exchange.unit() == wad(FUND) + wad(money.fund)
    assert keeper.collateral == wad(1_000_000) + wad(money.reward)
    assert (event.closed, event.penalty, event.cover, event.reward) == (
        wad(closed),
        wad(money.penalty),
        wad(money.cover),
        wad(money.reward),
    )
    exchange.check_invariants(dust=0, size_dust=0)


@DISTRESS
@BOTH_DECIMALS
@pytest.mark.parametrize(
    "side, distance, money",
    [
        # sold at 9,200: 2,000 more than at 9,000; penalty 0.5 % of 92,000, the keeper gets 92
        (LONG, 800, Money("1540", "368", "92", penalty="460")),
        (SHORT, 800, Money("1460", "432", "108", penalty="540")),
        # above the mark, even
        (LONG, 600, Money("3530", "376", "94", penalty="470")),
        (SHORT, 600, Money("3470", "424", "106", penalty="530")),
        # the surplus of 200 is less than 0.5 % of the notional
        (LONG, 980, Money("0", "109.8", "90.2", penalty="200")),
        (SHORT, 980, Money("0", "90.2", "109.8", penalty="200")),
        # the surplus of 10 is less than the reward: the fund adds the rest
        (LONG, 999, Money("0", "-80.01", "90.01", penalty="10")),
        (SHORT, 999, Money("0", "-99.99", "109.99", penalty="10")),
    ],
)
def test_better_than_the_bankruptcy_price_pays_a_penalty(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int, distance: int, money: Money
) -> None:
    """penalty = min(rate * notional, surplus), to the fund net of the reward; the account keeps the rest."""
    fund_vault(exchange, FUND)
    loser, event = liquidated(exchange, side, distance, keeper, maker)
    check(exchange, loser, keeper, event, money)


@DISTRESS
@BOTH_DECIMALS
@pytest.mark.parametrize("side, reward", [(LONG, "90"), (SHORT, "110")])
def test_at_the_bankruptcy_price_nothing_moves(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int, reward: str
) -> None:
    """No penalty, no cover; the account is left with nothing and the fund pays the keeper alone."""
    fund_vault(exchange, FUND)
    loser, event = liquidated(exchange, side, 1_000, keeper, maker)
    check(exchange, loser, keeper, event, Money("0", f"-{reward}", reward))


@DISTRESS
@BOTH_DECIMALS
@BOTH_SIDES
def test_at_the_bankruptcy_price_with_an_empty_fund(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int
) -> None:
    """Nobody can pay a reward, and nobody does."""
    loser, event = liquidated(exchange, side, 1_000, keeper, maker)
    assert (loser.collateral, loser.size(), exchange.fund) == (0, 0, 0)
    assert (event.penalty, event.cover, event.reward) == (0, 0, 0)
    assert keeper.collateral == wad(1_000_000)
    exchange.check_invariants(dust=0, size_dust=0)


@DISTRESS
@BOTH_DECIMALS
@pytest.mark.parametrize(
    "side, money",
    [
        # sold at 8,900: 1,000 short of what 9,000 gives
        (LONG, Money("0", "-1089", "89", cover="1000")),
        (SHORT, Money("0", "-1111", "111", cover="1000")),
    ],
)
def test_worse_than_the_bankruptcy_price_is_paid_by_the_fund(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int, money: Money
) -> None:
    """The fund makes the account whole at once; the maker trades at its own price."""
    fund_vault(exchange, FUND)
    loser, event = liquidated(exchange, side, 1_100, keeper, maker)
    check(exchange, loser, keeper, event, money)
    assert maker.position() == (side * wad(10), side * wad(10 * away(side, 1_100)), 0)
    assert exchange.vault.view("ledger", 0).deficit * exchange.unit() == wad(1_000)


def assert_six_of_ten(loser: Actor, event: Any) -> None:
    """The cover never exceeds the coverage, so a wei of size may stay behind, and its cover."""
    assert 0 <= wad(6) - event.closed <= 1 and 0 <= wad(600) - event.cover < CRUMB
    assert abs(loser.size()) == wad(10) - event.closed
    assert 0 <= loser.equity - wad(1_200) < 2 * CRUMB


@pytest.mark.exchange(markets=(distress_market(),), vault=NO_BREAKER)
@BOTH_DECIMALS
@BOTH_SIDES
def test_worse_than_the_bankruptcy_price_as_far_as_the_coverage_goes(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int
) -> None:
    """600 of the 1,000 needed close 6 of 10; the rest stays open with its share of the equity."""
    fund_vault(exchange, 600)
    loser, event = liquidated(exchange, side, 1_100, keeper, maker)
    assert_six_of_ten(loser, event)
    assert exchange.fund * exchange.unit() < CRUMB
    assert keeper.collateral - wad(1_000_000) < CRUMB
    exchange.check_invariants(dust=0, size_dust=0)


@pytest.mark.exchange(markets=(distress_market(),))
@BOTH_DECIMALS
@BOTH_SIDES
def test_the_breaker_limits_the_cover(exchange: Exchange, keeper: Actor, maker: Actor, side: int) -> None:
    """Of a fund of 2,000 only 600 may go before the fall reaches 30 %."""
    fund_vault(exchange, 2_000)
    loser, event = liquidated(exchange, side, 1_100, keeper, maker)
    assert_six_of_ten(loser, event)
    assert 0 <= exchange.fund * exchange.unit() - wad(1_400) < CRUMB
    assert exchange.vault.view("breaker_state").is_open


@pytest.mark.exchange(markets=(distress_market(surplus_share=wad("0.25")),))
@BOTH_DECIMALS
@pytest.mark.parametrize("side, kept, penalty", [(LONG, "1155", "845"), (SHORT, "1095", "905")])
def test_a_share_of_the_surplus_goes_to_the_fund_too(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int, kept: str, penalty: str
) -> None:
    """A quarter of the 1,540 (1,460) that the penalty leaves."""
    loser, event = liquidated(exchange, side, 800, keeper, maker)
    assert loser.collateral == wad(kept) and event.penalty == wad(penalty)
    assert exchange.fund * exchange.unit() == wad(penalty) - event.reward
    exchange.check_invariants(dust=0, size_dust=0)


@pytest.mark.exchange(markets=(distress_market(surplus_share=wad(1)),))
@BOTH_SIDES
def test_the_classic_rule_takes_all_of_the_surplus(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int
) -> None:
    """surplus_share 1: nothing is left to the account."""
    loser, event = liquidated(exchange, side, 800, keeper, maker)
    assert loser.collateral == 0 and event.penalty == wad(2_000)


@DISTRESS
@BOTH_DECIMALS
@pytest.mark.parametrize("side, penalty, cover", [(LONG, "319", "119"), (SHORT, "381", "181")])
def test_fills_on_both_sides_of_the_bankruptcy_price(
    exchange: Exchange, keeper: Actor, maker: Actor, rival: Actor, side: int, penalty: str, cover: str
) -> None:
    """What a fill leaves is there for the next one.

    Long: 4 at 9,200 lose 400 against the mark and pay 184; of 2,416 left a half may go with the next 3: at
    9,000 they lose 900 and pay 135; of the last 1,381 the 3 at 8,800 lose all and 119 more.
    Short: 4 at 10,800 lose 400 and pay 216, 2,384 left; 3 at 11,000 lose 900 and pay 165, 1,319 left; 3 at
    11,200 lose 1,500.
    """
    fund_vault(exchange, FUND)
    loser = positioned(exchange, side)
    exchange.move(away(side, 700))
    maker.order(side, 4, away(side, 800))
    rival.order(side, 3, away(side, 1_000))
    maker.order(side, 3, away(side, 1_200))
    event = keeper.liquidate(loser).event("Liquidated")
    assert (event.closed, event.penalty, event.cover) == (wad(10), wad(penalty), wad(cover))
    assert loser.collateral == 0
    exchange.check_invariants(dust=0, size_dust=0)
