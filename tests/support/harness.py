"""A contract written in the test, which imports the project's modules."""

from __future__ import annotations

from functools import cache
from typing import Any

from perpsim import CONTRACTS
from perpsim.chain import Artifact, Revert, open_chain

START_TIME = 1_700_000_000


@cache
def compiled(source: str) -> Artifact:
    """A contract given as text; its imports are found as under `ape compile`."""
    from vyper.compiler import compile_code
    from vyper.compiler.input_bundle import FilesystemInputBundle
    from vyper.compiler.settings import Settings

    assert CONTRACTS is not None
    built = compile_code(
        source,
        input_bundle=FilesystemInputBundle([CONTRACTS.parent]),
        settings=Settings(evm_version="cancun"),
        output_formats=["abi", "bytecode", "bytecode_runtime"],
    )
    return Artifact(
        name="Harness",
        source="Harness.vy",
        abi=tuple(built["abi"]),
        bytecode=bytes.fromhex(built["bytecode"][2:]),
        runtime_size=len(built["bytecode_runtime"]) // 2 - 1,
        integrity="",
    )


class Harness:
    """The contract on a chain of its own. `view` leaves no trace, `send` does; both decode the result."""

    def __init__(self, source: str, *args: Any) -> None:
        artifact = compiled(source)
        self.interface = artifact.interface
        self.chain: Any = open_chain("revm", timestamp=START_TIME)
        self.sender = self.chain.account(1).address
        self.address = self.chain.deploy(artifact, *args, sender=self.sender)

    def view(self, function: str, *args: Any) -> Any:
        codec = self.interface.functions[function]
        return codec.decode(self.chain.view(self.address, codec.encode(*args)))

    def send(self, function: str, *args: Any) -> Any:
        codec = self.interface.functions[function]
        receipt = self.chain.execute(self.sender, self.address, codec.encode(*args))
        if not receipt.ok:
            raise Revert(receipt.reason, receipt.output)
        return codec.decode(receipt.output) if receipt.output else None
