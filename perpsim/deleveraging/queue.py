"""Who would be deleveraged first if somebody on the other side went bankrupt now."""

from __future__ import annotations

from typing import NamedTuple

from perpsim.deleveraging.lights import lights
from perpsim.deleveraging.policies import Candidate, Case, Policy, seed_of
from perpsim.simulation.counterparties import Counterparties
from perpsim.simulation.indexer import Indexer


class Queued(NamedTuple):
    """A position in its queue, the first in line first; `candidate` in WAD, `lights` 1 to 5."""

    candidate: Candidate
    lights: int


def standing_queue(
    indexer: Indexer, counterparties: Counterparties, policy: Policy, market: int, is_long: bool, time: int
) -> list[Queued]:
    """A side of a market in the order of its policy at `time` (seconds).

    No loss is on the table yet: nobody's limit matters, and a policy that draws lots draws others each time.
    """
    mark = indexer.states[market].mark
    if not mark:
        return []
    case = Case(market, 0, mark, 0, 0, is_long, seed_of(market, 0, mark))
    rows = [(policy.rank(case, one).key, one) for one in counterparties.candidates(policy, case, time)]
    rows.sort(key=lambda row: (-row[0], row[1].account))
    lit = lights([one.size for _, one in rows])
    return [Queued(one, light) for (_, one), light in zip(rows, lit)]
