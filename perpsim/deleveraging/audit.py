"""Recomputes every deleveraging of a run from its log alone, and says what was not as it must be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from perpsim.deleveraging.checks import (
    Findings,
    Moves,
    check_bankrupt,
    check_bankruptcy,
    check_counterparties,
    check_index,
    notional,
)
from perpsim.deleveraging.expected import Bill, Place, Task, task_of
from perpsim.deleveraging.lists import OpenList, in_order, recomputed
from perpsim.deleveraging.packing import Listed, unpack_rows
from perpsim.deleveraging.policies import POLICIES, Policy
from perpsim.deleveraging.replay import LIQUIDATOR, Logged, Replay
from perpsim.protocol import BY_INDEX
from perpsim.scenarios import Market
from perpsim.simulation.counterparties import Standing

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
        self._open: dict[int, OpenList] = {}
        #: markets whose winners were charged in the transaction at work, and whether they could pay it all
        self._charged: dict[int, bool] = {}

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
            new, until = args.terms, self._terms_of(args.market).by_index_until
            self._terms[args.market] = Terms(new.policy, new.timeout, new.list_from, until)
        elif event.name == "ListOpened":
            self._open[args.market] = OpenList(args.account)
        elif event.name == "ListExtended":
            self._extend(event)
        elif event.name == "ListEnded":
            self._open.pop(args.market, None)
            if args.timed_out:
                terms = self._terms_of(args.market)
                terms.by_index_until = event.time + terms.timeout
        elif event.name == "DeleverageList" and args.market in self._open:
            self._open[args.market].ask(unpack_rows(args.rows))

    def _extend(self, event: Logged) -> None:
        """Rank those that were handed in as they stand now."""
        market = event.args.market
        opened, policy = self._open.get(market), POLICIES.get(self._name(self._terms_of(market).policy))
        if opened is None or policy is None:
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
        return in_order(Place(one.account, one.size, policy.rank(task.case, one)) for one in candidates)

    def _holders(self, market: int, is_long: bool) -> frozenset[int]:
        sizes = self._replay.indexer.accounts.size_wad[market]
        return frozenset(account for account, size in enumerate(sizes) if size and (size > 0) == is_long)

    # one receipt

    def _check(self, events: Sequence[Logged]) -> Audited:
        """Recompute a receipt, the last of `events`, from the state before the first of them."""
        receipt, args, time = events[-1], events[-1].args, events[-1].time
        task, standing = self._task(args.account, args.market, time)
        name, rows = self._name(args.policy), _rows(events, args.account)
        if name == BY_INDEX and self._charged.get(args.market):
            # The winners have paid their part: what is left is debt from elsewhere.
            task = task._replace(case=task.case._replace(haircut=0), quote=task.worth)
        findings = Findings()
        check_bankruptcy(findings, receipt, task, standing)
        self._check_terms(findings, receipt, standing)
        shortfall = task.case.haircut
        if name == BY_INDEX or name in POLICIES:
            bill, by_index = self._share_out(findings, task, POLICIES.get(name), rows, time)
            moves = Moves(events, args.market, args.account)
            self._check_moves(findings, moves, task, standing, bill, by_index, time)
            shortfall = sum(row.haircut for row in bill.rows) + (bill.quote - bill.worth if by_index else 0)
            findings.compare("the quantity", args.quantity, bill.closed + by_index)
            findings.compare("the quantity by index", args.by_index, by_index)
            findings.compare("the haircut", args.haircut, shortfall)
        else:
            findings.say(f"policy {name} is none that is known")
        return Audited(
            block=receipt.block,
            time=time,
            account=args.account,
            market=args.market,
            policy=name,
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
        if args.policy == terms.policy:
            return
        small = notional(standing, self._replay.indexer.states[args.market].mark) < terms.list_from
        late = receipt.time < terms.by_index_until
        if args.policy != NOBODY or not (small or late or args.market in self._charged):
            shared, due = self._name(args.policy), self._name(terms.policy)
            findings.say(f"shared out by {shared}, though the market's policy is {due}")

    def _share_out(
        self, findings: Findings, task: Task, policy: Policy | None, rows: list[Listed], time: int
    ) -> tuple[Bill, int]:
        """What a list must come to, and the size that must then go by index: all of it without a policy."""
        case = task.case
        if policy is None:
            if rows:
                findings.say("there is a list, though all went by index")
            return Bill(False, [], {}, case.quantity, task.quote, task.worth), case.quantity
        found = recomputed(policy, task, self._side(policy, task, time), rows, self._open.get(case.market))
        findings.said += found.findings.said
        if policy.charges:
            if found.whole:
                self._charged[case.market] = not found.bill.amount
            return found.bill, 0
        return found.bill, found.bill.amount if found.whole else 0

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
