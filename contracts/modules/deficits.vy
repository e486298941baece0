# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Deficits
@license Apache-2.0
@notice Debt of accounts without positions, and who bears it: the vault, the winning side, the treasury. What none of them
        could bear is kept as `unpaid`.
"""

from contracts.modules import accounts
from contracts.modules import fixed_point
from contracts.modules import markets
from contracts.modules import side_index
from contracts.modules import wiring

uses: accounts
uses: markets
uses: wiring

MAX_MARKETS: constant(uint256) = 8
WAD: constant(int256) = 10**18
U32: constant(int256) = 2**32 - 1

# deficits that neither vault, nor the winning side, nor the treasury could bear so far (WAD)
unpaid: public(uint256[MAX_MARKETS])


event DeficitResolved:
    market: indexed(uint256)
    account: indexed(uint256)
    side: indexed(uint256)
    covered: uint256
    socialised: uint256
    from_treasury: uint256
    unpaid: uint256


event UnpaidChanged:
    market: indexed(uint256)
    change: int256


@external
@view
def deficit(account: uint256) -> uint256:
    """
    @notice What an account without positions owes (WAD); 0 while it has a position.
    @param account Account.
    """
    flat: bool = False
    settled: int256 = 0
    flat, settled = self._flat_collateral(account)
    if not flat:
        return 0
    return convert(max(-settled, 0), uint256)


@external
@nonreentrant
def resolve_deficit(
    account: uint256, market: uint256, side: uint256, cover: uint256
) -> (uint256, uint256, uint256):
    """
    @notice Clear the debt of an account without positions: by what the vault paid, then by a charge on the winning side
            up to its notional, then by the treasury's fees; the rest is written to `unpaid`. Only the liquidator.
    @param account Account.
    @param market Market whose winners are charged.
    @param side Winning side (0 long, 1 short).
    @param cover What the vault paid (WAD), at most the debt.
    @return Socialised, paid by the treasury and unpaid (WAD).
    """
    wiring._only(wiring.liquidator)
    flat: bool = False
    settled: int256 = 0
    flat, settled = self._flat_collateral(account)
    rest: int256 = -settled - convert(cover, int256)
    assert flat and rest >= 0  # dev: no deficit
    m: markets.Market = markets._load(market)
    held: int256 = accounts._held(account)
    # who holds the winning side of a later epoch has won nothing from this account
    bearable: int256 = 0
    if held & (1 << market) == 0 or accounts.positions[(account << 3) | market][0] & U32 == m.epoch[1 - side]:
        bearable = fixed_point._floor_div(m.open_interest * m.mark, WAD)
    for i: uint256 in range(MAX_MARKETS):
        if held & (1 << i) != 0:
            accounts.positions[(account << 3) | i] = [0, 0]
    accounts.words[account] = 0

    socialised: int256 = min(rest, bearable)
    from_treasury: uint256 = 0
    if socialised > 0:
        m.k[side] = side_index._after_spread(m.k[side], m.a[side], -socialised, m.open_interest)
        markets._store_indices(market, m)
        log markets.IndexMoved(
            market=market, side=side, a=m.a[side], k=m.k[side], open_interest=m.open_interest
        )
    if rest > socialised:
        from_treasury = markets._from_treasury(market, convert(rest - socialised, uint256))
    left: uint256 = convert(rest - socialised, uint256) - from_treasury
    if left > 0:
        self.unpaid[market] += left
    log DeficitResolved(
        market=market,
        account=account,
        side=side,
        covered=cover,
        socialised=convert(socialised, uint256),
        from_treasury=from_treasury,
        unpaid=left,
    )
    return convert(socialised, uint256), from_treasury, left


@external
@nonreentrant
def change_unpaid(market: uint256, change: int256):
    """
    @notice Book debt that the vault has paid now, or could not pay. Only the liquidator.
    @param market Market.
    @param change WAD, negative: paid.
    """
    wiring._only(wiring.liquidator)
    self.unpaid[market] = convert(convert(self.unpaid[market], int256) + change, uint256)
    log UnpaidChanged(market=market, change=change)


@internal
@view
def _flat_collateral(account: uint256) -> (bool, int256):
    """
    @notice Whether every position of an account settles to nothing, and its collateral (WAD) then.
    """
    settled: int256 = accounts._collateral(account)
    held: int256 = accounts._held(account)
    for i: uint256 in range(MAX_MARKETS):
        if held >> i == 0:
            break
        if held & (1 << i) == 0:
            continue
        size: int256 = 0
        entry: int256 = 0
        gain: int256 = 0
        mark: int256 = 0
        size, entry, gain, mark = accounts._position(account, i)
        if size != 0:
            return False, 0
        # a size that rounding took to nothing may leave an entry value
        settled += gain - entry
    return True, settled
