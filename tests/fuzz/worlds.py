"""Exchanges to fuzz: three unlike markets over a collateral of 6 or of 18 decimals."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from support import plain_market

from perpsim.protocol import (
    WAD,
    FundingTerms,
    LiquidationParams,
    MarketParams,
    MarketTerms,
    ProtocolParams,
    Tier,
    VaultParams,
    wad,
)

NAMES = (*(f"trader {number}" for number in range(6)), "maker 6", "maker 7", "keeper")
#: the two who are rich, and the one who liquidates
MAKERS, KEEPER = (6, 7), 8

_FUNDING = FundingTerms(
    interest=wad("0.0001"),
    clamp=wad("0.0005"),
    cap=wad("0.0075"),
    band=wad("0.05"),
    basis_time=150,
    premium_time=3600,
)
_LIQUIDATION = LiquidationParams(
    penalty_rate=wad("0.005"),
    buffer=wad("0.25"),
    full_threshold=wad("0.666666"),
    max_slippage=wad("0.1"),
    cover_slippage=wad("0.03"),
    surplus_share=0,
    reward_rate=wad("0.001"),
    full_below=wad(1_000),
    reward_min=wad(2),
    reward_max=wad(1_000),
)
#: fees on both sides, funding, two tiers
DEAR = plain_market(
    tick_size=wad("0.01"),
    lot_size=wad("0.001"),
    min_size=wad("0.002"),
    max_orders=12,
    open_interest_cap=wad(2_000),
    terms=MarketTerms(maker_fee=wad("0.0002"), taker_fee=wad("0.0005"), vault_share=1_000, max_age=60),
    funding=_FUNDING,
    tiers=(
        Tier(wad(200_000), wad("0.1"), wad("0.05")),
        Tier(wad(10**7), wad("0.2"), wad("0.1"), wad(10_000)),
    ),
    liquidation=_LIQUIDATION,
)
#: a rebate for makers, high leverage, a wide band, most of a surplus to the vault
CHEAP = plain_market(
    tick_size=wad("0.000001"),
    lot_size=wad(1),
    min_size=wad(1),
    max_orders=32,
    open_interest_cap=wad(10**8),
    terms=MarketTerms(maker_fee=-wad("0.0001"), taker_fee=wad("0.0003"), vault_share=5_000, max_age=120),
    funding=_FUNDING._replace(band=wad("0.1"), cap=wad("0.05")),
    tiers=(Tier(wad(10**8), wad("0.02"), wad("0.01")),),
    liquidation=_LIQUIDATION._replace(
        penalty_rate=wad("0.01"), surplus_share=wad("0.3"), full_threshold=0, reward_min=0
    ),
)
#: no fees, no funding, the mark is the index; tiers as exchanges publish them
BARE = plain_market(
    tick_size=wad("0.001"),
    lot_size=wad("0.01"),
    min_size=wad("0.05"),
    max_orders=5,
    open_interest_cap=wad(10**6),
    terms=MarketTerms(maker_fee=0, taker_fee=0, vault_share=0, max_age=600),
    tiers=(
        Tier(wad(50_000), wad("0.01"), wad("0.004")),
        Tier(wad(250_000), wad("0.02"), wad("0.005"), wad(50)),
        Tier(wad(1_000_000), wad("0.05"), wad("0.01"), wad(1_300)),
        Tier(wad(50_000_000), wad("0.2"), wad("0.1"), wad(91_300)),
    ),
    liquidation=LiquidationParams(penalty_rate=wad("0.002"), cover_slippage=wad("0.1"), full_below=0),
)


class World(NamedTuple):
    """Parameters, index prices at the start and the bounds they stay in (whole units)."""

    params: ProtocolParams
    starts: tuple[Fraction, ...]
    bounds: tuple[tuple[Fraction, Fraction], ...]
    #: leverage that sizes are measured in
    leverages: tuple[int, ...]


def world(decimals: int) -> World:
    """The world over a collateral with so many decimals."""
    return World(
        ProtocolParams(
            decimals=decimals,
            markets=(DEAR, CHEAP, BARE),
            vault=VaultParams(breaker_trip=WAD // 2, breaker_resume=WAD // 4),
        ),
        starts=(Fraction(10_000), Fraction(6, 5), Fraction(40)),
        bounds=(
            (Fraction(20), Fraction(150_000)),
            (Fraction(1, 2_000), Fraction(16)),
            (Fraction(1, 10), Fraction(15_000)),
        ),
        leverages=(10, 50, 80),
    )


WORLDS = {6: world(6), 18: world(18)}

__all__ = ["KEEPER", "MAKERS", "NAMES", "WORLDS", "MarketParams", "World", "world"]
