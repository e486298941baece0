# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Close-outs
@license Apache-2.0
@notice What the liquidator asks for: an account as a liquidation finds it, closing a position against other accounts
        instead of the order book, and a market's standstill meanwhile.
"""

from contracts.interfaces import IClearinghouse
from contracts.modules import accounts
from contracts.modules import margin_schedule
from contracts.modules import markets
from contracts.modules import wiring

uses: accounts
uses: margin_schedule
uses: markets
uses: wiring

# counterparties in one call of `deleverage`
MAX_ROWS: constant(uint256) = 64
U32: constant(int256) = 2**32 - 1
U96: constant(int256) = 2**96 - 1


# the account bought size for quote, both signed; with size 0 quote is added to its entry value. For the bankrupt account,
# which comes last, what went by index is in it
event Deleveraged:
    market: indexed(uint256)
    account: indexed(uint256)
    bankrupt: uint256
    size: int256
    quote: int256
    account_collateral: int256


event FrozenSet:
    market: indexed(uint256)
    frozen: bool


@external
@view
def standing(account: uint256, market: uint256) -> IClearinghouse.Standing:
    """
    @notice An account as a liquidation in a market finds it.
    @param account Account.
    @param market Market.
    """
    m: markets.Market = markets._load(market)
    a: accounts.Account = accounts._load(account, market, m)
    notional: int256 = accounts._value(a.size, m.mark)
    tier: uint256 = margin_schedule._tier(market, notional)
    maintenance: int256 = margin_schedule._maintenance(tier, notional)
    return IClearinghouse.Standing(
        book=convert(convert(m.terms & markets.U160, uint256), address),
        equity=accounts._equity(a, m.mark),
        maintenance=maintenance + a.rest_maintenance,
        position_maintenance=maintenance,
        size=a.size,
        mark=m.mark,
        maintenance_rate=convert((tier & (2**40 - 1)) * 10**6, int256),
        held=a.held & (1 << market) != 0,
        side=accounts._side_of(accounts.positions[(account << 3) | market][0]),
        stale=accounts._any_stale(account, a.held),
        entry=a.entry,
        collateral=a.collateral,
        open_interest=m.open_interest,
    )


@external
@nonreentrant
def deleverage(
    account: uint256, market: uint256, quantity: uint256, quote: int256, rows: DynArray[int256, MAX_ROWS]
):
    """
    @notice Close a position without a fee: against listed counterparties and, besides, against the whole other side by
            size. What one receives the others pay. Only the liquidator, which has the rules.
    @param account Account to close.
    @param market Market.
    @param quantity What is closed by size (WAD).
    @param quote What the account receives for that (WAD, signed).
    @param rows A word a counterparty: quote i128 that it pays (WAD) | size u96 that it closes (WAD) | account u32. With
                size 0 its profit pays: its entry value changes.
    """
    wiring._only(wiring.liquidator)
    m: markets.Market = markets._load(market)
    before: accounts.Account = accounts._load(account, market, m)
    counter: uint256 = markets.SHORT
    sign: int256 = 1
    if before.size < 0:
        counter = markets.LONG
        sign = -1
    closed: int256 = 0
    received: int256 = quote
    for row: int256 in rows:
        a: accounts.Account = accounts._load(convert(row & U32, uint256), market, m)
        size: int256 = (row >> 32) & U96
        # unsafe: 96 bits; nobody's position grows or changes sides
        assert unsafe_mul(a.size, -sign) >= size  # dev: not a counterparty
        closed += size
        received += row >> 128
        self._deleverage(a, market, m, sign * size, row >> 128, account)
    by_index: int256 = convert(quantity, int256)
    m.open_interest -= closed
    if by_index != 0:
        m = markets._close_pro_rata(market, m, counter, by_index, -quote)
        closed += by_index
    assert closed <= abs(before.size)  # dev: more than the position
    renewed: markets.Market = markets._renew_if_empty(market, m)
    # of the old epoch, if that has just ended
    self._deleverage(before, market, m, -sign * closed, -received, account)
    markets._store_interest(market, renewed)
    if by_index != 0 or renewed.epoch[0] != m.epoch[0]:
        markets._store_indices(market, renewed)


@external
@nonreentrant
def set_frozen(market: uint256, frozen: bool):
    """
    @notice Stop a market while a list of its accounts is handed in, or let it go on: no fills, the mark stays, it counts as
            stale. Only the liquidator.
    @param market Market.
    @param frozen Whether it is stopped.
    """
    wiring._only(wiring.liquidator)
    word: int256 = markets._without_flag(market, markets.FROZEN)
    if frozen:
        word |= markets.FROZEN
    markets.prices[market] = word
    log FrozenSet(market=market, frozen=frozen)


@internal
def _deleverage(
    a: accounts.Account, market: uint256, m: markets.Market, size: int256, quote: int256, bankrupt: uint256
):
    """
    @notice One side of a deleveraging: the account buys `size` for `quote` (WAD, signed). With size 0 its profit pays: what
            the position has cost changes.
    """
    after: accounts.Account = a
    if size == 0:
        after.entry += quote
    else:
        after = accounts._trade(a, size, quote)
    accounts._store(after, market, m)
    log Deleveraged(
        market=market,
        account=a.id,
        bankrupt=bankrupt,
        size=size,
        quote=quote,
        account_collateral=after.collateral,
    )
