# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Order queue
@license Apache-2.0
@notice The resting orders: a queue a level, the levels by tick, and the best ticks of both sides. Functions that may move the
        best ticks take the top in and hand it back; `_store_top` writes it.
"""

from contracts.modules import book_terms as book
from contracts.modules import order_slots
from contracts.modules import order_words
from contracts.modules import tick_bitmap

uses: book
uses: order_slots
uses: tick_bitmap

# why an order left the book; a filled one leaves with its fill
CANCELLED: constant(uint256) = 1
SELF_TRADE: constant(uint256) = 3
EXPIRED: constant(uint256) = 4
FAILED_MARGIN: constant(uint256) = 5
LIQUIDATED: constant(uint256) = 6
NOTHING_TO_REDUCE: constant(uint256) = 7

top_word: uint256
levels: HashMap[uint256, uint256]
orders: HashMap[uint256, uint256]


event OrderPlaced:
    order_id: indexed(uint256)
    account: indexed(uint256)
    is_buy: bool
    price: uint256
    size: uint256
    reduce_only: bool
    expiry: uint256


event OrderRemoved:
    order_id: indexed(uint256)
    account: indexed(uint256)
    reason: uint256


@deploy
def __init__():
    self.top_word = 1 << 136


@internal
def _rest(
    start: order_words.Top,
    account: uint256,
    is_buy: bool,
    tick: uint256,
    size: uint256,
    reduce_only: bool,
    expiry: uint256,
) -> order_words.Top:
    """
    @notice Put an order at the end of its level's queue.
    """
    top: order_words.Top = start
    order_id: uint256 = top.next_id
    assert order_id <= order_words.U32, "order: ids used up"
    top.next_id = order_id + 1
    slot: uint256 = order_slots._take_slot(account, order_id, book.max_orders)
    level: uint256 = self.levels[tick]
    previous: uint256 = level & order_words.U32
    if level == 0:
        tick_bitmap._add(tick)
        level = (order_id << 32) | order_id
        if is_buy:
            top.bid = max(top.bid, tick)
        elif top.ask == 0 or tick < top.ask:
            top.ask = tick
    else:
        self.orders[previous] |= order_id << order_words.NEXT
        level = level ^ previous ^ order_id
    level += size << 128
    self.levels[tick] = level
    word: uint256 = (
        (size << order_words.SIZE)
        | (account << order_words.OWNER)
        | (previous << order_words.PREVIOUS)
        | (expiry << order_words.EXPIRY)
        | (tick << order_words.TICK)
        | (slot << order_words.SLOT)
    )
    if is_buy:
        word |= order_words.BUY
    if reduce_only:
        word |= order_words.REDUCE_ONLY
    self.orders[order_id] = word
    log OrderPlaced(
        order_id=order_id,
        account=account,
        is_buy=is_buy,
        price=tick * book.tick_size,
        size=size,
        reduce_only=reduce_only,
        expiry=expiry,
    )
    return top


@internal
def _remove(start: order_words.Top, order_id: uint256, word: uint256, reason: uint256) -> order_words.Top:
    """
    @notice Take an unfilled order out of the book.
    """
    log OrderRemoved(order_id=order_id, account=(word >> order_words.OWNER) & order_words.U32, reason=reason)
    return self._unlink(start, order_id, word, word >> order_words.SIZE)


@internal
def _unlink(start: order_words.Top, order_id: uint256, word: uint256, size: uint256) -> order_words.Top:
    """
    @notice Take an order, of which `size` counts in the level's total, out of its queue, and an emptied level out of the
            book.
    """
    top: order_words.Top = start
    tick: uint256 = (word >> order_words.TICK) & order_words.U24
    # unsafe: the level's total includes the order
    level: uint256 = unsafe_sub(self.levels[tick], size << 128)
    head: uint256 = (level >> 32) & order_words.U32
    tail: uint256 = level & order_words.U32
    following: uint256 = (word >> order_words.NEXT) & order_words.U32
    if head == tail:
        level = 0
        tick_bitmap._remove(tick)
        if tick == top.bid:
            top.bid = self._next_tick(tick, True)
        elif tick == top.ask:
            top.ask = self._next_tick(tick, False)
    elif order_id == head:
        level ^= (head ^ following) << 32
    else:
        previous: uint256 = (word >> order_words.PREVIOUS) & order_words.U32
        self.orders[previous] ^= (order_id ^ following) << order_words.NEXT
        if order_id == tail:
            level ^= tail ^ previous
        else:
            self.orders[following] ^= (order_id ^ previous) << order_words.PREVIOUS
    self.levels[tick] = level
    self.orders[order_id] = 0
    order_slots._free_slot((word >> order_words.OWNER) & order_words.U32, (word >> order_words.SLOT) & 31)
    return top


@internal
def _store_top(before: order_words.Top, top: order_words.Top):
    """
    @notice Write the top if it has changed; unchanged, it says the same in every later block.
    """
    if top.bid != before.bid or top.ask != before.ask or top.next_id != before.next_id:
        self.top_word = order_words._packed(top)


@internal
@view
def _next_tick(tick: uint256, is_buy: bool) -> uint256:
    """
    @notice The next worse tick of a side, 0 if there is none.
    """
    if is_buy:
        return tick_bitmap._below(tick)
    return tick_bitmap._above(tick)


@internal
def _cancel_all(account: uint256, reason: uint256):
    """
    @notice Take all orders of an account out of the book.
    """
    occupied: uint256 = order_slots._occupied(account)
    if occupied == 0:
        return
    before: order_words.Top = order_words._top(self.top_word)
    top: order_words.Top = before
    for slot: uint256 in range(order_slots.MAX_ORDERS):
        if occupied & (1 << slot) != 0:
            order_id: uint256 = order_slots._order_in(account, slot)
            top = self._remove(top, order_id, self.orders[order_id], reason)
    self._store_top(before, top)
