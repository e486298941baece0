"""What a keeper does: pure functions of what it sees and knows, for the simulation and for a live bot alike.

A strategy picks and ranks the positions to liquidate; `decide` makes of it what to send. Where a market
deleverages by list, a bankrupt account that neither book nor fund can finish gets a list, opened at the end
of one block and handed in at the very beginning of the next, so that the market is frozen for nobody else's
transaction, or, where the list is too long for a block, of the next few.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count

import numpy as np
import numpy.typing as npt

from perpsim.agents.keeper_bids import FREE, Bid, Toll, first_bid, raised_bid, urgent_bid
from perpsim.scenarios import EscalatingBid, Keeper
from perpsim.simulation.market_state import OpenList

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: gas of a call that closes something and of one that comes too late, before a keeper has seen its own
GAS_WON, GAS_LOST = 200_000.0, 60_000.0


@dataclass(frozen=True)
class Rewards:
    """What a market closes in a liquidation and pays for it (SPECIFICATION.md, 7): rates as fractions,
    amounts in quote units. `maintenance` is the rate of its first margin tier."""

    rate: float
    least: float
    most: float
    penalty: float
    buffer: float
    full_threshold: float
    full_below: float
    maintenance: float

    def closed(self, notional: FloatArray, equity: FloatArray, maintenance: FloatArray) -> FloatArray:
        """Notional that liquidations would close if the book takes it."""
        freed = (1 + self.buffer) * self.maintenance - self.penalty
        if freed <= 0:
            return notional
        whole = (equity <= 0) | (equity < self.full_threshold * maintenance) | (notional < self.full_below)
        part = np.minimum((maintenance * (1 + self.buffer) - equity) / freed, notional)
        return np.where(whole, notional, part)

    def reward(self, closed: FloatArray) -> FloatArray:
        """What closing so much notional pays if nothing is left to be done."""
        bounded = np.clip(self.rate * closed, self.least, self.most)
        return np.minimum(bounded, self.penalty * closed)


@dataclass(frozen=True)
class ListRules:
    """Positions from `list_from` (quote units) up need a list. It belongs to the keeper who has opened it;
    when nothing came of it for `turn` seconds others go on with it, too."""

    list_from: float
    turn: int


@dataclass(frozen=True)
class Rules:
    """A market's rules. `lists` is None where it deleverages by index."""

    rewards: Rewards
    lists: ListRules | None = None


@dataclass(frozen=True)
class Frozen:
    """How a market stands with lists: the one that is open, what its account is worth (quote units), and the
    time (seconds) until which no list can be opened."""

    open_list: OpenList | None = None
    open_equity: float = 0.0
    by_index_until: int = 0


@dataclass(frozen=True)
class Call:
    """One liquidation to send. `notional` of the position and the `reward` that it promises, quote units."""

    account: int
    market: int
    with_deleverage: bool
    notional: float = 0.0
    reward: float = 0.0

    @property
    def target(self) -> tuple[int, int]:
        """Account and market."""
        return self.account, self.market


