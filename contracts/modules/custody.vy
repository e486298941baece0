# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Custody
@license Apache-2.0
@notice The collateral token, and how users pay it into accounts and take it out. Accounts keep WAD, the token its own units.
"""

from ethereum.ercs import IERC20Detailed

from contracts.modules import accounts
from contracts.modules import markets
from contracts.modules import token_transfer

uses: accounts
uses: markets

MAX_MARKETS: constant(uint256) = 8

# WAD a token unit
unit: immutable(int256)
# last, so that it lies beside the vault's address in the code: where both are needed they are read at once
token: public(immutable(address))


event Deposit:
    account: indexed(uint256)
    amount: uint256
    collateral: int256


event Withdrawal:
    account: indexed(uint256)
    receiver: indexed(address)
    amount: uint256
    collateral: int256


event Settled:
    market: indexed(uint256)
    account: indexed(uint256)
    size: int256
    entry: int256
    collateral: int256


@deploy
def __init__(collateral: address):
    """
    @param collateral ERC-20 with 6 to 18 decimals.
    """
    decimals: uint8 = staticcall IERC20Detailed(collateral).decimals()
    assert decimals >= 6 and decimals <= 18, "token: decimals"
    token = collateral
    unit = convert(10**convert(18 - decimals, uint256), int256)


@external
@nonreentrant
def deposit(amount: uint256, beneficiary: address = msg.sender) -> uint256:
    """
    @notice Pay collateral into an account; the first deposit opens it.
    @param amount Token units.
    @param beneficiary Owner of the account.
    @return The account.
    """
    received: uint256 = token_transfer._pull(token, msg.sender, amount)
    assert received > 0, "deposit: nothing received"
    account: uint256 = accounts._open(beneficiary)
    collateral: int256 = accounts._credit(account, convert(received, int256) * unit)
    log Deposit(account=account, amount=received, collateral=collateral)
    return account


@external
@nonreentrant
def withdraw(amount: uint256, receiver: address = msg.sender):
    """
    @notice Take out settled collateral that the margin does not need. With a position it needs fresh prices.
    @param amount Token units.
    @param receiver Where it goes.
    """
    account: uint256 = accounts.account_of[msg.sender]
    wanted: int256 = convert(amount, int256) * unit
    assert wanted > 0 and wanted <= self._withdrawable(
        account
    ), "withdraw: nothing, or above what is withdrawable"
    if wanted > accounts._collateral(account):
        # what funding and deleveraging have realised is in the index until the positions are settled
        self._settle_all(account)
    collateral: int256 = accounts._credit(account, -wanted)
    token_transfer._push(token, receiver, amount)
    log Withdrawal(account=account, receiver=receiver, amount=amount, collateral=collateral)


@external
@view
def withdrawable(account: uint256) -> uint256:
    """
    @notice What `withdraw` would pay now, in token units.
    @param account Account.
    """
    return convert(self._withdrawable(account) // unit, uint256)


@internal
@view
def _withdrawable(account: uint256) -> int256:
    """
    @notice Collateral (WAD), all positions settled, above what margin needs.
    """
    settled: int256 = accounts._collateral(account)
    held: int256 = accounts._held(account)
    open: bool = False
    for i: uint256 in range(MAX_MARKETS):
        if held >> i == 0:
            break
        if held & (1 << i) != 0:
            size: int256 = 0
            entry: int256 = 0
            gain: int256 = 0
            mark: int256 = 0
            size, entry, gain, mark = accounts._position(account, i)
            settled += gain
            if size == 0:
                settled -= entry
            else:
                open = True
                if markets._is_stale(i):
                    return 0
    if open:
        equity: int256 = 0
        initial: int256 = 0
        maintenance: int256 = 0
        equity, initial, maintenance = accounts._rest(account, held)
        settled = min(settled, accounts._collateral(account) + equity - initial)
    return max(settled, 0)


@internal
def _settle_all(account: uint256):
    """
    @notice Write all positions of an account as they are now, their gains in the collateral.
    """
    held: int256 = accounts._held(account)
    for i: uint256 in range(MAX_MARKETS):
        if held >> i == 0:
            break
        if held & (1 << i) != 0:
            m: markets.Market = markets._load(i)
            a: accounts.Account = accounts._load(account, i, m)
            if a.size == 0:
                # a size that rounding took to nothing may leave an entry value
                a.collateral -= a.entry
                a.entry = 0
            accounts._store(a, i, m)
            log Settled(market=i, account=account, size=a.size, entry=a.entry, collateral=a.collateral)
