"""Debts are kept to the wei, tokens come in units: who gets the rest, who bears what a token keeps itself.

`loser` holds 10.000000001 at 10,000, so his debts have digits that no token of 6 decimals has.
"""

from __future__ import annotations

from typing import Any

import pytest
from support import BOTH_SIDES, Actor, Exchange, fresh
from support.distress import NO_BREAKER, away, distress_market, fund_vault, positioned

from perpsim.protocol import ProtocolParams, wad

SIZE = "10.000000001"
FEE, REVERT = 4, 6
MARKETS = (distress_market(taker_fee=wad("0.001"), vault_share=0, lot_size=wad("0.000000001")),)
UNITS = pytest.mark.exchange(markets=MARKETS, vault=NO_BREAKER)


def bankrupt(exchange: Exchange, side: int, bid: Any = None) -> Actor:
    """`loser` owes money at the new mark, where one order may meet him."""
    loser = positioned(exchange, side, size=SIZE, stake=10_200)
    exchange.move(away(side, 1_050))
    if bid is not None:
        exchange.actor("buyer", deposit=10**6).order(side, SIZE, away(side, bid))
    return loser


def to_units(exchange: Exchange, amount: int) -> int:
    """What the vault pays for an amount, WAD."""
    return -(-amount // exchange.unit()) * exchange.unit()


@UNITS
@BOTH_SIDES
def test_what_a_cover_has_below_a_unit_is_the_treasurys(exchange: Exchange, keeper: Actor, side: int) -> None:
    fund_vault(exchange, 50_000)
    loser = bankrupt(exchange, side, "1100.001")
    fund, treasury = exchange.fund * exchange.unit(), exchange.fees()[0]
    sent = keeper.liquidate(loser)
    event = sent.event("Liquidated")
    dust = to_units(exchange, event.cover) - event.cover
    assert event.cover > wad(900) and 0 < dust < exchange.unit()
    assert exchange.fees()[0] - treasury == dust
    assert keeper.collateral - wad(1_000_000) == event.reward
    assert fund - exchange.fund * exchange.unit() == event.cover + dust + event.reward
    exchange.check_invariants(dust=0, size_dust=0)


@BOTH_SIDES
@pytest.mark.parametrize("decimals", [6, 18])
def test_a_cover_that_arrives_in_part_is_a_debt_of_the_market(side: int, decimals: int) -> None:
    """The token keeps 1 % for itself: the account is made whole, and the vault pays the rest later."""
    params = ProtocolParams(decimals=decimals, markets=MARKETS, vault=NO_BREAKER)
    exchange = fresh(params, hostile=True)
    fund_vault(exchange, 50_000)
    loser = bankrupt(exchange, side, 1_100)
    keeper = exchange.actor("keeper")
    exchange.owner.send(exchange.token, "set_mode", FEE, 100)
    sent = keeper.liquidate(loser)
    event = sent.event("Liquidated")
    short = exchange.clearinghouse.view("unpaid", 0)
    assert loser.collateral == loser.size() == 0
    assert short == sent.event("UnpaidChanged").change and abs(short - event.cover // 100) < exchange.unit()
    assert tuple(exchange.liquidator.view("bad_debt", 0)) == (short, 0, 0, 0, short)
    exchange.check_invariants(dust=0, size_dust=0)
    exchange.owner.send(exchange.token, "set_mode", 0)
    # what the repayment has below a unit is the treasury's
    treasury = exchange.fees()[0]
    sent = keeper.send(exchange.liquidator, "repay_bad_debt", 0)
    assert sent.value == -sent.event("UnpaidChanged").change == short
    assert exchange.fees()[0] - treasury == to_units(exchange, short) - short
    assert not sent.named("RewardPaid") and exchange.clearinghouse.view("unpaid", 0) == 0
    assert tuple(exchange.liquidator.view("bad_debt", 0)) == (short, short, 0, 0, 0)
    exchange.check_invariants(dust=0, size_dust=0)


@BOTH_SIDES
def test_a_liquidation_in_which_no_tokens_move_calls_no_transfer(side: int) -> None:
    """The penalty is all the keeper's, the vault is empty: a token that refuses even nothing does no harm."""
    params = ProtocolParams(markets=(distress_market(),), vault=NO_BREAKER)
    exchange = fresh(params, hostile=True)
    loser = positioned(exchange, side)
    exchange.move(away(side, 700))
    exchange.actor("buyer", deposit=10**6).order(side, 10, away(side, 999))
    exchange.owner.send(exchange.token, "set_mode", REVERT)
    keeper = exchange.actor("keeper")
    event = keeper.liquidate(loser).event("Liquidated")
    assert event.closed == wad(10) and event.penalty == event.reward == keeper.collateral == wad(10)
