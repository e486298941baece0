# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Pricing
@license Apache-2.0
@notice The rules of mark price and funding rate, without state.
        basis    EMA of (book mid - index), held within the band
        mark     median of index, index + basis and mid, within the band; index + basis where the book has no mid
        premium  EMA of (mark - index) / index
        rate     per 8 h: clamp(premium + clamp(interest - premium, +-clamp), +-cap)
        The mid is the one with which the block began, so nobody moves the mark within a block.
"""

from contracts.modules import fixed_point
from contracts.modules import packing

WAD: constant(int256) = 10**18
# rates are kept in 1e-9
PPB: constant(int256) = 10**9
FUNDING_PERIOD: constant(int256) = 8 * 3600
U32: constant(int256) = 2**32 - 1
U40: constant(int256) = 2**40 - 1
U64: constant(int256) = 2**64 - 1
U88: constant(int256) = 2**88 - 1


interface Book:
    def block_start_top() -> (uint256, uint256): view


@external
@view
def renewed(
    price: int256, premium_word: int256, funding: int256, book: address, new_index: uint256, new_time: uint256
) -> (int256, int256):
    """
    @notice A market's price and premium words brought to now.
    @param price Price word; this and the next two as `modules/packing.vy` lays them out.
    @param premium_word Premium word; 0 before the first index.
    @param funding Funding terms.
    @param book Order book of the market.
    @param new_index Index price (WAD), 0: keep the last.
    @param new_time Time of the new index (s).
    @return Price and premium words.
    """
    now: int256 = convert(block.timestamp, int256)
    elapsed: int256 = now - ((price >> 8) & U40)
    index: int256 = premium_word & U88
    index_time: int256 = (price >> 48) & U40
    basis: int256 = premium_word >> 168
    premium: int256 = (premium_word << 88) >> 192
    band: int256 = (funding >> 128) & U32

    bid: uint256 = 0
    ask: uint256 = 0
    bid, ask = staticcall Book(book).block_start_top()
    mid: int256 = 0
    if bid != 0 and ask != 0:
        mid = convert((bid + ask) // 2, int256)

    if index != 0 and elapsed != 0:
        width: int256 = index * band // PPB
        seen: int256 = 0
        if mid != 0:
            seen = fixed_point._clamp(mid - index, -width, width)
        basis = self._averaged(basis, seen, elapsed, (funding >> 32) & U32)
        premium = self._averaged(
            premium, (((price >> 88) & U88) - index) * WAD // index, elapsed, funding & U32
        )
    if new_index != 0:
        index = convert(new_index, int256)
        index_time = convert(new_time, int256)

    span: int256 = index * band // PPB
    mark: int256 = index + basis
    if mid != 0:
        mark = fixed_point._median(index, mark, mid)
    mark = fixed_point._clamp(mark, index - span, index + span)
    assert index <= U88 and mark <= U88, "overflow"
    rate: int256 = self._funding_rate(funding, premium) * mark // WAD // FUNDING_PERIOD
    return (
        (packing._checked(rate, 80) << 176) | (mark << 88) | (index_time << 48) | (now << 8) | (price & 255),
        (packing._checked(basis, 88) << 168) | ((packing._checked(premium, 64) & U64) << 104) | index,
    )


@internal
@pure
def _funding_rate(funding: int256, premium: int256) -> int256:
    """
    @notice Funding rate per 8 hours (WAD): clamp(premium + clamp(interest - premium, +-clamp), +-cap).
    """
    clamp: int256 = ((funding >> 192) & U32) * PPB
    cap: int256 = ((funding >> 160) & U32) * PPB
    return fixed_point._clamp(
        premium + fixed_point._clamp((funding >> 224) * PPB - premium, -clamp, clamp), -cap, cap
    )


@internal
@pure
def _averaged(average: int256, held: int256, elapsed: int256, time: int256) -> int256:
    """
    @notice Exponential average after `held` was seen for `elapsed` seconds; it composes: twice half the time is the same.
    """
    # unsafe: averages have 88 bits, the factor 60, seconds 40
    return unsafe_add(
        held,
        unsafe_div(
            unsafe_mul(
                unsafe_sub(average, held),
                fixed_point._exp_negative(unsafe_div(unsafe_mul(elapsed, WAD), time)),
            ),
            WAD,
        ),
    )
