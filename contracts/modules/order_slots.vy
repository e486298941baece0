# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Order slots
@license Apache-2.0
@notice Which orders an account has open, at most 32. Word 0 of an account has the occupancy u32 on top and the orders in
        slots 0..6; words 1.. have the slots from 7 on, eight u32 a word.
"""

from contracts.modules import tick_bitmap

MAX_ORDERS: constant(uint256) = 32
FIRST_WORD_SLOTS: constant(uint256) = 7
U32: constant(uint256) = 2**32 - 1

slots: HashMap[uint256, uint256]


@internal
@view
def _occupied(account: uint256) -> uint256:
    """
    @notice Bit i is set where slot i has an order.
    """
    return self.slots[account << 3] >> 224


@internal
def _take_slot(account: uint256, order_id: uint256, most: uint256) -> uint256:
    """
    @notice Note an order among its account's; the slot it is in.
    """
    key: uint256 = account << 3
    first: uint256 = self.slots[key]
    free: uint256 = ~first >> 224
    slot: uint256 = MAX_ORDERS
    if free != 0:
        slot = tick_bitmap._lowest(free)
    assert slot < most, "order: too many open orders"
    # unsafe: slots are below 32
    first |= 1 << unsafe_add(224, slot)
    if slot < FIRST_WORD_SLOTS:
        first |= order_id << unsafe_mul(slot, 32)
    else:
        self.slots[key | self._word_of(slot)] |= order_id << self._shift_of(slot)
    self.slots[key] = first
    return slot


@internal
def _free_slot(account: uint256, slot: uint256):
    """
    @notice Forget the order in a slot.
    """
    key: uint256 = account << 3
    # unsafe: slots are below 32
    first: uint256 = self.slots[key] ^ (1 << unsafe_add(224, slot))
    if slot < FIRST_WORD_SLOTS:
        first &= ~(U32 << unsafe_mul(slot, 32))
    else:
        self.slots[key | self._word_of(slot)] &= ~(U32 << self._shift_of(slot))
    self.slots[key] = first


@internal
@view
def _order_in(account: uint256, slot: uint256) -> uint256:
    """
    @notice The order in an occupied slot.
    """
    if slot < FIRST_WORD_SLOTS:
        return (self.slots[account << 3] >> (slot * 32)) & U32
    return (self.slots[(account << 3) | self._word_of(slot)] >> self._shift_of(slot)) & U32


@internal
@pure
def _word_of(slot: uint256) -> uint256:
    """
    @notice Which of the account's words a slot after the first seven is in.
    """
    return 1 + (slot - FIRST_WORD_SLOTS) // 8


@internal
@pure
def _shift_of(slot: uint256) -> uint256:
    """
    @notice Where in that word.
    """
    return ((slot - FIRST_WORD_SLOTS) % 8) * 32
