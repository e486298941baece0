# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Packed words of the clearinghouse
@license Apache-2.0
@notice Vyper does not pack structs; the hot state is packed here, one word a line, most significant bits first. A signed
        field that must be read fast sits on top, where an arithmetic shift sign-extends it.

        account     collateral i128 (WAD) | unused 120 | markets u8 (bit i: a position in market i)
        holding     size i96 (WAD) | entry i128 (WAD) | epoch u32
        index       k i136 (1e-30 quote per unit of basis size) | a u120 (1e36 = 1)
        price       rate i80 (WAD quote per unit and second) | mark u88 (WAD) | index_time u40 (s) | accrued_at u40 (s) | flags u8
        premium     basis i88 (WAD) | premium i64 (WAD) | unused 16 | index u88 (WAD)
        interest    open interest u112 (WAD) | cap u80 (1e6 wei of WAD) | epoch of longs u32 | epoch of shorts u32
        terms       maker fee i32 (1e-9) | taker fee u32 (1e-9) | vault share u16 (bp) | max_age u16 (s) | book u160
        funding     interest i32 (1e-9) | clamp u32 (1e-9) | cap u32 (1e-9) | band u32 (1e-9) | unused 64
                    | basis_time u32 (s) | premium_time u32 (s)
        fees        vault u128 (WAD) | treasury u128 (WAD)

        Top bits stay clear where the top field is unsigned, so every word but `fees` reads as int256.

        A position is a holding and the index word that it last saw.
"""

U128: constant(int256) = 2**128 - 1


@internal
@pure
def _checked(x: int256, bits: uint256) -> int256:
    """
    @notice `x`, which must fit a signed field of so many bits.
    """
    # unsafe: bits is a constant of at least 64; the shift leaves 0 or -1 exactly for what fits
    top: int256 = x >> unsafe_sub(bits, 1)
    assert top == 0 or top == -1, "overflow"
    return x


@internal
@pure
def _account(collateral: int256, held: int256) -> int256:
    """
    @notice An account's word.
    """
    top: int256 = collateral << 128
    assert top >> 128 == collateral  # dev: beyond i128
    return top | held


@internal
@pure
def _holding(size: int256, entry: int256, epoch: int256) -> int256:
    """
    @notice A position's first word.
    """
    top: int256 = size << 160
    assert top >> 160 == size  # dev: beyond i96
    middle: int256 = (entry & U128) << 32
    assert (middle << 96) >> 128 == entry  # dev: beyond i128
    return top | middle | epoch


@internal
@pure
def _index(a: int256, k: int256) -> int256:
    """
    @notice A side's index, or a position's snapshot of it.
    """
    top: int256 = k << 120
    assert top >> 120 == k  # dev: beyond i136
    return top | a
