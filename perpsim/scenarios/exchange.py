"""The exchange of a scenario: collateral, markets with their rules, the fund."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from perpsim.scenarios.base import Count, Fraction, Model, NonNegative, Positive

# What scenarios say for short: the queue of the exchange whose crash is the main scenario.
_ADL_ALIASES = {"queue": "queue-bitmex"}


def _adl_policy(name: str) -> str:
    return _ADL_ALIASES.get(name, name)


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


class Impact(Model):
    """How trading here moves the outside price of a thin market: net taker flow of F quote units (those who
    hedge it elsewhere, the arbitrageurs, not counted) by a factor exp(per_million * F / 1e6), from the next
    block on; half of it is gone after `half_life` seconds."""

    per_million: Annotated[float, Field(gt=0, le=10)]
    half_life: Positive = 3600.0


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
    impact: Impact | None = None


class Staking(Model):
    """The fund takes stakes; who wants to leave waits `cooldown` and claims within `window`, seconds."""

    cooldown: Annotated[int, Field(ge=3600, le=90 * 86_400)] = 13 * 86_400
    window: Annotated[int, Field(ge=3600, le=90 * 86_400)] = 3 * 86_400


class Fund(Model):
    """The insurance fund. `initial` in collateral units; a breaker of 0, no cap, no staking mean: off.

    Every `sweep_hours` it is handed its share of the fees; 0: only when a liquidation needs them.
    """

    initial: NonNegative
    breaker: Fraction = 0.0
    cap: NonNegative | None = None
    staking: Staking | None = None
    sweep_hours: NonNegative = 0.0
