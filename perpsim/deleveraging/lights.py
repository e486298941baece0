"""Where an account stands in the queue, as exchanges show it: five lights, all lit for the first in line."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

LIGHTS = 5


def quintiles(sizes: Sequence[int]) -> list[int]:
    """Place of each position by cumulative quantity, 1 to 5: 1 lies within the first 20 % of the side.

    `sizes` are magnitudes in the order of the queue. A position belongs where its last unit stands.
    """
    total = sum(sizes)
    if total == 0:
        return [LIGHTS] * len(sizes)
    return [max(-(-LIGHTS * reached // total), 1) for reached in accumulate(sizes)]


def lights(sizes: Sequence[int]) -> list[int]:
    """Lights lit for each position of a queue: 5 for the first 20 % of the side, 1 for the last."""
    return [LIGHTS + 1 - place for place in quintiles(sizes)]
