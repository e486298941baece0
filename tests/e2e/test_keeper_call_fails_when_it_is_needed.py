"""A liquidation reverts, closes nothing, or pays twice, because something about the account is odd."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from support import BOTH_SIDES, IOC, Actor, Exchange, plain_market
from support.distress import (
    DISTRESS,
    NO_BREAKER,
    START_PRICE,
    TERMS,
    away,
    distress_market,
    fund_vault,
    positioned,
)

from perpsim.chain import Revert
from perpsim.protocol import WAD, wad

WEI = Decimal(1) / WAD
EXACT = pytest.mark.parametrize("decimals", [18])


# odd equities

#: equity at a mark 2,000 away from the entry of a position of 10, with a maintenance margin of 5 %
ODD = {
    "a wei below the maintenance margin": lambda margin: margin - WEI,
    "a wei": lambda margin: WEI,
    "nothing": lambda margin: Decimal(0),
    "a wei of debt": lambda margin: -WEI,
    "half its stake in debt": lambda margin: Decimal(-5_000),
    "more than its stake in debt": lambda margin: Decimal(-9_999),
}


@EXACT
@DISTRESS
@BOTH_SIDES
@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("fund", ["0.000000000000000001", 100_000])
@pytest.mark.parametrize("bid", [None, 1_900, 2_100])
def test_it_does_not_revert_at_any_equity(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int, name: str, fund: object, bid: int | None
) -> None:
    """With bids and without, good and bad, with and without a fund: it does what there is to do."""
    margin = 10 * away(side, 2_000) / 20
    equity = ODD[name](margin)
    if fund:
        fund_vault(exchange, fund)
    loser = positioned(exchange, side, stake=20_000 + equity)
    exchange.move(away(side, 2_000))
    assert Decimal(loser.equity) == equity * WAD
    if bid is not None:
        maker.order(side, 10, away(side, bid))
    bankrupt = loser.equity < 0
    sent = keeper.liquidate(loser, with_deleverage=True)
    if bid is not None and bid <= 2_000:
        assert sent.value > 0
    if bankrupt:
        assert loser.size() == 0 and loser.collateral >= 0
        assert exchange.clearinghouse.view("unpaid", 0) == 0
    elif loser.equity < loser.health.maintenance:
        # nothing that anybody would take: solvent, it waits for a bid
        maker.order(side, 10, away(side, 2_000))
        assert keeper.liquidate(loser).value > 0
    exchange.check_invariants(dust=10**6, size_dust=100)


@DISTRESS
@BOTH_SIDES
@pytest.mark.parametrize("move", [9_999, "9999.999", 5_001, -6_777])
def test_it_does_not_revert_however_deep_the_hole(
    exchange: Exchange, keeper: Actor, side: int, move: object
) -> None:
    """The price to a thousandth, or up by two thirds: the debt is a multiple of all that was ever staked."""
    price = away(side, move) if side > 0 else 10_000 + abs(Decimal(str(move)))
    loser = positioned(exchange, side)
    exchange.move(price)
    if loser.equity >= loser.health.maintenance:
        with pytest.raises(Revert, match="liquidate: healthy"):
            keeper.liquidate(loser)
        return
    keeper.liquidate(loser, with_deleverage=True)
    assert loser.size() == loser.collateral == 0
    exchange.check_invariants(dust=10**6, size_dust=100)


# several markets

EIGHT = tuple(distress_market() for _ in range(8))


@pytest.mark.exchange(markets=EIGHT)
@BOTH_SIDES
def test_no_market_is_skipped_while_the_list_of_markets_is_reordered(exchange: Exchange, side: int) -> None:
    """Positions in eight markets; closing one changes the set that the next call looks through."""
    loser = exchange.actor("loser", deposit=8_008)
    winner = exchange.actor("winner", deposit=10**6)
    bids = exchange.actor("bids", deposit=10**6)
    for market in range(8):
        exchange.open(side, loser, winner, 1, 10_000, market=market)
    exchange.wait(12)
    for market in range(8):
        exchange.owner.send(exchange.oracle, "post", market, wad(away(side, 1_000)), exchange.now)
        bids.order(side, 1, away(side, 1_000), market=market)
    keeper = exchange.actor("keeper", deposit=1)
    assert loser.equity == wad(8)
    draw = random.Random(8)
    orders = [range(8), range(7, -1, -1), *(draw.sample(range(8), 8) for _ in range(6))]
    for order in orders:
        with exchange.isolated():
            left = set(range(8))
            for market in order:
                assert keeper.liquidate(loser, market=market).value == wad(1)
                left.remove(market)
                assert {m for m in range(8) if loser.size(m)} == left
                with pytest.raises(Revert, match="liquidate: no position"):
                    keeper.liquidate(loser, market=market)
            # each market took the penalty out of its share of the equity
            assert 0 <= loser.collateral <= 10
            exchange.check_invariants(dust=1_000, size_dust=0)


# in front of the keeper


@DISTRESS
@BOTH_SIDES
@pytest.mark.parametrize("shrunk", ["0.001", 1, 5])
def test_a_size_that_shrinks_before_the_call_does_not_make_it_revert(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int, shrunk: object
) -> None:
    """The keeper names the size that it saw; the loser has sold a bit of it in between."""
    fund_vault(exchange, 10**6)
    loser = positioned(exchange, side)
    exchange.move(away(side, 900))
    seen = loser.size() * side
    maker.order(side, 30, away(side, 900))
    loser.order(-side, shrunk, away(side, 900), IOC, reduce_only=True)
    sent = keeper.send(exchange.liquidator, "liquidate", loser.account, 0, seen, False)
    assert sent.value == seen - wad(shrunk) and loser.size() == 0


@DISTRESS
@BOTH_SIDES
def test_bids_that_are_gone_before_the_call_do_not_make_it_revert(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int
) -> None:
    loser = positioned(exchange, side)
    exchange.move(away(side, 900))
    order = maker.order(side, 10, away(side, 900)).id
    maker.cancel(order)
    assert keeper.liquidate(loser).value == 0
    # and a loser who is sound again is told so
    loser.deposit(50_000)
    with pytest.raises(Revert, match="liquidate: healthy"):
        keeper.liquidate(loser)


@DISTRESS
@BOTH_SIDES
@pytest.mark.parametrize("distance", [900, 1_400])
def test_the_reward_is_paid_once_in_a_block(
    exchange: Exchange, maker: Actor, side: int, distance: int
) -> None:
    """Two keepers and one of them twice, all in one block: together what one of them would have had."""
    fund_vault(exchange, 10**6)
    loser = positioned(exchange, side)
    keepers = [exchange.actor(f"keeper {i}", deposit=1) for i in range(2)]
    exchange.move(away(side, distance))
    if distance == 900:
        maker.order(side, 10, away(side, distance))
    # after a deleveraging it is the treasury's fees that pay what the fund does not
    with exchange.isolated():
        due = keepers[0].liquidate(loser, with_deleverage=True).event("Liquidated").reward
    rewards = []
    for keeper in (*keepers, keepers[0]):
        for function in ("liquidate", "deleverage"):
            try:
                if function == "liquidate":
                    sent = keeper.liquidate(loser, with_deleverage=True)
                else:
                    sent = keeper.send(exchange.liquidator, "deleverage", loser.account, 0)
                rewards.append(sent.event("Liquidated").reward)
            except Revert as error:
                assert error.reason in ("liquidate: no position", "deleverage: not bankrupt")
    assert rewards == [due] and due > 0
    assert sum(keeper.collateral for keeper in keepers) == wad(2) + due


# stopped by a parameter


@DISTRESS
@BOTH_SIDES
@pytest.mark.parametrize("cap", [0, "0.000001", 5, 10])
@pytest.mark.parametrize("distance", [700, 1_400])
def test_an_open_interest_cap_does_not_block_it(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int, cap: object, distance: int
) -> None:
    """Lowered to nothing since: who takes the position over adds no open interest."""
    loser = positioned(exchange, side)
    exchange.owner.send(exchange.parameters, "set_open_interest_cap", 0, wad(cap))
    exchange.move(away(side, distance))
    if distance == 700:
        maker.order(side, 10, away(side, distance))
    assert keeper.liquidate(loser, with_deleverage=True).value == wad(10)
    assert maker.size() == (side * wad(10) if distance == 700 else 0)
    exchange.check_invariants(dust=100, size_dust=0)


@DISTRESS
@BOTH_SIDES
def test_a_paused_market_can_be_closed_as_well_as_liquidated(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int
) -> None:
    """The guardian stops opening: the loser still gets out by himself, in front of the keeper."""
    guardian = exchange.actor("guardian")
    exchange.owner.send(exchange.parameters, "set_guardian", guardian.address)
    loser, slower = positioned(exchange, side), positioned(exchange, side, "slower")
    maker.order(side, 20, away(side, 700))
    exchange.move(away(side, 700))
    guardian.send(exchange.parameters, "set_close_only", 0, True)
    assert loser.order(-side, 4, away(side, 700), IOC, reduce_only=True).filled == wad(4)
    assert loser.order(-side, 6, away(side, 700), IOC).filled == wad(6)
    assert loser.equity == wad(3_000)
    loser.withdraw(3_000)
    slower.deposit(1)
    slower.cancel_all()
    with pytest.raises(Revert, match="order: market is close-only"):
        slower.order(side, "0.001", away(side, 690))
    assert keeper.liquidate(slower).value == wad(10)


# dust

GRID = plain_market(
    liquidation=TERMS._replace(full_below=0, full_threshold=0, buffer=wad("0.05")),
    lot_size=wad("0.1"),
    min_size=wad("0.1"),
)


@pytest.mark.exchange(markets=(GRID,), vault=NO_BREAKER)
@BOTH_SIDES
@pytest.mark.parametrize(
    "most, distance",
    [(most, distance) for most in (None, "0.05", "0.1", "0.35", "0.95") for distance in (600, 930)],
)
def test_no_dust_is_left_that_nobody_would_liquidate(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int, most: object, distance: int
) -> None:
    """Whatever size a keeper asks for, the account is left with nothing or with an order's worth at least;
    the reward for the rest is that for its size, never nothing."""
    fund_vault(exchange, 10**6)
    loser = positioned(exchange, side, size=1, stake=1_000)
    maker.order(side, 2, away(side, distance))
    exchange.move(away(side, distance))
    for _ in range(30):
        if loser.size() == 0 or loser.equity >= loser.health.maintenance:
            break
        event = keeper.liquidate(loser, most).event("Liquidated")
        left = abs(loser.size())
        assert event.closed and event.reward
        assert left == 0 or left >= wad("0.1")
    else:
        pytest.fail("it never ends")


@DISTRESS
@BOTH_SIDES
def test_dust_that_deleveraging_left_can_be_closed_and_liquidated(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int
) -> None:
    """The other side was closed down to a few wei each: off the grid, its holders get rid of it all the
    same."""
    dusty = exchange.actor("dusty", deposit=1_000)
    early = exchange.actor("early", deposit=10**8)
    exchange.open(-side, dusty, exchange.actor("loser", deposit=200_000), "0.001", START_PRICE)
    loser = exchange.actor("loser")
    exchange.open(-side, early, loser, "99.998", START_PRICE)
    holder = exchange.actor("holder", deposit=100_000)
    exchange.open(side, holder, early, "0.003", START_PRICE)
    exchange.move(away(side, 4_000))
    keeper.liquidate(loser, with_deleverage=True)
    left = abs(dusty.size())
    assert 0 < left < wad("0.000001")
    mark = exchange.mark()
    maker.order(-side, 1, _text(mark))
    args = (side > 0, mark, left, IOC, True, 0)
    dusty.send(exchange.book, "place", *args)
    assert dusty.size() == 0
    dusty.send(exchange.clearinghouse, "withdraw", dusty.withdrawable)
    assert dusty.collateral < exchange.unit()
    # the same crumb, liquidated
    crumb, left_over = early, abs(early.size())
    assert 0 < left_over < wad("0.01")
    crumb.send(exchange.clearinghouse, "withdraw", crumb.withdrawable)
    exchange.move(away(side, -6_000))
    assert keeper.liquidate(crumb, with_deleverage=True).value == left_over and crumb.size() == 0
    exchange.check_invariants(dust=10**8)


def _text(price: int) -> str:
    return f"{price // WAD}.{price % WAD:018d}"
