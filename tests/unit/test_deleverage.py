"""Deleveraging by index: who, when, at what price, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest
from support import BOTH_DECIMALS, BOTH_SIDES, Actor, Exchange, deployed
from support.distress import DISTRESS, NO_BREAKER, away, distress_market, fund_vault, positioned

from perpsim.chain import Revert
from perpsim.protocol import WAD, ProtocolParams, wad

WHOLE_VAULT = pytest.mark.exchange(markets=(distress_market(),), vault=NO_BREAKER)
EXACT = pytest.mark.parametrize("decimals", [18])


def exact(wei: int) -> str:
    """A WAD amount as people write it."""
    sign = "-" if wei < 0 else ""
    return f"{sign}{abs(wei) // WAD}.{abs(wei) % WAD:018d}"


def deleverage(keeper: Actor, whom: Actor, market: int = 0) -> Any:
    """The keeper's call."""
    return keeper.send(keeper.exchange.liquidator, "deleverage", whom.account, market)


@DISTRESS
@EXACT
@BOTH_SIDES
@pytest.mark.parametrize("wei", [1, 0, -1])
def test_only_of_a_bankrupt_account(exchange: Exchange, keeper: Actor, side: int, wei: int) -> None:
    """Equity below zero, by a wei if need be."""
    loser = positioned(exchange, side, stake=exact(wad(10_010) + wei))
    exchange.move(away(side, 1_001))
    assert loser.equity == wei
    if wei >= 0:
        with pytest.raises(Revert, match="deleverage: not bankrupt"):
            deleverage(keeper, loser)
        assert keeper.liquidate(loser, with_deleverage=True).named("DeleverageReceipt") == []
        assert loser.size() == side * wad(10)
    else:
        receipt = deleverage(keeper, loser).event("DeleverageReceipt")
        assert (receipt.deficit, receipt.haircut, receipt.quantity) == (1, 1, wad(10))


@DISTRESS
@EXACT
@BOTH_SIDES
@pytest.mark.parametrize("odd", [0, 1, 2, 333_333_333_333_333_333, 999_999_999_999_999_999])
@pytest.mark.parametrize("size", ["10", "0.001", "7.123", "123.457"])
def test_the_haircut_is_the_shortfall_to_the_wei(
    exchange: Exchange, keeper: Actor, side: int, odd: int, size: str
) -> None:
    """Whatever does not divide: the winners lose, against the mark, exactly what the account is short of."""
    loser = positioned(exchange, side, size=size, stake=exact(wad(size) * 1_000 + odd % 10**9))
    mark = wad(away(side, 1_500)) + odd
    exchange.move(exact(mark))
    winner = exchange.actor("winner")
    short_of, before = -loser.equity, winner.equity
    event = deleverage(keeper, loser).event("DeleverageReceipt")
    assert event.deficit == event.haircut == short_of > 0
    assert event.mark == mark and event.quantity == wad(size)
    # both equities are rounded down, and so is what the winner gets
    assert -1 <= before - winner.equity - short_of <= 2
    assert (loser.collateral, loser.size(), winner.size()) == (0, 0, 0)
    exchange.check_invariants(dust=5, size_dust=0)


@DISTRESS
@BOTH_DECIMALS
@BOTH_SIDES
def test_the_other_side_pays_by_size(
    exchange: Exchange, keeper: Actor, trader: Actor, rival: Actor, taker: Actor, side: int
) -> None:
    """10 of 40 at the bankruptcy price: a quarter of everybody's position, whether it gains or loses.

    Nobody's entry price changes, nobody flips, and the bankrupt account's own side has no part in it.
    """
    loser = positioned(exchange, side, against="winner")
    exchange.open(side, trader, exchange.actor("winner"), 10, 10_000)
    mark = away(side, 2_000)
    exchange.move(mark)
    # two who came late: one entered at a price that is a loss by now
    exchange.open(side, trader, rival, 16, mark)
    exchange.open(-side, taker, trader, 4, away(side, 2_500))
    before = {actor: (actor.position(), actor.equity) for actor in (*exchange.actors.values(),)}
    event = deleverage(keeper, loser).event("DeleverageReceipt")
    assert event.bankruptcy_price == wad(away(side, 1_000)) and event.haircut == wad(10_000)
    for name, haircut in (("winner", 5_000), ("rival", 4_000), ("taker", 1_000)):
        actor = exchange.actors[name]
        (size, entry, _), equity = before[actor]
        now = actor.position()
        assert now.size * 4 == size * 3 and now.entry * 4 == entry * 3
        assert equity - actor.equity == wad(haircut)
    assert (trader.position(), trader.equity) == before[trader]
    exchange.check_invariants(dust=10, size_dust=0)


@WHOLE_VAULT
@BOTH_SIDES
def test_book_and_vault_come_first(exchange: Exchange, keeper: Actor, maker: Actor, side: int) -> None:
    """Bankrupt by 1,000 with 6 bid at the mark: the vault pays 600, the other side closes the last 4."""
    fund_vault(exchange, 50_000)
    loser = positioned(exchange, side)
    exchange.move(away(side, 1_100))
    maker.order(side, 6, away(side, 1_100))
    sent = keeper.liquidate(loser, with_deleverage=True)
    event, receipt = sent.event("Liquidated"), sent.event("DeleverageReceipt")
    assert (event.closed, event.cover) == (wad(10), wad(600))
    assert (receipt.quantity, receipt.haircut, receipt.deficit) == (wad(4), wad(400), wad(400))
    assert receipt.vault_before == receipt.vault_after == (50_000 - 600) * 10**6
    assert exchange.actor("winner").size() == -side * wad(6)
    exchange.check_invariants(dust=0, size_dust=0)


