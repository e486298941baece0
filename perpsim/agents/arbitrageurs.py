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
        self._threshold = config.threshold * self._appetite
        # Whose turn it is to move money, by block.
        self._due: list[list[int]] = [[] for _ in range(config.top_up_blocks)]
        for row, offset in enumerate(rng.integers(0, config.top_up_blocks, len(members)).tolist()):
            self._due[-offset % config.top_up_blocks].append(row)

    def update(self, rng: np.random.Generator, views: Views) -> list[Tx]:
        """At most one order each."""
        view = views[self.config.market]
        config, members = self.config, self.members
        fair = view.price(config.lag_blocks)
        txs: list[Tx] = []
        for row in self._due[view.block % config.top_up_blocks]:
            lack = config.capital - float(view.equity[members.ids[row]])
            if members.ids[row] and lack > 0.2 * config.capital:
                txs.append(self._desk.deposit(lack, members.addresses[row], 0.05))
        # Nobody moves for less than a quarter of the keenest threshold.
        least = 0.25 * self._keenest * config.threshold
        if 0 < view.ask < fair * (1 - least):
            side, price = 1, view.ask
        elif view.bid > fair * (1 + least):
            side, price = -1, view.bid
        else:
            return txs
        draws = rng.random((len(members), 2))
        # Stock is expensive to carry: the fuller the book, the larger the gap that is worth it.
        load = side * members.of(view.size) * fair / config.inventory_limit
        limits = fair * (1 - side * self._threshold * np.maximum(0.25, 1 + 2 * load))
        willing = (side * limits > side * price) & (load < 1) & (members.ids > 0)
        for row in willing.nonzero()[0].tolist():
            draw, appetite = draws[row].tolist()
            size = side * config.order * (0.5 + appetite) / fair
            limit = float(limits[row])
            order = self._desk.order(members.addresses[row], size, limit, 0.05 + 0.9 * draw)
            if order is not None:
                txs.append(order)
        return txs
