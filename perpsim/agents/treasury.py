"""The exchange's own treasury: it hands the fund its share of the fees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from perpsim.agents.base import Views
from perpsim.agents.desk import Desk
from perpsim.chain import Tx

_ARRIVAL = 0.5


class Treasury:
    """Sweeps the fees of all markets every `blocks` blocks."""

    role = "treasury"

    def __init__(self, desks: Sequence[Desk], address: str, blocks: int) -> None:
        self._desks = desks
        self._address = address
        self._blocks = blocks

    def update(self, rng: np.random.Generator, views: Views) -> list[Tx]:
        """A call a market when it is time."""
        block = views[0].block
        if not block or block % self._blocks:
            return []
        return [desk.sweep_fees(self._address, _ARRIVAL) for desk in self._desks]
