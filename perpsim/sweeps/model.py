"""What a sweep file may say: a base scenario, what varies in it, and on how many seeds.

    name = "fund-size"
    title = "How large must the fund be?"
    scenario = "flash-crash"          # a name or a TOML file beside this one
    set = ["clock.blocks=600"]        # laid over it, as `perpsim run --set`
    seeds = 200                       # runs a point

    [[vary]]
    key = "fund.initial"
    low = 20_000
    high = 320_000
    scale = "log"
    points = 5

    [[vary]]
    key = "markets.0.adl"
    label = "policy"
    values = ["index", "queue-bitmex"]

Every point is run on the same seeds, so that all of them see the same prices and the same crowd.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from perpsim.scenarios.base import Model, Name
from perpsim.sweeps.objectives_model import Optimise

#: what a run's row holds of a parameter
Scalar = float | str

_Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$")]


def _keys(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Vary(Model):
    """One thing that varies: `values`, any that the key takes, or a range from `low` to `high`.

    `key` may be several that are always given the same value. `label` is what tables call it (default: its
    first key), `names` what they call its values where these are not numbers or words. In a grid a range is
    cut into `points`, both ends among them; with `integer` values are rounded.
    """

    key: Annotated[list[_Key], BeforeValidator(_keys), Field(min_length=1)]
    label: str = ""
    values: list[Any] | None = None
    names: list[str] | None = None
    low: float | None = None
    high: float | None = None
    scale: Literal["linear", "log"] = "linear"
    points: Annotated[int, Field(ge=2, le=1_000)] | None = None
    integer: bool = False

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.values is None) == (self.low is None or self.high is None):
            raise ValueError(f"{self.title}: needs either values or both low and high")
        if self.values is not None:
            self._listed(self.values)
        else:
            self._ranged()
        return self

    def _listed(self, values: list[Any]) -> None:
        if not values:
            raise ValueError(f"{self.title}: values is empty")
        if self.low is not None or self.high is not None or self.points is not None:
            raise ValueError(f"{self.title}: low, high and points do not go with values")
        if self.names is not None and len(self.names) != len(values):
            raise ValueError(f"{self.title}: {len(self.names)} names for {len(values)} values")
        shown = [self.shown(number) for number in range(len(values))]
        if len(set(shown)) < len(shown):
            raise ValueError(f"{self.title}: a value is there twice")

    def _ranged(self) -> None:
        assert self.low is not None and self.high is not None
        if self.low >= self.high:
            raise ValueError(f"{self.title}: the range from {self.low:g} to {self.high:g} is empty")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"{self.title}: a log range begins above 0")
        if self.names is not None:
            raise ValueError(f"{self.title}: names go with values")

    @property
    def title(self) -> str:
        """What tables call it."""
        return self.label or self.key[0]

    def shown(self, number: int) -> Scalar:
        """A value of the list as rows hold it."""
        assert self.values is not None
        if self.names is not None:
            return self.names[number]
        value = self.values[number]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        return value if isinstance(value, str) else repr(value)

    @property
    def numeric(self) -> bool:
        """True where rows hold numbers."""
        if self.values is None:
            return True
        return all(isinstance(self.shown(number), float) for number in range(len(self.values)))

    def at(self, share: float) -> float | int:
        """The value `share` (0 to 1) of the way along the range."""
        assert self.low is not None and self.high is not None
        low, high = self.low, self.high
        if self.scale == "log":
            value = float(low * (high / low) ** share)
        else:
            value = float(low + (high - low) * share)
        # What rounding does beyond the ends is taken back.
        value = min(max(value, low), high)
        return round(value) if self.integer else value


class Sample(Model):
    """Which points. `grid`: all combinations; the others draw `points` of them from `seed`: `random`,
    `sobol` (scrambled Sobol sequence), `latin-hypercube`, and `saltelli`, of which a base of `points` (a
    power of 2) becomes points * (parameters + 2), as first-order and total Sobol indices need."""

    kind: Literal["grid", "random", "sobol", "latin-hypercube", "saltelli"] = "grid"
    points: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _counted(self) -> Self:
        if (self.points is None) != (self.kind == "grid"):
            wrong = "a grid has those of what varies" if self.points else "is missing"
            raise ValueError(f"points: {wrong}")
        if self.kind in ("sobol", "saltelli") and self.points and self.points & (self.points - 1):
            raise ValueError(f"points: {self.points} is no power of 2, which {self.kind} needs")
        return self


class Limits(Model):
    """What a run may cost. `memory_mb`: memory that it may take beside what every worker holds anyway (MB;
    only Linux can hold it to that); `attempts`: how often a run whose process died is tried."""

    memory_mb: Annotated[int, Field(ge=200)] | None = None
    attempts: Annotated[int, Field(ge=1, le=10)] = 2


class Sweep(Model):
    """A whole sweep file. `seeds` runs a point, with seeds from `first_seed` on (default: the scenario's).
    With `optimise` its ranges and lists are searched by `perpsim optimise`, and ranges need no points."""

    name: Name
    title: str
    description: str = ""
    scenario: str
    set: list[str] = []
    seeds: Annotated[int, Field(ge=1, le=10_000_000)]
    first_seed: Annotated[int, Field(ge=0, lt=2**62)] | None = None
    sample: Sample = Sample()
    vary: list[Vary] = []
    limits: Limits = Limits()
    optimise: Optimise | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        titles = [vary.title for vary in self.vary]
        keys = [key for vary in self.vary for key in vary.key]
        for what, names in (("label", titles), ("key", keys)):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"vary: {what} {twice[0]} is there twice")
        if "seed" in keys:
            raise ValueError("vary: the seed varies by itself, seeds says over how many")
        if self.sample.kind == "grid":
            for vary in self.vary if self.optimise is None else ():
                if vary.values is None and vary.points is None:
                    raise ValueError(f"vary: {vary.title}: points is missing, a grid needs to know how many")
        elif not self.vary:
            raise ValueError(f"vary: is missing, a sample of kind {self.sample.kind} has nothing to draw")
        return self
