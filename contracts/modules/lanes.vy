# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Lanes
@license Apache-2.0
@notice Eight 64-bit numbers in two words, the newest first: a shift register over time.
@dev Lane 0 is the lowest 64 bits of `near`, lane 3 its highest; lane 4 is the lowest 64 bits of `far`.
     Two kinds of history sit in such a pair of words: hourly maxima and amounts spent.
"""

LANES: constant(uint256) = 8
LANE_MASK: constant(uint256) = 2**64 - 1


@internal
@pure
def _shift(near: uint256, far: uint256, steps: uint256) -> (uint256, uint256):
    """
    @notice Move every lane `steps` places towards the old end; zeros enter, what leaves is forgotten.
    @param near Lanes 0 to 3.
    @param far Lanes 4 to 7.
    @param steps How many places, any number.
    @return The two words after.
    """
    bits: uint256 = 64 * min(steps, LANES)
    if bits > 256:
        return 0, near << (bits - 256)
    return near << bits, (far << bits) | (near >> (256 - bits))


@internal
@pure
def _sum(near: uint256, far: uint256) -> uint256:
    total: uint256 = 0
    for offset: uint256 in [0, 64, 128, 192]:
        # unsafe: eight numbers below 2**64 cannot overflow
        total = unsafe_add(total, unsafe_add((near >> offset) & LANE_MASK, (far >> offset) & LANE_MASK))
    return total


@internal
@pure
def _maximum(near: uint256, far: uint256) -> uint256:
    highest: uint256 = 0
    for offset: uint256 in [0, 64, 128, 192]:
        highest = max(highest, max((near >> offset) & LANE_MASK, (far >> offset) & LANE_MASK))
    return highest


@internal
@pure
def _scaled(word: uint256, part: uint256, whole: uint256) -> uint256:
    """
    @notice Multiply the four lanes of a word by part / whole, each rounded up.
    @param word Four lanes.
    @param part At most `whole`.
    @param whole Above 0 and below 2**128.
    @return The word after.
    """
    if word == 0:
        return 0
    scaled: uint256 = 0
    for offset: uint256 in [0, 64, 128, 192]:
        scaled |= self._share((word >> offset) & LANE_MASK, part, whole) << offset
    return scaled


@internal
@pure
def _share(number: uint256, part: uint256, whole: uint256) -> uint256:
    """
    @notice number * part / whole, rounded up.
    @param number Below 2**64.
    @param part At most `whole`.
    @param whole Above 0 and below 2**128.
    """
    # unsafe: below 2**256 together
    return unsafe_div(unsafe_add(unsafe_mul(number, part), unsafe_sub(whole, 1)), whole)
