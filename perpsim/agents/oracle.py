"""The price reporter: heartbeat, deviation threshold, lag."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from perpsim.agents.base import View, Views
from perpsim.agents.desk import Desk
from perpsim.chain import Tx
from perpsim.market.prices import to_wad
from perpsim.scenarios import Oracle

_ARRIVAL = 0.01


class Reporter:
    """Posts every market's outside price of `lag_blocks` ago when it is time, or when it moved far enough."""

    role = "oracle"

    def __init__(self, config: Oracle, desks: Sequence[Desk], address: str, seconds_per_block: int) -> None:
        self._config = config
        self._desks = desks
        self._address = address
        self._seconds = seconds_per_block
        self._tick = to_wad(config.price_tick, 1)
        self._posted = [0.0] * len(desks)
        self._posted_time = [0] * len(desks)

    def update(self, rng: np.random.Generator, views: Views) -> list[Tx]:
        """At most one post a market and block, ahead of everyone who reacts to it."""
        return [tx for desk, view in zip(self._desks, views) for tx in self._post(desk, view)]

    def _post(self, desk: Desk, view: View) -> list[Tx]:
        market = desk.market
        # Time stamps only move forward: in the first blocks there is nothing older to report.
        lag = min(self._config.lag_blocks, view.block)
        time = view.time - lag * self._seconds
        price = view.price(lag)
        posted = self._posted[market]
        due = view.time - self._posted_time[market] >= self._config.heartbeat
        moved = posted == 0 or abs(price / posted - 1) >= self._config.deviation
        if time <= self._posted_time[market] or not (due or moved):
            return []
        self._posted[market], self._posted_time[market] = price, time
        return [desk.post(self._address, to_wad(price, self._tick), time, _ARRIVAL)]
