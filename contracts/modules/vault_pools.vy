# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Pools of the insurance vault
@license Apache-2.0
@notice The vault's books: one pool that the markets share, and one of its own, a tranche, for each market
        that is isolated. What comes in, what may leave, and what has come and gone.
@dev All amounts are token units. A pool's books are its own count; nobody looks at the token's balance here.
     A market is paid only from its pool: an isolated one from its tranche, which no other market draws on,
     the others from the shared pool. Each pool has a breaker (one pair of rates for all); each market may
     have a cap.

     Storage, by hand because Vyper does not pack:
     states       per pool: books, hour, levels, open flag, marks    modules/drawdown_breaker.vy
                  marks of the shared pool: bit 0-7 isolated markets | 9 staking | 10 doubt; bit 8 stays clear
     older_levels per pool: the eight hours before                   modules/drawdown_breaker.vy
     config       bits 0-63 trip WAD | 64-127 resume WAD | 128-135 markets that have a cap, one bit each
     An inflow within the hour writes two words: its pool's state and the ledger's flows.
"""

from contracts.modules import drawdown_breaker as breaker
from contracts.modules import vault_caps as caps
from contracts.modules import vault_ledger as ledger

uses: caps
uses: ledger

WAD: constant(uint256) = 10**18
HOUR: constant(uint256) = 3600
MARKETS: constant(uint256) = 8
# stands for money that belongs to no market, and among the pools for the shared one
NO_MARKET: constant(uint256) = 8
KIND_PENALTY: constant(uint256) = 1
KIND_FUND: constant(uint256) = 3
DEFAULT_TRIP: constant(uint256) = 30 * 10**16
DEFAULT_RESUME: constant(uint256) = 25 * 10**16
STEP_DECIMALS: constant(uint256) = 6
# the books of a pool fit 60 bits in steps: a trillion tokens
MAX_STEPS: constant(uint256) = 2**60 - 1
RATE_MASK: constant(uint256) = 2**64 - 1
CAPPED_AT: constant(uint256) = 128
MARKS_AT: constant(uint256) = 245
ISOLATED: constant(uint256) = 2**8 - 1
STAKING: constant(uint256) = 1 << 9
DOUBT: constant(uint256) = 1 << 10

UNIT: immutable(uint256)
LIMIT: immutable(uint256)

states: uint256[MARKETS + 1]
older_levels: uint256[2][MARKETS + 1]
config: uint256


# assets are the books of the pool after the flow
event Inflow:
    market: indexed(uint256)
    kind: indexed(uint256)
    amount: uint256
    assets: uint256


event BreakerOpened:
    assets: uint256
    peak: uint256


event BreakerClosed:
    assets: uint256
    peak: uint256


# the breaker of a tranche opened, or closed
event TrancheBreakerMoved:
    market: indexed(uint256)
    is_open: bool
    assets: uint256
    peak: uint256


event CapSet:
    market: indexed(uint256)
    cap: uint256
    window: uint256


event BreakerSet:
    trip: uint256
    resume: uint256


# moved is what a tranche brings back into the shared pool
event IsolatedSet:
    market: indexed(uint256)
    isolated: bool
    moved: uint256


@deploy
def __init__(decimals: uint256):
    """
    @param decimals Decimals of the token, 6 to 18.
    """
    assert decimals >= STEP_DECIMALS and decimals <= 18, "vault: decimals"
    UNIT = 10**(decimals - STEP_DECIMALS)
    LIMIT = MAX_STEPS * UNIT
    self._store_breaker(DEFAULT_TRIP, DEFAULT_RESUME)


# pools


@internal
@view
def _pool(market: uint256) -> uint256:
    """
    @notice The pool of a market: its own number, or 8 for the shared pool.
    """
    return self._find(market)[0]


@internal
@view
def _find(market: uint256) -> (uint256, uint256):
    """
    @notice The pool of a market, and its state as stored.
    """
    word: uint256 = self.states[NO_MARKET]
    # unsafe: a market is at most 8
    if (word >> unsafe_add(MARKS_AT, market)) & 1 == 0:
        return NO_MARKET, word
    return market, self.states[market]


@internal
@view
def _word_of(market: uint256) -> uint256:
    """
    @notice The state of a market's pool as of now, without writing it.
    """
    pool: uint256 = 0
    word: uint256 = 0
    pool, word = self._find(market)
    return self._present(pool, word)


@internal
@view
def _books(pool: uint256) -> uint256:
    return breaker._books(self.states[pool])


@internal
@view
def _all_books() -> uint256:
    total: uint256 = self._books(NO_MARKET)
    marks: uint256 = self._marks()
    if marks & ISOLATED != 0:
        for market: uint256 in range(MARKETS):
            if (marks >> market) & 1 != 0:
                total += self._books(market)
    return total


@internal
@view
def _marks() -> uint256:
    return self.states[NO_MARKET] >> MARKS_AT


@internal
def _set_mark(mark: uint256, on: bool):
    """
    @notice Set or clear a mark of the shared pool.
    """
    word: uint256 = self.states[NO_MARKET]
    if on:
        self.states[NO_MARKET] = word | (mark << MARKS_AT)
    else:
        self.states[NO_MARKET] = word & ~(mark << MARKS_AT)


@internal
def _isolate(market: uint256):
    """
    @notice Give a market an empty pool of its own.
    """
    self._set_mark(1 << market, True)
    log IsolatedSet(market=market, isolated=True, moved=0)


@internal
def _merge(market: uint256) -> uint256:
    """
    @notice Put a market's tranche back into the shared pool.
    @return Token units moved.
    """
    moved: uint256 = self._books(market)
    self.states[market] = 0
    self.older_levels[market] = [0, 0]
    self._set_mark(1 << market, False)
    shared: uint256 = self.states[NO_MARKET]
    assert moved <= LIMIT - breaker._books(shared), "vault: over limit"
    self._raise(NO_MARKET, shared, moved)
    log IsolatedSet(market=market, isolated=False, moved=moved)
    return moved


# flows


@internal
def _book_inflow(market: uint256, kind: uint256, amount: uint256) -> uint256:
    """
    @notice Add money that has arrived to the books of a market's pool.
    @param market The market that brought it.
    @param kind Where it comes from.
    @param amount Token units.
    @return Token units booked: what fits under the limit.
    """
    # as `_find`, without the call: this is on the path of every liquidation
    pool: uint256 = NO_MARKET
    word: uint256 = self.states[NO_MARKET]
    # unsafe: a market is at most 8
    if (word >> unsafe_add(MARKS_AT, market)) & 1 != 0:
        pool = market
        word = self.states[market]
    # unsafe: the books never exceed the limit
    booked: uint256 = min(amount, unsafe_sub(LIMIT, word & breaker.BOOKS_MASK))
    if booked == 0:
        return 0
    assets: uint256 = self._raise(pool, word, booked)
    ledger._record(market, booked)
    log Inflow(market=market, kind=kind, amount=booked, assets=assets)
    return booked


@internal
def _raise(pool: uint256, word: uint256, amount: uint256) -> uint256:
    """
    @notice Raise a pool's books and store them.
    @param pool The pool.
    @param word Its state as stored.
    @param amount Token units that fit under the limit.
    @return Books after.
    """
    raised: uint256 = word
    if (word >> breaker.HOUR_AT) & breaker.HOUR_MASK != block.timestamp // HOUR:
        raised = self._rolled(pool, word)
    raised = breaker._raised(raised, amount, UNIT)
    if raised & breaker.OPEN != 0:
        raised = self._latch(pool, raised)
    self.states[pool] = raised
    return raised & breaker.BOOKS_MASK


@internal
def _book_outflow(market: uint256, requested: uint256) -> (uint256, uint256):
    """
    @notice Take a payment out of the books of a market's pool.
    @param market The market that causes it.
    @param requested Token units asked for.
    @return Token units to pay, books after.
    """
    pool: uint256 = 0
    word: uint256 = 0
    pool, word = self._find(market)
    # a breaker that has recovered by the passing of time closes here, so that log and state tell it
    word = self._latch(pool, self._rolled(pool, word))
    config: uint256 = self.config
    paid: uint256 = min(requested, self._coverage(word, config, market))
    if paid != 0:
        word = self._latch(pool, breaker._lowered(word, paid))
        ledger._record(market, paid << 116)
        if self._is_capped(config, market):
            # unsafe: a payment is below 2**100
            caps._spend(market, unsafe_div(unsafe_add(paid, unsafe_sub(UNIT, 1)), UNIT))
    self.states[pool] = word
    return paid, breaker._books(word)


@internal
def _book_stake(amount: uint256):
    """
    @notice Add what a staker paid in to the shared pool.
    @param amount Token units that fit under the limit.
    """
    self._raise(NO_MARKET, self.states[NO_MARKET], amount)
    ledger._record(NO_MARKET, amount)


@internal
def _book_exit(amount: uint256):
    """
    @notice Take what a staker takes out from the shared pool. It is no loss: the breaker's levels shrink with
            it, so that it need not be looked at.
    @param amount Token units, above 0 and at most the books.
    """
    word: uint256 = self._rolled(NO_MARKET, self.states[NO_MARKET])
    near: uint256 = self.older_levels[NO_MARKET][0]
    far: uint256 = self.older_levels[NO_MARKET][1]
    word, near, far = breaker._shrunk(word, near, far, amount)
    self.older_levels[NO_MARKET] = [near, far]
    self.states[NO_MARKET] = word
    ledger._record(NO_MARKET, amount << 116)


# breaker and caps


@internal
def _set_cap(market: uint256, cap: uint256, window: uint256):
    """
    @notice Change a market's cap; what is counted stays counted.
    @param market The market.
    @param cap Token units; 0 lifts it.
    @param window Seconds.
    """
    assert cap == 0 or (cap >= UNIT and cap <= LIMIT), "vault: bad cap"
    caps._change(market, cap // UNIT, window)
    bit: uint256 = 1 << (CAPPED_AT + market)
    if cap == 0:
        self.config &= ~bit
    else:
        self.config |= bit
    log CapSet(market=market, cap=cap // UNIT * UNIT, window=window)


@internal
def _set_breaker(trip: uint256, resume: uint256):
    """
    @notice Change the breaker's rates, and apply them to every pool.
    """
    self._store_breaker(trip, resume)
    marks: uint256 = self._marks()
    for pool: uint256 in range(MARKETS + 1):
        if pool == NO_MARKET or (marks >> pool) & 1 != 0:
            self.states[pool] = self._latch(pool, self._rolled(pool, self.states[pool]))


@internal
def _store_breaker(trip: uint256, resume: uint256):
    self.config = ((self.config >> 128) << 128) | (resume << 64) | trip
    log BreakerSet(trip=trip, resume=resume)


@internal
@view
def _coverage(word: uint256, config: uint256, market: uint256) -> uint256:
    trip: uint256 = 0
    resume: uint256 = 0
    trip, resume = self._rates(config)
    available: uint256 = breaker._room(word, UNIT, trip, resume)
    if self._is_capped(config, market):
        available = min(available, caps._left(market) * UNIT)
    return available


@internal
@view
def _is_open(word: uint256) -> bool:
    """
    @notice Whether a pool's breaker is open, given its state as of now.
    """
    if word & breaker.OPEN == 0:
        return False
    trip: uint256 = 0
    resume: uint256 = 0
    trip, resume = self._rates(self.config)
    return breaker._latched(word, UNIT, trip, resume) & breaker.OPEN != 0


@internal
@pure
def _rates(config: uint256) -> (uint256, uint256):
    return config & RATE_MASK, (config >> 64) & RATE_MASK


@internal
@pure
def _is_capped(config: uint256, market: uint256) -> bool:
    return (config >> (CAPPED_AT + market)) & 1 == 1


@internal
@view
def _present(pool: uint256, word: uint256) -> uint256:
    """
    @notice A pool's state as of now, given as stored, without writing it.
    """
    if breaker._is_of(word, block.timestamp // HOUR):
        return word
    return self._moved(pool, word)[0]


@internal
def _rolled(pool: uint256, word: uint256) -> uint256:
    """
    @notice A pool's state as of now, given as stored; the caller stores it. The older levels are stored here.
    """
    if breaker._is_of(word, block.timestamp // HOUR):
        return word
    rolled: uint256 = 0
    near: uint256 = 0
    far: uint256 = 0
    rolled, near, far = self._moved(pool, word)
    self.older_levels[pool] = [near, far]
    return rolled


@internal
@view
def _moved(pool: uint256, word: uint256) -> (uint256, uint256, uint256):
    """
    @notice A pool's state and older levels, moved on to the present hour.
    """
    return breaker._roll(
        word, self.older_levels[pool][0], self.older_levels[pool][1], block.timestamp // HOUR, UNIT
    )


@internal
def _latch(pool: uint256, word: uint256) -> uint256:
    """
    @notice Open or close a pool's breaker as its state demands, and say so.
    """
    trip: uint256 = 0
    resume: uint256 = 0
    trip, resume = self._rates(self.config)
    latched: uint256 = breaker._latched(word, UNIT, trip, resume)
    if latched == word:
        return latched
    assets: uint256 = breaker._books(word)
    peak: uint256 = breaker._peak(word) * UNIT
    is_open: bool = latched & breaker.OPEN != 0
    if pool != NO_MARKET:
        log TrancheBreakerMoved(market=pool, is_open=is_open, assets=assets, peak=peak)
    elif is_open:
        log BreakerOpened(assets=assets, peak=peak)
    else:
        log BreakerClosed(assets=assets, peak=peak)
    return latched
