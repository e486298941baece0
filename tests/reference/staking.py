"""Staking in the insurance vault: shares, requests, and when nobody joins or leaves (SPECIFICATION 9)."""

from __future__ import annotations

from typing import Any

from reference.arith import ceil_div
from reference.errors import require
from reference.stakes import Request, Stakes
from reference.state import Core, transaction
from reference.vault import MAX_STEPS, SHARED, Pool

#: shares of a token unit in an empty vault
VIRTUAL = 10**6
#: shares that a step must make at least
LEAST_SHARES = 1_000
#: all shares, the virtual ones included, stay within
MOST_SHARES = 2**128 - 1
#: accounts that may be reported at once
MOST_REPORTED = 8


class Staking(Core):
    """The stakers' transactions."""

    # what there is

    @property
    def stakes(self) -> Stakes:
        """Shares and requests."""
        return self.state.stakes

    def _change(self, **changes: Any) -> None:
        self.state.stakes = self.stakes._replace(**changes)

    def price(self) -> tuple[int, int]:
        """So many token units for so many shares, the virtual ones included."""
        books = self.vault.shared.books
        if self.stakes.supply == self.stakes.treasury:
            # nobody has staked: all is the treasury's, at the first price
            return books + 1, (books + 1) * VIRTUAL
        return books + 1, self.stakes.supply + VIRTUAL

    def to_shares(self, assets: int) -> int:
        """Shares that token units are worth, floor."""
        units, shares = self.price()
        return assets * shares // units

    def to_assets(self, number: int) -> int:
        """Token units that shares are worth, floor."""
        units, shares = self.price()
        return number * units // shares

    def _free_shares(self) -> int:
        """Shares that may still be made."""
        return MOST_SHARES - self.price()[1]

    def shares_of(self, holder: Any) -> int:
        """Shares of a holder."""
        return self.stakes.holders.get(holder, 0)

    def request_of(self, holder: Any) -> Request:
        """A holder's request; zeros if there is none or it has lapsed."""
        request = self.stakes.requests.get(holder)
        return request if request and self.now <= request.end else Request(0, 0, 0, 0)

    def redeemable(self, holder: Any) -> int:
        """How many of the requested shares can be redeemed now."""
        request = self.request_of(holder)
        if request.shares == 0 or self.now < request.start or self.is_unsettled():
            return 0
        units, shares = self.price()
        return min(request.shares, ((request.value + 1) * shares - 1) // units)

    def is_unsettled(self) -> bool:
        """Whether a loss may have arisen that is not booked."""
        vault = self.vault
        if vault.shared.stops(vault.breaker, self.now):
            return True
        if not vault.doubt:
            return False
        doubtful = any(self.is_doubtful(market.number) for market in self.state.markets)
        return doubtful or bool(self._still_bankrupt())

    def _still_bankrupt(self) -> tuple[int, ...]:
        return tuple(account for account in self.stakes.reported if self.health(account)[0] < 0)

    # joining and leaving

    @transaction
    def stake(self, sender: Any, assets: int, receiver: Any) -> int:
        """Pay token units in; shares made."""
        shares = self.to_shares(assets)
        self._join(assets, shares, receiver)
        return shares

    @transaction
    def mint_shares(self, sender: Any, shares: int, receiver: Any) -> int:
        """Pay in what so many shares cost; token units."""
        units, per = self.price()
        assets = ceil_div(shares * units, per)
        self._join(assets, shares, receiver)
        return assets

    def _join(self, assets: int, shares: int, receiver: Any) -> None:
        pool = self.vault.shared
        may = self.stakes.on and not self.is_unsettled()
        most = MAX_STEPS * pool.step - pool.books if may else 0
        require(assets <= most and shares <= self._free_shares(), "vault: above the maximum")
        if assets == 0:
            return
        require(shares >= LEAST_SHARES, "vault: too few shares")
        self._settle_doubts()
        if self.stakes.supply == self.stakes.treasury:
            everything = pool.books * VIRTUAL
            self._change(supply=everything, treasury=everything)
        self.state.tokens["vault"] += assets
        self.vault.pools[SHARED] = pool.moved(assets, self.vault.breaker, self.now)
        self.vault.record(SHARED, inflow=assets)
        holders = {**self.stakes.holders, receiver: self.shares_of(receiver) + shares}
        self._change(supply=self.stakes.supply + shares, holders=holders)
        self.note("staked")

    @transaction
    def request_withdraw(self, sender: Any, shares: int) -> int:
        """Ask to leave with some shares; their value now (token units)."""
        require(self.request_of(sender).shares == 0, "vault: requested already")
        require(0 < shares <= self.shares_of(sender), "shares: above what is free")
        value = self.to_assets(shares)
        start = self.now + self.stakes.cooldown
        request = Request(shares, value, start, start + self.stakes.window)
        self._change(requests={**self.stakes.requests, sender: request})
        return value

    @transaction
    def cancel_withdraw(self, sender: Any) -> None:
        """Take a request back."""
        require(self.request_of(sender).shares > 0, "vault: no request")
        self._drop(sender)

    def _drop(self, holder: Any) -> None:
        self._change(requests={h: r for h, r in self.stakes.requests.items() if h != holder})

    @transaction
    def redeem(self, sender: Any, shares: int, receiver: Any) -> int:
        """Claim with so many shares of a request; token units."""
        assets = self.to_assets(shares)
        self._leave(sender, assets, shares)
        return assets

    @transaction
    def claim(self, sender: Any, assets: int, receiver: Any) -> int:
        """Claim so many token units of a request; shares redeemed."""
        units, per = self.price()
        shares = ceil_div(assets * per, units)
        self._leave(sender, assets, shares)
        return shares

    def _leave(self, holder: Any, assets: int, shares: int) -> None:
        most = self.redeemable(holder)
        require(shares <= most, "vault: above the maximum")
        if shares == 0:
            return
        self._settle_doubts()
        request = self.request_of(holder)
        burnt = ceil_div(request.shares * shares, most)
        rest = request.shares - burnt
        if rest:
            kept = request._replace(shares=rest, value=request.value * (most - shares) // most)
            self._change(requests={**self.stakes.requests, holder: kept})
        else:
            self._drop(holder)
        holders = {**self.stakes.holders, holder: self.shares_of(holder) - burnt}
        self._change(supply=self.stakes.supply - burnt, holders=holders)
        if assets:
            self.vault.pools[SHARED] = self.vault.shared.shrunk(assets, self.now)
            self.vault.record(SHARED, outflow=assets)
            self.state.tokens["vault"] -= assets
        self.note("left the vault, forfeiting" if burnt > shares else "left the vault")

    def _settle_doubts(self) -> None:
        """Forget a doubt that was just looked into and found groundless."""
        if self.vault.doubt:
            self.vault.doubt = False
            self._change(reported=())

    @transaction
    def send_shares(self, sender: Any, receiver: Any, shares: int) -> None:
        """Give shares away that are not requested."""
        free = self.shares_of(sender) - self.request_of(sender).shares
        require(shares <= free, "shares: above what is free")
        holders = {**self.stakes.holders}
        holders[sender] = holders.get(sender, 0) - shares
        holders[receiver] = holders.get(receiver, 0) + shares
        self._change(holders=holders)

    # gifts and pools

    def endow(self, amount: int) -> None:
        """Gifts to the shared pool buy shares of the treasury, if there are stakers."""
        if self.stakes.supply > self.stakes.treasury:
            shares = min(self.to_shares(amount), self._free_shares())
            self._change(supply=self.stakes.supply + shares, treasury=self.stakes.treasury + shares)

    @transaction
    def fund(self, amount: int) -> int:
        """A gift to the shared pool, token units."""
        limit = MAX_STEPS * self.vault.step
        require(self.vault.shared.books + amount <= limit, "vault: over limit")
        self.endow(amount)
        self.state.tokens["vault"] += amount
        return self.vault.book_inflow(SHARED, amount, self.now)

    @transaction
    def fund_market(self, number: int, amount: int) -> int:
        """A gift to an isolated market's tranche, token units."""
        require(number in self.vault.pools, "vault: not isolated")
        self.state.tokens["vault"] += amount
        return self.vault.book_inflow(number, amount, self.now)

    @transaction
    def set_isolated(self, number: int, isolated: bool) -> None:
        """Give a market a pool of its own, or merge it back."""
        vault = self.vault
        market = self.state.markets[number]
        # looked up whether somebody has told the vault or not
        settled = market.unpaid == 0 and market.open_list is None and not self._still_bankrupt()
        settled = settled and not any(self.is_doubtful(other.number) for other in self.state.markets)
        pools = (vault.shared, vault.pools[vault.pool_of(number)])
        stopped = any(pool.stops(vault.breaker, self.now) for pool in pools)
        require(settled and not stopped, "vault: unsettled")
        pool = pools[1]
        if isolated == (number in vault.pools):
            return
        if isolated:
            vault.pools[number] = Pool(vault.step)
        else:
            self.endow(pool.books)
            del vault.pools[number]
            vault.pools[SHARED] = vault.shared.moved(pool.books, vault.breaker, self.now)
        self.note("isolated" if isolated else "merged", number)

    # doubts

    @transaction
    def report(self, account: int) -> bool:
        """Show that an account is bankrupt."""
        known = account in self.state.accounts
        require(known and self.health(account)[0] < 0, "vault: not bankrupt")
        bankrupt = self._still_bankrupt()
        if account not in bankrupt and len(bankrupt) < MOST_REPORTED:
            bankrupt = (*bankrupt, account)
        self._change(reported=bankrupt)
        self.vault.doubt = True
        return account in bankrupt

    @transaction
    def report_market(self, number: int) -> bool:
        """Have the vault look whether a market is frozen or has unpaid debt."""
        return self.doubt_market(number)

    # settings

    @transaction
    def set_staking(self, on: bool) -> None:
        """Let people stake, or stop that."""
        self._change(on=on)

    @transaction
    def set_withdrawal_times(self, cooldown: int, window: int) -> None:
        """Times of requests to come (s)."""
        fine = all(3_600 <= time <= 90 * 86_400 for time in (cooldown, window))
        require(fine, "vault: bad times")
        self._change(cooldown=cooldown, window=window)
