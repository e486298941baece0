"""The price reporter: heartbeat, deviation threshold, lag, error, outages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perpsim.agents.base import View, Views
from perpsim.agents.desk import Desk
from perpsim.agents.streams import branch
from perpsim.chain import Tx
from perpsim.market.prices import to_wad
from perpsim.scenarios import Oracle

_ARRIVAL = 0.01


@dataclass
class _Feed:
    """What the reporter knows of one market: its settings and its last post."""

    market: int
    settings: Oracle
    tick: int
    noise: np.random.Generator | None = None
    price: float = 0.0
    time: int = 0
    block: int = 0


class Reporter:
    """Posts the outside price of some blocks ago when it is time, or when it moved far enough.

    How, a scenario says (`perpsim.scenarios.oracle.Oracle`).
    """

    role = "oracle"

    def __init__(self, config: Oracle, desks: Sequence[Desk], address: str, seconds_per_block: int) -> None:
        self._desks = desks
        self.address = address
        self._seconds = seconds_per_block
        settings = [config.of(desk.market) for desk in desks]
        self._feeds = [
            _Feed(desk.market, one, to_wad(one.price_tick, 1)) for desk, one in zip(desks, settings)
        ]

    def update(self, rng: np.random.Generator, views: Views) -> list[Tx]:
        """At most one post a market and block, ahead of everyone who reacts to it."""
        due: dict[int, list[tuple[Desk, int]]] = {}
        for feed, desk, view in zip(self._feeds, self._desks, views):
            if self._read(feed, view, rng):
                due.setdefault(feed.time, []).append((desk, to_wad(feed.price, feed.tick)))
        return [self._post(posts, time) for time, posts in due.items()]

    def _read(self, feed: _Feed, view: View, rng: np.random.Generator) -> bool:
        """Look at the market; True if there is something to post, which `feed` then holds."""
        settings = feed.settings
        # Time stamps only move forward: in the first blocks there is nothing older to report.
        lag = min(settings.lag_blocks, view.block)
        time = view.time - lag * self._seconds
        price = view.price(lag) * self._error(feed, view.block, rng)
        if time <= feed.time or any(out.covers(view.block, feed.market) for out in settings.outages):
            return False
        due = view.time - feed.time >= settings.heartbeat
        moved = feed.price == 0 or abs(price / feed.price - 1) >= settings.deviation
        # A post that is not there yet may wait for room or be gone for good; a second one does no harm.
        missing = view.index_time < feed.time and view.block - feed.block >= settings.retry_blocks
        if not (due or moved or missing):
            return False
        feed.price, feed.time, feed.block = price, time, view.block
        return True

    def _error(self, feed: _Feed, block: int, rng: np.random.Generator) -> float:
        """What the true price is multiplied with in this block."""
        error = 1.0
        if feed.settings.noise:
            feed.noise = feed.noise or np.random.default_rng(branch(rng, "errors", feed.market))
            error = float(np.exp(feed.settings.noise * feed.noise.standard_normal()))
        for fault in feed.settings.faults:
            if fault.covers(block, feed.market):
                error *= fault.factor
        return error

    def _post(self, posts: list[tuple[Desk, int]], time: int) -> Tx:
        """One transaction for all markets with news of the same moment: cheaper than one each."""
        desk, price = posts[0]
        if len(posts) == 1:
            return desk.post(self.address, price, time, _ARRIVAL)
        prices = {other.market: price for other, price in posts}
        return desk.post_many(self.address, prices, time, _ARRIVAL)
