"""An exchange with a history on a node in this process."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from support.fake_node import FakeNode

from perpsim.devnet.deployment import Deployment, record
from perpsim.market.paths import sample_paths
from perpsim.protocol import Protocol, deploy
from perpsim.scenarios import Scenario
from perpsim.scenarios.loading import load_scenario
from perpsim.simulation.parameters import protocol_params
from perpsim.simulation.runner import Simulation


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
    prices, agents, network = np.random.SeedSequence(scenario.seed).spawn(3)
    paths = sample_paths(scenario, prices)
    return Simulation(
        scenario, protocol, paths, np.random.default_rng(agents), np.random.default_rng(network)
    )


@pytest.fixture
def world() -> Callable[..., World]:
    """`world("key=value", ...)`."""
    return make_world


@pytest.fixture
def anvil() -> Iterator[Callable[..., str]]:
    """`anvil("--option", ...)` starts one and gives its URL; without an anvil on PATH the test is skipped."""
    if shutil.which("anvil") is None:
        pytest.skip("no anvil on PATH")
    started: list[Any] = []

    def start(*options: str, port: int = 0) -> str:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            port = probe.getsockname()[1]
        process = subprocess.Popen(
            ["anvil", "--port", str(port), "--hardfork", "cancun", "--silent", *options]
        )
        started.append(process)
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return f"http://127.0.0.1:{port}"
            time.sleep(0.1)
        raise RuntimeError("anvil does not start")

    yield start
    for process in started:
        process.terminate()
        process.wait()
