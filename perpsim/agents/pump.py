"""The pump of a thin market (YFI on dYdX v3, 17 November 2023)."""

from __future__ import annotations

from typing import Any

from perpsim.agents.attackers import KEPT, AnAttacker
from perpsim.agents.base import View
from perpsim.chain import Tx
from perpsim.scenarios import Pump

# Blocks beyond those that an account's size needs, after which the next one has its turn.
_PATIENCE = 50


class ThinMarketPump(AnAttacker):
    """Longs in account after account while the price is bought up outside; drained, dumped, left behind."""

    config: Pump

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        # Accounts that are paid for, and those of them that are as large as they get.
        self._paid = 0
        self._full = 0
        # Of the account whose turn it is: what its position has cost, its size, and the end of its turn.
        self._cost = self._size = 0.0
        self._until = 0
        self._top: list[float] = []

    def act(self, view: View) -> list[Tx]:
        """The moves of a block."""
        config = self.config
        age = view.block - (self.began or 0)
        dump = config.build_blocks + config.hold_blocks
        txs: list[Tx] = []
        if age < config.build_blocks:
            self.buy_outside(config.outside, view)
            txs += self._build(view)
        else:
            self._full = self._paid
        if dump <= age < dump + config.dump_blocks:
            txs += self._dump(view, config.dump_blocks - (age - dump))
        for row in range(self._full):
            txs += self.drain(row, view, config.drain * config.capital)
        return txs

    def _build(self, view: View) -> list[Tx]:
        """The account whose turn it is grows; the next one is paid for once it is full."""
        config = self.config
        target = config.leverage * config.capital * (1 - KEPT)
        if self._paid > self._full:
            size = self.size(self._paid - 1, view)
            self._cost += max(0.0, size - self._size) * view.mark
            self._size = size
            missing = target - self._cost
            if missing > 0.01 * config.capital and view.block < self._until:
                return self.buy(self._paid - 1, min(missing, config.order), view)
            self._full = self._paid
        if self._paid == config.accounts:
            return []
        self._paid += 1
        self._cost = self._size = 0.0
        self._until = view.block + int(target / config.order) + _PATIENCE
        return [self.pay_in(self._paid - 1, config.capital)]

    def _dump(self, view: View, left: int) -> list[Tx]:
        """Sell the stock, and as much of the positions as is not to be left behind."""
        self.sell_outside(1 / left, view)
        if not self._top:
            self._top = [abs(self.size(row, view)) for row in range(self._paid)]
        step = self.config.sell_share / self.config.dump_blocks
        return [tx for row, top in enumerate(self._top) for tx in self.reduce(row, step * top, view)]
