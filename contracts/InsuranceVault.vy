# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Insurance vault
@license Apache-2.0
@notice The insurance fund of the exchange: takes in penalties, fee shares and gifts of the treasury, and pays
        the deficits and keeper rewards that the Liquidator asks for, as far as its rules allow.
@dev All amounts are token units. `assets` is the vault's own books; the token's balance is only looked at to
     measure a flow, so donations change nothing. Asking for money never reverts for lack of it.

     Storage, by hand because Vyper does not pack:
     state        books, hour, levels, open flag    modules/drawdown_breaker.vy
     older_levels the eight hours before            modules/drawdown_breaker.vy
     config       bits 0-63 trip WAD | 64-127 resume WAD | 128-135 markets that have a cap, one bit each
     caps         per market a cap word             modules/rolling_cap.vy
     spent        per market two words of lanes     modules/rolling_cap.vy
     flows        per market bits 0-115 inflow | 116-231 outflow, since the beginning | 232-255 hour of the last
     starts       per market a ring of a week: the flows word with which an hour began, under that hour; hours
                  without a flow are left out
     deficits     per market the deficit asked for, paid or not
     An inflow within the hour writes two words: state, flows.
"""

from contracts.modules import access
from contracts.modules import drawdown_breaker as breaker
from contracts.modules import rolling_cap
from contracts.modules import token_transfer

initializes: access

exports: (
    access.owner,
    access.pending_owner,
    access.transfer_ownership,
    access.accept_ownership,
)


interface IERC20Metadata:
    def decimals() -> uint8: view


WAD: constant(uint256) = 10**18
HOUR: constant(uint256) = 3600
MARKETS: constant(uint256) = 8
# stands in the ledger and in events for money that belongs to no market
NO_MARKET: constant(uint256) = 8
KIND_PENALTY: constant(uint256) = 1
KIND_FUND: constant(uint256) = 3
RING: constant(uint256) = 168
DEFAULT_TRIP: constant(uint256) = 30 * 10**16
DEFAULT_RESUME: constant(uint256) = 25 * 10**16
DEFAULT_WINDOW: constant(uint256) = 86400
STEP_DECIMALS: constant(uint256) = 6
# the books fit 60 bits in steps: a trillion tokens
MAX_STEPS: constant(uint256) = 2**60 - 1
LANE_MASK: constant(uint256) = 2**64 - 1
FLOW_MASK: constant(uint256) = 2**116 - 1
TOTALS_MASK: constant(uint256) = 2**232 - 1

TOKEN: immutable(address)
UNIT: immutable(uint256)
LIMIT: immutable(uint256)
FIRST_HOUR: immutable(uint256)


struct Ledger:
    inflow: uint256
    outflow: uint256
    deficit: uint256


struct BreakerView:
    is_open: bool
    peak: uint256
    line: uint256
    trip: uint256
    resume: uint256


struct CapView:
    cap: uint256
    window: uint256
    left: uint256


struct HistoryEntry:
    time: uint256
    balance: uint256
    inflow: uint256
    outflow: uint256


clearinghouse: public(address)
liquidator: public(address)
state: uint256
older_levels: uint256[2]
config: uint256
caps: uint256[MARKETS]
spent: uint256[2][MARKETS]
flows: uint256[MARKETS + 1]
deficits: uint256[MARKETS]
starts: uint256[RING][MARKETS + 1]


event Inflow:
    market: indexed(uint256)
    kind: indexed(uint256)
    amount: uint256
    assets: uint256


# requested is the deficit as it arises; 0 where the payment is for one that was booked before
event Cover:
    market: indexed(uint256)
    requested: uint256
    paid: uint256
    assets: uint256


event RewardPaid:
    market: indexed(uint256)
    amount: uint256
    assets: uint256


event BreakerOpened:
    assets: uint256
    peak: uint256


event BreakerClosed:
    assets: uint256
    peak: uint256


event CapSet:
    market: indexed(uint256)
    cap: uint256
    window: uint256


event BreakerSet:
    trip: uint256
    resume: uint256


event CoreSet:
    clearinghouse: indexed(address)
    liquidator: indexed(address)


@deploy
def __init__(token: address, owner: address):
    """
    @param token The collateral token, 6 to 18 decimals.
    @param owner The first owner.
    """
    access.__init__(owner)
    decimals: uint256 = convert(staticcall IERC20Metadata(token).decimals(), uint256)
    assert decimals >= STEP_DECIMALS and decimals <= 18, "vault: decimals"
    TOKEN = token
    UNIT = 10**(decimals - STEP_DECIMALS)
    LIMIT = MAX_STEPS * UNIT
    FIRST_HOUR = block.timestamp // HOUR
    self._set_breaker(DEFAULT_TRIP, DEFAULT_RESUME)


@external
@nonreentrant
def set_core(clearinghouse: address, liquidator: address):
    """
    @notice Name the contracts that the vault serves. Only the owner, once.
    @param clearinghouse Receives what the vault pays, books what it sends.
    @param liquidator Asks for deficits and rewards.
    """
    access._only_owner()
    assert self.clearinghouse == empty(address), "vault: core is set"
    assert clearinghouse != empty(address) and liquidator != empty(address), "vault: zero address"
    self.clearinghouse = clearinghouse
    self.liquidator = liquidator
    log CoreSet(clearinghouse=clearinghouse, liquidator=liquidator)


@external
@nonreentrant
def set_cap(market: uint256, cap: uint256, window: uint256 = DEFAULT_WINDOW):
    """
    @notice Limit what may leave for a market in any interval of the window's length. Only the owner.
    @dev What a capped market has had within its window counts against a new cap, too; what it had while it
         was without a cap does not.
    @param market 0 to 7.
    @param cap Token units, rounded down to 10**-6 token; 0 lifts the cap.
    @param window Seconds, at most a year.
    """
    access._only_owner()
    assert market < MARKETS, "vault: unknown market"
    assert cap == 0 or (cap >= UNIT and cap <= LIMIT), "vault: bad cap"
    assert window != 0 and window <= 365 * 86400, "vault: bad window"
    current: rolling_cap.Cap = empty(rolling_cap.Cap)
    if self.caps[market] != 0:
        current = self._cap(market)
    self._store_cap(market, rolling_cap._change(current, cap // UNIT, window))
    bit: uint256 = 1 << (128 + market)
    if cap == 0:
        self.config &= ~bit
    else:
        self.config |= bit
    log CapSet(market=market, cap=cap // UNIT * UNIT, window=window)


@external
@nonreentrant
def set_breaker(trip: uint256, resume: uint256):
    """
    @notice Set when the breaker opens and closes, and apply it to the present state. Only the owner.
    @param trip WAD fall from the peak of eight hours at which payments stop; 1e18 switches the breaker off.
    @param resume WAD fall under which they resume, above 0 and at most `trip`.
    """
    access._only_owner()
    assert trip <= WAD and resume != 0 and resume <= trip, "vault: bad breaker"
    self._set_breaker(trip, resume)
    self.state = breaker._pack(self._latch(self._rolled()))


@external
@nonreentrant
def fund(amount: uint256) -> uint256:
    """
    @notice Give money to the vault. Anyone; needs an allowance.
    @param amount Token units.
    @return Token units that arrived and were booked.
    """
    received: uint256 = token_transfer._pull(TOKEN, msg.sender, amount)
    if received == 0:
        return 0
    assert self._book_inflow(NO_MARKET, KIND_FUND, received) == received, "vault: over limit"
    return received


@external
@nonreentrant
def book_inflow(market: uint256, kind: uint256, amount: uint256):
    """
    @notice Book money that the Clearinghouse has just sent. Only the Clearinghouse.
    @dev What would lift the books over their limit of a trillion tokens is not booked, instead of holding up
         a liquidation.
    @param market 0 to 7.
    @param kind 1 penalty, 2 fee share, 3 fund.
    @param amount Token units that arrived.
    """
    assert msg.sender == self.clearinghouse, "vault: not clearinghouse"
    assert market < MARKETS, "vault: unknown market"
    assert kind >= KIND_PENALTY and kind <= KIND_FUND, "vault: unknown kind"
    self._book_inflow(market, kind, amount)


@external
@nonreentrant
def cover(market: uint256, amount: uint256) -> uint256:
    """
    @notice Pay a market's deficit to the Clearinghouse as far as coverage goes, and book the deficit. Only
            the Liquidator.
    @dev Books, ledger and event tell what left; with a token that takes a fee, less arrives.
    @param market 0 to 7.
    @param amount Token units of the deficit.
    @return Token units that arrived, 0 if there is no coverage.
    """
    assert msg.sender == self.liquidator, "vault: not liquidator"
    assert market < MARKETS, "vault: unknown market"
    if amount == 0:
        return 0
    booked: uint256 = self.deficits[market]
    self.deficits[market] = booked + min(amount, max_value(uint256) - booked)
    paid: uint256 = 0
    assets: uint256 = 0
    paid, assets = self._book_outflow(market, amount)
    log Cover(market=market, requested=amount, paid=paid, assets=assets)
    return token_transfer._push(TOKEN, self.clearinghouse, paid)


@external
@nonreentrant
def repay(market: uint256, amount: uint256) -> uint256:
    """
    @notice Pay debt that was booked as a deficit when it arose, as far as coverage goes. Only the Liquidator.
    @param market 0 to 7.
    @param amount Token units still owed.
    @return Token units that arrived, 0 if there is no coverage.
    """
    assert msg.sender == self.liquidator, "vault: not liquidator"
    assert market < MARKETS, "vault: unknown market"
    paid: uint256 = 0
    assets: uint256 = 0
    paid, assets = self._book_outflow(market, amount)
    if paid == 0:
        return 0
    log Cover(market=market, requested=0, paid=paid, assets=assets)
    return token_transfer._push(TOKEN, self.clearinghouse, paid)


@external
@nonreentrant
def reward(market: uint256, amount: uint256) -> uint256:
    """
    @notice Pay a keeper's reward to the Clearinghouse as far as coverage goes. Only the Liquidator.
    @param market 0 to 7, the market whose liquidation is rewarded.
    @param amount Token units of the reward.
    @return Token units that arrived, 0 if there is no coverage.
    """
    assert msg.sender == self.liquidator, "vault: not liquidator"
    assert market < MARKETS, "vault: unknown market"
    paid: uint256 = 0
    assets: uint256 = 0
    paid, assets = self._book_outflow(market, amount)
    if paid == 0:
        return 0
    log RewardPaid(market=market, amount=paid, assets=assets)
    return token_transfer._push(TOKEN, self.clearinghouse, paid)


@external
@view
def token() -> address:
    """
    @notice The collateral token.
    """
    return TOKEN


@external
@view
def assets() -> uint256:
    """
    @notice The vault's books.
    @return Token units.
    """
    return breaker._unpack(self.state).books


@external
@view
def coverage(market: uint256) -> uint256:
    """
    @notice What a `cover` or `reward` for a market would pay now at most.
    @param market 0 to 7.
    @return Token units: the least of the books, what the market's cap leaves, and what is above the breaker's
            line; 0 while the breaker is open.
    """
    assert market < MARKETS, "vault: unknown market"
    return self._coverage(self._present(), self.config, market)


@external
@view
def breaker_state() -> BreakerView:
    """
    @notice The breaker as a payment would find it now.
    @return is_open; peak of the last eight hours and line at which payments stop, in token units; trip and
            resume, WAD.
    """
    state: breaker.State = self._present()
    trip: uint256 = 0
    resume: uint256 = 0
    trip, resume = self._rates(self.config)
    return BreakerView(
        is_open=state.is_open and breaker._latched(state, UNIT, trip, resume),
        peak=breaker._peak(state) * UNIT,
        line=breaker._line(state, UNIT, trip),
        trip=trip,
        resume=resume,
    )


@external
@view
def cap(market: uint256) -> CapView:
    """
    @notice A market's cap.
    @param market 0 to 7.
    @return cap in token units, 0 for none; window in seconds; what is left of it now in token units.
    """
    assert market < MARKETS, "vault: unknown market"
    if not self._is_capped(self.config, market):
        return empty(CapView)
    current: rolling_cap.Cap = self._cap(market)
    return CapView(cap=current.cap * UNIT, window=current.window, left=rolling_cap._left(current) * UNIT)


@external
@view
def ledger(market: uint256) -> Ledger:
    """
    @notice What a market has brought and cost since the beginning.
    @param market 0 to 7; 8 for money that belongs to no market.
    @return inflow, outflow and deficit asked for, in token units.
    """
    assert market <= NO_MARKET, "vault: unknown market"
    flow: uint256 = self.flows[market]
    deficit: uint256 = 0
    if market < MARKETS:
        deficit = self.deficits[market]
    return Ledger(inflow=flow & FLOW_MASK, outflow=(flow >> 116) & FLOW_MASK, deficit=deficit)


@external
@view
def history(n: uint256) -> DynArray[HistoryEntry, RING]:
    """
    @notice The last hours, the present one first, without gaps, as far back as the vault exists.
    @dev Walks back from the present balance and totals; a market without a start in an hour had no flow in it.
    @param n How many hours, at most 168.
    @return time (start of the hour, seconds), balance at its end, inflow and outflow, in token units.
    """
    entries: DynArray[HistoryEntry, RING] = []
    present: uint256 = block.timestamp // HOUR
    balance: uint256 = breaker._unpack(self.state).books
    later: uint256[MARKETS + 1] = self.flows
    for age: uint256 in range(min(min(n, RING), present - FIRST_HOUR + 1), bound=RING):
        hour: uint256 = present - age
        inflow: uint256 = 0
        outflow: uint256 = 0
        for market: uint256 in range(MARKETS + 1):
            start: uint256 = self.starts[market][hour % RING]
            if start >> 232 == hour:
                inflow += (later[market] & FLOW_MASK) - (start & FLOW_MASK)
                outflow += ((later[market] >> 116) & FLOW_MASK) - ((start >> 116) & FLOW_MASK)
                later[market] = start
        entries.append(HistoryEntry(time=hour * HOUR, balance=balance, inflow=inflow, outflow=outflow))
        balance = balance + outflow - inflow
    return entries


@internal
def _set_breaker(trip: uint256, resume: uint256):
    self.config = ((self.config >> 128) << 128) | (resume << 64) | trip
    log BreakerSet(trip=trip, resume=resume)


@internal
def _book_inflow(market: uint256, kind: uint256, amount: uint256) -> uint256:
    """
    @notice Add money that has arrived to the books.
    @param market The market that brought it.
    @param kind Where it comes from.
    @param amount Token units.
    @return Token units booked: what fits under the limit.
    """
    state: breaker.State = self._rolled()
    before: uint256 = state.books
    # unsafe: the books never exceed the limit, and with what still fits they do not either
    booked: uint256 = min(amount, unsafe_sub(LIMIT, before))
    if booked == 0:
        return 0
    state.books = unsafe_add(before, booked)
    state.high = max(state.high, breaker._level(state.books, UNIT))
    if state.is_open:
        state = self._latch(state)
    self.state = breaker._pack(state)
    self._record(market, booked)
    log Inflow(market=market, kind=kind, amount=booked, assets=state.books)
    return booked


@internal
def _book_outflow(market: uint256, requested: uint256) -> (uint256, uint256):
    """
    @notice Take a payment out of the books.
    @param market The market that causes it.
    @param requested Token units asked for.
    @return Token units to pay, books after.
    """
    # a breaker that has recovered by the passing of time closes here, so that log and state tell it
    state: breaker.State = self._latch(self._rolled())
    config: uint256 = self.config
    paid: uint256 = min(requested, self._coverage(state, config, market))
    if paid != 0:
        state.books -= paid
        self._record(market, paid << 116)
        if self._is_capped(config, market):
            # unsafe: a payment is below 2**104
            steps: uint256 = unsafe_div(unsafe_add(paid, unsafe_sub(UNIT, 1)), UNIT)
            self._store_cap(market, rolling_cap._spend(self._cap(market), steps))
        state = self._latch(state)
    self.state = breaker._pack(state)
    return paid, state.books


@internal
@view
def _coverage(state: breaker.State, config: uint256, market: uint256) -> uint256:
    trip: uint256 = 0
    resume: uint256 = 0
    trip, resume = self._rates(config)
    available: uint256 = breaker._room(state, UNIT, trip, resume)
    if self._is_capped(config, market):
        available = min(available, rolling_cap._left(self._cap(market)) * UNIT)
    return available


@internal
@pure
def _rates(config: uint256) -> (uint256, uint256):
    return config & LANE_MASK, (config >> 64) & LANE_MASK


@internal
@pure
def _is_capped(config: uint256, market: uint256) -> bool:
    return (config >> (128 + market)) & 1 == 1


@internal
@view
def _cap(market: uint256) -> rolling_cap.Cap:
    return rolling_cap._load(self.caps[market], self.spent[market][0], self.spent[market][1])


@internal
def _store_cap(market: uint256, cap: rolling_cap.Cap):
    self.caps[market] = rolling_cap._word(cap)
    self.spent[market] = [cap.near, cap.far]


@internal
@view
def _present() -> breaker.State:
    """
    @notice The state as of now, without writing it.
    """
    state: breaker.State = breaker._unpack(self.state)
    hour: uint256 = block.timestamp // HOUR
    if state.hour == hour:
        return state
    near: uint256 = 0
    far: uint256 = 0
    state, near, far = breaker._roll(state, self.older_levels[0], self.older_levels[1], hour, UNIT)
    return state


@internal
def _rolled() -> breaker.State:
    """
    @notice The state as of now; the caller stores it. The older levels are stored here.
    """
    state: breaker.State = breaker._unpack(self.state)
    hour: uint256 = block.timestamp // HOUR
    if state.hour == hour:
        return state
    near: uint256 = 0
    far: uint256 = 0
    state, near, far = breaker._roll(state, self.older_levels[0], self.older_levels[1], hour, UNIT)
    self.older_levels = [near, far]
    return state


@internal
def _latch(state: breaker.State) -> breaker.State:
    """
    @notice Open or close the breaker as the state demands, and say so.
    """
    latched: breaker.State = state
    trip: uint256 = 0
    resume: uint256 = 0
    trip, resume = self._rates(self.config)
    latched.is_open = breaker._latched(state, UNIT, trip, resume)
    if latched.is_open and not state.is_open:
        log BreakerOpened(assets=state.books, peak=breaker._peak(state) * UNIT)
    elif state.is_open and not latched.is_open:
        log BreakerClosed(assets=state.books, peak=breaker._peak(state) * UNIT)
    return latched


@internal
def _record(market: uint256, flow: uint256):
    """
    @notice Enter a flow into a market's totals, and the hour's start if it is the first of the hour.
    @param market The market.
    @param flow Token units, where the flows word has them.
    """
    word: uint256 = self.flows[market]
    hour: uint256 = block.timestamp // HOUR
    if word >> 232 != hour:
        word = (hour << 232) | (word & TOTALS_MASK)
        self.starts[market][hour % RING] = word
    # unsafe: a flow is below 2**100, and no total nears 2**116: that is 10**16 tokens of 18 decimals
    self.flows[market] = unsafe_add(word, flow)
