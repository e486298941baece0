"""What a list must be: handed in whole, or built up over several calls and asked in parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from perpsim.deleveraging.checks import DUST, Findings, check_complete, check_rows, name_skipped
from perpsim.deleveraging.expected import Bill, Place, Task, bill_of
from perpsim.deleveraging.packing import Listed
from perpsim.deleveraging.policies import Policy


@dataclass
class OpenList:
    """A list that is built up: places as they were when they were handed in, and who has been asked."""

    account: int
    waiting: dict[int, Place] = field(default_factory=dict)
    asked: set[int] = field(default_factory=set)

    def ask(self, rows: Iterable[Listed]) -> None:
        """These have had their turn."""
        for row in rows:
            self.waiting.pop(row.account, None)
            self.asked.add(row.account)


class Recomputed(NamedTuple):
    """A list as it must be, what is wrong with the one found, and whether nobody is left to be asked."""

    bill: Bill
    findings: Findings
    whole: bool


def recomputed(
    policy: Policy, task: Task, side: list[Place], rows: list[Listed], opened: OpenList | None
) -> Recomputed:
    """What the rows of a receipt must be. `side` is the whole other side now, in order."""
    whole = _whole(policy, task, side, rows)
    if opened is None or not rows or any(row.account not in opened.waiting for row in rows):
        return whole
    # somebody may have handed in the whole list while one was being built up
    parts = _in_parts(policy, task, side, rows, opened)
    return min(parts, whole, key=lambda found: len(found.findings.said))


def in_order(places: Iterable[Place]) -> list[Place]:
    """Places as the list has them: high keys first, equal ones by account."""
    return sorted(places, key=lambda place: (-place.row.key, place.account))


def _whole(policy: Policy, task: Task, side: list[Place], rows: list[Listed]) -> Recomputed:
    """The list as one that came in one call: everybody, ranked now."""
    findings = Findings()
    check_complete(findings, rows, side)
    bill = bill_of(policy, task, _but_dust(side, {row.account for row in rows}))
    check_rows(findings, rows, bill)
    return Recomputed(bill, findings, True)


def _in_parts(
    policy: Policy, task: Task, side: list[Place], rows: list[Listed], opened: OpenList
) -> Recomputed:
    """The next of a list that was built up: keys and weights as handed in, caps as they are now."""
    findings = Findings()
    there = [place for place in side if place.account not in opened.asked]
    caps = {place.account: place.row.cap for place in there}
    waiting = in_order(
        place._replace(row=place.row._replace(cap=caps.get(place.account, 0)))
        for place in opened.waiting.values()
    )
    name_skipped(findings, [place for place in there if place.account not in opened.waiting])
    asked, behind = waiting[: len(rows)], waiting[len(rows) :]
    if {row.account for row in rows} != {place.account for place in asked}:
        findings.say("not the next accounts of the list that was built up")
    bill = bill_of(policy, task, asked, sum(place.row.weight for place in behind))
    check_rows(findings, rows, bill)
    return Recomputed(bill, findings, not behind)


def _but_dust(side: Sequence[Place], listed: set[int]) -> Sequence[Place]:
    """The side without the accounts that a list may lack because together they are no more than dust."""
    missing = [place for place in side if place.account not in listed]
    if sum(place.size for place in missing) > DUST:
        return side
    return [place for place in side if place.account in listed]
