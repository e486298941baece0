# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Markets
@license Apache-2.0
@notice Per market: index, mark, funding, the two side indices, open interest and terms. Mark and funding rate change
        only when the oracle posts or somebody pokes (`Pricing` has the rules); in between funding accrues by the second
        and is added lazily: what a side has paid or received is its k, written with the index, and the flow since.
"""

from contracts.modules import packing
from contracts.modules import side_index

MAX_MARKETS: constant(uint256) = 8
LONG: constant(uint256) = 0
SHORT: constant(uint256) = 1
CLOSE_ONLY: constant(int256) = 1
FROZEN: constant(int256) = 2
U16: constant(int256) = 2**16 - 1
U128: constant(uint256) = 2**128 - 1
BP: constant(uint256) = 10**4
U32: constant(int256) = 2**32 - 1
U40: constant(int256) = 2**40 - 1
U80: constant(int256) = 2**80 - 1
U88: constant(int256) = 2**88 - 1
U120: constant(int256) = 2**120 - 1
U160: constant(int256) = 2**160 - 1
CAP_UNIT: constant(int256) = 10**6
# below this multiplier a side takes no new positions until it is empty
A_FLOOR: constant(int256) = 10**27
# open interest (WAD) up to here is rounding dust: the market counts as empty
DUST: constant(int256) = 10**9


struct Market:
    # WAD, seconds, flags (1: close-only, 2: frozen for a deleveraging list)
    mark: int256
    index_time: int256
    flags: int256
    # of longs and shorts, funding accrued to now
    a: int256[2]
    k: int256[2]
    epoch: int256[2]
    open_interest: int256
    # raw words
    interest: int256
    terms: int256


interface Pricing:
    def renewed(
        price: int256, premium: int256, funding: int256, book: address, new_index: uint256, new_time: uint256
    ) -> (int256, int256): view


PRICING: immutable(address)
prices: int256[MAX_MARKETS]
# funding (WAD quote) that a unit of size has paid from long to short up to accrued_at, since the side indices were written
flows: int256[MAX_MARKETS]
premiums: int256[MAX_MARKETS]
indices: int256[2][MAX_MARKETS]
interests: int256[MAX_MARKETS]
terms: int256[MAX_MARKETS]
funding: int256[MAX_MARKETS]
fees_owed: uint256[MAX_MARKETS]
final_k: HashMap[uint256, int256]


event Accrued:
    market: indexed(uint256)
    index: int256
    index_time: int256
    mark: int256
    basis: int256
    premium: int256
    funding_per_second: int256
    flow: int256


event IndexMoved:
    market: indexed(uint256)
    side: indexed(uint256)
    a: int256
    k: int256
    open_interest: int256


event EpochStarted:
    market: indexed(uint256)
    side: indexed(uint256)
    epoch: int256
    final_k: int256


@deploy
def __init__(pricing: address):
    """
    @param pricing Rules of mark price and funding rate.
    """
    PRICING = pricing


@external
@view
def market_words(market: uint256) -> int256[8]:
    """
    @notice A market's words as `modules/packing.vy` lays them out: price, premium, index of longs, index of shorts,
            interest, terms, funding; then the funding flow (WAD). `Lens.market` reads them out.
    @param market Market.
    """
    return [
        self.prices[market],
        self.premiums[market],
        self.indices[market][0],
        self.indices[market][1],
        self.interests[market],
        self.terms[market],
        self.funding[market],
        self.flows[market],
    ]


@external
@view
def book_of(market: uint256) -> address:
    """
    @notice A market's order book; the zero address for an unknown market.
    @param market Market.
    """
    return self._book(market)


@external
@view
def fees(market: uint256) -> (uint256, uint256):
    """
    @notice Fees not yet paid out: the treasury's and the vault's (WAD).
    @param market Market.
    """
    return self.fees_owed[market] & U128, self.fees_owed[market] >> 128


@internal
@view
def _load(market: uint256) -> Market:
    """
    @notice A market with funding accrued to now.
    """
    return self._unpack(
        self.prices[market],
        self.flows[market],
        self.indices[market][LONG],
        self.indices[market][SHORT],
        self.interests[market],
        self.terms[market],
    )


@internal
@view
def _unpack(
    price: int256, flow_before: int256, longs: int256, shorts: int256, interest: int256, terms: int256
) -> Market:
    """
    @notice A market from its words, with funding accrued to now.
    """
    m: Market = Market(
        mark=(price >> 88) & U88,
        index_time=(price >> 48) & U40,
        flags=price & 255,
        a=[longs & U120, shorts & U120],
        k=[longs >> 120, shorts >> 120],
        epoch=[(interest >> 32) & U32, interest & U32],
        open_interest=interest >> 144,
        interest=interest,
        terms=terms,
    )
    flow: int256 = self._flow_now(price, flow_before)
    if flow != 0:
        m.k[LONG] = side_index._after_flow(m.k[LONG], m.a[LONG], -flow)
        m.k[SHORT] = side_index._after_flow(m.k[SHORT], m.a[SHORT], flow)
    return m


@internal
@view
def _flow_now(price: int256, before: int256) -> int256:
    """
    @notice Funding (WAD quote) that a unit of size has paid from long to short since the side indices were written.
    @param price Price word.
    @param before Up to the last accrual.
    """
    # unsafe: the rate has 80 bits, seconds 40
    return unsafe_add(
        before, unsafe_mul(price >> 176, unsafe_sub(convert(block.timestamp, int256), (price >> 8) & U40))
    )


@internal
@view
def _side(market: uint256, side: uint256) -> (int256, int256, int256, int256):
    """
    @notice Mark, `a` and `k` accrued to now, and the epoch of one side: what a position elsewhere needs.
    """
    price: int256 = self.prices[market]
    index: int256 = self.indices[market][side]
    a: int256 = index & U120
    k: int256 = index >> 120
    epoch: int256 = self.interests[market]
    flow: int256 = self._flow_now(price, self.flows[market])
    if side == LONG:
        flow = -flow
        epoch >>= 32
    if flow != 0:
        k = side_index._after_flow(k, a, flow)
    return (price >> 88) & U88, a, k, epoch & U32


@internal
@view
def _is_stale(market: uint256) -> bool:
    """
    @notice Whether the index is older than the market's max_age, or the market frozen.
    """
    price: int256 = self.prices[market]
    # unsafe: 64, 40 and 16 bits; a frozen market is as if it were late by ages
    return unsafe_add(convert(block.timestamp, int256), (price & FROZEN) << 62) > unsafe_add(
        (price >> 48) & U40, (self.terms[market] >> 160) & U16
    )


@internal
@view
def _without_flag(market: uint256, flag: int256) -> int256:
    """
    @notice A market's price word with one flag down.
    """
    return (self.prices[market] | flag) ^ flag


@internal
@view
def _book(market: uint256) -> address:
    """
    @notice The market's order book; the zero address for an unknown market.
    """
    return convert(convert(self.terms[market] & U160, uint256), address)


@internal
def _store_interest(market: uint256, m: Market):
    """
    @notice Write open interest and epochs.
    """
    assert m.open_interest < 2**111  # dev: overflow
    self.interests[market] = (
        (m.open_interest << 144) | (m.interest & (U80 << 64)) | (m.epoch[LONG] << 32) | m.epoch[SHORT]
    )


@internal
def _store_indices(market: uint256, m: Market):
    """
    @notice Write both side indices, which have funding accrued to now; the flow starts again from now.
    """
    self.indices[market][LONG] = packing._index(m.a[LONG], m.k[LONG])
    self.indices[market][SHORT] = packing._index(m.a[SHORT], m.k[SHORT])
    self.flows[market] = -self._flow_now(self.prices[market], 0)


@internal
def _close_pro_rata(market: uint256, m: Market, side: uint256, quantity: int256, proceeds: int256) -> Market:
    """
    @notice Close `quantity` (WAD) of a side by size; the side as a whole receives `proceeds` (WAD, signed) for it. As
            much of the other side is closed by the caller.
    """
    after: Market = m
    after.k[side] = side_index._after_spread(m.k[side], m.a[side], proceeds, m.open_interest)
    after.a[side] = side_index._after_reduction(m.a[side], quantity, m.open_interest)
    after.open_interest = m.open_interest - quantity
    log IndexMoved(
        market=market, side=side, a=after.a[side], k=after.k[side], open_interest=after.open_interest
    )
    return after


@internal
def _renew_if_empty(market: uint256, m: Market) -> Market:
    """
    @notice Once only dust is open, close it at the mark and start both sides afresh at a = 1. Positions of the old epoch
            settle at its final k.
    """
    after: Market = m
    if m.open_interest > DUST or (m.a[LONG] == side_index.A_ONE and m.a[SHORT] == side_index.A_ONE):
        return after
    dust_value: int256 = m.mark
    for side: uint256 in range(2):
        last: int256 = side_index._after_flow(m.k[side], m.a[side], dust_value)
        self.final_k[self._epoch_key(market, side, m.epoch[side])] = last
        after.a[side] = side_index.A_ONE
        after.k[side] = 0
        after.epoch[side] = m.epoch[side] + 1
        assert after.epoch[side] <= U32  # dev: overflow
        log EpochStarted(market=market, side=side, epoch=after.epoch[side], final_k=last)
        dust_value = -dust_value
    after.open_interest = 0
    return after


@internal
@pure
def _epoch_key(market: uint256, side: uint256, epoch: int256) -> uint256:
    """
    @notice Where a side's final k of an epoch is kept.
    """
    return (market << 64) | (side << 32) | convert(epoch, uint256)


@internal
def _accrue(market: uint256, new_index: uint256, new_time: uint256):
    """
    @notice Book funding up to now and let `Pricing` renew mark and funding rate; 0 keeps the index. A frozen market keeps
            mark and rate.
    """
    price: int256 = self.prices[market]
    if price & FROZEN != 0:
        return
    flow: int256 = self._flow_now(price, self.flows[market])
    premium: int256 = 0
    price, premium = staticcall Pricing(PRICING).renewed(
        price, self.premiums[market], self.funding[market], self._book(market), new_index, new_time
    )
    self.flows[market] = flow
    self.prices[market] = price
    self.premiums[market] = premium
    log Accrued(
        market=market,
        index=premium & U88,
        index_time=(price >> 48) & U40,
        mark=(price >> 88) & U88,
        basis=premium >> 168,
        premium=(premium << 88) >> 192,
        funding_per_second=price >> 176,
        flow=flow,
    )


@internal
def _take_fees(market: uint256, terms: int256, fee: int256):
    """
    @notice Share a fill's fees (WAD, not negative) between vault and treasury.
    """
    if fee <= 0:
        return
    amount: uint256 = convert(fee, uint256)
    to_vault: uint256 = amount * convert((terms >> 176) & U16, uint256) // BP
    self.fees_owed[market] += (to_vault << 128) | (amount - to_vault)


@internal
def _from_treasury(market: uint256, amount: uint256) -> uint256:
    """
    @notice Take up to `amount` (WAD) out of the treasury's fees of a market.
    """
    fees: uint256 = self.fees_owed[market]
    taken: uint256 = min(fees & U128, amount)
    if taken > 0:
        self.fees_owed[market] = fees - taken
    return taken
