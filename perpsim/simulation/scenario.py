"""What a scenario file may say: frozen pydantic models that refuse unknown keys.

Units in scenario files are the ones people use: prices and collateral in quote units, sizes in units of the
base asset, rates as fractions (0.005 is 0.5 %), times in seconds. `perpsim.simulation.parameters` turns them
into the integers that contracts take.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]


# What scenarios say for short: the queue of the exchange whose crash is the main scenario.
_ADL_ALIASES = {"queue": "queue-bitmex"}


def _adl_policy(name: str) -> str:
    return _ADL_ALIASES.get(name, name)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


class Model(BaseModel):
    """Strict: a string is no number, a number no truth value; nothing can be changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Clock(Model):
    """Simulated time. Block 0 is mined at `start`."""

    start: Annotated[datetime, AfterValidator(_utc)]
    blocks: Annotated[int, Field(gt=0, le=10_000_000)]
    seconds_per_block: Annotated[int, Field(gt=0, le=3600)] = 12
    # A block must hold the largest transaction that an agent sends.
    gas_limit: Annotated[int, Field(ge=8_000_000)] = 30_000_000


class Collateral(Model):
    """The ERC-20 that accounts hold."""

    symbol: Annotated[str, Field(min_length=1, max_length=11)] = "USD"
    decimals: Annotated[int, Field(ge=6, le=18)] = 6


class Tier(Model):
    """A step of the margin schedule: up to `limit`, requirement = notional * rate - deduction."""

    limit: Positive
    initial: Fraction
    maintenance: Fraction
    deduction: NonNegative = 0.0


class Fees(Model):
    """Fractions of notional; a negative maker fee is a rebate. `fund_share` of the rest goes to the fund."""

    maker: Annotated[float, Field(ge=-0.01, le=0.01)] = -0.00025
    taker: Annotated[float, Field(ge=0, le=0.01)] = 0.00075
    fund_share: Fraction = 0.0


class Funding(Model):
    """Rates for eight hours; `premium_seconds` is the time constant of the premium's average."""

    interest: Annotated[float, Field(ge=-0.01, le=0.01)] = 0.0001
    clamp: Annotated[float, Field(ge=0, le=0.05)] = 0.0005
    cap: Annotated[float, Field(ge=0, le=0.05)] = 0.00375
    premium_seconds: Annotated[int, Field(gt=0)] = 3600


class Liquidation(Model):
    """Rules of `Liquidator.liquidate` (SPECIFICATION.md, 7); amounts in quote units."""

    penalty: Annotated[float, Field(ge=0, le=0.25)] = 0.005
    buffer: Fraction = 0.25
    full_threshold: Fraction = 0.6667
    full_below: NonNegative = 10_000.0
    max_slippage: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    cover_slippage: Annotated[float, Field(ge=0, le=0.5)] = 0.02
    surplus_to_fund: Fraction = 0.0
    reward: Fraction = 0.0005
    reward_min: NonNegative = 0.5
    reward_max: NonNegative = 500.0
    # A market that deleverages by list may be frozen so long for one; smaller positions go by index.
    adl_timeout: Annotated[int, Field(ge=60, le=3600)] = 300
    adl_list_from: Count = 1_000

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.reward_min > self.reward_max:
            raise ValueError("reward_min is above reward_max")
        if self.reward > self.penalty:
            raise ValueError("reward is above penalty")
        if self.cover_slippage > self.max_slippage:
            raise ValueError("cover_slippage is above max_slippage")
        return self


#: who bears a position that neither book nor fund can close: the other side by size, or those whom a policy
#: in `perpsim.deleveraging.policies` ranks
Adl = Annotated[
    Literal[
        "index",
        "queue",
        "queue-bitmex",
        "queue-binance",
        "queue-hyperliquid",
        "pro-rata",
        "capped-pro-rata",
        "random",
        "socialise",
    ],
    AfterValidator(_adl_policy),
]


class Market(Model):
    """One market: its grid, margins, fees, funding, guards and liquidation rules. The cap is a size."""

    symbol: Annotated[str, Field(min_length=1, max_length=16)]
    tick: Positive
    lot: Positive
    min_size: Positive
    max_orders: Annotated[int, Field(ge=1, le=32)] = 32
    open_interest_cap: Positive = 1_000_000.0
    band: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    mid_average_seconds: Annotated[int, Field(gt=0)] = 150
    max_age: Annotated[int, Field(gt=0)] = 60
    tiers: Annotated[list[Tier], Field(min_length=1, max_length=8)]
    fees: Fees = Fees()
    funding: Funding = Funding()
    liquidation: Liquidation = Liquidation()
    adl: Adl = "queue-bitmex"


class Fund(Model):
    """The insurance fund. `initial` in collateral units; a breaker of 0 and no cap mean: off."""

    initial: NonNegative
    breaker: Fraction = 0.0
    cap: NonNegative | None = None


class Knots(Model):
    """A table of (open, high, low, close), one row every `interval` seconds from the clock's start."""

    kind: Literal["knots"]
    interval: Annotated[int, Field(gt=0)] = 3600
    source: str = ""
    knots: Annotated[list[Annotated[list[Positive], Field(min_length=4, max_length=4)]], Field(min_length=1)]

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for row, (opened, high, low, close) in enumerate(self.knots):
            if not low <= min(opened, close) <= max(opened, close) <= high:
                raise ValueError(f"row {row}: open and close must lie between low and high")
        return self


class Weight(Model):
    """`share` of the accounts (relative to the other rows) use `leverage`."""

    leverage: Annotated[float, Field(ge=1, le=125)]
    share: NonNegative


