"""Market makers: ladders around the outside price, thinner and wider as volatility rises."""

from __future__ import annotations

import numpy as np

from perpsim.agents.base import FloatArray, Members, View, Views
from perpsim.agents.desk import POST_ONLY, Desk
from perpsim.chain import Tx
from perpsim.scenarios import Makers

_MAX_DISTANCE = 0.08


class MarketMakers:
    """Replace their ladders when the price has moved, time has passed or their stock has changed.

    With v = volatility / calm volatility (at least 1), spreads and steps grow as v^spread_power, depth
    shrinks as v^-depth_power down to a floor. Stock shifts the whole ladder against itself. Each maker has
    its own nerve: beyond its multiple of `withdraw_volatility` it leaves only the floor's depth, twice as
    far away.
    """

    role = "maker"

    def __init__(self, config: Makers, desk: Desk, members: Members, rng: np.random.Generator) -> None:
        count = len(members)
        self.members = members
        self.config = config
        self._desk = desk
        self._nerve = rng.uniform(0.6, 1.6, count)
        self._patience = rng.uniform(0.5, 1.5, count) * config.requote_blocks
        self._quoted: FloatArray = np.zeros(count)
        self._quoted_block = np.full(count, -(10**9), dtype=np.int64)
        self._quoted_stock: FloatArray = np.zeros(count)
        self._resting = np.zeros(count, dtype=np.bool_)

    def update(self, rng: np.random.Generator, views: Views) -> list[Tx]:
        """New ladders of the makers whose quotes no longer suit them, and money for those short of it."""
        view = views[self.config.market]
        config, members = self.config, self.members
        reference = view.price(config.lag_blocks)
        stress = max(1.0, view.volatility / config.calm_volatility)
        stock = members.of(view.size) * reference
        moved = np.abs(reference - self._quoted) > config.requote * stress**config.spread_power * self._quoted
        stale = view.block - self._quoted_block >= self._patience
        changed = np.abs(stock - self._quoted_stock) > 0.25 * config.depth
        wants = ((members.ids > 0) & (moved | stale | changed)).nonzero()[0]
        if not wants.size:
            return []
        txs: list[Tx] = []
        for row, draw in zip(wants.tolist(), rng.random(wants.size).tolist()):
            equity = float(view.equity[members.ids[row]])
            if equity < 0.5 * config.capital:
                # Their hedges elsewhere made what they lost here.
                txs.append(self._desk.deposit(config.capital - equity, members.addresses[row], 0.05))
            self._quoted[row] = reference
            self._quoted_block[row] = view.block
            self._quoted_stock[row] = stock[row]
            txs += self._ladder(row, view, reference, stress, float(stock[row]), 0.1 + 0.8 * draw)
        return txs

    def _ladder(
        self, row: int, view: View, reference: float, stress: float, stock: float, arrival: float
    ) -> list[Tx]:
        config, desk, address = self.config, self._desk, self.members.addresses[row]
        txs: list[Tx] = []
        if self._resting[row]:
            txs.append(desk.cancel_all(address, arrival))
        self._resting[row] = True
        widened = stress**config.spread_power
        depth = config.depth * max(config.depth_floor, stress**-config.depth_power)
        if view.volatility > config.withdraw_volatility * self._nerve[row]:
            depth, widened = config.depth * config.depth_floor, 2 * widened
        lean = min(max(stock / config.inventory_limit, -1.0), 1.0)
        centre = reference * (1 - lean * config.inventory_skew * widened)
        total = config.levels * (config.levels + 1) / 2
        tick = desk.grid.tick
        for side in (1, -1):
            room = 1 - max(0.0, side * lean)
            for level in range(config.levels):
                away = min(widened * (config.half_spread + config.level_step * level), _MAX_DISTANCE)
                price = centre * (1 - side * away)
                # Post-only orders that would trade are refused: stay behind the last known opposite side.
                if side > 0 and view.ask:
                    price = min(price, view.ask - tick)
                if side < 0 and view.bid:
                    price = max(price, view.bid + tick)
                size = side * depth * room * (level + 1) / total / price
                order = desk.order(address, size, price, arrival, kind=POST_ONLY)
                if order is not None:
                    txs.append(order)
        return txs
