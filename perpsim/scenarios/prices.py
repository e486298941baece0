"""Where the prices of the world outside the exchange come from: one table a market.

`[prices]` in a scenario with one market, `[[prices]]` once a market in the order of `[[markets]]` otherwise.
`kind` says which: `knots` and `candles` replay what happened, `gbm`, `jumps`, `heston` and `hawkes` draw a
path from the scenario's seed. Rates are a year of 365 days, whatever the length of a block: a `volatility`
of 0.8 is a standard deviation of 0.8 of the logarithmic return over a year, 4.2 % over a day. Same seed and
tables, same path; a shorter run sees the beginning of a longer one.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from perpsim.scenarios.base import Count, Fraction, Model, OneOrMore, Positive

# Over a year; more would be some jumps every block.
_Intensity = Annotated[float, Field(gt=0, le=10_000_000)]
_Deviation = Annotated[float, Field(ge=0, le=2)]
_LogJump = Annotated[float, Field(ge=-5, le=5)]
# At 1 every jump would trigger another one for ever.
_Branching = Annotated[float, Field(ge=0, le=0.99)]


class Shock(Model):
    """What if: a move laid over the path. From `block` on the price moves by the fraction `change` (-0.3: it
    falls by 30 %; 3.0: it quadruples) over `blocks` blocks; it stays there for `hold` blocks, then the share
    `recovery` of the move comes back over `recovery_blocks`. Even in the logarithm; shocks multiply."""

    block: Count
    change: Annotated[float, Field(gt=-1, le=1_000)]
    blocks: Annotated[int, Field(ge=1)] = 1
    hold: Count = 0
    recovery: Fraction = 0.0
    recovery_blocks: Annotated[int, Field(ge=1)] = 1


class _Source(Model):
    """What every kind may have."""

    source: str = ""
    shocks: list[Shock] = []


class Knots(_Source):
    """A table of (open, high, low, close), one row every `interval` seconds from the clock's start. Between
    them a seeded bridge that opens, touches high and low, and closes as the row says."""

    kind: Literal["knots"]
    interval: Annotated[int, Field(gt=0)] = 3600
    knots: Annotated[list[Annotated[list[Positive], Field(min_length=4, max_length=4)]], Field(min_length=1)]

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for row, (opened, high, low, close) in enumerate(self.knots):
            if not low <= min(opened, close) <= max(opened, close) <= high:
                raise ValueError(f"row {row}: open and close must lie between low and high")
        return self


class CandleFile(_Source):
    """A CSV file of candles as exchanges hand out (time, open, high, low, close), read when the run starts
    and walked through as knots are. `file` is relative to the scenario file (with `--set` or in a program:
    to the current folder). It must cover the whole run; a gap in it holds the last close."""

    kind: Literal["candles"]
    file: Annotated[str, Field(min_length=1)]


class _Process(_Source):
    """What drawn paths share. The price of block 0 is `start` (quote units). `drift`: the expected growth a
    year, as a logarithm, jumps at their average included (0: the price is expected to stay). `volatility` a
    year is that of the diffusion, without jumps. `beta`: how much of each of the scenario's common jumps this
    market takes."""

    start: Annotated[float, Field(ge=1e-6, le=1e8)]
    drift: Annotated[float, Field(ge=-1_000, le=1_000)] = 0.0
    volatility: Annotated[float, Field(ge=0, le=100)]
    beta: Annotated[float, Field(ge=-10, le=10)] = 1.0


class _Diffusion(_Process):
    """`tails`: returns a block follow Student's t with that many degrees of freedom, of the same variance;
    without it they are Gaussian. Over many blocks that averages out: fat tails of hourly returns come from
    clusters, `heston` and `hawkes`. Markets that are correlated and have the same `tails` have their wild
    blocks together; where `tails` differ, returns are correlated less than their drivers."""

    tails: Annotated[float, Field(gt=2, le=1_000)] | None = None


class _Jumps(Model):
    """Jumps of the logarithm of the price: `intensity` of them a year on average, each normal with mean
    `jump_mean` (-0.05: a fall of 4.9 %) and standard deviation `jump_deviation`."""

    intensity: _Intensity
    jump_mean: _LogJump = 0.0
    jump_deviation: _Deviation = 0.02


class GeometricBrownian(_Diffusion):
    """Geometric Brownian motion: independent returns of the same `volatility`."""

    kind: Literal["gbm"]


class JumpDiffusion(_Jumps, _Diffusion):
    """Merton's jump diffusion: geometric Brownian motion and jumps that arrive as a Poisson process."""

    kind: Literal["jumps"]