class Traders(Model):
    """Leveraged accounts. They arrive over `arrival_blocks`, `late_share` of them in the `late_hours` after
    that; they trade through the book, and some come back after they were closed."""

    count: Count
    long_share: Fraction = 0.6
    arrival_blocks: Annotated[int, Field(ge=1)] = 200
    late_share: Fraction = 0.0
    late_hours: Positive = 24.0
    collateral_median: Positive = 1_000.0
    collateral_sigma: NonNegative = 1.0
    collateral_max: Positive = 100_000.0
    leverage: Annotated[list[Weight], Field(min_length=1)]
    add_margin_share: Fraction = 0.15
    stop_share: Fraction = 0.25
    deleverage_share: Fraction = 0.15
    take_profit_share: Fraction = 0.3
    return_share: Fraction = 0.5
    return_hours: Positive = 3.0
    turnover_hours: Positive = 48.0
    lag_blocks: Annotated[int, Field(ge=1, le=100)] = 2


class Makers(Model):
    """Ladders around the outside price. `depth` is one maker's notional a side when the market is calm."""

    count: Count = 6
    capital: Positive = 2_000_000.0
    depth: Positive = 200_000.0
    levels: Annotated[int, Field(ge=1, le=15)] = 5
    half_spread: Positive = 0.0005
    level_step: Positive = 0.002
    calm_volatility: Positive = 0.0006
    depth_power: NonNegative = 1.0
    spread_power: NonNegative = 0.5
    depth_floor: Fraction = 0.05
    withdraw_volatility: Positive = 0.008
    requote: Positive = 0.001
    requote_blocks: Annotated[int, Field(ge=1)] = 25
    inventory_skew: NonNegative = 0.002
    inventory_limit: Positive = 1_500_000.0
    lag_blocks: Annotated[int, Field(ge=0, le=100)] = 1


class Arbitrageurs(Model):
    """They trade the book towards the outside price when it is further off than `threshold`."""

    count: Count = 3
    capital: Positive = 1_000_000.0
    threshold: Positive = 0.003
    order: Positive = 50_000.0
    inventory_limit: Positive = 1_000_000.0
    top_up_blocks: Annotated[int, Field(ge=1)] = 50
    lag_blocks: Annotated[int, Field(ge=0, le=100)] = 1


class Momentum(Model):
    """Accounts that follow the return of the last `window_blocks`."""

    count: Count = 40
    capital: Positive = 10_000.0
    leverage: Positive = 3.0
    window_blocks: Annotated[int, Field(ge=1)] = 75
    threshold: Positive = 0.015
    activity: Fraction = 0.02
    lag_blocks: Annotated[int, Field(ge=0, le=100)] = 1


class Noise(Model):
    """Accounts that trade small amounts for reasons of their own."""

    count: Count = 100
    capital: Positive = 5_000.0
    leverage: Positive = 2.0
    activity: Fraction = 0.003


class Outage(Model):
    """From block `start` (inclusive) to `end` (exclusive)."""

    start: Count
    end: Count


class Keeper(Model):
    """A liquidator. Strategies are described in `perpsim.agents.keepers`."""

    name: Name
    strategy: Literal["greedy", "threshold", "racer"] = "greedy"
    lag_blocks: Annotated[int, Field(ge=0, le=100)] = 1
    min_notional: NonNegative = 0.0
    max_per_block: Annotated[int, Field(ge=1, le=256)] = 20
    capital: NonNegative = 1_000.0
    outages: list[Outage] = []


class Oracle(Model):
    """The reporter: posts when `heartbeat` seconds have passed or the price moved by `deviation`."""

    heartbeat: Annotated[int, Field(gt=0)] = 48
    deviation: Positive = 0.0025
    lag_blocks: Annotated[int, Field(ge=0, le=100)] = 1
    price_tick: Positive = 0.01


class Agents(Model):
    """Everyone but the leveraged traders."""

    oracle: Oracle = Oracle()
    makers: Makers = Makers()
    arbitrageurs: Arbitrageurs = Arbitrageurs()
    momentum: Momentum = Momentum()
    noise: Noise = Noise()
    keepers: list[Keeper] = []

    @model_validator(mode="after")
    def _names(self) -> Self:
        names = [keeper.name for keeper in self.keepers]
        if len(set(names)) != len(names):
            raise ValueError("keepers: two of them have the same name")
        return self


class Checks(Model):
    """Invariants are checked every `every` blocks (0: only at the end) and at the end.

    Each check compares `window` accounts with the contracts' views (0: all), in turn; the last one all.
    """

    every: Count = 100
    window: Count = 128


class Expectation(Model):
    """A figure of `summary.json` (dotted path), the bounds a test holds it to, and what really happened."""

    figure: str
    low: float
    high: float
    real: float | None = None
    note: str = ""


class Scenario(Model):
    """A whole scenario file."""

    name: Name
    title: str
    description: str
    sources: list[str] = []
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    clock: Clock
    collateral: Collateral = Collateral()
    fund: Fund
    markets: Annotated[list[Market], Field(min_length=1, max_length=1)]
    prices: Knots
    traders: Traders
    agents: Agents = Agents()
    checks: Checks = Checks()
    expected: list[Expectation] = []

    @property
    def start(self) -> int:
        """Time of block 0, seconds."""
        return int(self.clock.start.timestamp())

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.agents.oracle.heartbeat >= min(market.max_age for market in self.markets):
            raise ValueError("agents.oracle.heartbeat must be below every market's max_age")
        return self
