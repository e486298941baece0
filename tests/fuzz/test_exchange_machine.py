"""Random histories of the whole exchange: the invariants of SPECIFICATION.md, 10, hold after every step.

`HYPOTHESIS_PROFILE=explore pytest tests/fuzz` draws new and longer ones.
"""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from support import Actor, deployed, plain_market
from watched import Look, Watched

from perpsim.protocol import (
    MAX_UINT,
    WAD,
    FundingTerms,
    LiquidationParams,
    MarketTerms,
    ProtocolParams,
    Tier,
    VaultParams,
    wad,
)

FUNDING = FundingTerms(
    interest=wad("0.0001"),
    clamp=wad("0.0005"),
    cap=wad("0.0075"),
    band=wad("0.05"),
    basis_time=150,
    premium_time=3600,
)
LIQUIDATION = LiquidationParams(
    penalty_rate=wad("0.005"),
    buffer=wad("0.25"),
    full_threshold=wad("0.666666"),
    max_slippage=wad("0.1"),
    cover_slippage=wad("0.03"),
    surplus_share=0,
    reward_rate=wad("0.001"),
    full_below=wad(1_000),
    reward_min=wad(2),
    reward_max=wad(1_000),
)
DEAR = plain_market(
    tick_size=wad("0.01"),
    lot_size=wad("0.001"),
    min_size=wad("0.002"),
    max_orders=12,
    open_interest_cap=wad(2_000),
    terms=MarketTerms(maker_fee=wad("0.0002"), taker_fee=wad("0.0005"), vault_share=1_000, max_age=60),
    funding=FUNDING,
    tiers=(
        Tier(wad(200_000), wad("0.1"), wad("0.05")),
        Tier(wad(10**7), wad("0.2"), wad("0.1"), wad(10_000)),
    ),
    liquidation=LIQUIDATION,
)
CHEAP = plain_market(
    tick_size=wad("0.000001"),
    lot_size=wad(1),
    min_size=wad(1),
    max_orders=12,
    open_interest_cap=wad(10**8),
    terms=MarketTerms(maker_fee=-wad("0.0001"), taker_fee=wad("0.0003"), vault_share=5_000, max_age=120),
    funding=FUNDING._replace(band=wad("0.1"), cap=wad("0.05")),
    tiers=(Tier(wad(10**8), wad("0.02"), wad("0.01")),),
    liquidation=LIQUIDATION._replace(
        penalty_rate=wad("0.01"), surplus_share=wad("0.3"), full_threshold=0, reward_min=0
    ),
)
#: index prices stay in these bounds (whole units)
BOUNDS = ((Decimal("20"), Decimal("150000")), (Decimal("0.0005"), Decimal("16")))
STARTS = (Decimal(10_000), Decimal("1.2"))
NAMES = ("ann", "bob", "cat", "dan", "eve", "fay", "gus", "hal")
EXPLORING = settings.default is not None and settings.default.max_examples > 100
#: where to note what each history has done, for whoever wants to know what they reach
LOG = os.environ.get("PERPSIM_FUZZ_LOG")

WHO = st.integers(0, len(NAMES) - 1)
MARKET = st.integers(0, 1)
SIDE = st.sampled_from([1, -1])
#: size of an order in per cent of what the equity allows
USE = st.sampled_from([1, 20, 50, 80, 95, 99, 110])
HEAVY = st.sampled_from([60, 90, 97])
LEVERAGES = (10, 50)
#: price of an order in parts per ten thousand of the mark, + worse for whoever takes it
OFFSET = st.sampled_from([-900, -300, -100, -20, -3, 0, 0, 3, 20, 100, 300, 900])
#: moves of the index, in per mille
MOVE = st.sampled_from([200, 500, 800, 900, 940, 950, 980, 990, 995, 999, 1_001, 1_005, 1_010, 1_020, 1_050,
                        1_060, 1_100, 1_250, 2_000, 5_000])  # fmt: skip


