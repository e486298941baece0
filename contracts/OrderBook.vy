# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Order book
@license Apache-2.0
@notice The limit order book of one market: price-time priority, every fill at the resting order's price. The
        clearinghouse decides whether a fill may happen and settles it. Prices and sizes are WAD.
"""

from contracts.modules import order_slots
from contracts.modules import order_words
from contracts.modules import tick_bitmap

initializes: order_slots
initializes: tick_bitmap

# kinds of an order
GOOD_TILL_CANCEL: constant(uint256) = 0
POST_ONLY: constant(uint256) = 1
IMMEDIATE_OR_CANCEL: constant(uint256) = 2
FILL_OR_KILL: constant(uint256) = 3
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
# why an order left the book; a filled one leaves with its fill
CANCELLED: constant(uint256) = 1
SELF_TRADE: constant(uint256) = 3
EXPIRED: constant(uint256) = 4
FAILED_MARGIN: constant(uint256) = 5
LIQUIDATED: constant(uint256) = 6
NOTHING_TO_REDUCE: constant(uint256) = 7

MAX_FILLS: constant(uint256) = 64
MAX_ORDERS: constant(uint256) = 32
MAX_TICK: constant(uint256) = 2**24 - 1

clearinghouse: public(immutable(address))
liquidator: public(immutable(address))
market: public(immutable(uint256))
tick_size: public(immutable(uint256))
lot_size: public(immutable(uint256))
min_size: public(immutable(uint256))
max_orders: public(immutable(uint256))


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


struct Matched:
    # what a walk through the book did; money and sizes WAD
    filled: uint256
    notional: uint256
    penalty: uint256
    cover: uint256
    answer: uint256


interface Clearinghouse:
    def account_of(owner: address) -> uint256: view
    def position(account: uint256, market: uint256) -> (int256, int256, int256): view
    def may_rest(account: uint256, market: uint256, size: int256, price: int256) -> uint256: view
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


struct Terms:
    # of a liquidation, WAD
    penalty_rate: uint256
    surplus_share: uint256
    budget: uint256


top_word: uint256
levels: HashMap[uint256, uint256]
orders: HashMap[uint256, uint256]
accounts: HashMap[address, uint256]


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
    assert tick_size_ > 0 and tick_size_ < 2**64, "book: tick size"
    assert (
        lot_size_ > 0 and min_size_ >= lot_size_ and min_size_ % lot_size_ == 0
    ), "book: lot or minimum size"
    assert max_orders_ > 0 and max_orders_ <= MAX_ORDERS, "book: max orders"
    clearinghouse = clearinghouse_
    liquidator = liquidator_
    market = market_
    tick_size = tick_size_
    lot_size = lot_size_
    min_size = min_size_
    max_orders = max_orders_
    self.top_word = 1 << 136


# traders


@external
@nonreentrant
def place(
    is_buy: bool,
    price: uint256,
    size: uint256,
    kind: uint256 = GOOD_TILL_CANCEL,
    reduce_only: bool = False,
    expiry: uint256 = 0,
) -> (uint256, uint256):
    """
    @notice Place an order. It takes what crosses, at most 64 resting orders; then a good-till-cancel or post-only rest
            waits in the book, and what cannot wait (it would cross, or lacks margin) is returned.
    @param is_buy Side.
    @param price Limit (WAD), a multiple of the tick size.
    @param size WAD, a multiple of the lot size, at least the minimum; a reduce-only order is cut to the position.
    @param kind 0 good-till-cancel, 1 post-only, 2 immediate-or-cancel, 3 fill-or-kill.
    @param reduce_only Whether it may only reduce the position.
    @param expiry Last second in which it can be filled, 0: never ends.
    @return Id of the resting order, 0 if nothing rests, and the size filled (WAD).
    """
    tick: uint256 = price // tick_size
    assert tick * tick_size == price and tick > 0 and tick <= MAX_TICK, "order: price off the tick grid"
    assert kind <= FILL_OR_KILL, "order: unknown kind"
    assert expiry == 0 or (expiry >= block.timestamp and expiry < 2**32), "order: expired"
    account: uint256 = self._account(msg.sender)
    left: uint256 = size
    closes_all: bool = False
    flags: uint256 = 0
    if reduce_only:
        flags = TAKER_REDUCE_ONLY
        held: uint256 = self._reducible(account, is_buy)
        assert held > 0, "order: nothing to reduce"
        left = min(size, held)
        closes_all = size >= held
    # off the grid only to close everything: dust orders would use up a taker's 64 fills for nothing
    if not closes_all:
        assert size >= min_size and size % lot_size == 0 and size <= order_words.U96, "order: size"

    before: order_words.Top = order_words._top(self.top_word)
    top: order_words.Top = before
    filled: uint256 = 0
    if order_words._crosses(top, is_buy, tick):
        assert kind != POST_ONLY, "order: post-only would cross"
        matched: Matched = empty(Matched)
        top, matched = self._match(top, account, is_buy, tick, left, flags, empty(Terms))
        filled = matched.filled
        left -= filled
        if filled == 0:
            self._refuse(matched.answer)
    assert left == 0 or kind != FILL_OR_KILL, "order: cannot be filled whole"

    order_id: uint256 = 0
    if left > 0 and kind <= POST_ONLY and not order_words._crosses(top, is_buy, tick):
        answer: uint256 = FILLED
        if not reduce_only:
            answer = self._may_rest(account, is_buy, left, price)
        if answer == FILLED:
            order_id = top.next_id
            top = self._rest(top, account, is_buy, tick, left, reduce_only, expiry)
        elif filled == 0:
            self._refuse(answer)
    self._store_top(before, top)
    return order_id, filled


@external
@nonreentrant
def cancel(order_id: uint256):
    """
    @notice Take back a resting order. Only its owner; once expired, anyone.
    @param order_id Order.
    """
    word: uint256 = self.orders[order_id]
    assert word != 0, "cancel: no such order"
    reason: uint256 = CANCELLED
    if (word >> order_words.OWNER) & order_words.U32 != self.accounts[msg.sender]:
        assert order_words._is_expired(word), "cancel: not the owner"
        reason = EXPIRED
    before: order_words.Top = order_words._top(self.top_word)
    self._store_top(before, self._remove(before, order_id, word, reason))


@external
@nonreentrant
def cancel_many(order_ids: DynArray[uint256, MAX_ORDERS]):
    """
    @notice Take back several orders of the caller; those that are gone are passed over.
    @param order_ids Orders.
    """
    account: uint256 = self.accounts[msg.sender]
    before: order_words.Top = order_words._top(self.top_word)
    top: order_words.Top = before
    for order_id: uint256 in order_ids:
        word: uint256 = self.orders[order_id]
        if word == 0:
            continue
        assert order_words._owner(word) == account, "cancel: not the owner"
        top = self._remove(top, order_id, word, CANCELLED)
    self._store_top(before, top)


@external
@nonreentrant
def cancel_all():
    """
    @notice Take back all orders of the caller.
    """
    self._cancel_all(self.accounts[msg.sender], CANCELLED)


# liquidator


@external
@nonreentrant
def liquidate(account: uint256, is_buy: bool, size: uint256, limit: uint256, terms: Terms) -> Matched:
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
    assert msg.sender == liquidator, "book: not the liquidator"
    self._cancel_all(account, LIQUIDATED)
    matched: Matched = empty(Matched)
    if size == 0:
        return matched
    tick: uint256 = 0
    if is_buy:
        tick = min(limit // tick_size, MAX_TICK)
    else:
        tick = max((limit + tick_size - 1) // tick_size, 1)
    before: order_words.Top = order_words._top(self.top_word)
    top: order_words.Top = before
    top, matched = self._match(top, account, is_buy, tick, size, LIQUIDATION, terms)
    self._store_top(before, top)
    return matched


# views


@external
@view
def top() -> (uint256, uint256):
    """
    @notice Best bid and best ask (WAD), 0 where a side is empty.
    """
    now: order_words.Top = order_words._top(self.top_word)
    return now.bid * tick_size, now.ask * tick_size


@external
@view
def block_start_top() -> (uint256, uint256):
    """
    @notice Best bid and best ask (WAD) with which this block began, 0 where a side was empty.
    """
    now: order_words.Top = order_words._top(self.top_word)
    return now.bid_before * tick_size, now.ask_before * tick_size


@external
@view
def order(order_id: uint256) -> Order:
    """
    @notice A resting order; all zero if there is none.
    @param order_id Order.
    """
    word: uint256 = self.orders[order_id]
    return Order(
        account=order_words._owner(word),
        is_buy=word & order_words.BUY != 0,
        price=order_words._tick(word) * tick_size,
        size=word >> order_words.SIZE,
        reduce_only=word & order_words.REDUCE_ONLY != 0,
        expiry=(word >> order_words.EXPIRY) & order_words.U32,
    )


@external
@view
def orders_of(account: uint256) -> DynArray[uint256, MAX_ORDERS]:
    """
    @notice Ids of an account's resting orders, by slot.
    @param account Account.
    """
    found: DynArray[uint256, MAX_ORDERS] = []
    occupied: uint256 = order_slots._occupied(account)
    for slot: uint256 in range(MAX_ORDERS):
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
    return self.levels[price // tick_size] >> 128


@external
@view
def depth(is_buy: bool, count: uint256) -> DynArray[Level, 64]:
    """
    @notice The best levels of a side.
    @param is_buy Side of the resting orders.
    @param count How many, at most 64.
    """
    found: DynArray[Level, 64] = []
    now: order_words.Top = order_words._top(self.top_word)
    tick: uint256 = now.ask
    if is_buy:
        tick = now.bid
    for _: uint256 in range(count, bound=64):
        if tick == 0:
            break
        found.append(Level(price=tick * tick_size, size=self.levels[tick] >> 128))
        tick = self._next_tick(tick, is_buy)
    return found


@external
@view
def level_orders(price: uint256) -> DynArray[uint256, 256]:
    """
    @notice Ids of the orders at a price in their order of time, the first 256.
    @param price WAD.
    """
    found: DynArray[uint256, 256] = []
    order_id: uint256 = (self.levels[price // tick_size] >> 32) & order_words.U32
    for _: uint256 in range(256):
        if order_id == 0:
            break
        found.append(order_id)
        order_id = (self.orders[order_id] >> order_words.NEXT) & order_words.U32
    return found


# matching


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
        order_id: uint256 = (self.levels[tick] >> 32) & order_words.U32
        word: uint256 = self.orders[order_id]
        if order_words._is_expired(word):
            top = self._remove(top, order_id, word, EXPIRED)
            continue
        maker: uint256 = (word >> order_words.OWNER) & order_words.U32
        if maker == account:
            top = self._remove(top, order_id, word, SELF_TRADE)
            continue
        flags: uint256 = side_flags
        if word & order_words.REDUCE_ONLY != 0:
            flags |= MAKER_REDUCE_ONLY
        resting: uint256 = word >> order_words.SIZE
        # unsafe: done.filled < size; ticks have 24 bits, the tick size 64
        wanted: uint256 = min(unsafe_sub(size, done.filled), resting)
        price: uint256 = unsafe_mul(tick, tick_size)
        answer: uint256 = 0
        traded: int256 = 0
        penalty: int256 = 0
        cover: int256 = 0
        if liquidation:
            answer, traded, penalty, cover = extcall Clearinghouse(clearinghouse).liquidation_fill(
                account,
                maker,
                market,
                convert(wanted, int256),
                convert(price, int256),
                order_id,
                flags,
                convert(terms.penalty_rate, int256),
                convert(terms.surplus_share, int256),
                convert(terms.budget - done.cover, int256),
            )
        else:
            answer, traded = extcall Clearinghouse(clearinghouse).settle(
                account, maker, market, convert(wanted, int256), convert(price, int256), order_id, flags
            )
        if answer == MAKER_FAILED:
            top = self._remove(top, order_id, word, FAILED_MARGIN)
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
            top = self._unlink(top, order_id, word, resting)
            continue
        # unsafe: filled < resting, which the level's total includes
        word = unsafe_sub(word, filled << order_words.SIZE)
        self.orders[order_id] = word
        self.levels[tick] = unsafe_sub(self.levels[tick], filled << 128)
        if answer != FILLED:
            # the budget is used up
            break
        if filled < wanted and word & order_words.REDUCE_ONLY != 0:
            top = self._remove(top, order_id, word, NOTHING_TO_REDUCE)
    if done.answer == FILLED and done.filled < size and order_words._crosses(top, is_buy, limit):
        done.answer = MORE
    return top, done


@internal
@view
def _may_rest(account: uint256, is_buy: bool, size: uint256, price: uint256) -> uint256:
    """
    @notice The clearinghouse's answer to whether an order may rest.
    """
    signed: int256 = convert(size, int256)
    if not is_buy:
        signed = -signed
    return staticcall Clearinghouse(clearinghouse).may_rest(account, market, signed, convert(price, int256))


@internal
@pure
def _refuse(answer: uint256):
    """
    @notice Revert with the reason why the clearinghouse refused the taker.
    """
    assert answer != MARGIN, "order: margin"
    assert answer != STALE, "order: stale index"
    assert answer != CLOSE_ONLY, "order: market is close-only"
    assert answer != INTEREST_CAP, "order: open-interest cap"


@internal
@view
def _reducible(account: uint256, is_buy: bool) -> uint256:
    """
    @notice Size of the account's position (WAD) if this side would reduce it, else 0.
    """
    size: int256 = (staticcall Clearinghouse(clearinghouse).position(account, market))[0]
    if (size > 0) == is_buy:
        return 0
    return convert(abs(size), uint256)


# queue


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
    slot: uint256 = order_slots._take_slot(account, order_id, max_orders)
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
        price=tick * tick_size,
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


# accounts


@internal
def _account(owner: address) -> uint256:
    """
    @notice The caller's account, remembered after the first question.
    """
    account: uint256 = self.accounts[owner]
    if account == 0:
        account = staticcall Clearinghouse(clearinghouse).account_of(owner)
        assert account != 0, "order: no account, deposit first"
        self.accounts[owner] = account
    return account


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
    for slot: uint256 in range(MAX_ORDERS):
        if occupied & (1 << slot) != 0:
            order_id: uint256 = order_slots._order_in(account, slot)
            top = self._remove(top, order_id, self.orders[order_id], reason)
    self._store_top(before, top)