@WHOLE_VAULT
@BOTH_SIDES
def test_max_size_cannot_force_it(exchange: Exchange, keeper: Actor, maker: Actor, side: int) -> None:
    """A keeper who asks for less than the book offers does not get at the other side."""
    fund_vault(exchange, 50_000)
    loser = positioned(exchange, side)
    exchange.move(away(side, 1_100))
    maker.order(side, 10, away(side, 1_100))
    for most in (0, "0.001", 9):
        with exchange.isolated():
            sent = keeper.liquidate(loser, most, with_deleverage=True)
            assert sent.named("DeleverageReceipt") == [] and sent.value == wad(10)
    # nor does one who stops the book's part short and then calls for it
    keeper.liquidate(loser, 1)
    sent = deleverage(keeper, loser)
    assert sent.named("DeleverageReceipt") == [] and sent.value == wad(9)


@DISTRESS
@BOTH_SIDES
def test_not_after_the_account_recovered(exchange: Exchange, keeper: Actor, side: int) -> None:
    """Bankrupt in one block, topped up or rescued by the price in the next."""
    loser, lucky = positioned(exchange, side), positioned(exchange, side, "lucky")
    exchange.move(away(side, 1_100))
    loser.deposit(1_000)
    with pytest.raises(Revert, match="not bankrupt"):
        deleverage(keeper, loser)
    exchange.move(away(side, 1_000))
    with pytest.raises(Revert, match="not bankrupt"):
        deleverage(keeper, lucky)


@DISTRESS
@BOTH_SIDES
def test_it_may_push_a_weak_winner_under_water_who_is_next(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int
) -> None:
    """By index nothing promises otherwise; what he owes then is resolved like any deficit."""
    loser = positioned(exchange, side, against="early")
    mark = away(side, 3_000)
    exchange.move(mark)
    weak = exchange.actor("weak", deposit=mark / 10)
    exchange.open(-side, weak, exchange.actor("early"), 1, mark)
    deleverage(keeper, loser)
    equity = mark / 10 - 2_000
    assert weak.size() == 0 and weak.equity == wad(equity)
    event = keeper.liquidate(weak).event("BadDebtBooked")
    assert event.deficit == -wad(equity)
    exchange.check_invariants(dust=0, size_dust=0)


TWO = (distress_market(), distress_market(tiers=((10**8 * WAD, wad("0.2"), wad("0.1"), 0),)))


@BOTH_SIDES
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("other", [1, -1], ids=["same side", "other side"])
def test_two_markets_share_the_deficit_by_their_losses(side: int, first: int, other: int) -> None:
    """Each bears its part of what both have lost, whichever is closed first."""
    with deployed(ProtocolParams(markets=TWO)) as exchange:
        keeper = exchange.actor("keeper")
        loser = positioned(exchange, side, stake=30_000)
        exchange.open(side * other, loser, exchange.actor("winner"), 5, 10_000, market=1)
        exchange.move(away(side, 2_700))
        exchange.wait(1)
        exchange.owner.send(exchange.oracle, "post", 1, wad(away(side * other, 2_800)), exchange.now)
        equity = loser.equity
        assert equity == wad(30_000 - 27_000 - 14_000)
        losses = [27_000, 14_000]
        receipt = deleverage(keeper, loser, first).event("DeleverageReceipt")
        assert abs(receipt.haircut - -equity * losses[first] // sum(losses)) <= 1
        last = deleverage(keeper, loser, 1 - first).event("DeleverageReceipt")
        assert last.haircut + receipt.haircut == -equity
        assert loser.health == (0, 0, 0) and loser.collateral == 0
        exchange.check_invariants(dust=10, size_dust=0)


@DISTRESS
@BOTH_SIDES
def test_a_whole_side_can_go(exchange: Exchange, keeper: Actor, side: int) -> None:
    """Everybody on a side is bankrupt: each call closes one, the last one starts a new epoch."""
    losers = [positioned(exchange, side, f"loser {i}", size=2, stake=2_000) for i in range(5)]
    exchange.move(away(side, 1_500))
    for i, loser in enumerate(losers):
        receipt = deleverage(keeper, loser).event("DeleverageReceipt")
        assert receipt.haircut == wad(1_000)
        assert exchange.market().open_interest == wad(8 - 2 * i)
    market = exchange.market()
    assert (market.epoch_long, market.epoch_short) == (1, 1)
    assert (market.k_long, market.k_short) == (0, 0) and market.a_long == market.a_short == 10**36
    winner = exchange.actor("winner")
    assert winner.size() == 0
    assert abs(winner.equity - wad(100_000_000 + 10_000)) <= 10
    exchange.check_invariants(dust=20, size_dust=0)


@pytest.mark.exchange(markets=(distress_market(lot_size=1, min_size=1),), vault=NO_BREAKER)
@EXACT
@BOTH_SIDES
@pytest.mark.parametrize("wei", [1, 2])
def test_a_position_of_a_wei_goes_like_any_other(
    exchange: Exchange, keeper: Actor, side: int, wei: int
) -> None:
    """Bankrupt at 9,000 (11,000), which is what its counterparty pays."""
    loser = positioned(exchange, side, size=exact(wei), stake=exact(1_000 * wei))
    exchange.move(away(side, 5_000))
    winner = exchange.actor("winner")
    before = winner.equity
    assert (loser.size(), loser.equity) == (side * wei, -4_000 * wei)
    receipt = deleverage(keeper, loser).event("DeleverageReceipt")
    assert (receipt.quantity, receipt.haircut, receipt.bankruptcy_price) == (
        wei,
        4_000 * wei,
        wad(away(side, 1_000)),
    )
    assert (loser.size(), loser.collateral, winner.size()) == (0, 0, 0)
    assert before - winner.equity == 4_000 * wei
