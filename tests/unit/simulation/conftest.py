"""Small runs for the tests of the simulation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from crowd_world import two_markets
from eth_abi import decode
from small_stage import Stage

from perpsim.agents.desk import Desk
from perpsim.chain import Tx
from perpsim.scenarios.loading import load_scenario, validate
from perpsim.simulation.command import build
from perpsim.simulation.runner import Simulation
from perpsim.simulation.setup import make_desk


@pytest.fixture
def smoke() -> Callable[..., Simulation]:
    """`smoke("key=value", ..., engine=...)`: the small scenario, ready to run."""

    def make(*overrides: str, engine: str = "revm", **options: Any) -> Simulation:
        return build(load_scenario("smoke", ["checks.window=0", *overrides]), engine, **options)

    return make


@pytest.fixture
def smoke_run(smoke: Callable[..., Simulation]) -> Callable[..., Simulation]:
    """The same, run to its end."""

    def make(*overrides: str, **options: Any) -> Simulation:
        simulation = smoke(*overrides, **options)
        assert simulation.run()
        return simulation

    return make


@pytest.fixture(scope="module")
def world() -> Simulation:
    """An exchange with two markets where nothing has happened yet."""
    return build(validate(two_markets()))


@pytest.fixture
def desk(world: Simulation) -> Desk:
    return make_desk(world.scenario, world.protocol)


@pytest.fixture
def desks(world: Simulation) -> list[Desk]:
    """One a market."""
    return [make_desk(world.scenario, world.protocol, market) for market in (0, 1)]


@pytest.fixture
def sent(world: Simulation) -> Callable[[list[Tx]], list[tuple[str, str, tuple[Any, ...]]]]:
    """Transactions as (sender, function, arguments)."""

    def read(txs: list[Tx]) -> list[tuple[str, str, tuple[Any, ...]]]:
        found = []
        for tx in txs:
            for contract in world.protocol.contracts:
                function = contract.interface.functions_by_selector.get(tx.data[:4])
                if contract.address == tx.to and function is not None:
                    at = function.selectors.index(tx.data[:4])
                    types = function.signatures[at].partition("(")[2][:-1]
                    found.append(
                        (tx.sender, function.name, decode(types.split(",") if types else [], tx.data[4:]))
                    )
        assert len(found) == len(txs)
        return found

    return read


@pytest.fixture(params=[6, 18])
def stage(request: pytest.FixtureRequest, smoke: Callable[..., Simulation]) -> Stage:
    simulation = smoke("fund.initial=0", f"collateral.decimals={request.param}", "traders.count=0")
    stage = Stage(simulation)
    unit = 10**request.param
    for name, amount in (("a", 2_000), ("b", 1_000_000), ("c", 2_000), ("d", 500)):
        stage.join(name, amount * unit)
    stage.price(10_000)
    return stage
