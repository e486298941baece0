"""A running digest of the decoded log, equal on every engine that did the same.

Gas, transaction hashes and absolute block numbers stay out of it. Known addresses (contracts by name,
accounts by index) are replaced, so that an engine on which the contracts stand elsewhere still agrees.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .base import Log
from .codec import Interface

_CHUNK = 1_000


class LogDigest:
    """Feed it with `add` (decoded events) or `add_logs` (raw logs); read `hexdigest` at any time.

    `step` is the caller's own count of blocks (0 for set-up), not the block number of the engine.
    """

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=32)
        self._lines: list[str] = []
        self._names: dict[str, str] = {}
        self._contracts: dict[str, tuple[str, Interface]] = {}
        #: events taken in so far
        self.count = 0

    def name(self, address: str, label: str) -> None:
        """Stand `label` for `address` in the arguments of events."""
        self._names[address.lower()] = label

    def contract(self, address: str, name: str, interface: Interface) -> None:
        """Decode the logs of `address` with `interface` in `add_logs`, under `name`."""
        self.name(address, name)
        self._contracts[address.lower()] = (name, interface)

    def add(self, step: int, contract: str, event: str, values: Sequence[Any]) -> None:
        """One decoded event: `values` as `Event.decode` gives them."""
        names = self._names
        # plain values of the types that the codec gives; repr of those is the same everywhere
        parts = [
            names.get(v, v) if type(v) is str else v if type(v) is int else _canonical(v, names)
            for v in values
        ]
        self._lines.append(f"{step} {contract} {event} {parts!r}\n")
        self.count += 1
        if len(self._lines) >= _CHUNK:
            self._drain()

    def add_lines(self, lines: Sequence[str]) -> None:
        """What `add` would make of as many events, written already."""
        self._lines += lines
        self.count += len(lines)
        self._drain()

    def add_logs(self, step: int, logs: Iterable[Log]) -> None:
        """Raw logs in order; those of unknown contracts or events go in undecoded."""
        for log in logs:
            found = self._contracts.get(log.address)
            event = found[1].events_by_topic.get(bytes(log.topics[0])) if found and log.topics else None
            if found is None or event is None:
                raw = [bytes(t) for t in log.topics]
                self.add(
                    step,
                    found[0] if found else self._names.get(log.address, log.address),
                    "?",
                    [raw, log.data],
                )
            else:
                self.add(step, found[0], event.name, event.decode(log.topics, log.data))

    def _drain(self) -> None:
        self._hash.update("".join(self._lines).encode())
        self._lines.clear()

    def hexdigest(self) -> str:
        """Digest of everything so far, 64 hex digits."""
        self._drain()
        return self._hash.hexdigest()


def _canonical(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, list | tuple):
        return [_canonical(item, names) for item in value]
    if isinstance(value, bytes | bytearray):
        return bytes(value).hex()
    return value
