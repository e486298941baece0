"""Deposits, orders, fills, prices."""

from __future__ import annotations

from gas_table.bench import IMMEDIATE, INDEX, Bench
from perpsim.protocol import wad


def orders(engine: str) -> dict[str, int]:
    """Deposits, orders and fills of accounts that have traded before."""
    bench, gas = Bench(engine), {}
    maker, _ = bench.actor()
    other, _ = bench.actor()
    taker, _ = bench.actor()
    gas["deposit, again"] = bench.gas(maker, "clearinghouse", "deposit", 10**6)
    gas["withdraw, no position"] = bench.gas(maker, "clearinghouse", "withdraw", 10**6)
    one, step = wad(1), wad(1)
    # warm: both have placed before, and the level's neighbourhood is in use
    bench.place(maker, False, INDEX + 20 * step, one)
    bench.place(other, True, INDEX - 20 * step, one)
    gas["place, new level"] = bench.gas_of_order(maker, False, INDEX + step, one)
    gas["place, existing level"] = bench.gas_of_order(maker, False, INDEX + step, one)
    bench.place(maker, False, INDEX + step, one)
    last = bench.protocol.books[0].view("level_orders", INDEX + step)[-1]
    gas["cancel"] = bench.gas(maker, "book", "cancel", last)
    first = bench.gas_of_order(taker, True, INDEX + step, one // 2, IMMEDIATE)
    gas["market order, 1 level, first positions"] = first
    more = bench.gas_of_order(taker, True, INDEX + step, one // 4, IMMEDIATE)
    gas["market order, 1 level, both hold a position"] = more
    bench.place(maker, True, INDEX - step, one)
    gas["close, 1 level"] = bench.gas_of_order(taker, False, INDEX - step, one // 4, IMMEDIATE)
    return gas


def levels(engine: str) -> dict[str, int]:
    """A market order through one and through ten levels, each the order of another maker with a position."""
    bench = Bench(engine)
    makers = [bench.actor()[0] for _ in range(12)]
    taker, _ = bench.actor()
    lot, step = wad("0.1"), wad("0.5")
    for maker in makers:
        bench.place(maker, False, INDEX, lot)
        bench.place(taker, True, INDEX, lot, IMMEDIATE)
    # the twelfth stays, so that no order empties the side
    for number, maker in enumerate(makers):
        bench.place(maker, False, INDEX + (number + 1) * step, lot)
    single = bench.gas_of_order(taker, True, INDEX + step, lot, IMMEDIATE)
    ten = bench.gas_of_order(taker, True, INDEX + 11 * step, 10 * lot, IMMEDIATE)
    return {
        "market order, 10 levels, 10 makers": ten,
        "each further level, another maker": (ten - single) // 9,
    }


def pricing(engine: str) -> dict[str, int]:
    """Index and funding, with a two-sided book and a premium."""
    bench = Bench(engine)
    maker, _ = bench.actor()
    bench.place(maker, True, INDEX + wad(3), wad(1))
    bench.place(maker, False, INDEX + wad(9), wad(1))
    for _ in range(3):
        bench.post(INDEX)
    return {
        "index price, posted": bench.post(INDEX + wad(1)),
        "funding update": bench.gas(maker, "clearinghouse", "poke", 0),
    }
