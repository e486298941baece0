"""Flow that is neither leveraged conviction nor quoting: momentum and noise."""

from __future__ import annotations

import numpy as np

from perpsim.agents.base import FloatArray, Members, View
from perpsim.agents.desk import Desk
from perpsim.chain import Tx
from perpsim.simulation.scenario import Momentum, Noise

_SLIPPAGE = 0.01
# Least change of a position worth an order, as a share of the target's scale.
_WORTHWHILE = 0.2


def _rebalance(
    desk: Desk,
    members: Members,
    target: FloatArray,
    scale: FloatArray,
    awake: FloatArray,
    view: View,
    arrivals: FloatArray,
) -> list[Tx]:
    """Orders that bring the positions of those awake to `target` (base units)."""
    price = view.mark
    change = target - members.of(view.size)
    act = (awake > 0) & (members.ids > 0) & (np.abs(change) * price > _WORTHWHILE * scale)
    txs: list[Tx] = []
    for row in np.flatnonzero(act):
        limit = price * (1 + _SLIPPAGE if change[row] > 0 else 1 - _SLIPPAGE)
        order = desk.order(members.addresses[row], float(change[row]), limit, 0.05 + 0.95 * arrivals[row])
        if order is not None:
            txs.append(order)
    return txs


class MomentumTraders:
    """Long after a rise of the outside price beyond the threshold, short after a fall, flat in between."""

    role = "momentum"

    def __init__(self, config: Momentum, desk: Desk, members: Members, rng: np.random.Generator) -> None:
        self.members = members
        self._config = config
        self._desk = desk
        self._sensitivity = rng.uniform(0.5, 2.0, len(members))

    def update(self, rng: np.random.Generator, view: View) -> list[Tx]:
        """Each looks at the market with probability `activity`."""
        config = self._config
        draws = rng.random((len(self.members), 2))
        if view.mark <= 0:
            return []
        signal = view.returned(config.lag_blocks, config.window_blocks)
        threshold = config.threshold * self._sensitivity
        direction = np.where(signal > threshold, 1.0, np.where(signal < -threshold, -1.0, 0.0))
        # The position is measured by what is left, so that losers trade smaller.
        scale = np.clip(self.members.of(view.equity), 0.0, config.capital) * config.leverage
        awake = np.where(draws[:, 0] < config.activity, 1.0, 0.0)
        return _rebalance(
            self._desk, self.members, direction * scale / view.mark, scale, awake, view, draws[:, 1]
        )


class NoiseTraders:
    """Want a random position now and then, around zero."""

    role = "noise"

    def __init__(self, config: Noise, desk: Desk, members: Members, rng: np.random.Generator) -> None:
        self.members = members
        self._config = config
        self._desk = desk

    def update(self, rng: np.random.Generator, view: View) -> list[Tx]:
        """Each trades with probability `activity`."""
        config = self._config
        draws = rng.random((len(self.members), 3))
        if view.mark <= 0:
            return []
        scale = np.clip(self.members.of(view.equity), 0.0, config.capital) * config.leverage
        target = (2 * draws[:, 2] - 1) * scale / view.mark
        awake = np.where(draws[:, 0] < config.activity, 1.0, 0.0)
        return _rebalance(self._desk, self.members, target, scale, awake, view, draws[:, 1])
