# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Views of the insurance vault
@license Apache-2.0
@notice What the pools hold, what they could pay, and how they came there. Amounts are token units.
"""

from contracts.modules import drawdown_breaker as breaker
from contracts.modules import vault_caps
from contracts.modules import vault_ledger
from contracts.modules import vault_pools as pools

uses: vault_caps
uses: vault_ledger
uses: pools

NO_MARKET: constant(uint256) = vault_ledger.NO_MARKET


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


@external
@view
def assets() -> uint256:
    """
    @notice The vault's books, all pools together.
    @return Token units.
    """
    return pools._all_books()


@external
@view
def pool_assets(market: uint256) -> uint256:
    """
    @notice Books of the pool that a market is paid from.
    @param market 0 to 7; 8 for the shared pool.
    @return Token units.
    """
    vault_ledger._check(market, NO_MARKET)
    return pools._books(pools._pool(market))


@external
@view
def is_isolated(market: uint256) -> bool:
    """
    @notice Whether a market has a pool of its own.
    @param market 0 to 7.
    """
    vault_ledger._check(market, vault_ledger.MARKETS - 1)
    return pools._pool(market) == market


@external
@view
def coverage(market: uint256) -> uint256:
    """
    @notice What a `cover` or `reward` for a market would pay now at most.
    @param market 0 to 7.
    @return Token units: the least of its pool's books, what the market's cap leaves, and what is above the
            line of the pool's breaker; 0 while that is open.
    """
    vault_ledger._check(market, vault_ledger.MARKETS - 1)
    return pools._coverage(pools._word_of(market), pools.config, market)


@external
@view
def breaker_state(market: uint256 = NO_MARKET) -> BreakerView:
    """
    @notice The breaker of a market's pool as a payment would find it now.
    @param market 0 to 7; 8 for the shared pool.
    @return is_open; peak of the last eight hours and line at which payments stop, in token units; trip and
            resume, WAD.
    """
    vault_ledger._check(market, NO_MARKET)
    word: uint256 = pools._word_of(market)
    trip: uint256 = 0
    resume: uint256 = 0
    trip, resume = pools._rates(pools.config)
    return BreakerView(
        is_open=pools._is_open(word),
        peak=breaker._peak(word) * pools.UNIT,
        line=breaker._line(word, pools.UNIT, trip),
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
    vault_ledger._check(market, vault_ledger.MARKETS - 1)
    if not pools._is_capped(pools.config, market):
        return empty(CapView)
    return CapView(
        cap=vault_caps._cap(market) * pools.UNIT,
        window=vault_caps._window(market),
        left=vault_caps._left(market) * pools.UNIT,
    )


@external
@view
def ledger(market: uint256) -> Ledger:
    """
    @notice What a market has brought and cost since the beginning.
    @param market 0 to 7; 8 for money that belongs to no market: gifts, and what stakers paid in and took out.
    @return inflow, outflow and deficit asked for, in token units.
    """
    vault_ledger._check(market, NO_MARKET)
    flow: uint256 = vault_ledger.flows[market]
    deficit: uint256 = 0
    if market < vault_ledger.MARKETS:
        deficit = vault_ledger.deficits[market]
    return Ledger(
        inflow=flow & vault_ledger.FLOW_MASK, outflow=(flow >> 116) & vault_ledger.FLOW_MASK, deficit=deficit
    )


@external
@view
def history(n: uint256) -> DynArray[vault_ledger.HistoryEntry, vault_ledger.RING]:
    """
    @notice The last hours of all pools together, the present one first, without gaps, as far back as the
            vault exists.
    @param n How many hours, at most 168.
    @return time (start of the hour, seconds), balance at its end, inflow and outflow, in token units.
    """
    return vault_ledger._history(n, pools._all_books())
