"""What a scenario file tells its reader beside the figures: what counts, how to vary it, what to expect."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from perpsim.scenarios.base import Model


class Expectation(Model):
    """A figure of `summary.json` (dotted path), the bounds a test holds it to, and what really happened."""

    figure: str
    low: float
    high: float
    real: float | None = None
    note: str = ""


class Lever(Model):
    """A parameter that decides how the scenario goes: its path in the file, and why."""

    key: str
    why: str


class Variation(Model):
    """What to try: changes as `--set` takes them, and what becomes of it."""

    change: Annotated[list[str], Field(min_length=1)]
    effect: str
