"""Audit of pyrevm by another implementation of the EVM.

A share of all transactions is executed by py-evm as well, from the same state, before pyrevm executes them,
for some 2 ms each. Status, return data, events, every storage word and balance written and the gas used must
agree: if they do not, the run stops with `AuditFailure`. Which transactions are drawn depends on the seed and
on how many there were before, never on a clock.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from .base import REJECTED, Receipt, Tx
from .errors import MAX_REVERT_BYTES, AuditFailure
from .gas_model import intrinsic_gas
from .lazy_state import BlockContext, LazyState, Reader

#: share of the transactions that is audited unless something else is asked for
DEFAULT_SHARE = 0.005
_REFUND_QUOTIENT = 5
_WORDS_SHOWN = 80
_MASK = (1 << 64) - 1


class Outcome(NamedTuple):
    """What py-evm says a transaction does. `error` is empty, "out of gas", "halted" or "rejected"."""

    status: int
    gas_used: int
    output: bytes
    error: str
    events: list[tuple[str, tuple[bytes, ...], bytes]]
    storage: list[tuple[str, int, int]]
    balances: list[tuple[str, int]]


class State(Reader, Protocol):
    """The state of the engine under audit, before and after the transaction."""

    def held(self, address: str) -> int:
        """Native balance, wei."""


def predict(state: Reader, block: BlockContext, tx: Tx) -> Outcome:
    """Run `tx` on py-evm over `state`, which is left as it is."""
    from eth.exceptions import OutOfGas, Revert

    intrinsic = intrinsic_gas(tx.data)
    balance, _, code = state.account(tx.sender)
    if tx.gas_limit < intrinsic or balance < tx.value or code:
        return Outcome(0, 0, b"", "rejected", [], [], [])
    view = LazyState(state, block)
    computation = view.call(tx.sender, tx.to, tx.data, tx.value, tx.gas_limit - intrinsic)
    spent = tx.gas_limit - computation.get_gas_remaining()
    if computation.is_error:
        error, output = "", bytes(computation.output[:MAX_REVERT_BYTES])
        if not isinstance(computation.error, Revert):
            output = b""
            error = "out of gas" if isinstance(computation.error, OutOfGas) else "halted"
        return Outcome(0, spent, output, error, [], [], [])
    refund = min(computation.get_gas_refund(), spent // _REFUND_QUOTIENT)
    events = [
        ("0x" + address.hex(), tuple(topic.to_bytes(32, "big") for topic in topics), bytes(data))
        for address, topics, data in computation.get_log_entries()
    ]
    output = bytes(computation.output)
    return Outcome(1, spent - refund, output, "", events, list(view.written), list(view.balances))


class Auditor:
    """Draws transactions and holds the engine to what py-evm says of them.

    `share` is the fraction of all transactions that is drawn, 1 for all.
    """

    def __init__(self, share: float = DEFAULT_SHARE, seed: int = 0) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"a share of transactions to audit lies between 0 and 1: {share}")
        self.share = share
        self.transactions = 0
        self.audited = 0
        self.disagreements = 0
        self._seed = seed
        self._below = int(share * (1 << 64))

    def draws(self) -> bool:
        """Whether the next transaction is to be audited."""
        number = self.transactions
        self.transactions = number + 1
        return _mixed(self._seed, number) < self._below

    def compare(self, state: State, wanted: Outcome, tx: Tx, receipt: Receipt, gas: bool) -> None:
        """Raise `AuditFailure` unless the engine did what `wanted` says; the gas only where `gas` is true."""
        self.audited += 1
        found = _difference(state, wanted, receipt, gas)
        if found:
            self.disagreements += 1
            what, revm, pyevm = found
            raise AuditFailure(
                f"the audit disagrees about transaction {receipt.position} of block {receipt.block}"
                f" (0x{tx.data[:4].hex()} from {tx.sender} to {tx.to}): {what} is {_short(revm)} on revm,"
                f" {_short(pyevm)} on py-evm"
            )


def _difference(
    state: State, wanted: Outcome, receipt: Receipt, gas: bool
) -> tuple[str, object, object] | None:
    """What differs, as it is on revm and on py-evm; None if nothing does."""
    if receipt.status != wanted.status:
        return "the status", f"{receipt.status} {receipt.reason}", f"{wanted.status} {wanted.error}"
    error = receipt.error.partition(":")[0] if receipt.error else ""
    if error != wanted.error and not (wanted.error == "rejected" and receipt.error.startswith(REJECTED)):
        return "the error", error or "a revert", wanted.error or "a revert"
    if receipt.output != wanted.output:
        return "the return data", receipt.output.hex(), wanted.output.hex()
    if len(receipt.logs) != len(wanted.events):
        return "the number of events", len(receipt.logs), len(wanted.events)
    for number, (log, (address, topics, data)) in enumerate(zip(receipt.logs, wanted.events)):
        mine = (log.address, tuple(map(bytes, log.topics)), bytes(log.data))
        if mine != (address, topics, data):
            return f"event {number}", _told(*mine), _told(address, topics, data)
    for address, slot, value in wanted.storage:
        held = state.storage(address, slot)
        if held != value:
            return f"slot {slot:#x} of {address}", held, value
    for address, balance in wanted.balances:
        held = state.held(address)
        if held != balance:
            return f"the balance of {address}", held, balance
    if gas and receipt.gas_used != wanted.gas_used:
        return "the gas used", receipt.gas_used, wanted.gas_used
    return None


def _told(address: str, topics: tuple[bytes, ...], data: bytes) -> str:
    return " ".join([address, *(topic.hex() for topic in topics), data.hex()])


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _WORDS_SHOWN else text[: _WORDS_SHOWN - 3] + "..."


def _mixed(seed: int, number: int) -> int:
    """64 bits that look random (splitmix64)."""
    word = (seed * 0xD1342543DE82EF95 + (number + 1) * 0x9E3779B97F4A7C15) & _MASK
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _MASK
    return word ^ (word >> 31)
