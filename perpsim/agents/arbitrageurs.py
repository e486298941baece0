"""Arbitrageurs: they carry the outside price into the book, as far as their stock and capital allow."""

from __future__ import annotations

import numpy as np

from perpsim.agents.base import Members, Views
from perpsim.agents.desk import Desk
from perpsim.chain import Tx
from perpsim.scenarios import Arbitrageurs


class IndexArbitrageurs:
    """Buy what the book offers below the outside price less the threshold, sell above; hedged elsewhere.

    Every `top_up_blocks` each moves money between here and the hedge, so that it comes back to its capital.
    """

    role = "arbitrageur"

    def __init__(self, config: Arbitrageurs, desk: Desk, members: Members, rng: np.random.Generator) -> None:
        self.members = members
        self.config = config
        self._desk = desk
        self._appetite = rng.uniform(0.7, 1.3, len(members))
        self._keenest = float(self._appetite.min(initial=1.0))
        self._offset = rng.integers(0, config.top_up_blocks, len(members))

    def update(self, rng: np.random.Generator, views: Views) -> list[Tx]:
        """At most one order each."""
        view = views[self.config.market]
        config, members = self.config, self.members
        fair = view.price(config.lag_blocks)
        txs: list[Tx] = []
        for row in np.flatnonzero((view.block + self._offset) % config.top_up_blocks == 0).tolist():
            lack = config.capital - float(view.equity[members.ids[row]])
            if members.ids[row] and lack > 0.2 * config.capital:
                txs.append(self._desk.deposit(lack, members.addresses[row], 0.05))
        # Nobody moves for less than a quarter of the keenest threshold.
        least = 0.25 * self._keenest * config.threshold
        cheap = 0 < view.ask < fair * (1 - least)
        dear = view.bid > fair * (1 + least)
        if not cheap and not dear:
            return txs
        draws = rng.random((len(members), 2))
        # Stock is expensive to carry: the fuller the book, the larger the gap that is worth it.
        load = members.of(view.size) * fair / config.inventory_limit
        threshold = config.threshold * self._appetite
        buy_below = fair * (1 - threshold * np.maximum(0.25, 1 + 2 * load))
        sell_above = fair * (1 + threshold * np.maximum(0.25, 1 - 2 * load))
        here = members.ids > 0
        buys = here & cheap & (view.ask < buy_below) & (load < 1)
        sells = here & dear & ~buys & (view.bid > sell_above) & (load > -1)
        for row in np.flatnonzero(buys | sells).tolist():
            draw, appetite = draws[row].tolist()
            size = config.order * (0.5 + appetite) / fair
            size, limit = (size, buy_below[row]) if buys[row] else (-size, sell_above[row])
            order = self._desk.order(members.addresses[row], size, float(limit), 0.05 + 0.9 * draw)
            if order is not None:
                txs.append(order)
        return txs
