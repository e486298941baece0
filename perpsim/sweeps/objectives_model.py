"""What the section `[optimise]` of a sweep file may say.

    [optimise]
    minimise = "margin"                                         # a label of what varies, or a statistic
    constraints = ["p(adl) <= 1 %", "mean(keepers.profit) >= 0"]
    trials = 60

`perpsim.sweeps.objectives` says which expressions there are.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from perpsim.scenarios.base import Model


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_Expressions = Annotated[list[str], BeforeValidator(_listed)]


class Optimise(Model):
    """One objective, or two for a Pareto front, and what must hold.

    `trials` points are tried, the first `startup` of them drawn at random, `together` at a time; all from the
    sampler's `seed`. With `strict` a constraint must hold at the far end of its interval, not only at the
    estimate. `stop_early`: a trial whose constraints cannot hold any more is not run to its last seed. The
    best points are run again on `holdout` fresh seeds (default: as many as the sweep's; 0: not at all).
    """

    minimise: _Expressions = []
    maximise: _Expressions = []
    constraints: _Expressions = []
    strict: bool = False
    trials: Annotated[int, Field(ge=1, le=100_000)] = 60
    startup: Annotated[int, Field(ge=1, le=10_000)] = 10
    together: Annotated[int, Field(ge=1, le=1_000)] = 1
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    stop_early: bool = True
    holdout: Annotated[int, Field(ge=0, le=10_000_000)] | None = None

    @model_validator(mode="after")
    def _one_or_two(self) -> Self:
        objectives = [*self.minimise, *self.maximise]
        if not objectives:
            raise ValueError("says neither what to minimise nor what to maximise")
        if len(objectives) > 2:
            raise ValueError(
                f"{len(objectives)} objectives: one, or two for a Pareto front; others can be constraints"
            )
        for what, texts in (("objective", objectives), ("constraint", self.constraints)):
            twice = sorted({text for text in texts if texts.count(text) > 1})
            if twice:
                raise ValueError(f"{what} {twice[0]} is there twice")
        return self
