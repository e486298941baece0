"""Orders: placing, matching, taking back (SPECIFICATION 5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reference.arith import cost_of
from reference.book import MAX_TICK, Order
from reference.errors import require
from reference.matching import REASONS, Answer, Fill, opens, settle
from reference.state import Core, transaction

GTC, POST_ONLY, IOC, FOK = range(4)
#: resting orders that one order may meet
MAX_MET = 64
#: sizes stay below (WAD)
MAX_SIZE = 2**96


@dataclass
class Matched:
    """What a walk through the book did; money and sizes WAD. `answer` is why it ended early."""

    filled: int = 0
    notional: int = 0
    penalty: int = 0
    cover: int = 0
    answer: Answer = Answer.FILLED


class Trading(Core):
    """The order books' transactions."""

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
        whole = False
        if reduce_only:
            held = self.seen(account, number).size
            reducible = abs(held) if (held < 0) == is_buy else 0
            require(reducible > 0, "order: nothing to reduce")
            size = min(size, reducible)
            whole = size == reducible
        # off the grid only to close everything
        on_grid = size % book.lot_size == 0 and size >= book.min_size
        require((whole or on_grid) and 0 < size < MAX_SIZE, "order: size")
        if kind == POST_ONLY:
            require(not book.crosses(is_buy, price), "order: post-only would cross")

        def attempt(order: Order, most: int) -> Fill:
            taker, maker = self.seen(account, number), self.seen(order.account, number)
            return settle(taker, maker, order, most, reduce_only)

        matched = self.match(account, number, is_buy, price, size, attempt)
        left, answer = size - matched.filled, matched.answer
        if kind == FOK:
            refusal = "order: cannot be filled whole"
            require(left == 0, refusal if matched.filled else REASONS.get(answer, refusal))
        waits = left > 0 and kind in (GTC, POST_ONLY) and answer == Answer.FILLED
        if waits and not book.crosses(is_buy, price):
            if not reduce_only:
                answer = self.may_rest(account, number, left if is_buy else -left, price)
            if answer == Answer.FILLED:
                order = Order(book.next_id, account, is_buy, price, left, reduce_only, expiry)
                book.rest(order, self.now)
                return order.id, matched.filled
        # what cannot wait is returned; an order of which nothing came is refused
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

    def match(
        self,
        account: int,
        number: int,
        is_buy: bool,
        limit: int,
        size: int,
        attempt: Callable[[Order, int], Fill],
    ) -> Matched:
        """Walk through the other side, best price first, oldest first; `attempt` fills up to a size."""
        book, now = self.state.books[number], self.now
        matched = Matched()
        for _ in range(MAX_MET):
            order = book.first(is_buy, limit)
            left = size - matched.filled
            if order is None or left == 0:
                return matched
            if order.is_expired(now) or order.account == account:
                self.note("self-trade" if order.account == account else "expired", number)
                book.remove(order, now)
                continue
            fill = attempt(order, min(left, order.size))
            if fill.answer == Answer.MAKER_FAILED:
                self.note("maker failed", number)
                book.remove(order, now)
                continue
            if fill.size:
                self.note("fill", number, fill.size)
            matched.filled += fill.size
            matched.notional += fill.size * order.price // 10**18
            matched.penalty += fill.penalty
            matched.cover += fill.cover
            book.fill(order, fill.size, now)
            if fill.answer != Answer.FILLED:
                matched.answer = fill.answer
                return matched
            if fill.exhausted and order.id in book.orders:
                book.remove(book.orders[order.id], now)
        if matched.filled < size and book.first(is_buy, limit):
            matched.answer = Answer.MORE
            self.note("as many orders met as one may", number)
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
        """Take back several of the caller's orders; those that are gone are passed over."""
        book, account = self.state.books[number], self.account_of(sender)
        for order_id in order_ids:
            order = book.orders.get(order_id)
            if order is not None:
                require(order.account == account, "cancel: not the owner")
                book.remove(order, self.now)

    @transaction
    def cancel_all(self, sender: Any, number: int) -> None:
        """Take back all orders of the caller."""
        self.remove_all(self.account_of(sender), number)

    def remove_all(self, account: int, number: int) -> None:
        """Take an account's orders out of a book."""
        book = self.state.books[number]
        for order in book.orders_of(account):
            book.remove(order, self.now)
