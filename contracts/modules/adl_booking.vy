# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Booking of deleveragings
@license Apache-2.0
@notice The second stage of the waterfall: the other side takes a bankrupt position over, by index or as a list has it, and
        there is a receipt.
"""

from contracts.interfaces import IClearinghouse
from contracts.modules import adl_list
from contracts.modules import adl_task
from contracts.modules import book_closing as book
from contracts.modules import core

uses: core

WAD: constant(uint256) = 10**18


# policy is the zero address where all went by index; deficit, haircut and mark are WAD, vault balances token units; quantity
# (WAD size) includes what of it went by index, haircut is what the others bore against the mark
event DeleverageReceipt:
    account: indexed(uint256)
    market: indexed(uint256)
    policy: address
    deficit: uint256
    vault_before: uint256
    vault_after: uint256
    mark: uint256
    bankruptcy_price: int256
    quantity: uint256
    by_index: uint256
    haircut: uint256


@internal
def _deleverage_by_index(
    account: uint256, market: uint256, before: book.Done, standing: IClearinghouse.Standing, at_mark: bool
) -> book.Done:
    """
    @notice Close what is left of a bankrupt account against the whole other side by size.
    @param at_mark Whether this side has borne its part already.
    """
    quote: int256 = 0
    worth: int256 = 0
    quote, worth = adl_task._price(standing)
    if at_mark:
        quote = worth
    quantity: uint256 = convert(abs(standing.size), uint256)
    extcall IClearinghouse(core.clearinghouse).deleverage(account, market, quantity, quote, [])
    self._log_receipt(
        account, market, empty(address), standing, quote, quantity, quantity, convert(quote - worth, uint256)
    )
    done: book.Done = before
    done.closed += quantity
    done.notional += quantity * convert(standing.mark, uint256) // WAD
    done.target = done.closed
    return done


@internal
def _after_list(
    before: book.Done, task: adl_task.Task, standing: IClearinghouse.Standing, outcome: adl_list.Outcome
) -> book.Done:
    """
    @notice Write the receipt of what a list has borne. Where winners were charged and that did not settle it, the position
            goes by index.
    """
    account: uint256 = task.case.account
    market: uint256 = task.case.market
    self._log_receipt(
        account,
        market,
        task.policy,
        standing,
        task.quote,
        outcome.quantity,
        outcome.by_index,
        outcome.haircut,
    )
    done: book.Done = before
    done.closed += outcome.quantity
    done.notional += outcome.quantity * task.case.mark // WAD
    # of what this call found: rows of a list that are served later are another call's
    done.target = done.closed + outcome.rest
    if task.charges:
        done.target = 0
        # nobody was closed: the keeper is paid for what was charged
        done.notional += outcome.haircut
        left: IClearinghouse.Standing = core._standing(account, market)
        if task.whole and left.equity < 0:
            # winners could not pay it all; or they have, and the debt that is left is from elsewhere: then at the mark
            return self._deleverage_by_index(account, market, done, left, outcome.rest == 0)
    return done


@internal
def _log_receipt(
    account: uint256,
    market: uint256,
    policy: address,
    standing: IClearinghouse.Standing,
    quote: int256,
    quantity: uint256,
    by_index: uint256,
    haircut: uint256,
):
    """
    @notice Write the receipt of a deleveraging.
    @param quote What the whole position was to receive (WAD, signed).
    """
    assets: uint256 = staticcall core.Vault(core.vault).pool_assets(market)
    log DeleverageReceipt(
        account=account,
        market=market,
        policy=policy,
        deficit=convert(-standing.equity, uint256),
        vault_before=assets,
        vault_after=assets,
        mark=convert(standing.mark, uint256),
        bankruptcy_price=quote * convert(WAD, int256) // standing.size,
        quantity=quantity,
        by_index=by_index,
        haircut=haircut,
    )
