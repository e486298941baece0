# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Custody
@license Apache-2.0
@notice The collateral token, and how users pay it into accounts and take it out. Accounts keep WAD, the token its own units.
"""

from ethereum.ercs import IERC20Detailed

from contracts.modules import accounts
from contracts.modules import token_transfer

uses: accounts

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
    assert wanted > 0 and wanted <= accounts._withdrawable(
        account
    ), "withdraw: nothing, or above what is withdrawable"
    if wanted > accounts._collateral(account):
        # what funding and deleveraging have realised is in the index until the positions are settled
        accounts._settle_all(account)
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
    return convert(accounts._withdrawable(account) // unit, uint256)
