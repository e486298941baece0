# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Lens
@license Apache-2.0
@notice Bulk reads for keepers, dashboards and simulations. It holds nothing and asks the clearinghouse; what it says is
        what a transaction in the same block would find. Prices, sizes and money are WAD.
"""

from contracts.interfaces import IDeleveragePolicy
from contracts.modules import fixed_point
from contracts.modules import margin_schedule
from contracts.modules import markets

MAX_MARKETS: constant(uint256) = 8
MAX_TIERS: constant(uint256) = 8
MAX_ROWS: constant(uint256) = 256
WAD: constant(int256) = 10**18
U16: constant(int256) = 2**16 - 1
U32: constant(int256) = 2**32 - 1
U40: constant(int256) = 2**40 - 1
U80: constant(int256) = 2**80 - 1
U88: constant(int256) = 2**88 - 1
RATE_ONE: constant(int256) = 10**12

clearinghouse: public(immutable(address))


struct MarketView:
    book: address
    index: int256
    mark: int256
    index_time: int256
    accrued_at: int256
    basis: int256
    premium: int256
    funding_per_second: int256
    open_interest: int256
    open_interest_cap: int256
    close_only: bool
    # frozen for a deleveraging list, which counts as stale
    frozen: bool
    stale: bool
    # fees (WAD), the vault's share of them (bp), max age of the index (s)
    maker_fee: int256
    taker_fee: int256
    vault_share: int256
    max_age: int256
    # side indices with funding accrued to now, as `modules/side_index.vy` scales them
    a_long: int256
    k_long: int256
    a_short: int256
    k_short: int256
    epoch_long: int256
    epoch_short: int256


struct AccountView:
    account: uint256
    owner: address
    collateral: int256
    equity: int256
    initial_margin: int256
    maintenance_margin: int256


struct PositionView:
    market: uint256
    size: int256
    entry_value: int256
    # what settling would add to the collateral
    pending: int256
    mark: int256
    bankruptcy_price: int256
    liquidation_price: int256


struct LightView:
    account: uint256
    # of the policy: the higher, the earlier; size (WAD), and sizes of all that come before
    key: uint256
    size: uint256
    ahead: uint256
    # fifth of the open interest that the account's position ends in: 1 is deleveraged first, 5 last
    quintile: uint256


interface Clearinghouse:
    def liquidator() -> address: view
    def accounts_count() -> uint256: view
    def owner_of(account: uint256) -> address: view
    def collateral(account: uint256) -> int256: view
    def health(account: uint256) -> (int256, int256, int256): view
    def position(account: uint256, market: uint256) -> (int256, int256, int256): view
    def margin_requirement(market: uint256, notional: uint256) -> (int256, int256): view
    def market_words(market: uint256) -> int256[8]: view
    def book_of(market: uint256) -> address: view
    def tiers(market: uint256, tier: uint256) -> uint256: view


interface Liquidator:
    def rank(market: uint256, account: uint256) -> IDeleveragePolicy.Row: view


@deploy
def __init__(clearinghouse_: address):
    """
    @notice Look into one clearinghouse.
    @param clearinghouse_ The clearinghouse.
    """
    clearinghouse = clearinghouse_


@external
@view
def market(market: uint256) -> MarketView:
    """
    @notice A market, funding accrued to now.
    @param market Market.
    """
    words: int256[8] = staticcall Clearinghouse(clearinghouse).market_words(market)
    m: markets.Market = markets._unpack(words[0], words[7], words[2], words[3], words[4], words[5])
    max_age: int256 = (m.terms >> 160) & U16
    frozen: bool = m.flags & markets.FROZEN != 0
    return MarketView(
        book=staticcall Clearinghouse(clearinghouse).book_of(market),
        index=words[1] & U88,
        mark=m.mark,
        index_time=m.index_time,
        accrued_at=(words[0] >> 8) & U40,
        basis=words[1] >> 168,
        premium=(words[1] << 88) >> 192,
        funding_per_second=words[0] >> 176,
        open_interest=m.open_interest,
        open_interest_cap=((m.interest >> 64) & U80) * markets.CAP_UNIT,
        close_only=m.flags & markets.CLOSE_ONLY != 0,
        frozen=frozen,
        stale=frozen or convert(block.timestamp, int256) > m.index_time + max_age,
        maker_fee=(m.terms >> 224) * 10**9,
        taker_fee=((m.terms >> 192) & U32) * 10**9,
        vault_share=(m.terms >> 176) & U16,
        max_age=max_age,
        a_long=m.a[0],
        k_long=m.k[0],
        a_short=m.a[1],
        k_short=m.k[1],
        epoch_long=m.epoch[0],
        epoch_short=m.epoch[1],
    )


@external
@view
def account(account: uint256) -> AccountView:
    """
    @notice An account with all positions settled to now.
    @param account Account.
    """
    return self._account(account)


@external
@view
def accounts(first: uint256, count: uint256) -> DynArray[AccountView, MAX_ROWS]:
    """
    @notice Accounts in a row.
    @param first First account.
    @param count How many, at most 256; fewer come back where there are no more.
    """
    rows: DynArray[AccountView, MAX_ROWS] = []
    last: uint256 = staticcall Clearinghouse(clearinghouse).accounts_count()
    for i: uint256 in range(count, bound=MAX_ROWS):
        if first + i > last:
            break
        rows.append(self._account(first + i))
    return rows


@external
@view
def liquidatable(ids: DynArray[uint256, MAX_ROWS]) -> DynArray[uint256, MAX_ROWS]:
    """
    @notice Those of the given accounts whose equity is below their maintenance margin.
    @param ids Accounts.
    """
    found: DynArray[uint256, MAX_ROWS] = []
    for id: uint256 in ids:
        equity: int256 = 0
        initial: int256 = 0
        maintenance: int256 = 0
        equity, initial, maintenance = staticcall Clearinghouse(clearinghouse).health(id)
        if equity < maintenance:
            found.append(id)
    return found


@external
@view
def positions(account: uint256) -> DynArray[PositionView, MAX_MARKETS]:
    """
    @notice An account's open positions with bankruptcy and liquidation price.
    @param account Account.
    """
    rows: DynArray[PositionView, MAX_MARKETS] = []
    for market: uint256 in range(MAX_MARKETS):
        size: int256 = 0
        entry: int256 = 0
        pending: int256 = 0
        size, entry, pending = staticcall Clearinghouse(clearinghouse).position(account, market)
        if size != 0:
            rows.append(
                PositionView(
                    market=market,
                    size=size,
                    entry_value=entry,
                    pending=pending,
                    mark=self._mark(market),
                    bankruptcy_price=self._bankruptcy_price(account, market, size),
                    liquidation_price=self._liquidation_price(account, market, size),
                )
            )
    return rows


@external
@view
def bankruptcy_price(account: uint256, market: uint256) -> int256:
    """
    @notice Price at which closing the position costs exactly its share of the account's equity; 0 without a position.
    @param account Account.
    @param market Market.
    """
    size: int256 = (staticcall Clearinghouse(clearinghouse).position(account, market))[0]
    if size == 0:
        return 0
    return self._bankruptcy_price(account, market, size)


@external
@view
def liquidation_price(account: uint256, market: uint256) -> int256:
    """
    @notice Mark price of this market at which the account's equity equals its maintenance margin, other markets as they
            are; 0 if there is no such price.
    @param account Account.
    @param market Market.
    """
    size: int256 = (staticcall Clearinghouse(clearinghouse).position(account, market))[0]
    if size == 0:
        return 0
    return self._liquidation_price(account, market, size)


@external
@view
def lights(market: uint256, accounts: DynArray[uint256, MAX_ROWS]) -> DynArray[LightView, MAX_ROWS]:
    """
    @notice Where each account stands in a market's deleveraging queue, as exchanges show it with five lights: an account has
            6 - quintile of them on.
    @param market Market with a deleveraging policy.
    @param accounts Everybody on one side, in any order, at most 256; a longer side is ranked off chain.
    @return In the order asked.
    """
    assert len(accounts) != 0, "lights: nobody"
    liquidator: address = staticcall Clearinghouse(clearinghouse).liquidator()
    rows: DynArray[LightView, MAX_ROWS] = []
    total: uint256 = 0
    longs: bool = False
    for account: uint256 in accounts:
        size: int256 = (staticcall Clearinghouse(clearinghouse).position(account, market))[0]
        if len(rows) == 0:
            longs = size > 0
        assert size != 0 and (size > 0) == longs, "lights: not one side"
        row: LightView = empty(LightView)
        row.account = account
        row.key = (staticcall Liquidator(liquidator).rank(market, account)).key
        row.size = convert(abs(size), uint256)
        total += row.size
        rows.append(row)
    open_interest: int256 = (staticcall Clearinghouse(clearinghouse).market_words(market))[4] >> 144
    assert convert(total, int256) + markets.DUST >= open_interest, "lights: side is incomplete"
    for i: uint256 in range(len(rows), bound=MAX_ROWS):
        row: LightView = rows[i]
        for other: LightView in rows:
            if other.key > row.key or (other.key == row.key and other.account < row.account):
                row.ahead += other.size
        row.quintile = ((row.ahead + row.size) * 5 + total - 1) // total
        rows[i] = row
    return rows


@internal
@view
def _account(account: uint256) -> AccountView:
    equity: int256 = 0
    initial: int256 = 0
    maintenance: int256 = 0
    equity, initial, maintenance = staticcall Clearinghouse(clearinghouse).health(account)
    return AccountView(
        account=account,
        owner=staticcall Clearinghouse(clearinghouse).owner_of(account),
        collateral=staticcall Clearinghouse(clearinghouse).collateral(account),
        equity=equity,
        initial_margin=initial,
        maintenance_margin=maintenance,
    )


@internal
@view
def _mark(market: uint256) -> int256:
    return ((staticcall Clearinghouse(clearinghouse).market_words(market))[0] >> 88) & U88


@internal
@view
def _maintenance(market: uint256, notional: int256) -> int256:
    """
    @notice Maintenance margin of a notional.
    """
    return (staticcall Clearinghouse(clearinghouse).margin_requirement(market, convert(notional, uint256)))[1]


@internal
@view
def _bankruptcy_price(account: uint256, market: uint256, size: int256) -> int256:
    """
    @notice mark - sign(size) * E * (MM here / MM in all) / |size|, rounded down.
    """
    equity: int256 = 0
    initial: int256 = 0
    maintenance: int256 = 0
    equity, initial, maintenance = staticcall Clearinghouse(clearinghouse).health(account)
    mark: int256 = self._mark(market)
    here: int256 = self._maintenance(market, fixed_point._ceil_div(abs(size) * mark, WAD))
    if size < 0:
        return mark + fixed_point._floor_div(fixed_point._floor_div(equity * here, maintenance) * WAD, -size)
    return mark - fixed_point._ceil_div(fixed_point._ceil_div(equity * here, maintenance) * WAD, size)


@internal
@view
def _liquidation_price(account: uint256, market: uint256, size: int256) -> int256:
    """
    @notice Solve E + size * (p - mark) = MM elsewhere + |size| * p * rate - deduction, tier by tier.
    """
    equity: int256 = 0
    initial: int256 = 0
    maintenance: int256 = 0
    equity, initial, maintenance = staticcall Clearinghouse(clearinghouse).health(account)
    mark: int256 = self._mark(market)
    elsewhere: int256 = maintenance - self._maintenance(market, fixed_point._ceil_div(abs(size) * mark, WAD))
    lower: int256 = 0
    for i: uint256 in range(MAX_TIERS):
        word: uint256 = staticcall Clearinghouse(clearinghouse).tiers(market, i)
        if word == 0:
            break
        upper: int256 = convert(word >> 168, int256) * margin_schedule.LIMIT_UNIT
        rate: int256 = convert(word & (2**40 - 1), int256)
        deduction: int256 = convert((word >> 80) & (2**88 - 1), int256)
        last: bool = i == MAX_TIERS - 1
        if not last:
            last = staticcall Clearinghouse(clearinghouse).tiers(market, i + 1) == 0
        slope: int256 = size * RATE_ONE - abs(size) * rate
        if slope != 0:
            numerator: int256 = fixed_point._floor_div(size * mark, WAD) - equity + elsewhere - deduction
            price: int256 = numerator * WAD * RATE_ONE // slope
            notional: int256 = abs(size) * price // WAD
            if price > 0 and notional > lower and (notional <= upper or last):
                return price
        lower = upper
    return 0
