"""What a deleveraging must come to: the price, each row of a list, each account afterwards. WAD integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from perpsim.deleveraging.packing import Listed
from perpsim.deleveraging.policies import Case, Left, Policy, Row, seed_of
from perpsim.simulation.counterparties import Standing, haircut
from perpsim.simulation.market_state import SPREAD_SCALE, WAD, MarketState, truncated


class Place(NamedTuple):
    """An account in a sorted list, with its size."""

    account: int
    size: int
    row: Row


class Task(NamedTuple):
    """What there is to share out. `quote`: what the account gets for its position, `worth`: its value."""

    case: Case
    quote: int
    worth: int

    @property
    def price(self) -> int:
        """Bankruptcy price, rounded toward zero."""
        size = self.case.quantity if not self.case.is_long else -self.case.quantity
        return truncated(self.quote * WAD, size)


class Bill(NamedTuple):
    """What a list bears: its rows, what each account pays, what is left of amount, quote and mark value."""

    charges: bool
    rows: list[Listed]
    pays: dict[int, int]
    amount: int
    quote: int
    worth: int

    @property
    def closed(self) -> int:
        """Size that the list closes; 0 where it is charged."""
        return 0 if self.charges else sum(row.taken for row in self.rows)


def task_of(bankrupt: Standing, account: int, market: int, mark: int) -> Task:
    """The task of a bankrupt account's whole position."""
    worth, cost = bankrupt.size * mark // WAD, haircut(bankrupt, mark)
    seed = seed_of(market, account, mark)
    case = Case(market, account, mark, abs(bankrupt.size), cost, bankrupt.size < 0, seed)
    return Task(case, worth + cost, worth)


def bill_of(policy: Policy, task: Task, places: Sequence[Place], weight_behind: int = 0) -> Bill:
    """Let a policy allot to the places in order; `weight_behind` is that of places which are not asked yet.

    Quote and mark value are split in proportion to what is left, rounded down, so that the parts add up.
    """
    amount, quote, worth = policy.needed(task.case), task.quote, task.worth
    weight = sum(place.row.weight for place in places) + weight_behind
    rows, pays = [], {}
    for account, size, row in places:
        taken = policy.allot(Left(amount, weight), row)
        weight -= row.weight
        cost = 0
        if taken and policy.charges:
            cost = pays[account] = taken
        elif taken:
            share, value = quote * taken // amount, worth * taken // amount
            quote, worth, cost = quote - share, worth - value, share - value
            pays[account] = share
        amount -= taken
        rows.append(Listed(account, row.key, size, taken, cost))
    return Bill(policy.charges, rows, pays, amount, quote, worth)


def collateral_after(one: Standing, bought: int, quote: int) -> int:
    """Collateral of an account that bought `bought` (signed, at most what it closes) for `quote` (signed). If
    nothing is bought, the quote goes into the entry value."""
    if not bought:
        return one.collateral
    left = one.size + bought
    kept = truncated(one.entry * left, one.size) if left else 0
    return one.collateral + kept - one.entry - quote


def index_after(
    state: MarketState, side: int, time: int, quantity: int, proceeds: int, open_interest: int
) -> tuple[int, int]:
    """`a` and `k` of a side after `quantity` of it was closed by size for `proceeds` in all."""
    a = state.a[side]
    k = state.k_now(side, time) + a * proceeds // (open_interest * SPREAD_SCALE)
    return a * (open_interest - quantity) // open_interest, k
