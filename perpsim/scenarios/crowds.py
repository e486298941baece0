"""Crowds that hold more than one position, or none: baskets over several markets, stakers of the fund."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from perpsim.scenarios.base import Count, Fraction, MarketNumber, Model, NonNegative, Positive


class Leg(Model):
    """One position of a basket: `weight` is its part of the basket's notional, below 0 a short. Only the
    weights' ratios count."""

    market: MarketNumber
    weight: Annotated[float, Field(ge=-100, le=100)]


class Baskets(Model):
    """Accounts that hold positions in several markets at once, margined together: pairs of a long and a short
    (+1, -1) for whom the direction does not matter, or longs across markets (+1, +1).

    Who has lost a leg (liquidated or deleveraged by more than a fifth) mends it (`mend_share`) or closes the
    others, too. Who is stretched beyond 1.5 times the leverage at the start cuts all legs (`cut_share`): so
    selling spreads from one market to the others. `mirror_share` hold everything the other way round.
    """

    legs: Annotated[list[Leg], Field(min_length=2, max_length=8)]
    count: Count
    leverage: Annotated[float, Field(ge=1, le=125)] = 4.0
    leverage_sigma: NonNegative = 0.3
    mirror_share: Fraction = 0.0
    collateral_median: Positive = 5_000.0
    collateral_sigma: NonNegative = 0.8
    collateral_max: Positive = 200_000.0
    arrival_blocks: Annotated[int, Field(ge=1)] = 200
    mend_share: Fraction = 0.5
    cut_share: Fraction = 0.3
    drift: Positive = 0.25
    turnover_hours: Positive = 200.0
    lag_blocks: Annotated[int, Field(ge=1, le=100)] = 2

    @model_validator(mode="after")
    def _legs(self) -> Self:
        markets = [leg.market for leg in self.legs]
        if len(set(markets)) != len(markets):
            raise ValueError("legs: two of them are in the same market")
        if any(leg.weight == 0 for leg in self.legs):
            raise ValueError("legs: a weight of 0 is no leg")
        return self


class Stakers(Model):
    """Holders of the fund's shares; needs `fund.staking`.

    They stake over `arrival_blocks`, `late_share` of them only once the price of a share has grown by more
    than `join_yield` (a year's rate) over `yield_hours`. Each looks at the fund every `attention_hours` on
    average. What it fears is the fall of the share's price from its highest since it joined, and `herd` times
    the part of the stakes that others have asked to take out; beyond its nerve (median `nerve`, lognormal)
    it asks for all. Who is calm again when the cooldown is over (`calm_share` ever are: its fear below half
    its nerve) lets the window lapse.
    """

    count: Count
    stake_median: Positive = 5_000.0
    stake_sigma: NonNegative = 1.0
    stake_max: Positive = 500_000.0
    arrival_blocks: Annotated[int, Field(ge=1)] = 50
    late_share: Fraction = 0.0
    join_yield: NonNegative = 0.1
    yield_hours: Positive = 6.0
    nerve: Positive = 0.1
    nerve_sigma: NonNegative = 0.6
    herd: NonNegative = 0.2
    calm_share: Fraction = 0.3
    attention_hours: Positive = 0.5
    lag_blocks: Annotated[int, Field(ge=0, le=100)] = 5
