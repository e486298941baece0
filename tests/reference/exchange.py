"""The exchange: its transactions, one method each.

A method either does all that it is for or raises `Refused` and leaves the state as it was. Senders are any
hashable names; accounts are numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from reference import pricing
from reference.account import Account, Seen
from reference.arith import WAD, ceil_div, cost_of
from reference.book import MAX_TICK, Book, Order
from reference.deleveraging import Residual, by_index, charge_winners, from_treasury, is_flat
from reference.errors import Refused, require
from reference.liquidation import Terms as WalkTerms
from reference.liquidation import closable, close, limit_from, reward_of
from reference.market import Market
from reference.matching import REASONS, Answer, Fill, opens, settle
from reference.terms import Funding, LiquidationTerms, Schedule, Terms, Tier
from reference.vault import Vault

GTC, POST_ONLY, IOC, FOK = range(4)
#: resting orders that one order may meet
MAX_MET = 64
MAX_UINT = 2**256 - 1

P = ParamSpec("P")
R = TypeVar("R")


def transaction(
    method: Callable[Concatenate[Exchange, P], R],
) -> Callable[Concatenate[Exchange, P], R]:
    """A method that happens whole or not at all."""

    @wraps(method)
    def whole(self: Exchange, *args: P.args, **kwargs: P.kwargs) -> R:
        saved = self.state.copy()
        try:
            return method(self, *args, **kwargs)
        except Refused:
            self.state = saved
            raise

    return whole


@dataclass
class State:
    """All that a transaction can change."""

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
        )


@dataclass
class Matched:
    """What a walk through the book did; money and sizes WAD."""

    filled: int = 0
    notional: int = 0
    penalty: int = 0
    cover: int = 0
    answer: Answer = Answer.FILLED


class Exchange:
    """The whole exchange over one collateral token. `now` is the time of the present block (s)."""

    def __init__(self, decimals: int, now: int) -> None:
        self.now = now
        self.unit = 10 ** (18 - decimals)
        self.state = State(Vault(decimals, now))

    # what there is

    @property
    def vault(self) -> Vault:
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

    def withdrawable(self, account: int) -> int:
        """What `withdraw` would pay, token units."""
        markets, collateral = self.state.markets, self.state.accounts[account].collateral
        open_somewhere = False
        for number, position in self.state.accounts[account].positions.items():
            size, entry, gain = markets[number].settled(position, self.now)
            collateral += gain if size else gain - entry
            if size:
                open_somewhere = True
                if markets[number].is_stale(self.now):
                    return 0
        if open_somewhere:
            equity, initial, _ = self.health(account)
            collateral = min(collateral, equity - initial)
        return max(collateral, 0) // self.unit

    # users

    def open_account(self, owner: Any) -> int:
        """The account of an owner, opened if there is none."""
        if owner not in self.state.numbers:
            number = len(self.state.numbers) + 1
            self.state.numbers[owner] = number
            self.state.accounts[number] = Account(number, owner)
        return self.state.numbers[owner]

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
        if self.state.accounts[account].collateral < amount * self.unit:
            for number in list(self.state.accounts[account].positions):
                self.seen(account, number).settle()
        self.state.accounts[account].collateral -= amount * self.unit
        self.state.tokens["clearinghouse"] -= amount

    def _renew(self, number: int, index: int = 0, index_time: int = 0) -> None:
        bid, ask = self.state.books[number].at_block_start(self.now)
        pricing.renew(self.state.markets[number], self.now, bid, ask, index, index_time)

    @transaction
    def poke(self, number: int) -> None:
        """Renew mark and funding rate, once a block."""
        market = self.market(number)
        require(market.index > 0, "market: unknown or without a price")
        if market.renewed_at != self.now:
            self._renew(number)

    @transaction
    def post(self, number: int, price: int, timestamp: int) -> None:
        """A reporter's index price."""
        market = self.market(number)
        require(price > 0, "oracle: zero price")
        require(price < 2**88, "oracle: price too large")
        require(timestamp <= self.now, "oracle: future price")
        require(self.now - timestamp <= market.terms.max_age, "oracle: stale price")
        require(timestamp > market.index_time, "oracle: price not newer")
        self._renew(number, price, timestamp)

    @transaction
    def sweep_fees(self, number: int) -> int:
        """Hand the vault its share of fees; token units."""
        return self._sweep(self.market(number))

    def _sweep(self, market: Market) -> int:
        units = market.fees_vault // self.unit
        market.fees_vault -= units * self.unit
        self._send_vault(market.number, units)
        return units

    def _send_vault(self, number: int, units: int) -> None:
        self.state.tokens["clearinghouse"] -= units
        self.state.tokens["vault"] += units
        self.vault.book_inflow(number, units, self.now)

    @transaction
    def collect_treasury(self, number: int) -> int:
        """Send out the treasury's fees; token units."""
        market = self.market(number)
        units = market.fees_treasury // self.unit
        market.fees_treasury -= units * self.unit
        self.state.tokens["clearinghouse"] -= units
        return units

    @transaction
    def fund(self, amount: int) -> int:
        """A gift to the vault, token units."""
        self.state.tokens["vault"] += amount
        return self.vault.fund(amount, self.now)

    # orders

    @transaction
    def place(
        self,
        sender: Any,
        number: int,
        is_buy: bool,
        price: int,
        size: int,
        kind: int = GTC,
        reduce_only: bool = False,
        expiry: int = 0,
    ) -> tuple[int, int]:
        """Place an order: id of what rests (0: nothing) and size filled (WAD)."""
        book = self.state.books[number]
        account = self.account_of(sender)
        require(account > 0, "order: no account, deposit first")
        require(kind <= FOK, "order: unknown kind")
        on_grid = price % book.tick_size == 0 and 0 < price <= MAX_TICK * book.tick_size
        require(on_grid, "order: price off the tick grid")
        require(expiry == 0 or expiry >= self.now, "order: expired")
        if reduce_only:
            held = self.seen(account, number).size
            reducible = abs(held) if held and (held < 0) == is_buy else 0
            require(reducible > 0, "order: nothing to reduce")
            size = min(size, reducible)
            odd = size == reducible
        else:
            odd = False
        require(odd or (size % book.lot_size == 0 and size >= book.min_size), "order: size")
        require(size > 0, "order: size")
        if kind == POST_ONLY:
            require(not book.crosses(is_buy, price), "order: post-only would cross")

        matched = self._match(account, number, is_buy, price, size)
        left = size - matched.filled
        answer = matched.answer
        if kind == FOK:
            whole = "order: cannot be filled whole"
            require(left == 0, whole if matched.filled else REASONS.get(answer, whole))
        if left and kind in (GTC, POST_ONLY) and answer == Answer.FILLED and not book.crosses(is_buy, price):
            if not reduce_only:
                answer = self.may_rest(account, number, left if is_buy else -left, price)
            if answer == Answer.FILLED:
                order = Order(book.next_id, account, is_buy, price, left, reduce_only, expiry)
                book.rest(order, self.now)
                return order.id, matched.filled
        require(matched.filled > 0 or answer not in REASONS, REASONS.get(answer, ""))
        return 0, matched.filled

    def may_rest(self, account: int, number: int, size: int, price: int) -> Answer:
        """Whether an order may rest: one that opens must, filled alone now, leave the initial margin."""
        seen = self.seen(account, number)
        if not opens(seen.size, seen.size + size):
            return Answer.FILLED
        if seen.market.close_only:
            return Answer.CLOSE_ONLY
        seen.trade(size, cost_of(size, price))
        return Answer.FILLED if seen.equity >= seen.initial else Answer.MARGIN

    def _match(
        self,
        account: int,
        number: int,
        is_buy: bool,
        limit: int,
        size: int,
        attempt: Callable[[Order, int], Fill] | None = None,
    ) -> Matched:
        """Walk through the other side, best price first, oldest first."""
        book, now = self.state.books[number], self.now
        matched = Matched()
        attempt = attempt or (
            lambda order, most: settle(
                self.seen(account, number), self.seen(order.account, number), order, most
            )
        )
        for _ in range(MAX_MET):
            order = book.first(is_buy, limit)
            left = size - matched.filled
            if order is None or left == 0:
                return matched
            if order.is_expired(now) or order.account == account:
                book.remove(order, now)
                continue
            most = min(left, order.size)
            fill = attempt(order, most)
            if fill.answer == Answer.MAKER_FAILED:
                book.remove(order, now)
                continue
            matched.filled += fill.size
            matched.notional += fill.size * order.price // WAD
            matched.penalty += fill.penalty
            matched.cover += fill.cover
            book.fill(order, fill.size, now)
            if fill.answer != Answer.FILLED:
                matched.answer = fill.answer
                return matched
            if fill.size < most:
                # reduce-only, and nothing is left to reduce
                book.remove(book.orders[order.id], now)
        if matched.filled < size and book.first(is_buy, limit):
            matched.answer = Answer.MORE
        return matched

    @transaction
    def cancel(self, sender: Any, number: int, order_id: int) -> None:
        """Take back an order; an expired one is anybody's to take out."""
        book = self.state.books[number]
        order = book.orders.get(order_id)
        require(order is not None, "cancel: no such order")
        assert order is not None
        own = order.account == self.account_of(sender)
        require(own or order.is_expired(self.now), "cancel: not the owner")
        book.remove(order, self.now)

    @transaction
    def cancel_many(self, sender: Any, number: int, order_ids: list[int]) -> None:
        """Take back several of the caller's orders."""
        book, account = self.state.books[number], self.account_of(sender)
        for order_id in order_ids:
            order = book.orders.get(order_id)
            if order is not None:
                require(order.account == account, "cancel: not the owner")
                book.remove(order, self.now)

    @transaction
    def cancel_all(self, sender: Any, number: int) -> None:
        """Take back all orders of the caller."""
        self._cancel_all(self.account_of(sender), number)

    def _cancel_all(self, account: int, number: int) -> None:
        book = self.state.books[number]
        for order in book.orders_of(account):
            book.remove(order, self.now)

    # liquidation

    def closable(self, account: int, number: int) -> int:
        """What a liquidation would close (WAD); 0 for a healthy account."""
        seen = self.seen(account, number)
        if seen.equity >= seen.maintenance:
            return 0
        return closable(seen, self.state.books[number].min_size)

    def is_stale(self, account: int) -> bool:
        """Whether any market in which an account has a position has a stale index."""
        held = self.state.accounts[account].positions
        return any(self.state.markets[number].is_stale(self.now) for number in held)

    def _check_liquidatable(self, account: int, number: int) -> None:
        require(account in self.state.accounts, "liquidate: no position")
        require(number in self.state.accounts[account].positions, "liquidate: no position")
        require(not self.is_stale(account), "liquidate: stale index")

    @transaction
    def liquidate(
        self, keeper: Any, account: int, number: int, max_size: int = MAX_UINT, deleverage: bool = False
    ) -> int:
        """Liquidate an account in a market; size closed (WAD)."""
        self._check_liquidatable(account, number)
        equity, _, maintenance = self.health(account)
        require(equity < maintenance, "liquidate: healthy")
        return self._liquidate(keeper, account, number, max_size, deleverage)

    @transaction
    def deleverage(self, keeper: Any, account: int, number: int) -> int:
        """Close a bankrupt account's position on the book, then against the other side; size closed (WAD)."""
        require(self.health(account)[0] < 0, "deleverage: not bankrupt")
        self._check_liquidatable(account, number)
        return self._liquidate(keeper, account, number, MAX_UINT, True)

    def _liquidate(self, keeper: Any, account: int, number: int, max_size: int, deleverage: bool) -> int:
        market, book = self.state.markets[number], self.state.books[number]
        terms = market.liquidation
        position = self.state.accounts[account].positions[number]
        winners = 1 - position.side
        self._cancel_all(account, number)

        seen = self.seen(account, number)
        size = seen.size
        target = closable(seen, book.min_size) if size else 0
        # who deleverages closes all; a limit below the book's minimum is the minimum, 0 only cancels
        wanted = target if deleverage else min(max(max_size, book.min_size), target) if max_size else 0
        penalty, matched = self._close_on_book(account, number, wanted, seen.size < 0)
        closed, notional = matched.filled, matched.notional

        seen = self.seen(account, number)
        ended = matched.filled < wanted and matched.answer != Answer.MORE
        deleveraged = False
        if deleverage and seen.size and seen.equity < 0 and ended:
            quantity, _ = by_index(seen)
            closed += quantity
            notional += quantity * market.mark // WAD
            deleveraged = True
        if deleveraged or size == 0:
            self._resolve(account, market, winners)
        if notional:
            reward = reward_of(terms, notional, closed >= target)
            self._pay_keeper(keeper, market, reward, penalty, deleveraged)
        return closed

    def _close_on_book(self, account: int, number: int, wanted: int, is_buy: bool) -> tuple[int, Matched]:
        """First what costs the vault nothing, then, nearer to the mark, with its coverage as budget; penalty
        not yet handed over (WAD), and what was done."""
        market = self.state.markets[number]
        terms = market.liquidation
        if wanted == 0:
            return 0, Matched()

        def walk(limit: int, size: int, budget: int) -> Matched:
            left = WalkTerms(terms.penalty_rate, terms.surplus_share, budget)

            def attempt(order: Order, most: int) -> Fill:
                fill = close(self.seen(account, number), self.seen(order.account, number), order, most, left)
                left.budget -= fill.cover
                return fill

            return self._match(account, number, is_buy, limit, size, attempt)

        first = walk(limit_from(market.mark, is_buy, terms.max_slippage), wanted, 0)
        penalty = first.penalty
        if first.answer != Answer.NEEDS_COVER:
            return penalty, first
        self._sweep(market)
        # what this liquidation has brought in may cover it, less what the keeper is due
        due = min(penalty, reward_of(terms, wanted * market.mark // WAD, True))
        self._hand_over(market, penalty - due)
        penalty = due
        nearer = min(market.mark, market.index) if is_buy else max(market.mark, market.index)
        limit = limit_from(nearer, is_buy, terms.cover_slippage)
        budget = self.vault.coverage(number, self.now) * self.unit
        if budget == 0:
            return penalty, first
        second = walk(limit, wanted - first.filled, budget)
        self._cover(market, second.cover)
        return penalty + second.penalty, Matched(
            first.filled + second.filled,
            first.notional + second.notional,
            first.penalty + second.penalty,
            second.cover,
            second.answer,
        )

    def _cover(self, market: Market, amount: int) -> int:
        """Have the vault pay whole units up to an amount (WAD); the dust above goes to the treasury."""
        paid = self.vault.cover(market.number, ceil_div(amount, self.unit), self.now)
        return self._arrived(market, paid, amount)

    def _arrived(self, market: Market, paid: int, amount: int) -> int:
        self.state.tokens["vault"] -= paid
        self.state.tokens["clearinghouse"] += paid
        market.fees_treasury += max(paid * self.unit - amount, 0)
        return min(paid * self.unit, amount)

    def _hand_over(self, market: Market, amount: int) -> None:
        """Give the vault whole units of a penalty (WAD), the dust below to the treasury."""
        units = amount // self.unit
        self._send_vault(market.number, units)
        market.fees_treasury += amount - units * self.unit

    def _resolve(self, account: int, market: Market, winners: int) -> None:
        """Clear what an account without positions owes."""
        flat, collateral = is_flat(self.state.accounts[account], self.state.markets, self.now)
        if not flat or collateral >= 0:
            return
        deficit = -collateral
        position = self.state.accounts[account].positions.get(market.number)
        present = position is None or position.seen.epoch == market.sides[position.side].epoch
        residual = Residual(deficit, self._cover(market, deficit), 0, 0, 0)
        left = deficit - residual.covered
        if present:
            residual.socialised = charge_winners(market, winners, left, self.now)
        residual.treasury = from_treasury(market, left - residual.socialised)
        residual.unpaid = left - residual.socialised - residual.treasury
        market.unpaid += residual.unpaid
        self.state.accounts[account].positions.clear()
        self.state.accounts[account].collateral = 0
        debt = self.state.debts[market.number]
        for i, amount in enumerate(
            (deficit, residual.covered, residual.socialised, residual.treasury, residual.unpaid)
        ):
            debt[i] += amount

    def _pay_keeper(self, keeper: Any, market: Market, reward: int, penalty: int, deleveraged: bool) -> None:
        """Out of the penalty, then the vault, then, after a deleveraging, the treasury; what the penalty
        leaves goes to the vault, what is below a token unit to the treasury."""
        paid = min(reward, penalty)
        if paid < reward:
            units = self.vault.pay(market.number, (reward - paid) // self.unit, self.now)
            paid += self._arrived(market, units, reward - paid)
        if paid < reward and deleveraged:
            paid += from_treasury(market, reward - paid)
        self._hand_over(market, max(penalty - reward, 0))
        if paid:
            self.state.accounts[self.open_account(keeper)].collateral += paid

    @transaction
    def repay_bad_debt(self, number: int) -> int:
        """Let the vault pay debt that nobody could bear when it arose; WAD repaid."""
        market = self.market(number)
        if market.unpaid == 0:
            return 0
        units = self.vault.pay(number, ceil_div(market.unpaid, self.unit), self.now)
        repaid = self._arrived(market, units, market.unpaid)
        market.unpaid -= repaid
        self.state.debts[number][1] += repaid
        self.state.debts[number][4] -= repaid
        return repaid

    # parameters

    @transaction
    def add_market(
        self,
        grid: tuple[int, int, int, int],
        terms: Terms,
        funding: Funding,
        tiers: tuple[Tier, ...],
        cap: int,
        liquidation: LiquidationTerms,
    ) -> int:
        """Open a market; `grid` is tick, lot and minimum size (WAD) and an account's most orders."""
        number = len(self.state.markets)
        self.state.markets.append(
            Market(
                number,
                terms.as_kept(),
                funding.as_kept(),
                Schedule(tuple(tier.as_kept() for tier in tiers)),
                cap // 10**6 * 10**6,
                liquidation.as_kept(),
            )
        )
        self.state.books.append(Book(*grid))
        self.state.debts.append([0] * 5)
        return number

    @contextmanager
    def _changing(self, number: int) -> Iterator[Market]:
        """Funding accrues with the old terms first."""
        market = self.market(number)
        if market.index and market.renewed_at != self.now:
            self._renew(number)
        yield market

    @transaction
    def set_terms(self, number: int, terms: Terms) -> None:
        """Fees, vault share, max age."""
        with self._changing(number) as market:
            market.terms = terms.as_kept()

    @transaction
    def set_funding_terms(self, number: int, funding: Funding) -> None:
        """Funding and mark."""
        with self._changing(number) as market:
            market.funding = funding.as_kept()

    @transaction
    def set_margin_tiers(self, number: int, tiers: tuple[Tier, ...]) -> None:
        """Margin schedule."""
        with self._changing(number) as market:
            market.schedule = Schedule(tuple(tier.as_kept() for tier in tiers))

    @transaction
    def set_open_interest_cap(self, number: int, cap: int) -> None:
        """Largest open interest that a trade may lead to."""
        with self._changing(number) as market:
            market.cap = cap // 10**6 * 10**6

    @transaction
    def set_close_only(self, number: int, close_only: bool) -> None:
        """Stop, or allow again, orders that open."""
        with self._changing(number) as market:
            market.close_only = close_only

    @transaction
    def set_liquidation_terms(self, number: int, terms: LiquidationTerms) -> None:
        """Liquidation parameters."""
        self.market(number).liquidation = terms.as_kept()

    @transaction
    def set_cap(self, number: int, cap: int, window: int) -> None:
        """Cap of what the vault pays for a market, token units."""
        self.vault.set_cap(number, cap, window, self.now)

    @transaction
    def set_breaker(self, trip: int, resume: int) -> None:
        """The vault's breaker."""
        self.vault.set_breaker(trip, resume, self.now)
