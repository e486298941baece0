"""What the fuzz tests do: operations with small arguments, made concrete against the model's state.

A step is an operation's name and its arguments, so that a history is a list of plain data: drawn by
Hypothesis or by a seeded generator, replayed, and shrunk by leaving steps out.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple

from twins import Twins
from worlds import KEEPER, MAKERS, NAMES, World

from perpsim.protocol import MAX_UINT, WAD, wad

Step = tuple[str, tuple[int, ...]]


class Operation(NamedTuple):
    """How often it is drawn, its arguments' domains and what it does."""

    weight: int
    domains: tuple[tuple[int, ...], ...]
    run: Callable[..., None]


OPERATIONS: dict[str, Operation] = {}

WHO = tuple(range(len(NAMES)))
TRADER = tuple(range(8))
MARKET = (0, 1, 2)
SIDE = (1, -1)
FLAG = (0, 1)
#: size of an order in per cent of what the equity allows
USE = (0, 1, 7, 20, 50, 80, 95, 99, 110)
#: price of an order in parts per ten thousand of the mark, + worse for whoever takes it
OFFSET = (-900, -300, -100, -20, -3, 0, 0, 0, 3, 20, 100, 300, 900)
#: moves of the index, per mille
MOVE = (200, 500, 800, 900, 940, 950, 980, 990, 995, 999, 1_000, 1_001, 1_005, 1_010, 1_020, 1_050, 1_060,
        1_100, 1_250, 2_000, 5_000)  # fmt: skip


