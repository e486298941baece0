# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Doubts
@license Apache-2.0
@notice Whether losses have arisen that are not booked yet: unpaid debt of a market, a market frozen for
        deleveraging, or a bankrupt account that somebody has reported.
@dev What is looked at is the truth in the Clearinghouse, at the time of the question; all that is kept is a
     list of reported accounts, so it can be wrong only by leaving an account out.

     reported  eight account numbers of 32 bits, the first in the lowest; 0 ends the list. Who became solvent
     is taken
               off when the next one is reported, or somebody joins or leaves
"""

from contracts.modules import vault_ledger
from contracts.modules import vault_pools as pools

uses: pools

MARKETS: constant(uint256) = 8
MOST: constant(uint256) = 8
ACCOUNT_BITS: constant(uint256) = 32
ACCOUNT_MASK: constant(uint256) = 2**32 - 1
# words of a market, and the flag in the first, as modules/packing.vy lays them out
PRICE: constant(uint256) = 0
TERMS: constant(uint256) = 5
FROZEN: constant(int256) = 2


interface Clearinghouse:
    def market_words(market: uint256) -> int256[8]: view
    def unpaid(market: uint256) -> uint256: view
    def health(account: uint256) -> (int256, int256, int256): view


clearinghouse: public(address)
reported: public(uint256)


@external
@nonreentrant
def report(account: uint256) -> bool:
    """
    @notice Show that an account is bankrupt: nobody joins or leaves until it is solvent or gone. Open to
            anyone.
    @param account An account of the Clearinghouse with equity below 0.
    @return Whether it is on the list; not if there are eight others that are still bankrupt.
    """
    listed: bool = self._report(account)
    self._doubt(pools.NO_MARKET)
    return listed


@external
@nonreentrant
def report_market(market: uint256) -> bool:
    """
    @notice Have the vault look whether a market is frozen or has unpaid debt: then nobody joins or leaves
            until it is neither. Open to anyone; unpaid debt the vault notices by itself when it arises.
    @param market 0 to 7.
    @return Whether it holds joins and exits up; not if the market is isolated.
    """
    vault_ledger._check(market, vault_ledger.MARKETS - 1)
    exists: bool = False
    unsettled: bool = False
    exists, unsettled = self._unsettled_market(market)
    return unsettled and self._doubt(market)


@external
@view
def is_unsettled() -> bool:
    """
    @notice Whether nobody may join or leave now, because a loss may have arisen that is not booked.
    """
    return self._is_unsettled()


@internal
@view
def _is_unsettled() -> bool:
    if pools._is_open(pools._word_of(pools.NO_MARKET)):
        return True
    marks: uint256 = pools._marks()
    if marks & pools.DOUBT == 0:
        return False
    return self._any_unsettled_market(marks & pools.ISOLATED) or self._still_bankrupt()[1] != 0


@internal
def _doubt(market: uint256) -> bool:
    """
    @notice Have joins and exits look for losses that are not booked, if a market shares the pool.
    """
    if pools._pool(market) != pools.NO_MARKET:
        return False
    pools._set_mark(pools.DOUBT, True)
    return True


@internal
@view
def _may_switch(market: uint256) -> bool:
    """
    @notice Whether the market may get, or give up, a pool of its own.
    """
    if pools._is_open(pools._word_of(pools.NO_MARKET)) or pools._is_open(pools._word_of(market)):
        return False
    others: uint256 = pools._marks() & pools.ISOLATED & ~(1 << market)
    return not self._any_unsettled_market(others) and self._still_bankrupt()[1] == 0


@internal
def _dispel():
    """
    @notice Forget a doubt that has just been looked into and found groundless.
    """
    if pools._marks() & pools.DOUBT != 0:
        pools._set_mark(pools.DOUBT, False)
        self.reported = 0


@internal
@view
def _unsettled_market(market: uint256) -> (bool, bool):
    """
    @notice Whether a market exists, and whether it is frozen or has unpaid debt.
    """
    words: int256[8] = staticcall Clearinghouse(self.clearinghouse).market_words(market)
    if words[TERMS] == 0:
        return False, False
    if words[PRICE] & FROZEN != 0:
        return True, True
    return True, staticcall Clearinghouse(self.clearinghouse).unpaid(market) != 0


@internal
@view
def _any_unsettled_market(isolated: uint256) -> bool:
    """
    @notice Whether a market of the shared pool is frozen or has unpaid debt.
    @param isolated Markets to leave out, one bit each.
    """
    for market: uint256 in range(MARKETS):
        exists: bool = False
        unsettled: bool = False
        exists, unsettled = self._unsettled_market(market)
        if not exists:
            break
        if unsettled and (isolated >> market) & 1 == 0:
            return True
    return False


@internal
@view
def _is_bankrupt(account: uint256) -> bool:
    equity: int256 = (staticcall Clearinghouse(self.clearinghouse).health(account))[0]
    return equity < 0


@internal
@view
def _still_bankrupt() -> (uint256, uint256):
    """
    @notice The reported accounts that are still bankrupt.
    @return The list, and how many are on it.
    """
    rest: uint256 = self.reported
    kept: uint256 = 0
    count: uint256 = 0
    for _: uint256 in range(MOST):
        if rest == 0:
            break
        account: uint256 = rest & ACCOUNT_MASK
        if self._is_bankrupt(account):
            kept |= account << (count * ACCOUNT_BITS)
            count += 1
        rest = rest >> ACCOUNT_BITS
    return kept, count


@internal
def _report(account: uint256) -> bool:
    """
    @notice Put a bankrupt account on the list, and take off those that are bankrupt no more.
    @param account The account.
    @return Whether it is on the list; not if the list is full.
    """
    assert account != 0 and account <= ACCOUNT_MASK and self._is_bankrupt(account), "vault: not bankrupt"
    kept: uint256 = 0
    count: uint256 = 0
    kept, count = self._still_bankrupt()
    listed: bool = False
    for i: uint256 in range(MOST):
        if (kept >> (i * ACCOUNT_BITS)) & ACCOUNT_MASK == account:
            listed = True
    if not listed and count < MOST:
        kept |= account << (count * ACCOUNT_BITS)
        listed = True
    self.reported = kept
    return listed
