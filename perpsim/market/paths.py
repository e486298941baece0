"""From the price tables of a scenario to the true price of every market in every block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from perpsim.errors import UserError
from perpsim.market import processes
from perpsim.market.candles import Candles, read_candles
from perpsim.market.correlation import combine, correlation_matrix, factor
from perpsim.market.prices import CandlePath, knots_to_candles
from perpsim.scenarios.model import Scenario
from perpsim.scenarios.prices import CommonJumps, Drawn, Hawkes, Heston, JumpDiffusion, Knots, Shock, Table

FloatArray = npt.NDArray[np.float64]

# What a market draws is split into streams of its own, so that one never shifts another.
_DIFFUSION, _MIXING, _VARIANCE, _JUMP_TIMES, _JUMP_SIZES = range(5)
# Jumps that hit all markets draw as a market would whose number nothing else can have.
_COMMON = 1_000

# What the exchange can be told: prices are WAD integers below 2**88, made from steps of 1e-9.
_LOWEST, _HIGHEST = 1e-9, 3e8


def sample_paths(
    scenario: Scenario, seed: np.random.SeedSequence, candles: Mapping[int, Candles] | None = None
) -> FloatArray:
    """Prices of shape (markets, blocks), quote units; all random numbers come from `seed`.

    `candles`: files already read, by market; the others are read now. A market's path does not depend on
    how many other markets there are; its correlations are with those before it. Raises `UserError` if a file
    is bad or too short, or if a path leaves what the exchange can be told.
    """
    clock = scenario.clock
    draw = _Draw(scenario, seed)
    paths = np.empty((len(scenario.prices), clock.blocks))
    for market, source in enumerate(scenario.prices):
        if isinstance(source, Table):
            given = candles.get(market) if candles else None
            path = CandlePath(given or _candles(scenario, source)).sample(
                _table_stream(seed, market), scenario.start, clock.blocks, clock.seconds_per_block
            )
        else:
            path = draw.path(market, source)
        path = path * shock_factors(source.shocks, clock.blocks) if source.shocks else path
        _check(path, f"prices.{market} ({source.kind})")
        paths[market] = path
    return paths


def read_files(scenario: Scenario) -> dict[int, Candles]:
    """The candle files that a scenario names, by market."""
    return {
        market: read_candles(source.file)
        for market, source in enumerate(scenario.prices)
        if source.kind == "candles"
    }


def shock_factors(shocks: Sequence[Shock], blocks: int) -> FloatArray:
    """What shocks multiply the price of each block with."""
    logs = np.zeros(blocks)
    at = np.arange(blocks, dtype=np.float64)
    for shock in shocks:
        # The block of the shock already shows its first part.
        there = np.clip((at - shock.block + 1) / shock.blocks, 0, 1)
        turn = shock.block + shock.blocks - 1 + shock.hold
        back = np.clip((at - turn) / shock.recovery_blocks, 0, 1)
        logs += np.log1p(shock.change) * (there - shock.recovery * back)
    factors: FloatArray = np.exp(logs)
    return factors


@dataclass(frozen=True)
class _Draw:
    """Draws the paths of one scenario."""

    scenario: Scenario
    seed: np.random.SeedSequence

    @property
    def steps(self) -> int:
        """Returns in a path: one fewer than blocks."""
        return self.scenario.clock.blocks - 1

    @property
    def years(self) -> float:
        """Length of a block."""
        return self.scenario.clock.seconds_per_block / processes.YEAR

    def path(self, market: int, source: Drawn) -> FloatArray:
        """Prices of one market: `start` in block 0, then a return a block."""
        returns = self._diffusion(market, source) + source.drift * self.years
        if isinstance(source, (JumpDiffusion, Hawkes)):
            returns = returns + self._own_jumps(market, source)
        shared = self.scenario.common_jumps
        if shared is not None and source.beta:
            returns = returns + source.beta * self._common_jumps
            returns -= self.years * processes.jump_growth(
                shared.intensity, source.beta * shared.jump_mean, abs(source.beta) * shared.jump_deviation
            )
        # Too wild a process overflows; `_check` says so in words.
        with np.errstate(over="ignore"):
            return source.start * np.exp(np.concatenate(([0.0], np.cumsum(returns))))

    def _diffusion(self, market: int, source: Drawn) -> FloatArray:
        driver = self._drivers[market]
        if isinstance(source, Heston):
            variance = self._variance(market, source, driver)
        else:
            variance = np.full(self.steps, source.volatility**2)
            if source.tails is not None:
                mixing = self._stream(self._mixed_with(market), _MIXING)
                driver = processes.student(mixing, driver, source.tails)
        returns: FloatArray = np.sqrt(variance * self.years) * driver - variance / 2 * self.years
        return returns

    def _variance(self, market: int, source: Heston, driver: FloatArray) -> FloatArray:
        own = self._stream(market, _VARIANCE).standard_normal(self.steps)
        if source.reversion * self.years > 1:
            raise UserError(
                f"prices.{market}.reversion: {source.reversion:g} a year is too fast for blocks of "
                f"{self.scenario.clock.seconds_per_block} s: at most {1 / self.years:g}"
            )
        long_run = source.volatility if source.long_volatility is None else source.long_volatility
        return processes.heston_variance(
            source.rho * driver + np.sqrt(1 - source.rho**2) * own,
            source.volatility**2,
            long_run**2,
            source.reversion,
            source.vol_of_vol,
            self.years,
        )

    def _own_jumps(self, market: int, source: JumpDiffusion | Hawkes) -> FloatArray:
        growth = processes.jump_growth(source.intensity, source.jump_mean, source.jump_deviation)
        return self._jumps(market, source) - growth * self.years

    def _jumps(self, market: int, law: JumpDiffusion | Hawkes | CommonJumps) -> FloatArray:
        seconds = self.scenario.clock.seconds_per_block
        branching, half_life = (
            (0.0, 1.0) if isinstance(law, JumpDiffusion) else (law.branching, law.half_life)
        )
        times = processes.jump_times(
            self._stream(market, _JUMP_TIMES),
            law.intensity / processes.YEAR,
            branching,
            half_life,
            self.steps * seconds,
        )
        sizes = self._stream(market, _JUMP_SIZES)
        return processes.jump_returns(sizes, times, law.jump_mean, law.jump_deviation, self.steps, seconds)

    @cached_property
    def _common_jumps(self) -> FloatArray:
        shared = self.scenario.common_jumps
        return np.zeros(self.steps) if shared is None else self._jumps(_COMMON, shared)

    @cached_property
    def _correlations(self) -> FloatArray:
        return correlation_matrix(self.scenario.correlation, self._drawn)

    @cached_property
    def _drivers(self) -> list[FloatArray]:
        """Standard normals a step, one array a market; of tables nobody asks for them."""
        silent = np.zeros(self.steps)
        noise = [
            self._stream(market, _DIFFUSION).standard_normal(self.steps) if drawn else silent
            for market, drawn in enumerate(self._drawn)
        ]
        return combine(factor(self._correlations), noise)

    @property
    def _drawn(self) -> list[bool]:
        return [not isinstance(source, Table) for source in self.scenario.prices]

    def _mixed_with(self, market: int) -> int:
        """The market whose wild blocks this one shares: the first with the same tails and a correlation."""
        prices = self.scenario.prices
        for other in range(market):
            same = getattr(prices[other], "tails", None) == getattr(prices[market], "tails", None)
            if same and self._correlations[market, other]:
                return self._mixed_with(other)
        return market

    def _stream(self, market: int, part: int) -> np.random.Generator:
        return np.random.default_rng(_child(self.seed, market, part))


def _table_stream(seed: np.random.SeedSequence, market: int) -> np.random.Generator:
    # The first market's bridges draw from the seed itself, as they did when there was but one market.
    return np.random.default_rng(_child(seed, market) if market else seed)


def _child(seed: np.random.SeedSequence, *key: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, *key))


def _candles(scenario: Scenario, source: Table) -> Candles:
    if isinstance(source, Knots):
        return knots_to_candles(source.knots, scenario.start, source.interval, f"of {scenario.name}")
    return read_candles(source.file)


def _check(path: FloatArray, where: str) -> None:
    bad = np.flatnonzero(~((path >= _LOWEST) & (path <= _HIGHEST)))
    if bad.size:
        raise UserError(
            f"{where}: the price leaves what the exchange can be told ({_LOWEST:g} to {_HIGHEST:g}) at block "
            f"{bad[0]:,}: lower volatility, drift, jumps or shocks, or take another seed"
        )
