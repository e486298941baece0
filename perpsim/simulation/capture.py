"""The transactions of a run in the order they were executed, for replaying them bare."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from perpsim.chain import Receipt, Tx


class Call(NamedTuple):
    """One executed transaction: block time in seconds, addresses, calldata."""

    timestamp: int
    sender: str
    to: str
    data: bytes


@dataclass
class Capture:
    """Give one to `Simulation` to have it filled."""

    calls: list[Call] = field(default_factory=list)
    _waiting: dict[int, Tx] = field(default_factory=dict)

    def submitted(self, txs: list[Tx]) -> None:
        """Note transactions that now wait for a block."""
        self._waiting.update((tx.id, tx) for tx in txs)

    def mined(self, timestamp: int, receipts: list[Receipt]) -> None:
        """Note a block."""
        for receipt in receipts:
            tx = self._waiting.pop(receipt.tx_id)
            self.calls.append(Call(timestamp, tx.sender, tx.to, tx.data))
