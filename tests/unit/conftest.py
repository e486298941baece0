"""Fixtures of the tests of single contracts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deployed import Contract, Roles, deploy_on, new_chain

from perpsim import CONTRACTS
from perpsim.chain import Compiler

Deploy = Callable[..., Contract]


@pytest.fixture
def revm() -> Any:
    """A fresh chain."""
    return new_chain()


@pytest.fixture
def deploy(revm: Any) -> Deploy:
    """`deploy("Stablecoin", "Dollar", "USD", 6)`: a contract of the project on the fresh chain."""
    return lambda name, *args: deploy_on(revm, name, *args)


@pytest.fixture
def deploy_source(revm: Any, tmp_path: Path) -> Deploy:
    """Deploy a contract given as text; it may import the project's modules."""
    contracts = tmp_path / "contracts"
    shutil.copytree(CONTRACTS / "modules", contracts / "modules")

    def deploy_text(source: str, *args: Any) -> Contract:
        (contracts / "Harness.vy").write_text(source)
        compiler = Compiler(contracts=contracts, cache=tmp_path / "cache")
        return deploy_on(revm, "Harness", *args, compiler=compiler)

    return deploy_text


@pytest.fixture
def roles() -> Roles:
    """Accounts by role."""
    return Roles()
