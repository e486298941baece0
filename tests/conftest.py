"""Fixtures that every test may use. The exchange is in `support`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from _pytest._code.code import Traceback
from hypothesis import HealthCheck, settings
from support import Actor, Exchange, deployed

from perpsim.protocol import ProtocolParams

# the same examples every time, so that a failure is a change; HYPOTHESIS_PROFILE=explore draws new ones
_shared: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
settings.register_profile("fixed", derandomize=True, max_examples=100, **_shared)
settings.register_profile("explore", max_examples=1_000, print_blob=True, **_shared)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

#: what the actors below start with, whole tokens
STAKE = 1_000_000


def pytest_configure(config: pytest.Config) -> None:
    """Own markers."""
    config.addinivalue_line(
        "markers",
        "exchange(**changes): fields of ProtocolParams that the `exchange` fixture is deployed with",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_exception_interact(call: Any, report: Any) -> None:
    """Hide the frames of installed packages."""
    own = [entry for entry in call.excinfo.traceback if "/.venv/" not in str(entry.path)]
    call.excinfo.traceback = Traceback(own or call.excinfo.traceback)


@pytest.fixture
def decimals() -> int:
    """Decimals of the collateral; `@pytest.mark.parametrize("decimals", [6, 18])` runs a test with both."""
    return 6


@pytest.fixture
def exchange(request: pytest.FixtureRequest, decimals: int) -> Iterator[Exchange]:
    """An exchange as just deployed: default market, or `@pytest.mark.exchange(markets=(...), vault=...)`."""
    changes: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers("exchange"))):
        changes |= marker.kwargs
    with deployed(ProtocolParams(**{"decimals": decimals, **changes})) as found:
        yield found


def _role(name: str) -> Any:
    def role(exchange: Exchange) -> Actor:
        return exchange.actor(name, deposit=STAKE)

    role.__doc__ = f"An actor with {STAKE:,} tokens deposited in `exchange`."
    return pytest.fixture(name=name)(role)


maker = _role("maker")
taker = _role("taker")
trader = _role("trader")
rival = _role("rival")
keeper = _role("keeper")


@pytest.fixture
def stranger(exchange: Exchange) -> Actor:
    """Somebody without an account."""
    return exchange.actor("stranger")
