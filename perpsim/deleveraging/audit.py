"""Recomputes every deleveraging of a run from its log alone, and says what was not as it must be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from perpsim.deleveraging.checks import (
    DUST,
    Findings,
    Moves,
    check_bankrupt,
    check_bankruptcy,
    check_complete,
    check_counterparties,
    check_index,
    check_rows,
    notional,
)
from perpsim.deleveraging.expected import Bill, Place, Task, bill_of, task_of
from perpsim.deleveraging.packing import Listed, unpack_rows
from perpsim.deleveraging.policies import POLICIES, Policy
from perpsim.deleveraging.replay import LIQUIDATOR, Logged, Replay
from perpsim.simulation.counterparties import Standing
from perpsim.simulation.scenario import Market

BY_INDEX = "index"
NOBODY = "0x" + "00" * 20

_RECEIPT = "DeleverageReceipt"
_OWN = ("Deleveraged", "IndexMoved", "EpochStarted", "DeleverageList")
# a receipt's own events come after the last of these
_OTHERS = ("Fill", _RECEIPT, "Liquidated")


@dataclass(frozen=True)
class Audited:
    """A receipt and what recomputing it found; amounts WAD. Without `problems` it is as it must be.

    `quantity` was closed, `by_index` of it against the whole side, whose accounts are then in `side`.
    `shortfall` is what had to be borne for it, `haircut` what the receipt says was borne. `listed` counts the
    accounts in the list, `bearers` are those of them that bore something.
    """

    block: int
    time: int
    account: int
    market: int
    policy: str
    deficit: int
    quantity: int
    by_index: int
    shortfall: int
    haircut: int
    listed: int
    bearers: frozenset[int]
    side: frozenset[int]
    problems: tuple[str, ...]


def audit(
    events: Iterable[Logged], markets: Sequence[Market], decimals: int, policies: Mapping[str, str]
) -> Iterator[Audited]:
    """Every deleveraging in the log, in order. `policies` are the names of the policies by address."""
    auditor = Auditor(Replay(markets, decimals), policies)
    transaction: list[Logged] = []
    for event in events:
        if transaction and (event.block, event.tx) != (transaction[0].block, transaction[0].tx):
            yield from auditor.take(transaction)
            transaction = []
        transaction.append(event)
    yield from auditor.take(transaction)


@dataclass
class Terms:
    """How a market shares out: policy (address), timeout of a list (s), notional (WAD) below which it goes by
    index all the same, and until when (s) because a list has timed out."""

    policy: str = NOBODY
    timeout: int = 0
    list_from: int = 0
    by_index_until: int = 0


@dataclass
class _OpenList:
    """A list that is built up over several calls: places as they were when they were handed in."""

    account: int
    waiting: dict[int, Place] = field(default_factory=dict)
    asked: set[int] = field(default_factory=set)


class Auditor:
    """Checks receipts against the state that a replay has come to.

    `policies` are the names of the policies by address. `terms`, by market, are those in force at the
    beginning; the log tells later ones.
    """

    def __init__(
        self, replay: Replay, policies: Mapping[str, str], terms: Mapping[int, Terms] | None = None
    ) -> None:
        self._replay = replay
        self._names = policies
        self._terms = dict(terms or {})
        self._open: dict[int, _OpenList] = {}
        #: market whose winners were charged in the transaction at work, and could not pay all
        self._charged: set[int] = set()

    def take(self, events: Sequence[Logged]) -> Iterator[Audited]:
        """Fold one transaction; check each receipt in it against the state just before its first event."""
        self._charged.clear()
        ends = {_beginning(events, end): end for end, event in enumerate(events) if event.name == _RECEIPT}
        for at, event in enumerate(events):
            if at in ends:
                yield self._check(events[at : ends[at] + 1])
            if event.contract == LIQUIDATOR:
                self._follow(event)
            self._replay.take(event)

    # what a market's lists depend on

    def _follow(self, event: Logged) -> None:
        args = event.args
        if event.name == "DeleverageTermsSet":
            terms = args.terms
            self._terms[args.market] = Terms(terms.policy, terms.timeout, terms.list_from)
        elif event.name == "ListOpened":
            self._open[args.market] = _OpenList(args.account)
        elif event.name == "ListExtended":
            self._extend(event)
        elif event.name == "ListEnded":
            self._open.pop(args.market, None)
            if args.timed_out:
                terms = self._terms_of(args.market)
                terms.by_index_until = event.time + terms.timeout
        elif event.name == "DeleverageList" and args.market in self._open:
            opened = self._open[args.market]
            for row in unpack_rows(args.rows):
                opened.waiting.pop(row.account, None)
                opened.asked.add(row.account)

    def _extend(self, event: Logged) -> None:
        market = event.args.market
        opened, policy = self._open[market], POLICIES.get(self._name(self._terms_of(market).policy))
        if policy is None:
            return
        task, _ = self._task(opened.account, market, event.time)
        ranked = {place.account: place for place in self._side(policy, task, event.time)}
        opened.waiting |= {account: ranked[account] for account in event.args.accounts if account in ranked}

    def _terms_of(self, market: int) -> Terms:
        return self._terms.setdefault(market, Terms())

    def _name(self, policy: str) -> str:
        return BY_INDEX if policy == NOBODY else self._names.get(policy, policy)

    # what the log says of accounts

    def _task(self, account: int, market: int, time: int) -> tuple[Task, Standing]:
        standing = self._replay.counterparties.standing(account, market, time)
        return task_of(standing, account, market, self._replay.indexer.states[market].mark), standing

    def _side(self, policy: Policy, task: Task, time: int) -> list[Place]:
        """The whole other side in the order of the policy."""
        candidates = self._replay.counterparties.candidates(policy, task.case, time)
        return _sorted(Place(one.account, one.size, policy.rank(task.case, one)) for one in candidates)

    def _holders(self, market: int, is_long: bool) -> frozenset[int]:
        sizes = self._replay.indexer.accounts.size_wad[market]
        return frozenset(account for account, size in enumerate(sizes) if size and (size > 0) == is_long)

    # one receipt

    def _check(self, events: Sequence[Logged]) -> Audited:
        """Recompute a receipt, the last of `events`, from the state before the first of them."""
        receipt, args, time = events[-1], events[-1].args, events[-1].time
        task, standing = self._task(args.account, args.market, time)
        policy, rows = POLICIES.get(self._name(args.policy)), _rows(events, args.account)
        findings = Findings()
        check_bankruptcy(findings, receipt, task, standing)
        self._check_terms(findings, receipt, standing)
        if policy is not None:
            bill, whole = self._check_list(findings, policy, task, rows, time)
        else:
            bill, whole = Bill(False, [], {}, task.case.quantity, task.quote, task.worth), True
            if args.policy != NOBODY:
                findings.say(f"policy {args.policy} is none that is known")
            elif rows:
                findings.say("there is a list, though all went by index")
        if bill.charges and whole and bill.amount:
            self._charged.add(args.market)
        by_index = bill.amount if whole and not bill.charges else 0
        self._check_moves(
            findings, Moves(events, args.market, args.account), task, standing, bill, by_index, time
        )
        shortfall = sum(row.haircut for row in bill.rows) + (bill.quote - bill.worth if by_index else 0)
        findings.compare("the quantity", args.quantity, bill.closed + by_index)
        findings.compare("the quantity by index", args.by_index, by_index)
        findings.compare("the haircut", args.haircut, shortfall)
        return Audited(
            block=receipt.block,
            time=time,
            account=args.account,
            market=args.market,
            policy=self._name(args.policy),
            deficit=args.deficit,
            quantity=args.quantity,
            by_index=args.by_index,
            shortfall=shortfall,
            haircut=args.haircut,
            listed=len(rows),
            bearers=frozenset(row.account for row in rows if row.taken),
            side=self._holders(args.market, task.case.is_long) if args.by_index else frozenset(),
            problems=tuple(findings.said),
        )

    def _check_terms(self, findings: Findings, receipt: Logged, standing: Standing) -> None:
        """Whether the market's policy was applied, or the position could go by index all the same."""
        args, terms = receipt.args, self._terms_of(receipt.args.market)
        if args.policy == terms.policy or args.market in self._charged:
            return
        mark = self._replay.indexer.states[args.market].mark
        small = notional(standing, mark) < terms.list_from or receipt.time < terms.by_index_until
        if args.policy != NOBODY or not small:
            shared, due = self._name(args.policy), self._name(terms.policy)
            findings.say(f"shared out by {shared}, though the market's policy is {due}")

    def _check_list(
        self, findings: Findings, policy: Policy, task: Task, rows: list[Listed], time: int
    ) -> tuple[Bill, bool]:
        """What the list must come to, and whether nobody is left to be asked."""
        side = self._side(policy, task, time)
        opened = self._open.get(task.case.market)
        tries = [_whole(policy, task, side, rows)]
        if opened is not None and rows and all(row.account in opened.waiting for row in rows):
            tries.append(_in_parts(policy, task, side, rows, opened))
        best = min(tries, key=lambda found: len(found.findings.said))
        findings.said += best.findings.said
        return best.bill, best.whole

    def _check_moves(
        self,
        findings: Findings,
        moves: Moves,
        task: Task,
        standing: Standing,
        bill: Bill,
        by_index: int,
        time: int,
    ) -> None:
        """Whether the clearinghouse did to everybody what the bill says."""
        case = task.case
        sign = -1 if case.is_long else 1
        standings = {
            args.account: self._replay.counterparties.standing(args.account, case.market, time)
            for args in moves.counterparties
        }
        check_counterparties(findings, moves, bill, standings, sign)
        received = sum(bill.pays.values()) + (bill.quote if by_index else 0)
        check_bankrupt(findings, moves, standing, sign * (bill.closed + by_index), received)
        state = self._replay.indexer.states[case.market]
        check_index(findings, moves, state, task, bill, by_index, time)