class Heston(_Process):
    """Heston's stochastic volatility: the variance v starts at `volatility` squared and follows
    dv = reversion * (long_volatility ** 2 - v) dt + vol_of_vol * sqrt(v) dW, time in years; `long_volatility`
    is `volatility` where it is not given. Half of a deviation is gone after ln 2 / reversion years (253: a
    day). `rho` correlates dW with the price, below 0 where falls are wilder than rises. Full-truncation
    scheme, one step a block."""

    kind: Literal["heston"]
    long_volatility: Annotated[float, Field(ge=0, le=100)] | None = None
    reversion: Annotated[float, Field(gt=0, le=1_000_000)]
    vol_of_vol: Annotated[float, Field(ge=0, le=10_000)]
    rho: Annotated[float, Field(ge=-1, le=1)] = -0.5


class Hawkes(_Jumps, _Diffusion):
    """Jumps that come in clusters: a Hawkes process with an exponential kernel. Each jump triggers
    `branching` others on average, half of them within `half_life` seconds; `intensity` counts all of them, so
    intensity * (1 - branching) come by themselves. The run begins at the average intensity. With 8,000 jumps
    a year of deviation 0.006, branching 0.8, half life 1,800 s and volatility 0.4, hourly losses have tails
    like those of BTC (Hill index of the worst twentieth 2.7, a normal's is 5)."""

    kind: Literal["hawkes"]
    branching: _Branching
    half_life: Positive = 600.0


class CommonJumps(_Jumps):
    """Jumps that hit all markets with a drawn path in the same block, each by its `beta` times the jump; with
    `branching` they cluster as those of kind `hawkes` do. They come on top of a market's own."""

    branching: _Branching = 0.0
    half_life: Positive = 600.0


Table = Knots | CandleFile
Drawn = GeometricBrownian | JumpDiffusion | Heston | Hawkes
Source = Annotated[Table | Drawn, Field(discriminator="kind")]


#: `[prices]` or `[[prices]]`, in the order of the markets
Prices = Annotated[list[Source], OneOrMore, Field(min_length=1)]


def _number_or_square(value: Any) -> Any:
    if value is None:
        return value
    rows = value if isinstance(value, list) else [[value]]
    if not all(isinstance(row, list) and all(_is_number(cell) for cell in row) for row in rows):
        raise ValueError("must be a number for all pairs, or a list of lists of numbers, a row a market")
    if isinstance(value, list) and any(len(row) != len(rows) for row in rows):
        raise ValueError(f"must be square: {len(rows)} rows of {len(rows)} numbers")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


#: of the diffusive drivers: a number for all pairs of drawn paths, or a matrix with a row a market
Correlation = Annotated[float | list[list[float]] | None, BeforeValidator(_number_or_square)]


def explain(source: Source) -> str:
    """A table of prices in one line: what its kind is, and what it sets."""
    table = source.model_dump(exclude_unset=True, exclude={"kind", "source", "knots", "shocks"})
    if isinstance(source, Knots):
        table["rows"] = len(source.knots)
    figures = [
        f"{key} {value:,}" if isinstance(value, int) else f"{key} {value}" for key, value in table.items()
    ]
    figures += [f"a shock of {shock.change:+.0%} at block {shock.block:,}" for shock in source.shocks]
    kind = " ".join((type(source).__doc__ or "").split()).partition(". ")[0].rstrip(".").replace("`", "")
    return f"{kind} ({', '.join(figures)})"
