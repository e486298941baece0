# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Packed words of an order book
@license Apache-2.0
@notice One word a line, most significant bits first.

        order   size left u96 (WAD) | owner u32 | previous u32 | next u32 | expiry u32 (s, 0: never) | tick u24 | slot u5
                | reduce-only u1 | buy u1 | unused 1
        level   total u128 (WAD) | unused 64 | head u32 | tail u32
        top     next order u32 | stamp u40 (s) | bid u24 | ask u24 | bid before u24 | ask before u24

        A level is a queue: orders link to their neighbours, so placing, cancelling and filling touch a constant number of
        words, and nothing is left behind. The head's `previous` is not kept up to date and never read.
        `top` keeps the best ticks with which the block began beside the present ones.
"""

U24: constant(uint256) = 2**24 - 1
U32: constant(uint256) = 2**32 - 1
U40: constant(uint256) = 2**40 - 1
U96: constant(uint256) = 2**96 - 1
SIZE: constant(uint256) = 160
OWNER: constant(uint256) = 128
PREVIOUS: constant(uint256) = 96
NEXT: constant(uint256) = 64
EXPIRY: constant(uint256) = 32
TICK: constant(uint256) = 8
SLOT: constant(uint256) = 3
REDUCE_ONLY: constant(uint256) = 4
BUY: constant(uint256) = 2


struct Top:
    next_id: uint256
    bid: uint256
    ask: uint256
    bid_before: uint256
    ask_before: uint256


@internal
@view
def _top(word: uint256) -> Top:
    """
    @notice The top of the book; in a new block the best ticks become those before.
    """
    top: Top = Top(
        next_id=word >> 136,
        bid=(word >> 72) & U24,
        ask=(word >> 48) & U24,
        bid_before=(word >> 24) & U24,
        ask_before=word & U24,
    )
    if (word >> 96) & U40 != block.timestamp:
        top.bid_before = top.bid
        top.ask_before = top.ask
    return top


@internal
@view
def _packed(top: Top) -> uint256:
    """
    @notice The word of the top, stamped with this block.
    """
    return (
        (top.next_id << 136)
        | (block.timestamp << 96)
        | (top.bid << 72)
        | (top.ask << 48)
        | (top.bid_before << 24)
        | top.ask_before
    )


@internal
@pure
def _crosses(top: Top, is_buy: bool, limit: uint256) -> bool:
    """
    @notice Whether an order with a limit tick would take from the book.
    """
    if is_buy:
        return top.ask != 0 and limit >= top.ask
    return limit <= top.bid


@internal
@pure
def _owner(word: uint256) -> uint256:
    """
    @notice Account of an order.
    """
    return (word >> OWNER) & U32


@internal
@pure
def _tick(word: uint256) -> uint256:
    """
    @notice Tick of an order.
    """
    return (word >> TICK) & U24


@internal
@view
def _is_expired(word: uint256) -> bool:
    """
    @notice Whether an order may no longer be filled.
    """
    expiry: uint256 = (word >> EXPIRY) & U32
    return expiry != 0 and expiry < block.timestamp
