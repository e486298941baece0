# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Faucet stablecoin
@license Apache-2.0
@notice An ERC-20 that anyone may mint: collateral for tests and simulations, worth nothing.
"""

from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed

implements: IERC20
implements: IERC20Detailed

name: public(String[64])
symbol: public(String[32])
decimals: public(immutable(uint8))
totalSupply: public(uint256)
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])


@deploy
def __init__(name: String[64], symbol: String[32], decimals_: uint8):
    """
    @param name Name of the token.
    @param symbol Symbol of the token.
    @param decimals_ Decimals of the token.
    """
    self.name = name
    self.symbol = symbol
    decimals = decimals_


@external
def mint(to: address, amount: uint256):
    """
    @notice Mint tokens. Anyone.
    @param to Who receives them.
    @param amount Token units.
    """
    self.totalSupply += amount
    self.balanceOf[to] += amount
    log IERC20.Transfer(sender=empty(address), receiver=to, value=amount)


@external
def transfer(to: address, amount: uint256) -> bool:
    """
    @notice Send the caller's tokens.
    @param to Who receives them.
    @param amount Token units.
    @return True.
    """
    self._transfer(msg.sender, to, amount)
    return True


@external
def transferFrom(sender: address, to: address, amount: uint256) -> bool:
    """
    @notice Send somebody's tokens by allowance; the largest allowance never runs down.
    @param sender Whose tokens.
    @param to Who receives them.
    @param amount Token units.
    @return True.
    """
    allowed: uint256 = self.allowance[sender][msg.sender]
    if allowed != max_value(uint256):
        assert allowed >= amount, "erc20: allowance"
        self.allowance[sender][msg.sender] = allowed - amount
    self._transfer(sender, to, amount)
    return True


@external
def approve(spender: address, amount: uint256) -> bool:
    """
    @notice Let somebody send the caller's tokens.
    @param spender Who may.
    @param amount Token units.
    @return True.
    """
    self.allowance[msg.sender][spender] = amount
    log IERC20.Approval(owner=msg.sender, spender=spender, value=amount)
    return True


@internal
def _transfer(sender: address, to: address, amount: uint256):
    balance: uint256 = self.balanceOf[sender]
    assert balance >= amount, "erc20: balance"
    # unsafe: the balance suffices, and balances add up to the total supply
    self.balanceOf[sender] = unsafe_sub(balance, amount)
    self.balanceOf[to] = unsafe_add(self.balanceOf[to], amount)
    log IERC20.Transfer(sender=sender, receiver=to, value=amount)
