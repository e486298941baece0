"""What traders do, and what time and prices do to them."""

from __future__ import annotations

from stage import (
    FLAG,
    MARKET,
    MOVE,
    OFFSET,
    SIDE,
    TRADER,
    USE,
    WHO,
    Fuzz,
    operation,
)
from worlds import KEEPER

from perpsim.protocol import WAD

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
    fuzz.liquidate_the_unhealthy(KEEPER, deleverage, which)


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
