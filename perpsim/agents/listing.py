"""How a list of those who are to bear a bankrupt position is handed in: whole, or in parts over some blocks.

Pure functions of the list as it must be and of what has been handed in so far.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass

from perpsim.agents.desk import Desk
from perpsim.chain import Tx
from perpsim.deleveraging.packing import MAX_IDS
from perpsim.deleveraging.policies import Case, Left, Policy, Row

#: accounts in one call of `hand_in`
MAX_HANDED = 64

# What calls cost at the most, rounded up (benchmarks/gas.json): verifying an account, closing or charging it,
# handing one in, asking one that was handed in.
_CALL = 1_200_000
_VERIFIED, _BORNE = 20_000, 36_500
_HANDED, _ASKED = 50_000, 48_000
# What each position that an account has in another market adds to any of these.
_ELSEWHERE = 16_000
# A block's room that others get.
_LEFT = 1_500_000


@dataclass(frozen=True)
class Place:
    """An account in a list. `row` is its rank: key and weight as handed in, cap as it is now. `elsewhere`:
    its positions in other markets, which make it dearer to look at."""

    account: int
    row: Row
    elsewhere: int = 0

    def __lt__(self, other: Place) -> bool:
        return (-self.row.key, self.account) < (-other.row.key, other.account)


@dataclass(frozen=True)
class Whole:
    """The complete list in one call."""

    accounts: list[int]
    gas: int

    def tx(self, desk: Desk, sender: str, account: int, arrival: float) -> Tx:
        """The transaction that deleverages `account` so."""
        return desk.deleverage_by_list(sender, account, self.accounts, self.gas, arrival)


@dataclass(frozen=True)
class Part:
    """Some accounts of a list, each with the one that it comes after (0: none)."""

    accounts: list[int]
    hints: list[int]
    gas: int

    def tx(self, desk: Desk, sender: str, account: int, arrival: float) -> Tx:
        """The transaction that hands them in."""
        return desk.hand_in(sender, self.accounts, self.hints, self.gas, arrival)


@dataclass(frozen=True)
class Ask:
    """The first `count` accounts of a list that is complete."""

    count: int
    gas: int

    def tx(self, desk: Desk, sender: str, account: int, arrival: float) -> Tx:
        """The transaction that lets them bear what they have to."""
        return desk.execute_list(sender, self.count, self.gas, arrival)


Step = Whole | Part | Ask


def steps(
    policy: Policy, case: Case, side: Sequence[Place], handed: Sequence[Place], block_gas: int
) -> list[Step]:
    """What to send in the next block. `side` is everyone on the other side who was not asked yet, `handed`
    those of them who are in the open list; both in order."""
    room = block_gas - _LEFT
    if not handed:
        gas = _CALL + _cost(side, _BORNE if policy.weighted else _VERIFIED)
        if len(side) <= MAX_IDS and gas <= block_gas:
            return [Whole([place.account for place in side], gas)] if side else []
    known = {place.account for place in handed}
    missing = [place for place in side if place.account not in known]
    if missing:
        return _parts(missing, list(handed), room)
    count = min(_reach(policy, case, handed), MAX_IDS)
    count = max(_room_for(handed[:count], _ASKED, room - _CALL), 1)
    return [Ask(count, _CALL + _cost(handed[:count], _ASKED))]


def _cost(places: Sequence[Place], each: int) -> int:
    """Gas for all of them at `each` an account with one position."""
    return len(places) * each + _ELSEWHERE * sum(place.elsewhere for place in places)


def _room_for(places: Sequence[Place], each: int, gas: int) -> int:
    """How many of them, from the first on, `gas` is enough for."""
    for count, place in enumerate(places):
        gas -= _cost([place], each)
        if gas < 0:
            return count
    return len(places)


def _parts(missing: Sequence[Place], there: list[Place], room: int) -> list[Step]:
    """As many of the missing as there is room for, each behind the one that it follows in the list."""
    found: list[Step] = []
    while missing:
        count = _room_for(missing[:MAX_HANDED], _HANDED, room - _CALL)
        if not count:
            break
        batch, missing = missing[:count], missing[count:]
        gas = _CALL + _cost(batch, _HANDED)
        room -= gas
        hints = []
        for place in batch:
            at = bisect_left(there, place)
            hints.append(there[at - 1].account if at else 0)
            insort(there, place)
        found.append(Part([place.account for place in batch], hints, gas))
    return found


def _reach(policy: Policy, case: Case, places: Sequence[Place]) -> int:
    """How many must be asked until everything is borne."""
    amount, weight = policy.needed(case), sum(place.row.weight for place in places)
    for count, place in enumerate(places, start=1):
        amount -= policy.allot(Left(amount, weight), place.row)
        weight -= place.row.weight
        if not amount:
            return count
    return len(places)
