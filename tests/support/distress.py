"""Accounts in distress: positions with a stake to the unit, and moves against them, mirrored for shorts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from perpsim.protocol import MAX_UINT, WAD, LiquidationParams, MarketParams, VaultParams, scaled, wad
from support.exchange import START_PRICE, Actor, Exchange
from support.params import plain_market, with_terms

#: liquidation terms that the sums of the tests are worked out with
TERMS = LiquidationParams(
    penalty_rate=wad("0.005"),
    buffer=wad("0.25"),
    full_threshold=2 * WAD // 3,
    max_slippage=wad("0.1"),
    cover_slippage=wad("0.06"),
    surplus_share=0,
    reward_rate=wad("0.001"),
    full_below=wad(1_000),
    reward_min=wad(2),
    reward_max=wad(1_000),
)


def distress_market(**changes: Any) -> MarketParams:
    """The plain market with TERMS."""
    return with_terms(plain_market(liquidation=TERMS), **changes)


#: marks tests whose `exchange` has one such market
DISTRESS = pytest.mark.exchange(markets=(distress_market(),))
#: a vault that pays to its last unit
NO_BREAKER = VaultParams(breaker_trip=WAD)


def away(side: int, distance: Any) -> Decimal:
    """A price that far from START_PRICE, against a position of that side."""
    return Decimal(START_PRICE) - side * Decimal(distance)


def positioned(
    exchange: Exchange,
    side: int,
    name: str = "loser",
    *,
    size: Any = 10,
    stake: Any = 10_000,
    price: Any = START_PRICE,
    against: str = "winner",
    market: int = 0,
) -> Actor:
    """Somebody with `stake` (whole tokens) who holds `size` on a side since `price`; a rich winner took
    the other."""
    actor = exchange.actor(name, deposit=stake)
    winner = exchange.actor(against)
    if not winner.account:
        winner.deposit(100_000_000)
    exchange.open(side, actor, winner, size, price, market=market)
    return actor


def fund_vault(exchange: Exchange, amount: Any) -> None:
    """The treasury gives the vault whole tokens."""
    units = scaled(amount, exchange.params.decimals)
    owner = exchange.owner
    owner.send(exchange.token, "mint", owner.address, units)
    owner.send(exchange.token, "approve", exchange.vault.address, MAX_UINT)
    owner.send(exchange.vault, "fund", units)
