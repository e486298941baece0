# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Staking in the insurance vault
@license Apache-2.0
@notice ERC-4626 over the shared pool: who stakes the collateral token shares the pool's gains and losses.

        Joining is immediate while staking is on. Leaving takes a request, a cooldown, and a claim within a
        window, by `withdraw` or `redeem`; what is not claimed by then has lapsed and must be requested again.
        A share pays the lower of its values at the request and at the exit; what that leaves behind stays
        with the other holders. Requested shares still bear losses; they cannot be moved, nor requested twice,
        but the request can be cancelled.

        Nobody joins or leaves while the vault is unsettled, that is while a loss may have arisen that is not
        booked: while the shared pool's breaker is open, a market of the shared pool has unpaid debt or is
        frozen for deleveraging, or an account that was reported (`report`, open to anyone) is still bankrupt.
        The limits are 0 then. What this cannot see is a loss that nobody has shown to it: a bankrupt account
        that was not reported, and the one behind an index that has not been updated. The cooldown is there
        for those: whoever wants to run from a loss has to know of it that much earlier.
@dev What the vault holds but stakers did not pay in is the treasury's: before the first staker joins all of
     it is put into shares, at 10**6 a token unit, which the vault itself holds for good. What is given while
     there are stakers (`fund`, or a tranche that is merged back) buys such shares at the price of the moment.
     So gifts move no price, the first staker gets nothing of the treasury's and loses nothing to it, and
     penalties and fees, deficits and rewards are borne by both pro rata. A deposit that would get fewer than
     1,000 shares is refused, so none loses more than 0.1 % to rounding, whatever somebody had the pool
     receive before.

     `previewRedeem` and `previewWithdraw` are exact for everybody; the rule of the lower value works on how
     many shares can be redeemed (`maxRedeem`) instead, see modules/withdrawal_requests.vy. With a token that
     takes a fee, `deposit` counts what arrived and `mint` is refused.
