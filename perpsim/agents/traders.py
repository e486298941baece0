"""Leveraged traders: they arrive, open, add margin, take profits, stop out, get liquidated; some return."""

from __future__ import annotations

import numpy as np

from perpsim.agents.base import BoolArray, FloatArray, IntArray, Members, View
from perpsim.agents.desk import Desk
from perpsim.chain import Tx
from perpsim.simulation.scenario import Traders

ABSENT, FUNDED, OPEN = 0, 1, 2

_NEVER = 2**62
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
        self._adds: BoolArray = rng.random(count) < config.add_margin_share
        self._stops: BoolArray = rng.random(count) < config.stop_share
        self._cuts: BoolArray = rng.random(count) < config.deleverage_share
        self._takes: BoolArray = rng.random(count) < config.take_profit_share
        self._stop_level: FloatArray = rng.uniform(0.35, 0.7, count)
        self._take_level: FloatArray = rng.uniform(0.5, 3.0, count)
        self._attention: FloatArray = rng.uniform(0.02, 0.2, count)
        self._reserve: FloatArray = self.stake * rng.uniform(0.5, 2.0, count)
        self._stage: IntArray = np.full(count, ABSENT, dtype=np.int64)
        self._next: IntArray = rng.integers(0, config.arrival_blocks, count)
        late = rng.random(count) < config.late_share
        delay = rng.random(count) * config.late_hours * 3600 / seconds_per_block
        self._next[late] = config.arrival_blocks + delay[late].astype(np.int64)
        self._tries: IntArray = np.zeros(count, dtype=np.int64)
        self._held: BoolArray = np.zeros(count, dtype=np.bool_)
        self._paid: FloatArray = np.zeros(count)

    def update(self, rng: np.random.Generator, view: View) -> list[Tx]:
        """Deposits, orders and withdrawals of this block."""
        draws = rng.random((len(self.members), 4))
        if view.mark <= 0:
            return []
        size = self.members.of(view.size)
        equity = self.members.of(view.equity)
        self._notice(view, size, draws)
        txs = self._arrive(view, equity, draws)
        txs += self._open(view, equity, size, draws)
        txs += self._manage(view, equity, size, draws)
        return txs

    def _notice(self, view: View, size: FloatArray, draws: FloatArray) -> None:
        """Follow what became of orders: positions that opened, and positions that are gone."""
        config = self._config
        opened = (self._stage == FUNDED) & (size != 0)
        self._stage[opened] = OPEN
        gone = (self._stage == OPEN) & (size == 0)
        if not gone.any():
            return
        self._stage[gone] = ABSENT
        returns = gone & (draws[:, 3] < config.return_share)
        hours = -np.log1p(-np.minimum(draws[:, 2], 0.999)) * config.return_hours
        wait = (hours * 3600 / self._seconds).astype(np.int64)
        self._next[gone] = _NEVER
        self._next[returns] = view.block + 1 + wait[returns]
        # Whoever comes back decides anew: the sides of a crash change hands.
        again = np.where(draws[:, 1] < config.long_share, 1.0, -1.0)
        self.side[returns] = again[returns]
        self._held[gone] = True

    def _arrive(self, view: View, equity: FloatArray, draws: FloatArray) -> list[Tx]:
        """Fresh money for those whose time has come; those who will not return take theirs out."""
        txs: list[Tx] = []
        for row in np.flatnonzero((self._stage == ABSENT) & (self._next <= view.block)):
            address = self.members.addresses[row]
            lack = self.stake[row] - max(0.0, equity[row])
            if lack > 0.05 * self.stake[row]:
                txs.append(self._desk.deposit(lack, address, draws[row, 0]))
            self._stage[row] = FUNDED
            self._paid[row] = self.stake[row]
            self._tries[row] = 0
            self._next[row] = view.block + self._config.lag_blocks
        leaving = (self._stage == ABSENT) & self._held & (self._next == _NEVER)
        for row in np.flatnonzero(leaving):
            self._held[row] = False
            if equity[row] > 1.0:
                txs.append(
                    self._desk.withdraw(self.members.addresses[row], float(equity[row]), draws[row, 0])
                )
        return txs

    def _open(self, view: View, equity: FloatArray, size: FloatArray, draws: FloatArray) -> list[Tx]:
        """Market orders of those who have paid in and hold nothing yet."""
        ready = (self._stage == FUNDED) & (self._next <= view.block) & (equity > 0) & (size == 0)
        txs: list[Tx] = []
        for row in np.flatnonzero(ready):
            if self._tries[row] >= _TRIES:
                self._stage[row], self._next[row], self._held[row] = ABSENT, _NEVER, True
                continue
            self._tries[row] += 1
            self._next[row] = view.block + 1 + int(20 * draws[row, 2])
            wanted = self.leverage[row] * (1 - _KEPT) * equity[row] / view.mark
            txs += self._send(row, self.side[row] * wanted, view, draws, _ENTRY_SLIPPAGE, reduce_only=False)
        return txs

    def _manage(self, view: View, equity: FloatArray, size: FloatArray, draws: FloatArray) -> list[Tx]:
        """Stops, profits taken, positions cut, margin added, and ordinary turnover."""
        config = self._config
        idle = (self._stage == OPEN) & (self._next <= view.block) & (size != 0)
        notional = np.abs(size) * view.mark
        awake = draws[:, 1] < self._attention
        # Stop orders of bots need no attention.
        stopped = idle & self._stops & (equity < (1 - self._stop_level) * self._paid)
        taken = idle & self._takes & awake & (equity > (1 + self._take_level) * self._paid)
        bored = idle & (draws[:, 2] < self._seconds / (3600 * config.turnover_hours))
        closing = stopped | taken | bored
        stretched = idle & awake & ~closing & (notional > 1.6 * self.leverage * np.maximum(equity, 1e-9))
        cutting = stretched & self._cuts & (equity > 0)
        paying = stretched & self._adds & ~self._cuts & (equity > 0) & (self._reserve > 0)
        txs: list[Tx] = []
        for row in np.flatnonzero(closing):
            txs += self._send(row, -size[row], view, draws, _EXIT_SLIPPAGE, reduce_only=True)
        for row in np.flatnonzero(cutting):
            txs += self._send(row, -0.5 * size[row], view, draws, _EXIT_SLIPPAGE, reduce_only=True)
        for row in np.flatnonzero(paying):
            wanted = notional[row] / self.leverage[row] - equity[row]
            amount = min(float(self._reserve[row]), wanted)
            self._reserve[row] -= amount
            self._paid[row] += amount
            self._next[row] = view.block + _PAUSE
            if amount > 1.0:
                txs.append(self._desk.deposit(amount, self.members.addresses[row], draws[row, 0]))
        return txs

    def _send(
        self, row: int, size: float, view: View, draws: FloatArray, slippage: float, *, reduce_only: bool
    ) -> list[Tx]:
        """A market order: immediate or cancelled, with a limit `slippage` beyond the mark."""
        if reduce_only:
            self._next[row] = view.block + _PAUSE
        limit = view.mark * (1 + slippage if size > 0 else 1 - slippage)
        arrival = 0.05 + 0.95 * float(draws[row, 0])
        order = self._desk.order(self.members.addresses[row], size, limit, arrival, reduce_only=reduce_only)
        if order is None:
            # Too small to trade: whoever cannot open leaves.
            if not reduce_only:
                self._tries[row] = _TRIES
            return []
        return [order]
