# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Liquidator
@license Apache-2.0
@notice The keeper path. `liquidate` runs the loss waterfall in one transaction: the book above the bankruptcy price (the
        account pays a penalty), at it (nothing moves), below it (the vault pays the difference at once), then, for a
        bankrupt account and when asked, deleveraging against the other side, then what is left: the vault, the winning
        side, the treasury. It never reverts for lack of money.
@dev Here are the calls of keepers and owner. What they do is in modules: `waterfall` runs a liquidation and asks
     `liquidation_rules` for sizes and rewards; its stages are `book_closing`, `adl_booking` and `debts`. Lists are in
     `adl_list` and `adl_open_list`, on top of `adl_task` (who could bear what) and `adl_terms` (when there is a list).
"""

from contracts.interfaces import IClearinghouse
from contracts.modules import access
from contracts.modules import adl_booking as adl
from contracts.modules import adl_list
from contracts.modules import adl_open_list
from contracts.modules import adl_task
from contracts.modules import adl_terms
from contracts.modules import book_closing as book
from contracts.modules import core
from contracts.modules import debts
from contracts.modules import liquidation_rules as rules
from contracts.modules import waterfall

initializes: access
initializes: core
initializes: adl_terms
initializes: adl_task[adl_terms := adl_terms, core := core]
initializes: adl_list[adl_task := adl_task, core := core]
initializes: adl_open_list[adl_list := adl_list, adl_task := adl_task, adl_terms := adl_terms, core := core]
initializes: rules
initializes: debts[core := core]
initializes: book[core := core, debts := debts]
initializes: adl[core := core]
initializes: waterfall[
    adl := adl, adl_terms := adl_terms, book := book, core := core, debts := debts, rules := rules
]

exports: (
    access.owner,
    access.pending_owner,
    access.transfer_ownership,
    access.accept_ownership,
)
exports: (
    core.clearinghouse,
    core.vault,
    debts.bad_debt,
    debts.repay_bad_debt,
    rules.params,
    waterfall.closable,
)
exports: (
    adl_terms.deleverage_terms,
    adl_open_list.open_list_of,
    adl_open_list.row_of,
    adl_task.rank,
)

MAX_MARKETS: constant(uint256) = 8


event ParamsSet:
    market: indexed(uint256)
    params: rules.Params


@deploy
def __init__(clearinghouse_: address, vault_: address, owner: address):
    """
    @notice Deploy for one clearinghouse and vault.
    @param clearinghouse_ Holds accounts and positions.
    @param vault_ Insurance vault.
    @param owner Sets the parameters.
    """
    access.__init__(owner)
    core.__init__(clearinghouse_, vault_)


@external
@nonreentrant
def liquidate(
    account: uint256, market: uint256, max_size: uint256 = max_value(uint256), with_deleverage: bool = False
) -> uint256:
    """
    @notice Liquidate an account whose equity is below its maintenance margin, in one market. Open to anyone; the reward
            goes to the caller's account.
    @param account Account.
    @param market Market.
    @param max_size Most to close on the book (WAD); larger is cut to what may be closed. Not for deleveraging.
    @param with_deleverage Whether to deleverage what book and vault cannot finish of a bankrupt account.
    @return Size closed (WAD).
    """
    standing: IClearinghouse.Standing = core._standing(account, market)
    return waterfall._liquidate(account, market, max_size, with_deleverage, standing)[0]


@external
@nonreentrant
def deleverage(account: uint256, market: uint256) -> uint256:
    """
    @notice Close a bankrupt account's position: on the book as far as book and vault go, the rest at its bankruptcy price
            against the whole other side by size. Open to anyone, where the market shares out by index, the position is too
            small for a list, or a list has just timed out.
    @param account Account.
    @param market Market.
    @return Size closed (WAD).
    """
    standing: IClearinghouse.Standing = self._bankrupt(account, market)
    assert adl_terms._by_index(market, standing), "deleverage: needs a list"
    return waterfall._liquidate(account, market, max_value(uint256), True, standing)[0]


@external
@nonreentrant
def deleverage_by_list(
    account: uint256, market: uint256, accounts: DynArray[uint256, adl_list.MAX_WORDS]
) -> uint256:
    """
    @notice As `deleverage`, in a market that shares out by list: the policy allots what book and vault cannot close to the
            accounts handed in, the rest goes by index. Also ends a list that is open for the account, with this one.
    @param account Account.
    @param market Market.
    @param accounts Every account on the other side as the policy sorts them, eight a word, 32 bits each, the first in the
                    lowest; a 0 ends them. At most 2048.
    @return Size closed (WAD).
    """
    standing: IClearinghouse.Standing = self._bankrupt(account, market)
    assert adl_terms._terms(market).policy != empty(address), "deleverage: by index"
    params: rules.Params = rules._unpacked(rules.words[market])
    open_for: uint256 = adl_open_list.open_lists[market].account
    done: book.Done = empty(book.Done)
    left: IClearinghouse.Standing = standing
    if open_for == 0:
        waterfall._require_liquidatable(standing)
        done = book._close_on_book(account, market, convert(abs(standing.size), uint256), standing, params)
        if done.closed != 0:
            left = core._standing(account, market)
    else:
        assert open_for == account, "list: open for another account"
    deleveraged: bool = left.equity < 0 and left.size != 0 and not done.more
    if deleveraged:
        adl_list._hand_over(accounts)
        task: adl_task.Task = adl_task._task(market, account, left)
        task = adl_list._take_in(task)
        done = adl._after_list(done, task, left, adl_list._share_out(task))
    if open_for != 0:
        adl_open_list._end(market, False)
    waterfall._settle_up(account, market, standing, params, done, deleveraged)
    return done.closed


@external
@nonreentrant
def open_list(account: uint256, market: uint256) -> uint256:
    """
    @notice Close a bankrupt account on the book as far as book and vault go; if they cannot finish, freeze the market so
            that a list of the other side can be handed in. Open to anyone.
    @param account Account.
    @param market Market that shares out by list.
    @return Size closed (WAD).
    """
    standing: IClearinghouse.Standing = self._bankrupt(account, market)
    assert not adl_terms._by_index(market, standing), "deleverage: by index"
    closed: uint256 = 0
    more: bool = False
    closed, more = waterfall._liquidate(account, market, max_value(uint256), False, standing)
    left: IClearinghouse.Standing = core._standing(account, market)
    if left.equity < 0 and left.size != 0 and not more:
        adl_open_list._open(market, account)
        # nobody joins or leaves the vault until the loss is booked
        extcall core.Vault(core.vault).report_market(market)
    return closed


@external
@nonreentrant
def hand_in(
    market: uint256,
    accounts: DynArray[uint256, adl_open_list.MAX_HANDED],
    hints: DynArray[uint256, adl_open_list.MAX_HANDED],
):
    """
    @notice Insert accounts into a market's open list, where the policy has them. Open to anyone.
    @param market Market.
    @param accounts Accounts on the other side that are not in the list yet.
    @param hints For each an account in the list that it comes after, 0 for none; the search goes 64 steps from there.
    """
    assert len(accounts) == len(hints), "list: accounts and hints differ in number"
    account: uint256 = adl_open_list._open_for(market)
    standing: IClearinghouse.Standing = self._bankrupt(account, market)
    adl_open_list._hand_in(adl_task._task(market, account, standing), accounts, hints)


@external
@nonreentrant
def execute_list(market: uint256, count: uint256) -> uint256:
    """
    @notice Let the first accounts of a complete list bear what they have to. Once all is borne, or nobody is left, the
            list ends, and what the list could not bear goes by index. Open to anyone.
    @param market Market.
    @param count How many accounts, at most 2048.
    @return Size closed (WAD).
    """
    account: uint256 = adl_open_list._open_for(market)
    standing: IClearinghouse.Standing = core._standing(account, market)
    if standing.equity >= 0 or standing.size == 0:
        adl_open_list._end(market, False)
        return 0
    task: adl_task.Task = adl_task._task(market, account, standing)
    task = adl_open_list._take_out(task, count)
    outcome: adl_list.Outcome = adl_list._share_out(task)
    done: book.Done = adl._after_list(empty(book.Done), task, standing, outcome)
    if task.whole or outcome.rest == 0:
        adl_open_list._end(market, False)
    waterfall._settle_up(account, market, standing, rules._unpacked(rules.words[market]), done, True)
    return done.closed


@external
@nonreentrant
def end_list(market: uint256):
    """
    @notice End a list that has taken too long, or whose account is not bankrupt any more; in the first case the market
            goes by index for as long again. Open to anyone.
    @param market Market.
    """
    account: uint256 = adl_open_list._open_for(market)
    timed_out: bool = block.timestamp >= adl_open_list.open_lists[market].deadline
    assert (timed_out or (core._standing(account, market)).equity >= 0), "list: neither late nor settled"
    adl_open_list._end(market, timed_out)


@external
@nonreentrant
def set_params(market: uint256, params: rules.Params):
    """
    @notice Set a market's liquidation parameters. Only the owner.
    @param market Market.
    @param params New parameters; rates are kept in 1e-6, amounts in whole or thousandths of quote units.
    """
    access._only_owner()
    rules.words[market] = rules._packed(params)
    log ParamsSet(market=market, params=params)


@external
@nonreentrant
def set_deleverage_terms(market: uint256, terms: adl_terms.Terms):
    """
    @notice Set how a market shares out bankrupt positions. Only the owner, while no list is open.
    @param market Market.
    @param terms Policy (0: by index), timeout of a list (s), notional below which it goes by index (WAD, whole units).
    """
    access._only_owner()
    assert market < MAX_MARKETS, "market: unknown"
    assert adl_open_list.open_lists[market].account == 0, "list: open"
    adl_terms._set_terms(market, terms)


@internal
@view
def _bankrupt(account: uint256, market: uint256) -> IClearinghouse.Standing:
    """
    @notice An account that must be bankrupt.
    """
    standing: IClearinghouse.Standing = core._standing(account, market)
    assert standing.equity < 0, "deleverage: not bankrupt"
    return standing
