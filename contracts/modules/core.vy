# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Core
@license Apache-2.0
@notice The contracts that the liquidator moves money and positions between, and the scale of their token.
"""

from ethereum.ercs import IERC20Detailed

from contracts.interfaces import IClearinghouse

MAX_MARKETS: constant(uint256) = 8

clearinghouse: public(immutable(address))
vault: public(immutable(address))
# WAD a token unit
unit: immutable(uint256)


interface Vault:
    def pool_assets(market: uint256) -> uint256: view
    def coverage(market: uint256) -> uint256: view
    def cover(market: uint256, amount: uint256) -> uint256: nonpayable
    def repay(market: uint256, amount: uint256) -> uint256: nonpayable
    def reward(market: uint256, amount: uint256) -> uint256: nonpayable
    def report_market(market: uint256): nonpayable


@deploy
def __init__(clearinghouse_: address, vault_: address):
    """
    @param clearinghouse_ Holds accounts and positions.
    @param vault_ Insurance vault.
    """
    clearinghouse = clearinghouse_
    vault = vault_
    decimals: uint8 = staticcall IERC20Detailed(staticcall IClearinghouse(clearinghouse_).token()).decimals()
    unit = 10**convert(18 - decimals, uint256)


@internal
@view
def _standing(account: uint256, market: uint256) -> IClearinghouse.Standing:
    """
    @notice An account as it stands in a market now.
    """
    assert market < MAX_MARKETS, "market: unknown"
    return staticcall IClearinghouse(clearinghouse).standing(account, market)
