"""Decodes logs once, hands each event to whoever follows it, and keeps all of them for events.parquet."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

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
        self.count = 0
        self._known: dict[tuple[str, bytes], tuple[str, str, Any, Renderer, list[Handler]]] = {}
        self._interfaces: list[tuple[str, str, Interface]] = []
        self._columns: list[list[Any]] = [[] for _ in _SCHEMA]
        self._chunks: list[pl.DataFrame] = []

    def contract(self, address: str, name: str, interface: Interface) -> None:
        """Decode the logs of `address` under `name`."""
        self.digest.name(address, name)
        self._interfaces.append((address, name, interface))
        for topic, event in interface.events_by_topic.items():
            self._known[(address, topic)] = (name, event.name, event.decode, renderer(event), [])

    def follow(self, address: str, handlers: Mapping[str, Handler]) -> None:
        """Call a handler for each event of a contract that it names; names a contract lacks are an error."""
        wanted = dict(handlers)
        for (owner, _), entry in self._known.items():
            if owner == address and entry[1] in wanted:
                entry[4].append(wanted.pop(entry[1]))
        if wanted:
            raise ValueError(f"no events {sorted(wanted)} at {address}")

    def take(self, step: int, time: int, logs: Iterable[Log]) -> None:
        """Decode and hand out the logs of one transaction of block `step` at `time` (seconds)."""
        blocks, times, txs, numbers, contracts, events, args = self._columns
        add = self.digest.add
        for log in logs:
            entry = self._known.get((log.address, bytes(log.topics[0]))) if log.topics else None
            if entry is None:
                # A contract that nobody named: kept raw, so that the record is complete.
                raw = {"topics": [bytes(topic).hex() for topic in log.topics], "data": bytes(log.data).hex()}
                contract, name, text = log.address, "?", json.dumps(raw, separators=(",", ":"))
                add(step, contract, name, [text])
            else:
                contract, name, decode, render, handlers = entry
                values = decode(log.topics, log.data)
                text = render(values)
                add(step, contract, name, values)
                for handler in handlers:
                    handler(values, time)
            blocks.append(step)
            times.append(time)
            txs.append(log.tx_index)
            numbers.append(log.log_index)
            contracts.append(contract)
            events.append(name)
            args.append(text)
            self.count += 1
        if len(blocks) >= _CHUNK:
            self._close_chunk()

    def frame(self) -> pl.DataFrame:
        """All events so far."""
        self._close_chunk()
        if not self._chunks:
            return pl.DataFrame(schema=_SCHEMA)
        return pl.concat(self._chunks)

    def _close_chunk(self) -> None:
        if self._columns[0]:
            self._chunks.append(pl.DataFrame(dict(zip(_SCHEMA, self._columns)), schema=_SCHEMA))
            self._columns = [[] for _ in _SCHEMA]


def renderer(event: Event) -> Renderer:
    """A function that writes an event's values as canonical JSON: integers as decimal strings."""
    simple = all(kind.kind in ("uint", "int", "address") for kind in event.types)
    if simple:
        template = "{" + ",".join(f'"{name}":"%s"' for name in event.names) + "}"
        return lambda values: template % tuple(values)

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
