"""The deployed policies beside their Python mirrors."""

from __future__ import annotations

from typing import Any

import pytest
from deployed import Contract, deploy_on

from perpsim import protocol
from perpsim.chain import open_chain
from perpsim.deleveraging.policies import POLICIES, Policy

POLICY_NAMES = tuple(POLICIES)


@pytest.fixture(scope="session")
def contracts() -> dict[str, Contract]:
    """All policies, deployed, by name."""
    chain: Any = open_chain("revm", timestamp=1_700_000_000)
    return {name: deploy_on(chain, contract) for name, contract in protocol.POLICIES.items()}


@pytest.fixture(params=POLICY_NAMES)
def policy(request: pytest.FixtureRequest) -> Policy:
    """Each policy in turn."""
    return POLICIES[request.param]


@pytest.fixture
def contract(policy: Policy, contracts: dict[str, Contract]) -> Contract:
    """The deployed contract of `policy`."""
    return contracts[policy.name]
