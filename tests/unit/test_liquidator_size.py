"""How much a liquidation closes: back to (1 + b) of the maintenance margin, or everything."""

from __future__ import annotations

from typing import Any

import pytest
from support import BOTH_DECIMALS, BOTH_SIDES, LONG, SHORT, Actor, Exchange, deployed
from support.distress import DISTRESS, TERMS, away, distress_market, positioned

from perpsim.protocol import WAD, ProtocolParams, Tier, wad


def closable(exchange: Exchange, whom: Actor) -> int:
    """What the contract would close, WAD."""
    return int(exchange.liquidator.view("closable", whom.account, 0))


def part(equity: int, maintenance: int, mark: int, rate: str = "0.05") -> int:
    """q = ((1 + b) MM - E) / (mark * ((1 + b) mmr - penalty)), rounded up; WAD."""
    freed = wad(rate) * (WAD + TERMS.buffer) // WAD - TERMS.penalty_rate
    missing = maintenance * (WAD + TERMS.buffer) // WAD - equity
    return -(-missing * WAD // (mark * freed // WAD))


@DISTRESS
@BOTH_DECIMALS
@pytest.mark.parametrize("side, stake", [(LONG, 10_050), (SHORT, 10_580)])
def test_a_part_restores_the_margin_and_its_buffer(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int, stake: int
) -> None:
    """Filled at the mark, the account is left with 1.25 of its maintenance margin, to a few wei."""
    loser = positioned(exchange, side, stake=stake)
    mark = away(side, "532.1")
    exchange.move(mark)
    equity, _, maintenance = loser.health
    size = closable(exchange, loser)
    assert size == part(equity, maintenance, wad(mark))
    maker.order(side, 10, mark)
    event = keeper.liquidate(loser).event("Liquidated")
    assert event.closed == size < wad(10)
    assert event.penalty == -(-event.notional * TERMS.penalty_rate // WAD)
    equity, _, maintenance = loser.health
    # the size was rounded up to the next wei, which is worth the mark in wei
    assert abs(equity - maintenance * 5 // 4) <= 2 * wad(mark) // WAD
    assert closable(exchange, loser) == 0
    exchange.check_invariants(dust=10, size_dust=0)


@DISTRESS
@pytest.mark.parametrize(
    "side, stake, whole",
    [
        # mark 9,300: maintenance margin 4,650, two thirds of it 3,100; equity = stake - 7,000
        (LONG, "10100", False),
        (LONG, "10099.99", True),
        # mark 10,700: 5,350, two thirds 3,566.67
        (SHORT, "10566.67", False),
        (SHORT, "10566.66", True),
    ],
)
def test_everything_goes_below_the_full_threshold(
    exchange: Exchange, side: int, stake: str, whole: bool
) -> None:
    """At two thirds of the maintenance margin a part is enough, a cent below it is not."""
    loser = positioned(exchange, side, stake=stake)
    exchange.move(away(side, 700))
    assert (closable(exchange, loser) == wad(10)) == whole


@pytest.mark.exchange(markets=(distress_market(full_threshold=0, full_below=wad(95_000)),))
@pytest.mark.parametrize(
    "side, size, stake, whole",
    [
        # mark 9,470: 94,700 and 95,078.80
        (LONG, "10", "10000", True),
        (LONG, "10.04", "10040", False),
        # mark 10,530: 94,770 and 95,085.90
        (SHORT, "9", "9400", True),
        (SHORT, "9.03", "9400", False),
    ],
)
def test_everything_goes_below_a_notional(
    exchange: Exchange, side: int, size: str, stake: str, whole: bool
) -> None:
    """Positions worth less than `full_below` are not cut."""
    loser = positioned(exchange, side, size=size, stake=stake)
    exchange.move(away(side, 530))
    assert closable(exchange, loser) > 0
    assert (closable(exchange, loser) == wad(size)) == whole


@BOTH_SIDES
@pytest.mark.parametrize("min_size, closed", [("3", "3"), ("5", "5"), ("6", "10")])
def test_no_dust_is_closed_or_left(side: int, min_size: str, closed: str) -> None:
    """The part is some 2.2 of 10: at least the book's minimum is closed, and never less than it is left."""
    market = distress_market(min_size=wad(min_size))
    with deployed(ProtocolParams(markets=(market,))) as exchange:
        loser = positioned(exchange, side, stake=10_000 if side > 0 else 10_560)
        exchange.move(away(side, 530))
        assert closable(exchange, loser) == wad(closed)


@BOTH_SIDES
@pytest.mark.parametrize("penalty", ["0.0625", "0.062501", "0.25"])
def test_everything_goes_where_closing_frees_too_little(side: int, penalty: str) -> None:
    """With a penalty of (1 + b) times the maintenance rate, or more, no part would ever be enough."""
    with deployed(ProtocolParams(markets=(distress_market(penalty_rate=wad(penalty)),))) as exchange:
        loser = positioned(exchange, side, stake=10_000 if side > 0 else 10_560)
        exchange.move(away(side, 530))
        assert closable(exchange, loser) == wad(10)


TIERED = (Tier(wad(50_000), wad("0.1"), wad("0.05")), Tier(wad(10**8), wad("0.2"), wad("0.1"), wad(2_500)))


@pytest.mark.exchange(markets=(distress_market(tiers=TIERED),))
@pytest.mark.parametrize("side, mark", [(LONG, 8_880), (SHORT, 10_920)])
def test_the_part_is_worked_out_with_the_marginal_rate(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int, mark: int
) -> None:
    """In the second tier of 10 % closing frees 10 % of the notional, although less is required on average."""
    loser = positioned(exchange, side, stake=17_500)
    exchange.move(mark)
    equity, _, maintenance = loser.health
    assert maintenance == wad(mark) - wad(2_500)
    maker.order(side, 10, mark)
    event = keeper.liquidate(loser).event("Liquidated")
    assert event.closed == part(equity, maintenance, wad(mark), "0.1")
    equity, _, maintenance = loser.health
    assert abs(equity - maintenance * 5 // 4) <= 2 * mark


@DISTRESS
@pytest.mark.parametrize("rate", ["0.000000000001", "0.05", "0.5", "0.55", "0.999999999999", "1"])
def test_the_marginal_rate_is_known_whatever_it_is(exchange: Exchange, trader: Actor, rate: str) -> None:
    tiers = [Tier(wad(10**8), wad(1), wad(rate))]
    exchange.owner.send(exchange.parameters, "set_margin_tiers", 0, tiers)
    standing = exchange.clearinghouse.view("standing", trader.account, 0)
    assert standing.maintenance_rate == wad(rate)


@DISTRESS
@BOTH_SIDES
def test_a_larger_max_size_than_there_is_is_clamped(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int
) -> None:
    """The position got smaller before the keeper's transaction came in: it closes what there is."""
    loser = positioned(exchange, side)
    exchange.move(away(side, 800))
    maker.order(side, 30, away(side, 800))
    assert keeper.liquidate(loser, 3).value == wad(3)
    assert keeper.liquidate(loser, 10).value == wad(7)
    assert loser.size() == 0


@DISTRESS
@BOTH_SIDES
@pytest.mark.parametrize(
    "most, closed", [("0.000000000000000001", "0.001"), ("0.001", "0.001"), ("2.5", "2.5"), ("0", "0")]
)
def test_a_smaller_max_size_closes_less(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int, most: str, closed: str
) -> None:
    """But never slivers below the book's minimum; nothing at all only cancels orders."""
    loser = positioned(exchange, side)
    exchange.move(away(side, 700))
    maker.order(side, 10, away(side, 700))
    assert keeper.liquidate(loser, most).value == wad(closed)
    assert abs(loser.size()) == wad(10) - wad(closed)


@pytest.mark.exchange(markets=(distress_market(), distress_market()))
@BOTH_SIDES
@pytest.mark.parametrize("most", [None, 0])
def test_the_resting_orders_of_that_market_are_cancelled(
    exchange: Exchange, keeper: Actor, side: int, most: Any
) -> None:
    """So that they cannot take the margin that the liquidation frees; other markets are left alone."""
    loser = positioned(exchange, side, stake=12_000)
    orders = [loser.order(-side, 1, away(-side, 100 + i), reduce_only=i % 2 == 0).id for i in range(5)]
    orders += [loser.order(side, "0.1", away(side, 900 + i)).id for i in range(5)]
    elsewhere = loser.order(side, "0.1", away(side, 900), market=1).id
    assert loser.orders() == orders
    exchange.move(away(side, 1_000))
    sent = keeper.liquidate(loser, most)
    assert sorted(event.order_id for event in sent.named("OrderRemoved")) == orders
    assert {event.reason for event in sent.named("OrderRemoved")} == {6}
    assert loser.orders() == [] and loser.orders(market=1) == [elsewhere]
    exchange.check_invariants(dust=0, size_dust=0)
