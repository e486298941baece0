"""The exchange as a test sees it.

What goes in is in whole units, as people write it (1, "0.5"); what comes out is exact: WAD integers. All
transactions run in one block until `wait` or `move` starts the next.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from eth_hash.auto import keccak

from perpsim.chain import Compiler, Receipt, Revert, open_chain
from perpsim.protocol import (
    A_ONE,
    DEPLOYER,
    MAX_UINT,
    WAD,
    Contract,
    Protocol,
    ProtocolParams,
    deploy,
    scaled,
    wad,
)

LONG, SHORT = 1, -1
GTC, POST_ONLY, IOC, FOK = 0, 1, 2, 3
START_TIME = 1_700_000_000
START_PRICE = 10_000
#: what rounding may leave with the exchange in one test (WAD quote)
DUST = 10**9
#: what deleveraging may leave of sizes (WAD size)
SIZE_DUST = 10**6
MAX_TICK = 2**24 - 1
COMPILER = Compiler()

_protocols: dict[tuple[str, ProtocolParams], Protocol] = {}


class Here(Contract):
    """A contract whose views see the pending block even while it is empty."""

    def view(self, function: str, *args: Any, sender: str | None = None, timestamp: int | None = None) -> Any:
        when = self.chain.pending_timestamp if timestamp is None else timestamp
        return super().view(function, *args, sender=sender, timestamp=when)


def _here(contract: Contract) -> Contract:
    return Here(contract.chain, contract.name, contract.address, contract.interface)


class Position(NamedTuple):
    """Size, entry value and unsettled gain, WAD."""

    size: int
    entry: int
    pending: int


class Health(NamedTuple):
    """Equity, initial and maintenance margin, WAD."""

    equity: int
    initial: int
    maintenance: int


class Sent:
    """A transaction that succeeded: the `value` it returned, decoded `events`, `gas` used."""

    def __init__(self, value: Any, events: list[tuple[str, str, Any]], receipt: Receipt) -> None:
        self.value = value
        self.events = events
        self.receipt = receipt
        self.gas = receipt.gas_used

    def named(self, event: str) -> list[Any]:
        """All events of a name, in order."""
        return [values for _, name, values in self.events if name == event]

    def event(self, event: str) -> Any:
        """The only event of a name."""
        (found,) = self.named(event)
        return found


class Placed(Sent):
    """An order that was taken: id of what rests (0: nothing) and size filled (WAD)."""

    @property
    def id(self) -> int:
        return int(self.value[0])

    @property
    def filled(self) -> int:
        return int(self.value[1])


class Ledger(NamedTuple):
    """Whose the clearinghouse's tokens are, WAD, positions settled to now. `gap` belongs to nobody: dust."""

    tokens: int
    collateral: int
    entries: int
    fees: int
    unpaid: int

    @property
    def gap(self) -> int:
        return self.tokens + self.unpaid - (self.collateral - self.entries + self.fees)


