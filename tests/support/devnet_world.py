"""An exchange with a market on a node of this process."""

from __future__ import annotations

from dataclasses import dataclass

from perpsim.devnet.deployment import Deployment, record
from perpsim.protocol import Protocol, deploy
from perpsim.scenarios import Scenario
from perpsim.scenarios.loading import load_scenario
from perpsim.simulation.command import on_exchange
from perpsim.simulation.parameters import protocol_params
from perpsim.simulation.runner import Simulation
from support.fake_node import FakeNode


@dataclass
class World:
    """A node, the exchange on it, and a market that moves it on."""

    fake: FakeNode
    deployment: Deployment
    market: Simulation

    @property
    def protocol(self) -> Protocol:
        """The exchange as its market knows it."""
        return self.market.protocol

    def go(self, blocks: int) -> None:
        """So many blocks of the market."""
        for _ in range(blocks):
            self.market.step()


def make_world(*overrides: str) -> World:
    """The small scenario, its market about to begin."""
    scenario = load_scenario("smoke", overrides)
    fake = FakeNode(scenario.start - 3600)
    protocol = deploy(fake.chain, protocol_params(scenario))
    deployment = record(protocol, scenario, "test", 1)
    return World(fake, deployment, simulation_of(scenario, protocol))


def simulation_of(scenario: Scenario, protocol: Protocol) -> Simulation:
    return on_exchange(scenario, protocol)
