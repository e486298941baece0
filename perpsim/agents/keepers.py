"""Keepers as a population: each with its lag, its place in the line, its bids and its outages. What one does
is decided in `perpsim.agents.keeper_policies`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

import numpy as np

from perpsim.agents.base import View, Views
from perpsim.agents.desk import Batcher, Desk
from perpsim.agents.keeper_bids import Bid, Toll, ahead
from perpsim.agents.keeper_policies import (
    GAS_LOST,
    GAS_WON,
    Call,
    Frozen,
    Known,
    ListRules,
    Plan,
    Rewards,
    Rules,
    Sight,
    Waiting,
    decide,
)
from perpsim.agents.listing import Step
from perpsim.chain import Tx
from perpsim.scenarios import EscalatingBid, Keeper

# When a keeper's transactions reach the builder within a block: racers pay for short lines.
_ARRIVALS = {"racer": (0.05, 0.4)}
_ARRIVAL = (0.3, 0.9)
_FIRST, _LAST = 0.0, 0.99
# Blocks without a call in vain after which the next one is the first of its own.
_STRETCH = 25
# Blocks after which a keeper gives half the weight to what it has seen.
_MEMORY = 300
# How much the latest figure of gas counts beside all earlier ones.
_LATEST = 0.1


@dataclass(frozen=True)
class Listing:
    """How a market deleverages by list. `steps` tells what to send for the list of a bankrupt account in a
    block at a time (seconds)."""

    rules: ListRules
    steps: Callable[[int, int], Sequence[Step]]


@dataclass
class Sending:
    """A transaction of a keeper on its way. `calls` is empty for what concerns lists. `since`: the block in
    which it was sent at first, `seen`: the block at whose beginning things were as it saw them."""

    tx: Tx
    calls: tuple[Call, ...]
    since: int
    seen: int

    @property
    def bid(self) -> Bid:
        """What it bids."""
        return Bid(self.tx.tip, self.tx.max_fee)


class Experience:
    """What a keeper has learnt from its own receipts; what is long ago counts less and less."""

    def __init__(self) -> None:
        self.gas_won, self.gas_lost = GAS_WON, GAS_LOST
        self._won = self._all = 0.0
        self._block = 0

    def add(self, block: int, won: bool, gas: float) -> None:
        """A call that has run in a block, and its gas."""
        self._fade(block)
        self._all += 1
        if won:
            self._won += 1
            self.gas_won += _LATEST * (gas - self.gas_won)
        else:
            self.gas_lost += _LATEST * (gas - self.gas_lost)

    def chance(self, block: int) -> float:
        """How likely a call is to close something: one in two for who has seen none lately."""
        self._fade(block)
        return (self._won + 1) / (self._all + 2)

    def _fade(self, block: int) -> None:
        if block > self._block:
            kept = 0.5 ** ((block - self._block) / _MEMORY)
            self._won, self._all, self._block = self._won * kept, self._all * kept, block


@dataclass
class Desked:
    """A keeper at work: its settings, address and account, the contract that carries its batches, the next
    nonce of its address, transactions on their way, accounts that it has seen under water, the block
    in which it last called one (in a market) in vain and since when it has only done so, how many
    transactions it has sent and how often it has replaced one."""

    config: Keeper
    address: str
    account: int = 0
    batcher: Batcher | None = None
    nonce: int = 0
    waiting: list[Sending] = field(default_factory=list)
    found: set[int] = field(default_factory=set)
    tried: dict[tuple[int, int], int] = field(default_factory=dict)
    stuck: dict[tuple[int, int], int] = field(default_factory=dict)
    sent: int = 0
    replaced: int = 0
    experience: Experience = field(default_factory=Experience)

    def out(self, block: int) -> bool:
        """Whether the keeper is down in this block."""
        return any(outage.start <= block < outage.end for outage in self.config.outages)

    @property
    def numbers(self) -> bool:
        """Whether it gives its transactions nonces."""
        return isinstance(self.config.fee, EscalatingBid)

    def called(self, target: tuple[int, int], block: int, in_vain: bool) -> None:
        """Note what a call of an account in a market came to."""
        if not in_vain:
            self.stuck.pop(target, None)
            return
        if block - self.tried.get(target, block) > self.config.retry_blocks + _STRETCH:
            # That was another time.
            self.stuck.pop(target, None)
        self.stuck.setdefault(target, block)
        self.tried[target] = block

    def send(self, sending: Sending, replaces: bool = False) -> None:
        """Note a transaction as on its way; with `replaces` instead of the one with its nonce."""
        if replaces:
            old = next(one for one in self.waiting if one.tx.nonce == sending.tx.nonce)
            self.waiting.remove(old)
            sending.since = old.since
            self.replaced += 1
        else:
            self.sent += 1
        self.waiting.append(sending)

    def known(self, block: int) -> Known:
        """What it knows when the block `block` is to come."""
        own = [Waiting(sending.calls, sending.bid, sending.tx.nonce) for sending in self.waiting]
        learnt = self.experience
        chance = learnt.chance(block)
        return Known(
            address=self.address,
            block=block,
            nonce=self.nonce,
            waiting=tuple(own),
            tried=self.tried,
            stuck=self.stuck,
            chance=chance,
            gas_won=learnt.gas_won,
            gas_lost=learnt.gas_lost,
        )


class Keepers:
    """All keepers of a run. Each acts on what it saw `lag_blocks` - 1 blocks before this one began."""

    role = "keeper"

    def __init__(
        self,
        keepers: list[Desked],
        desks: Sequence[Desk],
        listings: Sequence[Listing | None],
        rewards: Sequence[Rewards],
    ) -> None:
        self.keepers = keepers
        self.by_address = {keeper.address: keeper for keeper in keepers}
        for keeper in keepers:
            if keeper.batcher is not None:
                self.by_address[keeper.batcher.address] = keeper
        #: deficits that a keeper's decision hung on, if the fund could pay them: the block at whose beginning
        #: fund and account were so, quote units
        self.deficits: list[tuple[int, float]] = []
        #: whether they ask for deleveraging at all
        self.deleverage = True
        self._desks = desks
        self._listings = listings
        self._rules = [
            Rules(terms, None if listing is None else listing.rules)
            for terms, listing in zip(rewards, listings)
        ]
        longest = max([keeper.config.lag_blocks for keeper in keepers], default=1)
        self._seen: deque[Sight] = deque(maxlen=max(longest, 1))
        # What there is to see in most blocks.
        self._nothing = nothing(self._rules)

    def update(self, rng: np.random.Generator, views: Views) -> list[Tx]:
        """Liquidations of all keepers, and lists."""
        calm = not views[0].underwater.size and all(view.open_list is None for view in views)
        self._seen.append(self._nothing if calm else look(views, self._rules))
        if all(sight is self._nothing or sight.empty for sight in self._seen):
            return []
        draws = rng.random(len(self.keepers))
        first, frozen = views[0], [_frozen(view) for view in views]
        toll = Toll(first.base_fee, first.coin_price)
        txs: list[Tx] = []
        for keeper, draw in zip(self.keepers, draws):
            back = max(keeper.config.lag_blocks, 1)
            if keeper.out(first.block) or len(self._seen) < back:
                continue
            # What became of its own transactions a keeper knows at once, and everybody what gas costs.
            sight = replace(self._seen[-back], time=first.time, frozen=frozen, toll=toll)
            if sight.empty:
                continue
            known = keeper.known(first.block)
            if not self.deleverage:
                sight, known = replace(sight, coverage=[np.inf] * len(views)), replace(known, stuck={})
            keeper.found.update(sight.ids.tolist())
            plan = decide(sight, keeper.config, known)
            if plan.deficit:
                self.deficits.append((sight.block, plan.deficit))
            txs += self._transactions(keeper, plan, float(draw), sight, views)
        return txs

    def _transactions(
        self, keeper: Desked, plan: Plan, draw: float, sight: Sight, views: Views
    ) -> Iterator[Tx]:
        """The transactions of a plan, noted as on their way."""
        early, late = _ARRIVALS.get(keeper.config.strategy, _ARRIVAL)
        block = views[0].block
        for send in plan.sends:
            tx = self._liquidation(keeper, send.calls, early + (late - early) * draw)
            _price(tx, send.bid)
            tx.nonce, tx.expires = send.nonce, send.expires
            keeper.send(Sending(tx, send.calls, block, sight.block), send.replaces)
            yield tx
        used = {sending.tx.nonce for sending in keeper.waiting}
        numbers = (number for number in count(keeper.nonce) if number not in used)
        for tx in self._about_lists(keeper, plan, draw, views):
            tx.expires = block + keeper.config.patience
            if keeper.numbers:
                tx.nonce = next(numbers)
            keeper.send(Sending(tx, (), block, sight.block))
            yield tx

    def _liquidation(self, keeper: Desked, calls: Sequence[Call], arrival: float) -> Tx:
        if keeper.batcher is not None:
            targets = [(call.account, call.market, call.with_deleverage) for call in calls]
            return keeper.batcher.liquidate_many(keeper.address, targets, arrival)
        (call,) = calls
        desk = self._desks[call.market]
        return desk.liquidate(keeper.address, call.account, call.with_deleverage, arrival)

    def _about_lists(self, keeper: Desked, plan: Plan, draw: float, views: Views) -> Iterator[Tx]:
        """What comes first in the block before what comes last: nonces keep them in this order."""
        bid, address = plan.bid or Bid(0, None), keeper.address
        for move in plan.moves:
            if move.ends:
                yield _price(self._desks[move.market].end_list(address, _FIRST), bid)
            if move.completes:
                yield from self._steps(move.market, address, ahead(bid), views[move.market])
        for move in plan.moves:
            if move.opens:
                tx = self._desks[move.market].open_list(address, move.opens, _LAST + (1 - _LAST) * draw)
                # After those who tip.
                yield _price(tx, Bid(0, bid.max_fee))

    def _steps(self, market: int, address: str, bid: Bid, view: View) -> Iterator[Tx]:
        listing, found = self._listings[market], view.open_list
        if listing is not None and found is not None:
            for step in listing.steps(found.account, view.time):
                yield _price(step.tx(self._desks[market], address, found.account, _FIRST), bid)


def _price(tx: Tx, bid: Bid) -> Tx:
    tx.tip, tx.max_fee = bid.tip, bid.max_fee
    return tx


def look(views: Views, rules: Sequence[Rules]) -> Sight:
    """The positions of accounts that are under their maintenance margin at the start of a block."""
    first, frozen = views[0], [_frozen(view) for view in views]
    under = [view.underwater[view.size[view.underwater] != 0] for view in views]
    ids = np.concatenate(under)
    notional = [np.abs(view.size[rows]) * view.mark for view, rows in zip(views, under)]
    return Sight(
        block=first.block,
        ids=ids,
        markets=np.repeat(np.arange(len(views)), [rows.size for rows in under]),
        equity=first.equity[ids],
        maintenance=first.maintenance[ids],
        notional=np.concatenate(notional),
        coverage=[view.coverage for view in views],
        rules=rules,
        frozen=frozen,
        time=first.time,
    )


def nothing(rules: Sequence[Rules]) -> Sight:
    """What a keeper sees of markets in which nobody is under water and no list is open."""
    ids, amounts = np.zeros(0, dtype=np.int64), np.zeros(0)
    frozen = [Frozen() for _ in rules]
    return Sight(0, ids, ids, amounts, amounts, amounts, [0.0] * len(rules), rules, frozen)


def _frozen(view: View) -> Frozen:
    """How a market stands with lists."""
    found = view.open_list
    worth = float(view.equity[found.account]) if found is not None else 0.0
    return Frozen(found, worth, view.by_index_until)