@dataclass(frozen=True)
class Sight:
    """What a keeper sees of all markets.

    Rows are the positions of accounts under maintenance margin: `ids` the accounts, `markets` where, `equity`
    and `maintenance` of the account, `notional` of the position, all in quote units. `coverage` (what the
    fund would pay), `rules` and `frozen` have an entry for each market. `block` is when the rows were so,
    `time` (seconds) is now.
    """

    block: int
    ids: IntArray
    markets: IntArray
    equity: FloatArray
    maintenance: FloatArray
    notional: FloatArray
    coverage: Sequence[float]
    rules: Sequence[Rules]
    frozen: Sequence[Frozen]
    time: int = 0
    toll: Toll = FREE

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do for a keeper."""
        return not self.ids.size and all(state.open_list is None for state in self.frozen)

    @cached_property
    def rewards(self) -> FloatArray:
        """What each row promises."""
        found = np.zeros(self.ids.size)
        for market, rules in enumerate(self.rules):
            rows = self.markets == market
            terms, notional = rules.rewards, self.notional[rows]
            found[rows] = terms.reward(terms.closed(notional, self.equity[rows], self.maintenance[rows]))
        return found

    @cached_property
    def rows(self) -> dict[tuple[int, int], int]:
        """Row of an account and market."""
        return {target: row for row, target in enumerate(zip(self.ids.tolist(), self.markets.tolist()))}

    def call(self, row: int) -> Call:
        """Liquidate a row; deleveraging is asked for where the fund cannot pay the loss."""
        account, market = int(self.ids[row]), int(self.markets[row])
        deleverage = bool(self.coverage[market] < -self.equity[row])
        return Call(account, market, deleverage, float(self.notional[row]), float(self.rewards[row]))


@dataclass(frozen=True)
class Waiting:
    """A transaction of the keeper's own that no block has taken yet. `calls` is empty for what concerns
    lists, `nonce` None where it named none."""

    calls: tuple[Call, ...]
    bid: Bid
    nonce: int | None = None


@dataclass(frozen=True)
class Known:
    """What a keeper knows of itself: its address, the block to come, the next nonce of its address, what it
    has waiting, the block in which it last called an account (in a market) in vain and since when it has done
    nothing else; and what it has learnt: the chance that a call closes something, gas of those that do and of
    those that do not."""

    address: str = ""
    block: int = 0
    nonce: int = 0
    waiting: tuple[Waiting, ...] = ()
    tried: Mapping[tuple[int, int], int] = field(default_factory=dict)
    stuck: Mapping[tuple[int, int], int] = field(default_factory=dict)
    chance: float = 0.5
    gas_won: float = GAS_WON
    gas_lost: float = GAS_LOST

    @property
    def gas(self) -> float:
        """What a call costs on average, won or lost."""
        return self.chance * self.gas_won + (1 - self.chance) * self.gas_lost


@dataclass(frozen=True)
class Send:
    """A transaction to send. `nonce` is None for the next one; `replaces` says that one with this nonce
    waits. `expires`: last block that may take it."""

    calls: tuple[Call, ...]
    bid: Bid
    expires: int
    nonce: int | None = None
    replaces: bool = False


@dataclass(frozen=True)
class Move:
    """What a keeper does about lists in a market. `opens`: the account to open one for, 0 for none.
    `completes`, `ends`: the list that is open."""

    market: int
    opens: int = 0
    completes: bool = False
    ends: bool = False

    def __bool__(self) -> bool:
        return bool(self.opens) or self.completes or self.ends


@dataclass(frozen=True)
class Plan:
    """What a keeper sends in a block: liquidations and, at the price of `bid`, what concerns lists. `deficit`
    is the largest, quote units, that it has held against the fund's coverage on the way."""

    sends: tuple[Send, ...] = ()
    moves: tuple[Move, ...] = ()
    bid: Bid | None = None
    deficit: float = field(default=0.0, compare=False)

    @property
    def calls(self) -> list[Call]:
        """All liquidations, in order."""
        return [call for send in self.sends for call in send.calls]


# strategies

Policy = Callable[[Sight, Keeper, Known], list[Call]]
_NEW = Known()


def greedy(sight: Sight, keeper: Keeper, known: Known = _NEW) -> list[Call]:
    """Everything there is, the largest first: the reward grows with notional."""
    return _first(sight, keeper, known, np.argsort(-sight.notional, kind="stable"))


def racer(sight: Sight, keeper: Keeper, known: Known = _NEW) -> list[Call]:
    """Whatever is closest to bankruptcy first: there the time left is shortest. It pays for a short line to
    the builder, and wins by being early in the block."""
    ratio = sight.equity / np.maximum(sight.maintenance, 1e-9)
    return _first(sight, keeper, known, np.argsort(ratio, kind="stable"))


def alternate(sight: Sight, keeper: Keeper, known: Known = _NEW) -> list[Call]:
    """The largest first, but of those only every other one, so as to lose fewer races."""
    order = np.argsort(-sight.notional, kind="stable")
    worth = order[sight.notional[order] >= keeper.min_notional]
    return _first(sight, keeper, known, worth[(sight.ids[worth] + sight.block) % 2 == 0])


def profit(sight: Sight, keeper: Keeper, known: Known = _NEW) -> list[Call]:
    """What promises `min_profit`, the best first: the reward times the chance to win it, less the gas that
    is paid in any case."""
    found = []
    for call in _first(sight, keeper, known, np.argsort(-sight.rewards, kind="stable")):
        if expected_profit(call, sight.toll, keeper, known) < keeper.min_profit:
            break
        found.append(call)
    return found


#: several calls share the price of a transaction; which ones is decided as by `profit`
batch = profit

POLICIES: dict[str, Policy] = {
    "greedy": greedy,
    "racer": racer,
    "alternate": alternate,
    "profit": profit,
    "batch": batch,
}


def expected_profit(call: Call, toll: Toll, keeper: Keeper, known: Known) -> float:
    """What a call is worth on average at the bid that the keeper would make, quote units."""
    bid = first_bid(keeper.fee, toll, call.reward, known.gas_won)
    if bid is None:
        return -np.inf
    return known.chance * call.reward - toll.cost(known.gas, bid.price(toll.base_fee))


def _first(sight: Sight, keeper: Keeper, known: Known, order: IntArray) -> list[Call]:
    """Calls for the first rows in `order`, but those that it has sent already or had better not yet."""
    sent = {call.target for waiting in known.waiting for call in waiting.calls}
    found: list[Call] = []
    for row in order[sight.notional[order] >= keeper.min_notional].tolist():
        if len(found) >= keeper.max_per_block:
            break
        call = _call(sight, row, keeper, known)
        last = known.tried.get(call.target)
        if call.target not in sent and (last is None or known.block - last >= keeper.retry_blocks):
            found.append(call)
    return found


