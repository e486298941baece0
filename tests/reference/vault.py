"""The insurance vault's books (SPECIFICATION 9). All amounts are token units."""

from __future__ import annotations

from dataclasses import dataclass, field

from reference.arith import WAD, ceil_div
from reference.errors import require

HOUR = 3600
#: hours before the present one that the breaker looks back over
LOOK_BACK = 8
NO_MARKET = 8
DEFAULT_WINDOW = 86_400
#: buckets that a cap's window is cut into
BUCKETS = 7
#: the books fit 60 bits of 10**-6 tokens
MAX_STEPS = 2**60 - 1


@dataclass
class Cap:
    """What may leave for a market in any interval of the window's length, counted in buckets."""

    limit: int
    window: int
    #: steps that left, by number of bucket
    spent: dict[int, int] = field(default_factory=dict)

    def bucket(self, now: int) -> int:
        """Number of the bucket of a moment."""
        return now // ceil_div(self.window, BUCKETS)

    def used(self, now: int) -> int:
        """Steps that left within the newest bucket and the seven before it."""
        newest = self.bucket(now)
        return sum(steps for number, steps in self.spent.items() if newest - BUCKETS <= number)

    def left(self, now: int) -> int:
        """Steps that may still leave."""
        return max(self.limit - self.used(now), 0)

    def spend(self, steps: int, now: int) -> Cap:
        """The cap after so many steps have left."""
        newest = self.bucket(now)
        return Cap(self.limit, self.window, {**self.spent, newest: self.spent.get(newest, 0) + steps})

    def changed(self, limit: int, window: int, now: int) -> Cap:
        """Another limit or window; another window dates what is counted to the present."""
        if window == self.window:
            return Cap(limit, window, self.spent)
        changed = Cap(limit, window)
        changed.spent = {changed.bucket(now): self.used(now)}
        return changed


@dataclass
class Ledger:
    """What a market has brought and cost since the beginning."""

    inflow: int = 0
    outflow: int = 0
    deficit: int = 0


class Vault:
    """The fund: what arrived, less what it paid."""

    def __init__(self, decimals: int, now: int) -> None:
        #: token units in a step of 10**-6 tokens
        self.step = 10 ** (decimals - 6)
        self.books = 0
        self.trip = 30 * 10**16
        self.resume = 25 * 10**16
        self.is_open = False
        #: highest level (steps) of each hour that something flowed in
        self.levels = {now // HOUR: 0}
        self.caps: dict[int, Cap] = {}
        #: markets whose cap counts
        self.capped: frozenset[int] = frozenset()
        self.ledgers = [Ledger() for _ in range(NO_MARKET + 1)]

    def copy(self) -> Vault:
        """As it is now."""
        twin = object.__new__(Vault)
        twin.__dict__.update(self.__dict__)
        twin.levels = dict(self.levels)
        twin.caps = dict(self.caps)
        twin.ledgers = [Ledger(x.inflow, x.outflow, x.deficit) for x in self.ledgers]
        return twin

    # breaker

    @property
    def level(self) -> int:
        """The books in steps, ceiling."""
        return ceil_div(self.books, self.step)

    def peak(self, now: int) -> int:
        """Highest level (steps) of the present hour and the eight before it. A level stays until the next
        flow, so that every hour without one has the level that the last flow left."""
        oldest = now // HOUR - LOOK_BACK
        return max([self.level, *(level for hour, level in self.levels.items() if hour >= oldest)])

    def line(self, fall: int, now: int) -> int:
        """The books at which the fall from the peak is `fall` (WAD), ceiling."""
        return ceil_div(self.peak(now) * self.step * (WAD - fall), WAD)

    def open_now(self, now: int) -> bool:
        """Whether the breaker stops payments."""
        if self.trip >= WAD or self.peak(now) == 0:
            return False
        if self.is_open:
            return self.books <= self.line(self.resume, now)
        return self.books <= self.line(self.trip, now)

    def coverage(self, market: int, now: int) -> int:
        """The most that a payment for a market would be."""
        if self.open_now(now):
            return 0
        most = self.books
        if self.trip < WAD:
            most = min(most, self.books - self.line(self.trip, now))
        if market in self.capped:
            most = min(most, self.caps[market].left(now) * self.step)
        return most

    # flows

    def book_inflow(self, market: int, amount: int, now: int) -> int:
        """Add what arrived; what is over a trillion tokens is not booked."""
        booked = min(amount, MAX_STEPS * self.step - self.books)
        if booked:
            self._look(booked, now)
        self.ledgers[market].inflow += booked
        return booked

    def fund(self, amount: int, now: int) -> int:
        """A gift to no market."""
        require(self.books + amount <= MAX_STEPS * self.step, "vault: over limit")
        return self.book_inflow(NO_MARKET, amount, now)

    def cover(self, market: int, amount: int, now: int) -> int:
        """Book a deficit and pay it as far as coverage goes."""
        self.ledgers[market].deficit += amount
        return self.pay(market, amount, now)

    def pay(self, market: int, amount: int, now: int) -> int:
        """Pay a reward, or a deficit that was booked before, as far as coverage goes."""
        if amount == 0:
            return 0
        paid = min(amount, self.coverage(market, now))
        if market in self.capped:
            self.caps[market] = self.caps[market].spend(ceil_div(paid, self.step), now)
        # whoever asks has the breaker look at how things are, paid or not
        self._look(-paid, now)
        self.ledgers[market].outflow += paid
        return paid

    def _look(self, amount: int, now: int) -> None:
        """Move the books, and open or close the breaker."""
        hour = now // HOUR
        carried = self.level
        self.books += amount
        self.levels[hour] = max(self.levels.get(hour, 0), carried, self.level)
        self.levels = {h: x for h, x in self.levels.items() if h >= hour - LOOK_BACK}
        self.is_open = self.open_now(now)

    # settings

    def set_cap(self, market: int, cap: int, window: int, now: int) -> None:
        """Limit what may leave for a market; 0 lifts the limit."""
        require(0 < window <= 365 * 86_400, "vault: bad window")
        limit = cap // self.step
        require(limit <= MAX_STEPS, "vault: bad cap")
        # what a capped market has had within its window counts against any later cap
        known = self.caps.get(market)
        self.caps[market] = known.changed(limit, window, now) if known else Cap(limit, window)
        self.capped = self.capped | {market} if cap else self.capped - {market}

    def set_breaker(self, trip: int, resume: int, now: int) -> None:
        """Set the breaker and apply it at once."""
        require(0 < resume <= trip <= WAD, "vault: bad breaker")
        self.trip, self.resume = trip, resume
        self._look(0, now)