"""

from ethereum.ercs import IERC4626

from contracts.modules import doubts
from contracts.modules import token_transfer
from contracts.modules import vault_pools as pools
from contracts.modules import vault_price as price
from contracts.modules import vault_shares as stock
from contracts.modules import withdrawal_requests as requests

uses: doubts
uses: pools
uses: price
uses: stock

LEAST_SHARES: constant(uint256) = 1000
SHARED: constant(uint256) = pools.NO_MARKET
TIME_MASK: constant(uint256) = 2**32 - 1
SHORTEST: constant(uint256) = 3600
LONGEST: constant(uint256) = 90 * 86400
DEFAULT_COOLDOWN: constant(uint256) = 13 * 86400
DEFAULT_WINDOW: constant(uint256) = 3 * 86400

asset: public(immutable(address))

# bits 0-31 cooldown | 32-63 claim window, seconds
times: uint256


event WithdrawRequested:
    owner: indexed(address)
    shares: uint256
    value: uint256
    claimable_from: uint256
    claimable_until: uint256


event WithdrawCancelled:
    owner: indexed(address)
    shares: uint256


# shares that a claim destroyed without paying for them, and what they were worth
event Forfeited:
    owner: indexed(address)
    shares: uint256
    value: uint256


event WithdrawalTimesSet:
    cooldown: uint256
    window: uint256


event StakingSet:
    on: bool


@deploy
def __init__(token: address):
    """
    @param token The collateral token.
    """
    asset = token
    self._set_times(DEFAULT_COOLDOWN, DEFAULT_WINDOW)


# joining


@external
@nonreentrant
def deposit(assets: uint256, receiver: address) -> uint256:
    """
    @notice Stake tokens; needs an allowance.
    @param assets Token units.
    @param receiver Who gets the shares.
    @return Shares, rounded down.
    """
    self._within(assets, self._max_deposit(receiver))
    received: uint256 = token_transfer._pull(asset, msg.sender, assets)
    shares: uint256 = price._to_shares(received)
    assert received == 0 or shares >= LEAST_SHARES, "vault: too few shares"
    self._join(received, shares, receiver)
    return shares


@external
@nonreentrant
def mint(shares: uint256, receiver: address) -> uint256:
    """
    @notice Stake as many tokens as so many shares cost; needs an allowance.
    @param shares Shares.
    @param receiver Who gets them.
    @return Token units, rounded up.
    """
    self._within(shares, self._max_mint(receiver))
    assets: uint256 = price._to_assets_up(shares)
    assert token_transfer._pull(asset, msg.sender, assets) == assets, "vault: less arrived"
    self._join(assets, shares, receiver)
    return assets


# leaving


@external
@nonreentrant
def request_withdraw(shares: uint256) -> uint256:
    """
    @notice Ask to leave with some of the caller's shares. One request at a time; the times are those set now.
    @param shares Shares.
    @return Their value now in token units, rounded down: the most that they can pay.
    """
    assert stock._request(msg.sender).shares == 0, "vault: requested already"
    assert shares != 0 and shares <= stock.holders[msg.sender] & stock.HALF, "shares: above what is free"
    cooldown: uint256 = 0
    window: uint256 = 0
    cooldown, window = self._times()
    start: uint256 = block.timestamp + cooldown
    value: uint256 = price._to_assets(shares)
    stock._store_request(
        msg.sender, requests.Request(shares=shares, value=value, start=start, end=start + window)
    )
    log WithdrawRequested(
        owner=msg.sender,
        shares=shares,
        value=value,
        claimable_from=start,
        claimable_until=start + window,
    )
    return value


@external
@nonreentrant
def cancel_withdraw():
    """
    @notice Take the caller's request back; the shares are free again.
    """
    shares: uint256 = stock._request(msg.sender).shares
    assert shares != 0, "vault: no request"
    stock._store_request(msg.sender, empty(requests.Request))
    log WithdrawCancelled(owner=msg.sender, shares=shares)


@external
@nonreentrant
def withdraw(assets: uint256, receiver: address, owner: address) -> uint256:
    """
    @notice Claim so many tokens of a request. The owner, or by allowance of shares.
    @param assets Token units.
    @param receiver Who gets them.
    @param owner Whose request.
    @return Shares redeemed, rounded up; shares that are forfeited come on top.
    """
    request: requests.Request = empty(requests.Request)
    redeemable: uint256 = 0
    request, redeemable = self._claim(owner)
    self._within(assets, price._to_assets(redeemable))
    shares: uint256 = price._to_shares_up(assets)
    self._leave(assets, shares, receiver, owner, request, redeemable)
    return shares


@external
@nonreentrant
def redeem(shares: uint256, receiver: address, owner: address) -> uint256:
    """
    @notice Claim with so many shares of a request. The owner, or by allowance of shares.
    @param shares Shares to redeem; shares that are forfeited come on top.
    @param receiver Who gets the tokens.
    @param owner Whose request.
    @return Token units, rounded down.
    """
    request: requests.Request = empty(requests.Request)
    redeemable: uint256 = 0
    request, redeemable = self._claim(owner)
    self._within(shares, redeemable)
    assets: uint256 = price._to_assets(shares)
    self._leave(assets, shares, receiver, owner, request, redeemable)
    return assets


# views


@external
@view
def maxDeposit(receiver: address) -> uint256:
    """
    @notice The most that `deposit` takes now.
    @param receiver Who would get the shares.
    @return Token units; 0 while staking is off or the vault is unsettled.
    """
    return self._max_deposit(receiver)


@external
@view
def maxMint(receiver: address) -> uint256:
    """
    @notice The most that `mint` makes now.
    @param receiver Who would get them.
    @return Shares; 0 while staking is off or the vault is unsettled.
    """
    return self._max_mint(receiver)


@external
@view
def maxWithdraw(owner: address) -> uint256:
    """
    @notice The most that `withdraw` pays now: the lower of the values at the request and now.
    @param owner Whose request.
    @return Token units; 0 outside the claim window and while the vault is unsettled.
    """
    return price._to_assets(self._claim(owner)[1])


@external
@view
def maxRedeem(owner: address) -> uint256:
    """
    @notice The most that `redeem` takes now: as many of the requested shares as are worth no more than at the
            request.
    @param owner Whose request.
    @return Shares; 0 outside the claim window and while the vault is unsettled.
    """
    return self._claim(owner)[1]


@external
@view
def withdrawal_request(owner: address) -> requests.Request:
    """
    @notice A holder's request; zeros if there is none or it has lapsed.
    @param owner The holder.
    @return shares; value at the request in token units; start and end of the claim window, seconds.
    """
    return stock._request(owner)


@external
@view
def withdrawal_times() -> (uint256, uint256):
    """
    @notice Cooldown and claim window of requests made now, seconds.
    """
    return self._times()


@external
@view
def is_staking_on() -> bool:
    """
    @notice Whether staking is on. Off, nobody joins; who is in may leave.
    """
    return pools._marks() & pools.STAKING != 0


# rules


@internal
def _set_staking(on: bool):
    pools._set_mark(pools.STAKING, on)
    log StakingSet(on=on)


@internal
def _set_times(cooldown: uint256, window: uint256):
    """
    @notice Set the times of requests to come, seconds, each from an hour to 90 days.
    """
    assert min(cooldown, window) >= SHORTEST and max(cooldown, window) <= LONGEST, "vault: bad times"
    self.times = (window << 32) | cooldown
    log WithdrawalTimesSet(cooldown=cooldown, window=window)


@internal
@view
def _times() -> (uint256, uint256):
    word: uint256 = self.times
    return word & TIME_MASK, word >> 32


@internal
@view
def _may_join(receiver: address) -> bool:
    return (
        receiver != empty(address)
        and receiver != self
        and pools._marks() & pools.STAKING != 0
        and not doubts._is_unsettled()
    )


@internal
@view
def _max_deposit(receiver: address) -> uint256:
    if not self._may_join(receiver):
        return 0
    units: uint256 = 0
    shares: uint256 = 0
    units, shares = price._price()
    # as many shares as are free, and a token unit's worth less one: no more are made
    return min(self._room(), ((self._free(shares) + 1) * units - 1) // shares)


@internal
@view
def _max_mint(receiver: address) -> uint256:
    if not self._may_join(receiver):
        return 0
    units: uint256 = 0
    shares: uint256 = 0
    units, shares = price._price()
    return min(self._free(shares), self._room() * shares // units)


@internal
@view
def _room() -> uint256:
    """
    @notice Token units that fit into the books.
    """
    return pools.LIMIT - pools._books(SHARED)


@internal
@pure
def _free(shares: uint256) -> uint256:
    """
    @notice How many shares may still be made beside so many, the virtual ones included.
    """
    return max(stock.HALF, shares) - shares


@internal
@pure
def _within(amount: uint256, most: uint256):
    assert amount <= most, "vault: above the maximum"


@internal
@view
def _claim(owner: address) -> (requests.Request, uint256):
    """
    @notice A holder's request, and how many of its shares can be redeemed now.
    """
    request: requests.Request = stock._request(owner)
    if not requests._is_claimable(request) or doubts._is_unsettled():
        return request, 0
    units: uint256 = 0
    shares: uint256 = 0
    units, shares = price._price()
    return request, requests._redeemable(request, units, shares)


# steps


@internal
def _join(assets: uint256, shares: uint256, receiver: address):
    """
    @notice Book what arrived and make the shares for it.
    """
    if assets != 0:
        doubts._dispel()
        word: uint256 = stock.supply
        if word & stock.HALF == word >> 128:
            stock._set_treasury(pools._books(SHARED) * price.VIRTUAL)
        pools._book_stake(assets)
    stock._mint(receiver, shares)
    log IERC4626.Deposit(sender=msg.sender, owner=receiver, assets=assets, shares=shares)


@internal
def _leave(
    assets: uint256,
    shares: uint256,
    receiver: address,
    owner: address,
    request: requests.Request,
    redeemable: uint256,
):
    """
    @notice Redeem shares of a request, with those that are forfeited, and pay.
    """
    stock._check_receiver(receiver)
    if msg.sender != owner:
        stock._spend_allowance(owner, shares)
    left: requests.Request = request
    forfeited: uint256 = 0
    if shares != 0:
        doubts._dispel()
        left, forfeited = requests._claimed(request, redeemable, shares)
        if forfeited != 0:
            log Forfeited(owner=owner, shares=forfeited, value=price._to_assets(forfeited))
        stock._redeem(owner, shares, forfeited, left)
    if assets != 0:
        pools._book_exit(assets)
    log IERC4626.Withdraw(sender=msg.sender, receiver=receiver, owner=owner, assets=assets, shares=shares)
    token_transfer._push(asset, receiver, assets)


@internal
def _endow(amount: uint256):
    """
    @notice Buy permanent shares for the treasury with a gift to the shared pool, before it is booked.
    @param amount Token units.
    """
    word: uint256 = stock.supply
    total: uint256 = word & stock.HALF
    if total == word >> 128:
        # no staker: that is put right when the first one joins
        return
    bought: uint256 = price._to_shares(amount)
    stock._set_treasury((word >> 128) + min(bought, stock.HALF - price.VIRTUAL - total))
