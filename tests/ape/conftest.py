"""The protocol on ape's own provider, py-evm: compiled by ape, deployed by the one deployer."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support import COMPILER, plain_market

from perpsim.chain.ape_engine import ApeChain
from perpsim.protocol import MAX_UINT, Protocol, ProtocolParams, deploy, wad

# ape-vyper looks for `vyper` on PATH
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])

#: whole tokens that each customer starts with
STAKE = 100_000
UNIT = 10**6


@pytest.fixture(scope="session")
def compiled(project: Any) -> Any:
    """The project, compiled anew if what ape has kept is not of these sources: it looks into no modules."""
    if any(creation_code(project, name) != COMPILER.load(name).bytecode for name in COMPILER.names()):
        project.load_contracts(use_cache=False)
    return project


def creation_code(project: Any, name: str) -> bytes:
    """A contract's bytecode as ape has compiled it; nothing if it does not know the contract."""
    contract = project.contracts.get(name)
    code = contract.deployment_bytecode.bytecode if contract else None
    return bytes.fromhex(code.removeprefix("0x")) if code else b""


@pytest.fixture(scope="session")
def protocol(compiled: Any, accounts: Any, networks: Any) -> Protocol:
    """Everything deployed and wired by account 0, which owns it and posts prices."""
    params = ProtocolParams(markets=(plain_market(taker_fee=wad("0.0005"), maker_fee=wad("0.0002")),))
    return deploy(ApeChain(networks.provider, accounts[0]), params)


@pytest.fixture(scope="session")
def exchange(compiled: Any, protocol: Protocol, accounts: Any) -> SimpleNamespace:
    """Ape's contracts by role, an index price, and three customers with a stake each."""
    contracts = SimpleNamespace(
        token=compiled.Stablecoin.at(protocol.token.address),
        clearinghouse=compiled.Clearinghouse.at(protocol.clearinghouse.address),
        book=compiled.OrderBook.at(protocol.books[0].address),
        parameters=compiled.Parameters.at(protocol.parameters.address),
        liquidator=compiled.Liquidator.at(protocol.liquidator.address),
        vault=compiled.InsuranceVault.at(protocol.vault.address),
        oracle=compiled.PriceOracle.at(protocol.oracle.address),
        lens=compiled.Lens.at(protocol.lens.address),
        owner=accounts[0],
        maker=accounts[1],
        taker=accounts[2],
        rival=accounts[3],
        stranger=accounts[9],
        wad=wad,
    )
    for customer in (contracts.maker, contracts.taker, contracts.rival):
        contracts.token.mint(customer, 2 * STAKE * UNIT, sender=customer)
        contracts.token.approve(contracts.clearinghouse, MAX_UINT, sender=customer)
        contracts.clearinghouse.deposit(STAKE * UNIT, sender=customer)
    return contracts


def post(exchange: SimpleNamespace, chain: Any, price: Any) -> None:
    """A new index price, twelve seconds on."""
    now = chain.blocks.head.timestamp + 12
    chain.pending_timestamp = now
    exchange.oracle.post(0, wad(price), now, sender=exchange.owner)
