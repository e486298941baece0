# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Fills
@license Apache-2.0
@notice What a fill does to each of its two accounts, whether they may take it, and how it is booked.
"""

from contracts.modules import accounts
from contracts.modules import fixed_point
from contracts.modules import markets

uses: accounts
uses: markets

WAD: constant(int256) = 10**18
PPB: constant(int256) = 10**9
U88: constant(int256) = 2**88 - 1
# answers to an order book
FILLED: constant(uint256) = 0
MAKER_FAILED: constant(uint256) = 1
MARGIN: constant(uint256) = 2
STALE: constant(uint256) = 3
CLOSE_ONLY: constant(uint256) = 4
INTEREST_CAP: constant(uint256) = 5
NEEDS_COVER: constant(uint256) = 6
MORE: constant(uint256) = 7
# flags of a fill
TAKER_BUYS: constant(uint256) = 1
MAKER_REDUCE_ONLY: constant(uint256) = 2
TAKER_REDUCE_ONLY: constant(uint256) = 4


event Fill:
    market: indexed(uint256)
    taker: indexed(uint256)
    maker: indexed(uint256)
    order_id: uint256
    price: int256
    # signed for the taker; in a liquidation the taker is the liquidated account, and its fee the penalty or, negative,
    # what the vault pays in
    size: int256
    taker_fee: int256
    maker_fee: int256
    liquidation: bool
    taker_size: int256
    taker_entry: int256
    taker_collateral: int256
    maker_size: int256
    maker_entry: int256
    maker_collateral: int256


@external
@view
def may_rest(account: uint256, market: uint256, size: int256, price: int256) -> uint256:
    """
    @notice Whether an order that is not reduce-only may rest: filled now, alone, it would leave the account its initial
            margin. A fill checks again.
    @param account Account.
    @param market Market.
    @param size Signed size (WAD), + to buy.
    @param price Limit price (WAD).
    @return 0, or why not, as `settle` answers.
    """
    price_word: int256 = markets.prices[market]
    mark: int256 = (price_word >> 88) & U88
    before: accounts.Account = accounts._load_at(account, market)
    if not self._increases(before.size, before.size + size):
        return FILLED
    if price_word & markets.CLOSE_ONLY != 0:
        return CLOSE_ONLY
    after: accounts.Account = accounts._trade(before, size, self._quote(size, price))
    initial: int256 = accounts._margins(after, market, mark)[0] + after.rest_initial
    if accounts._equity(after, mark) < initial:
        return MARGIN
    return FILLED


@internal
@pure
def _maker_size(held: int256, size: int256, flags: uint256) -> int256:
    """
    @notice What the maker trades (WAD, + buys); 0 if its order may only reduce and there is nothing to reduce.
    """
    signed: int256 = size
    if flags & TAKER_BUYS != 0:
        signed = -size
    if flags & MAKER_REDUCE_ONLY == 0:
        return signed
    if held == 0 or (held > 0) == (signed > 0):
        return 0
    return fixed_point._clamp(signed, -abs(held), abs(held))


@internal
@pure
def _increases(before: int256, after: int256) -> bool:
    """
    @notice Whether a change of size opens risk: a larger position, or one on the other side.
    """
    if before < 0:
        return after < before or after > 0
    return after > before or after < 0


@internal
@pure
def _quote(size: int256, price: int256) -> int256:
    """
    @notice What buying a signed size costs (WAD, signed), rounded against the account.
    """
    # unsafe: 96 + 88 bits
    return fixed_point._ceil_div(unsafe_mul(size, price), WAD)


@internal
@view
def _share(a: accounts.Account, market: uint256, mark: int256, equity: int256) -> int256:
    """
    @notice The part of an account's equity that its position here may lose: equity * MM here / MM in all (WAD). The
            bankruptcy price is where that is gone.
    """
    maintenance: int256 = accounts._margins(a, market, mark)[1]
    if a.rest_maintenance == 0:
        return equity
    return fixed_point._ceil_div(equity * maintenance, maintenance + a.rest_maintenance)


@internal
@view
def _leg(
    before: accounts.Account,
    market: uint256,
    m: markets.Market,
    size: int256,
    price: int256,
    fee_rate: int256,
) -> (accounts.Account, int256, bool):
    """
    @notice One account's side of a voluntary fill: the account after it, its fee (WAD, signed) and whether it is allowed.
            Opening needs the initial margin. Closing needs it before and after, or an excess over the maintenance margin
            that is not smaller than before, fee aside; and it never costs more than the position's share of the equity.
    """
    quote: int256 = self._quote(size, price)
    fee: int256 = fixed_point._ceil_div(accounts._value(size, price) * fee_rate, PPB)
    after: accounts.Account = accounts._trade(before, size, quote)
    after.collateral -= fee
    initial: int256 = 0
    maintenance: int256 = 0
    initial, maintenance = accounts._margins(after, market, m.mark)
    equity: int256 = accounts._equity(after, m.mark)
    if self._increases(before.size, after.size):
        side: uint256 = markets.LONG
        if after.size < 0:
            side = markets.SHORT
        return after, fee, equity >= initial + after.rest_initial and m.a[side] >= markets.A_FLOOR

    equity_before: int256 = accounts._equity(before, m.mark)
    if equity >= initial + after.rest_initial and equity >= equity_before:
        return after, fee, True
    share: int256 = fixed_point._floor_div(
        self._share(before, market, m.mark, equity_before) * abs(size), abs(before.size)
    )
    if equity_before - equity > share:
        return after, fee, False
    initial_before: int256 = 0
    maintenance_before: int256 = 0
    initial_before, maintenance_before = accounts._margins(before, market, m.mark)
    healthy: bool = equity_before >= initial_before + before.rest_initial
    if healthy and equity >= initial + after.rest_initial:
        return after, fee, True
    maintenance += after.rest_maintenance
    excess: int256 = equity_before - maintenance_before - before.rest_maintenance
    return after, fee, equity - maintenance + max(fee, 0) >= excess and (equity >= maintenance or excess < 0)


@internal
@view
def _closed(
    before: accounts.Account, market: uint256, m: markets.Market, size: int256, price: int256
) -> (accounts.Account, int256):
    """
    @notice A liquidated account after a closing trade, and by how much the trade was better than the bankruptcy price
            (WAD, negative: worse).
    """
    after: accounts.Account = accounts._trade(before, size, self._quote(size, price))
    equity: int256 = accounts._equity(before, m.mark)
    share: int256 = self._share(before, market, m.mark, equity)
    if after.size != 0:
        share = fixed_point._ceil_div(share * abs(size), abs(before.size))
    return after, accounts._equity(after, m.mark) - equity + share


@internal
def _complete(
    market: uint256,
    m: markets.Market,
    taker_size_before: int256,
    taker: accounts.Account,
    taker_fee: int256,
    maker_before: accounts.Account,
    maker_size: int256,
    price: int256,
    order_id: uint256,
    liquidation: bool,
) -> uint256:
    """
    @notice The maker's leg of a fill whose other leg is done; writes both accounts if all is allowed.
    """
    fee_rate: int256 = m.terms >> 224
    if liquidation:
        # no rebate where no taker pays a fee
        fee_rate = max(fee_rate, 0)
    maker: accounts.Account = empty(accounts.Account)
    maker_fee: int256 = 0
    allowed: bool = False
    maker, maker_fee, allowed = self._leg(maker_before, market, m, maker_size, price, fee_rate)
    if not allowed:
        return MAKER_FAILED
    # a liquidation never raises open interest, so the cap cannot refuse it
    if not self._change_interest(market, m, maker_before.size, maker.size, taker_size_before, taker.size):
        return INTEREST_CAP
    fees: int256 = maker_fee
    if not liquidation:
        fees += taker_fee
    markets._take_fees(market, m.terms, fees)
    accounts._store(maker, market, m)
    accounts._store(taker, market, m)
    log Fill(
        market=market,
        taker=taker.id,
        maker=maker.id,
        order_id=order_id,
        price=price,
        size=-maker_size,
        taker_fee=taker_fee,
        maker_fee=maker_fee,
        liquidation=liquidation,
        taker_size=taker.size,
        taker_entry=taker.entry,
        taker_collateral=taker.collateral,
        maker_size=maker.size,
        maker_entry=maker.entry,
        maker_collateral=maker.collateral,
    )
    return FILLED


@internal
def _change_interest(
    market: uint256, m: markets.Market, before_1: int256, after_1: int256, before_2: int256, after_2: int256
) -> bool:
    """
    @notice Book a fill's change of open interest; False if it would grow past the cap. Writes `m` back only when the
            interest changes.
    """
    change: int256 = max(after_1, 0) - max(before_1, 0) + max(after_2, 0) - max(before_2, 0)
    if change == 0:
        return True
    after: markets.Market = m
    after.open_interest += change
    if change > 0:
        if after.open_interest > ((m.interest >> 64) & markets.U80) * markets.CAP_UNIT:
            return False
    elif after.open_interest <= markets.DUST:
        renewed: markets.Market = markets._renew_if_empty(market, after)
        if renewed.epoch[0] != after.epoch[0]:
            markets._store_indices(market, renewed)
        after = renewed
    markets._store_interest(market, after)
    return True
