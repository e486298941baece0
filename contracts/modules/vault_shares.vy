# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Vault shares
@license Apache-2.0
@notice ERC-20 of the shares in the vault's shared pool. A holder may have asked to leave with part of them:
        that part cannot be moved until it is claimed, cancelled or lapsed.
@dev The vault itself holds the treasury's shares. They are permanent: nothing can send or redeem them.

     supply    bits 0-127 all shares | 128-255 the treasury's among them
     holders   per address bits 0-127 balance | 128-255 requested, which is at most the balance
     requests  per address modules/withdrawal_requests.vy; means nothing where nothing is requested
     A transfer between holders writes two words, a request two.
"""

from ethereum.ercs import IERC20

from contracts.modules import withdrawal_requests as requests_

HALF: constant(uint256) = 2**128 - 1

name: public(constant(String[24])) = "Insurance vault share"
symbol: public(constant(String[8])) = "INSV"
decimals: public(immutable(uint8))

supply: uint256
holders: HashMap[address, uint256]
requests: HashMap[address, uint256]
allowance: public(HashMap[address, HashMap[address, uint256]])


@deploy
def __init__(decimals_: uint8):
    """
    @param decimals_ Decimals of a share.
    """
    decimals = decimals_


@external
@view
def totalSupply() -> uint256:
    """
    @notice All shares, those of the treasury included.
    """
    return self.supply & HALF


@external
@view
def balanceOf(holder: address) -> uint256:
    """
    @notice Shares of a holder, requested ones included.
    @param holder The holder; the vault's own address for the treasury's.
    """
    if holder == self:
        return self.supply >> 128
    return self.holders[holder] & HALF


@external
@nonreentrant
def approve(spender: address, amount: uint256) -> bool:
    """
    @notice Let somebody move, or redeem, the caller's shares.
    @param spender Who may.
    @param amount Shares; the largest number never runs down.
    @return True.
    """
    self.allowance[msg.sender][spender] = amount
    log IERC20.Approval(owner=msg.sender, spender=spender, value=amount)
    return True


@external
@nonreentrant
def transfer(receiver: address, amount: uint256) -> bool:
    """
    @notice Move the caller's shares, but for those requested.
    @param receiver Who gets them; not the vault.
    @param amount Shares.
    @return True.
    """
    self._move(msg.sender, receiver, amount)
    return True


@external
@nonreentrant
def transferFrom(owner: address, receiver: address, amount: uint256) -> bool:
    """
    @notice Move somebody's shares by allowance, but for those requested.
    @param owner Whose.
    @param receiver Who gets them; not the vault.
    @param amount Shares.
    @return True.
    """
    self._spend_allowance(owner, amount)
    self._move(owner, receiver, amount)
    return True


@internal
def _move(owner: address, receiver: address, amount: uint256):
    self._check_receiver(receiver)
    word: uint256 = self.holders[owner]
    locked: uint256 = 0
    if word >> 128 != 0:
        locked = self._request(owner).shares
    balance: uint256 = word & HALF
    # unsafe: no more is locked than held
    assert amount <= unsafe_sub(balance, locked), "shares: above what is free"
    if owner != receiver:
        # unsafe: just compared; all balances add up to a supply below 2**128
        self.holders[owner] = (locked << 128) | unsafe_sub(balance, amount)
        self.holders[receiver] = unsafe_add(self.holders[receiver], amount)
    log IERC20.Transfer(sender=owner, receiver=receiver, value=amount)


@internal
@view
def _check_receiver(receiver: address):
    assert receiver != empty(address) and receiver != self, "shares: bad receiver"


@internal
def _spend_allowance(owner: address, amount: uint256):
    """
    @notice Take shares off the caller's allowance, unless it is unlimited.
    """
    allowed: uint256 = self.allowance[owner][msg.sender]
    if allowed != max_value(uint256):
        assert amount <= allowed, "shares: above the allowance"
        # unsafe: just compared
        self.allowance[owner][msg.sender] = unsafe_sub(allowed, amount)


@internal
@view
def _request(owner: address) -> requests_.Request:
    """
    @notice A holder's request; empty if there is none or it has lapsed.
    """
    requested: uint256 = self.holders[owner] >> 128
    if requested == 0:
        return empty(requests_.Request)
    request: requests_.Request = requests_._unpack(self.requests[owner], requested)
    if block.timestamp >= request.end:
        return empty(requests_.Request)
    return request


@internal
def _store_request(owner: address, request: requests_.Request):
    """
    @notice Write a holder's request, of at most the balance; no shares: none.
    """
    self.holders[owner] = (self.holders[owner] & HALF) | (request.shares << 128)
    self.requests[owner] = requests_._pack(request)


@internal
def _mint(receiver: address, shares: uint256):
    """
    @notice Make shares for a staker, which with the supply fit 128 bits.
    """
    self._check_receiver(receiver)
    # unsafe: they fit
    self.supply = unsafe_add(self.supply, shares)
    self.holders[receiver] = unsafe_add(self.holders[receiver], shares)
    log IERC20.Transfer(sender=empty(address), receiver=receiver, value=shares)


@internal
def _redeem(owner: address, redeemed: uint256, forfeited: uint256, left: requests_.Request):
    """
    @notice Destroy a staker's shares.
    @param owner Whose, all of them requested.
    @param redeemed Paid for.
    @param forfeited Not paid for.
    @param left What is left of the request.
    """
    burned: uint256 = redeemed + forfeited
    # unsafe: the shares are requested, so they are in the balance and in the supply
    self.supply = unsafe_sub(self.supply, burned)
    balance: uint256 = unsafe_sub(self.holders[owner] & HALF, burned)
    self.holders[owner] = balance | (left.shares << 128)
    if left.shares == 0:
        self.requests[owner] = 0
    else:
        self.requests[owner] = requests_._pack(left)
    log IERC20.Transfer(sender=owner, receiver=empty(address), value=redeemed)
    if forfeited != 0:
        log IERC20.Transfer(sender=owner, receiver=empty(address), value=forfeited)


@internal
def _set_treasury(shares: uint256):
    """
    @notice Give the treasury so many shares in all, which with the stakers' fit 128 bits.
    """
    word: uint256 = self.supply
    before: uint256 = word >> 128
    self.supply = ((word & HALF) - before + shares) | (shares << 128)
    if shares > before:
        log IERC20.Transfer(sender=empty(address), receiver=self, value=shares - before)
    elif shares < before:
        log IERC20.Transfer(sender=self, receiver=empty(address), value=before - shares)
