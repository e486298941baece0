"""The chain that an exchange shares with others: what gas costs, and how much of it other people want."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from perpsim.scenarios.base import Fraction, Model, NonNegative, Positive

#: more is a slip, of wei for gwei mostly: a thousandth of a coin a gas
MAX_GWEI = 1_000_000.0
Gwei = Annotated[float, Field(gt=0, le=MAX_GWEI)]
#: (hours since the clock's start, level in gwei, demand)
Knot = Annotated[list[float], Field(min_length=3, max_length=3)]
Blocks = Annotated[int, Field(ge=0, le=10_000)]


class Congestion(Model):
    """Other people's demand for gas.

    `level` is the median of what they are willing to pay a gas, in gwei, `sigma` the standard deviation of
    its logarithm. `demand` is the gas that they want each block, as a multiple of the block's limit. As
    blocks aim at half the limit, a demand of 1 keeps the base fee near the level; below 0.5 it falls to the
    floor. `steady` keeps both; `history` takes them from `knots`, rows of (hours since the clock's start,
    level, demand): levels are interpolated geometrically, demands linearly, the ends are held.

    A tip is `tip_share` (median; `tip_sigma` of its logarithm) of what the same sender is willing to pay.
    `gas_mean` is what one of these transactions uses on average. They wait for `patience` blocks.

    With the market's volatility at m times `calm_volatility` (a block; m > 1, at most 20) the level rises by
    m ** `level_reaction` and the demand by m ** `demand_reaction`.
    """

    kind: Literal["none", "steady", "history"] = "none"
    level: Gwei = 20.0
    sigma: NonNegative = 0.5
    demand: NonNegative = 1.0
    tip_share: Fraction = 0.1
    tip_sigma: NonNegative = 0.7
    gas_mean: Annotated[float, Field(ge=21_000, le=5_000_000)] = 100_000.0
    patience: Blocks = 15
    calm_volatility: Positive = 0.0006
    level_reaction: NonNegative = 0.0
    demand_reaction: NonNegative = 0.0
    source: str = ""
    knots: list[Knot] = []

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if (self.kind == "history") != bool(self.knots):
            raise ValueError("knots: a history needs them, and only a history has them")
        hours = [knot[0] for knot in self.knots]
        if hours != sorted(set(hours)):
            raise ValueError("knots: the hours must ascend")
        for row, (_, level, demand) in enumerate(self.knots):
            if not 0 < level <= MAX_GWEI or demand < 0:
                raise ValueError(f"knots: row {row}: the level must be above 0, the demand not below it")
        return self


class Bid(Model):
    """What a population bids for its transactions; what is left out is the network's default.

    `tip` in gwei. The most it pays per gas is `max_fee` gwei, whatever the base fee does, or without that
    `max_fee_multiple` times the base fee of the moment plus the tip. It waits for `patience` blocks more than
    the next one.
    """

    tip: NonNegative | None = None
    max_fee: Gwei | None = None
    max_fee_multiple: Annotated[float, Field(ge=1)] | None = None
    patience: Blocks | None = None


class Network(Model):
    """Gas costs from the first block on. `base_fee`, `floor` and `tip` in gwei, `native_price` in quote units
    a coin; every account starts with a `purse` of so many coins.

    `bids` says what a population bids by its role (keeper, oracle, maker, trader, ...), beside the defaults
    `tip`, `max_fee_multiple` and `patience`.
    """

    base_fee: Gwei = 10.0
    floor: Annotated[float, Field(ge=0, le=MAX_GWEI)] = 0.0
    coin: str = "ETH"
    native_price: Positive = 2_000.0
    purse: NonNegative = 1_000.0
    tip: NonNegative = 1.0
    max_fee_multiple: Annotated[float, Field(ge=1)] = 2.0
    patience: Blocks = 4
    bids: dict[str, Bid] = {}
    congestion: Congestion = Congestion()
