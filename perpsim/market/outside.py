"""The world outside the exchange while a run goes on: its prices, and what trading does to those of thin
markets."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from perpsim.scenarios import Impact

FloatArray = npt.NDArray[np.float64]

# Blocks over which half of the weight of the volatility that agents feel lies.
_HALF_LIFE = 25
_DECAY = 0.5 ** (1 / _HALF_LIFE)
#: the furthest that trading moves a price, as a logarithm: beyond it there is no market left to speak of
MOST = math.log(20.0)


class Outside:
    """Outside prices (quote units) of every market and block, a row a market.

    `paths` are what they would be without anybody here. In a market with an impact the price of a block is
    that times exp(push); the push is what net buying has added by the block before, less what has decayed.
    Prices of blocks to come are not settled before `close` of the block before them.
    """

    def __init__(
        self, paths: FloatArray, impacts: Sequence[Impact | None] = (), seconds_per_block: int = 12
    ) -> None:
        #: prices as they come out
        self.paths = paths
        #: volatility a block that agents feel, a row a market
        self.volatility = [volatility(path) for path in paths]
        self._impacts = {market: impact for market, impact in enumerate(impacts) if impact is not None}
        self._decay = {
            m: 0.5 ** (seconds_per_block / impact.half_life) for m, impact in self._impacts.items()
        }
        self._push = dict.fromkeys(self._impacts, 0.0)
        self._flow = dict.fromkeys(self._impacts, 0.0)
        if self._impacts:
            self._base = paths
            self.paths = paths.copy()

    @property
    def moved(self) -> tuple[int, ...]:
        """Markets whose price trading moves."""
        return tuple(self._impacts)

    def flow(self, market: int, notional: float) -> None:
        """Note net buying of `notional` (quote units, below 0: selling) in this block."""
        if market in self._flow:
            self._flow[market] += notional

    def buy(self, market: int, block: int, notional: float) -> float:
        """Buy for `notional` (quote units) outside; the base units that brings, at the mean of the price
        before and after it."""
        self.flow(market, notional)
        return notional / (float(self.paths[market, block]) * self._half_way(market, notional))

    def sell(self, market: int, block: int, size: float) -> float:
        """Sell `size` (base units) outside; the quote units that brings."""
        worth = size * float(self.paths[market, block])
        self.flow(market, -worth)
        return worth * self._half_way(market, -worth)

    def _half_way(self, market: int, notional: float) -> float:
        impact = self._impacts.get(market)
        return 1.0 if impact is None else math.exp(impact.per_million * notional / 2e6)

    def close(self, block: int) -> None:
        """The block is over: settle the price of the next one."""
        for market, impact in self._impacts.items():
            push = self._push[market] * self._decay[market]
            push += impact.per_million * self._flow[market] / 1e6
            self._push[market] = push = min(max(push, -MOST), MOST)
            self._flow[market] = 0.0
            path, felt = self.paths[market], self.volatility[market]
            if block + 1 < path.size:
                path[block + 1] = self._base[market, block + 1] * math.exp(push)
                if block > 0:
                    change = math.log(path[block] / path[block - 1])
                    felt[block + 1] = math.sqrt(_DECAY * felt[block] ** 2 + (1 - _DECAY) * change**2)


def volatility(path: FloatArray) -> FloatArray:
    """Standard deviation a block of the returns up to the block before each, exponentially weighted."""
    squares = np.diff(np.log(path)) ** 2
    felt = np.empty(path.size)
    # Before there is a history the first minutes' own figure stands in for it.
    variance = float(squares[:_HALF_LIFE].mean()) if squares.size else 0.0
    felt[:2] = variance
    for block in range(2, path.size):
        variance = _DECAY * variance + (1 - _DECAY) * squares[block - 2]
        felt[block] = variance
    return np.sqrt(felt)