class ExchangeMachine(RuleBasedStateMachine):
    """Eight traders, a keeper, an owner, two markets."""

    decimals = 6

    def __init__(self) -> None:
        super().__init__()
        params = ProtocolParams(
            decimals=self.decimals,
            markets=(DEAR, CHEAP),
            vault=VaultParams(breaker_trip=wad("0.5"), breaker_resume=wad("0.25")),
        )
        self._context = deployed(params)
        self.exchange = self._context.__enter__()
        self.actors: list[Actor] = []
        self.prices = list(STARTS)
        self.taken = 0

    def teardown(self) -> None:
        try:
            if self.actors:
                self.finish()
        finally:
            self._context.__exit__(None, None, None)

    # set-up

    @initialize(
        stakes=st.lists(st.sampled_from([150, 1_000, 5_000, 20_000]), min_size=6, max_size=6),
        fund=st.sampled_from([0, 10, 2_000, 10**6]),
        pairs=st.lists(st.tuples(st.integers(0, 5), MARKET, SIDE, HEAVY), min_size=4, max_size=10),
    )
    def open_up(self, stakes: list[int], fund: int, pairs: list[tuple[int, int, int, int]]) -> None:
        """Two rich makers, six others, some positions, a two-sided book."""
        exchange = self.exchange
        exchange.wait(12)
        for market, price in enumerate(STARTS):
            exchange.owner.send(exchange.oracle, "post", market, wad(price), exchange.now)
        for name, stake in zip(NAMES, [*stakes, 10**6, 10**5]):
            self.actors.append(exchange.actor(name, deposit=stake))
        self.keeper = exchange.actor("keeper", deposit=100)
        if fund:
            units = fund * 10**self.decimals
            exchange.owner.send(exchange.token, "mint", exchange.owner.address, units)
            exchange.owner.send(exchange.token, "approve", exchange.vault.address, MAX_UINT)
            exchange.owner.send(exchange.vault, "fund", units)
        self.watched = Watched.over(exchange)
        self.watched.marks()
        for who, market, side, use in pairs:
            self.meet(who, 6, market, side, use)
        for market in (0, 1):
            self.make(6, market, 50, 10)

    # helpers

    def trade(self, actor: Actor, contract: Any, function: str, *args: Any) -> Any:
        """A user's transaction at a fixed price and time, checked."""
        before = self.watched.look()
        sent = self.watched.send(actor, contract, function, *args)
        after = self.watched.look()
        self.watched.check_trade(before, after, sent, actor.account)
        if sent is not None and function == "place":
            self.watched.check_no_gain(before, after, sent, self.dust_of(sent))
        self.watched.check(after)
        return sent

    def dust_of(self, sent: Any) -> int:
        """What one transaction's fills may round away (WAD)."""
        dust = 20 * (1 + len(sent.named("Fill")))
        if sent.named("EpochStarted"):
            # what was open then is dust, closed at the mark
            dust += 2 * 10**9 * max(self.watched.highest) // WAD
        return dust

    def size_for(self, actor: Actor, market: int, use: int) -> int:
        """A size on the lot grid."""
        params = self.exchange.params.markets[market]
        mark = self.exchange.mark(market)
        wanted = max(actor.equity, WAD) * use // 100 * LEVERAGES[market] * WAD // mark
        return max(wanted // params.lot_size * params.lot_size, params.min_size)

    def price_at(self, market: int, side: int, offset: int) -> int:
        """A price on the tick grid, so far from the mark; WAD."""
        tick = self.exchange.params.markets[market].tick_size
        price = self.exchange.mark(market) * (10_000 - side * offset) // 10_000
        return max(price // tick, 1) * tick

    def check_now(self) -> None:
        self.watched.marks()
        self.watched.check(self.watched.look())

    # traders

    @rule(
        who=WHO,
        market=MARKET,
        side=SIDE,
        kind=st.integers(0, 3),
        offset=OFFSET,
        use=USE,
        reduce_only=st.booleans(),
        expiry=st.sampled_from([0, 0, 0, 1, 30]),
    )
    def place(
        self,
        who: int,
        market: int,
        side: int,
        kind: int,
        offset: int,
        use: int,
        reduce_only: bool,
        expiry: int,
    ) -> None:
        actor = self.actors[who]
        self.trade(
            actor,
            self.exchange.protocol.books[market],
            "place",
            side > 0,
            self.price_at(market, side, offset),
            self.size_for(actor, market, use),
            kind,
            reduce_only,
            self.exchange.now + expiry if expiry else 0,
        )

    @rule(who=WHO, other=WHO, market=MARKET, side=SIDE, use=USE)
    def meet(self, who: int, other: int, market: int, side: int, use: int) -> None:
        """A trade at the mark: the size that `who` wants, against an order of `other`."""
        book = self.exchange.protocol.books[market]
        size = self.size_for(self.actors[who], market, use)
        price = self.price_at(market, side, 0)
        self.trade(self.actors[other], book, "place", side < 0, price, size, 0, False, 0)
        self.trade(self.actors[who], book, "place", side > 0, price, size, 2, False, 0)

    @rule(who=WHO, market=MARKET, width=st.sampled_from([2, 10, 50, 200]), use=USE)
    def make(self, who: int, market: int, width: int, use: int) -> None:
        """A two-sided quote in two levels, in place of the last one."""
        self.trade(self.actors[who], self.exchange.protocol.books[market], "cancel_all")
        for side in (1, -1):
            for level in (1, 2):
                self.place(who, market, side, 1, width * level, use, False, 0)

    @rule(who=WHO, market=MARKET, share=st.sampled_from([1, 3, 10]))
    def close(self, who: int, market: int, share: int) -> None:
        """A market order out of a position, or of a part."""
        actor = self.actors[who]
        size = actor.size(market)
        if size:
            side = -1 if size > 0 else 1
            book = self.exchange.protocol.books[market]
            part = max(abs(size) * share // 10, 1)
            self.trade(actor, book, "place", side > 0, self.price_at(market, side, -900), part, 2, True, 0)

    @rule(who=WHO, market=MARKET, which=st.integers(0, 7))
    def cancel(self, who: int, market: int, which: int) -> None:
        book = self.exchange.protocol.books[market]
        if which == 7:
            self.trade(self.actors[who], book, "cancel_all")
            return
        orders = self.actors[(who + which // 5) % len(NAMES)].orders(market)
        if orders:
            self.trade(self.actors[who], book, "cancel", orders[which % len(orders)])

    @rule(who=WHO, amount=st.sampled_from(["0.000001", "13", "1000", "25000.5"]))
    def deposit(self, who: int, amount: str) -> None:
        actor = self.actors[who]
        units = actor.mint(amount)
        before = self.watched.look()
        self.watched.send(actor, self.exchange.clearinghouse, "deposit", units)
        after = self.watched.look()
        gained = after[actor.account].equity - before[actor.account].equity
        assert gained == units * self.exchange.unit()
        self.watched.check(after)

    @rule(who=WHO, tenths=st.integers(1, 11))
    def withdraw(self, who: int, tenths: int) -> None:
        """All that is allowed, a part of it, or more: a unit more is refused."""
        actor = self.actors[who]
        most = actor.withdrawable
        units = most + 1 if tenths == 11 else most * tenths // 10
        sent = self.trade(actor, self.exchange.clearinghouse, "withdraw", units)
        assert (sent is not None) == (0 < units <= most)

    # time and prices

    def post(self, market: int, price: Decimal) -> None:
        self.prices[market] = price
        owner, oracle = self.exchange.owner, self.exchange.oracle
        assert self.watched.send(owner, oracle, "post", market, wad(price), self.exchange.now)

    def move_to(self, market: int, price: Decimal, after: int) -> None:
        """A new price for one market, the same for the other."""
        self.exchange.wait(after)
        low, high = BOUNDS[market]
        self.post(market, min(max(price, low), high).quantize(Decimal("1e-18")))
        self.post(1 - market, self.prices[1 - market])
        self.check_now()

    @rule(market=MARKET, per_mille=MOVE, odd=st.integers(0, 1), after=st.sampled_from([1, 12, 60]))
    def move(self, market: int, per_mille: int, odd: int, after: int) -> None:
        self.move_to(market, self.prices[market] * per_mille / 1_000 + odd * Decimal("1e-18"), after)

    @rule(
        market=MARKET,
        per_mille=st.sampled_from([15, 25, 60, 90, 120, 300, 700]),
        side=SIDE,
        deleverage=st.booleans(),
        which=st.integers(0, 3),
    )
    def crash(self, market: int, per_mille: int, side: int, deleverage: bool, which: int) -> None:
        """Against the longs or the shorts, and the keepers at once."""
        self.move_to(market, self.prices[market] * (1_000 - side * per_mille) / 1_000, 12)
        self.liquidate_the_unhealthy(deleverage, which)

    @rule(seconds=st.sampled_from([1, 12, 61, 600, 8 * 3600]))
    def wait(self, seconds: int) -> None:
        """Prices age, funding accrues."""
        self.exchange.wait(seconds)
        self.check_now()

    @rule(market=MARKET)
    def poke(self, market: int) -> None:
        self.watched.send(self.keeper, self.exchange.clearinghouse, "poke", market)
        self.check_now()

    @rule()
    def refresh(self) -> None:
        self.exchange.wait(12)
        for market in (0, 1):
            self.post(market, self.prices[market])
        self.check_now()

    # keepers

    def liquidate(self, account: int, market: int, most: int, deleverage: bool) -> None:
        before = self.watched.look()
        liquidator = self.exchange.liquidator
        closable = liquidator.view("closable", account, market)
        sent = self.watched.send(self.keeper, liquidator, "liquidate", account, market, most, deleverage)
        after = self.watched.look()
        self.check_liquidation(before, after, sent, account, market, closable)
        self.watched.check(after)

    def check_liquidation(
        self,
        before: dict[int, Look],
        after: dict[int, Look],
        sent: Any,
        account: int,
        market: int,
        closable: int,
    ) -> None:
        """7: every leg of the waterfall is where the log says, and the account ends where they lead."""
        then, now = before[account], after[account]
        if sent is None:
            assert after == before
            return
        assert then.excess < 0
        event = sent.event("Liquidated")
        assert event.equity_before == then.equity and event.maintenance_before == then.maintenance
        fills, receipts = sent.named("Fill"), sent.named("DeleverageReceipt")
        debts, rewards = sent.named("BadDebtBooked"), sent.named("RewardPaid")
        closed = sum(abs(fill.size) for fill in fills) + sum(receipt.quantity for receipt in receipts)
        assert event.closed == closed <= closable
        assert then.sizes[market] - now.sizes[market] == (closed if then.sizes[market] > 0 else -closed)
        mark = self.exchange.mark(market)
        gained = sum(fill.size * (mark - fill.price) // WAD - fill.taker_fee for fill in fills)
        gained += sum(receipt.haircut for receipt in receipts)
        gained += sum(debt.deficit for debt in debts)
        slack = 10 * (len(fills) + 2)
        assert abs(now.equity - then.equity - gained) <= slack, (now.equity, then.equity, gained)
        assert sum(max(fill.taker_fee, 0) for fill in fills) == event.penalty
        assert sum(max(-fill.taker_fee, 0) for fill in fills) == event.cover
        # the penalty never makes a solvent account insolvent, the cover never makes an insolvent one rich
        if then.equity >= 0:
            assert now.equity >= 0 and not receipts and not debts
        elif event.cover or receipts:
            assert now.equity <= slack
        for receipt in receipts:
            assert then.equity < 0
            assert 0 <= receipt.haircut <= receipt.deficit
            # the winners bear what the position has lost, and no debt from elsewhere
            loss = max(then.entries[market] - then.sizes[market] * mark // WAD, 0)
            assert receipt.haircut <= loss
            alone = all(size == 0 for m, size in enumerate(then.sizes) if m != market)
            if alone and not fills:
                assert receipt.haircut == min(receipt.deficit, loss)
        # the account bears nothing that is not in the log; nobody ends flat and in debt after deleveraging
        if receipts and not any(now.sizes):
            assert now.money >= 0
        paid = sum(reward.amount for reward in rewards if "account" in reward._fields)
        assert event.reward <= event.notional * LIQUIDATION.penalty_rate * 2 // WAD
        assert paid >= event.reward
        # makers stay above their maintenance margin; deleveraging may push its own other side below
        if not receipts and not debts:
            for other, was in before.items():
                if other != account and was.excess >= 0:
                    assert after[other].excess >= 0

    @rule(
        who=WHO,
        market=MARKET,
        most=st.sampled_from([MAX_UINT, MAX_UINT, 0, 1, WAD // 100, 50 * WAD]),
        deleverage=st.booleans(),
    )
    def liquidate_somebody(self, who: int, market: int, most: int, deleverage: bool) -> None:
        self.liquidate(self.actors[who].account, market, most, deleverage)

    @rule(deleverage=st.booleans(), which=st.integers(0, 3))
    def liquidate_the_unhealthy(self, deleverage: bool, which: int) -> None:
        """What a keeper does: whoever is below the margin, in one of their markets."""
        unhealthy = [a for a, look in self.watched.look().items() if look.excess < 0]
        for account in unhealthy[which:] + unhealthy[:which]:
            for market in (which % 2, 1 - which % 2):
                self.liquidate(account, market, MAX_UINT, deleverage)

    @rule(who=WHO, market=MARKET)
    def deleverage(self, who: int, market: int) -> None:
        account = self.actors[who].account
        before = self.watched.look()
        closable = self.exchange.liquidator.view("closable", account, market)
        sent = self.watched.send(self.keeper, self.exchange.liquidator, "deleverage", account, market)
        after = self.watched.look()
        self.check_liquidation(before, after, sent, account, market, closable)
        self.watched.check(after)

    # money of the exchange

    @rule(market=MARKET, what=st.sampled_from(["sweep", "collect", "repay", "fund"]))
    def treasury(self, market: int, what: str) -> None:
        exchange, owner = self.exchange, self.exchange.owner
        if what == "sweep":
            self.watched.send(self.keeper, exchange.clearinghouse, "sweep_fees", market)
        elif what == "collect":
            self.watched.send(owner, exchange.parameters, "collect_treasury", market, owner.address)
        elif what == "repay":
            self.watched.send(self.keeper, exchange.liquidator, "repay_bad_debt", market)
        else:
            owner.send(exchange.token, "mint", owner.address, 500 * 10**self.decimals)
            owner.send(exchange.token, "approve", exchange.vault.address, MAX_UINT)
            self.watched.send(owner, exchange.vault, "fund", 500 * 10**self.decimals)
        self.check_now()

    @rule(
        market=MARKET,
        what=st.sampled_from(["fees", "funding", "tiers", "close-only", "cap", "liquidation", "vault"]),
        on=st.booleans(),
    )
    def parameters(self, market: int, what: str, on: bool) -> None:
        """Change a term and change it back some time."""
        exchange, owner = self.exchange, self.exchange.owner
        terms = exchange.params.markets[market]
        parameters = exchange.parameters
        if what == "fees":
            changed = (
                terms.terms._replace(maker_fee=wad("0.001"), taker_fee=wad("0.002")) if on else terms.terms
            )
            self.watched.send(owner, parameters, "set_terms", market, changed)
        elif what == "funding":
            wild = terms.funding._replace(interest=wad("0.02"), cap=wad("0.5"), clamp=wad("0.1"))
            self.watched.send(owner, parameters, "set_funding_terms", market, wild if on else terms.funding)
        elif what == "tiers":
            harder = [Tier(wad(10**8), wad("0.3"), wad("0.15"))]
            self.watched.send(
                owner, parameters, "set_margin_tiers", market, harder if on else list(terms.tiers)
            )
        elif what == "close-only":
            self.watched.send(owner, parameters, "set_close_only", market, on)
        elif what == "cap":
            cap = 0 if on else terms.open_interest_cap
            self.watched.send(owner, parameters, "set_open_interest_cap", market, cap)
        elif what == "liquidation":
            wild_terms = terms.liquidation._replace(
                surplus_share=WAD, full_threshold=WAD, cover_slippage=terms.liquidation.max_slippage
            )
            wanted = wild_terms if on else terms.liquidation
            self.watched.send(owner, exchange.liquidator, "set_params", market, wanted)
        else:
            self.watched.send(owner, exchange.vault, "set_cap", market, 100 * 10**self.decimals if on else 0)
        self.check_now()

    # the end

    def finish(self) -> None:
        """10: from any state keepers bring every bankrupt account to an end."""
        self.refresh()
        for _ in range(8):
            bankrupt = [a for a, look in self.watched.look().items() if look.equity < 0]
            if not bankrupt:
                break
            for account in bankrupt:
                for market in (0, 1):
                    self.liquidate(account, market, MAX_UINT, True)
        else:
            # deleveraging by index ruins others in turn: each round closes whom it finds
            left = [a for a, look in self.watched.look().items() if look.equity < 0]
            assert not left, f"still bankrupt: {left}"
        if LOG:
            with open(LOG, "a") as log:
                log.write(repr((self.watched.calls, self.watched.seen)) + "\n")


class EighteenDecimals(ExchangeMachine):
    """The same with a collateral whose unit is a wei."""

    decimals = 18


_SETTINGS = (
    settings(max_examples=settings.default.max_examples, stateful_step_count=80)
    if EXPLORING
    else settings(max_examples=40, stateful_step_count=50)
)
ExchangeMachine.TestCase.settings = _SETTINGS
EighteenDecimals.TestCase.settings = _SETTINGS
TestExchange = ExchangeMachine.TestCase
TestEighteenDecimals = EighteenDecimals.TestCase
