"""Flow that is neither leveraged conviction nor quoting: momentum and noise."""

from __future__ import annotations

import numpy as np

from perpsim.agents.base import Members, View, Views
from perpsim.agents.desk import Desk
from perpsim.chain import Tx
from perpsim.scenarios import Momentum, Noise

_SLIPPAGE = 0.01
# Least change of a position worth an order, as a share of the target's scale.
_WORTHWHILE = 0.2


def _towards(
    desk: Desk, members: Members, row: int, target: float, scale: float, view: View, draw: float
) -> list[Tx]:
    """An order that brings one member's position to `target` (base units), if the change is worth it."""
    price = view.mark
    change = target - float(view.size[members.ids[row]])
    if members.ids[row] == 0 or abs(change) * price <= _WORTHWHILE * scale:
        return []
    limit = price * (1 + _SLIPPAGE if change > 0 else 1 - _SLIPPAGE)
    order = desk.order(members.addresses[row], change, limit, 0.05 + 0.95 * draw)
    return [] if order is None else [order]


def _scale(members: Members, row: int, view: View, capital: float, leverage: float) -> float:
    """Notional that a member may hold: measured by what it has left, so that losers trade smaller."""
    return min(max(float(view.equity[members.ids[row]]), 0.0), capital) * leverage


class MomentumTraders:
    """Long after a rise of the outside price beyond the threshold, short after a fall, flat in between."""

    role = "momentum"

    def __init__(self, config: Momentum, desk: Desk, members: Members, rng: np.random.Generator) -> None:
        self.members = members
        self.config = config
        self._desk = desk
        self._sensitivity = rng.uniform(0.5, 2.0, len(members))

    def update(self, rng: np.random.Generator, views: Views) -> list[Tx]:
        """Each looks at the market with probability `activity`."""
        view = views[self.config.market]
        config = self.config
        awake = (rng.random(len(self.members)) < config.activity).nonzero()[0]
        if not awake.size:
            return []
        signal = view.returned(config.lag_blocks, config.window_blocks)
        txs: list[Tx] = []
        for row, draw in zip(awake.tolist(), rng.random(awake.size).tolist()):
            threshold = config.threshold * self._sensitivity[row]
            direction = 1.0 if signal > threshold else -1.0 if signal < -threshold else 0.0
            scale = _scale(self.members, row, view, config.capital, config.leverage)
            target = direction * scale / view.mark
            txs += _towards(self._desk, self.members, row, target, scale, view, draw)
        return txs


class NoiseTraders:
    """Want a random position now and then, around zero."""

    role = "noise"

    def __init__(self, config: Noise, desk: Desk, members: Members, rng: np.random.Generator) -> None:
        self.members = members
        self.config = config
        self._desk = desk

    def update(self, rng: np.random.Generator, views: Views) -> list[Tx]:
        """Each trades with probability `activity`."""
        view = views[self.config.market]
        config = self.config
        awake = (rng.random(len(self.members)) < config.activity).nonzero()[0]
        if not awake.size:
            return []
        txs: list[Tx] = []
        for row, (draw, wish) in zip(awake.tolist(), rng.random((awake.size, 2)).tolist()):
            scale = _scale(self.members, row, view, config.capital, config.leverage)
            target = (2 * wish - 1) * scale / view.mark
            txs += _towards(self._desk, self.members, row, target, scale, view, draw)
        return txs
