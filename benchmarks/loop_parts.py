"""Where the processor's time of a block loop goes, by part."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from perpsim.simulation.runner import Simulation

REST = "rest of the loop"


class Parts:
    """Puts clocks around the parts of a simulation that run once a block or more rarely, so that measuring
    costs little. `seconds` of processor time by part; what runs inside another part is not counted twice."""

    def __init__(self, simulation: Simulation) -> None:
        self.seconds: dict[str, float] = {}
        self._running: list[str] = []
        self._since = 0.0
        self._watch(simulation, "step", REST)
        self._watch(simulation, "_views", "what agents see")
        for population in (simulation.cast.oracle, *simulation.cast.populations):
            self._watch(population, "update", f"agents: {population.role}")
        self._watch(simulation.gas, "submit", "sending")
        self._watch(simulation.protocol.chain, "mine", "chain and EVM")
        self._watch(simulation, "_take", "log: decoding, folding into tables")
        self._watch(simulation.log, "_close_chunk", "log: text and digest")
        self._watch(simulation.indexer, "health", "health of all accounts")
        self._watch(simulation, "_look", "tops and depths of books")
        self._watch(simulation.metrics, "block", "metrics")
        self._watch(simulation.warner, "block", "warning signs")
        self._watch(simulation.invariants, "check", "invariants")

    def _watch(self, owner: Any, name: str, part: str) -> None:
        inner: Callable[..., Any] = getattr(owner, name)
        self.seconds.setdefault(part, 0.0)

        def watched(*args: Any, **named: Any) -> Any:
            self._switch(part)
            try:
                return inner(*args, **named)
            finally:
                self._switch(None)

        setattr(owner, name, watched)

    def _switch(self, part: str | None) -> None:
        """Begin a part, or with None go back to the one around it."""
        now = time.process_time()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        if part is None:
            self._running.pop()
        else:
            self._running.append(part)
        self._since = now
