# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Deleveraging lists
@license Apache-2.0
@notice Who bears a bankrupt position, where a market shares it out by list: every account on the other side, in the order
        of the market's policy. A keeper finds the order, this module verifies it: each is on the other side, the list is
        sorted, nobody is in it twice, and the sizes add up to the open interest, so nobody is left out. Then the policy
        allots, row by row.
        A list comes in one call, or is built up over several while the market is frozen: each account is inserted where it
        belongs, whoever hands it in.
@dev A row is held in two words while it is shared out: key u128 | size u96 | account u32, and weight u128 | cap u128.
     A row of a list that is built up is kept under (number of the list << 32) | account: key u128 | size u96 | next
     account u32, and its weight apart.
     Transient storage is written before it is read in the same call, so it does not matter what a transaction before left.
"""

from contracts.interfaces import IClearinghouse
from contracts.interfaces import IDeleveragePolicy
from contracts.modules import fixed_point

MAX_MARKETS: constant(uint256) = 8
# accounts in one call, eight a word
MAX_LISTED: constant(uint256) = 2048
MAX_WORDS: constant(uint256) = 256
# counterparties in one call of the clearinghouse, words in one log
MAX_ROWS: constant(uint256) = 64
MAX_LOGGED: constant(uint256) = 128
# accounts in one call of `hand_in`, and how far a hint may be off
MAX_HANDED: constant(uint256) = 64
MAX_STEPS: constant(uint256) = 64
WAD: constant(int256) = 10**18
WHOLE: constant(uint256) = 10**18
# the list may lack that much open interest (WAD size): rounding dust
DUST: constant(uint256) = 10**9
# what rounding may cost a counterparty (WAD)
ROUNDING: constant(int256) = 4
U32: constant(uint256) = 2**32 - 1
U64: constant(uint256) = 2**64 - 1
U96: constant(uint256) = 2**96 - 1
U128: constant(uint256) = 2**128 - 1
U160: constant(uint256) = 2**160 - 1

HOUSE: immutable(address)


struct Terms:
    # policy, 0: by index; how long a market may be frozen (s); notional (WAD) below which it goes by index at once
    policy: address
    timeout: uint256
    list_from: uint256


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


struct Task:
    # who shares out what, and whether by charging
    policy: address
    charges: bool
    case: IDeleveragePolicy.Case
    # what the account receives for its whole position, and what that is worth at the mark (WAD, signed)
    quote: int256
    worth: int256
    # of the market (WAD size)
    open_interest: uint256
    # rows taken in, weights of these and all that are still to come, and whether none are
    count: uint256
    weight: uint256
    whole: bool


struct Outcome:
    # what was closed (WAD size), and what of it by index; what it cost the other side against the mark (WAD quote)
    quantity: uint256
    by_index: uint256
    haircut: uint256
    # what the list is still to bear (WAD size; WAD quote where the policy charges)
    rest: uint256


# policy u160 | timeout u32 | list_from u64 in whole quote units
terms_words: uint256[MAX_MARKETS]
open_lists: OpenList[MAX_MARKETS]
lists_count: uint256
rows: HashMap[uint256, uint256]
weights: HashMap[uint256, uint256]
# until when a market goes by index because a list has timed out (s)
by_index_until: uint256[MAX_MARKETS]
# the call at work
handed: transient(uint256[MAX_WORDS])
listed: transient(uint256[MAX_LISTED])
bounds: transient(uint256[MAX_LISTED])


event DeleverageTermsSet:
    market: indexed(uint256)
    terms: Terms


# two words a counterparty, in the order of the list: key u128 | size before u96 | account u32; borne u128 (size, or quote
# where the policy charges) | haircut u128 (quote)
event DeleverageList:
    market: indexed(uint256)
    account: indexed(uint256)
    rows: DynArray[uint256, MAX_LOGGED]


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


@deploy
def __init__(clearinghouse: address):
    """
    @param clearinghouse Holds the positions.
    """
    HOUSE = clearinghouse


@external
@view
def deleverage_terms(market: uint256) -> Terms:
    """
    @notice How a market shares out bankrupt positions.
    @param market Market.
    """
    return self._terms(market)


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


@external
@view
def rank(market: uint256, account: uint256) -> IDeleveragePolicy.Row:
    """
    @notice Where an account stands in a market's queue: its key, the higher the earlier. For a deleveraging that costs
            nothing, so caps are sizes.
    @param market Market with a policy.
    @param account Account with a position.
    """
    policy: address = self._terms(market).policy
    assert policy != empty(address), "deleverage: by index"
    standing: IClearinghouse.Standing = self._standing(account, market)
    case: IDeleveragePolicy.Case = empty(IDeleveragePolicy.Case)
    case.market = market
    case.mark = convert(standing.mark, uint256)
    case.is_long = standing.size > 0
    return staticcall IDeleveragePolicy(policy).rank(case, self._candidate(case, account, False))


# what it costs


@internal
@view
def _standing(account: uint256, market: uint256) -> IClearinghouse.Standing:
    """
    @notice An account as it stands in a market now.
    """
    assert market < MAX_MARKETS, "market: unknown"
    return staticcall IClearinghouse(HOUSE).standing(account, market)


@internal
@pure
def _price(standing: IClearinghouse.Standing) -> (int256, int256):
    """
    @notice What a bankrupt account receives for its whole position (WAD, signed), and what that is worth at the mark.
            The other side bears no more than the position's own loss, and of the account's deficit the part that this loss
            has in what its positions have lost: so it does not matter which market is closed first.
    """
    worth: int256 = fixed_point._floor_div(standing.size * standing.mark, WAD)
    loss: int256 = standing.entry - worth
    if loss <= 0:
        return worth, worth
    elsewhere: int256 = standing.equity - standing.collateral + loss
    borne: int256 = fixed_point._ceil_div(-standing.equity * loss, loss + max(-elsewhere, 0))
    return worth + min(loss, borne), worth


@internal
@view
def _task(market: uint256, account: uint256, standing: IClearinghouse.Standing) -> Task:
    """
    @notice What a bankrupt account's deleveraging by the market's policy has to share out.
    """
    policy: address = self._terms(market).policy
    quote: int256 = 0
    worth: int256 = 0
    quote, worth = self._price(standing)
    return Task(
        policy=policy,
        charges=staticcall IDeleveragePolicy(policy).charges(),
        case=IDeleveragePolicy.Case(
            market=market,
            account=account,
            mark=convert(standing.mark, uint256),
            quantity=convert(abs(standing.size), uint256),
            haircut=convert(quote - worth, uint256),
            is_long=standing.size < 0,
            # nobody but the oracle moves the mark, and a frozen market keeps it
            seed=convert(keccak256(abi_encode(market, account, standing.mark)), uint256),
        ),
        quote=quote,
        worth=worth,
        open_interest=convert(standing.open_interest, uint256),
        count=0,
        weight=0,
        whole=True,
    )


@internal
@view
def _candidate(case: IDeleveragePolicy.Case, account: uint256, charges: bool) -> IDeleveragePolicy.Candidate:
    """
    @notice A counterparty as it stands now.
    """
    standing: IClearinghouse.Standing = self._standing(account, case.market)
    assert standing.size != 0 and (standing.size > 0) == case.is_long, "list: wrong side"
    size: uint256 = convert(abs(standing.size), uint256)
    bearable: uint256 = convert(max(standing.equity - ROUNDING, 0), uint256)
    cap: uint256 = size
    if charges:
        cap = bearable
    elif case.haircut != 0:
        # unsafe: 128 + 96 bits
        cap = min(size, unsafe_div(unsafe_mul(bearable, case.quantity), case.haircut))
    return IDeleveragePolicy.Candidate(
        account=account,
        size=size,
        # unsafe: 96 + 88 bits
        notional=unsafe_div(unsafe_mul(size, case.mark), WHOLE),
        entry=convert(abs(standing.entry), uint256),
        profit=fixed_point._floor_div(standing.size * standing.mark, WAD) - standing.entry,
        equity=standing.equity,
        maintenance=standing.maintenance,
        share=fixed_point._floor_div(standing.equity * standing.position_maintenance, standing.maintenance),
        collateral=standing.collateral,
        cap=cap,
    )


# a list in one call


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
def _take_in(task: Task) -> Task:
    """
    @notice Verify the accounts handed over as the complete other side in the order of the policy.
    """
    ready: Task = task
    size: uint256 = 0
    last: uint256 = 0
    for i: uint256 in range(MAX_LISTED):
        account: uint256 = (self.handed[i // 8] >> (32 * (i % 8))) & U32
        if account == 0:
            break
        candidate: IDeleveragePolicy.Candidate = self._candidate(task.case, account, task.charges)
        row: IDeleveragePolicy.Row = staticcall IDeleveragePolicy(task.policy).rank(task.case, candidate)
        word: uint256 = (row.key << 128) | (candidate.size << 32) | account
        assert i == 0 or self._precedes(last, word), "list: not sorted"
        last = word
        self.listed[i] = word
        self.bounds[i] = (row.weight << 128) | min(row.cap, candidate.cap)
        size += candidate.size
        ready.weight += row.weight
        ready.count = i + 1
    assert self._is_complete(task, size), "list: incomplete"
    return ready


@internal
@pure
def _precedes(first: uint256, second: uint256) -> bool:
    """
    @notice Whether a row comes before another: the higher key, or the lower account.
    """
    if first >> 128 == second >> 128:
        return first & U32 < second & U32
    return first > second


@internal
@pure
def _is_complete(task: Task, size: uint256) -> bool:
    """
    @notice Whether sizes (WAD) add up to the side's open interest, but for dust.
    """
    return size + DUST >= task.open_interest


@internal
def _share_out(task: Task) -> Outcome:
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
                extcall IClearinghouse(HOUSE).deleverage(task.case.account, task.case.market, 0, 0, taken)
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
        extcall IClearinghouse(HOUSE).deleverage(
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


# a list over several calls


@internal
@view
def _open_list(market: uint256) -> OpenList:
    """
    @notice The list that is being built up in a market.
    """
    assert market < MAX_MARKETS, "market: unknown"
    return self.open_lists[market]


@internal
def _open(market: uint256, account: uint256):
    """
    @notice Freeze a market and begin a list for an account.
    """
    number: uint256 = self.lists_count + 1
    deadline: uint256 = block.timestamp + self._terms(market).timeout
    self.lists_count = number
    self.open_lists[market] = OpenList(
        number=number, account=account, deadline=deadline, head=0, size=0, weight=0
    )
    extcall IClearinghouse(HOUSE).set_frozen(market, True)
    log ListOpened(market=market, account=account, number=number, deadline=deadline)


@internal
def _end(market: uint256, timed_out: bool):
    """
    @notice End a market's list and let the market go on.
    """
    open: OpenList = self.open_lists[market]
    self.open_lists[market] = empty(OpenList)
    if timed_out:
        self.by_index_until[market] = block.timestamp + self._terms(market).timeout
    extcall IClearinghouse(HOUSE).set_frozen(market, False)
    log ListEnded(market=market, account=open.account, number=open.number, timed_out=timed_out)


@internal
def _hand_in(task: Task, accounts: DynArray[uint256, MAX_HANDED], hints: DynArray[uint256, MAX_HANDED]):
    """
    @notice Insert accounts into the open list of a market.
    """
    open: OpenList = self.open_lists[task.case.market]
    for i: uint256 in range(len(accounts), bound=MAX_HANDED):
        open = self._insert(open, task, accounts[i], hints[i])
    self.open_lists[task.case.market] = open
    log ListExtended(market=task.case.market, number=open.number, size=open.size, accounts=accounts)


@internal
def _insert(before: OpenList, task: Task, account: uint256, hint: uint256) -> OpenList:
    """
    @notice Put an account where it belongs.
    @param hint An account in the list that it comes after, the nearer the cheaper; 0: search from the head.
    """
    open: OpenList = before
    base: uint256 = open.number << 32
    if self.rows[base | account] != 0:
        # somebody was faster; the others are to get in all the same
        return open
    candidate: IDeleveragePolicy.Candidate = self._candidate(task.case, account, task.charges)
    row: IDeleveragePolicy.Row = staticcall IDeleveragePolicy(task.policy).rank(task.case, candidate)
    word: uint256 = (row.key << 128) | (candidate.size << 32) | account
    previous: uint256 = hint
    next: uint256 = open.head
    if hint != 0:
        assert self._precedes(self._kept(base, hint), word), "list: bad hint"
        next = self.rows[base | hint] & U32
    for _: uint256 in range(MAX_STEPS):
        if next == 0 or not self._precedes(self._kept(base, next), word):
            break
        previous = next
        next = self.rows[base | next] & U32
    assert next == 0 or self._precedes(word, self._kept(base, next)), "list: bad hint"
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
def _take_out(task: Task, most: uint256) -> Task:
    """
    @notice Take the first rows of a complete open list in, with caps as they are now, and move its head on.
    """
    ready: Task = task
    open: OpenList = self.open_lists[task.case.market]
    assert self._is_complete(task, open.size), "list: incomplete"
    ready.weight = open.weight
    base: uint256 = open.number << 32
    for i: uint256 in range(min(most, MAX_LISTED), bound=MAX_LISTED):
        account: uint256 = open.head
        if account == 0:
            break
        candidate: IDeleveragePolicy.Candidate = self._candidate(task.case, account, task.charges)
        row: IDeleveragePolicy.Row = staticcall IDeleveragePolicy(task.policy).rank(task.case, candidate)
        weight: uint256 = self.weights[base | account]
        self.listed[i] = self._kept(base, account)
        self.bounds[i] = (weight << 128) | min(row.cap, candidate.cap)
        open.head = self.rows[base | account] & U32
        open.weight -= weight
        ready.count = i + 1
    ready.whole = open.head == 0
    self.open_lists[task.case.market] = open
    return ready


# terms


@internal
@view
def _terms(market: uint256) -> Terms:
    """
    @notice A market's terms.
    """
    assert market < MAX_MARKETS, "market: unknown"
    word: uint256 = self.terms_words[market]
    return Terms(
        policy=convert(word & U160, address),
        timeout=(word >> 160) & U32,
        list_from=(word >> 192) * WHOLE,
    )


@internal
def _set_terms(market: uint256, terms: Terms):
    """
    @notice Set a market's terms.
    """
    assert market < MAX_MARKETS, "market: unknown"
    assert self.open_lists[market].account == 0, "list: open"
    if terms.policy != empty(address):
        assert terms.policy.is_contract, "terms: policy has no code"
        assert terms.timeout >= 60 and terms.timeout <= 3600, "terms: timeout outside 60 to 3600 s"
    assert terms.list_from // WHOLE <= U64, "terms: list_from out of range"
    self.terms_words[market] = (
        convert(terms.policy, uint256) | (terms.timeout << 160) | ((terms.list_from // WHOLE) << 192)
    )
    log DeleverageTermsSet(market=market, terms=terms)


@internal
@view
def _by_index(market: uint256, standing: IClearinghouse.Standing) -> bool:
    """
    @notice Whether a position goes by index: the market has no policy, the position is too small for a list, or one has
            just timed out.
    """
    terms: Terms = self._terms(market)
    return (
        terms.policy == empty(address)
        or block.timestamp < self.by_index_until[market]
        or convert(abs(standing.size) * standing.mark // WAD, uint256) < terms.list_from
    )
