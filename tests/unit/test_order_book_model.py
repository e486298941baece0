"""Any sequence of orders against a plain Python book: same ids, same fills, same removals, same rest."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support import FOK, GTC, IOC, POST_ONLY, deployed, plain_market

from perpsim.chain import Revert
from perpsim.protocol import WAD, ProtocolParams

CANCELLED, SELF_TRADE, EXPIRED, FAILED_MARGIN, NOTHING_TO_REDUCE = 1, 3, 4, 5, 7
MAX_FILLS = 64
MAX_ORDERS = 6
PARAMS = ProtocolParams(
    markets=(plain_market(tick_size=WAD, lot_size=WAD, min_size=WAD, max_orders=MAX_ORDERS),)
)
TRADERS = tuple(f"trader {number}" for number in range(4))


@dataclass
class Order:
    id: int
    owner: str
    is_buy: bool
    price: int
    size: int
    reduce_only: bool
    expiry: int


class Refused(Exception):
    pass


@dataclass
class Book:
    """A list of orders, sorted when asked; all sizes and prices are whole."""

    now: int
    orders: list[Order] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TRADERS, 0))
    last_id: int = 0

    def __post_init__(self) -> None:
        self.fills: list[tuple[int, int, int]] = []
        self.removed: list[tuple[int, int]] = []

    def against(self, is_buy: bool, limit: int) -> list[Order]:
        def crosses(price: int) -> bool:
            return price <= limit if is_buy else price >= limit

        found = [o for o in self.orders if o.is_buy != is_buy and crosses(o.price)]
        return sorted(found, key=lambda o: (o.price if is_buy else -o.price, o.id))

    def remove(self, order: Order, reason: int) -> None:
        self.orders.remove(order)
        self.removed.append((order.id, reason))

    def reducible(self, owner: str, is_buy: bool) -> int:
        held = self.sizes[owner]
        return abs(held) if held and (held > 0) != is_buy else 0

    def place(
        self, owner: str, is_buy: bool, price: int, size: int, kind: int, reduce_only: bool, expiry: int
    ) -> tuple[int, int]:
        self.fills, self.removed = [], []
        left = size
        if reduce_only:
            left = min(size, self.reducible(owner, is_buy))
            if not left:
                raise Refused("order: nothing to reduce")
        if kind == POST_ONLY and self.against(is_buy, price):
            raise Refused("order: post-only would cross")
        filled = 0
        for order in self.against(is_buy, price)[:MAX_FILLS]:
            if filled == left:
                break
            if order.expiry and order.expiry < self.now:
                self.remove(order, EXPIRED)
            elif order.owner == owner:
                self.remove(order, SELF_TRADE)
            else:
                filled += self.fill(owner, is_buy, order, left - filled)
        left -= filled
        if left and kind == FOK:
            raise Refused("order: cannot be filled whole")
        if not left or kind in (IOC, FOK) or self.against(is_buy, price):
            return 0, filled
        if sum(o.owner == owner for o in self.orders) == MAX_ORDERS:
            raise Refused("order: too many open orders")
        self.last_id += 1
        self.orders.append(Order(self.last_id, owner, is_buy, price, left, reduce_only, expiry))
        return self.last_id, filled

    def fill(self, taker: str, is_buy: bool, order: Order, wanted: int) -> int:
        wanted = size = min(wanted, order.size)
        if order.reduce_only:
            size = min(size, self.reducible(order.owner, order.is_buy))
            if not size:
                self.remove(order, FAILED_MARGIN)
                return 0
        sign = 1 if is_buy else -1
        self.sizes[taker] += sign * size
        self.sizes[order.owner] -= sign * size
        self.fills.append((order.id, order.price, sign * size))
        order.size -= size
        if not order.size:
            self.orders.remove(order)
        elif size < wanted:
            self.remove(order, NOTHING_TO_REDUCE)
        return size


class OrderBookMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.context = deployed(PARAMS)
        self.exchange = self.context.__enter__()
        self.traders = {name: self.exchange.actor(name, deposit=1_000_000_000) for name in TRADERS}
        self.model = Book(self.exchange.now)

    def teardown(self) -> None:
        try:
            self.exchange.check_invariants()
        finally:
            self.context.__exit__(None, None, None)

    @rule(
        name=st.sampled_from(TRADERS),
        is_buy=st.booleans(),
        price=st.integers(9_996, 10_004),
        size=st.integers(1, 6),
        kind=st.sampled_from([GTC, GTC, GTC, POST_ONLY, IOC, FOK]),
        reduce_only=st.sampled_from([False, False, False, True]),
        lasts=st.sampled_from([None, None, None, 0, 5, 30]),
    )
    def place(self, name, is_buy, price, size, kind, reduce_only, lasts):
        expiry = 0 if lasts is None else self.model.now + lasts
        side = 1 if is_buy else -1

        def order():
            return self.traders[name].order(side, size, price, kind, reduce_only=reduce_only, expiry=expiry)

        snapshot = ([Order(**vars(o)) for o in self.model.orders], dict(self.model.sizes))
        try:
            expected = self.model.place(name, is_buy, price, size, kind, reduce_only, expiry)
        except Refused as refused:
            self.model.orders, self.model.sizes = snapshot
            try:
                order()
            except Revert as revert:
                assert revert.reason == str(refused)
                return
            raise AssertionError(f"expected {refused}") from None
        sent = order()
        assert sent.value == (expected[0], expected[1] * WAD)
        assert [(f.order_id, f.price // WAD, f.size // WAD) for f in sent.named("Fill")] == self.model.fills
        gone = [(event.order_id, event.reason) for event in sent.named("OrderRemoved")]
        assert gone == self.model.removed

    @rule(data=st.data(), by_stranger=st.booleans())
    def cancel(self, data, by_stranger):
        if not self.model.orders:
            return
        order = data.draw(st.sampled_from(self.model.orders), label="order")
        expired = order.expiry and order.expiry < self.model.now
        who = next(n for n in TRADERS if (n != order.owner) == by_stranger)
        if by_stranger and not expired:
            try:
                self.traders[who].cancel(order.id)
            except Revert as revert:
                assert revert.reason == "cancel: not the owner"
                return
            raise AssertionError("a stranger cancelled an order")
        sent = self.traders[who].cancel(order.id)
        reason = EXPIRED if by_stranger else CANCELLED
        assert [(e.order_id, e.reason) for e in sent.named("OrderRemoved")] == [(order.id, reason)]
        self.model.orders.remove(order)

    @rule(name=st.sampled_from(TRADERS))
    def cancel_all(self, name):
        sent = self.traders[name].cancel_all()
        own = {order.id for order in self.model.orders if order.owner == name}
        assert {event.order_id for event in sent.named("OrderRemoved")} == own
        self.model.orders = [order for order in self.model.orders if order.owner != name]

    @rule(seconds=st.sampled_from([1, 5, 6, 30, 31]))
    def wait(self, seconds):
        self.exchange.refresh(seconds)
        self.model.now += seconds

    @initialize(
        orders=st.lists(st.tuples(st.sampled_from(TRADERS), st.booleans(), st.integers(0, 3)), max_size=12)
    )
    def quote(self, orders):
        for name, is_buy, steps in orders:
            price = 9_999 - steps if is_buy else 10_001 + steps
            self.place(name, is_buy, price, 3, GTC, False, None)

    @invariant()
    def the_book_is_the_models(self):
        book = self.exchange.book
        bids = [o.price for o in self.model.orders if o.is_buy]
        asks = [o.price for o in self.model.orders if not o.is_buy]
        best = (max(bids, default=0) * WAD, min(asks, default=0) * WAD)
        assert book.view("top") == best
        for order in self.model.orders:
            account = self.traders[order.owner].account
            assert book.view("order", order.id) == (
                account,
                order.is_buy,
                order.price * WAD,
                order.size * WAD,
                order.reduce_only,
                order.expiry,
            )
        for name, trader in self.traders.items():
            own = sorted(o.id for o in self.model.orders if o.owner == name)
            assert trader.orders() == own
            assert trader.size() == self.model.sizes[name] * WAD
        for price in {*bids, *asks}:
            queue = sorted((o for o in self.model.orders if o.price == price), key=lambda o: o.id)
            assert book.view("level_orders", price * WAD) == [o.id for o in queue]
            assert book.view("level", price * WAD) == sum(o.size for o in queue) * WAD


OrderBookMachine.TestCase.settings = settings(max_examples=120, stateful_step_count=40)
test_any_sequence_of_orders_does_what_the_model_does = OrderBookMachine.TestCase
