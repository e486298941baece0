"""Arbitrageurs: they carry the outside price into the book, as far as their stock and capital allow."""

from __future__ import annotations

import numpy as np

from perpsim.agents.base import Members, View
from perpsim.agents.desk import Desk
from perpsim.chain import Tx
from perpsim.simulation.scenario import Arbitrageurs


class IndexArbitrageurs:
    """Buy what the book offers below the outside price less the threshold, sell above; hedged elsewhere.

    Every `top_up_blocks` each moves money between here and the hedge, so that it comes back to its capital.
    """

    role = "arbitrageur"

    def __init__(self, config: Arbitrageurs, desk: Desk, members: Members, rng: np.random.Generator) -> None:
        self.members = members
        self._config = config
        self._desk = desk
        self._appetite = rng.uniform(0.7, 1.3, len(members))
        self._offset = rng.integers(0, config.top_up_blocks, len(members))

    def update(self, rng: np.random.Generator, view: View) -> list[Tx]:
        """At most one order each."""
        config = self._config
        count = len(self.members)
        draws = rng.random((count, 2))
        fair = view.price(config.lag_blocks)
        stock = self.members.of(view.size) * fair
        equity = self.members.of(view.equity)
        txs: list[Tx] = []
        for row in range(count):
            address = self.members.addresses[row]
            if self.members.ids[row] == 0:
                continue
            arrival = 0.05 + 0.9 * draws[row, 0]
            if (view.block + self._offset[row]) % config.top_up_blocks == 0:
                lack = config.capital - equity[row]
                if lack > 0.2 * config.capital:
                    txs.append(self._desk.deposit(lack, address, 0.05))
            # Stock is expensive to carry: the fuller the book, the larger the gap that is worth it.
            load = stock[row] / config.inventory_limit
            threshold = config.threshold * self._appetite[row]
            buy_below = fair * (1 - threshold * max(0.25, 1 + 2 * load))
            sell_above = fair * (1 + threshold * max(0.25, 1 - 2 * load))
            amount = config.order * (0.5 + draws[row, 1])
            if view.ask and view.ask < buy_below and load < 1:
                order = self._desk.order(address, amount / fair, buy_below, arrival)
            elif view.bid and view.bid > sell_above and load > -1:
                order = self._desk.order(address, -amount / fair, sell_above, arrival)
            else:
                continue
            if order is not None:
                txs.append(order)
        return txs