def operation(
    weight: int, **domains: tuple[int, ...]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """An operation of that weight, its arguments drawn from the domains."""

    def register(run: Callable[..., None]) -> Callable[..., None]:
        OPERATIONS[run.__name__] = Operation(weight, tuple(domains.values()), run)
        return run

    return register


def draw(rng: random.Random, names: list[str], weights: list[int]) -> Step:
    """A random step."""
    (name,) = rng.choices(names, weights)
    return name, tuple(rng.choice(domain) for domain in OPERATIONS[name].domains)


class Fuzz:
    """A history in the making."""

    def __init__(self, twins: Twins, world: World) -> None:
        self.twins = twins
        self.world = world
        self.prices = [wad(str(float(start))) for start in world.starts]
        twins.wait(12)
        for market, price in enumerate(self.prices):
            self.post(market, price)
        for who in WHO:
            self.deposit(who, 10**6 if who in MAKERS else 3_000 if who != KEEPER else 50)

    def run(self, step: Step) -> None:
        """Do a step."""
        name, args = step
        OPERATIONS[name].run(self, *args)

    # both at once

    def place(
        self,
        who: int,
        market: int,
        side: int,
        price: int,
        size: int,
        kind: int,
        reduce_only: int,
        expiry: int,
    ) -> Any:
        """Place an order."""
        twins, sender = self.twins, self.twins.senders[who]
        args = (side > 0, price, size, kind, bool(reduce_only), expiry)
        return twins.send(sender, twins.exchange.books[market], "place", args,
                          lambda: twins.model.place(sender, market, *args))  # fmt: skip

    def cancel_all(self, who: int, market: int) -> None:
        """Take back all orders."""
        twins, sender = self.twins, self.twins.senders[who]
        twins.send(sender, twins.exchange.books[market], "cancel_all", (),
                   lambda: twins.model.cancel_all(sender, market))  # fmt: skip

    def deposit(self, who: int, amount: int) -> None:
        """Deposit whole tokens."""
        self.deposit_units(who, amount * 10**self.twins.params.decimals)

    def deposit_units(self, who: int, units: int) -> None:
        """Deposit token units."""
        twins, sender = self.twins, self.twins.senders[who]
        twins.mint(sender, units)
        twins.send(sender, twins.exchange.clearinghouse, "deposit", (units,),
                   lambda: twins.model.deposit(sender, units))  # fmt: skip

    def post(self, market: int, price: int, age: int = 0) -> None:
        """Post an index price."""
        twins = self.twins
        args = (market, price, twins.now - age)
        if twins.send(twins.owner, twins.exchange.oracle, "post", args, lambda: twins.model.post(*args)):
            self.prices[market] = price

    def liquidate(self, who: int, account: int, market: int, most: int, deleverage: int) -> None:
        """Act as a keeper."""
        twins, sender = self.twins, self.twins.senders[who]
        args = (account, market, most, bool(deleverage))
        twins.send(sender, twins.exchange.liquidator, "liquidate", args,
                   lambda: twins.model.liquidate(sender, *args))  # fmt: skip

    def owner_sends(self, contract: str, function: str, args: tuple, model: Callable[[], Any]) -> None:
        """A transaction of the owner."""
        twins = self.twins
        twins.send(twins.owner, getattr(twins.exchange, contract), function, args, model)

    # sizes and prices

    def size_for(self, who: int, market: int, use: int) -> int:
        """A size on the lot grid; 0 per cent is the least."""
        model = self.twins.model
        params = self.twins.params.markets[market]
        account = model.account_of(self.twins.senders[who])
        equity = max(model.health(account)[0], WAD)
        wanted = equity * use // 100 * self.world.leverages[market] * WAD // model.market(market).mark
        return max(wanted // params.lot_size * params.lot_size, params.min_size)

    def price_at(self, market: int, side: int, offset: int) -> int:
        """A price on the tick grid, so far from the mark."""
        tick = self.twins.params.markets[market].tick_size
        price = self.twins.model.market(market).mark * (10_000 - side * offset) // 10_000
        return max(price // tick, 1) * tick

    def size_of(self, who: int, market: int) -> int:
        """Signed size of a position."""
        model = self.twins.model
        return model.seen(model.account_of(self.twins.senders[who]), market).size

    def move_to(self, market: int, price: int) -> None:
        """A new price for one market, the same for the others."""
        low, high = self.world.bounds[market]
        self.post(market, min(max(price, int(low * WAD)), int(high * WAD)))
        for other in MARKET:
            if other != market:
                self.post(other, self.prices[other])

    def unhealthy(self) -> list[int]:
        """Accounts below their maintenance margin."""
        model = self.twins.model
        found = []
        for account in model.state.accounts:
            equity, _, maintenance = model.health(account)
            if equity < maintenance:
                found.append(account)
        return found


# traders


@operation(20, who=TRADER, market=MARKET, side=SIDE, kind=(0, 0, 0, 1, 2, 3), offset=OFFSET, use=USE,
           reduce_only=(0, 0, 0, 1), expiry=(0, 0, 0, 1, 30))  # fmt: skip
def place(
    fuzz: Fuzz,
    who: int,
    market: int,
    side: int,
    kind: int,
    offset: int,
    use: int,
    reduce_only: int,
    expiry: int,
) -> None:
    """Any order."""
    fuzz.place(
        who, market, side, fuzz.price_at(market, side, offset), fuzz.size_for(who, market, use), kind,
        reduce_only, fuzz.twins.now + expiry if expiry else 0,
    )  # fmt: skip


@operation(1, who=WHO, market=MARKET, what=(0, 1, 2, 3, 4, 5))
def place_nonsense(fuzz: Fuzz, who: int, market: int, what: int) -> None:
    """An order that is no order."""
    params = fuzz.twins.params.markets[market]
    price, size = fuzz.price_at(market, 1, 0), params.min_size
    order = {
        0: (price + 1, size, 0, 0),
        1: (0, size, 0, 0),
        2: (price, size + 1, 0, 0),
        3: (price, 0, 0, 0),
        4: (price, size, 4, 0),
        5: (price, size, 0, fuzz.twins.now - 1),
    }[what]
    fuzz.place(who, market, 1, order[0], order[1], order[2], 0, order[3])


@operation(12, who=TRADER, other=TRADER, market=MARKET, side=SIDE, use=USE)
def meet(fuzz: Fuzz, who: int, other: int, market: int, side: int, use: int) -> None:
    """A trade at the mark: the size that `who` wants, against an order of `other`."""
    size = fuzz.size_for(who, market, use)
    price = fuzz.price_at(market, side, 0)
    fuzz.place(other, market, -side, price, size, 0, 0, 0)
    fuzz.place(who, market, side, price, size, 2, 0, 0)


@operation(6, who=TRADER, market=MARKET, width=(2, 10, 50, 200), use=USE)
def quote(fuzz: Fuzz, who: int, market: int, width: int, use: int) -> None:
    """A two-sided quote in two levels, in place of the last one."""
    fuzz.cancel_all(who, market)
    for side in SIDE:
        for level in (1, 2):
            price = fuzz.price_at(market, side, width * level)
            fuzz.place(who, market, side, price, fuzz.size_for(who, market, use), 1, 0, 0)


@operation(6, who=TRADER, market=MARKET, tenths=(1, 3, 7, 10, 11), offset=(-900, -100, 0, 20))
def close(fuzz: Fuzz, who: int, market: int, tenths: int, offset: int) -> None:
    """A reduce-only order out of a position, or of a part: at once, or resting."""
    size = fuzz.size_of(who, market)
    if size:
        side = -1 if size > 0 else 1
        lot = fuzz.twins.params.markets[market].lot_size
        part = abs(size) if tenths == 10 else abs(size) * tenths // 10 // lot * lot
        kind = 2 if offset < 0 else 0
        fuzz.place(who, market, side, fuzz.price_at(market, side, offset), max(part, 1), kind, 1, 0)


@operation(5, who=WHO, market=MARKET, which=tuple(range(9)))
def cancel(fuzz: Fuzz, who: int, market: int, which: int) -> None:
    """All orders, an own one, somebody else's, several, or none."""
    twins, sender = fuzz.twins, fuzz.twins.senders[who]
    book = twins.model.state.books[market]
    contract = twins.exchange.books[market]
    ids = list(book.orders)
    own = [order.id for order in book.orders_of(twins.model.account_of(sender))]
    if which == 0:
        fuzz.cancel_all(who, market)
    elif which == 1:
        args: list[int] = (own[:3] + ids[:1])[:4]
        twins.send(sender, contract, "cancel_many", (args,),
                   lambda: twins.model.cancel_many(sender, market, args))  # fmt: skip
    else:
        pool = own if which < 6 else ids
        order_id = pool[which % len(pool)] if pool else which
        twins.send(sender, contract, "cancel", (order_id,),
                   lambda: twins.model.cancel(sender, market, order_id))  # fmt: skip


@operation(4, who=WHO, other=WHO, thousandths=(0, 1, 13_000, 1_000_000, 25_000_500))
def deposit(fuzz: Fuzz, who: int, other: int, thousandths: int) -> None:
    """Collateral for oneself or for another."""
    twins, sender = fuzz.twins, fuzz.twins.senders[who]
    units = thousandths * 10**twins.params.decimals // 1_000
    units = 1 if thousandths == 1 else units
    twins.mint(sender, units)
    beneficiary = twins.senders[other]
    twins.send(sender, twins.exchange.clearinghouse, "deposit", (units, beneficiary),
               lambda: twins.model.deposit(sender, units, beneficiary))  # fmt: skip


@operation(5, who=WHO, tenths=(0, 1, 5, 10, 10, 11))
def withdraw(fuzz: Fuzz, who: int, tenths: int) -> None:
    """All that is allowed, a part of it, or more: a unit more is refused."""
    twins, sender = fuzz.twins, fuzz.twins.senders[who]
    most = twins.model.withdrawable(twins.model.account_of(sender))
    units = most + 1 if tenths == 11 else most * tenths // 10
    twins.send(sender, twins.exchange.clearinghouse, "withdraw", (units,),
               lambda: twins.model.withdraw(sender, units))  # fmt: skip


# time and prices


@operation(10, market=MARKET, per_mille=MOVE, odd=FLAG, after=(1, 12, 60))
def move(fuzz: Fuzz, market: int, per_mille: int, odd: int, after: int) -> None:
    """A block with new prices."""
    fuzz.twins.wait(after)
    fuzz.move_to(market, fuzz.prices[market] * per_mille // 1_000 + odd)


@operation(6, market=MARKET, per_mille=(15, 25, 60, 90, 120, 300, 700), side=SIDE, deleverage=FLAG,
           which=(0, 1, 2))  # fmt: skip
def crash(fuzz: Fuzz, market: int, per_mille: int, side: int, deleverage: int, which: int) -> None:
    """Against the longs or the shorts, and the keepers at once."""
    fuzz.twins.wait(12)
    fuzz.move_to(market, fuzz.prices[market] * (1_000 - side * per_mille) // 1_000)
    liquidate_the_unhealthy(fuzz, KEEPER, deleverage, which)


@operation(3, market=MARKET, per_mille=(900, 999, 1_001, 1_100), age=(0, 0, 1, 5, 61, -1))
def post(fuzz: Fuzz, market: int, per_mille: int, age: int) -> None:
    """A price that may be old, from the future, or the second in its block."""
    fuzz.post(market, fuzz.prices[market] * per_mille // 1_000, age)


@operation(3, seconds=(1, 12, 61, 121, 600, 3600, 8 * 3600))
def wait(fuzz: Fuzz, seconds: int) -> None:
    """Prices age, funding accrues."""
    fuzz.twins.wait(seconds)


@operation(3, market=MARKET)
def poke(fuzz: Fuzz, market: int) -> None:
    """Renew a mark."""
    twins = fuzz.twins
    twins.send(twins.senders[KEEPER], twins.exchange.clearinghouse, "poke", (market,),
               lambda: twins.model.poke(market))  # fmt: skip


@operation(4, after=(1, 12, 40))
def refresh(fuzz: Fuzz, after: int) -> None:
    """The same prices again."""
    fuzz.twins.wait(after)
    for market in MARKET:
        fuzz.post(market, fuzz.prices[market])


# keepers

MOST = (MAX_UINT, MAX_UINT, 0, 1, WAD // 100, 50 * WAD)


@operation(6, keeper=WHO, who=TRADER, market=MARKET, most=MOST, deleverage=FLAG)
def liquidate(fuzz: Fuzz, keeper: int, who: int, market: int, most: int, deleverage: int) -> None:
    """Somebody, healthy or not."""
    fuzz.liquidate(keeper, fuzz.twins.model.account_of(fuzz.twins.senders[who]), market, most, deleverage)


@operation(8, keeper=WHO, deleverage=FLAG, which=(0, 1, 2), most=MOST)
def liquidate_one(fuzz: Fuzz, keeper: int, deleverage: int, which: int, most: int) -> None:
    """One who is below the margin, in one market."""
    found = fuzz.unhealthy()
    if found:
        account = found[which % len(found)]
        held = sorted(fuzz.twins.model.state.accounts[account].positions)
        market = held[which % len(held)] if held else which
        fuzz.liquidate(keeper, account, market, most, deleverage)


@operation(4, keeper=WHO, deleverage=FLAG, which=(0, 1, 2))
def liquidate_the_unhealthy(fuzz: Fuzz, keeper: int, deleverage: int, which: int) -> None:
    """What a keeper does: whoever is below the margin, in all their markets."""
    for account in fuzz.unhealthy():
        for offset in MARKET:
            market = (which + offset) % 3
            if market in fuzz.twins.model.state.accounts[account].positions:
                fuzz.liquidate(keeper, account, market, MAX_UINT, deleverage)


@operation(3, keeper=WHO, which=(0, 1, 2, 3))
def deleverage(fuzz: Fuzz, keeper: int, which: int) -> None:
    """A bankrupt account, or somebody who is not."""
    twins, sender = fuzz.twins, fuzz.twins.senders[keeper]
    accounts = fuzz.unhealthy() or list(twins.model.state.accounts)
    args = (accounts[which % len(accounts)], which % 3)
    twins.send(sender, twins.exchange.liquidator, "deleverage", args,
               lambda: twins.model.deleverage(sender, *args))  # fmt: skip


# money of the exchange


@operation(4, market=MARKET, what=(0, 1, 2, 3, 4))
def treasury(fuzz: Fuzz, market: int, what: int) -> None:
    """Fees are swept and collected, debt is repaid, gifts are given."""
    twins, keeper = fuzz.twins, fuzz.twins.senders[KEEPER]
    exchange, model = twins.exchange, twins.model
    units = (0, 0, 0, 500, 50_000)[what] * 10**twins.params.decimals + what
    if what == 0:
        twins.send(keeper, exchange.clearinghouse, "sweep_fees", (market,), lambda: model.sweep_fees(market))
    elif what == 1:
        fuzz.owner_sends("parameters", "collect_treasury", (market, twins.owner),
                         lambda: model.collect_treasury(market))  # fmt: skip
    elif what == 2:
        twins.send(keeper, exchange.liquidator, "repay_bad_debt", (market,),
                   lambda: model.repay_bad_debt(market))  # fmt: skip
    else:
        twins.mint(twins.owner, units)
        fuzz.owner_sends("vault", "fund", (units,), lambda: model.fund(units))


__all__ = ["OPERATIONS", "Fuzz", "Step", "draw"]
