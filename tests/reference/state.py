"""All that a transaction can change, and what transactions have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from reference import pricing
from reference.account import Account, Seen
from reference.book import Book
from reference.errors import Refused, require
from reference.market import Market
from reference.stakes import Stakes
from reference.vault import Vault

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound="Core")


def transaction(method: Callable[Concatenate[C, P], R]) -> Callable[Concatenate[C, P], R]:
    """A method that happens whole or not at all."""

    @wraps(method)
    def whole(self: C, *args: P.args, **kwargs: P.kwargs) -> R:
        saved = self.state.copy()
        try:
            return method(self, *args, **kwargs)
        except Refused:
            self.state = saved
            raise

    return whole


@dataclass
class State:
    """Everything that is kept between transactions."""

    vault: Vault
    markets: list[Market] = field(default_factory=list)
    books: list[Book] = field(default_factory=list)
    accounts: dict[int, Account] = field(default_factory=dict)
    #: account of an owner
    numbers: dict[Any, int] = field(default_factory=dict)
    #: token units that the clearinghouse and the vault hold
    tokens: dict[str, int] = field(default_factory=lambda: {"clearinghouse": 0, "vault": 0})
    #: bad debt by market: deficit, covered, socialised, treasury, unpaid
    debts: list[list[int]] = field(default_factory=list)
    #: deleveraging lists opened so far
    lists_count: int = 0
    stakes: Stakes = field(default_factory=Stakes)

    def copy(self) -> State:
        """As it is now."""
        return State(
            self.vault.copy(),
            [market.copy() for market in self.markets],
            [book.copy() for book in self.books],
            {number: account.copy() for number, account in self.accounts.items()},
            dict(self.numbers),
            dict(self.tokens),
            [list(debt) for debt in self.debts],
            self.lists_count,
            self.stakes,
        )


class Core:
    """State, time and money. `now` is the time of the present block (s)."""

    def __init__(self, decimals: int, now: int) -> None:
        self.now = now
        #: WAD in a token unit
        self.unit = 10 ** (18 - decimals)
        self.state = State(Vault(decimals, now))
        #: what has happened, for whoever wants to know: event, market, amount (WAD)
        self.notes: list[tuple[str, int, int]] = []

    def note(self, event: str, market: int = 0, amount: int = 0) -> None:
        """Remember what has happened."""
        self.notes.append((event, market, amount))

    # what there is

    @property
    def vault(self) -> Vault:
        """The insurance vault."""
        return self.state.vault

    def market(self, number: int) -> Market:
        """A market."""
        require(number < len(self.state.markets), "market: unknown")
        return self.state.markets[number]

    def account_of(self, owner: Any) -> int:
        """Account of an owner, 0 if there is none."""
        return self.state.numbers.get(owner, 0)

    def seen(self, account: int, market: int) -> Seen:
        """An account seen from a market."""
        markets = self.state.markets
        return Seen.of(self.state.accounts[account], markets[market], markets, self.now)

    def health(self, account: int) -> tuple[int, int, int]:
        """Equity, initial and maintenance margin (WAD)."""
        seen = self.seen(account, 0)
        return seen.equity, seen.initial, seen.maintenance

    def is_stale(self, account: int) -> bool:
        """Whether any market in which an account has a position has a stale index."""
        for number, position in self.state.accounts[account].positions.items():
            market = self.state.markets[number]
            if market.is_stale(self.now) and market.settled(position, self.now).size:
                return True
        return False

    # accounts and money

    def open_account(self, owner: Any) -> int:
        """The account of an owner, opened if there is none."""
        if owner not in self.state.numbers:
            number = len(self.state.numbers) + 1
            self.state.numbers[owner] = number
            self.state.accounts[number] = Account(number, owner)
        return self.state.numbers[owner]

    def pay_out(self, units: int) -> None:
        """Take tokens out of the clearinghouse, which holds less than it owes as long as debt is unpaid."""
        require(self.state.tokens["clearinghouse"] >= units, "token: transfer failed")
        self.state.tokens["clearinghouse"] -= units

    def send_vault(self, market: Market, units: int) -> int:
        """Hand the vault token units that a market has brought; what the clearinghouse does not hold, because
        debt is unpaid, it owes as fees. Units sent."""
        if self.state.tokens["clearinghouse"] < units:
            self.note("vault put off", market.number, units)
            market.fees_vault += units * self.unit
            return 0
        self.pay_out(units)
        self.state.tokens["vault"] += units
        self.vault.book_inflow(market.number, units, self.now)
        return units

    def hand_over(self, market: Market, amount: int) -> None:
        """Give the vault the whole units of an amount (WAD), the dust below to the treasury."""
        units = amount // self.unit
        self.send_vault(market, units)
        market.fees_treasury += amount - units * self.unit

    def sweep(self, market: Market) -> int:
        """Hand the vault its share of a market's fees, in whole token units."""
        units = market.fees_vault // self.unit
        market.fees_vault -= units * self.unit
        return self.send_vault(market, units)

    def receive(self, market: Market, units: int, amount: int) -> int:
        """Take token units that the vault paid for an amount (WAD), the dust above for the treasury; what was
        paid of the amount (WAD)."""
        self.state.tokens["vault"] -= units
        self.state.tokens["clearinghouse"] += units
        market.fees_treasury += max(units * self.unit - amount, 0)
        return min(units * self.unit, amount)

    # doubts

    def is_doubtful(self, number: int) -> bool:
        """Whether a market of the shared pool has unpaid debt or is frozen."""
        market = self.state.markets[number]
        return number not in self.vault.pools and (market.unpaid > 0 or market.open_list is not None)

    def doubt_market(self, number: int) -> bool:
        """Look at a market before the next one joins or leaves."""
        if number < len(self.state.markets) and self.is_doubtful(number):
            self.vault.doubt = True
            return True
        return False

    # prices

    def renew(self, number: int, index: int = 0, index_time: int = 0) -> None:
        """Renew a market's mark and funding rate; a frozen market stays as it is."""
        if self.state.markets[number].open_list:
            return
        bid, ask = self.state.books[number].at_block_start(self.now)
        pricing.renew(self.state.markets[number], self.now, bid, ask, index, index_time)
