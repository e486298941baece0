"""A deployed contract and how to talk to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from perpsim.chain import Chain, Interface, Receipt, Revert


@dataclass(frozen=True)
class Contract:
    """One contract on one chain: `name` is unique within the deployment (`OrderBook0`)."""

    chain: Chain
    name: str
    address: str
    interface: Interface

    def encode(self, function: str, *args: Any) -> bytes:
        """Calldata."""
        return self.interface.functions[function].encode(*args)

    def view(self, function: str, *args: Any, sender: str | None = None, timestamp: int | None = None) -> Any:
        """Decoded result of a call that leaves no trace; `timestamp` asks for a next block at that time."""
        call = self.interface.functions[function]
        return call.decode(self.chain.view(self.address, call.encode(*args), sender, timestamp))

    def send(self, sender: str, function: str, *args: Any) -> Receipt:
        """Execute at once, whether it succeeds or not."""
        return self.chain.execute(sender, self.address, self.encode(function, *args))

    def transact(self, sender: str, function: str, *args: Any) -> Any:
        """Execute at once and return the decoded result; raises `Revert` if it fails."""
        call = self.interface.functions[function]
        receipt = self.chain.execute(sender, self.address, call.encode(*args))
        if not receipt.ok:
            raise Revert(receipt.reason, receipt.output)
        return call.decode(receipt.output) if receipt.output else None
