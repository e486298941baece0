"""Baskets: accounts with positions in several markets at once, margined together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from perpsim.agents.base import BoolArray, FloatArray, IntArray, Members, Views
from perpsim.agents.desk import Desk
from perpsim.chain import Tx
from perpsim.scenarios import Baskets

ABSENT, FUNDED, OPEN, CLOSING, GONE = 0, 1, 2, 3, 4

_ENTRY_SLIPPAGE = 0.005
_EXIT_SLIPPAGE = 0.03
# Blocks that an account waits between two rounds of orders, and tries before it takes what it has got.
_PAUSE = 5
_TRIES = 8
# Share of the equity that opening orders leave for their own fees and the spread.
_KEPT = 0.03
# A leg that lost more than this of its size without an order of its owner is broken.
_BROKEN = 0.2
# A leg that has got this much of what was wanted stands; at the end of the patience, this much.
_FULL = 0.9
_STANDS = 0.5
# Beyond this multiple of the leverage at the start those who cut do, in every leg.
_STRETCH = 1.5
_CUT = 0.5
# Least change of a leg that is worth an order, as a share of the basket's notional.
_WORTHWHILE = 0.02


class MarketBaskets:
    """One row an account, one column a leg. Decisions of a block are taken on whole arrays."""

    role = "basket"

    def __init__(
        self,
        config: Baskets,
        desks: Sequence[Desk],
        members: Members,
        rng: np.random.Generator,
        seconds_per_block: int,
        initial_rate: float,
    ) -> None:
        count = len(members)
        self.members = members
        self.config = config
        self._desks = [desks[leg.market] for leg in config.legs]
        self._markets = [leg.market for leg in config.legs]
        weights = np.array([leg.weight for leg in config.legs])
        mirror = np.where(rng.random(count) < config.mirror_share, -1.0, 1.0)
        #: parts of the notional, below 0 for shorts; the magnitudes of a row add up to 1
        self.weights: FloatArray = mirror[:, None] * (weights / np.abs(weights).sum())
        drawn = config.leverage * np.exp(config.leverage_sigma * rng.standard_normal(count))
        self.leverage: FloatArray = np.clip(drawn, 0.5, 0.9 / initial_rate)
        paid = config.collateral_median * np.exp(config.collateral_sigma * rng.standard_normal(count))
        self.stake: FloatArray = np.clip(paid, 0.05 * config.collateral_median, config.collateral_max)
        self._mends: BoolArray = rng.random(count) < config.mend_share
        self._cuts: BoolArray = rng.random(count) < config.cut_share
        self._leaves = seconds_per_block / (3600 * config.turnover_hours)
        self.stage: IntArray = np.full(count, ABSENT, dtype=np.int64)
        self._next: IntArray = rng.integers(0, config.arrival_blocks, count)
        self._tries: IntArray = np.zeros(count, dtype=np.int64)
        #: size of every leg after the owner's last orders
        self.held: FloatArray = np.zeros((count, weights.size))
        #: accounts that ever held all legs, and those that lost one against their will
        self.opened: BoolArray = np.zeros(count, dtype=np.bool_)
        self.broken: BoolArray = np.zeros(count, dtype=np.bool_)
        #: how often that happened
        self.breaks = 0

    def update(self, rng: np.random.Generator, views: Views) -> list[Tx]:
        """Money, orders in all legs, and withdrawals of this block."""
        block = views[0].block
        idle = self._next <= block
        txs: list[Tx] = []
        arriving = idle & (self.stage == ABSENT)
        if arriving.any():
            txs += self._arrive(rng, np.flatnonzero(arriving), block)
            idle &= ~arriving
        busy = idle & ((self.stage == FUNDED) | (self.stage == CLOSING) | (self.stage == OPEN))
        if not busy.any():
            return txs
        ids = self.members.ids
        equity = views[0].equity[ids]
        sizes = np.stack([views[market].size[ids] for market in self._markets], axis=1)
        marks = np.array([views[market].mark for market in self._markets])
        entering = busy & (self.stage == FUNDED) & (equity > 0)
        if entering.any():
            txs += self._enter(rng, np.flatnonzero(entering), block, equity, sizes, marks)
        standing = busy & (self.stage == OPEN)
        if standing.any():
            txs += self._manage(rng, standing, block, equity, sizes, marks)
        closing = busy & (self.stage == CLOSING)
        if closing.any():
            txs += self._close(rng, np.flatnonzero(closing), block, equity, sizes, marks)
        return txs

    def _arrive(self, rng: np.random.Generator, rows: IntArray, block: int) -> list[Tx]:
        txs = []
        for row, draw in zip(rows.tolist(), rng.random(rows.size).tolist()):
            txs.append(self._desks[0].deposit(float(self.stake[row]), self.members.addresses[row], draw))
        self.stage[rows] = FUNDED
        self._next[rows] = block + self.config.lag_blocks
        return txs

    def _targets(self, rows: IntArray, equity: FloatArray, marks: FloatArray) -> FloatArray:
        """Sizes that give the basket the leverage that its owner wants."""
        notional = self.leverage[rows] * (1 - _KEPT) * np.maximum(equity[rows], 0)
        wanted: FloatArray = notional[:, None] * self.weights[rows] / marks
        return wanted

    def _enter(
        self,
        rng: np.random.Generator,
        rows: IntArray,
        block: int,
        equity: FloatArray,
        sizes: FloatArray,
        marks: FloatArray,
    ) -> list[Tx]:
        """Orders for what is missing, until every leg stands or the patience is at its end."""
        wanted = self._targets(rows, equity, marks)
        tired = self._tries[rows] >= _TRIES
        enough = np.where(tired, _STANDS, _FULL)[:, None]
        stands = np.all(sizes[rows] * np.sign(wanted) >= enough * np.abs(wanted), axis=1)
        done = rows[stands]
        self.stage[done] = OPEN
        self.opened[done] = True
        self.held[done] = sizes[done]
        # Without all of its legs a basket is not what its owner wanted.
        self.stage[rows[tired & ~stands]] = CLOSING
        going = ~stands & ~tired
        self._tries[rows[going]] += 1
        return self._towards(rng, rows[going], wanted[going], sizes, marks, block, _ENTRY_SLIPPAGE)

    def _manage(
        self,
        rng: np.random.Generator,
        standing: BoolArray,
        block: int,
        equity: FloatArray,
        sizes: FloatArray,
        marks: FloatArray,
    ) -> list[Tx]:
        """Broken legs, too much leverage, drift, and those who have had enough."""
        rows = np.flatnonzero(standing)
        held, now = self.held[rows], sizes[rows]
        lost = np.any(np.abs(now) < (1 - _BROKEN) * np.abs(held), axis=1)
        self.breaks += int(lost.sum())
        self.broken[rows[lost]] = True
        mending = lost & self._mends[rows] & (equity[rows] > 0)
        leaving = lost & ~mending
        bored = rng.binomial(rows.size, self._leaves)
        if bored:
            leaving[rng.integers(0, rows.size, bored)] = True
        gross = np.abs(now * marks).sum(axis=1)
        stretched = ~lost & ~leaving & (gross > _STRETCH * self.leverage[rows] * np.maximum(equity[rows], 0))
        cutting = stretched & self._cuts[rows]
        parts = now * marks / np.maximum(gross, 1e-9)[:, None]
        drifted = np.any(
            np.abs(parts - self.weights[rows]) > self.config.drift * np.abs(self.weights[rows]), axis=1
        )
        evening = drifted & ~lost & ~leaving & ~cutting & (equity[rows] > 0)
        txs: list[Tx] = []
        if leaving.any():
            self.stage[rows[leaving]] = CLOSING
        if mending.any():
            chosen = rows[mending]
            self.stage[chosen] = FUNDED
            self._tries[chosen] = 0
        if cutting.any():
            chosen = rows[cutting]
            self.held[chosen] = _CUT * sizes[chosen]
            txs += self._towards(rng, chosen, self.held[chosen], sizes, marks, block, _EXIT_SLIPPAGE)
        if evening.any():
            # Only ever towards less: legs that have grown are cut to the smallest's measure.
            chosen = rows[evening]
            least = np.min(np.abs(sizes[chosen] * marks / self.weights[chosen]), axis=1)
            self.held[chosen] = least[:, None] * self.weights[chosen] / marks
            txs += self._towards(rng, chosen, self.held[chosen], sizes, marks, block, _EXIT_SLIPPAGE)
        return txs

    def _close(
        self,
        rng: np.random.Generator,
        rows: IntArray,
        block: int,
        equity: FloatArray,
        sizes: FloatArray,
        marks: FloatArray,
    ) -> list[Tx]:
        """Reduce until nothing is left, then take the money out."""
        flat = np.all(sizes[rows] == 0, axis=1)
        gone = rows[flat]
        self.stage[gone] = GONE
        txs = []
        for row, draw in zip(gone.tolist(), rng.random(gone.size).tolist()):
            if equity[row] > 1.0:
                address = self.members.addresses[row]
                txs.append(self._desks[0].withdraw(address, float(equity[row]), draw))
        rest = rows[~flat]
        wanted = np.zeros((rest.size, len(self._desks)))
        return txs + self._towards(rng, rest, wanted, sizes, marks, block, _EXIT_SLIPPAGE)

    def _towards(
        self,
        rng: np.random.Generator,
        rows: IntArray,
        wanted: FloatArray,
        sizes: FloatArray,
        marks: FloatArray,
        block: int,
        slippage: float,
    ) -> list[Tx]:
        """Market orders that bring the legs of `rows` to `wanted`; what only reduces says so."""
        self._next[rows] = block + max(_PAUSE, self.config.lag_blocks)
        txs: list[Tx] = []
        changes = wanted - sizes[rows]
        least = _WORTHWHILE * np.abs(wanted * marks).sum(axis=1)
        for at, (row, draw) in enumerate(zip(rows.tolist(), rng.random(rows.size).tolist())):
            address = self.members.addresses[row]
            for leg, desk in enumerate(self._desks):
                change, mark = float(changes[at, leg]), float(marks[leg])
                if abs(change) * mark <= least[at]:
                    continue
                reduces = (
                    abs(wanted[at, leg]) < abs(sizes[row, leg]) and wanted[at, leg] * sizes[row, leg] >= 0
                )
                limit = mark * (1 + slippage if change > 0 else 1 - slippage)
                arrival = 0.05 + 0.95 * draw
                order = desk.order(address, change, limit, arrival, reduce_only=bool(reduces))
                if order is not None:
                    txs.append(order)
        return txs
