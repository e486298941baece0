# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Open deleveraging lists
@license Apache-2.0
@notice A list that is built up over several calls while its market is frozen: each account is inserted where it belongs,
        whoever hands it in; then its first rows are taken out and shared out, some a call.
@dev A row is kept under (number of the list << 32) | account: key u128 | size u96 | next account u32, and its weight apart.
"""

from contracts.interfaces import IClearinghouse
from contracts.interfaces import IDeleveragePolicy
from contracts.modules import adl_list
from contracts.modules import adl_task
from contracts.modules import adl_terms
from contracts.modules import core

uses: adl_list
uses: adl_task
uses: adl_terms
uses: core

MAX_MARKETS: constant(uint256) = 8
# accounts in one call of `hand_in`, and how far a hint may be off
MAX_HANDED: constant(uint256) = 64
MAX_STEPS: constant(uint256) = 64
U32: constant(uint256) = 2**32 - 1
U96: constant(uint256) = 2**96 - 1


struct OpenList:
    # number of the list and account that it is for, 0: none
    number: uint256
    account: uint256
    # from then on anyone may end it (s)
    deadline: uint256
    # first account
    head: uint256
    # sizes (WAD) and weights of its rows
    size: uint256
    weight: uint256


open_lists: OpenList[MAX_MARKETS]
lists_count: uint256
rows: HashMap[uint256, uint256]
weights: HashMap[uint256, uint256]


event ListOpened:
    market: indexed(uint256)
    account: indexed(uint256)
    number: uint256
    deadline: uint256


event ListExtended:
    market: indexed(uint256)
    number: uint256
    size: uint256
    accounts: DynArray[uint256, MAX_HANDED]


event ListEnded:
    market: indexed(uint256)
    account: indexed(uint256)
    number: uint256
    timed_out: bool


@external
@view
def open_list_of(market: uint256) -> OpenList:
    """
    @notice The list that is being built up in a market; account 0: none.
    @param market Market.
    """
    return self._open_list(market)


@external
@view
def row_of(number: uint256, account: uint256) -> (uint256, uint256, uint256, uint256):
    """
    @notice A row of a list that is built up: key, size (WAD), weight, next account (0: the last).
    @param number Of the list.
    @param account Account.
    """
    word: uint256 = self.rows[(number << 32) | account]
    return word >> 128, (word >> 32) & U96, self.weights[(number << 32) | account], word & U32


@internal
@view
def _open_list(market: uint256) -> OpenList:
    """
    @notice The list that is being built up in a market.
    """
    assert market < MAX_MARKETS, "market: unknown"
    return self.open_lists[market]


@internal
@view
def _open_for(market: uint256) -> uint256:
    """
    @notice The account that a market's open list is for.
    """
    account: uint256 = self._open_list(market).account
    assert account != 0, "list: none open"
    return account


@internal
def _open(market: uint256, account: uint256):
    """
    @notice Freeze a market and begin a list for an account.
    """
    number: uint256 = self.lists_count + 1
    deadline: uint256 = block.timestamp + adl_terms._terms(market).timeout
    self.lists_count = number
    self.open_lists[market] = OpenList(
        number=number, account=account, deadline=deadline, head=0, size=0, weight=0
    )
    extcall IClearinghouse(core.clearinghouse).set_frozen(market, True)
    log ListOpened(market=market, account=account, number=number, deadline=deadline)


@internal
def _end(market: uint256, timed_out: bool):
    """
    @notice End a market's list and let the market go on.
    """
    open: OpenList = self.open_lists[market]
    self.open_lists[market] = empty(OpenList)
    if timed_out:
        adl_terms.by_index_until[market] = block.timestamp + adl_terms._terms(market).timeout
    extcall IClearinghouse(core.clearinghouse).set_frozen(market, False)
    log ListEnded(market=market, account=open.account, number=open.number, timed_out=timed_out)


@internal
def _hand_in(
    task: adl_task.Task, accounts: DynArray[uint256, MAX_HANDED], hints: DynArray[uint256, MAX_HANDED]
):
    """
    @notice Insert accounts into the open list of a market.
    """
    open: OpenList = self.open_lists[task.case.market]
    for i: uint256 in range(len(accounts), bound=MAX_HANDED):
        open = self._insert(open, task, accounts[i], hints[i])
    self.open_lists[task.case.market] = open
    log ListExtended(market=task.case.market, number=open.number, size=open.size, accounts=accounts)


@internal
def _insert(before: OpenList, task: adl_task.Task, account: uint256, hint: uint256) -> OpenList:
    """
    @notice Put an account where it belongs.
    @param hint An account in the list that it comes after, the nearer the cheaper; 0: search from the head.
    """
    open: OpenList = before
    base: uint256 = open.number << 32
    if self.rows[base | account] != 0:
        # somebody was faster; the others are to get in all the same
        return open
    candidate: IDeleveragePolicy.Candidate = adl_task._candidate(task.case, account, task.charges)
    row: IDeleveragePolicy.Row = staticcall IDeleveragePolicy(task.policy).rank(task.case, candidate)
    word: uint256 = (row.key << 128) | (candidate.size << 32) | account
    previous: uint256 = hint
    next: uint256 = open.head
    if hint != 0:
        assert adl_task._precedes(self._kept(base, hint), word), "list: bad hint"
        next = self.rows[base | hint] & U32
    for _: uint256 in range(MAX_STEPS):
        if next == 0 or not adl_task._precedes(self._kept(base, next), word):
            break
        previous = next
        next = self.rows[base | next] & U32
    assert next == 0 or adl_task._precedes(word, self._kept(base, next)), "list: bad hint"
    if previous == 0:
        open.head = account
    else:
        self.rows[base | previous] = (self.rows[base | previous] & ~U32) | account
    self.rows[base | account] = (word & ~U32) | next
    if row.weight != 0:
        self.weights[base | account] = row.weight
    open.size += candidate.size
    open.weight += row.weight
    return open


@internal
@view
def _kept(base: uint256, account: uint256) -> uint256:
    """
    @notice A row of a list that is built up, as a row that is shared out: with its own account in it.
    """
    word: uint256 = self.rows[base | account]
    assert word != 0, "list: bad hint"
    return (word & ~U32) | account


@internal
def _take_out(task: adl_task.Task, most: uint256) -> adl_task.Task:
    """
    @notice Take the first rows of a complete open list in, with caps as they are now, and move its head on.
    """
    ready: adl_task.Task = task
    open: OpenList = self.open_lists[task.case.market]
    assert adl_task._is_complete(task, open.size), "list: incomplete"
    ready.weight = open.weight
    base: uint256 = open.number << 32
    for i: uint256 in range(min(most, adl_list.MAX_LISTED), bound=adl_list.MAX_LISTED):
        account: uint256 = open.head
        if account == 0:
            break
        candidate: IDeleveragePolicy.Candidate = adl_task._candidate(task.case, account, task.charges)
        row: IDeleveragePolicy.Row = staticcall IDeleveragePolicy(task.policy).rank(task.case, candidate)
        weight: uint256 = self.weights[base | account]
        adl_list.listed[i] = self._kept(base, account)
        adl_list.bounds[i] = (weight << 128) | min(row.cap, candidate.cap)
        open.head = self.rows[base | account] & U32
        open.weight -= weight
        ready.count = i + 1
    ready.whole = open.head == 0
    self.open_lists[task.case.market] = open
    return ready
