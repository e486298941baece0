# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Revenue
@license Apache-2.0
@notice Where penalties and fees go: rewards to keepers' accounts, the rest of the penalties and a share of the fees to the
        vault, the rest of the fees to the treasury.
"""

from contracts.modules import accounts
from contracts.modules import custody
from contracts.modules import markets
from contracts.modules import token_transfer
from contracts.modules import wiring

uses: accounts
uses: custody
uses: markets
uses: wiring

U128: constant(uint256) = 2**128 - 1
# kinds of the vault's inflows
PENALTY: constant(uint256) = 1
FEE_SHARE: constant(uint256) = 2

vault: public(immutable(address))


interface Vault:
    def book_inflow(market: uint256, kind: uint256, amount: uint256): nonpayable


event RewardPaid:
    market: indexed(uint256)
    account: indexed(uint256)
    amount: uint256
    from_treasury: uint256
    collateral: int256


event TreasuryCollected:
    market: indexed(uint256)
    receiver: indexed(address)
    amount: uint256


@deploy
def __init__(insurance_vault: address):
    """
    @param insurance_vault Gets penalties and its share of fees.
    """
    vault = insurance_vault


@external
@nonreentrant
def sweep_fees(market: uint256) -> uint256:
    """
    @notice Hand the vault its share of a market's fees. Open to anyone.
    @param market Market.
    @return Token units paid.
    """
    return self._sweep(market)


@external
@nonreentrant
def sweep_fees_for_cover(market: uint256) -> uint256:
    """
    @notice `sweep_fees` inside a liquidation. Only the liquidator.
    @param market Market.
    @return Token units paid.
    """
    wiring._only(wiring.liquidator)
    return self._sweep(market)


@external
@nonreentrant
def distribute(
    market: uint256, keeper: address, reward: uint256, asked: uint256, to_vault: uint256, dust: uint256
) -> uint256:
    """
    @notice Pay out what a liquidation brought in: the reward to the keeper's account (opened if need be), the rest of the
            penalty to the vault. What is below a token unit goes to the treasury. Only the liquidator.
    @param market Market.
    @param keeper Owner of the account.
    @param reward What penalty and vault provide for it (WAD).
    @param asked What may be taken from the treasury's fees besides (WAD).
    @param to_vault The vault's part (WAD).
    @param dust What goes to the treasury besides (WAD).
    @return Reward paid (WAD).
    """
    wiring._only(wiring.liquidator)
    paid: uint256 = reward
    from_treasury: uint256 = 0
    if asked > 0:
        from_treasury = markets._from_treasury(market, asked)
        paid += from_treasury
    if paid > 0:
        account: uint256 = accounts._open(keeper)
        collateral: int256 = accounts._credit(account, convert(paid, int256))
        log RewardPaid(
            market=market, account=account, amount=paid, from_treasury=from_treasury, collateral=collateral
        )
    units: uint256 = to_vault // convert(custody.unit, uint256)
    rest: uint256 = to_vault - units * convert(custody.unit, uint256) + dust
    if rest > 0:
        markets.fees_owed[market] += rest
    if units > 0:
        self._send_vault(market, PENALTY, units)
    return paid


@external
@nonreentrant
def collect_treasury(market: uint256, receiver: address) -> uint256:
    """
    @notice Send out the treasury's part of a market's fees. Only the parameters contract.
    @param market Market.
    @param receiver Where it goes.
    @return Token units sent.
    """
    wiring._only(wiring.parameters)
    units: uint256 = (markets.fees_owed[market] & U128) // convert(custody.unit, uint256)
    markets.fees_owed[market] -= units * convert(custody.unit, uint256)
    token_transfer._push(custody.token, receiver, units)
    log TreasuryCollected(market=market, receiver=receiver, amount=units)
    return units


@internal
def _sweep(market: uint256) -> uint256:
    """
    @notice Pay the vault's share of fees out, in whole token units.
    """
    fees: uint256 = markets.fees_owed[market]
    units: uint256 = (fees >> 128) // convert(custody.unit, uint256)
    if units > 0:
        markets.fees_owed[market] = fees - ((units * convert(custody.unit, uint256)) << 128)
        units = self._send_vault(market, FEE_SHARE, units)
    return units


@internal
def _send_vault(market: uint256, kind: uint256, units: uint256) -> uint256:
    """
    @notice Transfer token units to the vault, which books, and logs, what arrived.
    @return Token units sent.
    """
    held: uint256 = token_transfer._balance(custody.token, self)
    if held < units:
        # a deficit is unpaid, and who has won it has taken the tokens away: the vault gets its part with its fees, later
        markets.fees_owed[market] += (units * convert(custody.unit, uint256)) << 128
        return 0
    extcall Vault(vault).book_inflow(
        market, kind, token_transfer._push_from(custody.token, vault, units, held)
    )
    return units
