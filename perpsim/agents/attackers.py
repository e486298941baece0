"""What all attackers have in common: accounts, an outside stock, and the count of what it brought."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from perpsim.agents.base import Members, View, Views
from perpsim.agents.desk import Desk
from perpsim.chain import Tx
from perpsim.market.outside import Outside
from perpsim.scenarios import Attacker
from perpsim.simulation.market_state import Schedule

_SLIPPAGE = 0.02
# What a withdrawal leaves beside the initial margin, as a part of the notional and at least so many times the
# volatility: the price moves before it is in a block.
_SAFETY = 0.002
_MOVES = 3.0
# Share of the equity that opening orders leave for their own fees and the spread.
KEPT = 0.03


class AnAttacker(ABC):
    """One attacker with its accounts, a row each. It sends what any account may send.

    What it buys outside, it buys from `outside`, at the price of the block.
    """

    role = "attacker"

    def __init__(
        self, config: Attacker, desk: Desk, members: Members, outside: Outside, schedule: Schedule
    ) -> None:
        self.config = config
        self.members = members
        #: block of the first move
        self.began: int | None = None
        #: base units held outside, and what they have brought less what they have cost (quote units)
        self.stock = 0.0
        self.cash = 0.0
        self._desk = desk
        self._outside = outside
        self._schedule = schedule

    def update(self, rng: np.random.Generator, views: Views) -> list[Tx]:
        """The moves of this block."""
        view = views[self.config.market]
        if view.block < self.config.start:
            return []
        if self.began is None:
            self.began = view.block
        return self.act(view)

    @abstractmethod
    def act(self, view: View) -> list[Tx]:
        """The moves of a block, from the first on."""

    def outcome(self, price: float) -> float:
        """What the outside stock has brought, if the rest were sold at `price`; quote units."""
        return self.cash + self.stock * price

    # what the kinds are made of

    def equity(self, row: int, view: View) -> float:
        """Equity of an account, quote units."""
        return float(view.equity[self.members.ids[row]])

    def size(self, row: int, view: View) -> float:
        """Position of an account, base units."""
        return float(view.size[self.members.ids[row]])

    def pay_in(self, row: int, amount: float) -> Tx:
        """Fresh money."""
        return self._desk.deposit(amount, self.members.addresses[row], 0.05)

    def spare(self, row: int, view: View) -> float:
        """What may be withdrawn: collateral that the initial margin does not need."""
        account = self.members.ids[row]
        notional = abs(self.size(row, view)) * view.mark
        needed = (
            float(self._schedule.initial(np.array([notional]))[0])
            + max(_SAFETY, _MOVES * view.volatility) * notional
        )
        # A rounding of the floats must not make it too much.
        least = min(float(view.collateral[account]), self.equity(row, view) - needed)
        return max(0.0, least * (1 - 1e-9))

    def drain(self, row: int, view: View, least: float) -> list[Tx]:
        """Withdraw what is spare, if it is more than `least`; without a position, all."""
        amount = self.spare(row, view)
        if amount <= (least if self.size(row, view) else 0.01):
            return []
        return [self._desk.withdraw(self.members.addresses[row], amount, 0.5)]

    def buy(self, row: int, notional: float, view: View, *, reduce_only: bool = False) -> list[Tx]:
        """A market order for `notional`, below 0 a sale."""
        limit = view.mark * (1 + _SLIPPAGE if notional > 0 else 1 - _SLIPPAGE)
        order = self._desk.order(
            self.members.addresses[row], notional / view.mark, limit, 0.6, reduce_only=reduce_only
        )
        return [] if order is None else [order]

    def reduce(self, row: int, size: float, view: View) -> list[Tx]:
        """Bring a position nearer to zero by `size` (base units, above 0) on the book."""
        held = self.size(row, view)
        step = min(size, abs(held)) * (-1 if held > 0 else 1)
        return self.buy(row, step * view.mark, view, reduce_only=True) if step else []

    def buy_outside(self, notional: float, view: View) -> None:
        """Buy for `notional` elsewhere."""
        if notional:
            self.stock += self._outside.buy(self.config.market, view.block, notional)
            self.cash -= notional

    def sell_outside(self, part: float, view: View) -> None:
        """Sell `part` of the outside stock."""
        size = part * self.stock
        if size:
            self.cash += self._outside.sell(self.config.market, view.block, size)
            self.stock -= size
