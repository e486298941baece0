"""The exchange: its transactions, one method each.

A method either does all that it is for or raises `Refused` and leaves the state as it was. Senders are any
hashable names; accounts are numbers.
"""

from __future__ import annotations

from typing import Any

from reference.administration import Administration
from reference.errors import require
from reference.lists import Lists
from reference.staking import Staking
from reference.state import transaction


class Exchange(Lists, Staking, Administration):
    """The whole exchange over one collateral token."""

    # users

    @transaction
    def deposit(self, sender: Any, amount: int, beneficiary: Any = None) -> int:
        """Pay token units into an account; the account."""
        require(amount > 0, "deposit: nothing received")
        account = self.open_account(beneficiary or sender)
        self.state.accounts[account].collateral += amount * self.unit
        self.state.tokens["clearinghouse"] += amount
        return account

    @transaction
    def withdraw(self, sender: Any, amount: int) -> None:
        """Take token units out; positions are settled if the stored collateral is not enough."""
        account = self.account_of(sender)
        reason = "withdraw: nothing, or above what is withdrawable"
        require(account > 0 and 0 < amount <= self.withdrawable(account), reason)
        holder = self.state.accounts[account]
        if holder.collateral < amount * self.unit:
            for number in list(holder.positions):
                self.seen(account, number).settle()
        holder.collateral -= amount * self.unit
        self.pay_out(amount)

    def withdrawable(self, account: int) -> int:
        """What `withdraw` would pay, token units: min(collateral, equity - initial margin), all settled."""
        markets, collateral = self.state.markets, self.state.accounts[account].collateral
        has_position = False
        for number, position in self.state.accounts[account].positions.items():
            size, entry, gain = markets[number].settled(position, self.now)
            collateral += gain if size else gain - entry
            if size:
                has_position = True
                if markets[number].is_stale(self.now):
                    return 0
        if has_position:
            equity, initial, _ = self.health(account)
            collateral = min(collateral, equity - initial)
        return max(collateral, 0) // self.unit

    @transaction
    def sweep_fees(self, number: int) -> int:
        """Hand the vault its share of fees; token units."""
        return self.sweep(self.market(number))

    @transaction
    def collect_treasury(self, number: int) -> int:
        """Send out the treasury's fees; token units."""
        market = self.market(number)
        units = market.fees_treasury // self.unit
        market.fees_treasury -= units * self.unit
        self.pay_out(units)
        return units

    # prices

    @transaction
    def post(self, number: int, price: int, timestamp: int) -> None:
        """A reporter's index price."""
        self.take_price(number, price, timestamp)

    def take_price(self, number: int, price: int, timestamp: int) -> None:
        """Check a price and take it."""
        market = self.market(number)
        require(price > 0, "oracle: zero price")
        require(price < 2**88, "oracle: price too large")
        require(timestamp <= self.now, "oracle: future price")
        require(self.now - timestamp <= market.max_post_age, "oracle: stale price")
        require(timestamp > market.posted_time, "oracle: price not newer")
        market.posted_time = timestamp
        self.renew(number, price, timestamp)

    @transaction
    def post_many(self, numbers: list[int], prices: list[int], timestamp: int) -> None:
        """A reporter's index prices of several markets, all or none."""
        for number, price in zip(numbers, prices):
            self.take_price(number, price, timestamp)

    @transaction
    def poke(self, number: int) -> None:
        """Renew mark and funding rate, once a block."""
        market = self.market(number)
        require(market.index > 0, "market: unknown or without a price")
        if market.renewed_at != self.now:
            self.renew(number)
