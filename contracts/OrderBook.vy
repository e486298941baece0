# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Order book
@license Apache-2.0
@notice The limit order book of one market: price-time priority, every fill at the resting order's price. The
        clearinghouse decides whether a fill may happen and settles it. Prices and sizes are WAD.
@dev Here is what the liquidator asks for. The rest is in modules: `order_entry` (what traders ask for), `matching` (the walk
     through the book), `order_queue` (the book itself), `book_views` (reads it out), `book_terms` (what is fixed about it).
"""

from contracts.modules import book_terms as book
from contracts.modules import book_views
from contracts.modules import matching
from contracts.modules import order_entry
from contracts.modules import order_queue
from contracts.modules import order_slots
from contracts.modules import order_words
from contracts.modules import tick_bitmap

initializes: book
initializes: order_slots
initializes: tick_bitmap
initializes: order_queue[book := book, order_slots := order_slots, tick_bitmap := tick_bitmap]
initializes: matching[book := book, order_queue := order_queue]
initializes: order_entry[book := book, matching := matching, order_queue := order_queue]
initializes: book_views[book := book, order_queue := order_queue, order_slots := order_slots]

exports: (
    order_entry.place,
    order_entry.cancel,
    order_entry.cancel_many,
    order_entry.cancel_all,
)
exports: (
    book_views.top,
    book_views.block_start_top,
    book_views.order,
    book_views.orders_of,
    book_views.level,
    book_views.depth,
    book_views.level_orders,
)
exports: (
    book.clearinghouse,
    book.liquidator,
    book.market,
    book.tick_size,
    book.lot_size,
    book.min_size,
    book.max_orders,
)


@deploy
def __init__(
    clearinghouse_: address,
    liquidator_: address,
    market_: uint256,
    tick_size_: uint256,
    lot_size_: uint256,
    min_size_: uint256,
    max_orders_: uint256,
):
    """
    @notice Deploy the book of a market.
    @param clearinghouse_ Settles the fills.
    @param liquidator_ May close positions.
    @param market_ Number that the clearinghouse gives the market.
    @param tick_size_ Price step (WAD); prices go up to (2**24 - 1) steps.
    @param lot_size_ Size step (WAD).
    @param min_size_ Least size of an order (WAD), a multiple of the lot.
    @param max_orders_ Open orders an account may have, at most 32.
    """
    book.__init__(clearinghouse_, liquidator_, market_, tick_size_, lot_size_, min_size_, max_orders_)
    order_queue.__init__()


@external
@nonreentrant
def liquidate(
    account: uint256, is_buy: bool, size: uint256, limit: uint256, terms: matching.Terms
) -> matching.Matched:
    """
    @notice Cancel an account's orders and close its position against the book. Only the liquidator, which has checked
            the account.
    @param account Account.
    @param is_buy Side of the closing trade.
    @param size Size to close (WAD); 0 cancels only.
    @param limit Worst price (WAD).
    @param terms Penalty rate, share of the surplus and budget (WAD).
    @return What was done; answer 6: the next fill needs more cover than the budget; 7: the count of orders ended it.
    """
    assert msg.sender == book.liquidator, "book: not the liquidator"
    order_queue._cancel_all(account, order_queue.LIQUIDATED)
    matched: matching.Matched = empty(matching.Matched)
    if size == 0:
        return matched
    tick: uint256 = 0
    if is_buy:
        tick = min(limit // book.tick_size, book.MAX_TICK)
    else:
        tick = max((limit + book.tick_size - 1) // book.tick_size, 1)
    before: order_words.Top = order_words._top(order_queue.top_word)
    top: order_words.Top = before
    top, matched = matching._match(top, account, is_buy, tick, size, matching.LIQUIDATION, terms)
    order_queue._store_top(before, top)
    return matched
