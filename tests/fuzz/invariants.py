"""What must hold after every transaction (SPECIFICATION 10), over the model's state, which is the contracts'.

Dust: deleveraging takes sizes down to whole wei, so a side may lack up to a wei an account and change of its
index; the exchange bears their value. Every other rounding is some wei of money a touched account, in favour
of the exchange.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reference.arith import WAD
from reference.market import LONG, SHORT, Market

if TYPE_CHECKING:
    from reference.state import State
    from twins import Twins

#: roundings of a touched account, wei
PER_TOUCH = 10
#: transactions of users, who may not get below their margin by them
OWN = {"place", "withdraw", "deposit", "cancel", "cancel_many", "cancel_all"}


class Broken(AssertionError):
    """An invariant does not hold."""


def ensure(condition: bool, number: int, words: str) -> None:
    """Fail unless the condition holds."""
    if not condition:
        raise Broken(f"invariant {number}: {words}")


def fees_of(market: Market) -> int:
    """Fees not paid out (WAD)."""
    return market.fees_vault + market.fees_treasury


class Invariants:
    """Looks at the model before and after each transaction."""

    def __init__(self, twins: Twins) -> None:
        self.twins = twins
        self.state = twins.model.state.copy()
        #: wei of size that each market's sides may lack by now
        self.size_dust = [0 for _ in twins.markets]
        #: highest price seen in each market, mark or bankruptcy price (WAD)
        self.highest = [0 for _ in twins.markets]
        self.touches = 0
        self.excess: dict[int, int] = {}
        self.wealth: dict[int, int] = {}
        #: whether time, prices or terms may have changed how somebody stands since
        self.moved = True

    def prepare(self, function: str) -> None:
        """Before a transaction: how everybody stands, if that is to be compared and has changed."""
        if function in OWN and self.moved:
            self._look(list(self.twins.model.state.accounts))
            self.moved = False

    def _look(self, accounts: list[int]) -> None:
        model = self.twins.model
        for account in accounts:
            equity, _, maintenance = model.health(account)
            self.excess[account], self.wealth[account] = equity - maintenance, equity

    def check(self, function: str) -> None:
        """After a transaction of both."""
        before, after = self.state, self.twins.model.state
        changed = [n for n, account in after.accounts.items() if before.accounts.get(n) != account]
        self._count_dust(before, changed)
        self.state = after.copy()
        self._money_and_sides()
        self._books()
        if function not in OWN:
            self.moved = True
            return
        everybody = any(old.sides != new.sides for old, new in zip(before.markets, after.markets))
        excess, wealth = dict(self.excess), dict(self.wealth)
        self._look(list(after.accounts) if everybody else changed)
        self._nobody_below(changed, excess, wealth)
        if function == "place":
            self._nobody_gains(before, after, wealth)

    def _nobody_gains(self, before: State, after: State, wealth: dict[int, int]) -> None:
        """5: at a fixed price all accounts together lose the fees, and a few wei."""
        fees = sum(fees_of(market) for market in after.markets)
        fees -= sum(fees_of(market) for market in before.markets)
        gained = sum(self.wealth[n] - wealth[n] for n in after.accounts)
        dust = PER_TOUCH * 2 * (1 + len(self.twins.model.notes))
        if any(old.sides[0].epoch != new.sides[0].epoch for old, new in zip(before.markets, after.markets)):
            # what was open then is dust, closed at the mark
            dust += 2 * 10**9 * max(self.highest) // WAD
        ensure(-dust <= gained + fees <= dust, 5, f"a trade brings {gained} and costs {fees}")

    def _count_dust(self, before: State, changed: list[int]) -> None:
        state = self.twins.model.state
        self.touches += len(changed) + 1
        for number, (old, new) in enumerate(zip(before.markets, state.markets)):
            self.highest[number] = max(self.highest[number], new.mark)
            if [side.a for side in old.sides] != [side.a for side in new.sides]:
                self.size_dust[number] += len(state.accounts)
            if old.sides != new.sides or old.flow != new.flow:
                self.touches += len(state.accounts)
        for event, market, amount in self.twins.model.notes:
            if event.startswith("deleveraged"):
                # a wei of size that rounding keeps out of a deleveraging is worth its price
                self.highest[market] = max(self.highest[market], amount)

    def value_dust(self) -> int:
        """What the sizes that rounding took away may be worth, and the roundings of money (WAD)."""
        sizes = sum(dust * (high // WAD + 1) for dust, high in zip(self.size_dust, self.highest))
        return 4 * sizes + PER_TOUCH * self.touches + 100

    def _money_and_sides(self) -> None:
        """1, 2, 6, 7: tokens cover what is owed; the sides are equal; the vault's books are its flows; debt
        is accounted for."""
        model = self.twins.model
        state, now = model.state, model.now
        owed = sum(market.fees_vault + market.fees_treasury for market in state.markets)
        sides = [[0, 0] for _ in state.markets]
        for account in state.accounts.values():
            owed += account.collateral
            for number, position in account.positions.items():
                size, entry, gain = state.markets[number].settled(position, now)
                owed += gain - entry
                sides[number][LONG if size > 0 else SHORT] += abs(size)
        unpaid = sum(market.unpaid for market in state.markets)
        gap = state.tokens["clearinghouse"] * model.unit + unpaid - owed - self.donated("clearinghouse")
        ensure(abs(gap) <= self.value_dust(), 1, f"{gap} belong to nobody, dust is {self.value_dust()}")
        held = state.tokens["vault"]
        ensure(held >= state.vault.books, 1, f"the vault holds {held} and books {state.vault.books}")
        flows = sum(ledger.inflow - ledger.outflow for ledger in state.vault.ledgers)
        ensure(state.vault.books == flows, 6, f"the vault books {state.vault.books}, {flows} have flowed")
        for market, debt, totals in zip(state.markets, state.debts, sides):
            ensure(debt[0] == sum(debt[1:]), 7, f"the legs {debt[1:]} are not the deficit {debt[0]}")
            ensure(debt[4] == market.unpaid, 7, f"{debt[4]} booked as unpaid, {market.unpaid} owed")
            for total in totals:
                lack = market.open_interest - total
                most = self.size_dust[market.number]
                ensure(0 <= lack <= most, 2, f"market {market.number} lacks {lack} of a side")

    def donated(self, holder: str) -> int:
        """What was given to a contract without a word (WAD)."""
        return self.twins.donated[holder] * self.twins.model.unit

    def _books(self) -> None:
        """3: no book is crossed."""
        for number, book in enumerate(self.twins.model.state.books):
            bid, ask = book.best
            ensure(not bid or not ask or bid < ask, 3, f"book {number} is crossed: {bid}, {ask}")

    def _nobody_below(self, changed: list[int], excess: dict[int, int], wealth: dict[int, int]) -> None:
        """4: nobody gets below the maintenance margin, or, being there, deeper than a fee."""
        for account in changed:
            was, now = excess.get(account, 0), self.excess[account]
            ensure(was < 0 or now >= 0, 4, f"account {account} got from {was} to {now} of its margin")
            if was < 0:
                lost = wealth[account] - self.wealth[account]
                ensure(now >= was - max(lost, 0), 4, f"account {account} got from {was} deeper to {now}")
