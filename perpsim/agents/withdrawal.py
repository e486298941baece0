"""The whale that takes its margin out before it is liquidated (Hyperliquid, 12 March 2025)."""

from __future__ import annotations

from typing import Any

from perpsim.agents.attackers import KEPT, AnAttacker
from perpsim.agents.base import View
from perpsim.chain import Tx
from perpsim.scenarios import MarginWithdrawal

FRESH, BUILD, HOLD, CLOSE, DRAIN = range(5)

# Blocks beyond those that the size needs, after which it takes what it has got.
_PATIENCE = 50
_WORTHWHILE = 0.005


class MarginWithdrawer(AnAttacker):
    """Builds, waits for profit, closes a part if it wants to, drains, leaves the rest."""

    config: MarginWithdrawal

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.stage = FRESH
        self._until = 0
        self._kept = 0.0

    def act(self, view: View) -> list[Tx]:
        """The moves of a block."""
        config = self.config
        held = abs(self.size(0, view))
        if self.stage == FRESH:
            self.stage = BUILD
            target = config.leverage * config.capital
            self._until = view.block + int(target / config.order) + _PATIENCE
            return [self.pay_in(0, config.capital)]
        if self.stage == BUILD:
            missing = config.leverage * config.capital * (1 - KEPT) - held * view.mark
            if missing > 0.01 * config.capital and view.block < self._until:
                step = min(missing, config.order)
                return self.buy(0, step if config.side == "long" else -step, view)
            self.stage = HOLD
            self._until = view.block + config.hold_blocks
        if self.stage == HOLD:
            up = self.equity(0, view) - config.capital >= config.profit * config.capital
            if not up and view.block < self._until and held:
                return []
            self.stage = CLOSE
            self._kept = held * (1 - config.close_share)
            self._until = view.block + int(held * view.mark / config.order) + _PATIENCE
        if self.stage == CLOSE:
            if held > self._kept * 1.001 and view.block < self._until:
                return self.reduce(0, min(held - self._kept, config.order / view.mark), view)
            self.stage = DRAIN
        return self.drain(0, view, _WORTHWHILE * config.capital)
