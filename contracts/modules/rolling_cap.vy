# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Rolling cap
@license Apache-2.0
@notice At most `cap` leaves in any interval of the window's length.
@dev Amounts are in steps (10**-6 token), every one rounded up. Pure: the caller stores three words.

     cap word   bits 0-59 cap in steps | 64-95 window in seconds | 96-159 number of the newest bucket
     near, far  eight lanes of steps spent (modules/lanes.vy), lane 0 the bucket of that number

     A bucket is ceil(window / 7) seconds long, so the newest bucket and the seven before it reach back over
     at least the whole window wherever in its bucket the present moment is: both ends of the interval
     included, nothing inside it is forgotten. What is counted is up to one bucket older than the window,
     which only makes the cap tighter.
     A change of the window keeps what is counted and dates it to the present, so the guarantee holds across
     changes, too; a lowered cap counts what left before.
"""

from contracts.modules import lanes

OLDER_BUCKETS: constant(uint256) = 7
CAP_MASK: constant(uint256) = 2**60 - 1
WINDOW_MASK: constant(uint256) = 2**32 - 1


struct Cap:
    cap: uint256
    window: uint256
    bucket: uint256
    near: uint256
    far: uint256


@internal
@view
def _load(word: uint256, near: uint256, far: uint256) -> Cap:
    """
    @notice A cap as of now.
    @param word The cap word; its window must not be 0.
    @param near Lanes 0 to 3 as stored.
    @param far Lanes 4 to 7 as stored.
    @return The cap, with buckets moved to the present.
    """
    cap: Cap = Cap(
        cap=word & CAP_MASK,
        window=(word >> 64) & WINDOW_MASK,
        bucket=word >> 96,
        near=near,
        far=far,
    )
    bucket: uint256 = self._bucket(cap.window)
    if bucket != cap.bucket:
        cap.near, cap.far = lanes._shift(near, far, bucket - cap.bucket)
        cap.bucket = bucket
    return cap


@internal
@pure
def _word(cap: Cap) -> uint256:
    return cap.cap | (cap.window << 64) | (cap.bucket << 96)


@internal
@view
def _bucket(window: uint256) -> uint256:
    # unsafe: a window is below 2**32 and above 0
    return block.timestamp // unsafe_div(unsafe_add(window, OLDER_BUCKETS - 1), OLDER_BUCKETS)


@internal
@pure
def _used(cap: Cap) -> uint256:
    return lanes._sum(cap.near, cap.far)


@internal
@pure
def _left(cap: Cap) -> uint256:
    """
    @notice What may still leave now.
    @param cap The cap as of now.
    @return Steps.
    """
    used: uint256 = self._used(cap)
    return cap.cap - used if cap.cap > used else 0


@internal
@pure
def _spend(cap: Cap, steps: uint256) -> Cap:
    """
    @notice Count an amount that leaves now.
    @param cap The cap as of now.
    @param steps The amount, rounded up, at most `_left`: so a lane never exceeds the cap.
    @return The cap after.
    """
    spent: Cap = cap
    spent.near = cap.near + steps
    return spent


@internal
@view
def _change(cap: Cap, limit: uint256, window: uint256) -> Cap:
    """
    @notice Another cap or window; what is counted stays counted.
    @param cap The cap as of now.
    @param limit The new cap in steps.
    @param window The new window in seconds.
    @return The cap after.
    """
    changed: Cap = cap
    changed.cap = limit
    if window != cap.window:
        changed.window = window
        changed.bucket = self._bucket(window)
        changed.near = self._used(cap)
        changed.far = 0
    return changed
