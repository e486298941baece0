"""Whom a liquidation leaves alone, and what nobody can call."""

from __future__ import annotations

from typing import Any

import pytest
from support import BOTH_SIDES, LONG, SHORT, Actor, Exchange, deployed
from support.distress import DISTRESS, TERMS, away, distress_market, fund_vault, positioned

from perpsim.chain import Revert
from perpsim.protocol import MAX_UINT, WAD, ProtocolParams, wad

WEI = "0.000000000000000001"


def at_the_limit(exchange: Exchange, side: int, wei: int) -> Actor:
    """An account whose equity is its maintenance margin plus so many wei (18 decimals).

    Mark 9,470 (10,530): maintenance margin 4,735 (5,265), loss 5,300.
    """
    stake = wad(10_035 if side > 0 else 10_565) + wei
    loser = positioned(exchange, side, stake=f"{stake // WAD}.{stake % WAD:018d}")
    exchange.move(away(side, 530))
    equity, _, maintenance = loser.health
    assert equity - maintenance == wei
    return loser


@DISTRESS
@pytest.mark.parametrize("decimals", [18])
@BOTH_SIDES
@pytest.mark.parametrize("wei", [0, 1])
def test_an_account_at_its_maintenance_margin_is_left_alone(
    exchange: Exchange, keeper: Actor, side: int, wei: int
) -> None:
    """Liquidatable means strictly below."""
    loser = at_the_limit(exchange, side, wei)
    assert exchange.liquidator.view("closable", loser.account, 0) == 0
    for deleverage in (False, True):
        with pytest.raises(Revert, match="liquidate: healthy"):
            keeper.liquidate(loser, with_deleverage=deleverage)
    with pytest.raises(Revert, match="deleverage: not bankrupt"):
        keeper.send(exchange.liquidator, "deleverage", loser.account, 0)


@DISTRESS
@pytest.mark.parametrize("decimals", [18])
@BOTH_SIDES
def test_a_wei_below_it_is_liquidated(exchange: Exchange, keeper: Actor, maker: Actor, side: int) -> None:
    """The same account with a wei less."""
    loser = at_the_limit(exchange, side, -1)
    maker.order(side, 10, away(side, 530))
    assert keeper.liquidate(loser).value > 0


@DISTRESS
@BOTH_SIDES
def test_nothing_is_liquidated_at_a_stale_price(exchange: Exchange, keeper: Actor, side: int) -> None:
    """Neither liquidation nor deleveraging, one second after the index has become too old."""
    loser = positioned(exchange, side)
    exchange.move(away(side, 1_100))
    exchange.wait(exchange.params.markets[0].terms.max_age + 1)
    for call in ("liquidate", "deleverage"):
        with pytest.raises(Revert, match="liquidate: stale index"):
            keeper.send(exchange.liquidator, call, loser.account, 0)
    exchange.refresh(1)
    assert keeper.send(exchange.liquidator, "deleverage", loser.account, 0).value == wad(10)


@pytest.mark.exchange(markets=(distress_market(), distress_market()))
@BOTH_SIDES
def test_a_stale_price_in_another_market_of_the_account_counts(
    exchange: Exchange, keeper: Actor, side: int
) -> None:
    """Its equity depends on all its markets; an account that is only in the fresh one is liquidated."""
    both = positioned(exchange, side, "both", stake=10_001)
    exchange.open(side, both, exchange.actor("winner"), "0.001", away(side, 0), market=1)
    one = positioned(exchange, side, "one")
    exchange.move(away(side, 1_100), after=61)
    with pytest.raises(Revert, match="liquidate: stale index"):
        keeper.liquidate(both, with_deleverage=True)
    assert keeper.liquidate(one, with_deleverage=True).value == wad(10)


@DISTRESS
def test_there_must_be_a_position(exchange: Exchange, keeper: Actor, trader: Actor) -> None:
    """Accounts without one, and accounts and markets that do not exist."""
    for account in (trader.account, 0, 10**9, MAX_UINT):
        for market in (0, 1, 7):
            with pytest.raises(Revert):
                keeper.send(exchange.liquidator, "liquidate", account, market)
    with pytest.raises(Revert):
        keeper.send(exchange.liquidator, "liquidate", trader.account, 8)


@DISTRESS
@BOTH_SIDES
def test_a_position_that_is_gone_cannot_be_liquidated_again(
    exchange: Exchange, keeper: Actor, rival: Actor, side: int
) -> None:
    """The second of two keepers in a block finds nothing; what was left to the account is safe."""
    loser = positioned(exchange, side)
    exchange.move(away(side, 1_100))
    keeper.liquidate(loser, with_deleverage=True)
    with pytest.raises(Revert, match="liquidate: no position"):
        rival.liquidate(loser, with_deleverage=True)


@DISTRESS
@BOTH_SIDES
def test_a_market_in_close_only_is_liquidated_all_the_same(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int
) -> None:
    """The guardian stops opening, not liquidating; and who was liquidated can close, too."""
    loser = positioned(exchange, side)
    maker.order(side, 20, away(side, 700))
    exchange.owner.send(exchange.parameters, "set_close_only", 0, True)
    exchange.move(away(side, 700))
    loser.order(-side, 1, away(side, 700), 2, reduce_only=True)
    assert keeper.liquidate(loser).value > 0


