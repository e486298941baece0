# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Settlement
@license Apache-2.0
@notice What an order book asks for: a fill between two accounts, or one that closes a liquidated account's position.
        `modules/fills.vy` has the legs of which both are made.
"""

from contracts.modules import accounts
from contracts.modules import fills
from contracts.modules import fixed_point
from contracts.modules import markets
from contracts.modules import wiring

uses: accounts
uses: fills
uses: markets

WAD: constant(int256) = 10**18
U32: constant(int256) = 2**32 - 1


@external
@nonreentrant
def settle(
    taker: uint256,
    maker: uint256,
    market: uint256,
    size: int256,
    price: int256,
    order_id: uint256,
    flags: uint256,
) -> (uint256, int256):
    """
    @notice Settle a fill between two accounts, if both may take it. Only the market's order book.
    @param taker Account of the incoming order.
    @param maker Account of the resting order.
    @param market Market.
    @param size Size to fill (WAD).
    @param price Price of the resting order (WAD).
    @param order_id Id of the resting order, for the log.
    @param flags 1: the taker buys; 2: the resting order is reduce-only; 4: the incoming one is.
    @return 0 and the size filled, or why not: 1 the maker fails, 2 the taker's margin, 3 stale index or frozen market,
            4 close-only, 5 open-interest cap.
    """
    m: markets.Market = markets._load(market)
    wiring._only(convert(convert(m.terms & markets.U160, uint256), address))
    maker_before: accounts.Account = accounts._load(maker, market, m)
    maker_size: int256 = fills._maker_size(maker_before.size, size, flags)
    if maker_size == 0:
        return fills.MAKER_FAILED, 0
    taker_before: accounts.Account = accounts._load(taker, market, m)
    opens: bool = fills._increases(taker_before.size, taker_before.size - maker_size)
    # a reduce-only taker opens when its position has ended with its epoch
    if opens and (m.flags & markets.CLOSE_ONLY != 0 or flags & fills.TAKER_REDUCE_ONLY != 0):
        return fills.CLOSE_ONLY, 0
    maker_opens: bool = fills._increases(maker_before.size, maker_before.size + maker_size)
    if opens or maker_opens:
        if markets._is_stale(market):
            return fills.STALE, 0
    elif m.flags & markets.FROZEN != 0:
        return fills.STALE, 0
    # who opens is margined at the marks of all that it holds
    if maker_before.rest_maintenance != 0 and maker_opens and accounts._any_stale(maker, maker_before.held):
        return fills.MAKER_FAILED, 0
    if taker_before.rest_maintenance != 0 and opens and accounts._any_stale(taker, taker_before.held):
        return fills.STALE, 0

    taker_after: accounts.Account = empty(accounts.Account)
    taker_fee: int256 = 0
    allowed: bool = False
    taker_after, taker_fee, allowed = fills._leg(
        taker_before, market, m, -maker_size, price, (m.terms >> 192) & U32
    )
    if not allowed:
        return fills.MARGIN, 0
    answer: uint256 = fills._complete(
        market, m, taker_before.size, taker_after, taker_fee, maker_before, maker_size, price, order_id, False
    )
    if answer != fills.FILLED:
        return answer, 0
    return fills.FILLED, abs(maker_size)


@external
@nonreentrant
def liquidation_fill(
    account: uint256,
    maker: uint256,
    market: uint256,
    size: int256,
    price: int256,
    order_id: uint256,
    flags: uint256,
    penalty_rate: int256,
    surplus_share: int256,
    budget: int256,
) -> (uint256, int256, int256, int256):
    """
    @notice Settle a fill that closes a liquidated account's position. Against the bankruptcy price: better, the account
            pays the penalty out of its surplus; worse, the account is made whole out of the budget. Only the order book.
    @param account Liquidated account; the liquidator has checked it.
    @param maker Account of the resting order.
    @param market Market.
    @param size Size to fill (WAD).
    @param price Price of the resting order (WAD).
    @param order_id Id of the resting order, for the log.
    @param flags 1: the liquidated account buys; 2: the resting order is reduce-only.
    @param penalty_rate Share of notional (WAD).
    @param surplus_share Share of what the penalty leaves of the surplus that goes to the vault too (WAD).
    @param budget What the vault can pay (WAD).
    @return Answer as `settle`, or 6 where the vault would have to pay more than the budget, with what the budget is enough
            for; size filled (WAD), penalty and cover (WAD).
    """
    m: markets.Market = markets._load(market)
    wiring._only(convert(convert(m.terms & markets.U160, uint256), address))
    maker_before: accounts.Account = accounts._load(maker, market, m)
    before: accounts.Account = accounts._load(account, market, m)
    maker_size: int256 = fills._maker_size(maker_before.size, size, flags)
    if maker_size == 0 or (
        maker_before.rest_maintenance != 0
        and fills._increases(maker_before.size, maker_before.size + maker_size)
        and accounts._any_stale(maker, maker_before.held)
    ):
        return fills.MAKER_FAILED, 0, 0, 0
    if before.size == 0:
        # the position has ended with its epoch in the middle of the walk
        return fills.MORE, 0, 0, 0

    after: accounts.Account = empty(accounts.Account)
    surplus: int256 = 0
    after, surplus = fills._closed(before, market, m, -maker_size, price)
    answer: uint256 = fills.FILLED
    if -surplus > budget:
        # the part of the fill that the budget can make whole; 4 wei are for the rounding of quote, equities and share
        answer = fills.NEEDS_COVER
        maker_size = maker_size * max(budget - 4, 0) // -surplus
        if maker_size == 0:
            return fills.NEEDS_COVER, 0, 0, 0
        after, surplus = fills._closed(before, market, m, -maker_size, price)
    penalty: int256 = 0
    cover: int256 = max(-surplus, 0)
    if surplus > 0:
        penalty = min(fixed_point._ceil_div(accounts._value(maker_size, price) * penalty_rate, WAD), surplus)
        penalty += (surplus - penalty) * surplus_share // WAD
    after.collateral += cover - penalty
    refused: uint256 = fills._complete(
        market, m, before.size, after, penalty - cover, maker_before, maker_size, price, order_id, True
    )
    if refused != fills.FILLED:
        return refused, 0, 0, 0
    return answer, abs(maker_size), penalty, cover
