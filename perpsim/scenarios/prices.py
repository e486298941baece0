"""Where the prices of the world outside the exchange come from."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from perpsim.scenarios.base import Model, Positive


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