@DISTRESS
@BOTH_SIDES
def test_the_open_interest_cap_blocks_no_liquidation(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int
) -> None:
    """A cap below what is open stops opening, not a position that changes hands because it must."""
    loser = positioned(exchange, side)
    maker.order(side, 10, away(side, 700))
    exchange.owner.send(exchange.parameters, "set_open_interest_cap", 0, 0)
    exchange.move(away(side, 700))
    assert keeper.liquidate(loser).value == wad(10)
    assert maker.size() == side * wad(10)


@DISTRESS
@BOTH_SIDES
def test_who_does_not_ask_for_deleveraging_does_not_deleverage(
    exchange: Exchange, keeper: Actor, side: int
) -> None:
    """Left out, `with_deleverage` is no and `max_size` is no limit."""
    loser = positioned(exchange, side)
    exchange.move(away(side, 1_200))
    for arguments in ((), (MAX_UINT,), (MAX_UINT, False)):
        sent = keeper.send(exchange.liquidator, "liquidate", loser.account, 0, *arguments)
        assert sent.value == 0 and not sent.named("DeleverageReceipt")
    exchange.actor("buyer", deposit=10**6).order(side, 10, away(side, 900))
    assert keeper.send(exchange.liquidator, "liquidate", loser.account, 0).value == wad(10)


@DISTRESS
def test_only_the_liquidator_moves_money_and_positions(exchange: Exchange, stranger: Actor) -> None:
    """Everybody else, the owner included, is refused."""
    calls: list[tuple[Any, str, tuple[Any, ...]]] = [
        (exchange.clearinghouse, "deleverage", (1, 0, 0, 0, [])),
        (exchange.clearinghouse, "resolve_deficit", (1, 0, 0, 0)),
        (exchange.clearinghouse, "change_unpaid", (0, 1)),
        (exchange.clearinghouse, "distribute", (0, stranger.address, 1, 0, 0, 0)),
        (exchange.clearinghouse, "sweep_fees_for_cover", (0,)),
        (exchange.book, "liquidate", (1, True, 1, 1, (0, 0, 0))),
        (exchange.vault, "cover", (0, 1)),
        (exchange.vault, "reward", (0, 1)),
        (exchange.vault, "repay", (0, 1)),
    ]
    fund_vault(exchange, 1_000)
    for contract, function, args in calls:
        for caller in (stranger, exchange.owner):
            with pytest.raises(Revert, match=r"not authorised|not the liquidator|not liquidator"):
                caller.send(contract, function, *args)
    fill = (1, 1, 0, WAD, WAD, 1, 0, 0, 0, 0)
    with pytest.raises(Revert, match="not authorised"):
        stranger.send(exchange.clearinghouse, "liquidation_fill", *fill)


@DISTRESS
def test_only_the_owner_sets_terms_and_only_sane_ones(exchange: Exchange, stranger: Actor) -> None:
    """Each bound is refused one step beyond it and taken at it."""
    with pytest.raises(Revert):
        stranger.send(exchange.liquidator, "set_params", 0, TERMS)
    # rates are kept in steps of 1e-6
    step = 10**12
    sane = TERMS._replace(full_threshold=wad("0.6"))
    beyond: dict[str, int] = {
        "penalty_rate": wad("0.25") + step,
        "buffer": WAD + step,
        "full_threshold": WAD + step,
        "max_slippage": wad("0.5") + step,
        "cover_slippage": TERMS.max_slippage + step,
        "surplus_share": WAD + step,
        "reward_rate": TERMS.penalty_rate + step,
        "reward_min": TERMS.reward_max + WAD,
    }
    for name, value in beyond.items():
        with pytest.raises(Revert, match="params: "):
            exchange.owner.send(exchange.liquidator, "set_params", 0, TERMS._replace(**{name: value}))
        taken = sane._replace(**{name: value - (WAD if name == "reward_min" else step)})
        exchange.owner.send(exchange.liquidator, "set_params", 0, taken)
        assert exchange.liquidator.view("params", 0) == taken


@pytest.mark.parametrize("side, stake", [(LONG, 10_035), (SHORT, 10_565)])
def test_terms_that_change_do_not_liquidate_by_themselves(side: int, stake: int) -> None:
    """Liquidation terms say how, margin tiers say who: the former never make anybody liquidatable."""
    with deployed(ProtocolParams(markets=(distress_market(),))) as exchange:
        loser = positioned(exchange, side, stake=stake)
        exchange.move(away(side, 530))
        wild = TERMS._replace(buffer=WAD, full_threshold=WAD, max_slippage=wad("0.5"))
        exchange.owner.send(exchange.liquidator, "set_params", 0, wild)
        with pytest.raises(Revert, match="liquidate: healthy"):
            exchange.actor("keeper").liquidate(loser)
