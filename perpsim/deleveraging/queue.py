"""Who would be deleveraged first if somebody on the other side went bankrupt now."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from perpsim.deleveraging.lights import lights
from perpsim.deleveraging.policies import Candidate, Case, Policy
from perpsim.simulation.counterparties import Counterparties
from perpsim.simulation.indexer import Indexer


class Queued(NamedTuple):
    """A position in its queue, the first in line first; `candidate` in WAD, `lights` 1 to 5."""

    candidate: Candidate
    lights: int


def standing_queue(
    indexer: Indexer, counterparties: Counterparties, policy: Policy, market: int, is_long: bool, time: int
) -> list[Queued]:
    """A side of a market in the order of its policy at `time` (seconds), as `Lens.lights` has it.

    No loss is on the table yet: nobody's limit matters, and a policy that draws lots draws others each time.
    """
    mark = indexer.states[market].mark
    if not mark:
        return []
    case = Case(market, 0, mark, 0, 0, is_long, 0)
    side = counterparties.candidates(replace(policy, charges=False), case, time)
    rows = [(policy.rank(case, one).key, one) for one in side]
    rows.sort(key=lambda row: (-row[0], row[1].account))
    lit = lights([one.size for _, one in rows])
    return [Queued(one, light) for (_, one), light in zip(rows, lit)]
