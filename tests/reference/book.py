"""The limit order book of a market (SPECIFICATION 5). It knows orders and their priority; whether a fill may
happen is for `matching`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from reference.errors import require

MAX_TICK = 2**24 - 1


class Order(NamedTuple):
    """A resting order; `size` is what is left (WAD)."""

    id: int
    account: int
    is_buy: bool
    price: int
    size: int
    reduce_only: bool
    expiry: int

    def is_expired(self, now: int) -> bool:
        """Whether it may no longer be filled."""
        return 0 < self.expiry < now


class Book:
    """Resting orders, oldest first at each price."""

    def __init__(self, tick_size: int, lot_size: int, min_size: int, max_orders: int) -> None:
        self.tick_size = tick_size
        self.lot_size = lot_size
        self.min_size = min_size
        self.max_orders = max_orders
        self.next_id = 1
        self.orders: dict[int, Order] = {}
        #: ids by price (WAD), for buyers and sellers; ids ascend with time
        self.bids: dict[int, tuple[int, ...]] = {}
        self.asks: dict[int, tuple[int, ...]] = {}
        #: a time (s), and the best prices with which its block began
        self.began = (0, 0, 0)

    def copy(self) -> Book:
        """As it is now."""
        twin = Book(self.tick_size, self.lot_size, self.min_size, self.max_orders)
        twin.next_id = self.next_id
        twin.orders = dict(self.orders)
        twin.bids = dict(self.bids)
        twin.asks = dict(self.asks)
        twin.began = self.began
        return twin

    # what rests

    @property
    def best(self) -> tuple[int, int]:
        """Best bid and ask (WAD), 0 where a side is empty."""
        return max(self.bids, default=0), min(self.asks, default=0)

    def at_block_start(self, now: int) -> tuple[int, int]:
        """Best bid and ask (WAD) with which the present block began."""
        return self.began[1:] if self.began[0] == now else self.best  # type: ignore[return-value]

    def side(self, is_buy: bool) -> dict[int, tuple[int, ...]]:
        """Levels of buyers or of sellers."""
        return self.bids if is_buy else self.asks

    def crosses(self, is_buy: bool, limit: int) -> bool:
        """Whether an order with that limit (WAD) would take from the book."""
        bid, ask = self.best
        return 0 < ask <= limit if is_buy else limit <= bid

    def first(self, is_buy: bool, limit: int) -> Order | None:
        """The order that an incoming one would meet first."""
        if not self.crosses(is_buy, limit):
            return None
        bid, ask = self.best
        return self.orders[self.asks[ask][0] if is_buy else self.bids[bid][0]]

    def orders_of(self, account: int) -> list[Order]:
        """An account's resting orders."""
        return [order for order in self.orders.values() if order.account == account]

    def __iter__(self) -> Iterator[Order]:
        return iter(self.orders.values())

    # changes

    def rest(self, order: Order, now: int) -> None:
        """Put an order at the end of its level's queue."""
        require(len(self.orders_of(order.account)) < self.max_orders, "order: too many open orders")
        self._begin(now)
        self.orders[order.id] = order
        side = self.side(order.is_buy)
        side[order.price] = (*side.get(order.price, ()), order.id)
        self.next_id += 1

    def remove(self, order: Order, now: int) -> None:
        """Take an order out."""
        self._begin(now)
        del self.orders[order.id]
        side = self.side(order.is_buy)
        queue = tuple(number for number in side[order.price] if number != order.id)
        if queue:
            side[order.price] = queue
        else:
            del side[order.price]

    def fill(self, order: Order, size: int, now: int) -> None:
        """Take a filled size off an order."""
        if size == order.size:
            self.remove(order, now)
        else:
            self.orders[order.id] = order._replace(size=order.size - size)

    def _begin(self, now: int) -> None:
        if self.began[0] != now:
            self.began = (now, *self.best)
