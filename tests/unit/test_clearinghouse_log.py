"""The log alone is enough: balances, positions, fees and equity rebuilt from events are the views."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from support import IOC, deployed, plain_market

from perpsim.chain import Revert
from perpsim.protocol import WAD, FundingTerms, ProtocolParams, wad

TERMS = FundingTerms(interest=wad("0.02"), clamp=WAD, cap=WAD, band=wad("0.05"))
MARKETS = tuple(
    plain_market(
        symbol=symbol, funding=TERMS, taker_fee=wad("0.0007"), maker_fee=-wad("0.0003"), vault_share=1_500
    )
    for symbol in "AB"
)


class Replay:
    """Accounts, positions and markets as the events tell them; nothing is asked of the chain."""

    def __init__(self) -> None:
        self.owners: dict[int, str] = {}
        self.collateral: dict[int, int] = defaultdict(int)
        # size, entry value and the funding flow when they were last written
        self.positions: dict[tuple[int, int], tuple[int, int, int]] = {}
        self.marks: dict[int, int] = {}
        self.funding: dict[int, tuple[int, int, int]] = {}
        self.fees: dict[int, int] = defaultdict(int)
        # by book, owner and number
        self.orders: dict[tuple[str, int, int], int] = {}

    def flow(self, market: int, now: int) -> int:
        flow, rate, since = self.funding[market]
        return flow + rate * (now - since)

    def pending(self, account: int, market: int, now: int) -> int:
        size, _, seen = self.positions.get((account, market), (0, 0, 0))
        return -size * (self.flow(market, now) - seen) // WAD

    def equity(self, account: int, now: int) -> int:
        total = self.collateral[account]
        for market in self.marks:
            size, entry, _ = self.positions.get((account, market), (0, 0, 0))
            total += size * self.marks[market] // WAD - entry + self.pending(account, market, now)
        return total

    def read(self, contract: str, name: str, event, now: int) -> None:
        if name == "AccountOpened":
            self.owners[event.account] = event.owner
        elif name in ("Deposit", "Withdrawal"):
            self.collateral[event.account] = event.collateral
        elif name == "Accrued":
            self.marks[event.market] = event.mark
            self.funding[event.market] = (event.flow, event.funding_per_second, now)
        elif name == "Fill":
            flow = self.flow(event.market, now)
            for side in ("taker", "maker"):
                account = getattr(event, side)
                self.collateral[account] = getattr(event, f"{side}_collateral")
                size, entry = getattr(event, f"{side}_size"), getattr(event, f"{side}_entry")
                self.positions[account, event.market] = (size, entry, flow)
            self.fees[event.market] += event.taker_fee + event.maker_fee
            key = (f"OrderBook{event.market}", event.maker, event.order_id)
            self.orders[key] -= abs(event.size)
            if not self.orders[key]:
                del self.orders[key]
        elif name == "OrderPlaced":
            self.orders[contract, event.account, event.order_id] = event.size
        elif name == "OrderRemoved":
            del self.orders[contract, event.account, event.order_id]


ACTION = st.one_of(
    st.tuples(
        st.just("order"),
        st.integers(0, 2),
        st.integers(0, 1),
        st.sampled_from([1, -1]),
        st.integers(1, 5_000),
        st.integers(9_990, 10_010),
        st.booleans(),
    ),
    st.tuples(st.just("move"), st.integers(0, 1), st.integers(9_000, 11_000), st.integers(1, 3_000)),
    st.tuples(st.just("poke"), st.integers(0, 1), st.integers(1, 60)),
    st.tuples(st.just("deposit"), st.integers(0, 2), st.integers(1, 10**9)),
    st.tuples(st.just("withdraw"), st.integers(0, 2), st.integers(1, 10**9)),
    st.tuples(st.just("cancel"), st.integers(0, 2), st.integers(0, 1)),
)


@settings(max_examples=60)
@given(history=st.lists(ACTION, min_size=5, max_size=40), decimals=st.sampled_from([6, 18]))
def test_everything_can_be_rebuilt_from_the_log(history, decimals):
    with deployed(ProtocolParams(decimals=decimals, markets=MARKETS)) as exchange:
        replay = Replay()

        def read(sent):
            for contract, name, event in sent.events:
                replay.read(contract, name, event, exchange.now)

        actors = [exchange.actor(f"actor {i}") for i in range(3)]
        for actor in actors:
            read(actor.deposit(30_000))
        for market in (0, 1):
            read(exchange.move(10_000, market=market))
        for kind, *what in history:
            try:
                if kind == "order":
                    who, market, side, size, price, takes = what
                    options = {"kind": IOC} if takes else {}
                    amount = Decimal(size) / 1_000
                    read(actors[who].order(side, amount, price, market=market, **options))
                elif kind == "move":
                    market, price, seconds = what
                    read(exchange.move(price, after=seconds, market=market))
                elif kind == "poke":
                    exchange.wait(what[1])
                    read(exchange.poke(what[0]))
                elif kind == "cancel":
                    read(actors[what[0]].cancel_all(what[1]))
                elif kind == "deposit":
                    actors[what[0]].mint(1)
                    read(actors[what[0]].send(exchange.clearinghouse, "deposit", min(what[1], 10**decimals)))
                else:
                    read(actors[what[0]].send(exchange.clearinghouse, "withdraw", what[1]))
            except Revert:
                continue
        exchange.wait(7)
        assert replay.owners == {actor.account: actor.address for actor in actors}
        for actor in actors:
            assert replay.collateral[actor.account] == actor.collateral
            assert replay.equity(actor.account, exchange.now) == actor.equity
            for market in (0, 1):
                size, entry, _ = replay.positions.get((actor.account, market), (0, 0, 0))
                pending = replay.pending(actor.account, market, exchange.now)
                assert actor.position(market) == (size, entry, pending)
        for market in (0, 1):
            assert replay.fees[market] == sum(exchange.fees(market))
            assert replay.marks[market] == exchange.mark(market)
            book = exchange.books[market]
            live = {
                (book.name, actor.account, order): book.view("order", order).size
                for actor in actors
                for order in actor.orders(market)
            }
            assert live == {key: size for key, size in replay.orders.items() if key[0] == book.name}
        exchange.check_invariants()


@settings(max_examples=60)
@given(
    trades=st.lists(
        st.tuples(
            st.permutations([0, 1, 2]), st.integers(1, 9_000), st.integers(5_000, 15_000), st.booleans()
        ),
        min_size=1,
        max_size=12,
    )
)
def test_colluders_gain_nothing_at_a_fixed_price(trades):
    """However three of them trade among themselves, at whatever prices: together they never own more."""
    market = plain_market(taker_fee=wad("0.0003"), maker_fee=-wad("0.0003"))
    with deployed(ProtocolParams(markets=(market,))) as exchange:
        ring = [exchange.actor(f"colluder {i}", deposit=100_000) for i in range(3)]
        wealth = sum(actor.equity for actor in ring)
        for (maker, taker, _), size, price, buys in trades:
            side = 1 if buys else -1
            amount = Decimal(size) / 1_000
            try:
                ring[maker].order(-side, amount, price)
                ring[taker].order(side, amount, price)
            except Revert:
                pass
            for actor in ring:
                actor.cancel_all()
            now = sum(actor.equity for actor in ring)
            assert now <= wealth
            wealth = now
        exchange.check_invariants()