class Actor:
    """Somebody with an address; opens an account with the first deposit."""

    def __init__(self, exchange: Exchange, name: str, address: str) -> None:
        self.exchange = exchange
        self.name = name
        self.address = address

    def __repr__(self) -> str:
        return self.name

    def send(self, contract: Contract, function: str, *args: Any) -> Sent:
        """Send a transaction with raw arguments; raises `Revert`."""
        return self.exchange.send(self.address, contract, function, *args)

    # money

    def mint(self, amount: Any) -> int:
        """Get tokens from the faucet and allow the clearinghouse to take them; token units."""
        exchange = self.exchange
        units = scaled(amount, exchange.protocol.params.decimals)
        self.send(exchange.token, "mint", self.address, units)
        self.send(exchange.token, "approve", exchange.clearinghouse.address, MAX_UINT)
        return units

    def deposit(self, amount: Any) -> Sent:
        """Mint and deposit."""
        units = self.mint(amount)
        return self.send(self.exchange.clearinghouse, "deposit", units)

    def withdraw(self, amount: Any) -> Sent:
        """Withdraw to the own address."""
        units = scaled(amount, self.exchange.protocol.params.decimals)
        return self.send(self.exchange.clearinghouse, "withdraw", units)

    @property
    def tokens(self) -> int:
        """Tokens held outside the exchange, token units."""
        return int(self.exchange.token.view("balanceOf", self.address))

    # orders

    def order(
        self,
        side: int,
        size: Any,
        price: Any,
        kind: int = GTC,
        *,
        reduce_only: bool = False,
        expiry: int = 0,
        market: int = 0,
    ) -> Placed:
        """Place an order: side LONG buys, SHORT sells."""
        args = (side > 0, wad(price), wad(size), kind, reduce_only, expiry)
        sent = self.send(self.exchange.books[market], "place", *args)
        return Placed(sent.value, sent.events, sent.receipt)

    def buy(self, size: Any, price: Any, kind: int = GTC, **options: Any) -> Placed:
        """Place a buy order."""
        return self.order(LONG, size, price, kind, **options)

    def sell(self, size: Any, price: Any, kind: int = GTC, **options: Any) -> Placed:
        """Place a sell order."""
        return self.order(SHORT, size, price, kind, **options)

    def market_order(self, side: int, size: Any, *, market: int = 0, **options: Any) -> Placed:
        """Take what rests within half and double the mark; the rest is returned."""
        mark = self.exchange.mark(market)
        tick = self.exchange.params.markets[market].tick_size
        limit = min(mark * 2 // tick, MAX_TICK) * tick if side > 0 else max(mark // 2 // tick, 1) * tick
        return self.order(side, size, _whole(limit), IOC, market=market, **options)

    def cancel(self, order_id: int, market: int = 0) -> Sent:
        """Cancel one order."""
        return self.send(self.exchange.books[market], "cancel", order_id)

    def cancel_all(self, market: int = 0) -> Sent:
        """Cancel all orders of a market."""
        return self.send(self.exchange.books[market], "cancel_all")

    def orders(self, market: int = 0) -> list[int]:
        """Ids of resting orders."""
        return sorted(self.exchange.books[market].view("orders_of", self.account))

    # standing

    @property
    def account(self) -> int:
        """Number of the account, 0 before the first deposit."""
        return int(self.exchange.clearinghouse.view("account_of", self.address))

    def position(self, market: int = 0) -> Position:
        """Position settled to now."""
        return Position(*self.exchange.clearinghouse.view("position", self.account, market))

    def size(self, market: int = 0) -> int:
        """Signed size, WAD."""
        return self.position(market).size

    @property
    def health(self) -> Health:
        """Equity and margins."""
        return Health(*self.exchange.clearinghouse.view("health", self.account))

    @property
    def equity(self) -> int:
        """Equity, WAD."""
        return self.health.equity

    @property
    def collateral(self) -> int:
        """Stored collateral, WAD."""
        return int(self.exchange.clearinghouse.view("collateral", self.account))

    @property
    def withdrawable(self) -> int:
        """What could be withdrawn now, token units."""
        return int(self.exchange.clearinghouse.view("withdrawable", self.account))

    def bankruptcy_price(self, market: int = 0) -> int:
        """Bankruptcy price of the position, WAD."""
        return int(self.exchange.lens.view("bankruptcy_price", self.account, market))

    def liquidation_price(self, market: int = 0) -> int:
        """Liquidation price of the position, WAD."""
        return int(self.exchange.lens.view("liquidation_price", self.account, market))

    def liquidate(
        self, whom: Actor, max_size: Any = None, *, with_deleverage: bool = False, market: int = 0
    ) -> Sent:
        """Act as keeper."""
        most = MAX_UINT if max_size is None else wad(max_size)
        return self.send(self.exchange.liquidator, "liquidate", whom.account, market, most, with_deleverage)


class Exchange:
    """A deployed protocol and who takes part. Made by `deployed` (or the `exchange` fixture)."""

    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol
        self.params = protocol.params
        self.chain: Any = protocol.chain
        self.token = _here(protocol.token)
        self.clearinghouse = _here(protocol.clearinghouse)
        self.parameters = _here(protocol.parameters)
        self.vault = _here(protocol.vault)
        self.liquidator = _here(protocol.liquidator)
        self.oracle = _here(protocol.oracle)
        self.lens = _here(protocol.lens)
        self.pricing = _here(protocol.pricing)
        self.books = tuple(map(_here, protocol.books))
        self.book = self.books[0]
        self.owner = Actor(self, "owner", protocol.owner)
        self.actors: dict[str, Actor] = {}

    # actors

    def actor(self, name: str, deposit: Any = 0) -> Actor:
        """The actor of that name, made on first use; `deposit` more of collateral."""
        found = self.actors.get(name)
        if found is None:
            address = self.chain.account(100 + len(self.actors)).address
            found = self.actors[name] = Actor(self, name, address)
        if deposit:
            found.deposit(deposit)
        return found

    # transactions and time

    def send(self, sender: str, contract: Contract, function: str, *args: Any) -> Sent:
        """Run a transaction in the present block; raises `Revert`."""
        receipt = contract.send(sender, function, *args)
        if not receipt.ok:
            raise Revert(receipt.reason, receipt.output)
        codec = contract.interface.functions[function]
        value = codec.decode(receipt.output) if receipt.output else None
        return Sent(value, self.protocol.decode_all(receipt.logs), receipt)

    @property
    def now(self) -> int:
        """Time of the present block, s."""
        return int(self.chain.pending_timestamp)

    def wait(self, seconds: int = 12) -> None:
        """Begin a new block; prices age."""
        self.chain.set_pending_timestamp(self.now + seconds)

    def move(self, price: Any, *, after: int = 12, market: int = 0) -> Sent:
        """A new block with a new index price."""
        self.wait(after)
        return self.owner.send(self.oracle, "post", market, wad(price), self.now)

    def refresh(self, after: int = 12) -> None:
        """A new block in which every market's index is posted again."""
        self.wait(after)
        for market in range(len(self.params.markets)):
            self.owner.send(self.oracle, "post", market, self.index(market), self.now)

    def poke(self, market: int = 0) -> Sent:
        """Renew mark and funding rate."""
        return self.owner.send(self.clearinghouse, "poke", market)

    # trades

    def quote(self, maker: Actor, bid: Any, ask: Any, size: Any, market: int = 0) -> tuple[int, int]:
        """A two-sided quote; ids of both orders."""
        return (
            maker.buy(size, bid, POST_ONLY, market=market).id,
            maker.sell(size, ask, POST_ONLY, market=market).id,
        )

    def trade(self, long: Actor, short: Actor, size: Any, price: Any, market: int = 0) -> Placed:
        """A trade between two at a price, nothing else: the short's order rests, the long takes it."""
        resting = short.sell(size, price, POST_ONLY, market=market)
        taken = long.buy(size, price, FOK, market=market)
        assert resting.id not in short.orders(market), "somebody else's order was in the way"
        return taken

    def open(
        self, side: int, trader: Actor, against: Actor, size: Any, price: Any, market: int = 0
    ) -> Placed:
        """`trader` takes the side as taker, `against` the other as maker."""
        resting = against.order(-side, size, price, POST_ONLY, market=market)
        taken = trader.order(side, size, price, FOK, market=market)
        assert resting.id not in against.orders(market), "somebody else's order was in the way"
        return taken

    # reads

    def market(self, market: int = 0) -> Any:
        """`Lens.market`."""
        return self.lens.view("market", market)

    def mark(self, market: int = 0) -> int:
        """Mark price, WAD."""
        return int(self.market(market).mark)

    def index(self, market: int = 0) -> int:
        """Index price, WAD."""
        return int(self.market(market).index)

    def top(self, market: int = 0) -> tuple[int, int]:
        """Best bid and ask, WAD."""
        bid, ask = self.books[market].view("top")
        return bid, ask

    @property
    def accounts(self) -> range:
        """All account numbers."""
        return range(1, self.clearinghouse.view("accounts_count") + 1)

    def fees(self, market: int = 0) -> tuple[int, int]:
        """Fees owed to the treasury and the vault, WAD."""
        treasury, vault = self.clearinghouse.view("fees", market)
        return treasury, vault

    @property
    def fund(self) -> int:
        """Books of the vault, token units."""
        return int(self.vault.view("assets"))

    def unit(self) -> int:
        """WAD of one token unit."""
        return self.protocol.unit

    def ledger(self) -> Ledger:
        """Sums over all accounts and markets."""
        view = self.clearinghouse.view
        markets = range(len(self.params.markets))
        collateral = entries = 0
        for account in self.accounts:
            collateral += view("collateral", account)
            for market in markets:
                _, entry, pending = view("position", account, market)
                collateral += pending
                entries += entry
        return Ledger(
            tokens=self.token.view("balanceOf", self.clearinghouse.address) * self.protocol.unit,
            collateral=collateral,
            entries=entries,
            fees=sum(sum(self.fees(market)) for market in markets),
            unpaid=sum(view("unpaid", market) for market in markets),
        )

    def word(self, contract: Contract, variable: str, key: Any = None) -> int:
        """A word of storage by the variable's name: `word(book, "tick_bitmap.leaves", 7)`."""
        source = contract.name.rstrip("0123456789")
        place: Any = COMPILER.load(source).layout["storage_layout"]
        for part in variable.split("."):
            place = place[part]
        slot = int(place["slot"])
        if key is not None:
            raw = bytes.fromhex(key[2:]).rjust(32, b"\0") if isinstance(key, str) else key.to_bytes(32, "big")
            slot = int.from_bytes(keccak(slot.to_bytes(32, "big") + raw), "big")
        return int(self.chain.storage(contract.address, slot))

    # invariants

    def check_invariants(self, dust: int = DUST, size_dust: int = SIZE_DUST) -> None:
        """Section 1.13 of the design: money adds up, sides are equal, books are sound."""
        self.check_money(dust)
        for market in range(len(self.params.markets)):
            self.check_open_interest(market, size_dust)
            self.check_book(market)

    def check_money(self, dust: int = DUST) -> None:
        """The clearinghouse holds what it owes, and no more than dust beside; so does the vault."""
        ledger = self.ledger()
        assert 0 <= ledger.gap <= dust, f"{ledger} leaves a gap of {ledger.gap}"
        assert self.token.view("balanceOf", self.vault.address) >= self.fund

    def check_open_interest(self, market: int = 0, dust: int = SIZE_DUST) -> None:
        """Longs, shorts and the open interest on record are the same, to the wei before any deleveraging."""
        view = self.clearinghouse.view
        sizes = [view("position", account, market)[0] for account in self.accounts]
        state = self.market(market)
        allowed = 0 if state.a_long == state.a_short == A_ONE and not state.epoch_long else dust
        for total in (sum(s for s in sizes if s > 0), -sum(s for s in sizes if s < 0)):
            assert 0 <= state.open_interest - total <= allowed, (state.open_interest, total)

    def check_book(self, market: int = 0) -> None:
        """Not crossed; every level's total and queue are its orders; nothing but those levels is on it."""
        book = self.books[market]
        sides: dict[bool, dict[int, int]] = {True: defaultdict(int), False: defaultdict(int)}
        queues: dict[int, list[int]] = defaultdict(list)
        for account in self.accounts:
            for order_id in book.view("orders_of", account):
                order = book.view("order", order_id)
                assert order.account == account and order.size > 0
                sides[order.is_buy][order.price] += order.size
                queues[order.price].append(order_id)
        bid, ask = book.view("top")
        assert bid == max(sides[True], default=0) and ask == min(sides[False], default=0)
        assert not (bid and ask) or bid < ask, "crossed"
        for price, queue in queues.items():
            assert book.view("level_orders", price) == sorted(queue)[:256]
            assert book.view("level", price) == sides[price <= bid][price]
        for is_buy, levels in sides.items():
            shown = [(level.price, level.size) for level in book.view("depth", is_buy, 64)]
            assert shown == sorted(levels.items(), reverse=is_buy)[:64]

    @contextmanager
    def isolated(self) -> Iterator[Exchange]:
        """What happens inside is undone at the end (revm only)."""
        snapshot = self.chain.snapshot()
        actors = dict(self.actors)
        try:
            yield self
        finally:
            self.chain.revert(snapshot)
            self.actors = actors


def _whole(amount: int) -> str:
    return f"{amount // WAD}.{amount % WAD:018d}"


def fresh(
    params: ProtocolParams | None = None, engine: str = "revm", *, hostile: bool = False, **options: Any
) -> Exchange:
    """An exchange on a chain of its own; on revm with `flush_every=1` the gas figures are true. `hostile`:
    over the token that misbehaves as told."""
    chain = open_chain(engine, timestamp=START_TIME, **options)
    params = params or ProtocolParams()
    token = None
    if hostile:
        token = chain.deploy(
            COMPILER.load("HostileToken"), params.decimals, sender=chain.account(DEPLOYER).address
        )
    exchange = Exchange(deploy(chain, params, compiler=COMPILER, token=token))
    if token is not None:
        exchange.token = Here(chain, "HostileToken", token, COMPILER.load("HostileToken").interface)
    for market in range(len(exchange.params.markets)):
        exchange.protocol.post(market, wad(START_PRICE))
    return exchange


@contextmanager
def deployed(params: ProtocolParams | None = None) -> Iterator[Exchange]:
    """An exchange as just deployed, every market's index at START_PRICE. Deployed once for each set of
    parameters and wound back afterwards."""
    params = params or ProtocolParams()
    key = ("revm", params)
    if key not in _protocols:
        _protocols[key] = fresh(params).protocol
    with Exchange(_protocols[key]).isolated() as exchange:
        yield exchange
