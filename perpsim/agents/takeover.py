"""The takeover of one's own short (JELLY on Hyperliquid, 26 March 2025)."""

from __future__ import annotations

from typing import Any

from perpsim.agents.attackers import AnAttacker
from perpsim.agents.base import View
from perpsim.agents.desk import IOC, POST_ONLY
from perpsim.chain import Tx
from perpsim.scenarios import SelfTrade

FRESH, BUILD, SQUEEZE, EXIT = range(4)
SHORT, LONG = 0, 1

_PATIENCE = 50
_WORTHWHILE = 0.005
# Late in the block, one right after the other, so that few get between.
_CANCEL, _OFFER, _TAKE = 0.96, 0.97, 0.98


class SelfTrader(AnAttacker):
    """Account 0 sells to account 1, gives up its margin, and is squeezed."""

    config: SelfTrade

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.stage = FRESH
        self._until = 0
        self._top = 0.0

    def act(self, view: View) -> list[Tx]:
        """The moves of a block."""
        config = self.config
        if self.stage == FRESH:
            self.stage = BUILD
            self._until = view.block + int(config.notional / config.order) + _PATIENCE
            return [self.pay_in(SHORT, config.capital_short), self.pay_in(LONG, config.capital_long)]
        if self.stage == BUILD:
            missing = config.notional - abs(self.size(SHORT, view)) * view.mark
            if missing > 0.01 * config.notional and view.block < self._until:
                return self._meet(min(missing, config.order), view)
            self.stage = SQUEEZE
            self._until = view.block + config.squeeze_blocks
            return [self._desk.cancel_all(self.members.addresses[SHORT], _CANCEL)]
        if self.stage == SQUEEZE:
            if self.size(SHORT, view) and view.block < self._until:
                self.buy_outside(config.outside, view)
                txs = self.buy(LONG, config.chase, view) if config.chase else []
                return txs + self.drain(SHORT, view, _WORTHWHILE * config.capital_short)
            self.stage = EXIT
            self._until = view.block + config.exit_blocks
            self._top = abs(self.size(LONG, view))
        return self._exit(view)

    def _meet(self, notional: float, view: View) -> list[Tx]:
        """The short offers just inside the spread, the long takes it."""
        price = view.ask - self._desk.grid.tick if view.ask else view.mark
        price = max(price, view.bid + self._desk.grid.tick)
        size = notional / price
        short, long = self.members.addresses
        txs = [self._desk.cancel_all(short, _CANCEL)]
        for sender, signed, arrival, kind in ((short, -size, _OFFER, POST_ONLY), (long, size, _TAKE, IOC)):
            order = self._desk.order(sender, signed, price, arrival, kind=kind)
            if order is not None:
                txs.append(order)
        return txs

    def _exit(self, view: View) -> list[Tx]:
        """The long sells what it has, the outside stock goes, whatever is left of both comes out."""
        left = self._until - view.block
        txs: list[Tx] = []
        if left > 0:
            self.sell_outside(1 / left, view)
        if self.size(LONG, view):
            txs += self.reduce(LONG, self._top / self.config.exit_blocks, view)
        for row in (SHORT, LONG):
            txs += self.drain(row, view, 0.05 * self.config.capital_long)
        return txs
