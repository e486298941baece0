"""The oracle of a scenario: when it posts, how late, how wrong, and when not at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Field, model_validator

from perpsim.scenarios.base import Count, MarketNumber, Model, Positive

_Heartbeat = Annotated[int, Field(gt=0)]
_Lag = Annotated[int, Field(ge=0, le=100)]
_Noise = Annotated[float, Field(ge=0, le=0.5)]


class _Stretch(Model):
    """From block `start` (inclusive) to `end` (exclusive), in one market or in all."""

    start: Count
    end: Count
    market: MarketNumber | None = None

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"end {self.end} must be after start {self.start}")
        return self

    def covers(self, block: int, market: int) -> bool:
        """True if it is on for that market in that block."""
        return self.start <= block < self.end and self.market in (None, market)


class Silence(_Stretch):
    """An outage: nothing is posted; what was posted goes stale."""


class Fault(_Stretch):
    """The reporter reads the price times `factor`: a broken source, or one that somebody has moved."""

    factor: Annotated[float, Field(gt=0, le=100)]


class Feed(Model):
    """What is different for one market; a key that is not given is as for the others."""

    market: MarketNumber
    heartbeat: _Heartbeat | None = None
    deviation: Positive | None = None
    lag_blocks: _Lag | None = None
    price_tick: Positive | None = None
    noise: _Noise | None = None


class Oracle(Model):
    """The reporter. In each block it reads every market's outside price of `lag_blocks` ago, off by a normal
    error of the relative size `noise`, and posts it, rounded to `price_tick`, when `heartbeat` seconds have
    passed since the time of its last post or when it has moved by the fraction `deviation` since. A post that
    is not on chain `retry_blocks` later is sent again. Markets whose time has come in the same block go into
    one transaction."""

    heartbeat: _Heartbeat = 48
    deviation: Positive = 0.0025
    lag_blocks: _Lag = 1
    price_tick: Positive = 0.01
    noise: _Noise = 0.0
    retry_blocks: Annotated[int, Field(ge=1, le=1_000)] = 3
    outages: list[Silence] = []
    faults: list[Fault] = []
    feeds: list[Feed] = []

    @model_validator(mode="after")
    def _one_feed_each(self) -> Self:
        markets = [feed.market for feed in self.feeds]
        for market in markets:
            if markets.count(market) > 1:
                raise ValueError(f"feeds: two of them are for market {market}")
        return self

    def of(self, market: int) -> Oracle:
        """The settings of one market, its feed laid over those of all."""
        for feed in self.feeds:
            if feed.market == market:
                return self.model_copy(update=feed.model_dump(exclude={"market"}, exclude_none=True))
        return self

    def check(self, max_ages: list[int], seconds_per_block: int) -> None:
        """Raise `ValueError` if the oracle cannot keep markets whose prices live for `max_ages` seconds."""
        named: dict[str, Sequence[_Stretch | Feed]] = {
            "outages": self.outages,
            "faults": self.faults,
            "feeds": self.feeds,
        }
        for kind, parts in named.items():
            for part in parts:
                if part.market is not None and part.market >= len(max_ages):
                    raise ValueError(
                        f"agents.oracle.{kind}: market {part.market} does not exist, "
                        f"the last one is {len(max_ages) - 1}"
                    )
        for market, max_age in enumerate(max_ages):
            settings = self.of(market)
            if settings.heartbeat >= max_age:
                raise ValueError(
                    f"agents.oracle.heartbeat must be below every market's max_age: {settings.heartbeat} of "
                    f"{max_age} s in market {market}"
                )
            if settings.lag_blocks * seconds_per_block > max_age:
                raise ValueError(
                    f"agents.oracle.lag_blocks: {settings.lag_blocks} blocks of {seconds_per_block} s are "
                    f"more than the max_age of market {market}, {max_age} s: every post would be refused"
                )
