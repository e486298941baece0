"""Records the work out of a run of our own."""

from __future__ import annotations

from typing import Any

from work import Step, Work

from perpsim.chain import Artifact, Receipt, Tx
from perpsim.chain.revm import RevmChain
from perpsim.protocol import deploy
from perpsim.scenarios import Scenario
from perpsim.simulation.command import on_exchange
from perpsim.simulation.parameters import protocol_params

_SET_UP_SECONDS = 3_600


def _raw(address: str) -> bytes:
    return bytes.fromhex(address[2:])


class Recorder(RevmChain):
    """A chain that takes down whatever it executes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.steps: list[Step] = []
        #: gas used of each step
        self.gas: list[int] = []
        self._time = 0

    def _enter(self, number: int, timestamp: int) -> None:
        self._time = timestamp
        super()._enter(number, timestamp)

    def deploy(self, artifact: Artifact, *args: Any, sender: str) -> str:
        address = super().deploy(artifact, *args, sender=sender)
        code = artifact.creation(*args)
        self.steps.append(Step(self._time, _raw(sender), b"", code, _raw(address), True))
        self.gas.append(0)
        return address

    def _run(self, tx: Tx, number: int, index: int) -> Receipt:
        receipt = super()._run(tx, number, index)
        self.steps.append(Step(self._time, _raw(tx.sender), _raw(tx.to), tx.data, b"", receipt.ok))
        self.gas.append(receipt.gas_used)
        return receipt


def record(scenario: Scenario, **options: Any) -> tuple[Work, list[int]]:
    """Run a scenario on a chain with `options`; its work, and the gas used of each call."""
    start = scenario.start - _SET_UP_SECONDS
    chain = Recorder(timestamp=start, block_gas_limit=scenario.clock.gas_limit, **options)
    with chain:
        protocol = deploy(chain, protocol_params(scenario))
        simulation = on_exchange(scenario, protocol)
        done = len(chain.steps)
        simulation.run()
    seconds, limit = scenario.clock.seconds_per_block, scenario.clock.gas_limit
    work = Work(scenario.name, seconds, limit, chain.steps[:done], chain.steps[done:])
    return work, chain.gas[done:]
