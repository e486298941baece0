"""`deployments/NETWORK.json`: where an exchange is, what it was deployed with, whether it is still that."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eth_hash.auto import keccak
from pydantic import ValidationError

from perpsim.chain import Chain, Compiler, Revert
from perpsim.devnet.live_chain import LiveChain
from perpsim.devnet.node import Node
from perpsim.errors import UserError
from perpsim.protocol import POLICIES, Contract, Protocol, deploy
from perpsim.scenarios import Scenario
from perpsim.simulation.parameters import protocol_params

FOLDER = Path("deployments")
_FORMAT = 2


@dataclass(frozen=True)
class Deployment:
    """One deployment. `block` is the first whose log may concern it. By contract name: `contracts` are the
    addresses, `code` hashes of what stood there, `creation` hashes of what it was made from. `parameters` is
    the whole scenario."""

    network: str
    chain_id: int
    owner: str
    block: int
    scenario: str
    parameters: dict[str, Any]
    contracts: dict[str, str]
    code: dict[str, str]
    creation: dict[str, str]
    format: int = _FORMAT

    @property
    def model(self) -> Scenario:
        """The scenario that it was deployed for."""
        try:
            return Scenario.model_validate_json(json.dumps(self.parameters))
        except ValidationError as error:
            first = error.errors()[0]
            raise UserError(f"deployment of {self.scenario}: {first['loc']}: {first['msg']}") from None

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".tmp")
        beside.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        beside.replace(path)

    @classmethod
    def read(cls, path: Path) -> Deployment:
        """Read a file. Raises `UserError`."""
        try:
            table = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UserError(f"deployment {path}: no such file; deploy first: ape run deploy") from None
        except (OSError, ValueError) as error:
            raise UserError(f"deployment {path}: {error}") from None
        if not isinstance(table, dict) or table.get("format") != _FORMAT:
            raise UserError(f"deployment {path}: not written by this version; deploy anew with --force")
        try:
            return cls(**table)
        except TypeError as error:
            raise UserError(f"deployment {path}: {error}") from None

    def check(self, chain: Chain) -> None:
        """Whether the chain still holds it, and these sources still describe it. Raises `UserError`."""
        if chain.chain_id != self.chain_id:
            raise UserError(f"wrong chain: the node is on chain {chain.chain_id}, not {self.chain_id}")
        compiler = Compiler()
        for name, address in self.contracts.items():
            code = chain.code(address)
            if not code:
                raise UserError(f"missing deployment: no contract at {address} ({name}); deploy anew")
            if _hash(code) != self.code[name]:
                raise UserError(f"another contract stands at {address}, where {name} should be; deploy anew")
            if _hash(compiler.load(source_of(name)).bytecode) != self.creation[name]:
                raise UserError(
                    f"{name} at {address} is of another version than these sources; deploy anew with --force"
                )

    def stands(self, chain: Chain) -> bool:
        """Whether all of its contracts are still there."""
        return chain.chain_id == self.chain_id and all(
            _hash(chain.code(address)) == self.code[name] for name, address in self.contracts.items()
        )

    def attach(self, chain: Chain) -> Protocol:
        """The exchange, as `deploy` returned it."""
        compiler = Compiler()
        found = {
            name: Contract(chain, name, address, compiler.load(source_of(name)).interface)
            for name, address in self.contracts.items()
        }
        params = protocol_params(self.model)
        return Protocol(
            chain,
            params,
            self.owner,
            token=found["Stablecoin"],
            pricing=found["Pricing"],
            clearinghouse=found["Clearinghouse"],
            parameters=found["Parameters"],
            vault=found["InsuranceVault"],
            liquidator=found["Liquidator"],
            oracle=found["PriceOracle"],
            lens=found["Lens"],
            books=tuple(found[f"OrderBook{number}"] for number in range(len(params.markets))),
            policies={policy: found[contract] for policy, contract in POLICIES.items()},
        )


def source_of(name: str) -> str:
    """The source file of a contract: `OrderBook0` is an OrderBook."""
    return re.sub(r"\d+$", "", name)


def record(protocol: Protocol, scenario: Scenario, network: str, block: int) -> Deployment:
    """What there is to know of an exchange that was deployed from block `block` on."""
    compiler, contracts = Compiler(), protocol.addresses()
    return Deployment(
        network=network,
        chain_id=protocol.chain.chain_id,
        owner=protocol.owner,
        block=block,
        scenario=scenario.name,
        parameters=scenario.model_dump(mode="json"),
        contracts=contracts,
        code={name: _hash(protocol.chain.code(address)) for name, address in contracts.items()},
        creation={name: _hash(compiler.load(source_of(name)).bytecode) for name in contracts},
    )


def deploy_to(
    chain: LiveChain,
    scenario: Scenario,
    network: str,
    path: Path,
    *,
    token: str | None = None,
    force: bool = False,
    notice: Callable[[str], None] = print,
) -> Deployment:
    """Deploy the exchange of a scenario and write its file.

    Raises `UserError` if the file names a deployment that still stands, unless `force`.
    """
    if path.exists() and not force:
        if Deployment.read(path).stands(chain):
            raise UserError(f"{path}: the exchange is deployed already; once more with --force")
        notice(f"{path}: its exchange is gone from the node, deploying anew")
    chain.need_coin()
    first = chain.block_number + 1
    try:
        protocol = deploy(chain, protocol_params(scenario), token=token)
    except Revert as error:
        raise UserError(f"the exchange refuses scenario {scenario.name}: {error.reason}") from None
    found = record(protocol, scenario, network, first)
    found.write(path)
    return found


def attached(node: Node, path: Path, chain: Chain | None = None) -> tuple[Deployment, Protocol]:
    """A deployment and its exchange on a node, checked. Raises `UserError` with what is wrong."""
    deployment = Deployment.read(path)
    chain = chain or LiveChain(node)
    deployment.check(chain)
    return deployment, deployment.attach(chain)


def _hash(code: bytes) -> str:
    return "0x" + keccak(code).hex() if code else ""
