"""Leveraged traders: they arrive, open, add margin, take profits, stop out, get liquidated; some return."""

from __future__ import annotations

import math

import numpy as np

from perpsim.agents.base import BoolArray, FloatArray, IntArray, Members, View, Views
from perpsim.agents.desk import Desk
from perpsim.chain import Tx
from perpsim.scenarios import Traders

ABSENT, FUNDED, OPEN = 0, 1, 2

_UNREACHED = 1e12
_NOBODY: IntArray = np.zeros(0, dtype=np.int64)
_ENTRY_SLIPPAGE = 0.005
_EXIT_SLIPPAGE = 0.03
# Blocks that an account waits between two orders, and tries before it gives up opening.
_PAUSE = 5
_TRIES = 8
# Share of the equity that an opening order leaves for its own fee and the spread.
_KEPT = 0.03


class LeveragedTraders:
    """One row a trader. Traits are drawn once; all decisions of a block are taken on whole arrays."""

    role = "trader"

    def __init__(
        self,
        config: Traders,
        desk: Desk,
        members: Members,
        rng: np.random.Generator,
        seconds_per_block: int,
        initial_rate: float,
    ) -> None:
        count = len(members)
        self.members = members
        self.config = config
        self._desk = desk
        self._seconds = seconds_per_block
        weights = np.array([row.share for row in config.leverage])
        levels = np.array([row.leverage for row in config.leverage])
        # An opening order must leave the initial margin intact after fee and spread.
        self.leverage: FloatArray = np.minimum(
            rng.choice(levels, count, p=weights / weights.sum()), 0.9 / initial_rate
        )
        self.side: FloatArray = np.where(rng.random(count) < config.long_share, 1.0, -1.0)
        drawn = config.collateral_median * np.exp(config.collateral_sigma * rng.standard_normal(count))
        self.stake: FloatArray = np.clip(drawn, 0.1 * config.collateral_median, config.collateral_max)
        # Multiples of what was paid in; who has no stop or no aim never gets there.
        stops = rng.random(count) < config.stop_share
        self._stop_below: FloatArray = np.where(stops, rng.uniform(0.3, 0.65, count), -_UNREACHED)
        takes = rng.random(count) < config.take_profit_share
        self._take_above: FloatArray = np.where(takes, rng.uniform(1.5, 4.0, count), _UNREACHED)
        self._cuts: BoolArray = rng.random(count) < config.deleverage_share
        adds = rng.random(count) < config.add_margin_share
        # Those who cut or add, and the leverage at which they do so; the others let it come.
        self._elastic: IntArray = np.flatnonzero(self._cuts | adds)
        self._stretch: FloatArray = np.where(self._cuts | adds, 1.6 * self.leverage, _UNREACHED)
        # The same for those of them who have a position, out of reach for the others. At the end a place for
        # all who neither cut nor add.
        self._stretched: FloatArray = np.full(self._elastic.size + 1, _UNREACHED)
        self._place: IntArray = np.full(count, self._elastic.size, dtype=np.int64)
        self._place[self._elastic] = np.arange(self._elastic.size)
        self._attention: FloatArray = rng.uniform(0.02, 0.2, count)
        self._reserve: FloatArray = self.stake * rng.uniform(0.5, 2.0, count)
        self._stage: IntArray = np.full(count, ABSENT, dtype=np.int64)
        # No order before this block; one who waits for a position to open counts the tries.
        self._next: IntArray = np.zeros(count, dtype=np.int64)
        self._tries: IntArray = np.zeros(count, dtype=np.int64)
        self._paid: FloatArray = np.zeros(count)
        self._leaving: list[int] = []
        self._asked = -1
        self._calendar: dict[int, list[int]] = {}
        # In the order in which they came; and how many have a position.
        self._funded: IntArray = _NOBODY
        self._standing = 0
        # Who held something when that was last looked at, and whether somebody has been funded since.
        self._held: BoolArray = np.zeros(count, dtype=np.bool_)
        self._came = False
        # Equity at which a position is closed, out of reach for whoever has none.
        self._stop_at: FloatArray = np.full(count, -np.inf)
        self._take_at: FloatArray = np.full(count, np.inf)
        arrivals = rng.integers(0, config.arrival_blocks, count)
        late = rng.random(count) < config.late_share
        delay = rng.random(count) * config.late_hours * 3600 / seconds_per_block
        arrivals[late] = config.arrival_blocks + delay[late].astype(np.int64)
        for row, block in enumerate(arrivals.tolist()):
            self._expect(row, block)

    def _expect(self, row: int, block: int) -> None:
        """Note that a trader arrives (again) in `block`."""
        self._calendar.setdefault(block, []).append(row)

    def update(self, rng: np.random.Generator, views: Views) -> list[Tx]:
        """Deposits, orders and withdrawals of this block."""
        view = views[self.config.market]
        self._notice(rng, view)
        txs: list[Tx] = []
        if self._leaving:
            txs += self._leave(rng, view)
        if self._funded.size:
            txs += self._enter(rng, view)
        # Before the first price nobody is asked: those who came meanwhile arrive now.
        arrivals = [
            row for block in range(self._asked + 1, view.block + 1) for row in self._calendar.pop(block, ())
        ]
        self._asked = view.block
        if arrivals:
            txs += self._arrive(rng, arrivals, view)
        if self._standing:
            txs += self._manage(rng, view)
        return txs

    def _notice(self, rng: np.random.Generator, view: View) -> None:
        """Follow what became of orders: positions that opened, and positions that are gone."""
        held: BoolArray = self.members.of(view.size) != 0.0
        changed = (held != self._held).nonzero()[0]
        if not changed.size and not self._came:
            return
        self._held, self._came = held, False
        opened = self._funded[held[self._funded]]
        gone = changed[(self._stage[changed] == OPEN) & ~held[changed]]
        self._standing += opened.size - gone.size
        if opened.size:
            self._stage[opened] = OPEN
            self._funded = self._funded[self._stage[self._funded] == FUNDED]
            self._aim(opened)
            self._stretched[self._place[opened]] = self._stretch[opened]
        if not gone.size:
            return
        self._stage[gone] = ABSENT
        self._stop_at[gone], self._take_at[gone] = -np.inf, np.inf
        self._stretched[self._place[gone]] = _UNREACHED
        config = self.config
        for row, (wait, stay, side) in zip(gone.tolist(), rng.random((gone.size, 3)).tolist()):
            if stay >= config.return_share:
                self._leaving.append(row)
                continue
            hours = -math.log1p(-wait) * config.return_hours
            self._expect(row, view.block + 1 + int(hours * 3600 / self._seconds))
            # Whoever comes back decides anew: the sides of a crash change hands.
            self.side[row] = 1.0 if side < config.long_share else -1.0

    def _aim(self, rows: IntArray | int) -> None:
        """Set stops and aims by what was paid in."""
        self._stop_at[rows] = self._stop_below[rows] * self._paid[rows]
        self._take_at[rows] = self._take_above[rows] * self._paid[rows]

    def _equity(self, row: int, view: View) -> float:
        return float(view.equity[self.members.ids[row]])

    def _size(self, row: int, view: View) -> float:
        return float(view.size[self.members.ids[row]])

    def _arrive(self, rng: np.random.Generator, rows: list[int], view: View) -> list[Tx]:
        """Fresh money for those whose time has come."""
        txs: list[Tx] = []
        for row, draw in zip(rows, rng.random(len(rows)).tolist()):
            lack = float(self.stake[row]) - max(0.0, self._equity(row, view))
            if lack > 0.05 * self.stake[row]:
                txs.append(self._desk.deposit(lack, self.members.addresses[row], draw))
            self._stage[row] = FUNDED
            self._paid[row] = self.stake[row]
            self._tries[row] = 0
            self._next[row] = view.block + self.config.lag_blocks
        self._funded = np.concatenate((self._funded, np.array(rows, dtype=np.int64)))
        self._came = True
        return txs

    def _leave(self, rng: np.random.Generator, view: View) -> list[Tx]:
        """Those who will not return take out what is left."""
        rows, self._leaving = self._leaving, []
        txs: list[Tx] = []
        for row, draw in zip(rows, rng.random(len(rows)).tolist()):
            equity = self._equity(row, view)
            if equity > 1.0:
                txs.append(self._desk.withdraw(self.members.addresses[row], equity, draw))
        return txs

    def _enter(self, rng: np.random.Generator, view: View) -> list[Tx]:
        """Market orders of those who have paid in and hold nothing yet."""
        funded = self._funded
        paid = view.equity[self.members.ids[funded]] > 0
        ready = funded[(self._next[funded] <= view.block) & paid]
        txs: list[Tx] = []
        if not ready.size:
            return txs
        tired = False
        for row, (draw, pause) in zip(ready.tolist(), rng.random((ready.size, 2)).tolist()):
            if self._tries[row] >= _TRIES:
                self._stage[row] = ABSENT
                self._leaving.append(row)
                tired = True
                continue
            self._tries[row] += 1
            self._next[row] = view.block + 1 + int(20 * pause)
            wanted = float(self.leverage[row]) * (1 - _KEPT) * self._equity(row, view) / view.mark
            order = self._order(row, float(self.side[row]) * wanted, view, draw, _ENTRY_SLIPPAGE)
            if order is None:
                # Too small to trade: gives up.
                self._tries[row] = _TRIES
            else:
                txs.append(order)
        if tired:
            self._funded = funded[self._stage[funded] == FUNDED]
        return txs

    def _manage(self, rng: np.random.Generator, view: View) -> list[Tx]:
        """Stops, profits taken, ordinary turnover, positions cut, margin added."""
        equity = self.members.of(view.equity)
        # Stop orders of bots need no attention. Where randomness decides, it is only drawn for those whom
        # the state allows to act: most blocks, nobody.
        stopped = (equity < self._stop_at).nonzero()[0]
        content = (equity > self._take_at).nonzero()[0]
        rate = self._seconds / (3600 * self.config.turnover_hours)
        bored = rng.binomial(self._standing, rate)
        closing = _NOBODY
        if bored or stopped.size or content.size:
            drawn = self._pick(rng, bored) if bored else _NOBODY
            chosen = np.concatenate((stopped, drawn, self._awake(rng, self._idle(content, view))))
            closing = np.unique(self._idle(chosen, view))
        txs: list[Tx] = []
        # Before anybody's pause begins: who closes now does nothing else.
        strained = self._strained(equity, view)
        for row, draw in zip(closing.tolist(), rng.random(closing.size).tolist() if closing.size else ()):
            txs += self._reduce(row, -self._size(row, view), view, draw)
        if strained.size:
            strained = self._awake(rng, strained[~np.isin(strained, closing)] if closing.size else strained)
            for row, draw in zip(strained.tolist(), rng.random(strained.size).tolist()):
                size = self._size(row, view)
                if self._cuts[row]:
                    txs += self._reduce(row, -0.5 * size, view, draw)
                else:
                    txs += self._add_margin(row, float(equity[row]), size, view, draw)
        return txs

    def _pick(self, rng: np.random.Generator, number: int) -> IntArray:
        """Some of those who have a position, one perhaps more than once."""
        standing = np.flatnonzero(self._stage == OPEN)
        return standing[rng.integers(0, standing.size, number)]

    def _strained(self, equity: FloatArray, view: View) -> IntArray:
        """Those who cut or add at the leverage that their positions have now."""
        own = equity.take(self._elastic)
        held = np.abs(view.size.take(self.members.ids.take(self._elastic)))
        over = (held * view.mark > self._stretched[:-1] * own).nonzero()[0]
        return self._idle(self._elastic[over[own[over] > 0]], view) if over.size else _NOBODY

    def _idle(self, rows: IntArray, view: View) -> IntArray:
        """Those of some rows who are not waiting for an order of theirs."""
        return rows[self._next[rows] <= view.block] if rows.size else rows

    def _awake(self, rng: np.random.Generator, rows: IntArray) -> IntArray:
        """Those of some rows who look at the market in this block."""
        return rows[rng.random(rows.size) < self._attention[rows]] if rows.size else rows

    def _add_margin(self, row: int, equity: float, size: float, view: View, draw: float) -> list[Tx]:
        """Money from the reserve, until the leverage is what it was at the start."""
        amount = min(float(self._reserve[row]), abs(size) * view.mark / float(self.leverage[row]) - equity)
        self._next[row] = view.block + _PAUSE
        if amount <= 1.0:
            return []
        self._reserve[row] -= amount
        self._paid[row] += amount
        self._aim(row)
        return [self._desk.deposit(amount, self.members.addresses[row], draw)]

    def _reduce(self, row: int, size: float, view: View, draw: float) -> list[Tx]:
        """A market order that only reduces."""
        self._next[row] = view.block + _PAUSE
        order = self._order(row, size, view, draw, _EXIT_SLIPPAGE, reduce_only=True)
        return [] if order is None else [order]

    def _order(
        self, row: int, size: float, view: View, draw: float, slippage: float, *, reduce_only: bool = False
    ) -> Tx | None:
        """A market order: immediate or cancelled, with a limit `slippage` beyond the mark."""
        limit = view.mark * (1 + slippage if size > 0 else 1 - slippage)
        address = self.members.addresses[row]
        return self._desk.order(address, size, limit, 0.05 + 0.95 * draw, reduce_only=reduce_only)