def _call(sight: Sight, row: int, keeper: Keeper, known: Known) -> Call:
    """The call for a row; where book and fund have not closed a bankrupt account for long, winners are to."""
    call = sight.call(row)
    since = known.stuck.get(call.target)
    if not keeper.deleverage_after or since is None or sight.equity[row] >= 0:
        return call
    long = known.block - since >= keeper.deleverage_after
    return replace(call, with_deleverage=call.with_deleverage or long)


# what is sent


def decide(sight: Sight, keeper: Keeper, known: Known) -> Plan:
    """Everything that a keeper sends in a block."""
    calls = POLICIES[keeper.strategy](sight, keeper, known)
    deficit = _deficit(sight, keeper, known, calls)
    moves = []
    for market in range(len(sight.rules)):
        calls, move = _about_lists(sight, market, calls, known)
        if move:
            moves.append(move)
    bid = None
    if moves:
        reward = max(sight.rules[move.market].rewards.most for move in moves)
        bid = urgent_bid(keeper.fee, sight.toll, reward, known.gas_won)
    busy = any(move.completes or move.ends for move in moves)
    sends = tuple(_sends(sight, keeper, known, calls, busy))
    return Plan(sends, tuple(moves) if bid else (), bid, deficit)


def _deficit(sight: Sight, keeper: Keeper, known: Known, calls: list[Call]) -> float:
    """The largest of accounts that are called, or that a higher bid is decided on."""
    rows = [sight.rows[call.target] for call in calls]
    if isinstance(keeper.fee, EscalatingBid):
        sent = (call.target for waiting in known.waiting for call in waiting.calls)
        rows += [sight.rows[target] for target in sent if target in sight.rows]
    return max(0.0, -float(sight.equity[rows].min())) if rows else 0.0


def _about_lists(sight: Sight, market: int, calls: list[Call], known: Known) -> tuple[list[Call], Move]:
    """What to do about lists in a market, and the calls that this leaves."""
    rules, state = sight.rules[market].lists, sight.frozen[market]
    if rules is None:
        return calls, Move(market)
    elsewhere = [call for call in calls if call.market != market]
    found, completes = state.open_list, False
    if found is not None:
        if sight.time >= found.deadline or state.open_equity >= 0:
            return elsewhere, Move(market, ends=True)
        completes = known.address == found.keeper or sight.time > found.moved + rules.turn
        if found.moved > found.opened:
            # It is handed in in parts: the market stays frozen for a while.
            return elsewhere, Move(market, completes=completes)
        # Whoever opened it is expected to be done before anything else in this block.
        calls = [call for call in calls if call.target != (found.account, market)]
    if sight.time < state.by_index_until:
        return calls, Move(market, completes=completes)
    needy = (call for call in calls if call.market == market and call.with_deleverage)
    opens = next((call.account for call in needy if call.notional >= rules.list_from), 0)
    return [call for call in calls if call.target != (opens, market)], Move(market, opens, completes)


def _sends(sight: Sight, keeper: Keeper, known: Known, calls: list[Call], busy: bool) -> Iterator[Send]:
    """The transactions that carry the calls. `busy`: a list that is open has to get on before them."""
    size = keeper.batch_size if keeper.strategy == "batch" else 1
    bundles = [tuple(calls[at : at + size]) for at in range(0, len(calls), size)]
    expires = known.block + keeper.patience
    nonces: Iterator[int | None] = iter(lambda: None, 0)
    if isinstance(keeper.fee, EscalatingBid):
        yield from _replacements(sight, keeper, keeper.fee, known, bundles)
        if busy:
            # What waits for a nonce would hold up the list.
            return
        taken = {waiting.nonce for waiting in known.waiting}
        nonces = (number for number in count(known.nonce) if number not in taken)
    for bundle in bundles:
        bid = first_bid(keeper.fee, sight.toll, _reward(bundle), known.gas_won * len(bundle))
        if bid is not None:
            yield Send(bundle, bid, expires, next(nonces))


def _replacements(
    sight: Sight, keeper: Keeper, fee: EscalatingBid, known: Known, bundles: list[tuple[Call, ...]]
) -> Iterator[Send]:
    """Higher bids for what waits. Where what it was for has gone, the next bundle takes its place."""
    for waiting in known.waiting:
        rows = [sight.rows[call.target] for call in waiting.calls if call.target in sight.rows]
        calls = tuple(_call(sight, row, keeper, known) for row in rows) or (bundles[0] if bundles else ())
        if not calls:
            continue
        bid = raised_bid(waiting.bid, fee, sight.toll, _reward(calls), known.gas_won * len(calls))
        if bid is None:
            continue
        if not rows:
            bundles.pop(0)
        yield Send(calls, bid, known.block + keeper.patience, waiting.nonce, replaces=True)


def _reward(calls: Sequence[Call]) -> float:
    return sum(call.reward for call in calls)
