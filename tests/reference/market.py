"""A market: prices, funding, the two side indices and open interest (SPECIFICATION 3 and 6)."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from reference.arith import BP, WAD, ceil_div, toward_zero
from reference.terms import DeleverageTerms, Funding, LiquidationTerms, Schedule, Terms

LONG, SHORT = 0, 1
A_ONE = 10**36
#: below this multiplier a side takes no new positions
A_FLOOR = 10**27
#: open interest up to here is rounding dust
DUST = 10**9
#: a (1e36) * quote (1e18) per size (1e18) in the units of k (1e-30)
SPREAD = 10**6
BY_INDEX = DeleverageTerms()
#: a (1e36) * funding per unit (1e18) in the units of k (1e-30)
FLOW = 10**24


class Side(NamedTuple):
    """Size multiplier (1e36 = 1), cumulative quote per unit of size at a = 1 (1e-30), epoch."""

    a: int = A_ONE
    k: int = 0
    epoch: int = 0

    def after_flow(self, flow: int) -> Side:
        """Each unit of size received `flow` (WAD, signed)."""
        return Side(self.a, self.k + self.a * flow // FLOW, self.epoch)

    def after_spread(self, amount: int, open_interest: int) -> Side:
        """`amount` (WAD, signed) was shared out by size."""
        return self._replace(k=self.k + self.a * amount // (open_interest * SPREAD))

    def after_reduction(self, quantity: int, open_interest: int) -> Side:
        """`quantity` of the open interest was closed by size."""
        return self._replace(a=self.a * (open_interest - quantity) // open_interest)


class Position(NamedTuple):
    """Signed size and entry value (WAD), and the index of its side that it last saw."""

    size: int
    entry: int
    seen: Side

    @property
    def side(self) -> int:
        """Side that it is on."""
        return side_of(self.size)


class Settled(NamedTuple):
    """A position brought to the present, and what that adds to the collateral (WAD)."""

    size: int
    entry: int
    gain: int


def side_of(size: int) -> int:
    """Side of a signed size."""
    return LONG if size > 0 else SHORT


class ListedRow(NamedTuple):
    """A row of a list that is built up, as it was when it was handed in; size and weight WAD."""

    account: int
    key: int
    weight: int
    size: int

    @property
    def place(self) -> tuple[int, int]:
        """Rows sort by key, high first, then by account number, low first."""
        return -self.key, self.account


class OpenList(NamedTuple):
    """A list that is built up for a bankrupt account; from the deadline (s) on anyone may end it."""

    number: int
    account: int
    deadline: int
    #: in their order; those already served are gone
    rows: tuple[ListedRow, ...] = ()
    #: accounts that were handed in, and their sizes then (WAD)
    known: frozenset[int] = frozenset()
    size: int = 0


@dataclass
class Market:
    """One market. Prices and money WAD, times in seconds."""

    number: int
    terms: Terms
    funding: Funding
    schedule: Schedule
    cap: int
    liquidation: LiquidationTerms
    #: how old a price may be when posted
    max_post_age: int
    close_only: bool = False
    # prices: what the last renewal left
    #: time of the last price posted, taken or not
    posted_time: int = 0
    index: int = 0
    index_time: int = 0
    mark: int = 0
    basis: int = 0
    premium: int = 0
    #: funding a unit of size pays from long to short each second
    rate: int = 0
    renewed_at: int = 0
    #: what it has paid up to `renewed_at` since the side indices were written
    flow: int = 0
    sides: tuple[Side, Side] = (Side(), Side())
    open_interest: int = 0
    #: the answer that `sides_now` gave last: for which sides and flow, and what
    known: tuple[Any, int, Any] = field(default=(None, 0, None), compare=False, repr=False)
    final_k: dict[tuple[int, int], int] = field(default_factory=dict)
    deleverage: DeleverageTerms = BY_INDEX
    #: until when (s) it goes by index, because a list has timed out
    by_index_until: int = 0
    #: a list that is being built up; the market is frozen meanwhile
    open_list: OpenList | None = None
    fees_vault: int = 0
    fees_treasury: int = 0
    unpaid: int = 0

    def copy(self) -> Market:
        """As it is now; nothing in it is changed in place."""
        return copy(self)

    def is_stale(self, now: int) -> bool:
        """Whether the index is older than it may be; a frozen market counts as stale."""
        return self.open_list is not None or now > self.index_time + self.terms.max_age

    # side indices

    def flow_now(self, now: int) -> int:
        """Funding that a unit of size has paid from long to short since the side indices were written."""
        return self.flow + self.rate * (now - self.renewed_at)

    def sides_now(self, now: int) -> tuple[Side, Side]:
        """Both side indices with funding up to now."""
        flow = self.flow_now(now)
        if self.known[0] is not self.sides or self.known[1] != flow:
            longs, shorts = self.sides
            self.known = (self.sides, flow, (longs.after_flow(-flow), shorts.after_flow(flow)))
        return self.known[2]

    def write_sides(self, sides: tuple[Side, Side], now: int) -> None:
        """Write side indices that have funding up to now: the flow begins again."""
        self.sides = sides
        self.flow = -self.rate * (now - self.renewed_at)

    def change_side(self, side: int, changed: Side, now: int) -> None:
        """Write both indices with one of them changed."""
        sides = self.sides_now(now)
        self.write_sides((changed, sides[SHORT]) if side == LONG else (sides[LONG], changed), now)

    def settled(self, position: Position, now: int) -> Settled:
        """A position as it is now."""
        size, entry, seen = position
        side = self.sides_now(now)[position.side]
        if side.epoch != seen.epoch:
            # its epoch is over: nothing is left of its size
            side = Side(0, self.final_k[position.side, seen.epoch], seen.epoch)
        gain = abs(size) * (side.k - seen.k) * SPREAD // seen.a
        if side.a == seen.a:
            return Settled(size, entry, gain)
        kept_size = toward_zero(size * side.a, seen.a)
        kept_entry = toward_zero(entry * side.a, seen.a)
        return Settled(kept_size, kept_entry, gain - (entry - kept_entry))

    def position(self, size: int, entry: int, now: int) -> Position:
        """A position that has seen the present index."""
        return Position(size, entry, self.sides_now(now)[side_of(size)])

    def spread(self, side: int, amount: int, now: int) -> None:
        """Share out an amount (WAD, signed) over a side by size."""
        present = self.sides_now(now)[side]
        self.change_side(side, present.after_spread(amount, self.open_interest), now)

    def close_pro_rata(self, side: int, quantity: int, proceeds: int, now: int) -> None:
        """Close a part of a side by size, which receives `proceeds` (WAD, signed) for it."""
        present = self.sides_now(now)[side].after_spread(proceeds, self.open_interest)
        self.change_side(side, present.after_reduction(quantity, self.open_interest), now)

    def renew_if_empty(self, now: int) -> None:
        """Once only dust is open, close it at the mark and start both sides afresh."""
        sides = self.sides_now(now)
        if self.open_interest > DUST or (sides[LONG].a == A_ONE and sides[SHORT].a == A_ONE):
            return
        fresh = []
        for number, side in enumerate(sides):
            # each unit that is left receives the mark, or pays it
            side = side.after_flow(self.mark if number == LONG else -self.mark)
            self.final_k = {**self.final_k, (number, side.epoch): side.k}
            fresh.append(Side(epoch=side.epoch + 1))
        self.open_interest = 0
        self.write_sides((fresh[LONG], fresh[SHORT]), now)

    # fees

    def take_fees(self, fee: int) -> None:
        """Share a fill's fees between vault and treasury."""
        share = fee * self.terms.vault_share // BP
        self.fees_vault += share
        self.fees_treasury += fee - share

    def fee(self, notional: int, rate: int) -> int:
        """Fee on a notional, ceiling."""
        return ceil_div(notional * rate, WAD)
