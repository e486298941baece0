# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Terms of an order book
@license Apache-2.0
@notice What is fixed for good when a book is deployed: the contracts that it works with, its market, and its grid (WAD).
"""

from contracts.modules import order_slots

MAX_TICK: constant(uint256) = 2**24 - 1

clearinghouse: public(immutable(address))
liquidator: public(immutable(address))
market: public(immutable(uint256))
tick_size: public(immutable(uint256))
lot_size: public(immutable(uint256))
min_size: public(immutable(uint256))
max_orders: public(immutable(uint256))


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
    assert max_orders_ > 0 and max_orders_ <= order_slots.MAX_ORDERS, "book: max orders"
    clearinghouse = clearinghouse_
    liquidator = liquidator_
    market = market_
    tick_size = tick_size_
    lot_size = lot_size_
    min_size = min_size_
    max_orders = max_orders_
