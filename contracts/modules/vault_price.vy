# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Price of vault shares
@license Apache-2.0
@notice What shares in the vault's shared pool are worth, as ERC-4626 asks.
@dev The price of a share is (books of the shared pool + 1) / (shares + 10**6): the virtual token unit and
     shares make the price of an empty vault, and a donation of tokens does not count, as the books are the
     vault's own. Previews say what the step would do if its limits let it; they are the same for everybody.
"""

from contracts.modules import vault_pools as pools
from contracts.modules import vault_shares as stock

uses: pools
uses: stock

# shares of a token unit in an empty vault, so that a share has 6 more decimals than the token
VIRTUAL: constant(uint256) = 10**6


@external
@view
def totalAssets() -> uint256:
    """
    @notice Books of the shared pool, the treasury's part included.
    @return Token units.
    """
    return pools._books(pools.NO_MARKET)


@external
@view
def convertToShares(assets: uint256) -> uint256:
    """
    @notice Shares that tokens are worth.
    @param assets Token units.
    @return Shares, rounded down.
    """
    return self._to_shares(assets)


@external
@view
def convertToAssets(shares: uint256) -> uint256:
    """
    @notice Tokens that shares are worth.
    @param shares Shares.
    @return Token units, rounded down.
    """
    return self._to_assets(shares)


@external
@view
def previewDeposit(assets: uint256) -> uint256:
    """
    @notice Shares that `deposit` would make.
    @param assets Token units.
    @return Shares, rounded down.
    """
    return self._to_shares(assets)


@external
@view
def previewMint(shares: uint256) -> uint256:
    """
    @notice Tokens that `mint` would take.
    @param shares Shares.
    @return Token units, rounded up.
    """
    return self._to_assets_up(shares)


@external
@view
def previewWithdraw(assets: uint256) -> uint256:
    """
    @notice Shares that `withdraw` would redeem.
    @param assets Token units.
    @return Shares, rounded up.
    """
    return self._to_shares_up(assets)


@external
@view
def previewRedeem(shares: uint256) -> uint256:
    """
    @notice Tokens that `redeem` would pay.
    @param shares Shares.
    @return Token units, rounded down.
    """
    return self._to_assets(shares)


@internal
@view
def _price() -> (uint256, uint256):
    """
    @notice What a share is worth, the virtual ones included: so many token units, above 0, for so many
            shares.
    """
    books: uint256 = pools._books(pools.NO_MARKET)
    word: uint256 = stock.supply
    shares: uint256 = word & stock.HALF
    if shares == word >> 128:
        # no staker: all is the treasury's, at the price of an empty vault
        shares = unsafe_mul(books, VIRTUAL)
    # unsafe: below 2**100 * 10**6 and 2**128
    return unsafe_add(books, 1), unsafe_add(shares, VIRTUAL)


@internal
@view
def _to_shares(assets: uint256) -> uint256:
    units: uint256 = 0
    shares: uint256 = 0
    units, shares = self._price()
    return assets * shares // units


@internal
@view
def _to_shares_up(assets: uint256) -> uint256:
    units: uint256 = 0
    shares: uint256 = 0
    units, shares = self._price()
    return (assets * shares + (units - 1)) // units


@internal
@view
def _to_assets(number: uint256) -> uint256:
    units: uint256 = 0
    shares: uint256 = 0
    units, shares = self._price()
    return number * units // shares


@internal
@view
def _to_assets_up(number: uint256) -> uint256:
    units: uint256 = 0
    shares: uint256 = 0
    units, shares = self._price()
    return (number * units + (shares - 1)) // shares
