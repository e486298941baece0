"""Who acts in a scenario, and how. Every population trades in one market; keepers watch all of them."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from perpsim.scenarios.attackers import AnyAttacker
from perpsim.scenarios.base import (
    Count,
    Fraction,
    MarketNumber,
    Model,
    NonNegative,
    OneOrMore,
    Positive,
)
from perpsim.scenarios.crowds import Baskets, Stakers
from perpsim.scenarios.keepers import Keeper
from perpsim.scenarios.oracle import Oracle


class Weight(Model):
    """`share` of the accounts (relative to the other rows) use `leverage`."""

    leverage: Annotated[float, Field(ge=1, le=125)]
    share: NonNegative


class Traders(Model):
    """Leveraged accounts. They arrive over `arrival_blocks`, `late_share` of them in the `late_hours` after
    that; they trade through the book, and some come back after they were closed."""

    market: MarketNumber = 0
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

    market: MarketNumber = 0
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

    market: MarketNumber = 0
    count: Count = 3
    capital: Positive = 1_000_000.0
    threshold: Positive = 0.003
    order: Positive = 50_000.0
    inventory_limit: Positive = 1_000_000.0
    top_up_blocks: Annotated[int, Field(ge=1)] = 50
    lag_blocks: Annotated[int, Field(ge=0, le=100)] = 1


class Momentum(Model):
    """Accounts that follow the return of the last `window_blocks`."""

    market: MarketNumber = 0
    count: Count = 40
    capital: Positive = 10_000.0
    leverage: Positive = 3.0
    window_blocks: Annotated[int, Field(ge=1)] = 75
    threshold: Positive = 0.015
    activity: Fraction = 0.02
    lag_blocks: Annotated[int, Field(ge=0, le=100)] = 1


class Noise(Model):
    """Accounts that trade small amounts for reasons of their own."""

    market: MarketNumber = 0
    count: Count = 100
    capital: Positive = 5_000.0
    leverage: Positive = 2.0
    activity: Fraction = 0.003


class Agents(Model):
    """Everyone but the leveraged traders: of each kind one table, or a list of them."""

    oracle: Oracle = Oracle()
    makers: Annotated[list[Makers], OneOrMore] = [Makers()]
    arbitrageurs: Annotated[list[Arbitrageurs], OneOrMore] = [Arbitrageurs()]
    momentum: Annotated[list[Momentum], OneOrMore] = [Momentum()]
    noise: Annotated[list[Noise], OneOrMore] = [Noise()]
    baskets: Annotated[list[Baskets], OneOrMore] = []
    stakers: Annotated[list[Stakers], OneOrMore] = []
    attackers: Annotated[list[AnyAttacker], OneOrMore] = []
    keepers: list[Keeper] = []

    @model_validator(mode="after")
    def _names(self) -> Self:
        for role, members in (("keepers", self.keepers), ("attackers", self.attackers)):
            names = [member.name for member in members]
            if len(set(names)) != len(names):
                raise ValueError(f"{role}: two of them have the same name")
        return self
