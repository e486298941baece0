"""Other people's demand for gas, drawn block by block."""

from __future__ import annotations

import math

import numpy as np

from perpsim.chain import GWEI, Bids
from perpsim.scenarios.network import Congestion

#: gas of the smallest transaction there is
LEAST_GAS = 21_000
_MOST_STRESS = 20.0
_HOUR = 3600.0


class Demand:
    """Draws outside bids for one run. `gas_limit` is the block's."""

    def __init__(self, config: Congestion, gas_limit: int) -> None:
        self.config = config
        self._gas_limit = gas_limit
        knots = np.array(config.knots, dtype=float).reshape(-1, 3)
        self._hours, self._levels, self._demands = knots[:, 0], np.log(knots[:, 1]), knots[:, 2]

    def at(self, seconds: float, volatility: float = 0.0) -> tuple[float, float]:
        """(level in gwei, demand in blocks' worth of gas a block) `seconds` after the clock's start, the
        market moving with `volatility` a block."""
        config = self.config
        if config.kind == "none":
            return config.level, 0.0
        level, demand = config.level, config.demand
        if config.kind == "history":
            hours = seconds / _HOUR
            level = math.exp(float(np.interp(hours, self._hours, self._levels)))
            demand = float(np.interp(hours, self._hours, self._demands))
        stress = min(max(volatility / config.calm_volatility, 1.0), _MOST_STRESS)
        return level * stress**config.level_reaction, demand * stress**config.demand_reaction

    def bids(self, rng: np.random.Generator, seconds: float, volatility: float, block: int) -> Bids | None:
        """What arrives for `block` (its number on the chain); None if nothing does.

        How many there are is Poisson, what each would pay lognormal around the level, its gas exponential
        above that of a plain transfer.
        """
        config = self.config
        level, demand = self.at(seconds, volatility)
        count = int(rng.poisson(demand * self._gas_limit / config.gas_mean)) if demand > 0 else 0
        if not count:
            return None
        willing, eager = rng.standard_normal((2, count))
        most = level * GWEI * np.exp(config.sigma * willing)
        tips = np.minimum(config.tip_share * np.exp(config.tip_sigma * eager), 1.0) * most
        gas = LEAST_GAS + rng.exponential(config.gas_mean - LEAST_GAS, count)
        return Bids(
            most.astype(np.int64),
            tips.astype(np.int64),
            np.minimum(gas, self._gas_limit).astype(np.int64),
            np.full(count, block + config.patience, dtype=np.int64),
        )
