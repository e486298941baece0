"""One run of a sweep: from a scenario to a row."""

from __future__ import annotations

import time
from typing import Any

from perpsim.chain import EngineError, Revert
from perpsim.chain.revm import RevmChain
from perpsim.errors import UserError
from perpsim.protocol import Protocol
from perpsim.scenarios import Scenario
from perpsim.simulation.command import on_exchange
from perpsim.simulation.invariants import InvariantViolation
from perpsim.simulation.parameters import protocol_params
from perpsim.simulation.setup import auditor_of, open_exchange
from perpsim.simulation.summary import summarise
from perpsim.sweeps.figures import FIGURES, figures_of

ENGINE = "revm"
Outcome = dict[str, Any]


def exchange_key(scenario: Scenario) -> str:
    """Scenarios with the same key begin on the same exchange."""
    return repr((protocol_params(scenario), scenario.start, scenario.clock.gas_limit))


def measure(scenario: Scenario, protocol: Protocol | None = None) -> Outcome:
    """Run a scenario, on an exchange that has been opened for it and not been used, or on one of its own.

    The outcome has `status` (`ok`, `failed`, `violation`), `reason`, `digest`, `seconds` and the figures.
    What is the scenario's own fault comes back as `failed`; what is the program's is raised.
    """
    began = time.perf_counter()
    try:
        protocol = protocol or open_exchange(scenario, ENGINE)
        assert isinstance(protocol.chain, RevmChain)
        # It draws by the seed, which the exchange may not have been opened with.
        protocol.chain.auditor = auditor_of(scenario)
        simulation = on_exchange(scenario, protocol)
    except UserError as error:
        return failed(str(error))
    except Revert as error:
        return failed(f"the exchange refuses it: {error.reason}")
    status, reason = "ok", ""
    with simulation.protocol.chain:
        try:
            simulation.run()
        except (InvariantViolation, EngineError) as error:
            status = "violation" if isinstance(error, InvariantViolation) else "failed"
            reason = f"block {simulation.next_block}: {(str(error).splitlines() or [''])[0]}"
        seconds = time.perf_counter() - began
        summary = summarise(simulation, ENGINE, not reason, reason, seconds)
    outcome: Outcome = {"status": status, "reason": reason, "digest": summary["digest"], "seconds": seconds}
    return outcome | figures_of(summary)


def failed(reason: str, status: str = "failed") -> Outcome:
    """The outcome of a run of which nothing is known."""
    return {"status": status, "reason": reason, "digest": "", "seconds": 0.0} | {
        one.name: None for one in FIGURES
    }
