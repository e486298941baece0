# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Order entry
@license Apache-2.0
@notice What traders ask of the book: orders placed and taken back.
"""

from contracts.modules import book_terms as book
from contracts.modules import matching
from contracts.modules import order_queue
from contracts.modules import order_slots
from contracts.modules import order_words

uses: book
uses: matching
uses: order_queue

# kinds of an order
GOOD_TILL_CANCEL: constant(uint256) = 0
POST_ONLY: constant(uint256) = 1
IMMEDIATE_OR_CANCEL: constant(uint256) = 2
FILL_OR_KILL: constant(uint256) = 3


interface Clearinghouse:
    def account_of(owner: address) -> uint256: view
    def position(account: uint256, market: uint256) -> (int256, int256, int256): view
    def may_rest(account: uint256, market: uint256, size: int256, price: int256) -> uint256: view


accounts: HashMap[address, uint256]


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
    tick: uint256 = price // book.tick_size
    assert (
        tick * book.tick_size == price and tick > 0 and tick <= book.MAX_TICK
    ), "order: price off the tick grid"
    assert kind <= FILL_OR_KILL, "order: unknown kind"
    assert expiry == 0 or (expiry >= block.timestamp and expiry < 2**32), "order: expired"
    account: uint256 = self._account(msg.sender)
    left: uint256 = size
    closes_all: bool = False
    flags: uint256 = 0
    if reduce_only:
        flags = matching.TAKER_REDUCE_ONLY
        held: uint256 = self._reducible(account, is_buy)
        assert held > 0, "order: nothing to reduce"
        left = min(size, held)
        closes_all = size >= held
    # off the grid only to close everything: dust orders would use up a taker's 64 fills for nothing
    if not closes_all:
        assert size >= book.min_size and size % book.lot_size == 0 and size <= order_words.U96, "order: size"

    before: order_words.Top = order_words._top(order_queue.top_word)
    top: order_words.Top = before
    filled: uint256 = 0
    if order_words._crosses(top, is_buy, tick):
        assert kind != POST_ONLY, "order: post-only would cross"
        matched: matching.Matched = empty(matching.Matched)
        top, matched = matching._match(top, account, is_buy, tick, left, flags, empty(matching.Terms))
        filled = matched.filled
        left -= filled
        if filled == 0:
            self._refuse(matched.answer)
    assert left == 0 or kind != FILL_OR_KILL, "order: cannot be filled whole"

    order_id: uint256 = 0
    if left > 0 and kind <= POST_ONLY and not order_words._crosses(top, is_buy, tick):
        answer: uint256 = matching.FILLED
        if not reduce_only:
            answer = self._may_rest(account, is_buy, left, price)
        if answer == matching.FILLED:
            order_id = top.next_id
            top = order_queue._rest(top, account, is_buy, tick, left, reduce_only, expiry)
        elif filled == 0:
            self._refuse(answer)
    order_queue._store_top(before, top)
    return order_id, filled


@external
@nonreentrant
def cancel(order_id: uint256):
    """
    @notice Take back a resting order. Only its owner; once expired, anyone.
    @param order_id Order.
    """
    word: uint256 = order_queue.orders[order_id]
    assert word != 0, "cancel: no such order"
    reason: uint256 = order_queue.CANCELLED
    if (word >> order_words.OWNER) & order_words.U32 != self.accounts[msg.sender]:
        assert order_words._is_expired(word), "cancel: not the owner"
        reason = order_queue.EXPIRED
    before: order_words.Top = order_words._top(order_queue.top_word)
    order_queue._store_top(before, order_queue._remove(before, order_id, word, reason))


@external
@nonreentrant
def cancel_many(order_ids: DynArray[uint256, order_slots.MAX_ORDERS]):
    """
    @notice Take back several orders of the caller; those that are gone are passed over.
    @param order_ids Orders.
    """
    account: uint256 = self.accounts[msg.sender]
    before: order_words.Top = order_words._top(order_queue.top_word)
    top: order_words.Top = before
    for order_id: uint256 in order_ids:
        word: uint256 = order_queue.orders[order_id]
        if word == 0:
            continue
        assert order_words._owner(word) == account, "cancel: not the owner"
        top = order_queue._remove(top, order_id, word, order_queue.CANCELLED)
    order_queue._store_top(before, top)


@external
@nonreentrant
def cancel_all():
    """
    @notice Take back all orders of the caller.
    """
    order_queue._cancel_all(self.accounts[msg.sender], order_queue.CANCELLED)


@internal
@view
def _may_rest(account: uint256, is_buy: bool, size: uint256, price: uint256) -> uint256:
    """
    @notice The clearinghouse's answer to whether an order may rest.
    """
    signed: int256 = convert(size, int256)
    if not is_buy:
        signed = -signed
    return staticcall Clearinghouse(book.clearinghouse).may_rest(
        account, book.market, signed, convert(price, int256)
    )


@internal
@pure
def _refuse(answer: uint256):
    """
    @notice Revert with the reason why the clearinghouse refused the taker.
    """
    assert answer != matching.MARGIN, "order: margin"
    assert answer != matching.STALE, "order: stale index"
    assert answer != matching.CLOSE_ONLY, "order: market is close-only"
    assert answer != matching.INTEREST_CAP, "order: open-interest cap"


@internal
@view
def _reducible(account: uint256, is_buy: bool) -> uint256:
    """
    @notice Size of the account's position (WAD) if this side would reduce it, else 0.
    """
    size: int256 = (staticcall Clearinghouse(book.clearinghouse).position(account, book.market))[0]
    if (size > 0) == is_buy:
        return 0
    return convert(abs(size), uint256)


@internal
def _account(owner: address) -> uint256:
    """
    @notice The caller's account, remembered after the first question.
    """
    account: uint256 = self.accounts[owner]
    if account == 0:
        account = staticcall Clearinghouse(book.clearinghouse).account_of(owner)
        assert account != 0, "order: no account, deposit first"
        self.accounts[owner] = account
    return account
