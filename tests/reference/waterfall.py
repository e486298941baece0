"""The loss waterfall: book, vault, the other side, what is left, the keeper (SPECIFICATION 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reference.account import Seen
from reference.arith import WAD, ceil_div
from reference.book import Order
from reference.deleveraging import Closing, charge_winners, from_treasury, is_flat
from reference.errors import require
from reference.liquidation import WalkTerms, closable, close, limit_from, reward_of
from reference.market import Market
from reference.matching import Answer, Fill
from reference.state import transaction
from reference.trading import Matched, Trading

MAX_UINT = 2**256 - 1


@dataclass
class Done:
    """What a liquidation has done: size closed and its notional, penalty not yet handed over (WAD)."""

    closed: int = 0
    notional: int = 0
    penalty: int = 0
    #: whether the walk ended for want of orders or of coverage
    exhausted: bool = False
    deleveraged: bool = False
    #: size that should be closed (WAD); 0 where winners are charged instead
    target: int = 0


class Waterfall(Trading):
    """The keepers' transactions."""

    def closable(self, account: int, number: int) -> int:
        """What a liquidation would close (WAD); 0 for a healthy account."""
        seen = self.seen(account, number)
        if seen.equity >= seen.maintenance:
            return 0
        return closable(seen, self.state.books[number].min_size)

    @transaction
    def liquidate(
        self, keeper: Any, account: int, number: int, max_size: int = MAX_UINT, deleverage: bool = False
    ) -> int:
        """Liquidate an account in a market; size closed (WAD)."""
        self.check_liquidatable(account, number)
        equity, _, maintenance = self.health(account)
        require(equity < maintenance, "liquidate: healthy")
        return self.liquidate_on_book(keeper, account, number, max_size, deleverage).closed

    @transaction
    def deleverage(self, keeper: Any, account: int, number: int) -> int:
        """Close a bankrupt account's position on the book, then against the other side; size closed (WAD)."""
        self.require_bankrupt(account)
        require(self.by_index(self.seen(account, number)), "deleverage: needs a list")
        self.check_liquidatable(account, number)
        return self.liquidate_on_book(keeper, account, number, MAX_UINT, True).closed

    def require_bankrupt(self, account: int) -> None:
        """Refuse whoever owes nothing."""
        known = account in self.state.accounts
        require(known and self.health(account)[0] < 0, "deleverage: not bankrupt")

    def check_liquidatable(self, account: int, number: int) -> None:
        """Refuse who has nothing there, and prices that nobody should be closed at."""
        held = account in self.state.accounts and number in self.state.accounts[account].positions
        require(held, "liquidate: no position")
        require(not self.is_stale(account), "liquidate: stale index or frozen market")

    def liquidate_on_book(
        self, keeper: Any, account: int, number: int, max_size: int, deleverage: bool
    ) -> Done:
        """The waterfall, down to deleveraging by index."""
        market, book = self.state.markets[number], self.state.books[number]
        winners = 1 - self.state.accounts[account].positions[number].side
        self.remove_all(account, number)
        seen = self.seen(account, number)
        was_flat = seen.size == 0
        target = closable(seen, book.min_size)
        if deleverage:
            wanted = target
        else:
            # a limit below the book's minimum is the minimum, no less than that stays; 0 only cancels
            wanted = min(max(max_size, book.min_size), target) if max_size else 0
            if wanted and wanted < target and abs(seen.size) - wanted < book.min_size:
                wanted = target
        done = self.close_on_book(account, number, wanted, seen.size < 0)
        seen = self.seen(account, number)
        if deleverage and seen.size and seen.equity < 0 and done.exhausted and self.by_index(seen):
            self.close_by_index(seen, done)
        done.target = target
        self.settle_up(keeper, account, market, winners, done, was_flat)
        return done

    def by_index(self, seen: Seen) -> bool:
        """Whether a bankrupt position goes by index: the market has no policy, the position is too small
        for a list, or one has just timed out."""
        market = seen.market
        terms = market.deleverage
        small = abs(seen.size) * market.mark // WAD < terms.list_from
        return terms.policy is None or small or self.now < market.by_index_until

    def close_by_index(self, seen: Seen, done: Done, at_mark: bool = False) -> None:
        """Close what is left of a bankrupt position against the whole other side by size."""
        market, closing = seen.market, Closing(seen, at_mark)
        closing.by_index()
        closing.done()
        self.note("deleveraged by index", market.number, abs(closing.received) * WAD // closing.closed)
        done.closed += closing.closed
        done.notional += closing.closed * market.mark // WAD
        done.target = done.closed
        done.deleveraged = True

    def settle_up(
        self, keeper: Any, account: int, market: Market, winners: int, done: Done, flat: bool = False
    ) -> None:
        """Clear what a flat account still owes, and pay the keeper."""
        if done.deleveraged or flat:
            self._resolve(account, market, winners)
        if done.notional:
            reward = reward_of(market.liquidation, done.notional, done.closed, done.target)
            self._pay_keeper(keeper, market, reward, done)

    # the book and the vault

    def close_on_book(self, account: int, number: int, wanted: int, is_buy: bool) -> Done:
        """First what costs the vault nothing, then, nearer to the mark, with its coverage as budget."""
        market = self.state.markets[number]
        terms = market.liquidation
        if wanted == 0:
            return Done()
        limit = limit_from(market.mark, is_buy, terms.max_slippage)
        first = self._walk(account, number, is_buy, limit, wanted, 0)
        done = Done(first.filled, first.notional, first.penalty, target=wanted)
        if first.answer != Answer.NEEDS_COVER:
            done.exhausted = first.filled < wanted and first.answer != Answer.MORE
            return done
        done.exhausted = True
        # what this liquidation has brought in may cover it, less what the keeper is due at most
        due = min(done.penalty, reward_of(terms, wanted * market.mark // WAD, wanted, wanted))
        self.hand_over(market, done.penalty - due)
        done.penalty = due
        self.sweep(market)
        budget = self.vault.coverage(number, self.now) * self.unit
        if budget == 0:
            return done
        nearer = min(market.mark, market.index) if is_buy else max(market.mark, market.index)
        limit = limit_from(nearer, is_buy, terms.cover_slippage)
        second = self._walk(account, number, is_buy, limit, wanted - first.filled, budget)
        self._cover(market, second.cover)
        done.closed += second.filled
        done.notional += second.notional
        done.penalty += second.penalty
        done.exhausted = done.closed < wanted and second.answer != Answer.MORE
        return done

    def _walk(self, account: int, number: int, is_buy: bool, limit: int, size: int, budget: int) -> Matched:
        terms = self.state.markets[number].liquidation
        left = WalkTerms(terms.penalty_rate, terms.surplus_share, budget)

        def attempt(order: Order, most: int) -> Fill:
            seen, maker = self.seen(account, number), self.seen(order.account, number)
            fill = close(seen, maker, order, most, left)
            left.budget -= fill.cover
            if fill.size:
                kind = "with a penalty" if fill.penalty else "covered" if fill.cover else "at no cost"
                cut = ", cut to the coverage" if fill.answer == Answer.NEEDS_COVER else ""
                self.note(f"liquidation fill {kind}{cut}", number, fill.size)
            return fill

        return self.match(account, number, is_buy, limit, size, attempt)

    def _cover(self, market: Market, amount: int) -> int:
        """Have the vault pay whole units up to an amount (WAD); the dust above goes to the treasury."""
        if amount == 0:
            return 0
        units = self.vault.cover(market.number, ceil_div(amount, self.unit), self.now)
        return self.receive(market, units, amount)

    # what is left

    def _resolve(self, account: int, market: Market, winners: int) -> None:
        """Clear what an account without positions owes: the vault, the winning side, the treasury; the rest
        is unpaid. The present epoch does not pay for an earlier one."""
        holder = self.state.accounts[account]
        flat, collateral = is_flat(holder, self.state.markets, self.now)
        if not flat or collateral >= 0:
            return
        deficit = left = -collateral
        position = holder.positions.get(market.number)
        self.sweep(market)
        covered = self._cover(market, deficit)
        left -= covered
        socialised = 0
        if position is None or position.seen.epoch == market.sides[position.side].epoch:
            socialised = charge_winners(market, winners, left, self.now)
            left -= socialised
        treasury = from_treasury(market, left)
        left -= treasury
        market.unpaid += left
        holder.positions.clear()
        holder.collateral = 0
        debt = self.state.debts[market.number]
        for i, amount in enumerate((deficit, covered, socialised, treasury, left)):
            debt[i] += amount
        for leg, amount in (
            ("debt covered", covered),
            ("debt socialised", socialised),
            ("debt paid by the treasury", treasury),
            ("debt unpaid", left),
        ):
            if amount:
                self.note(leg, market.number, amount)

    # the keeper

    def _pay_keeper(self, keeper: Any, market: Market, reward: int, done: Done) -> None:
        """Out of the penalty, then the vault, then, after a deleveraging, the treasury; what the penalty
        leaves goes to the vault."""
        paid = min(reward, done.penalty)
        pool = self.vault.pools[self.vault.pool_of(market.number)]
        if paid < reward and (pool.books or not done.deleveraged):
            units = self.vault.pay(market.number, (reward - paid) // self.unit, self.now)
            paid += self.receive(market, units, reward - paid)
        if paid < reward and done.deleveraged:
            self.note("reward from the treasury", market.number)
            paid += from_treasury(market, reward - paid)
        self.hand_over(market, max(done.penalty - reward, 0))
        if paid:
            self.state.accounts[self.open_account(keeper)].collateral += paid

    @transaction
    def repay_bad_debt(self, number: int) -> int:
        """Let the vault pay debt that nobody could bear when it arose; WAD repaid."""
        market = self.market(number)
        if market.unpaid == 0:
            return 0
        self.sweep(market)
        units = self.vault.pay(number, ceil_div(market.unpaid, self.unit), self.now)
        if units:
            self.note("debt repaid", number, units * self.unit)
        repaid = self.receive(market, units, market.unpaid)
        market.unpaid -= repaid
        self.state.debts[number][1] += repaid
        self.state.debts[number][4] -= repaid
        return repaid
