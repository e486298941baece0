# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Matching
@license Apache-2.0
@notice The walk of an incoming order through the other side of the book: best price first, oldest order first. The
        clearinghouse decides about every fill.
"""

from contracts.modules import book_terms as book
from contracts.modules import order_queue
from contracts.modules import order_words

uses: book
uses: order_queue

# flags of a fill, and the mark of a liquidation's
TAKER_BUYS: constant(uint256) = 1
MAKER_REDUCE_ONLY: constant(uint256) = 2
TAKER_REDUCE_ONLY: constant(uint256) = 4
LIQUIDATION: constant(uint256) = 8
# answers of the clearinghouse
FILLED: constant(uint256) = 0
MAKER_FAILED: constant(uint256) = 1
MARGIN: constant(uint256) = 2
STALE: constant(uint256) = 3
CLOSE_ONLY: constant(uint256) = 4
INTEREST_CAP: constant(uint256) = 5
MORE: constant(uint256) = 7

MAX_FILLS: constant(uint256) = 64


struct Matched:
    # what a walk through the book did; money and sizes WAD
    filled: uint256
    notional: uint256
    penalty: uint256
    cover: uint256
    answer: uint256


struct Terms:
    # of a liquidation, WAD
    penalty_rate: uint256
    surplus_share: uint256
    budget: uint256


interface Clearinghouse:
    def settle(
        taker: uint256,
        maker: uint256,
        market: uint256,
        size: int256,
        price: int256,
        order_id: uint256,
        flags: uint256,
    ) -> (uint256, int256): nonpayable
    def liquidation_fill(
        account: uint256,
        maker: uint256,
        market: uint256,
        size: int256,
        price: int256,
        order_id: uint256,
        flags: uint256,
        penalty_rate: int256,
        surplus_share: int256,
        budget: int256,
    ) -> (uint256, int256, int256, int256): nonpayable


@internal
def _match(
    start: order_words.Top,
    account: uint256,
    is_buy: bool,
    limit: uint256,
    size: uint256,
    taker_flags: uint256,
    terms: Terms,
) -> (order_words.Top, Matched):
    """
    @notice Walk through the other side, best price first, oldest order first, until the size, the limit, the count of
            orders or an answer of the clearinghouse ends it.
    """
    top: order_words.Top = start
    done: Matched = empty(Matched)
    liquidation: bool = taker_flags == LIQUIDATION
    side_flags: uint256 = taker_flags
    if is_buy:
        side_flags |= TAKER_BUYS
    for _: uint256 in range(MAX_FILLS):
        if done.filled == size or not order_words._crosses(top, is_buy, limit):
            break
        tick: uint256 = top.bid
        if is_buy:
            tick = top.ask
        order_id: uint256 = (order_queue.levels[tick] >> 32) & order_words.U32
        word: uint256 = order_queue.orders[order_id]
        if order_words._is_expired(word):
            top = order_queue._remove(top, order_id, word, order_queue.EXPIRED)
            continue
        maker: uint256 = (word >> order_words.OWNER) & order_words.U32
        if maker == account:
            top = order_queue._remove(top, order_id, word, order_queue.SELF_TRADE)
            continue
        flags: uint256 = side_flags
        if word & order_words.REDUCE_ONLY != 0:
            flags |= MAKER_REDUCE_ONLY
        resting: uint256 = word >> order_words.SIZE
        # unsafe: done.filled < size; ticks have 24 bits, the tick size 64
        wanted: uint256 = min(unsafe_sub(size, done.filled), resting)
        price: uint256 = unsafe_mul(tick, book.tick_size)
        answer: uint256 = 0
        traded: int256 = 0
        penalty: int256 = 0
        cover: int256 = 0
        if liquidation:
            answer, traded, penalty, cover = extcall Clearinghouse(book.clearinghouse).liquidation_fill(
                account,
                maker,
                book.market,
                convert(wanted, int256),
                convert(price, int256),
                order_id,
                flags,
                convert(terms.penalty_rate, int256),
                convert(terms.surplus_share, int256),
                convert(terms.budget - done.cover, int256),
            )
        else:
            answer, traded = extcall Clearinghouse(book.clearinghouse).settle(
                account, maker, book.market, convert(wanted, int256), convert(price, int256), order_id, flags
            )
        if answer == MAKER_FAILED:
            top = order_queue._remove(top, order_id, word, order_queue.FAILED_MARGIN)
            continue
        if answer != FILLED:
            done.answer = answer
            if traded == 0:
                break
        filled: uint256 = convert(traded, uint256)
        # unsafe: filled <= wanted <= size - done.filled
        done.filled = unsafe_add(done.filled, filled)
        if liquidation:
            done.notional += filled * price // 10**18
            done.penalty += convert(penalty, uint256)
            done.cover += convert(cover, uint256)
        if filled == resting:
            top = order_queue._unlink(top, order_id, word, resting)
            continue
        # unsafe: filled < resting, which the level's total includes
        word = unsafe_sub(word, filled << order_words.SIZE)
        order_queue.orders[order_id] = word
        order_queue.levels[tick] = unsafe_sub(order_queue.levels[tick], filled << 128)
        if answer != FILLED:
            # the budget is used up
            break
        if filled < wanted and word & order_words.REDUCE_ONLY != 0:
            top = order_queue._remove(top, order_id, word, order_queue.NOTHING_TO_REDUCE)
    if done.answer == FILLED and done.filled < size and order_words._crosses(top, is_buy, limit):
        done.answer = MORE
    return top, done
