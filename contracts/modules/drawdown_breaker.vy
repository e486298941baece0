# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Drawdown breaker
@license Apache-2.0
@notice Stops payments when a fund has fallen too far from its highest level of the last eight hours.
@dev Pure: the caller stores three words. Levels are in steps (10**-6 token) rounded up, lines in token units
     rounded up, so rounding never lets a payment past the line.

     state word  bits 0-99 books in token units | 100-123 hour | 124-183 highest level of that hour, steps |
                 184-243 highest level of the eight hours before it, steps | 244 open | 245-255 marks: eleven
                 bits that belong to the caller
     near, far   eight lanes (modules/lanes.vy): the highest levels of the eight hours before `hour`

     The peak is the larger of the two levels in the state word, so a flow within the hour touches one word.
     Only when the hour has moved on are the lanes read and shifted. The level carried into an hour counts
     for that hour, and so into the next: hours without a flow enter as zero, for the level in them is the
     one that the present hour starts from, and that stays in view longer. After nine idle hours the peak is
     the present level.
     The window is the present hour and the eight before it, between eight and nine hours.

     Money that leaves without a loss (`_shrunk`) takes the levels along in proportion, so that the fall, as a
     fraction, stays what it was.

     Trip: the line is peak * (1 - trip). Payments stop at it, and whoever reaches it opens the breaker.
     It stays open until the fall from the peak is less than `resume`: by inflow, or as peaks age.
     With trip = 1 (1e18) there is no line, and the breaker never opens.
