"""Market makers: ladders around the outside price, thinner and wider as volatility rises."""

from __future__ import annotations

import numpy as np

from perpsim.agents.base import FloatArray, Members, View
from perpsim.agents.desk import POST_ONLY, Desk
from perpsim.chain import Tx
from perpsim.simulation.scenario import Makers

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
        self._config = config
        self._desk = desk
        self._nerve = rng.uniform(0.6, 1.6, count)
        self._patience = rng.uniform(0.5, 1.5, count) * config.requote_blocks
        self._quoted: FloatArray = np.zeros(count)
        self._quoted_block = np.full(count, -(10**9), dtype=np.int64)
        self._quoted_stock: FloatArray = np.zeros(count)
        self._resting = np.zeros(count, dtype=np.bool_)

    def update(self, rng: np.random.Generator, view: View) -> list[Tx]:
        """New ladders of the makers whose quotes no longer suit them, and money for those short of it."""
        config = self._config
        count = len(self.members)
        draws = rng.random((count, 2))
        reference = view.price(config.lag_blocks)
        stress = max(1.0, view.volatility / config.calm_volatility)
        stock = self.members.of(view.size) * reference
        equity = self.members.of(view.equity)
        moved = np.abs(reference / np.where(self._quoted > 0, self._quoted, 1.0) - 1.0)
        stale = view.block - self._quoted_block >= self._patience
        changed = np.abs(stock - self._quoted_stock) > 0.25 * config.depth
        wants = (moved > config.requote * stress**config.spread_power) | stale | changed
        txs: list[Tx] = []
        for row in np.flatnonzero((self.members.ids > 0) & wants):
            if equity[row] < 0.5 * config.capital:
                # Their hedges elsewhere made what they lost here.
                amount = config.capital - equity[row]
                txs.append(self._desk.deposit(amount, self.members.addresses[row], 0.05))
            self._quoted[row] = reference
            self._quoted_block[row] = view.block
            self._quoted_stock[row] = stock[row]
            arrival = 0.1 + 0.8 * draws[row, 0]
            txs += self._ladder(int(row), view, reference, stress, stock[row], arrival)
        return txs

    def _ladder(
        self, row: int, view: View, reference: float, stress: float, stock: float, arrival: float
    ) -> list[Tx]:
        config, desk, address = self._config, self._desk, self.members.addresses[row]
        txs: list[Tx] = []
        if self._resting[row]:
            txs.append(desk.cancel_all(address, arrival))
        self._resting[row] = True
        widened = stress**config.spread_power
        depth = config.depth * max(config.depth_floor, stress**-config.depth_power)
        if view.volatility > config.withdraw_volatility * self._nerve[row]:
            depth, widened = config.depth * config.depth_floor, 2 * widened
        lean = float(np.clip(stock / config.inventory_limit, -1, 1))
        centre = reference * (1 - lean * config.inventory_skew * widened)
        steps = config.levels
        weights = np.arange(1, steps + 1) / (steps * (steps + 1) / 2)
        distances = np.minimum(
            widened * (config.half_spread + config.level_step * np.arange(steps)), _MAX_DISTANCE
        )
        for side in (1, -1):
            room = max(0.0, 1 - max(0.0, side * lean))
            prices = centre * (1 - side * distances)
            # Post-only orders that would trade are refused: stay behind the last known opposite side.
            if side > 0 and view.ask:
                prices = np.minimum(prices, view.ask - desk.grid.tick)
            if side < 0 and view.bid:
                prices = np.maximum(prices, view.bid + desk.grid.tick)
            for price, weight in zip(prices, weights):
                size = side * depth * room * weight / price
                order = desk.order(address, size, price, arrival, kind=POST_ONLY)
                if order is not None:
                    txs.append(order)
        return txs
