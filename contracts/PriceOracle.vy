# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Price oracle
@license Apache-2.0
@notice Takes index prices with time stamps from reporters and hands them to the Clearinghouse.
@dev One word a market: bits 0-87 price WAD | 88-127 time stamp | 128-191 max_move WAD | 192-223 max_age seconds.
     Prices only move forward in time. A crash is a price like any other: the deviation guard is off unless set.
"""

from contracts.modules import access

initializes: access

exports: (
    access.owner,
    access.pending_owner,
    access.transfer_ownership,
    access.accept_ownership,
)


interface IClearinghouse:
    def update_index(market: uint256, price: uint256, timestamp: uint256): nonpayable


WAD: constant(uint256) = 10**18
MARKETS: constant(uint256) = 8
DEFAULT_MAX_AGE: constant(uint256) = 60
MAX_PRICE: constant(uint256) = 2**88 - 1
TIME_MASK: constant(uint256) = 2**40 - 1
MOVE_MASK: constant(uint256) = 2**64 - 1
# price and time stamp
QUOTE_MASK: constant(uint256) = 2**128 - 1

CLEARINGHOUSE: immutable(address)

is_reporter: public(HashMap[address, bool])
feeds: uint256[MARKETS]


event PricePosted:
    market: indexed(uint256)
    reporter: indexed(address)
    price: uint256
    timestamp: uint256


event ReporterSet:
    reporter: indexed(address)
    allowed: bool


event MaxAgeSet:
    market: indexed(uint256)
    max_age: uint256


event MaxMoveSet:
    market: indexed(uint256)
    max_move: uint256


@deploy
def __init__(clearinghouse: address, owner: address):
    """
    @param clearinghouse Receives every accepted price.
    @param owner The first owner.
    """
    assert clearinghouse != empty(address), "oracle: zero address"
    access.__init__(owner)
    CLEARINGHOUSE = clearinghouse
    for market: uint256 in range(MARKETS):
        self._set_max_age(market, DEFAULT_MAX_AGE)


@external
@nonreentrant
def set_reporter(reporter: address, allowed: bool):
    """
    @notice Allow or forbid an address to post prices. Only the owner.
    @param reporter The address.
    @param allowed True to allow.
    """
    access._only_owner()
    self.is_reporter[reporter] = allowed
    log ReporterSet(reporter=reporter, allowed=allowed)


@external
@nonreentrant
def set_max_age(market: uint256, max_age: uint256):
    """
    @notice Set how old a price may be when posted, and how long it counts as fresh. Only the owner.
    @param market 0 to 7.
    @param max_age Seconds, 1 to a day.
    """
    access._only_owner()
    assert market < MARKETS, "oracle: unknown market"
    assert max_age != 0 and max_age <= 86400, "oracle: bad max age"
    self._set_max_age(market, max_age)


@external
@nonreentrant
def set_max_move(market: uint256, max_move: uint256):
    """
    @notice Set how far a price may lie from the last one. Only the owner.
    @param market 0 to 7.
    @param max_move WAD ratio of the last price, at most 10e18; 0 switches the guard off.
    """
    access._only_owner()
    assert market < MARKETS, "oracle: unknown market"
    assert max_move <= 10 * WAD, "oracle: bad max move"
    word: uint256 = self.feeds[market]
    self.feeds[market] = (word & ~(MOVE_MASK << 128)) | (max_move << 128)
    log MaxMoveSet(market=market, max_move=max_move)


@external
@nonreentrant
def post(market: uint256, price: uint256, timestamp: uint256):
    """
    @notice Post the index price of a market. Only reporters.
    @param market 0 to 7.
    @param price WAD, above 0, below 2**88.
    @param timestamp Seconds; not in the future, not older than `max_age`, newer than the last one.
    """
    assert self.is_reporter[msg.sender], "oracle: not reporter"
    self._post(market, price, timestamp)


@external
@nonreentrant
def post_many(markets: DynArray[uint256, MARKETS], prices: DynArray[uint256, MARKETS], timestamp: uint256):
    """
    @notice Post the index prices of several markets, all or none. Only reporters.
    @param markets Each 0 to 7, none twice.
    @param prices WAD, one a market.
    @param timestamp Seconds, of all of them.
    """
    assert self.is_reporter[msg.sender], "oracle: not reporter"
    assert len(markets) != 0, "oracle: no prices"
    assert len(markets) == len(prices), "oracle: length mismatch"
    for i: uint256 in range(len(markets), bound=MARKETS):
        self._post(markets[i], prices[i], timestamp)


@external
@view
def clearinghouse() -> address:
    """
    @notice The Clearinghouse that receives the prices.
    """
    return CLEARINGHOUSE


@external
@view
def latest(market: uint256) -> (uint256, uint256):
    """
    @notice The last price of a market.
    @param market 0 to 7.
    @return Price WAD and time stamp in seconds, both 0 before the first.
    """
    assert market < MARKETS, "oracle: unknown market"
    word: uint256 = self.feeds[market]
    return word & MAX_PRICE, (word >> 88) & TIME_MASK


@external
@view
def is_fresh(market: uint256) -> bool:
    """
    @notice Whether a market has a price that is not older than its `max_age`.
    @param market 0 to 7.
    """
    assert market < MARKETS, "oracle: unknown market"
    word: uint256 = self.feeds[market]
    # a feed without a price has time stamp 0, older than any max_age
    return block.timestamp <= ((word >> 88) & TIME_MASK) + (word >> 192)


@external
@view
def max_age(market: uint256) -> uint256:
    """
    @notice How old a price may be when posted, and how long it counts as fresh.
    @param market 0 to 7.
    @return Seconds.
    """
    assert market < MARKETS, "oracle: unknown market"
    return self.feeds[market] >> 192


@external
@view
def max_move(market: uint256) -> uint256:
    """
    @notice How far a price may lie from the last one.
    @param market 0 to 7.
    @return WAD ratio of the last price, 0 for any distance.
    """
    assert market < MARKETS, "oracle: unknown market"
    return (self.feeds[market] >> 128) & MOVE_MASK


@internal
def _set_max_age(market: uint256, max_age: uint256):
    self.feeds[market] = (self.feeds[market] & (2**192 - 1)) | (max_age << 192)
    log MaxAgeSet(market=market, max_age=max_age)


@internal
def _post(market: uint256, price: uint256, timestamp: uint256):
    assert market < MARKETS, "oracle: unknown market"
    word: uint256 = self.feeds[market]
    last: uint256 = word & MAX_PRICE
    assert price != 0, "oracle: zero price"
    assert price <= MAX_PRICE, "oracle: price too large"
    assert timestamp <= block.timestamp, "oracle: future price"
    assert block.timestamp - timestamp <= word >> 192, "oracle: stale price"
    assert timestamp > (word >> 88) & TIME_MASK, "oracle: price not newer"
    limit: uint256 = (word >> 128) & MOVE_MASK
    if limit != 0 and last != 0:
        move: uint256 = price - last if price > last else last - price
        assert move * WAD <= limit * last, "oracle: price moved too far"
    self.feeds[market] = (word & ~QUOTE_MASK) | (timestamp << 88) | price
    log PricePosted(market=market, reporter=msg.sender, price=price, timestamp=timestamp)
    extcall IClearinghouse(CLEARINGHOUSE).update_index(market, price, timestamp)
