# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Drawdown breaker
@license Apache-2.0
@notice Stops payments when a fund has fallen too far from its highest level of the last eight hours.
@dev Pure: the caller stores three words. Levels are in steps (10**-6 token) rounded up, lines in token units
     rounded up, so rounding never lets a payment past the line.

     state word  bits 0-103 books in token units | 104-127 hour | 128-187 highest level of that hour, steps |
                 188-247 highest level of the eight hours before it, steps | 248 open
     near, far   eight lanes (modules/lanes.vy): the highest levels of the eight hours before `hour`

     The peak is the larger of the two levels in the state word, so a flow within the hour touches one word.
     Only when the hour has moved on are the lanes read and shifted. The level carried into an hour counts
     for that hour, and so into the next: hours without a flow enter as zero, for the level in them is the
     one that the present hour starts from, and that stays in view longer. After nine idle hours the peak is
     the present level.
     The window is the present hour and the eight before it, between eight and nine hours.

     Trip: the line is peak * (1 - trip). Payments stop at it, and whoever reaches it opens the breaker.
     It stays open until the fall from the peak is less than `resume`: by inflow, or as peaks age.
     With trip = 1 (1e18) there is no line, and the breaker never opens.
"""

from contracts.modules import lanes

WAD: constant(uint256) = 10**18
HOUR: constant(uint256) = 3600

BOOKS_MASK: constant(uint256) = 2**104 - 1
HOUR_MASK: constant(uint256) = 2**24 - 1
LEVEL_MASK: constant(uint256) = 2**60 - 1


struct State:
    books: uint256
    hour: uint256
    high: uint256
    past: uint256
    is_open: bool


@internal
@pure
def _unpack(word: uint256) -> State:
    return State(
        books=word & BOOKS_MASK,
        hour=(word >> 104) & HOUR_MASK,
        high=(word >> 128) & LEVEL_MASK,
        past=(word >> 188) & LEVEL_MASK,
        is_open=(word >> 248) != 0,
    )


@internal
@pure
def _pack(state: State) -> uint256:
    return (
        state.books
        | (state.hour << 104)
        | (state.high << 128)
        | (state.past << 188)
        | (convert(state.is_open, uint256) << 248)
    )


@internal
@pure
def _level(books: uint256, unit: uint256) -> uint256:
    """
    @notice A balance in steps, rounded up.
    @param books Token units, at most (2**60 - 1) * unit.
    @param unit Token units in a step.
    """
    # unsafe: books < 2**104 and unit is 1 to 10**12
    return unsafe_div(unsafe_add(books, unsafe_sub(unit, 1)), unit)


@internal
@pure
def _roll(
    state: State, near: uint256, far: uint256, hour: uint256, unit: uint256
) -> (State, uint256, uint256):
    """
    @notice Move a state on to a later hour.
    @param state The state as stored.
    @param near Lanes 0 to 3 as stored.
    @param far Lanes 4 to 7 as stored.
    @param hour The present hour, later than the state's.
    @param unit Token units in a step.
    @return The state and the two words of lanes after.
    """
    rolled: State = state
    new_near: uint256 = 0
    new_far: uint256 = 0
    new_near, new_far = lanes._shift(near, far, 1)
    new_near, new_far = lanes._shift(new_near | state.high, new_far, hour - state.hour - 1)
    rolled.hour = hour
    rolled.high = self._level(state.books, unit)
    rolled.past = lanes._maximum(new_near, new_far)
    return rolled, new_near, new_far


@internal
@pure
def _peak(state: State) -> uint256:
    return max(state.high, state.past)


@internal
@pure
def _line(state: State, unit: uint256, fall: uint256) -> uint256:
    """
    @notice The balance at which the fall from the peak is `fall`, rounded up.
    @param state The state as of now.
    @param unit Token units in a step.
    @param fall WAD, at most 1e18.
    @return Token units.
    """
    # unsafe: 2**60 steps * 10**12 * 10**18 < 2**160
    scaled: uint256 = unsafe_mul(unsafe_mul(self._peak(state), unit), unsafe_sub(WAD, fall))
    return unsafe_div(unsafe_add(scaled, WAD - 1), WAD)


@internal
@pure
def _room(state: State, unit: uint256, trip: uint256, resume: uint256) -> uint256:
    """
    @notice What may be paid before the breaker stops it.
    @param state The state as of now.
    @param unit Token units in a step.
    @param trip WAD.
    @param resume WAD.
    @return Token units; 0 while open.
    """
    if state.is_open and not self._recovered(state, unit, resume):
        return 0
    line: uint256 = self._line(state, unit, trip)
    return state.books - line if state.books > line else 0


@internal
@pure
def _latched(state: State, unit: uint256, trip: uint256, resume: uint256) -> bool:
    """
    @notice Whether the breaker is open, given whether it was.
    @param state The state as of now, `is_open` as it was.
    @param unit Token units in a step.
    @param trip WAD.
    @param resume WAD.
    @return True if open.
    """
    if trip == WAD or self._peak(state) == 0:
        return False
    if state.is_open:
        return not self._recovered(state, unit, resume)
    return state.books <= self._line(state, unit, trip)


@internal
@pure
def _recovered(state: State, unit: uint256, resume: uint256) -> bool:
    return state.books > self._line(state, unit, resume)
