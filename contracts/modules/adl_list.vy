# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Deleveraging lists
@license Apache-2.0
@notice Who bears a bankrupt position, where a market shares it out by list: every account on the other side, in the order
        of the market's policy. A keeper finds the order, the contract verifies it: each is on the other side, the list is
        sorted, nobody is in it twice, and the sizes add up to the open interest, so nobody is left out. Then the policy
        allots, row by row.
        A list comes in one call, or is built up over several while the market is frozen (`adl_open_list.vy`).
@dev A row is held in two words while it is shared out: key u128 | size u96 | account u32, and weight u128 | cap u128.
     Transient storage is written before it is read in the same call, so it does not matter what a transaction before left.
"""

from contracts.interfaces import IClearinghouse
from contracts.interfaces import IDeleveragePolicy
from contracts.modules import adl_task
from contracts.modules import core
from contracts.modules import fixed_point

uses: adl_task
uses: core

# accounts in one call, eight a word
MAX_LISTED: constant(uint256) = 2048
MAX_WORDS: constant(uint256) = 256
# counterparties in one call of the clearinghouse, words in one log
MAX_ROWS: constant(uint256) = 64
MAX_LOGGED: constant(uint256) = 128
U32: constant(uint256) = 2**32 - 1
U128: constant(uint256) = 2**128 - 1


struct Outcome:
    # what was closed (WAD size), and what of it by index; what it cost the other side against the mark (WAD quote)
    quantity: uint256
    by_index: uint256
    haircut: uint256
    # what the list is still to bear (WAD size; WAD quote where the policy charges)
    rest: uint256


# the call at work
handed: transient(uint256[MAX_WORDS])
listed: transient(uint256[MAX_LISTED])
bounds: transient(uint256[MAX_LISTED])


# two words a counterparty, in the order of the list: key u128 | size before u96 | account u32; borne u128 (size, or quote
# where the policy charges) | haircut u128 (quote)
event DeleverageList:
    market: indexed(uint256)
    account: indexed(uint256)
    rows: DynArray[uint256, MAX_LOGGED]


@internal
def _hand_over(words: DynArray[uint256, MAX_WORDS]):
    """
    @notice Put the packed accounts of a call where `_take_in` finds them.
    """
    for i: uint256 in range(len(words), bound=MAX_WORDS):
        self.handed[i] = words[i]
    if len(words) < MAX_WORDS:
        self.handed[len(words)] = 0


@internal
def _take_in(task: adl_task.Task) -> adl_task.Task:
    """
    @notice Verify the accounts handed over as the complete other side in the order of the policy.
    """
    ready: adl_task.Task = task
    size: uint256 = 0
    last: uint256 = 0
    for i: uint256 in range(MAX_LISTED):
        account: uint256 = (self.handed[i // 8] >> (32 * (i % 8))) & U32
        if account == 0:
            break
        candidate: IDeleveragePolicy.Candidate = adl_task._candidate(task.case, account, task.charges)
        row: IDeleveragePolicy.Row = staticcall IDeleveragePolicy(task.policy).rank(task.case, candidate)
        word: uint256 = (row.key << 128) | (candidate.size << 32) | account
        assert i == 0 or adl_task._precedes(last, word), "list: not sorted"
        last = word
        self.listed[i] = word
        self.bounds[i] = (row.weight << 128) | min(row.cap, candidate.cap)
        size += candidate.size
        ready.weight += row.weight
        ready.count = i + 1
    assert adl_task._is_complete(task, size), "list: incomplete"
    return ready


@internal
def _share_out(task: adl_task.Task) -> Outcome:
    """
    @notice Let the policy allot to the rows taken in, book it, and write it to the log. After the last row what is left of
            the position goes by index.
    """
    quote: int256 = task.quote
    worth: int256 = task.worth
    outcome: Outcome = empty(Outcome)
    left: IDeleveragePolicy.Left = IDeleveragePolicy.Left(amount=task.case.quantity, weight=task.weight)
    if task.charges:
        left.amount = task.case.haircut
    taken: DynArray[int256, MAX_ROWS] = []
    logged: DynArray[uint256, MAX_LOGGED] = []
    for i: uint256 in range(task.count, bound=MAX_LISTED):
        word: uint256 = self.listed[i]
        borne: uint256 = 0
        haircut: uint256 = 0
        if left.amount != 0:
            bound: uint256 = self.bounds[i]
            row: IDeleveragePolicy.Row = IDeleveragePolicy.Row(
                key=word >> 128, weight=bound >> 128, cap=bound & U128
            )
            borne = staticcall IDeleveragePolicy(task.policy).allot(left, row)
            borne = min(borne, min(row.cap, left.amount))
            left.weight -= row.weight
        if borne != 0:
            account: int256 = convert(word & U32, int256)
            if task.charges:
                haircut = borne
                taken.append((convert(borne, int256) << 128) | account)
            else:
                # parts of what is left, so that they add up
                share: int256 = self._part(quote, borne, left.amount)
                value: int256 = self._part(worth, borne, left.amount)
                quote -= share
                worth -= value
                haircut = convert(share - value, uint256)
                taken.append((share << 128) | (convert(borne, int256) << 32) | account)
                outcome.quantity += borne
            outcome.haircut += haircut
            left.amount -= borne
            if len(taken) == MAX_ROWS:
                extcall IClearinghouse(core.clearinghouse).deleverage(
                    task.case.account, task.case.market, 0, 0, taken
                )
                taken = []
        logged.append(word)
        logged.append((borne << 128) | haircut)
        if len(logged) == MAX_LOGGED:
            log DeleverageList(market=task.case.market, account=task.case.account, rows=logged)
            logged = []
    outcome.rest = left.amount
    if task.whole and not task.charges:
        outcome.by_index = left.amount
        outcome.quantity += left.amount
        outcome.haircut += convert(quote - worth, uint256)
        outcome.rest = 0
    if outcome.by_index == 0:
        quote = 0
    if len(taken) != 0 or outcome.by_index != 0:
        extcall IClearinghouse(core.clearinghouse).deleverage(
            task.case.account, task.case.market, outcome.by_index, quote, taken
        )
    if len(logged) != 0:
        log DeleverageList(market=task.case.market, account=task.case.account, rows=logged)
    return outcome


@internal
@pure
def _part(total: int256, part: uint256, whole: uint256) -> int256:
    """
    @notice total * part / whole, rounded down.
    """
    return fixed_point._floor_div(total * convert(part, int256), convert(whole, int256))
