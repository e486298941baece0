"""Leveraged traders: they arrive, open, add margin, take profits, stop out, get liquidated; some return."""

from __future__ import annotations

import numpy as np

from perpsim.agents.base import BoolArray, FloatArray, IntArray, Members, View
from perpsim.agents.desk import Desk
from perpsim.chain import Tx
from perpsim.simulation.scenario import Traders

ABSENT, FUNDED, OPEN = 0, 1, 2

_NEVER = 2**62
_UNREACHED = 1e12
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
        self._config = config
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
        # Multiples of what was paid in: who has no stop or no aim never gets there.
        stops = rng.random(count) < config.stop_share
        self._stop_below: FloatArray = np.where(stops, rng.uniform(0.3, 0.65, count), -_UNREACHED)
        takes = rng.random(count) < config.take_profit_share
        self._take_above: FloatArray = np.where(takes, rng.uniform(1.5, 4.0, count), _UNREACHED)
        self._cuts: BoolArray = rng.random(count) < config.deleverage_share
        adds = rng.random(count) < config.add_margin_share
        # Leverage at which those who cut or add do so; the others let it come.
        self._stretch: FloatArray = np.where(self._cuts | adds, 1.6 * self.leverage, _UNREACHED)
        self._attention: FloatArray = rng.uniform(0.02, 0.2, count)
        self._reserve: FloatArray = self.stake * rng.uniform(0.5, 2.0, count)
        self._stage: IntArray = np.full(count, ABSENT, dtype=np.int64)
        self._next: IntArray = rng.integers(0, config.arrival_blocks, count)
        late = rng.random(count) < config.late_share
        delay = rng.random(count) * config.late_hours * 3600 / seconds_per_block
        self._next[late] = config.arrival_blocks + delay[late].astype(np.int64)
        self._tries: IntArray = np.zeros(count, dtype=np.int64)
        self._leaving: list[int] = []
        self._paid: FloatArray = np.zeros(count)

    def update(self, rng: np.random.Generator, view: View) -> list[Tx]:
        """Deposits, orders and withdrawals of this block."""
        if view.mark <= 0:
            return []
        size = self.members.of(view.size)
        equity = self.members.of(view.equity)
        self._notice(rng, view, size)
        due = self._next <= view.block
        absent = self._stage == ABSENT
        ready = due & (self._stage == FUNDED) & (equity > 0) & (size == 0)
        txs: list[Tx] = []
        if self._leaving:
            txs += self._leave(rng, equity)
        if (due & absent).any():
            txs += self._arrive(rng, np.flatnonzero(due & absent), view, equity)
        if ready.any():
            txs += self._open(rng, np.flatnonzero(ready), view, equity)
        txs += self._manage(rng, due & (self._stage == OPEN) & (size != 0), view, equity, size)
        return txs

    def _notice(self, rng: np.random.Generator, view: View, size: FloatArray) -> None:
        """Follow what became of orders: positions that opened, and positions that are gone."""
        config = self._config
        flat = size == 0
        self._stage[(self._stage == FUNDED) & ~flat] = OPEN
        gone = np.flatnonzero((self._stage == OPEN) & flat)
        if not gone.size:
            return
        draws = rng.random((gone.size, 3))
        self._stage[gone] = ABSENT
        hours = -np.log1p(-draws[:, 0]) * config.return_hours
        wait = np.minimum(hours * 3600 / self._seconds, _NEVER / 2).astype(np.int64)
        back = draws[:, 1] < config.return_share
        self._next[gone] = np.where(back, view.block + 1 + wait, _NEVER)
        # Whoever comes back decides anew: the sides of a crash change hands.
        sides = np.where(draws[:, 2] < config.long_share, 1.0, -1.0)
        self.side[gone[back]] = sides[back]
        self._leaving += gone[~back].tolist()

    def _arrive(self, rng: np.random.Generator, rows: IntArray, view: View, equity: FloatArray) -> list[Tx]:
        """Fresh money for those whose time has come."""
        txs: list[Tx] = []
        for row, draw in zip(rows.tolist(), rng.random(rows.size).tolist()):
            lack = float(self.stake[row]) - max(0.0, float(equity[row]))
            if lack > 0.05 * self.stake[row]:
                txs.append(self._desk.deposit(lack, self.members.addresses[row], draw))
        self._stage[rows] = FUNDED
        self._paid[rows] = self.stake[rows]
        self._tries[rows] = 0
        self._next[rows] = view.block + self._config.lag_blocks
        return txs

    def _leave(self, rng: np.random.Generator, equity: FloatArray) -> list[Tx]:
        """Those who will not return take out what is left."""
        rows, self._leaving = self._leaving, []
        return [
            self._desk.withdraw(self.members.addresses[row], float(equity[row]), draw)
            for row, draw in zip(rows, rng.random(len(rows)).tolist())
            if equity[row] > 1.0
        ]

    def _open(self, rng: np.random.Generator, rows: IntArray, view: View, equity: FloatArray) -> list[Tx]:
        """Market orders of those who have paid in and hold nothing yet."""
        txs: list[Tx] = []
        for row, (draw, pause) in zip(rows.tolist(), rng.random((rows.size, 2)).tolist()):
            if self._tries[row] >= _TRIES:
                self._stage[row], self._next[row] = ABSENT, _NEVER
                self._leaving.append(row)
                continue
            self._tries[row] += 1
            self._next[row] = view.block + 1 + int(20 * pause)
            wanted = self.leverage[row] * (1 - _KEPT) * equity[row] / view.mark
            order = self._order(row, float(self.side[row] * wanted), view, draw, _ENTRY_SLIPPAGE)
            if order is None:
                # Too small to trade: gives up.
                self._tries[row] = _TRIES
            else:
                txs.append(order)
        return txs

    def _manage(
        self, rng: np.random.Generator, idle: BoolArray, view: View, equity: FloatArray, size: FloatArray
    ) -> list[Tx]:
        """Stops, profits taken, ordinary turnover, positions cut, margin added."""
        # Stop orders of bots need no attention. Where randomness decides, it is only drawn for those whom
        # the state allows to act: most blocks, nobody.
        closing = idle & (equity < self._stop_below * self._paid)
        rate = self._seconds / (3600 * self._config.turnover_hours)
        bored = rng.integers(0, len(self.members), rng.binomial(len(self.members), rate))
        closing[bored] |= idle[bored]
        content = np.flatnonzero(idle & (equity > self._take_above * self._paid))
        closing[self._awake(rng, content)] = True
        txs: list[Tx] = []
        rows = np.flatnonzero(closing)
        for row, draw in zip(rows.tolist(), rng.random(rows.size).tolist()):
            txs += self._reduce(row, -float(size[row]), view, draw)
        # Whoever neither cuts nor adds has endless patience.
        strained = idle & ~closing & (equity > 0)
        strained &= np.abs(size) * view.mark > self._stretch * equity
        rows = self._awake(rng, np.flatnonzero(strained))
        for row, draw in zip(rows.tolist(), rng.random(rows.size).tolist()):
            if self._cuts[row]:
                txs += self._reduce(row, -0.5 * float(size[row]), view, draw)
            else:
                txs += self._add_margin(row, float(equity[row]), float(size[row]), view, draw)
        return txs

    def _awake(self, rng: np.random.Generator, rows: IntArray) -> IntArray:
        """Those of `rows` who look at the market in this block."""
        return rows[rng.random(rows.size) < self._attention[rows]]

    def _add_margin(self, row: int, equity: float, size: float, view: View, draw: float) -> list[Tx]:
        """Money from the reserve, until the leverage is what it was at the start."""
        amount = min(float(self._reserve[row]), abs(size) * view.mark / float(self.leverage[row]) - equity)
        self._next[row] = view.block + _PAUSE
        if amount <= 1.0:
            return []
        self._reserve[row] -= amount
        self._paid[row] += amount
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
