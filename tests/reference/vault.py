"""The insurance vault's books: pools, coverage, ledger (SPECIFICATION 9). All amounts are token units."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from reference.arith import WAD, ceil_div
from reference.errors import require

HOUR = 3600
#: hours before the present one that the breaker looks back over
LOOK_BACK = 8
#: the shared pool, and in the ledger what belongs to no market
SHARED = 8
#: buckets that a cap's window is cut into
BUCKETS = 7
#: the books of a pool fit 60 bits of 10**-6 tokens
MAX_STEPS = 2**60 - 1


@dataclass(frozen=True)
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
        return replace(self, spent={**self.spent, newest: self.spent.get(newest, 0) + steps})

    def changed(self, limit: int, window: int, now: int) -> Cap:
        """Another limit or window; another window dates what is counted to the present."""
        if window == self.window:
            return Cap(limit, window, self.spent)
        changed = Cap(limit, window)
        return replace(changed, spent={changed.bucket(now): self.used(now)})


class Breaker(NamedTuple):
    """Falls from the peak at which payments stop, and under which they resume (WAD); stops never at 1."""

    trip: int = 30 * 10**16
    resume: int = 25 * 10**16


@dataclass(frozen=True)
class Pool:
    """Books of a pool, and what its breaker looks at."""

    #: token units in a step of 10**-6 tokens
    step: int
    books: int = 0
    is_open: bool = False
    #: highest level (steps) of each hour that something flowed in; it stays until the next flow
    levels: dict[int, int] = field(default_factory=dict)

    @property
    def level(self) -> int:
        """The books in steps, ceiling."""
        return ceil_div(self.books, self.step)

    def peak(self, now: int) -> int:
        """Highest level (steps) of the present hour and the eight before it."""
        oldest = now // HOUR - LOOK_BACK
        return max([self.level, *(level for hour, level in self.levels.items() if hour >= oldest)])

    def line(self, fall: int, now: int) -> int:
        """The books at which the fall from the peak is `fall` (WAD), ceiling."""
        return ceil_div(self.peak(now) * self.step * (WAD - fall), WAD)

    def stops(self, breaker: Breaker, now: int) -> bool:
        """Whether the breaker is open: it was opened, and the fall from the peak is not below `resume`."""
        if breaker.trip >= WAD or self.peak(now) == 0:
            return False
        return self.is_open and self.books <= self.line(breaker.resume, now)

    def trips(self, breaker: Breaker, now: int) -> bool:
        """Whether the line is reached at which it opens."""
        if breaker.trip >= WAD or self.peak(now) == 0:
            return False
        return self.books <= self.line(breaker.trip, now)

    def moved(self, amount: int, breaker: Breaker, now: int) -> Pool:
        """After a flow: the breaker opens or closes; what comes in never opens it."""
        # it may have closed by now, as peaks age
        was_open = self.stops(breaker, now)
        after = replace(self._of_now(now, self.books + amount), is_open=was_open)
        opens = after.stops(breaker, now) if was_open else amount <= 0 and after.trips(breaker, now)
        return replace(after, is_open=opens)

    def shrunk(self, amount: int, now: int) -> Pool:
        """After a staker has left, which is no loss: every level shrinks as the books do, ceiling, and the
        breaker is not looked at."""
        present = self._of_now(now, self.books)
        books = self.books - amount
        levels = {hour: ceil_div(level * books, self.books) for hour, level in present.levels.items()}
        return replace(present, books=books, levels=levels)

    def _of_now(self, now: int, books: int) -> Pool:
        hour = now // HOUR
        after = replace(self, books=books)
        highest = max(self.levels.get(hour, 0), self.level, after.level)
        levels = {h: level for h, level in self.levels.items() if h >= hour - LOOK_BACK}
        return replace(after, levels={**levels, hour: highest})


class Ledger(NamedTuple):
    """What a market has brought and cost since the beginning."""

    inflow: int = 0
    outflow: int = 0
    deficit: int = 0


class Vault:
    """The fund. Markets share a pool unless they are isolated."""

    def __init__(self, decimals: int, now: int) -> None:
        self.step = 10 ** (decimals - 6)
        self.pools = {SHARED: Pool(self.step, levels={now // HOUR: 0})}
        self.breaker = Breaker()
        self.caps: dict[int, Cap] = {}
        #: markets whose cap counts
        self.capped: frozenset[int] = frozenset()
        self.ledgers = (Ledger(),) * (SHARED + 1)
        #: whether less was paid than asked, or somebody has said so: losses may be unbooked
        self.doubt = False

    def copy(self) -> Vault:
        """As it is now; what is in it is not changed in place."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin.pools = dict(self.pools)
        twin.caps = dict(self.caps)
        return twin

    # what there is

    @property
    def shared(self) -> Pool:
        """The shared pool."""
        return self.pools[SHARED]

    @property
    def books(self) -> int:
        """All books."""
        return sum(pool.books for pool in self.pools.values())

    def pool_of(self, market: int) -> int:
        """The pool that a market is paid from."""
        return market if market in self.pools else SHARED

    def coverage(self, market: int, now: int) -> int:
        """The most that a payment for a market would be."""
        pool = self.pools[self.pool_of(market)]
        if pool.stops(self.breaker, now):
            return 0
        most = pool.books
        if self.breaker.trip < WAD:
            most = min(most, max(pool.books - pool.line(self.breaker.trip, now), 0))
        if market in self.capped:
            most = min(most, self.caps[market].left(now) * self.step)
        return most

    # flows

    def book_inflow(self, market: int, amount: int, now: int) -> int:
        """Add what arrived for a market (8: none); what is over a trillion tokens is not booked."""
        number = self.pool_of(market)
        pool = self.pools[number]
        booked = min(amount, MAX_STEPS * self.step - pool.books)
        if booked:
            self.pools[number] = pool.moved(booked, self.breaker, now)
            self.record(market, inflow=booked)
        return booked

    def cover(self, market: int, amount: int, now: int) -> int:
        """Book a deficit and pay it as far as coverage goes."""
        self.record(market, deficit=amount)
        paid = self.pay(market, amount, now)
        if paid < amount and market not in self.pools:
            self.doubt = True
        return paid

    def pay(self, market: int, amount: int, now: int) -> int:
        """Pay a reward, or a deficit that was booked before, as far as coverage goes."""
        if amount == 0:
            return 0
        paid = min(amount, self.coverage(market, now))
        if market in self.capped:
            self.caps[market] = self.caps[market].spend(ceil_div(paid, self.step), now)
        # whoever asks has the breaker look at how things are, paid or not
        number = self.pool_of(market)
        self.pools[number] = self.pools[number].moved(-paid, self.breaker, now)
        self.record(market, outflow=paid)
        return paid

    def record(self, market: int, inflow: int = 0, outflow: int = 0, deficit: int = 0) -> None:
        """Enter flows into the ledger."""
        old = self.ledgers[market]
        new = Ledger(old.inflow + inflow, old.outflow + outflow, old.deficit + deficit)
        self.ledgers = (*self.ledgers[:market], new, *self.ledgers[market + 1 :])

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
        self.breaker = Breaker(trip, resume)
        for number, pool in self.pools.items():
            self.pools[number] = pool.moved(0, self.breaker, now)
