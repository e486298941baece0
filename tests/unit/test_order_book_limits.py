"""What an order book costs and leaves behind: orders an account, fills a transaction, storage, gas."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import BOTH_SIDES, FOK, GTC, IOC, PLAIN, fresh, plain_market

from perpsim.chain import Revert
from perpsim.protocol import ProtocolParams, wad

pytestmark = PLAIN

MAX_FILLS = 64
MAX_ORDERS = 32


def crowd(exchange, count, name="maker"):
    """Rich actors, each of whom can have 32 open orders."""
    return [exchange.actor(f"{name} {i}", deposit=1_000_000) for i in range(count)]


def rest(exchange, side, count, price=10_000, step=0, size="0.001", expiry=0, name="maker"):
    """`count` resting orders, on one level or each `step` further away than the last."""
    makers = crowd(exchange, -(-count // MAX_ORDERS), name)
    return [
        makers[i // MAX_ORDERS].order(side, size, Decimal(price) - side * i * Decimal(step), expiry=expiry).id
        for i in range(count)
    ]


# open orders an account


def test_an_account_has_at_most_thirty_two_open_orders(exchange, maker, taker):
    first = [maker.buy("0.001", 9_000 + i % 5).id for i in range(MAX_ORDERS)]
    assert maker.orders() == first
    with pytest.raises(Revert, match="order: too many open orders"):
        maker.buy("0.001", 9_000)
    with pytest.raises(Revert, match="order: too many open orders"):
        maker.sell("0.001", 11_000)
    exchange.check_invariants()
    # others still can, and so can what does not rest
    assert taker.buy("0.001", 9_000).id
    assert maker.sell("0.001", 9_000, IOC).filled == wad("0.001")


@pytest.mark.exchange(markets=(plain_market(max_orders=2),))
def test_a_market_may_allow_fewer_open_orders(maker, taker):
    orders = [maker.buy("0.001", 9_000).id for _ in range(2)]
    with pytest.raises(Revert, match="order: too many open orders"):
        maker.buy("0.001", 9_000)
    taker.sell("0.001", 9_000)
    assert maker.orders() == orders[1:]
    assert maker.buy("0.001", 9_000).id


@given(gone=st.sets(st.integers(0, MAX_ORDERS - 1), min_size=1))
@settings(max_examples=25)
def test_every_slot_that_falls_free_is_used_again(exchange, gone):
    with exchange.isolated():
        maker = exchange.actor("maker", deposit=1_000_000)
        orders = [maker.buy("0.001", 9_000 + i).id for i in range(MAX_ORDERS)]
        for i in gone:
            maker.cancel(orders[i])
        kept = [order for i, order in enumerate(orders) if i not in gone]
        assert maker.orders() == kept
        kept += [maker.buy("0.001", 8_000).id for _ in gone]
        assert maker.orders() == kept
        with pytest.raises(Revert, match="order: too many open orders"):
            maker.buy("0.001", 9_000)
        exchange.check_book()


def test_a_taker_whose_slots_are_full_still_trades_and_gets_the_rest_back(exchange, maker, taker):
    for _ in range(MAX_ORDERS):
        taker.buy("0.001", 5_000)
    maker.sell(1, 10_000)
    assert taker.buy(2, 10_000, IOC).value == (0, wad(1))


# fills a transaction


@BOTH_SIDES
@pytest.mark.parametrize("kind", [GTC, IOC])
def test_an_order_fills_at_most_64_orders_and_gets_the_rest_back(exchange, taker, side, kind):
    orders = rest(exchange, -side, MAX_FILLS + 6)
    sent = taker.order(side, "0.070", 10_000, kind)
    assert [fill.order_id for fill in sent.named("Fill")] == orders[:MAX_FILLS]
    assert sent.value == (0, wad("0.064"))
    assert taker.orders() == [], "a rest that would still cross cannot wait"
    exchange.check_invariants()
    assert taker.order(side, "0.006", 10_000, kind).filled == wad("0.006")
    assert exchange.top() == (0, 0)


@BOTH_SIDES
def test_the_limit_holds_across_levels(exchange, taker, side):
    rest(exchange, -side, MAX_FILLS + 6, step=1)
    assert taker.order(side, 1, 10_000 + side * 100).filled == wad("0.064")
    exchange.check_invariants()


def test_the_rest_after_64_fills_waits_if_it_no_longer_crosses(exchange, taker):
    rest(exchange, -1, MAX_FILLS)
    sent = taker.buy("0.065", 10_000)
    assert sent.filled == wad("0.064")
    assert taker.orders() == [sent.id]
    exchange.check_invariants()


def test_a_fill_or_kill_order_for_65_orders_is_refused(exchange, taker):
    rest(exchange, -1, MAX_FILLS + 1)
    with pytest.raises(Revert, match="order: cannot be filled whole"):
        taker.buy("0.065", 10_000, FOK)
    assert taker.buy("0.064", 10_000, FOK).filled == wad("0.064")


@BOTH_SIDES
def test_orders_that_expire_under_the_taker_count_and_it_still_makes_progress(exchange, rival, taker, side):
    rest(exchange, -side, MAX_FILLS + 6, expiry=exchange.now)
    exchange.wait(1)
    rival.order(-side, 1, 10_000)
    first = taker.order(side, 1, 10_000)
    assert (first.value, len(first.named("OrderRemoved"))) == ((0, 0), MAX_FILLS)
    second = taker.order(side, 1, 10_000)
    assert (second.filled, len(second.named("OrderRemoved"))) == (wad(1), 6)
    exchange.check_invariants()


def test_orders_of_makers_without_margin_are_swept_away_64_at_a_time(exchange, taker):
    poor = [exchange.actor(f"poor {i}", deposit=120) for i in range(3)]
    for maker in poor:
        for _ in range(30):
            maker.sell("0.1", 10_000)
    first = taker.buy(9, 10_000, IOC)
    assert first.filled == wad("0.3"), "one each: 0.1 needs 100 of the 120"
    assert len(first.named("OrderRemoved")) == MAX_FILLS - 3
    second = taker.buy(9, 10_000, IOC)
    assert (second.filled, len(second.named("OrderRemoved"))) == (0, 90 - MAX_FILLS)
    exchange.check_invariants()


def test_a_transaction_of_64_fills_fits_a_block():
    exchange = fresh(ProtocolParams(markets=(plain_market(),)), flush_every=1)
    rest(exchange, -1, MAX_FILLS, step=1)
    taker = exchange.actor("taker", deposit=1_000_000)
    sent = taker.buy("0.064", 10_100)
    assert sent.filled == wad("0.064")
    assert sent.gas < 10_000_000


# ids


@BOTH_SIDES
def test_ids_are_given_once(exchange, maker, taker, side):
    seen = []
    for _ in range(3):
        seen.append(maker.order(side, 1, 10_000).id)
        maker.cancel(seen[-1])
        seen.append(maker.order(side, 1, 10_000).id)
        taker.order(-side, 1, 10_000)
        taker.order(-side, 1, 10_000 + side, IOC)
        exchange.wait()
    assert seen == sorted(set(seen))


# storage


def words_of_book(exchange, orders, ticks, accounts):
    book, word = exchange.book, exchange.word
    found = [word(book, "order_queue.orders", order) for order in orders]
    for tick in ticks:
        found.append(word(book, "order_queue.levels", tick))
        found.append(word(book, "tick_bitmap.leaves", tick >> 8))
        found.append(word(book, "tick_bitmap.branches", tick >> 16))
    found.append(word(book, "tick_bitmap.root"))
    for account in accounts:
        found += [word(book, "order_slots.slots", account << 3 | i) for i in range(8)]
    return found


@BOTH_SIDES
@pytest.mark.parametrize("leaving", ["cancelled", "filled", "expired", "cancelled at once"])
def test_an_emptied_book_leaves_nothing_behind(exchange, maker, taker, side, leaving):
    prices = [10_000, 10_000, 10_001, 9_000, 16_777, 10_065.536]
    expiry = exchange.now if leaving == "expired" else 0
    orders = [maker.order(side, "0.5", price, expiry=expiry).id for price in prices * 5]
    ticks = {int(price * 1_000) for price in prices}
    accounts = (maker.account, taker.account)
    assert all(exchange.word(exchange.book, "order_queue.orders", order) for order in orders)
    if leaving == "cancelled":
        for order in orders:
            maker.cancel(order)
    elif leaving == "cancelled at once":
        maker.cancel_all()
    elif leaving == "filled":
        taker.market_order(-side, 15)
    else:
        exchange.wait(1)
        taker.order(-side, 1, "0.001" if side > 0 else "16777.215", IOC)
    assert not any(words_of_book(exchange, orders, ticks, accounts))
    assert exchange.top() == (0, 0)
    # and it works as a new one does
    assert maker.order(side, 1, 10_000).id == len(orders) + 1
    exchange.check_invariants()


# gas: on revm with every transaction cold, so the figures are those of a receipt


def gas_of_operations(exchange):
    """Gas of each operation on a small book, as the book around it stands."""
    maker, taker = exchange.actor("measured maker"), exchange.actor("measured taker")
    gas = {}
    # a standing level keeps the words of the bitmap in use, and an order of the account its slots
    placed = maker.sell(1, 10_000)
    gas["place on a new level"] = placed.gas
    gas["place on an existing level"] = maker.sell(1, 10_000).gas
    gas["cancel the second of a level"] = maker.cancel(placed.id + 1).gas
    gas["match a part"] = taker.buy("0.5", 10_000).gas
    gas["match the rest"] = taker.buy("0.5", 10_000).gas
    placed = maker.sell(1, 10_000)
    gas["cancel the last of a level"] = maker.cancel(placed.id).gas
    return gas


@pytest.fixture(scope="module")
def true_gas():
    def make(rests=0, cancelled=0):
        exchange = fresh(ProtocolParams(markets=(plain_market(),)), flush_every=1)
        maker = exchange.actor("measured maker", deposit=1_000_000)
        taker = exchange.actor("measured taker", deposit=1_000_000)
        # once through everything, so that no word is touched for the first time
        for side in (1, -1):
            maker.order(side, 1, 10_000)
            taker.order(-side, "0.5", 10_000)
            taker.order(-side, "0.4", 10_000)
            maker.cancel_all()
        maker.sell("0.001", 10_000.001)
        maker.buy("0.001", 9_999)
        rest(exchange, -1, rests // 2, price="10000.002", step="0.001")
        rest(exchange, -1, rests // 2, price=12_345, name="far maker")
        for _ in range(cancelled):
            taker.cancel(taker.sell("0.001", 10_000).id)
        exchange.wait()
        return exchange

    return make


@pytest.fixture(scope="module")
def gas_on_an_empty_book(true_gas):
    return gas_of_operations(true_gas())


def assert_same_gas(found, expected):
    """But for the calldata: a byte more of an order's number costs 12."""
    assert found.keys() == expected.keys()
    for operation, gas in expected.items():
        assert found[operation] - gas in (0, 12), operation


def test_gas_does_not_depend_on_how_many_orders_rest_elsewhere(true_gas, gas_on_an_empty_book):
    assert_same_gas(gas_of_operations(true_gas(rests=512)), gas_on_an_empty_book)


def test_a_thousand_orders_placed_and_cancelled_at_the_top_leave_the_cost_unchanged(
    true_gas, gas_on_an_empty_book
):
    assert_same_gas(gas_of_operations(true_gas(cancelled=1_000)), gas_on_an_empty_book)


def test_each_further_order_of_a_queue_costs_the_same():
    exchange = fresh(ProtocolParams(markets=(plain_market(),)), flush_every=1)
    makers = crowd(exchange, 8)
    for maker in makers:
        maker.sell("0.001", 10_000)  # so that each has traded before
    taker = exchange.actor("taker", deposit=1_000_000)
    taker.buy("0.008", 10_000)
    for maker in makers:
        for _ in range(8):
            maker.sell("0.001", 10_000)
    costs = []
    for count in (1, 2, 4, 8):
        costs.append((taker.buy(f"0.00{count}", 10_000).gas, count))
    per_order = [(b - a) / (n - m) for (a, m), (b, n) in pairwise(costs)]
    assert max(per_order) < 1.15 * min(per_order)
