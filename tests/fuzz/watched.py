"""An exchange that is looked at before and after every transaction, and what must hold between the two looks.

The invariants are those of SPECIFICATION.md. Dust: deleveraging by index takes sizes down to whole wei, so a
side may lack up to a wei an account and deleveraging of its open interest; the exchange bears their value.
Every other rounding is a wei of money a touch, in favour of the exchange.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from support import Actor, Exchange, Sent

from perpsim.chain import Revert
from perpsim.protocol import WAD

#: what users may be told, by the beginning of the reason; everything else fails the test
ALLOWED = (
    "order: ",
    "cancel: ",
    "withdraw: nothing",
    "liquidate: no position",
    "liquidate: stale index",
    "liquidate: healthy",
    "deleverage: not bankrupt",
)
#: no transaction may ever use more
GAS_LIMIT = 20_000_000
#: roundings of a touched account, wei
PER_TOUCH = 10


class Look(NamedTuple):
    """One account: settled collateral (WAD), equity, maintenance margin, sizes and entries by market."""

    money: int
    equity: int
    maintenance: int
    sizes: tuple[int, ...]
    entries: tuple[int, ...]

    @property
    def excess(self) -> int:
        """What is above the maintenance margin."""
        return self.equity - self.maintenance


@dataclass
class Watched:
    """The exchange, and what its log has said so far."""

    exchange: Exchange
    #: wei of size that each market's sides may lack by now
    size_dust: list[int]
    #: highest price seen in each market, mark or bankruptcy price, WAD
    highest: list[int]
    touches: int = 0
    fund: int = 0
    unpaid: list[int] = field(default_factory=list)
    debts: list[list[int]] = field(default_factory=list)
    calls: int = 0
    seen: dict[str, int] = field(default_factory=dict)

    @classmethod
    def over(cls, exchange: Exchange) -> Watched:
        """Watch from now on."""
        markets = len(exchange.params.markets)
        return cls(
            exchange,
            size_dust=[0] * markets,
            highest=[0] * markets,
            fund=exchange.fund,
            unpaid=[0] * markets,
            debts=[[0] * 5 for _ in range(markets)],
        )

    @property
    def markets(self) -> range:
        """All markets."""
        return range(len(self.size_dust))

    def look(self) -> dict[int, Look]:
        """All accounts, settled to now, as the views give them."""
        exchange = self.exchange
        found = {}
        rows = exchange.lens.view("accounts", 1, 100)
        for row in rows:
            account = row.account
            money, sizes, entries = row.collateral, [], []
            for market in self.markets:
                size, entry, pending = exchange.clearinghouse.view("position", account, market)
                sizes.append(size)
                entries.append(entry)
                money += pending
            found[account] = Look(money, row.equity, row.maintenance_margin, tuple(sizes), tuple(entries))
        return found

    def marks(self) -> list[int]:
        """Mark prices."""
        marks = [self.exchange.mark(market) for market in self.markets]
        self.highest = [max(pair) for pair in zip(self.highest, marks)]
        return marks

    # transactions

    def send(self, actor: Actor, contract: Any, function: str, *args: Any) -> Sent | None:
        """Run a transaction and follow its log; None if it was refused with good reason."""
        self.calls += 1
        try:
            sent = actor.send(contract, function, *args)
        except Revert as error:
            assert error.reason.startswith(ALLOWED), f"{function}{args}: {error.reason}"
            self.seen[error.reason] = self.seen.get(error.reason, 0) + 1
            return None
        assert sent.gas < GAS_LIMIT, f"{function}{args} took {sent.gas}"
        self.seen[function] = self.seen.get(function, 0) + 1
        self._read(sent)
        return sent

    def _read(self, sent: Sent) -> None:
        for contract, name, event in sent.events:
            if name in ("Fill", "Deleveraged", "DeleverageReceipt", "BadDebtBooked", "EpochStarted"):
                self.seen[name] = self.seen.get(name, 0) + 1
            if name == "Fill":
                self.touches += 2
                if event.liquidation:
                    self.seen["liquidation fill"] = self.seen.get("liquidation fill", 0) + 1
                    if event.taker_fee < 0:
                        self.seen["covered fill"] = self.seen.get("covered fill", 0) + 1
            elif name in ("Deleveraged", "EpochStarted"):
                accounts = self.exchange.accounts[-1]
                self.touches += accounts
                self.size_dust[event.market] += accounts
            elif name == "DeleverageReceipt":
                # a wei of size that rounding keeps out of a deleveraging is worth its price
                price = abs(event.bankruptcy_price)
                self.highest[event.market] = max(self.highest[event.market], price)
            elif name == "IndexMoved":
                self.touches += self.exchange.accounts[-1]
            elif name == "Inflow":
                self.fund += event.amount
                assert event.assets == self.fund
            elif contract == "InsuranceVault" and name in ("Cover", "RewardPaid"):
                self.fund -= event.paid if name == "Cover" else event.amount
                assert event.assets == self.fund
            elif name == "BadDebtBooked":
                legs = (event.covered, event.socialised, event.treasury, event.unpaid)
                assert sum(legs) == event.deficit > 0
                for i, amount in enumerate((event.deficit, *legs)):
                    self.debts[event.market][i] += amount
                self.unpaid[event.market] += event.unpaid
                if event.socialised:
                    self.seen["socialised"] = self.seen.get("socialised", 0) + 1
                if event.unpaid:
                    self.seen["unpaid"] = self.seen.get("unpaid", 0) + 1
            elif name == "DeficitRepaid":
                self.unpaid[event.market] -= event.amount
                self.debts[event.market][1] += event.amount
                self.debts[event.market][4] -= event.amount

    # invariants

    def value_dust(self) -> int:
        """What the sizes that rounding took away may be worth, and the roundings of money (WAD)."""
        sizes = sum(dust * (high // WAD + 1) for dust, high in zip(self.size_dust, self.highest))
        return 4 * sizes + PER_TOUCH * self.touches + 100

    def check(self, now: dict[int, Look]) -> None:
        """What holds at any time."""
        exchange = self.exchange
        view = exchange.clearinghouse.view
        # 1: the clearinghouse holds what it owes, the vault what it books
        owed = sum(look.money - sum(look.entries) for look in now.values())
        owed += sum(sum(exchange.fees(market)) for market in self.markets)
        held = exchange.token.view("balanceOf", exchange.clearinghouse.address) * exchange.unit()
        gap = held + sum(view("unpaid", market) for market in self.markets) - owed
        assert abs(gap) <= self.value_dust(), f"{gap} belong to nobody, dust is {self.value_dust()}"
        assert exchange.token.view("balanceOf", exchange.vault.address) >= exchange.fund
        # 6: the vault moves by what its log says
        assert exchange.fund == self.fund
        for market in self.markets:
            # 2: the sides are equal
            state = exchange.market(market)
            longs = sum(max(look.sizes[market], 0) for look in now.values())
            shorts = sum(max(-look.sizes[market], 0) for look in now.values())
            for side in (longs, shorts):
                assert 0 <= state.open_interest - side <= self.size_dust[market], (state, longs, shorts)
            # 3: the book
            exchange.check_book(market)
            # 7: bad debt is what the log has booked, leg by leg
            assert view("unpaid", market) == self.unpaid[market]
            assert list(exchange.liquidator.view("bad_debt", market)) == self.debts[market]

    def check_trade(
        self, before: dict[int, Look], after: dict[int, Look], sent: Sent | None, own: int
    ) -> None:
        """Between the looks around a user's transaction, all at one price and time."""
        involved = {own}
        if sent is not None:
            for fill in sent.named("Fill"):
                involved |= {fill.taker, fill.maker}
        for account, then in before.items():
            now = after[account]
            if account not in involved:
                assert now == then, f"account {account} changed by a stranger's transaction"
            # 4: nobody gets below the maintenance margin, or deeper below it than the fees
            if then.excess >= 0:
                assert now.excess >= 0, f"account {account} was brought below its maintenance margin"
        if sent is None:
            assert after == before
            return
        # 8: the last the log says of an account is what the views find
        last: dict[tuple[int, int], tuple[int, int]] = {}
        for fill in sent.named("Fill"):
            last[fill.taker, fill.market] = (fill.taker_size, fill.taker_entry)
            last[fill.maker, fill.market] = (fill.maker_size, fill.maker_entry)
        if not sent.named("EpochStarted"):
            for (account, market), (size, entry) in last.items():
                look = after[account]
                assert (look.sizes[market], look.entries[market]) == (size, entry)

    def check_no_gain(self, before: dict[int, Look], after: dict[int, Look], sent: Sent, dust: int) -> None:
        """5: at a fixed price all accounts together have lost the fees, and a few wei, by a trade."""
        wealth = sum(after[a].equity - then.equity for a, then in before.items())
        fees = sum(fill.taker_fee + fill.maker_fee for fill in sent.named("Fill"))
        assert fees >= 0
        assert -dust <= -wealth - fees <= dust, (wealth, fees)
