"""How a transaction ends that is not to happen."""

from __future__ import annotations


class Refused(Exception):
    """A transaction that the rules do not allow; `reason` is what the contracts say."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def require(condition: bool, reason: str) -> None:
    """Refuse the transaction unless the condition holds."""
    if not condition:
        raise Refused(reason)
