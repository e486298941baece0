"""Small runs for the tests of the simulation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from perpsim.scenarios.loading import load_scenario
from perpsim.simulation.command import build
from perpsim.simulation.runner import Simulation


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
