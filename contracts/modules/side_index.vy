# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Side index
@license Apache-2.0
@notice One lazy mechanism for funding, deleveraging and socialised loss. A side of a market has a size multiplier `a`
        (1e36 = 1) and a cumulative quote `k` per unit of size at a = 1 (1e-30 quote). A position keeps its basis size
        b, its entry value v and the (a, k) that it last saw. With g = a / a_seen it is worth
            size       b * g, rounded toward zero
            collateral + |b| * (k - k_seen) / a_seen, rounded down, - (v - g * v)
            entry      g * v
        Every change of `k` is rounded down: who receives gets the floor, who pays pays the ceiling.
@dev Arithmetic on packed fields is unchecked: |size| < 2**96, |entry| < 2**128, a < 2**120, |k| < 2**135, funding flow
     < 2**120, so that no product here reaches 2**255. What is written back is checked when it is packed.
"""

from contracts.modules import fixed_point

A_ONE: constant(int256) = 10**36
# a / 1e36 * quote (1e-18) per size (1e-18) -> 1e-30: one division by 1e6; funding per unit (1e-18): one by 1e24
SPREAD_SCALE: constant(int256) = 10**6
FLOW_SCALE: constant(int256) = 10**24


@internal
@pure
def _settle(
    size: int256, entry: int256, a_seen: int256, k_seen: int256, a: int256, k: int256
) -> (int256, int256, int256):
    """
    @notice A position brought to the present.
    @return Effective size (WAD), entry value (WAD) and what the collateral gains (WAD).
    """
    gain: int256 = 0
    if k != k_seen:
        # unsafe: 96 + 136 + 20 bits
        gain = fixed_point._floor_div(
            unsafe_mul(unsafe_mul(abs(size), unsafe_sub(k, k_seen)), SPREAD_SCALE), a_seen
        )
    if a == a_seen:
        return size, entry, gain
    # unsafe: 96 + 120 bits and 128 + 120 bits; a_seen > 0
    left: int256 = unsafe_div(unsafe_mul(size, a), a_seen)
    kept: int256 = unsafe_div(unsafe_mul(entry, a), a_seen)
    return left, kept, unsafe_add(unsafe_sub(gain, entry), kept)


@internal
@pure
def _after_flow(k: int256, a: int256, flow: int256) -> int256:
    """
    @notice `k` after `flow` (WAD quote, signed) was received by each unit of size.
    """
    # unsafe: 120 + 120 bits
    return unsafe_add(k, fixed_point._floor_div(unsafe_mul(a, flow), FLOW_SCALE))


@internal
@pure
def _after_spread(k: int256, a: int256, amount: int256, open_interest: int256) -> int256:
    """
    @notice `k` after `amount` (WAD quote, signed) was shared out over a side by size.
    @param open_interest Size of the side (WAD), positive.
    """
    return k + fixed_point._floor_div(a * amount, open_interest * SPREAD_SCALE)


@internal
@pure
def _after_reduction(a: int256, quantity: int256, open_interest: int256) -> int256:
    """
    @notice `a` after `quantity` of `open_interest` (WAD) was closed pro rata.
    """
    return a * (open_interest - quantity) // open_interest