@dataclass
class _Tried:
    """A list recomputed one way."""

    findings: Findings
    bill: Bill
    whole: bool


def _whole(policy: Policy, task: Task, side: list[Place], rows: list[Listed]) -> _Tried:
    """The list as one that was handed in complete."""
    findings = Findings()
    check_complete(findings, rows, side)
    bill = bill_of(policy, task, _but_dust(side, {row.account for row in rows}))
    check_rows(findings, rows, bill)
    return _Tried(findings, bill, True)


def _in_parts(policy: Policy, task: Task, side: list[Place], rows: list[Listed], opened: _OpenList) -> _Tried:
    """The next accounts of a list that was built up: places as handed in, caps as they are now."""
    findings = Findings()
    there = [place for place in side if place.account not in opened.asked]
    caps = {place.account: place.row.cap for place in there}
    waiting = _sorted(
        place._replace(row=place.row._replace(cap=caps.get(place.account, 0)))
        for place in opened.waiting.values()
    )
    handed = {place.account for place in waiting}
    missing = [place for place in there if place.account not in handed]
    if sum(place.size for place in missing) > DUST:
        findings.say(f"skipped: account {', '.join(str(place.account) for place in missing)}")
    asked, behind = waiting[: len(rows)], waiting[len(rows) :]
    if {row.account for row in rows} != {place.account for place in asked}:
        findings.say("not the next accounts of the list that was built up")
    bill = bill_of(policy, task, asked, sum(place.row.weight for place in behind))
    check_rows(findings, rows, bill)
    return _Tried(findings, bill, not behind)


def _sorted(places: Iterable[Place]) -> list[Place]:
    return sorted(places, key=lambda place: (-place.row.key, place.account))


def _but_dust(side: list[Place], listed: set[int]) -> list[Place]:
    """The side without the accounts that a list may lack because they are no more than dust together."""
    missing = [place for place in side if place.account not in listed]
    if sum(place.size for place in missing) > DUST:
        return side
    return [place for place in side if place.account in listed]


def _rows(events: Sequence[Logged], account: int) -> list[Listed]:
    """The rows of all parts of a receipt's list."""
    lists = [event.args for event in events if event.name == "DeleverageList"]
    return [row for args in lists if args.account == account for row in unpack_rows(args.rows)]


def _beginning(events: Sequence[Logged], end: int) -> int:
    """Where the events of the receipt at `end` begin: the first of its own in the same transaction."""
    market, first = events[end].args.market, end
    for at in range(end - 1, -1, -1):
        event = events[at]
        if event.name in _OTHERS:
            break
        if event.name in _OWN and event.args.market == market:
            first = at
    return first
