"""Keepers of a scenario: how each chooses, what it bids for a place in a block, when it is down."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from perpsim.scenarios.base import Count, Fraction, Model, Name, NonNegative, Positive


class Outage(Model):
    """From block `start` (inclusive) to `end` (exclusive)."""

    start: Count
    end: Count


class FixedBid(Model):
    """One price for every transaction, never raised. `gas_price`: all that it pays per gas, gwei."""

    kind: Literal["fixed"]
    gas_price: NonNegative = 10.0


class BaseFeeBid(Model):
    """What the base fee asks: pays up to `multiple` of it, and of that a tip of `tip` times the base fee."""

    kind: Literal["base-fee"]
    multiple: Annotated[float, Field(ge=1, le=100)] = 2.0
    tip: Annotated[float, Field(ge=0, le=100)] = 0.1


class RewardBid(Model):
    """What the reward bears: `share` of the expected reward goes for gas, above the base fee as a tip."""

    kind: Literal["reward"]
    share: Fraction = 0.5


class EscalatingBid(Model):
    """Begins as a `BaseFeeBid`, or below the base fee; in every block that it waits the bid is replaced by
    one higher by `step` (a fraction, at least the tenth that mempools ask for), up to `ceiling` (gwei) and
    `share` of the reward."""

    kind: Literal["escalating"]
    multiple: Annotated[float, Field(ge=0, le=100)] = 1.25
    tip: Annotated[float, Field(ge=0, le=100)] = 0.1
    step: Annotated[float, Field(ge=0.1, le=10)] = 0.125
    ceiling: Positive = 1_000.0
    share: Fraction = 1.0


Fee = Annotated[FixedBid | BaseFeeBid | RewardBid | EscalatingBid, Field(discriminator="kind")]

# Names of strategies in older files.
_STRATEGY_ALIASES = {"threshold": "alternate"}


def _strategy(name: str) -> str:
    return _STRATEGY_ALIASES.get(name, name)


#: described in `perpsim.agents.keeper_policies`
Strategy = Annotated[
    Literal["greedy", "racer", "alternate", "threshold", "profit", "batch"], AfterValidator(_strategy)
]


class Keeper(Model):
    """A liquidator. `min_notional` and `min_profit` in quote units; `patience`: for how many blocks beyond
    the first a transaction waits. `profit` and `batch` only send what promises `min_profit`; `batch` puts up
    to `batch_size` calls into a transaction. An account that it called in vain it leaves alone for
    `retry_blocks`. It asks for deleveraging where the fund cannot pay a loss, and, unless `deleverage_after`
    is 0, for a bankrupt account that it has called in vain for so many blocks. Without a `fee` it bids what
    the network's table of bids says for keepers."""

    name: Name
    strategy: Strategy = "greedy"
    fee: Fee | None = None
    lag_blocks: Annotated[int, Field(ge=0, le=100)] = 1
    min_notional: NonNegative = 0.0
    min_profit: NonNegative = 0.0
    max_per_block: Annotated[int, Field(ge=1, le=256)] = 20
    batch_size: Annotated[int, Field(ge=1, le=32)] = 8
    retry_blocks: Annotated[int, Field(ge=1, le=10_000)] = 1
    patience: Annotated[int, Field(ge=0, le=10_000)] = 4
    deleverage_after: Annotated[int, Field(ge=0, le=10_000)] = 0
    capital: NonNegative = 1_000.0
    outages: list[Outage] = []
