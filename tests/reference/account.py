"""Cross-margin accounts (SPECIFICATION 4), and an account as one of its markets sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from reference.arith import ceil_div, notional_of, toward_zero, value_of
from reference.market import Market, Position


@dataclass
class Account:
    """Stored collateral (WAD, signed) and stored positions by market."""

    number: int
    owner: object
    collateral: int = 0
    positions: dict[int, Position] = field(default_factory=dict)

    def copy(self) -> Account:
        """As it is now."""
        return Account(self.number, self.owner, self.collateral, dict(self.positions))


@dataclass
class Seen:
    """An account seen from a market: what it holds there, settled to now, and what it has
    elsewhere.

    `trade` and `pay` change the view only; `store` writes it.
    """

    account: Account
    market: Market
    now: int
    collateral: int
    size: int
    entry: int
    rest_equity: int
    rest_initial: int
    rest_maintenance: int
    #: whether it has positions elsewhere, and one where the index is stale
    rest_stale: bool

    @classmethod
    def of(cls, account: Account, market: Market, markets: Sequence[Market], now: int) -> Seen:
        """The account as it is now."""
        size = entry = gain = 0
        rest = [0, 0, 0]
        stale = False
        for number, position in account.positions.items():
            there = markets[number]
            settled = there.settled(position, now)
            stale = stale or (settled.size != 0 and there.is_stale(now))
            if there is market:
                size, entry, gain = settled
                continue
            rest[0] += settled.gain + value_of(settled.size, there.mark) - settled.entry
            initial, maintenance = there.schedule.requirement(notional_of(settled.size, there.mark))
            rest[1] += initial
            rest[2] += maintenance
        stale = stale and rest[2] != 0
        return cls(account, market, now, account.collateral + gain, size, entry, *rest, stale)

    @property
    def equity(self) -> int:
        """Equity at the mark, floor."""
        return self.collateral + value_of(self.size, self.market.mark) - self.entry + self.rest_equity

    @property
    def margins(self) -> tuple[int, int]:
        """Initial and maintenance margin of the position here."""
        return self.market.schedule.requirement(notional_of(self.size, self.market.mark))

    @property
    def initial(self) -> int:
        """Initial margin in all."""
        return self.margins[0] + self.rest_initial

    @property
    def maintenance(self) -> int:
        """Maintenance margin in all."""
        return self.margins[1] + self.rest_maintenance

    @property
    def share(self) -> int:
        """The part of the equity that the position here may lose: equity * MM here / MM, ceiling."""
        if self.rest_maintenance == 0:
            return self.equity
        here = self.margins[1]
        return ceil_div(self.equity * here, here + self.rest_maintenance)

    def copy(self) -> Seen:
        """To try something on."""
        return Seen(
            self.account,
            self.market,
            self.now,
            self.collateral,
            self.size,
            self.entry,
            self.rest_equity,
            self.rest_initial,
            self.rest_maintenance,
            self.rest_stale,
        )

    def trade(self, size: int, quote: int) -> None:
        """Buy `size` (signed) for `quote` (signed): collateral - entry value falls by the quote."""
        before, after = self.size, self.size + size
        if before * size >= 0:
            self.entry += quote
        elif before * after >= 0:
            # closing: the entry value of what stays is rounded down, the rest is realised
            kept = part_of(self.entry, after, before)
            self.collateral += kept - self.entry - quote
            self.entry = kept
        else:
            # to the other side: all is realised, the new position has its part of the quote
            kept = part_of(quote, after, size)
            self.collateral += kept - self.entry - quote
            self.entry = kept
        self.size = after

    def pay(self, amount: int) -> None:
        """Take from the collateral (WAD, signed)."""
        self.collateral -= amount

    def settle(self) -> None:
        """Write the position as it is now; what rounding left without a size is realised."""
        if self.size == 0:
            self.collateral -= self.entry
            self.entry = 0
        self.store()

    def store(self) -> None:
        """Write the account and its position, which has now seen the market's side index."""
        self.account.collateral = self.collateral
        if self.size:
            self.account.positions[self.market.number] = self.market.position(self.size, self.entry, self.now)
        else:
            self.account.positions.pop(self.market.number, None)


def part_of(value: int, part: int, whole: int) -> int:
    """The part of a value, toward zero; `part` and `whole` have the same sign."""
    return toward_zero(value * abs(part), abs(whole))
