"""Keepers. What one does is a pure function of what it sees, which a live bot may use.

A strategy chooses whom to liquidate. Where the market deleverages by list, `plan` makes of it what to send:
a bankrupt account that neither book nor fund can finish gets a list, opened at the end of one block and
handed in at the very beginning of the next, so that the market is frozen for nobody else's transaction, or,
where the list is too long for a block, of the next few.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from perpsim.agents.base import FloatArray, IntArray, View, Views
from perpsim.agents.desk import Desk
from perpsim.agents.listing import Step
from perpsim.chain import Tx
from perpsim.scenarios import Keeper
from perpsim.simulation.market_state import OpenList


@dataclass(frozen=True)
class Sight:
    """What a keeper sees in a market of the accounts under maintenance margin; arrays run in parallel, quote
    units.

    `coverage` is what the fund would pay for the market, `open_list` the list for which the market is frozen,
    `open_equity` what its account is worth; until `by_index_until` (seconds) no list can be opened.
    """

    block: int
    ids: IntArray
    equity: FloatArray
    maintenance: FloatArray
    notional: FloatArray
    coverage: float
    time: int = 0
    open_list: OpenList | None = None
    open_equity: float = 0.0
    by_index_until: int = 0

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do for a keeper."""
        return not self.ids.size and self.open_list is None


_CALM = Sight(-1, np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0), np.zeros(0), 0.0)


@dataclass(frozen=True)
class Call:
    """One liquidation to send."""

    account: int
    with_deleverage: bool


@dataclass(frozen=True)
class Plan:
    """What a keeper sends in a block: liquidations, and what it does about lists.

    `opens`: the account to open a list for, 0 for none. `completes`, `ends`: the list that is open.
    """

    calls: list[Call]
    opens: int = 0
    completes: bool = False
    ends: bool = False


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
    return [Call(int(sight.ids[row]), bool(sight.coverage < -sight.equity[row])) for row in chosen]


@dataclass(frozen=True)
class ListRules:
    """Positions from `list_from` (quote units) up need a list. It belongs to the keeper who has opened it;
    when nothing came of it for `turn` seconds others go on with it, too."""

    list_from: float
    turn: int


def plan(sight: Sight, keeper: Keeper, address: str, rules: ListRules) -> Plan:
    """What the keeper at `address` does in a market that deleverages by list."""
    calls = POLICIES[keeper.strategy](sight, keeper)
    found, completes = sight.open_list, False
    if found is not None:
        if sight.time >= found.deadline or sight.open_equity >= 0:
            return Plan([], ends=True)
        completes = address == found.keeper or sight.time > found.moved + rules.turn
        if found.moved > found.opened:
            # It is handed in in parts: the market stays frozen for a while.
            return Plan([], completes=completes)
        # Whoever opened it is expected to be done before anything else in this block.
        calls = [call for call in calls if call.account != found.account]
    if sight.time < sight.by_index_until:
        return Plan(calls, completes=completes)
    notional = dict(zip(sight.ids.tolist(), sight.notional.tolist()))
    needy = [call for call in calls if call.with_deleverage and notional[call.account] >= rules.list_from]
    opens = needy[0].account if needy else 0
    return Plan([call for call in calls if call.account != opens], opens, completes)


POLICIES: dict[str, Policy] = {"greedy": greedy, "racer": racer, "alternate": threshold}
# When a keeper's transactions reach the builder within a block: racers pay for short lines.
_ARRIVALS = {"greedy": (0.3, 0.9), "racer": (0.05, 0.4), "alternate": (0.3, 0.9)}
_FIRST, _LAST = 0.0, 0.99


@dataclass(frozen=True)
class Listing:
    """How a market deleverages by list. `steps` tells what to send for the list of a bankrupt account in a
    block at a time (seconds)."""

    rules: ListRules
    steps: Callable[[int, int], Sequence[Step]]


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

    def __init__(
        self, keepers: list[Desked], desks: Sequence[Desk], listings: Sequence[Listing | None]
    ) -> None:
        self.keepers = keepers
        self.by_address = {keeper.address: keeper for keeper in keepers}
        #: whether they ask for deleveraging at all
        self.deleverage = True
        self._desks = desks
        self._listings = listings
        longest = max([keeper.config.lag_blocks for keeper in keepers], default=1)
        self._seen: deque[list[Sight]] = deque(maxlen=max(longest, 1))

    def update(self, rng: np.random.Generator, views: Views) -> list[Tx]:
        """Liquidations of all keepers, and lists."""
        self._seen.append([look(view) for view in views])
        if all(sight.empty for sights in self._seen for sight in sights):
            return []
        draws = rng.random(len(self.keepers))
        txs: list[Tx] = []
        for keeper, draw in zip(self.keepers, draws):
            back = max(keeper.config.lag_blocks, 1)
            if keeper.out(views[0].block) or len(self._seen) < back:
                continue
            for market, view in enumerate(views):
                # What became of its own transactions a keeper knows at once.
                sight = replace(self._seen[-back][market], **_lists(view))
                if not sight.empty:
                    txs += self._send(keeper, market, self._plan(keeper, market, sight), float(draw), view)
        return txs

    def _plan(self, keeper: Desked, market: int, sight: Sight) -> Plan:
        listing = self._listings[market]
        if listing is None or not self.deleverage:
            calls = POLICIES[keeper.config.strategy](sight, keeper.config)
            return Plan([Call(call.account, call.with_deleverage and self.deleverage) for call in calls])
        return plan(sight, keeper.config, keeper.address, listing.rules)

    def _send(self, keeper: Desked, market: int, chosen: Plan, draw: float, view: View) -> list[Tx]:
        early, late = _ARRIVALS[keeper.config.strategy]
        arrival = early + (late - early) * draw
        desk, listing, address = self._desks[market], self._listings[market], keeper.address
        txs = [desk.liquidate(address, call.account, call.with_deleverage, arrival) for call in chosen.calls]
        if chosen.opens:
            txs.append(desk.open_list(address, chosen.opens, _LAST + (1 - _LAST) * draw))
        if chosen.ends:
            txs.append(desk.end_list(address, _FIRST))
        if chosen.completes and listing is not None and view.open_list is not None:
            account = view.open_list.account
            for step in listing.steps(account, view.time):
                txs.append(step.tx(desk, address, account, _FIRST))
        return txs


def look(view: View) -> Sight:
    """The accounts with a position that are under their maintenance margin at the start of a block."""
    ids = view.underwater
    if ids.size:
        ids = ids[view.size[ids] != 0]
    if not ids.size and view.open_list is None:
        return _CALM
    return Sight(
        block=view.block,
        ids=ids,
        equity=view.equity[ids],
        maintenance=view.maintenance[ids],
        notional=np.abs(view.size[ids]) * view.mark,
        coverage=view.coverage,
        **_lists(view),
    )


def _lists(view: View) -> dict[str, Any]:
    """What concerns lists in a `Sight`."""
    found = view.open_list
    return {
        "time": view.time,
        "open_list": found,
        "open_equity": float(view.equity[found.account]) if found is not None else 0.0,
        "by_index_until": view.by_index_until,
    }
