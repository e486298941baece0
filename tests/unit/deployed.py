"""Single contracts on an EVM in this process, and the accounts that use them, by role."""

from __future__ import annotations

from typing import Any

from perpsim.chain import Artifact, Compiler, Receipt, account, open_chain

START = 1_700_000_000
COMPILER = Compiler()


class Roles:
    """Addresses by what their owners do: `roles.owner`, `roles.stranger`, ..., each name its own account."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def __getattr__(self, name: str) -> str:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._known.setdefault(name, account(1000 + len(self._known)).address)


class Sent:
    """A transaction that succeeded: `value` it returned, `events` of the contract called, `gas` it used."""

    def __init__(self, receipt: Receipt, contract: Contract, function: str) -> None:
        interface = contract.interface
        self.gas = receipt.gas_used
        self.value = interface.functions[function].decode(receipt.output)
        self.events = [
            interface.events_by_topic[log.topics[0]].decode(log.topics, log.data)
            for log in receipt.logs
            if log.address == contract.address
        ]

    def event(self, name: str) -> Any:
        """The only event of that name."""
        (found,) = self.named(name)
        return found

    def named(self, name: str) -> list[Any]:
        """All events of that name."""
        return [event for event in self.events if type(event).__name__ == name]


class Contract:
    """A deployed contract: `view` asks, `send` runs a transaction and raises `Revert` if it fails."""

    def __init__(self, chain: Any, artifact: Artifact, address: str) -> None:
        self.chain = chain
        self.interface = artifact.interface
        self.address = address

    def calldata(self, function: str, *args: Any) -> bytes:
        """Encoded call."""
        return self.interface.functions[function].encode(*args)

    def send(self, sender: str, function: str, *args: Any) -> Sent:
        """Run a transaction at once."""
        return Sent(self.chain.transact(sender, self.address, self.calldata(function, *args)), self, function)

    def view(self, function: str, *args: Any) -> Any:
        """What a view says now."""
        output = self.chain.view(self.address, self.calldata(function, *args))
        return self.interface.functions[function].decode(output)


def new_chain() -> Any:
    """A chain on which every transaction starts cold, so that its gas is true."""
    return open_chain("revm", timestamp=START, flush_every=1)


def deploy_on(chain: Any, name: str, *args: Any, compiler: Compiler = COMPILER) -> Contract:
    """Deploy a contract by name."""
    artifact = compiler.load(name)
    return Contract(chain, artifact, chain.deploy(artifact, *args, sender=account(999).address))
