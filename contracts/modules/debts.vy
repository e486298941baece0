# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Bad debt
@license Apache-2.0
@notice What accounts without positions owed, who bore it, and how the vault is asked for its part. What nobody could bear
        is owed until the vault can repay it.
"""

from contracts.interfaces import IClearinghouse
from contracts.modules import core

uses: core

MAX_MARKETS: constant(uint256) = 8


struct BadDebt:
    # WAD: what accounts without positions owed, and who bore it
    deficit: uint256
    covered: uint256
    socialised: uint256
    treasury: uint256
    unpaid: uint256


bad_debt: public(BadDebt[MAX_MARKETS])


event BadDebtBooked:
    market: indexed(uint256)
    account: indexed(uint256)
    deficit: uint256
    covered: uint256
    socialised: uint256
    treasury: uint256
    unpaid: uint256


@external
@nonreentrant
def repay_bad_debt(market: uint256) -> uint256:
    """
    @notice Let the vault pay debt that nobody could bear when it arose. Open to anyone.
    @param market Market.
    @return WAD repaid.
    """
    owed: uint256 = staticcall IClearinghouse(core.clearinghouse).unpaid(market)
    if owed == 0:
        return 0
    extcall IClearinghouse(core.clearinghouse).sweep_fees_for_cover(market)
    received: uint256 = (
        extcall core.Vault(core.vault).repay(market, (owed + core.unit - 1) // core.unit)
    ) * core.unit
    paid: uint256 = min(received, owed)
    if received > owed:
        extcall IClearinghouse(core.clearinghouse).distribute(market, msg.sender, 0, 0, 0, received - owed)
    if paid > 0:
        extcall IClearinghouse(core.clearinghouse).change_unpaid(market, -convert(paid, int256))
        self.bad_debt[market].unpaid -= paid
        self.bad_debt[market].covered += paid
    return paid


@internal
def _resolve(account: uint256, market: uint256, winners: uint256):
    """
    @notice Clear what an account without positions still owes.
    """
    deficit: uint256 = staticcall IClearinghouse(core.clearinghouse).deficit(account)
    if deficit == 0:
        return
    extcall IClearinghouse(core.clearinghouse).sweep_fees_for_cover(market)
    covered: uint256 = self._cover(market, deficit)
    socialised: uint256 = 0
    treasury: uint256 = 0
    unpaid: uint256 = 0
    socialised, treasury, unpaid = extcall IClearinghouse(core.clearinghouse).resolve_deficit(
        account, market, winners, covered
    )
    ledger: BadDebt = self.bad_debt[market]
    self.bad_debt[market] = BadDebt(
        deficit=ledger.deficit + deficit,
        covered=ledger.covered + covered,
        socialised=ledger.socialised + socialised,
        treasury=ledger.treasury + treasury,
        unpaid=ledger.unpaid + unpaid,
    )
    log BadDebtBooked(
        market=market,
        account=account,
        deficit=deficit,
        covered=covered,
        socialised=socialised,
        treasury=treasury,
        unpaid=unpaid,
    )


@internal
def _cover(market: uint256, amount: uint256) -> uint256:
    """
    @notice Have the vault pay up to `amount` (WAD). It pays whole token units; the dust above goes to the treasury.
    @return WAD paid, at most the amount.
    """
    if amount == 0:
        return 0
    paid: uint256 = (
        extcall core.Vault(core.vault).cover(market, (amount + core.unit - 1) // core.unit)
    ) * core.unit
    if paid > amount:
        extcall IClearinghouse(core.clearinghouse).distribute(market, msg.sender, 0, 0, 0, paid - amount)
        return amount
    return paid
