# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Views of an order book
@license Apache-2.0
@notice Best prices, orders and levels, read from the packed words.
"""

from contracts.modules import book_terms as book
from contracts.modules import order_queue
from contracts.modules import order_slots
from contracts.modules import order_words

uses: book
uses: order_queue
uses: order_slots


struct Order:
    account: uint256
    is_buy: bool
    price: uint256
    size: uint256
    reduce_only: bool
    expiry: uint256


struct Level:
    price: uint256
    size: uint256


@external
@view
def top() -> (uint256, uint256):
    """
    @notice Best bid and best ask (WAD), 0 where a side is empty.
    """
    now: order_words.Top = order_words._top(order_queue.top_word)
    return now.bid * book.tick_size, now.ask * book.tick_size


@external
@view
def block_start_top() -> (uint256, uint256):
    """
    @notice Best bid and best ask (WAD) with which this block began, 0 where a side was empty.
    """
    now: order_words.Top = order_words._top(order_queue.top_word)
    return now.bid_before * book.tick_size, now.ask_before * book.tick_size


@external
@view
def order(order_id: uint256) -> Order:
    """
    @notice A resting order; all zero if there is none.
    @param order_id Order.
    """
    word: uint256 = order_queue.orders[order_id]
    return Order(
        account=order_words._owner(word),
        is_buy=word & order_words.BUY != 0,
        price=order_words._tick(word) * book.tick_size,
        size=word >> order_words.SIZE,
        reduce_only=word & order_words.REDUCE_ONLY != 0,
        expiry=(word >> order_words.EXPIRY) & order_words.U32,
    )


@external
@view
def orders_of(account: uint256) -> DynArray[uint256, order_slots.MAX_ORDERS]:
    """
    @notice Ids of an account's resting orders, by slot.
    @param account Account.
    """
    found: DynArray[uint256, order_slots.MAX_ORDERS] = []
    occupied: uint256 = order_slots._occupied(account)
    for slot: uint256 in range(order_slots.MAX_ORDERS):
        if occupied & (1 << slot) != 0:
            found.append(order_slots._order_in(account, slot))
    return found


@external
@view
def level(price: uint256) -> uint256:
    """
    @notice Size (WAD) that rests at a price.
    @param price WAD.
    """
    return order_queue.levels[price // book.tick_size] >> 128


@external
@view
def depth(is_buy: bool, count: uint256) -> DynArray[Level, 64]:
    """
    @notice The best levels of a side.
    @param is_buy Side of the resting orders.
    @param count How many, at most 64.
    """
    found: DynArray[Level, 64] = []
    now: order_words.Top = order_words._top(order_queue.top_word)
    tick: uint256 = now.ask
    if is_buy:
        tick = now.bid
    for _: uint256 in range(count, bound=64):
        if tick == 0:
            break
        found.append(Level(price=tick * book.tick_size, size=order_queue.levels[tick] >> 128))
        tick = order_queue._next_tick(tick, is_buy)
    return found


@external
@view
def level_orders(price: uint256) -> DynArray[uint256, 256]:
    """
    @notice Ids of the orders at a price in their order of time, the first 256.
    @param price WAD.
    """
    found: DynArray[uint256, 256] = []
    order_id: uint256 = (order_queue.levels[price // book.tick_size] >> 32) & order_words.U32
    for _: uint256 in range(256):
        if order_id == 0:
            break
        found.append(order_id)
        order_id = (order_queue.orders[order_id] >> order_words.NEXT) & order_words.U32
    return found
