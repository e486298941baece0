"""Orders whose packed fields are as large as they may be, and the last numbers that there are."""

from __future__ import annotations

from typing import Any

import pytest
from support import COMPILER, IOC, Actor, Exchange, fresh, plain_market

from perpsim.chain import Revert
from perpsim.protocol import WAD, ProtocolParams, wad

U32 = 2**32 - 1
MAX_TICK = 2**24 - 1
SLOTS = 32
#: any size, and ticks so small that the highest costs next to nothing
FINE = plain_market(tick_size=10**9, lot_size=1, min_size=1, max_orders=SLOTS)


def set_variable(exchange: Exchange, contract: Any, variable: str, value: int) -> None:
    """Overwrite a variable in storage."""
    layout: Any = COMPILER.load(contract.name.rstrip("0123456789")).layout["storage_layout"]
    for part in variable.split("."):
        layout = layout[part]
    exchange.chain.set_storage(contract.address, int(layout["slot"]), value)


def set_next_id(exchange: Exchange, order_id: int) -> None:
    """As if all orders before this one had come and gone."""
    word = exchange.word(exchange.book, "order_queue.top_word") & (2**136 - 1)
    set_variable(exchange, exchange.book, "order_queue.top_word", word | order_id << 136)


@pytest.fixture
def exchange() -> Exchange:
    """One of its own, for tests that write into its storage."""
    return fresh(ProtocolParams(markets=(plain_market(max_orders=SLOTS),)))


@pytest.fixture
def last(exchange: Exchange) -> Actor:
    """The owner of the last account that there can be."""
    set_variable(exchange, exchange.clearinghouse, "accounts.accounts_count", U32 - 1)
    actor = exchange.actor("last", deposit=10**6)
    assert actor.account == U32
    return actor


def test_after_the_last_account_nobody_can_open_one(exchange: Exchange, last: Actor) -> None:
    with pytest.raises(Revert, match="account: too many"):
        exchange.actor("latecomer", deposit=1)


def test_an_order_with_every_field_at_its_largest_is_kept_as_it_is() -> None:
    exchange = fresh(ProtocolParams(markets=(FINE,)))
    set_variable(exchange, exchange.clearinghouse, "accounts.accounts_count", U32 - 1)
    last = exchange.actor("last", deposit=10**12)
    for tick in range(1, SLOTS):
        last.send(exchange.book, "place", True, tick * 10**9, 1)
    set_next_id(exchange, U32)
    price = MAX_TICK * 10**9
    sent = last.send(exchange.book, "place", True, price, 2**96 - 1, 0, False, U32)
    assert sent.value[0] == U32
    kept = exchange.book.view("order", U32)
    assert tuple(kept) == (U32, True, price, 2**96 - 1, False, U32)
    assert exchange.book.view("level", price) == 2**96 - 1
    assert exchange.book.view("orders_of", U32)[-1] == U32
    assert exchange.top() == (price, 0)
    last.cancel(U32)
    assert exchange.top() == ((SLOTS - 1) * 10**9, 0)
    assert exchange.book.view("level", price) == 0
    with pytest.raises(Revert, match="order: size"):
        last.send(exchange.book, "place", True, price, 2**96)


def test_the_last_ids_are_used_and_then_no_more(exchange: Exchange, last: Actor) -> None:
    set_next_id(exchange, U32 - 1)
    assert [last.buy(1, 9_000).id, last.buy(1, 9_001).id] == [U32 - 1, U32]
    with pytest.raises(Revert, match="order: ids used up"):
        last.buy(1, 9_002)
    assert exchange.book.view("orders_of", U32) == [U32 - 1, U32]


def test_slots_are_packed_as_documented(exchange: Exchange, last: Actor) -> None:
    """Occupancy and seven slots in an account's word 0, eight slots in each after it."""
    set_next_id(exchange, U32 - 2 * SLOTS)
    ids = [last.sell("0.1", 10_001).id for _ in range(SLOTS)]
    for order_id in ids[10::5]:
        last.cancel(order_id)
        ids[ids.index(order_id)] = 0
    occupied = sum(1 << slot for slot, order_id in enumerate(ids) if order_id)
    words = [ids[:7], ids[7:15], ids[15:23], ids[23:31], ids[31:]]
    for number, slots in enumerate(words):
        word = sum(order_id << 32 * place for place, order_id in enumerate(slots))
        key = last.account << 3 | number
        assert exchange.word(exchange.book, "order_slots.slots", key) == word | (
            0 if number else occupied << 224
        )


@pytest.mark.parametrize("step", [1, 3, 5, 31])
def test_queues_and_slots_hold_with_the_largest_ids(exchange: Exchange, last: Actor, step: int) -> None:
    """32 orders on four levels; every one is found, filled or cancelled where it is, whatever the order."""
    set_next_id(exchange, U32 - 2 * SLOTS)
    ids = [last.sell("0.1", 10_001 + n % 4).id for n in range(SLOTS)]
    assert ids == list(range(U32 - 2 * SLOTS, U32 - SLOTS))
    assert exchange.book.view("orders_of", U32) == ids
    for level in range(4):
        assert exchange.book.view("level_orders", wad(10_001 + level)) == ids[level::4]
    left = set(ids)
    for n in range(0, SLOTS - 4):
        order_id = ids[n * step % SLOTS]
        last.cancel(order_id)
        left.remove(order_id)
        assert set(exchange.book.view("orders_of", U32)) == left
        for level in range(4):
            queue = exchange.book.view("level_orders", wad(10_001 + level))
            assert queue == [i for i in ids[level::4] if i in left]
    # the slots that have come free are taken again
    more = [last.sell("0.1", 10_005).id for _ in range(SLOTS - 4)]
    assert sorted(exchange.book.view("orders_of", U32)) == sorted(left | set(more))
    with pytest.raises(Revert, match="order: too many open orders"):
        last.sell("0.1", 10_006)
    taker = Actor(exchange, "taker", exchange.chain.account(77).address)
    set_variable(exchange, exchange.clearinghouse, "accounts.accounts_count", 0)
    taker.deposit(10**6)
    assert taker.buy("3.2", 10_005, IOC).filled == wad("3.2")
    assert exchange.book.view("orders_of", U32) == []
    assert exchange.top() == (0, 0)
    assert last.size() == -32 * WAD // 10
