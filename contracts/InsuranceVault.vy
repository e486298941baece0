# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Insurance vault
@license Apache-2.0
@notice The insurance fund of the exchange: takes in penalties, fee shares, gifts of the treasury and stakes,
        and pays the deficits and keeper rewards that the Liquidator asks for, as far as its rules allow.
@dev All amounts are token units. The books are the vault's own count (modules/vault_pools.vy); the token's
     balance is only looked at to measure a flow, so donations change nothing. Asking for money never reverts
     for lack of it. Staking, ERC-4626 over the shared pool, is in modules/vault_staking.vy; it is off until
     the owner switches it on.
"""

from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed
from ethereum.ercs import IERC4626

from contracts.modules import access
from contracts.modules import doubts
from contracts.modules import token_transfer
from contracts.modules import vault_caps
from contracts.modules import vault_ledger
from contracts.modules import vault_pools as pools
from contracts.modules import vault_price as price
from contracts.modules import vault_shares as stock
from contracts.modules import vault_staking as staking
from contracts.modules import vault_views as views

implements: IERC20
implements: IERC20Detailed
implements: IERC4626

initializes: access
initializes: vault_ledger
initializes: vault_caps
initializes: pools[caps := vault_caps, ledger := vault_ledger]
initializes: views[pools := pools, vault_caps := vault_caps, vault_ledger := vault_ledger]
initializes: stock
initializes: price[pools := pools, stock := stock]
initializes: doubts[pools := pools]
initializes: staking[doubts := doubts, pools := pools, price := price, stock := stock]

exports: (
    access.owner,
    access.pending_owner,
    access.transfer_ownership,
    access.accept_ownership,
)
exports: (
    views.assets,
    views.pool_assets,
    views.is_isolated,
    views.coverage,
    views.breaker_state,
    views.cap,
    views.ledger,
    views.history,
)
exports: (
    stock.name,
    stock.symbol,
    stock.decimals,
    stock.totalSupply,
    stock.balanceOf,
    stock.allowance,
    stock.approve,
    stock.transfer,
    stock.transferFrom,
)
exports: (
    price.totalAssets,
    price.convertToShares,
    price.convertToAssets,
    price.previewDeposit,
    price.previewMint,
    price.previewWithdraw,
    price.previewRedeem,
)
exports: (
    staking.asset,
    staking.maxDeposit,
    staking.maxMint,
    staking.maxWithdraw,
    staking.maxRedeem,
    staking.deposit,
    staking.mint,
    staking.withdraw,
    staking.redeem,
    staking.request_withdraw,
    staking.cancel_withdraw,
    staking.withdrawal_request,
    staking.withdrawal_times,
    staking.is_staking_on,
)
exports: (
    doubts.clearinghouse,
    doubts.reported,
    doubts.is_unsettled,
    doubts.report,
    doubts.report_market,
)

MARKETS: constant(uint256) = 8
DEFAULT_WINDOW: constant(uint256) = 86400
WAD: constant(uint256) = 10**18

liquidator: public(address)


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
    decimals: uint8 = staticcall IERC20Detailed(token).decimals()
    vault_ledger.__init__()
    pools.__init__(convert(decimals, uint256))
    stock.__init__(decimals + 6)
    staking.__init__(token)


@external
@nonreentrant
def set_core(clearinghouse: address, liquidator: address):
    """
    @notice Name the contracts that the vault serves. Only the owner, once.
    @param clearinghouse Receives what the vault pays, books what it sends.
    @param liquidator Asks for deficits and rewards.
    """
    access._only_owner()
    assert doubts.clearinghouse == empty(address), "vault: core is set"
    assert clearinghouse != empty(address) and liquidator != empty(address), "vault: zero address"
    doubts.clearinghouse = clearinghouse
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
    vault_ledger._check(market, MARKETS - 1)
    assert window != 0 and window <= 365 * 86400, "vault: bad window"
    pools._set_cap(market, cap, window)


@external
@nonreentrant
def set_breaker(trip: uint256, resume: uint256):
    """
    @notice Set when the breakers of all pools open and close, and apply it to their present state. Only the
            owner.
    @param trip WAD fall from the peak of eight hours at which payments stop; 1e18 switches the breaker off.
    @param resume WAD fall under which they resume, above 0 and at most `trip`.
    """
    access._only_owner()
    assert trip <= WAD and resume != 0 and resume <= trip, "vault: bad breaker"
    pools._set_breaker(trip, resume)


@external
@nonreentrant
def set_isolated(market: uint256, isolated: bool):
    """
    @notice Give a market a pool of its own, or put it back into the shared pool. Only the owner. Nothing happens if it
            is there already.
    @dev Isolated, a market starts with nothing; what it had brought stays in the shared pool. Coming back it
         brings its tranche, which buys the treasury shares. Refused while the vault is unsettled, the market
         has unpaid debt or is frozen, or its pool's breaker is open: a loss is borne by the pool under which
         it arose.
    @param market 0 to 7.
    @param isolated Whether it is to have its own pool.
    """
    access._only_owner()
    vault_ledger._check(market, MARKETS - 1)
    assert doubts._may_switch(market), "vault: unsettled"
    if isolated == (pools._pool(market) == market):
        return
    if isolated:
        pools._isolate(market)
    else:
        staking._endow(pools._books(market))
        pools._merge(market)


@external
@nonreentrant
def set_staking(on: bool):
    """
    @notice Let people stake, or stop that; who has staked may leave either way. Only the owner.
    @param on Whether to let them.
    """
    access._only_owner()
    staking._set_staking(on)


@external
@nonreentrant
def set_withdrawal_times(cooldown: uint256, window: uint256):
    """
    @notice Set the times of withdrawals that are requested from now on. Only the owner.
    @param cooldown Seconds from the request to the first claim, an hour to 90 days.
    @param window Seconds for claiming, an hour to 90 days.
    """
    access._only_owner()
    staking._set_times(cooldown, window)


@external
@nonreentrant
def fund(amount: uint256) -> uint256:
    """
    @notice Give money to the shared pool; it buys permanent shares of the treasury. Anyone; needs an
            allowance.
    @param amount Token units.
    @return Token units that arrived and were booked.
    """
    return self._fund(pools.NO_MARKET, amount)


@external
@nonreentrant
def fund_market(market: uint256, amount: uint256) -> uint256:
    """
    @notice Give money to an isolated market's tranche. Anyone; needs an allowance.
    @param market 0 to 7.
    @param amount Token units.
    @return Token units that arrived and were booked.
    """
    vault_ledger._check(market, MARKETS - 1)
    assert pools._pool(market) == market, "vault: not isolated"
    return self._fund(market, amount)


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
    assert msg.sender == doubts.clearinghouse, "vault: not clearinghouse"
    vault_ledger._check(market, MARKETS - 1)
    assert kind >= pools.KIND_PENALTY and kind <= pools.KIND_FUND, "vault: unknown kind"
    pools._book_inflow(market, kind, amount)


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
    self._only_liquidator(market)
    if amount == 0:
        return 0
    vault_ledger._book_deficit(market, amount)
    paid: uint256 = 0
    assets: uint256 = 0
    paid, assets = pools._book_outflow(market, amount)
    log Cover(market=market, requested=amount, paid=paid, assets=assets)
    received: uint256 = token_transfer._push(staking.asset, doubts.clearinghouse, paid)
    if received < amount:
        # what is missing may end as unpaid debt
        doubts._doubt(market)
    return received


@external
@nonreentrant
def repay(market: uint256, amount: uint256) -> uint256:
    """
    @notice Pay debt that was booked as a deficit when it arose, as far as coverage goes. Only the Liquidator.
    @param market 0 to 7.
    @param amount Token units still owed.
    @return Token units that arrived, 0 if there is no coverage.
    """
    self._only_liquidator(market)
    paid: uint256 = 0
    assets: uint256 = 0
    paid, assets = pools._book_outflow(market, amount)
    if paid == 0:
        return 0
    log Cover(market=market, requested=0, paid=paid, assets=assets)
    return token_transfer._push(staking.asset, doubts.clearinghouse, paid)


@external
@nonreentrant
def reward(market: uint256, amount: uint256) -> uint256:
    """
    @notice Pay a keeper's reward to the Clearinghouse as far as coverage goes. Only the Liquidator.
    @param market 0 to 7, the market whose liquidation is rewarded.
    @param amount Token units of the reward.
    @return Token units that arrived, 0 if there is no coverage.
    """
    self._only_liquidator(market)
    paid: uint256 = 0
    assets: uint256 = 0
    paid, assets = pools._book_outflow(market, amount)
    if paid == 0:
        return 0
    log RewardPaid(market=market, amount=paid, assets=assets)
    return token_transfer._push(staking.asset, doubts.clearinghouse, paid)


@external
@view
def token() -> address:
    """
    @notice The collateral token.
    """
    return staking.asset


@internal
@view
def _only_liquidator(market: uint256):
    assert msg.sender == self.liquidator, "vault: not liquidator"
    vault_ledger._check(market, MARKETS - 1)


@internal
def _fund(market: uint256, amount: uint256) -> uint256:
    """
    @notice Take a gift to the pool of a market; 8: the shared pool.
    """
    received: uint256 = token_transfer._pull(staking.asset, msg.sender, amount)
    if received == 0:
        return 0
    if market == pools.NO_MARKET:
        staking._endow(received)
    assert pools._book_inflow(market, pools.KIND_FUND, received) == received, "vault: over limit"
    return received
