"""Decodes logs once, hands each event to whoever follows it, and keeps all of them for events.parquet."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from perpsim.chain import Event, Interface, Log, LogDigest

Handler = Callable[[Any, int], None]
Renderer = Callable[[Sequence[Any]], str]

_SCHEMA = {
    "block": pl.Int64,
    "time": pl.Int64,
    "tx": pl.Int64,
    "log": pl.Int64,
    "contract": pl.String,
    "event": pl.String,
    "args": pl.String,
}
_CHUNK = 50_000


class EventLog:
    """The decoded log of a run. `digest` covers every event in order."""

    def __init__(self) -> None:
        self.digest = LogDigest()
        self._known: dict[str, dict[bytes, _Known]] = {}
        self._rows: list[tuple[Any, ...]] = []
        self._names: dict[str, str] = {}
        self.count = 0
        self._chunks: list[pl.DataFrame] = []

    def contract(self, address: str, name: str, interface: Interface) -> None:
        """Decode the logs of `address` under `name`."""
        self._names[address] = name
        self._known[address] = {
            topic: _Known(name, event.name, event.decode, renderer(event), names_addresses(event), [])
            for topic, event in interface.events_by_topic.items()
        }

    def follow(self, address: str, handlers: Mapping[str, Handler]) -> None:
        """Call a handler for each event of a contract that it names; names a contract lacks are an error."""
        wanted = dict(handlers)
        for known in self._known[address].values():
            if known.event in wanted:
                known.handlers.append(wanted.pop(known.event))
        if wanted:
            raise ValueError(f"no events {sorted(wanted)} at {address}")

    def take(self, step: int, time: int, logs: Iterable[Log]) -> None:
        """Decode and hand out the logs of one transaction of block `step` at `time` (seconds)."""
        known, keep = self._known, self._rows.append
        lines: list[str] = []
        for log in logs:
            found = known.get(log.address)
            entry = found.get(bytes(log.topics[0])) if found and log.topics else None
            if entry is None:
                # A contract that nobody named: kept raw, so that the record is complete.
                raw = {"topics": [bytes(topic).hex() for topic in log.topics], "data": bytes(log.data).hex()}
                contract, name, text = log.address, "?", json.dumps(raw, separators=(",", ":"))
                lines.append(f"{contract} {name} {text}")
            else:
                contract, name, decode, render, addresses, handlers = entry
                values = decode(log.topics, log.data)
                text = render(values)
                if addresses:
                    # The same contract may stand elsewhere on another engine: its name goes into the digest.
                    lines.append(f"{contract} {name} {render([self._label(value) for value in values])}")
                else:
                    lines.append(f"{contract} {name} {text}")
                for handler in handlers:
                    handler(values, time)
            keep((step, time, log.tx_index, log.log_index, contract, name, text))
        self.count += len(lines)
        self.digest.add(step, "", "", lines)
        if len(self._rows) >= _CHUNK:
            self._close_chunk()

    def _label(self, value: Any) -> Any:
        """The name of a contract in place of its address."""
        return self._names.get(value, value) if isinstance(value, str) else value

    def frame(self) -> pl.DataFrame:
        """All events so far."""
        self._close_chunk()
        if not self._chunks:
            return pl.DataFrame(schema=_SCHEMA)
        return pl.concat(self._chunks)

    def _close_chunk(self) -> None:
        if self._rows:
            self._chunks.append(pl.DataFrame(dict(zip(_SCHEMA, zip(*self._rows))), schema=_SCHEMA))
            self._rows.clear()


class _Known(NamedTuple):
    """An event of a named contract, and who follows it."""

    contract: str
    event: str
    decode: Callable[[Sequence[bytes], bytes], Any]
    render: Renderer
    addresses: bool
    handlers: list[Handler]


def names_addresses(event: Event) -> bool:
    """Whether an address is among the event's values, or might be."""
    return any(kind.kind not in ("uint", "int", "bool") for kind in event.types)


def renderer(event: Event) -> Renderer:
    """A function that writes an event's values as canonical JSON: integers as decimal strings."""
    if all(kind.kind in ("uint", "int", "address", "bool") for kind in event.types):
        flags = [at for at, kind in enumerate(event.types) if kind.kind == "bool"]
        quoted = ("%s" if kind.kind == "bool" else '"%s"' for kind in event.types)
        template = "{" + ",".join(f'"{name}":{form}' for name, form in zip(event.names, quoted)) + "}"

        def fill(values: Sequence[Any]) -> str:
            if not flags:
                return template % tuple(values)
            parts = list(values)
            for at in flags:
                parts[at] = "true" if parts[at] else "false"
            return template % tuple(parts)

        return fill

    def render(values: Sequence[Any]) -> str:
        return json.dumps(dict(zip(event.names, map(_plain, values))), separators=(",", ":"))

    return render


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if hasattr(value, "_asdict"):
        return {name: _plain(item) for name, item in value._asdict().items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
