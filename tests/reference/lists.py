"""Deleveraging by list, in one call or in several (SPECIFICATION 8.3)."""

from __future__ import annotations

from typing import Any

from reference.account import Seen
from reference.arith import WAD
from reference.deleveraging import Closing, candidate_of, case_of, is_counterparty
from reference.errors import require
from reference.market import ListedRow, Market, OpenList
from reference.policies import POLICIES, Case, Policy, Row
from reference.state import transaction
from reference.waterfall import MAX_UINT, Done, Waterfall

#: size (WAD) that a list may lack
DUST = 10**9
#: how far from its hint a row is searched
MAX_STEPS = 64


class Lists(Waterfall):
    """The keepers' transactions in a market that shares out by list."""

    @transaction
    def deleverage_by_list(self, keeper: Any, account: int, number: int, listed: list[int]) -> int:
        """Let the policy allot what book and vault cannot close to the other side; size closed (WAD)."""
        market = self.market(number)
        self.require_bankrupt(account)
        require(market.deleverage.policy is not None, "deleverage: by index")
        position = self.state.accounts[account].positions.get(number)
        winners = 1 - position.side if position else 0
        was_flat = self.seen(account, number).size == 0
        if market.open_list:
            require(market.open_list.account == account, "list: open for another account")
            done = Done(exhausted=True)
            market.open_list = None
        else:
            self.check_liquidatable(account, number)
            self.remove_all(account, number)
            size = self.seen(account, number).size
            done = self.close_on_book(account, number, abs(size), size < 0)
        seen = self.seen(account, number)
        if done.exhausted and seen.size and seen.equity < 0:
            policy, case = self._task(seen)
            rows = self._verify(case, policy, listed)
            self._serve(seen, case, policy, rows, sum(row.weight for _, row in rows), done, last=True)
        self.settle_up(keeper, account, market, winners, done, was_flat)
        return done.closed

    @transaction
    def open_list(self, keeper: Any, account: int, number: int) -> int:
        """Close on the book what book and vault can, then freeze the market for a list; size closed (WAD)."""
        market = self.market(number)
        self.require_bankrupt(account)
        require(not self.by_index(self.seen(account, number)), "deleverage: by index")
        self.check_liquidatable(account, number)
        done = self.liquidate_on_book(keeper, account, number, MAX_UINT, False)
        seen = self.seen(account, number)
        if done.exhausted and seen.size and seen.equity < 0:
            self.state.lists_count += 1
            deadline = self.now + market.deleverage.timeout
            market.open_list = OpenList(self.state.lists_count, account, deadline)
            self.doubt_market(number)
            self.note("list opened", number)
        return done.closed

    @transaction
    def hand_in(self, keeper: Any, number: int, accounts: list[int], hints: list[int]) -> None:
        """Insert accounts into the open list, where the policy has them now."""
        require(len(accounts) == len(hints), "list: accounts and hints differ in number")
        market = self.market(number)
        open_list = self._open_list(market)
        self.require_bankrupt(open_list.account)
        policy, case = self._task(self.seen(open_list.account, number))
        for account, hint in zip(accounts, hints):
            if account in open_list.known:
                # somebody was faster; the others are to get in all the same
                continue
            row, size = self._row(case, policy, account)
            listed = ListedRow(account, row.key, row.weight, size)
            rows = list(open_list.rows)
            place = sum(other.place < listed.place for other in rows)
            if hint:
                self._check_hint(rows, place, hint)
            else:
                require(place <= MAX_STEPS, "list: bad hint")
            rows.insert(place, listed)
            open_list = open_list._replace(
                rows=tuple(rows), known=open_list.known | {account}, size=open_list.size + size
            )
        market.open_list = open_list

    def _check_hint(self, rows: list[ListedRow], place: int, hint: int) -> None:
        at = next((i for i, row in enumerate(rows) if row.account == hint), None)
        require(at is not None and at < place <= at + 1 + MAX_STEPS, "list: bad hint")

    @transaction
    def execute_list(self, keeper: Any, number: int, count: int) -> int:
        """Serve the first rows of a complete list with caps as they are now; size closed (WAD)."""
        market = self.market(number)
        open_list = self._open_list(market)
        account = open_list.account
        seen = self.seen(account, number)
        if seen.equity >= 0 or seen.size == 0:
            market.open_list = None
            return 0
        policy, case = self._task(seen)
        self._require_complete(market, open_list.size)
        done = Done()
        winners = 1 - self.state.accounts[account].positions[number].side
        rows = []
        for listed in open_list.rows[:count]:
            row, _ = self._row(case, policy, listed.account)
            rows.append((listed.account, Row(listed.key, listed.weight, row.cap)))
        rest = open_list.rows[count:]
        weights = sum(row.weight for row in open_list.rows)
        left = self._serve(seen, case, policy, rows, weights, done, last=not rest)
        market.open_list = open_list._replace(rows=rest) if rest and left else None
        self.settle_up(keeper, account, market, winners, done)
        return done.closed

    @transaction
    def end_list(self, keeper: Any, number: int) -> None:
        """End a list that is late, or whose account is not bankrupt any more."""
        market = self.market(number)
        open_list = self._open_list(market)
        late = self.now >= open_list.deadline
        require(late or self.health(open_list.account)[0] >= 0, "list: neither late nor settled")
        market.open_list = None
        if late:
            market.by_index_until = self.now + market.deleverage.timeout

    def honest_list(self, account: int, number: int) -> list[int]:
        """The whole other side in the order of the policy, as a keeper finds it."""
        policy, case = self._task(self.seen(account, number))
        rows = []
        for other in self.state.accounts:
            if is_counterparty(case, self.seen(other, number)):
                row, size = self._row(case, policy, other)
                rows.append(ListedRow(other, row.key, row.weight, size))
        return [row.account for row in sorted(rows, key=lambda row: row.place)]

    # parts

    def _open_list(self, market: Market) -> OpenList:
        require(market.open_list is not None, "list: none open")
        assert market.open_list is not None
        return market.open_list

    def _task(self, seen: Seen) -> tuple[Policy, Case]:
        policy = seen.market.deleverage.policy
        assert policy is not None
        return POLICIES[policy], case_of(seen)

    def _verify(self, case: Case, policy: Policy, listed: list[int]) -> list[tuple[int, Row]]:
        """The rows of a list that is the whole other side in the order of the policy."""
        rows: list[tuple[int, Row]] = []
        last: tuple[int, int] | None = None
        total = 0
        for account in listed:
            row, size = self._row(case, policy, account)
            place = ListedRow(account, row.key, row.weight, size).place
            require(last is None or last < place, "list: not sorted")
            last = place
            rows.append((account, row))
            total += size
        self._require_complete(self.state.markets[case.market], total)
        return rows

    def _row(self, case: Case, policy: Policy, account: int) -> tuple[Row, int]:
        """An account's row, and its size."""
        require(account in self.state.accounts, "list: wrong side")
        seen = self.seen(account, case.market)
        require(is_counterparty(case, seen), "list: wrong side")
        return policy.rank(case, candidate_of(case, seen, policy.charges)), abs(seen.size)

    def _require_complete(self, market: Market, size: int) -> None:
        require(size + DUST >= market.open_interest, "list: incomplete")

    def _serve(
        self,
        seen: Seen,
        case: Case,
        policy: Policy,
        rows: list[tuple[int, Row]],
        weights: int,
        done: Done,
        last: bool,
    ) -> int:
        """Let the policy allot to rows, in their order; after the last row what is left goes by index.
        What is left to bear."""
        closing = Closing(seen)
        needed = left = case.haircut if policy.charges else case.quantity
        for account, row in rows:
            part = policy.allot(left, weights, row)
            weights -= row.weight
            left -= part
            if part == 0:
                continue
            other = self.seen(account, case.market)
            if policy.charges:
                # his profit pays: what the position has cost changes
                other.entry += part
                other.store()
                seen.entry -= part
            else:
                closing.against(other, part)
        if last and not policy.charges:
            closing.by_index()
        if left < needed or closing.closed:
            closing.done()
        done.closed += closing.closed
        # where nobody is closed, the keeper is paid for what was charged
        done.notional += needed - left if policy.charges else closing.closed * case.mark // WAD
        # rows that are served later are another call's; where nobody is closed there is no target
        done.target = 0 if policy.charges else done.closed + left * (not last)
        done.deleveraged = True
        self.note("winners charged" if policy.charges else "deleveraged by list", case.market, case.mark)
        if last and policy.charges:
            charged = self.seen(case.account, case.market)
            if charged.equity < 0:
                # the winners have paid their part, or cannot: it does not stay open
                self.close_by_index(charged, done, at_mark=left == 0)
        return left
