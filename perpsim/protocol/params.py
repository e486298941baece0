"""What a deployment is made of. Every number is as the contracts take it: rates, prices, sizes and quote
amounts in WAD, times in seconds, token amounts in token units. `wad()` turns what people write into it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from perpsim.protocol.units import WAD, wad


class Tier(NamedTuple):
    """Margin tier: requirement = notional * rate - deduction for notional up to `limit` (WAD)."""

    limit: int
    initial_rate: int
    maintenance_rate: int
    deduction: int = 0


class MarketTerms(NamedTuple):
    """Fee rates (WAD, the maker's may be negative), the vault's share of fees (basis points), max age of the
    index (s)."""

    maker_fee: int = wad("0.0002")
    taker_fee: int = wad("0.0005")
    vault_share: int = 1_000
    max_age: int = 60


class FundingTerms(NamedTuple):
    """Interest, clamp and cap per 8 h, band of the mark around the index (WAD); averaging times of basis and
    premium (s)."""

    interest: int = wad("0.0001")
    clamp: int = wad("0.0005")
    cap: int = wad("0.0075")
    band: int = wad("0.05")
    basis_time: int = 150
    premium_time: int = 3600


class LiquidationParams(NamedTuple):
    """As `liquidation_rules.Params`: rates in WAD, the last three in WAD quote."""

    penalty_rate: int = wad("0.0025")
    buffer: int = wad("0.25")
    full_threshold: int = 2 * WAD // 3
    max_slippage: int = wad("0.1")
    cover_slippage: int = wad("0.02")
    surplus_share: int = 0
    reward_rate: int = wad("0.001")
    full_below: int = wad(1_000)
    reward_min: int = wad(2)
    reward_max: int = wad(1_000)


#: how a market shares out bankrupt positions that neither book nor vault can close: over the whole other side
#: by size, or by a list that the policy of this name allots; each policy's contract
BY_INDEX = "index"
POLICIES = {
    "queue-bitmex": "QueueBitmex",
    "queue-binance": "QueueBinance",
    "queue-hyperliquid": "QueueHyperliquid",
    "pro-rata": "ProRata",
    "capped-pro-rata": "CappedProRata",
    "random": "Random",
    "socialise": "Socialise",
}


@dataclass(frozen=True)
class DeleverageParams:
    """Policy (`BY_INDEX` or a name in `POLICIES`), how long a market may be frozen for a list (s, 60 to
    3600), notional below which a position goes by index all the same (WAD, whole units)."""

    policy: str = BY_INDEX
    timeout: int = 300
    list_from: int = wad(1_000)


DEFAULT_TIERS = (
    Tier(wad(1_000_000), wad("0.01"), wad("0.005")),
    Tier(wad(5_000_000), wad("0.02"), wad("0.01"), wad(5_000)),
    Tier(wad(20_000_000), wad("0.05"), wad("0.025"), wad(80_000)),
    Tier(wad(100_000_000), wad("0.1"), wad("0.05"), wad(580_000)),
)


@dataclass(frozen=True)
class MarketParams:
    """One market: its book's grid (WAD), open-interest cap (WAD size), terms and liquidation parameters."""

    symbol: str = "BTC-PERP"
    tick_size: int = wad("0.5")
    lot_size: int = wad("0.001")
    min_size: int = wad("0.001")
    max_orders: int = 32
    open_interest_cap: int = wad(1_000_000)
    terms: MarketTerms = field(default_factory=MarketTerms)
    funding: FundingTerms = field(default_factory=FundingTerms)
    tiers: tuple[Tier, ...] = DEFAULT_TIERS
    liquidation: LiquidationParams = field(default_factory=LiquidationParams)
    deleverage: DeleverageParams = field(default_factory=DeleverageParams)


@dataclass(frozen=True)
class VaultParams:
    """Insurance vault: first funding (token units), breaker (WAD falls; trip = WAD is off), coverage cap a
    market (token units, 0: none) and its window (s), markets that have a pool of their own, whether people
    may stake, and the times of withdrawals: cooldown and claim window (s, an hour to 90 days)."""

    initial: int = 0
    breaker_trip: int = wad("0.3")
    breaker_resume: int = wad("0.25")
    cap: int = 0
    cap_window: int = 24 * 3600
    isolated: tuple[int, ...] = ()
    staking: bool = False
    cooldown: int = 13 * 24 * 3600
    claim_window: int = 3 * 24 * 3600


@dataclass(frozen=True)
class ProtocolParams:
    """A whole deployment over one collateral token."""

    token_name: str = "Test dollar"
    token_symbol: str = "USD"
    decimals: int = 6
    markets: tuple[MarketParams, ...] = (MarketParams(),)
    vault: VaultParams = field(default_factory=VaultParams)
