"""What the fuzz tests do: operations with small arguments, made concrete against the model's state.

A step is an operation's name and its arguments, so that a history is a list of plain data: drawn by
Hypothesis or by a seeded generator, replayed, and shrunk by leaving steps out.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple

from invariants import Broken
from reference import Refused
from reference.policies import POLICIES
from reference.terms import DeleverageTerms, Funding, LiquidationTerms, Terms, Tier
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

#: rounds of keepers' work at the end of a history
ROUNDS = 20

WHO = tuple(range(len(NAMES)))
TRADER = tuple(range(8))
MARKET = (0, 1, 2)
SIDE = (1, -1)
FLAG = (0, 1)
#: size of an order in per cent of what the free equity allows
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


def draw(rng: random.Random) -> Step:
    """A random step."""
    (name,) = rng.choices(list(OPERATIONS), [operation.weight for operation in OPERATIONS.values()])
    return name, tuple(rng.choice(domain) for domain in OPERATIONS[name].domains)


class Fuzz:
    """A history in the making."""

    def __init__(self, twins: Twins, world: World) -> None:
        self.twins = twins
        self.world = world
        self.prices = [int(start * WAD) for start in world.starts]
        twins.wait(12)
        self.move_to(0, self.prices[0])
        self.owner_sends("vault", "set_staking", (True,), lambda: twins.model.set_staking(True))
        times = (3_600, 90 * 86_400)
        self.owner_sends("vault", "set_withdrawal_times", times,
                         lambda: twins.model.set_withdrawal_times(*times))  # fmt: skip
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

    def finish(self) -> None:
        """From any state keepers make progress, until nobody is bankrupt: invariant 10. Deleveraging ruins
        others in turn, so it takes some rounds."""
        model = self.twins.model
        for _ in range(ROUNDS):
            self.twins.wait(12)
            self.move_to(0, self.prices[0])
            for market in MARKET:
                open_list = model.market(market).open_list
                if open_list:
                    self.deleverage_by_list(KEEPER, open_list.account, market)
            bankrupt = [number for number in model.state.accounts if model.health(number)[0] < 0]
            if not bankrupt:
                return
            before = {number: account.copy() for number, account in model.state.accounts.items()}
            for account in bankrupt:
                for market in sorted(model.state.accounts[account].positions):
                    if model.health(account)[0] >= 0:
                        break
                    self.deleverage_by_list(KEEPER, account, market)
                    if market in model.state.accounts[account].positions and model.health(account)[0] < 0:
                        self.liquidate(KEEPER, account, market, MAX_UINT, 1)
            if before == model.state.accounts:
                raise Broken(f"invariant 10: no keeper helps {bankrupt}")
        raise Broken(f"invariant 10: still bankrupt after {ROUNDS} rounds: {bankrupt}")

    def share_by(self, market: int, policy: str | None, timeout: int, list_from: int) -> None:
        """Share out in another way, or by index."""
        twins = self.twins
        address = twins.exchange.protocol.policies[policy].address if policy else "0x" + 40 * "0"
        terms = DeleverageTerms(policy, timeout, wad(list_from))
        self.owner_sends("liquidator", "set_deleverage_terms", (market, (address, timeout, wad(list_from))),
                         lambda: twins.model.set_deleverage_terms(market, terms))  # fmt: skip

    def deleverage_by_list(self, who: int, account: int, market: int) -> None:
        """Hand in the whole other side."""
        twins, sender = self.twins, self.twins.senders[who]
        listed = self.honest_list(account, market)
        twins.send(sender, twins.exchange.liquidator, "deleverage_by_list", (account, market, packed(listed)),
                   lambda: twins.model.deleverage_by_list(sender, account, market, listed))  # fmt: skip

    # sizes and prices

    def size_for(self, who: int, market: int, use: int) -> int:
        """A size on the lot grid; 0 per cent is the least."""
        model = self.twins.model
        params = self.twins.params.markets[market]
        account = model.account_of(self.twins.senders[who])
        equity, initial, _ = model.health(account)
        notional = max(equity - initial, WAD) * use // 100 * self.world.leverages[market]
        wanted = notional * WAD // model.market(market).mark
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
        prices = list(self.prices)
        prices[market] = min(max(price, int(low * WAD)), int(high * WAD))
        twins = self.twins
        args = (list(MARKET), prices, twins.now)
        if twins.send(
            twins.owner, twins.exchange.oracle, "post_many", args, lambda: twins.model.post_many(*args)
        ):
            self.prices = prices

    def bankrupt(self, which: int) -> tuple[int, int]:
        """A bankrupt account and a market of its, if there is one."""
        model = self.twins.model
        accounts = [n for n in model.state.accounts if model.health(n)[0] < 0] or list(model.state.accounts)
        account = accounts[which % len(accounts)]
        held = sorted(model.state.accounts[account].positions)
        by_list = [number for number in held if model.market(number).deleverage.policy]
        pool = by_list or held
        return account, pool[which % len(pool)] if pool else which % 3

    def anybody_bankrupt(self) -> bool:
        """Whether an account owes more than it has."""
        model = self.twins.model
        return any(model.health(account)[0] < 0 for account in model.state.accounts)

    def anything_frozen(self) -> bool:
        """Whether a list is open."""
        return any(market.open_list for market in self.twins.model.state.markets)

    def honest_list(self, account: int, market: int) -> list[int]:
        """The other side in order; nobody where nothing is shared out by list."""
        model = self.twins.model
        if model.market(market).deleverage.policy is None or model.health(account)[0] >= 0:
            return []
        return model.honest_list(account, market)

    def frozen(self, market: int) -> int:
        """A market with an open list, if there is one."""
        found = [m.number for m in self.twins.model.state.markets if m.open_list]
        return found[market % len(found)] if found else market

    def missing(self, market: int) -> tuple[list[int], list[int]]:
        """Who is missing in an open list, and the account that each comes after (0: the first)."""
        open_list = self.twins.model.market(market).open_list
        if open_list is None:
            return [], []
        order = self.honest_list(open_list.account, market)
        accounts, hints = [], []
        there = {row.account for row in open_list.rows}
        for at, account in enumerate(order):
            if account not in open_list.known:
                accounts.append(account)
                hints.append(next((other for other in reversed(order[:at]) if other in there), 0))
                there.add(account)
        return accounts, hints

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


@operation(6, who=TRADER, thousands=(1, 3, 20))
def top_up(fuzz: Fuzz, who: int, thousands: int) -> None:
    """New money for who has lost his."""
    model = fuzz.twins.model
    if model.health(model.account_of(fuzz.twins.senders[who]))[0] < 500 * WAD:
        fuzz.deposit(who, thousands * 1_000)


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
    fuzz.move_to(0, fuzz.prices[0])


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


@operation(8, keeper=WHO, which=(0, 1, 2, 3), defect=(0, 0, 0, 0, 0, 1, 2, 3, 4, 5))
def deleverage_by_list(fuzz: Fuzz, keeper: int, which: int, defect: int) -> None:
    """A bankrupt account, with the whole other side in order, or with a list that is not that."""
    if not fuzz.anybody_bankrupt() and keeper:
        return
    twins, sender = fuzz.twins, fuzz.twins.senders[keeper]
    account, market = fuzz.bankrupt(which)
    listed = fuzz.honest_list(account, market)
    if defect and listed:
        at = which % len(listed)
        if defect == 1:
            del listed[at]
        elif defect == 2:
            listed.insert(at, listed[at])
        elif defect == 3:
            listed.reverse()
        elif defect == 4:
            listed.append(account)
        else:
            listed.append(77)
    twins.send(sender, twins.exchange.liquidator, "deleverage_by_list", (account, market, packed(listed)),
               lambda: twins.model.deleverage_by_list(sender, account, market, listed))  # fmt: skip


@operation(6, keeper=WHO, which=(0, 1, 2, 3))
def open_list(fuzz: Fuzz, keeper: int, which: int) -> None:
    """Freeze a market for a list."""
    if not fuzz.anybody_bankrupt() and keeper:
        return
    twins, sender = fuzz.twins, fuzz.twins.senders[keeper]
    args = fuzz.bankrupt(which)
    twins.send(sender, twins.exchange.liquidator, "open_list", args,
               lambda: twins.model.open_list(sender, *args))  # fmt: skip


@operation(12, keeper=WHO, market=MARKET, count=(1, 2, 8), hinted=FLAG, odd=(0, 0, 0, 0, 1, 2, 3))
def hand_in(fuzz: Fuzz, keeper: int, market: int, count: int, hinted: int, odd: int) -> None:
    """Some who are missing in the list of an open market, or somebody odd."""
    if not fuzz.anything_frozen() and keeper:
        return
    twins, sender = fuzz.twins, fuzz.twins.senders[keeper]
    market = fuzz.frozen(market)
    accounts, hints = fuzz.missing(market)
    accounts = accounts[-count:] if hinted else accounts[:count]
    hints = hints[-count:] if hinted else [0] * len(accounts)
    if odd == 1:
        accounts, hints = accounts + accounts[:1], hints + hints[:1]
    elif odd == 2:
        accounts, hints = [*accounts, 1 + (keeper + count) % 8], [*hints, 77]
    elif odd == 3:
        hints = hints[1:]
    args = (market, accounts, hints)
    twins.send(sender, twins.exchange.liquidator, "hand_in", args,
               lambda: twins.model.hand_in(sender, *args))  # fmt: skip


@operation(6, keeper=WHO, market=MARKET, count=(0, 1, 2, 64))
def execute_list(fuzz: Fuzz, keeper: int, market: int, count: int) -> None:
    """Serve the first of a list."""
    if not fuzz.anything_frozen() and keeper:
        return
    twins, sender = fuzz.twins, fuzz.twins.senders[keeper]
    args = (fuzz.frozen(market), count)
    twins.send(sender, twins.exchange.liquidator, "execute_list", args,
               lambda: twins.model.execute_list(sender, *args))  # fmt: skip


@operation(2, keeper=WHO, market=MARKET)
def end_list(fuzz: Fuzz, keeper: int, market: int) -> None:
    """End a list."""
    if not fuzz.anything_frozen() and keeper:
        return
    twins, sender = fuzz.twins, fuzz.twins.senders[keeper]
    args = (fuzz.frozen(market),)
    twins.send(sender, twins.exchange.liquidator, "end_list", args,
               lambda: twins.model.end_list(sender, *args))  # fmt: skip


@operation(4, keeper=WHO, market=MARKET, per_mille=(120, 300, 700), side=SIDE, whole=FLAG)
def crash_and_list(fuzz: Fuzz, keeper: int, market: int, per_mille: int, side: int, whole: int) -> None:
    """A crash, and who is bankrupt is deleveraged by list, in one call or in several."""
    fuzz.twins.wait(12)
    fuzz.move_to(market, fuzz.prices[market] * (1_000 - side * per_mille) // 1_000)
    for which in range(4):
        if whole:
            deleverage_by_list(fuzz, keeper, which, 0)
        else:
            open_list(fuzz, keeper, which)
            hand_in(fuzz, keeper, market, 8, 0, 0)
            execute_list(fuzz, keeper, market, 2)
            execute_list(fuzz, keeper, market, 64)


@operation(
    8, market=MARKET, policy=tuple(range(-1, 7)), timeout=(60, 300, 3_600), list_from=(0, 0, 100, 20_000)
)
def share_by(fuzz: Fuzz, market: int, policy: int, timeout: int, list_from: int) -> None:
    """Another way to share out, or by index."""
    names = sorted(POLICIES)
    fuzz.share_by(market, names[policy] if policy >= 0 else None, timeout, list_from)


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


@operation(2, who=WHO, holder=(0, 1), amount=(1, 1_000_000))
def donate(fuzz: Fuzz, who: int, holder: int, amount: int) -> None:
    """Tokens that nobody asked for change nothing."""
    twins, sender = fuzz.twins, fuzz.twins.senders[who]
    receiver = (twins.exchange.clearinghouse, twins.exchange.vault)[holder].address
    twins.mint(sender, amount)

    def given() -> bool:
        twins.model.state.tokens[("clearinghouse", "vault")[holder]] += amount
        twins.donated[("clearinghouse", "vault")[holder]] += amount
        return True

    twins.send(sender, twins.exchange.token, "transfer", (receiver, amount), given)


# stakers


@operation(6, who=TRADER, other=TRADER, what=(0, 0, 1), tokens=(0, 1, 100, 10_000))
def stake(fuzz: Fuzz, who: int, other: int, what: int, tokens: int) -> None:
    """Join the vault, by an amount of tokens or of shares."""
    twins, sender = fuzz.twins, fuzz.twins.senders[who]
    receiver = twins.senders[other]
    units = tokens * 10**twins.params.decimals + tokens % 7
    if what == 0:
        twins.mint(sender, units)
        twins.send(sender, twins.exchange.vault, "deposit", (units, receiver),
                   lambda: twins.model.stake(sender, units, receiver))  # fmt: skip
    else:
        shares = twins.model.to_shares(units)
        twins.mint(sender, units + 1)
        twins.send(sender, twins.exchange.vault, "mint", (shares, receiver),
                   lambda: twins.model.mint_shares(sender, shares, receiver))  # fmt: skip


@operation(5, who=TRADER, tenths=(0, 1, 5, 10, 10, 11))
def request_withdraw(fuzz: Fuzz, who: int, tenths: int) -> None:
    """Ask to leave."""
    twins, sender = fuzz.twins, fuzz.twins.senders[who]
    shares = twins.model.shares_of(sender) * tenths // 10
    twins.send(sender, twins.exchange.vault, "request_withdraw", (shares,),
               lambda: twins.model.request_withdraw(sender, shares))  # fmt: skip


@operation(1, who=TRADER)
def cancel_withdraw(fuzz: Fuzz, who: int) -> None:
    """Stay after all."""
    twins, sender = fuzz.twins, fuzz.twins.senders[who]
    twins.send(sender, twins.exchange.vault, "cancel_withdraw", (),
               lambda: twins.model.cancel_withdraw(sender))  # fmt: skip


@operation(5, which=tuple(range(8)), what=(0, 1), tenths=(1, 3, 10, 10, 11))
def leave(fuzz: Fuzz, which: int, what: int, tenths: int) -> None:
    """Claim, by shares or by tokens; of somebody who has asked, if there is one."""
    twins, model = fuzz.twins, fuzz.twins.model
    asked = [holder for holder in model.stakes.requests if model.request_of(holder).shares]
    sender = asked[which % len(asked)] if asked else twins.senders[which]
    shares = model.redeemable(sender) * tenths // 10
    if what == 0:
        args = (shares, sender, sender)
        twins.send(sender, twins.exchange.vault, "redeem", args,
                   lambda: model.redeem(sender, shares, sender))  # fmt: skip
    else:
        units = model.to_assets(shares)
        args = (units, sender, sender)
        twins.send(sender, twins.exchange.vault, "withdraw", args,
                   lambda: model.claim(sender, units, sender))  # fmt: skip


@operation(1, who=TRADER, other=TRADER, tenths=(1, 10, 11))
def send_shares(fuzz: Fuzz, who: int, other: int, tenths: int) -> None:
    """Give shares away."""
    twins, sender = fuzz.twins, fuzz.twins.senders[who]
    args = (twins.senders[other], twins.model.shares_of(sender) * tenths // 10)
    twins.send(sender, twins.exchange.vault, "transfer", args,
               lambda: twins.model.send_shares(sender, *args) or True)  # fmt: skip


@operation(3, which=(0, 1, 2, 3), market=MARKET, what=(0, 0, 1))
def report(fuzz: Fuzz, which: int, market: int, what: int) -> None:
    """Tell the vault of a bankrupt account, or of a market in doubt."""
    twins, sender = fuzz.twins, fuzz.twins.senders[which]
    vault, model = twins.exchange.vault, twins.model
    if what == 0:
        account, _ = fuzz.bankrupt(which)
        twins.send(sender, vault, "report", (account,), lambda: model.report(account))
    else:
        twins.send(sender, vault, "report_market", (market,), lambda: model.report_market(market))


@operation(3, market=MARKET, what=(0, 0, 1, 2, 3), on=FLAG)
def pools(fuzz: Fuzz, market: int, what: int, on: int) -> None:
    """Isolate a market or merge it, give to its tranche, switch staking, change the times."""
    twins, model = fuzz.twins, fuzz.twins.model
    if what == 0:
        fuzz.owner_sends("vault", "set_isolated", (market, bool(on)),
                         lambda: model.set_isolated(market, bool(on)))  # fmt: skip
    elif what == 1:
        units = 2_000 * 10**twins.params.decimals
        twins.mint(twins.owner, units)
        fuzz.owner_sends("vault", "fund_market", (market, units), lambda: model.fund_market(market, units))
    elif what == 2:
        wanted = bool(on or market)
        fuzz.owner_sends("vault", "set_staking", (wanted,), lambda: model.set_staking(wanted))
    else:
        times = ((3_600, 90 * 86_400), (13 * 86_400, 3 * 86_400))[on]
        fuzz.owner_sends("vault", "set_withdrawal_times", times,
                         lambda: model.set_withdrawal_times(*times))  # fmt: skip


# parameters


@operation(4, market=MARKET, what=(0, 1, 2, 3, 4, 5), variant=(0, 0, 0, 0, 0, 1, 2, 3))
def parameters(fuzz: Fuzz, market: int, what: int, variant: int) -> None:
    """Change a term, or change it back (variant 0)."""
    twins, model = fuzz.twins, fuzz.twins.model
    params = twins.params.markets[market]
    if what == 0:
        terms = params.terms
        if variant:
            maker, taker = ((wad("0.001"), wad("0.002")), (-wad("0.0002"), wad("0.0002")), (-(10**9), 0))[
                variant - 1
            ]
            share, age = ((10_000, 60), (0, 3_600), (3_333, 30))[variant - 1]
            terms = terms._replace(maker_fee=maker, taker_fee=taker, vault_share=share, max_age=age)
        fuzz.owner_sends(
            "parameters", "set_terms", (market, terms), lambda: model.set_terms(market, Terms(*terms))
        )
    elif what == 1:
        funding = params.funding
        if variant:
            funding = (
                funding._replace(interest=wad("0.02"), cap=wad("0.5"), clamp=wad("0.1")),
                funding._replace(
                    interest=-wad("0.01"), cap=wad("0.05"), clamp=0, band=wad("0.2"), basis_time=7
                ),
                funding._replace(interest=0, cap=wad("0.01"), band=wad("0.01"), premium_time=60),
            )[variant - 1]
        fuzz.owner_sends("parameters", "set_funding_terms", (market, funding),
                         lambda: model.set_funding_terms(market, Funding(*funding)))  # fmt: skip
    elif what == 2:
        tiers = list(params.tiers)
        if variant:
            tiers = [
                [Tier(wad(10**8), wad("0.3"), wad("0.15"))],
                [
                    Tier(wad(1_000), wad("0.01"), wad("0.005")),
                    Tier(wad(9_000), wad("0.01"), wad("0.0075"), wad("2.5")),
                ],
                [Tier(wad(10**5), wad("0.123456789012"), wad("0.000000000001"))],
            ][variant - 1]
        schedule = tuple(Tier(*tier) for tier in tiers)
        fuzz.owner_sends("parameters", "set_margin_tiers", (market, tiers),
                         lambda: model.set_margin_tiers(market, schedule))  # fmt: skip
    elif what == 3:
        closed = variant == 1
        sender = twins.senders[KEEPER] if variant == 2 else twins.owner
        reason = "access: not owner or guardian" if variant == 2 else ""
        twins.send(sender, twins.exchange.parameters, "set_close_only", (market, closed),
                   lambda: refusing(reason) or model.set_close_only(market, closed))  # fmt: skip
    elif what == 4:
        cap = (params.open_interest_cap, 0, params.min_size * 1_000, 10**20 + 1)[variant]
        fuzz.owner_sends("parameters", "set_open_interest_cap", (market, cap),
                         lambda: model.set_open_interest_cap(market, cap))  # fmt: skip
    else:
        terms = params.liquidation
        if variant:
            terms = (
                terms._replace(surplus_share=WAD, full_threshold=WAD, cover_slippage=terms.max_slippage),
                terms._replace(penalty_rate=0, reward_rate=0, reward_min=0, full_below=0, buffer=0),
                terms._replace(penalty_rate=wad("0.02"), reward_rate=wad("0.01"), reward_min=wad("0.5"),
                               cover_slippage=0, full_threshold=0, full_below=wad(1)),
            )[variant - 1]  # fmt: skip
        fuzz.owner_sends("liquidator", "set_params", (market, terms),
                         lambda: model.set_liquidation_terms(market, LiquidationTerms(*terms)))  # fmt: skip


@operation(1, market=MARKET, seconds=(0, 1, 30, 600))
def max_age(fuzz: Fuzz, market: int, seconds: int) -> None:
    """How old a price may be when it is posted."""
    seconds = seconds or fuzz.twins.params.markets[market].terms.max_age
    fuzz.owner_sends("oracle", "set_max_age", (market, seconds),
                     lambda: fuzz.twins.model.set_max_age(market, seconds))  # fmt: skip


@operation(2, market=MARKET, what=(0, 0, 1), variant=(0, 0, 1, 2, 3))
def vault_rules(fuzz: Fuzz, market: int, what: int, variant: int) -> None:
    """Caps and breaker."""
    model = fuzz.twins.model
    one = 10**fuzz.twins.params.decimals
    if what == 0:
        args = (market, *((0, 86_400), (100 * one, 3_600), (5_000 * one + 7, 86_400), (one, 61))[variant])
        fuzz.owner_sends("vault", "set_cap", args, lambda: model.set_cap(*args))
    else:
        rates = ((WAD // 2, WAD // 4), (wad("0.3"), wad("0.25")), (WAD, WAD), (wad("0.01"), wad("0.01")))[
            variant
        ]
        fuzz.owner_sends("vault", "set_breaker", rates, lambda: model.set_breaker(*rates))


def packed(accounts: list[int]) -> list[int]:
    """Accounts eight a word, the first in the lowest 32 bits."""
    words = []
    for start in range(0, len(accounts), 8):
        words.append(sum(account << 32 * i for i, account in enumerate(accounts[start : start + 8])))
    return words


def refusing(reason: str) -> None:
    """Refuse for a reason that is not the model's business."""
    if reason:
        raise Refused(reason)


__all__ = ["OPERATIONS", "Fuzz", "Step", "draw"]
