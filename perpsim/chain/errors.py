"""Errors of the chain layer, and revert data turned into words."""

from __future__ import annotations

from perpsim.errors import UserError

PANIC_REASONS = {
    0x00: "generic panic",
    0x01: "assertion failed",
    0x11: "arithmetic overflow or underflow",
    0x12: "division by zero",
    0x21: "conversion out of range",
    0x22: "bad storage encoding",
    0x31: "pop of an empty array",
    0x32: "index out of bounds",
    0x41: "out of memory",
    0x51: "call of an uninitialised function",
}

ERROR_SELECTOR = bytes.fromhex("08c379a0")
PANIC_SELECTOR = bytes.fromhex("4e487b71")

#: Revert data kept in a receipt, in bytes. A contract can revert with megabytes; nobody reads them.
MAX_REVERT_BYTES = 1_024


class EngineError(UserError):
    """The engine itself cannot go on (does not answer, is unknown, refuses); one line for the user."""


class AuditFailure(EngineError):
    """Two implementations of the EVM disagree about a transaction; one line that says what about."""


class Revert(Exception):
    """A view or a deployment reverted. `reason` is readable, `data` is the (bounded) revert data."""

    def __init__(self, reason: str, data: bytes = b"") -> None:
        super().__init__(reason)
        self.reason = reason
        self.data = data


def decode_revert(data: bytes) -> str:
    """The reason in revert data: `Error(string)`, `Panic(uint256)`, another selector, or nothing."""
    if not data:
        return "reverted without a reason"
    selector = data[:4]
    if selector == ERROR_SELECTOR and len(data) >= 68:
        size = int.from_bytes(data[36:68], "big")
        text = data[68 : 68 + min(size, MAX_REVERT_BYTES)]
        return text.decode("utf-8", "replace")
    if selector == PANIC_SELECTOR and len(data) >= 36:
        code = int.from_bytes(data[4:36], "big")
        return f"panic {code:#x}: {PANIC_REASONS.get(code, 'unknown')}"
    if len(data) >= 4:
        return f"custom error 0x{selector.hex()}"
    return f"malformed revert data 0x{data.hex()}"