"""

from contracts.modules import lanes

WAD: constant(uint256) = 10**18
HOUR: constant(uint256) = 3600

BOOKS_MASK: constant(uint256) = 2**100 - 1
HOUR_AT: constant(uint256) = 100
HOUR_MASK: constant(uint256) = 2**24 - 1
LEVEL_MASK: constant(uint256) = 2**60 - 1
OPEN: constant(uint256) = 1 << 244
# open flag and marks; those and the hour
FLAGS_MASK: constant(uint256) = (2**12 - 1) << 244
REST_MASK: constant(uint256) = FLAGS_MASK | (HOUR_MASK << HOUR_AT)


@internal
@pure
def _books(word: uint256) -> uint256:
    """
    @notice The books in a state word.
    @return Token units.
    """
    return word & BOOKS_MASK


@internal
@pure
def _is_of(word: uint256, hour: uint256) -> bool:
    """
    @notice Whether a state is of this hour.
    """
    return (word >> HOUR_AT) & HOUR_MASK == hour


@internal
@pure
def _level(books: uint256, unit: uint256) -> uint256:
    """
    @notice A balance in steps, rounded up.
    @param books Token units, at most (2**60 - 1) * unit.
    @param unit Token units in a step.
    """
    # unsafe: books < 2**100 and unit is 1 to 10**12
    return unsafe_div(unsafe_add(books, unsafe_sub(unit, 1)), unit)


@internal
@pure
def _raised(word: uint256, amount: uint256, unit: uint256) -> uint256:
    """
    @notice Raise the books, and with them the highest level of the hour.
    @param word The state as of now.
    @param amount Token units; the books after are at most (2**60 - 1) * unit.
    @param unit Token units in a step.
    @return The state after; open or not as before.
    """
    # unsafe: neither books nor level outgrow their fields
    raised: uint256 = unsafe_add(word, amount)
    level: uint256 = unsafe_div(unsafe_add(raised & BOOKS_MASK, unsafe_sub(unit, 1)), unit)
    high: uint256 = (word >> 124) & LEVEL_MASK
    if level > high:
        raised = unsafe_add(raised, unsafe_sub(level, high) << 124)
    return raised


@internal
@pure
def _lowered(word: uint256, amount: uint256) -> uint256:
    """
    @notice Take a loss out of the books.
    @param word The state as of now.
    @param amount Token units, at most the books.
    @return The state after; open or not as before.
    """
    # unsafe: at most the books, which are the lowest bits
    return unsafe_sub(word, amount)


@internal
@pure
def _shrunk(word: uint256, near: uint256, far: uint256, amount: uint256) -> (uint256, uint256, uint256):
    """
    @notice Take out money that is not lost: every level shrinks as the books do, rounded up.
    @param word The state as of now.
    @param near Lanes 0 to 3 as of now.
    @param far Lanes 4 to 7 as of now.
    @param amount Token units, at most the books, which are above 0.
    @return The state and the two words of lanes after.
    """
    before: uint256 = word & BOOKS_MASK
    after: uint256 = before - amount
    high: uint256 = lanes._share((word >> 124) & LEVEL_MASK, after, before)
    past: uint256 = lanes._share((word >> 184) & LEVEL_MASK, after, before)
    return (
        (word & REST_MASK) | after | (high << 124) | (past << 184),
        lanes._scaled(near, after, before),
        lanes._scaled(far, after, before),
    )


@internal
@pure
def _roll(
    word: uint256, near: uint256, far: uint256, hour: uint256, unit: uint256
) -> (uint256, uint256, uint256):
    """
    @notice Move a state on to a later hour.
    @param word The state as stored.
    @param near Lanes 0 to 3 as stored.
    @param far Lanes 4 to 7 as stored.
    @param hour The present hour, later than the state's.
    @param unit Token units in a step.
    @return The state and the two words of lanes after.
    """
    new_near: uint256 = 0
    new_far: uint256 = 0
    new_near, new_far = lanes._shift(near, far, 1)
    new_near, new_far = lanes._shift(
        new_near | ((word >> 124) & LEVEL_MASK), new_far, hour - ((word >> HOUR_AT) & HOUR_MASK) - 1
    )
    books: uint256 = word & BOOKS_MASK
    return (
        (word & FLAGS_MASK)
        | books
        | (hour << HOUR_AT)
        | (self._level(books, unit) << 124)
        | (lanes._maximum(new_near, new_far) << 184),
        new_near,
        new_far,
    )


@internal
@pure
def _peak(word: uint256) -> uint256:
    """
    @notice The highest level of the present hour and the eight before it, in steps.
    """
    return max((word >> 124) & LEVEL_MASK, (word >> 184) & LEVEL_MASK)


@internal
@pure
def _line(word: uint256, unit: uint256, fall: uint256) -> uint256:
    """
    @notice The balance at which the fall from the peak is `fall`, rounded up.
    @param word The state as of now.
    @param unit Token units in a step.
    @param fall WAD, at most 1e18.
    @return Token units.
    """
    # unsafe: 2**60 steps * 10**12 * 10**18 < 2**160
    scaled: uint256 = unsafe_mul(unsafe_mul(self._peak(word), unit), unsafe_sub(WAD, fall))
    return unsafe_div(unsafe_add(scaled, WAD - 1), WAD)


@internal
@pure
def _room(word: uint256, unit: uint256, trip: uint256, resume: uint256) -> uint256:
    """
    @notice What may be paid before the breaker stops it.
    @param word The state as of now.
    @param unit Token units in a step.
    @param trip WAD.
    @param resume WAD.
    @return Token units; 0 while open.
    """
    if word & OPEN != 0 and not self._recovered(word, unit, resume):
        return 0
    books: uint256 = word & BOOKS_MASK
    line: uint256 = self._line(word, unit, trip)
    return books - line if books > line else 0


@internal
@pure
def _latched(word: uint256, unit: uint256, trip: uint256, resume: uint256) -> uint256:
    """
    @notice Open or close the breaker as the state demands.
    @param word The state as of now, open or not as it was.
    @param unit Token units in a step.
    @param trip WAD.
    @param resume WAD.
    @return The state after.
    """
    is_open: bool = False
    if trip != WAD and self._peak(word) != 0:
        if word & OPEN != 0:
            is_open = not self._recovered(word, unit, resume)
        else:
            is_open = word & BOOKS_MASK <= self._line(word, unit, trip)
    return word | OPEN if is_open else word & ~OPEN


@internal
@pure
def _recovered(word: uint256, unit: uint256, resume: uint256) -> bool:
    return word & BOOKS_MASK > self._line(word, unit, resume)
