"""The price reporter: heartbeat, deviation threshold, lag."""

from __future__ import annotations

import numpy as np

from perpsim.agents.base import View
from perpsim.agents.desk import Desk
from perpsim.chain import Tx
from perpsim.market.prices import to_wad
from perpsim.scenarios import Oracle

_ARRIVAL = 0.01


class Reporter:
    """Posts the outside price of `lag_blocks` ago when it is time, or when it moved far enough."""

    role = "oracle"

    def __init__(self, config: Oracle, desk: Desk, address: str, seconds_per_block: int) -> None:
        self._config = config
        self._desk = desk
        self._address = address
        self._seconds = seconds_per_block
        self._tick = to_wad(config.price_tick, 1)
        self._posted = 0.0
        self._posted_time = 0

    def update(self, rng: np.random.Generator, view: View) -> list[Tx]:
        """At most one post a block, ahead of everyone who reacts to it."""
        # Time stamps only move forward: in the first blocks there is nothing older to report.
        lag = min(self._config.lag_blocks, view.block)
        time = view.time - lag * self._seconds
        price = view.price(lag)
        due = view.time - self._posted_time >= self._config.heartbeat
        moved = self._posted == 0 or abs(price / self._posted - 1) >= self._config.deviation
        if time <= self._posted_time or not (due or moved):
            return []
        self._posted, self._posted_time = price, time
        return [self._desk.post(self._address, to_wad(price, self._tick), time, _ARRIVAL)]
