"""Keepers. A policy is a pure function: what a keeper sees -> whom it liquidates. A live bot may use it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from perpsim.agents.base import FloatArray, IntArray, View
from perpsim.agents.desk import Desk
from perpsim.chain import Tx
from perpsim.simulation.scenario import Keeper


@dataclass(frozen=True)
class Sight:
    """What a keeper sees of the accounts under maintenance margin; arrays run in parallel, quote units."""

    block: int
    ids: IntArray
    equity: FloatArray
    maintenance: FloatArray
    notional: FloatArray
    fund: float


_CALM = Sight(-1, np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0), np.zeros(0), 0.0)


@dataclass(frozen=True)
class Call:
    """One liquidation to send."""

    account: int
    with_deleverage: bool


Policy = Callable[[Sight, Keeper], list[Call]]


def greedy(sight: Sight, keeper: Keeper) -> list[Call]:
    """Everything there is, the largest first: the reward grows with notional."""
    return _calls(sight, keeper, np.argsort(-sight.notional, kind="stable"))


def racer(sight: Sight, keeper: Keeper) -> list[Call]:
    """Whatever is closest to bankruptcy first: there the time left is shortest."""
    ratio = sight.equity / np.maximum(sight.maintenance, 1e-9)
    return _calls(sight, keeper, np.argsort(ratio, kind="stable"))


def threshold(sight: Sight, keeper: Keeper) -> list[Call]:
    """Only positions from `min_notional` up, and of those only half, so as to lose fewer races."""
    order = np.argsort(-sight.notional, kind="stable")
    worth = order[sight.notional[order] >= keeper.min_notional]
    return _calls(sight, keeper, worth[(sight.ids[worth] + sight.block) % 2 == 0])


def _calls(sight: Sight, keeper: Keeper, order: IntArray) -> list[Call]:
    """Calls for the rows in `order`; deleveraging is asked for where the fund cannot pay the loss."""
    chosen = order[sight.notional[order] >= keeper.min_notional][: keeper.max_per_block]
    return [Call(int(sight.ids[row]), bool(sight.fund < -sight.equity[row])) for row in chosen]


POLICIES: dict[str, Policy] = {"greedy": greedy, "racer": racer, "threshold": threshold}
# When a keeper's transactions reach the builder within a block: racers pay for short lines.
_ARRIVALS = {"greedy": (0.3, 0.9), "racer": (0.05, 0.4), "threshold": (0.3, 0.9)}


@dataclass
class Record:
    """How a keeper has fared. `reward` in quote units, `gas_used` in gas."""

    transactions: int = 0
    won: int = 0
    reverted: int = 0
    reward: float = 0.0
    gas_used: int = 0


@dataclass
class Desked:
    """A keeper at work: its settings, address, account and record."""

    config: Keeper
    address: str
    account: int = 0
    record: Record = field(default_factory=Record)

    def out(self, block: int) -> bool:
        """Whether the keeper is down in this block."""
        return any(outage.start <= block < outage.end for outage in self.config.outages)


class Keepers:
    """All keepers of a run. Each acts on what it saw `lag_blocks` - 1 blocks before this one began."""

    role = "keeper"

    def __init__(self, keepers: list[Desked], desk: Desk) -> None:
        self.keepers = keepers
        self.by_address = {keeper.address: keeper for keeper in keepers}
        self._desk = desk
        longest = max([keeper.config.lag_blocks for keeper in keepers], default=1)
        self._seen: deque[Sight] = deque(maxlen=max(longest, 1))

    def update(self, rng: np.random.Generator, view: View) -> list[Tx]:
        """Liquidations of all keepers."""
        self._seen.append(look(view))
        if not any(sight.ids.size for sight in self._seen):
            return []
        draws = rng.random(len(self.keepers))
        txs: list[Tx] = []
        for keeper, draw in zip(self.keepers, draws):
            config = keeper.config
            back = max(config.lag_blocks, 1)
            if keeper.out(view.block) or len(self._seen) < back or not self._seen[-back].ids.size:
                continue
            early, late = _ARRIVALS[config.strategy]
            arrival = early + (late - early) * float(draw)
            for call in POLICIES[config.strategy](self._seen[-back], config):
                txs.append(self._desk.liquidate(keeper.address, call.account, call.with_deleverage, arrival))
        return txs


def look(view: View) -> Sight:
    """The accounts under their maintenance margin at the start of a block."""
    ids = view.underwater
    if not ids.size:
        return _CALM
    return Sight(
        block=view.block,
        ids=ids,
        equity=view.equity[ids],
        maintenance=view.maintenance[ids],
        notional=np.abs(view.size[ids]) * view.mark,
        fund=view.fund,
    )
