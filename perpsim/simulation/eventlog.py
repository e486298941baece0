"""Decodes logs once, hands each event to whoever follows it, and keeps all of them for events.parquet."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from perpsim.chain import Event, Interface, Log, LogDigest

Handler = Callable[[Any, int], None]
Renderer = Callable[[tuple[Any, ...]], str]

_SCHEMA = {
    "block": pl.Int64,
    "time": pl.Int64,
    "tx": pl.Int64,
    "log": pl.Int64,
    "contract": pl.String,
    "event": pl.String,
    "args": pl.String,
}
# Events that are kept decoded before they are written out: enough to make a table of, little memory.
_CHUNK = 10_000


class EventLog:
    """The decoded log of a run. Handlers hear of an event at once; text for the record is made in batches."""

    def __init__(self) -> None:
        self._digest = LogDigest()
        self._known: dict[str, dict[bytes, _Kind]] = {}
        self._names: dict[str, str] = {}
        # Kind of event, position of the transaction and of the log, values; and of each `take` step, time and
        # where its events end.
        self._events: list[tuple[_Kind, int, int, Any]] = []
        self._takes: list[tuple[int, int, int]] = []
        self._chunks: list[pl.DataFrame] = []
        self._written = 0

    @property
    def count(self) -> int:
        """Events so far."""
        return self._written + len(self._events)

    def contract(self, address: str, name: str, interface: Interface) -> None:
        """Decode the logs of `address` under `name`."""
        self._names[address] = name
        self._known[address] = {
            topic: _Kind(
                name, event.name, event.decode, renderer(event), names_addresses(event), is_plain(event)
            )
            for topic, event in interface.events_by_topic.items()
        }

    def follow(self, address: str, handlers: Mapping[str, Handler]) -> None:
        """Call a handler for each event of a contract that it names; names a contract lacks are an error."""
        wanted = dict(handlers)
        for kind in self._known[address].values():
            if kind.event in wanted:
                kind.handlers.append(wanted.pop(kind.event))
        if wanted:
            raise ValueError(f"no events {sorted(wanted)} at {address}")

    def take(self, step: int, time: int, logs: Iterable[Log]) -> None:
        """Decode and hand out the logs of one transaction of block `step` at `time` (seconds)."""
        contracts, events = self._known, self._events
        try:
            for address, topics, data, _, tx, position in logs:
                try:
                    kind = contracts[address][topics[0]]
                except (KeyError, IndexError):
                    kind = _unknown(address)
                values = kind.decode(topics, data)
                events.append((kind, tx, position, values))
                for handler in kind.handlers:
                    handler(values, time)
        finally:
            self._takes.append((step, time, len(events)))
        if len(events) >= _CHUNK:
            self._close_chunk()

    @property
    def digest(self) -> LogDigest:
        """Covers every event so far, in order."""
        self._close_chunk()
        return self._digest

    def frame(self) -> pl.DataFrame:
        """All events so far."""
        self._close_chunk()
        if not self._chunks:
            return pl.DataFrame(schema=_SCHEMA)
        return pl.concat(self._chunks)

    def _close_chunk(self) -> None:
        """Write out the events that are kept decoded: text for the table, lines for the digest."""
        events = self._events
        if not events:
            return
        texts: list[str] = []
        said: list[str] = []
        start = 0
        for step, _, end in self._takes:
            lines: list[str] = []
            for kind, _, _, values in events[start:end]:
                text = kind.render(values)
                texts.append(text)
                if kind.addresses:
                    text = kind.render(self._labelled(values))
                lines.append(kind.head + text if kind.plain else escaped(kind.head + text))
            said.append(f"{step}   ['" + "', '".join(lines) + "']\n")
            start = end
        self._digest.add_lines(said)
        kinds, txs, positions, _ = zip(*events)
        steps, times, ends = (np.array(column) for column in zip(*self._takes))
        counts = np.diff(ends, prepend=0)
        columns = {
            "block": np.repeat(steps, counts),
            "time": np.repeat(times, counts),
            "tx": np.array(txs),
            "log": np.array(positions),
            "contract": [kind.contract for kind in kinds],
            "event": [kind.event for kind in kinds],
            "args": texts,
        }
        self._chunks.append(pl.DataFrame(columns, schema=_SCHEMA))
        self._written += len(events)
        self._events.clear()
        self._takes.clear()

    def _labelled(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """Values with the names of contracts in place of their addresses, which differ between engines."""
        names = self._names
        return tuple(names.get(value, value) if isinstance(value, str) else value for value in values)


@dataclass(slots=True, eq=False)
class _Kind:
    """A kind of event of a contract, and who follows it."""

    contract: str
    event: str
    decode: Callable[[Sequence[bytes], bytes], Any]
    render: Renderer
    addresses: bool
    plain: bool
    handlers: list[Handler] = field(default_factory=list)
    #: what a line of the digest begins with
    head: str = field(init=False)

    def __post_init__(self) -> None:
        self.head = f"{self.contract} {self.event} "


def _unknown(address: str) -> _Kind:
    """An event of a contract that nobody named: kept raw, so that the record is complete."""

    def raw(topics: Sequence[bytes], data: bytes) -> str:
        fields = {"topics": [bytes(topic).hex() for topic in topics], "data": bytes(data).hex()}
        return json.dumps(fields, separators=(",", ":"))

    return _Kind(address, "?", raw, str, addresses=False, plain=True)


def escaped(line: str) -> str:
    """A line as the digest takes it: as Python writes it within single quotes."""
    return repr('"' + line)[2:-1]


def is_plain(event: Event) -> bool:
    """Whether there is nothing in the event's text that would have to be escaped."""
    return all(kind.kind in ("uint", "int", "address", "bool") for kind in event.types)


def names_addresses(event: Event) -> bool:
    """Whether an address is among the event's values, or might be."""
    return any(kind.kind not in ("uint", "int", "bool") for kind in event.types)


def renderer(event: Event) -> Renderer:
    """A function that writes an event's values as canonical JSON: integers as decimal strings."""
    if is_plain(event):
        flags = [at for at, kind in enumerate(event.types) if kind.kind == "bool"]
        quoted = ("%s" if kind.kind == "bool" else '"%s"' for kind in event.types)
        template = "{" + ",".join(f'"{name}":{form}' for name, form in zip(event.names, quoted)) + "}"

        if not flags:
            return template.__mod__

        def fill(values: tuple[Any, ...]) -> str:
            parts = list(values)
            for at in flags:
                parts[at] = "true" if parts[at] else "false"
            return template % tuple(parts)

        return fill

    def render(values: tuple[Any, ...]) -> str:
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
