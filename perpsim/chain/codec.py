"""ABI codec with functions generated from the ABI.

`eth_abi` spends 12 to 20 us on a call or an event, more than the EVM does. Here every function and event gets
its own Python code, made once: `int.to_bytes`, and words cut out at fixed offsets. What the generated code
does not handle (nested dynamic types, numpy integers, dicts for structs) or rejects goes through the plain
codec of `perpsim.chain.abi`, which also words the errors.

Addresses are lower case hex strings, structs and events named tuples, integers Python ints.
Decoding trusts the padding of a word (it comes from an EVM), never a length or an offset.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from eth_hash.auto import keccak

from .abi import (
    ONE,
    ZERO,
    Type,
    address_texts,
    address_words,
    decode_value,
    encode_items,
    parse_type,
    record,
    sized,
    word_at,
)

Abi = Sequence[Mapping[str, Any]]


def _bad() -> bytes:
    raise ValueError("left to the plain codec, which names the argument")


def _read_list(data: bytes, head: int, stride: int, item: Callable[[bytes, int], Any]) -> list[Any]:
    start = word_at(data, head)
    count = word_at(data, start)
    start += 32
    stop = start + count * stride
    if stop > len(data):
        raise ValueError(f"ABI data of {len(data)} bytes is too short for {count} items")
    return [item(data, at) for at in range(start, stop, stride)]


class _Writer:
    """Collects the source of one generated function and the objects it refers to."""

    def __init__(self) -> None:
        self.scope: dict[str, Any] = {
            "_join": b"".join,
            "_address_words": address_words,
            "_address_texts": address_texts,
            "_bad": _bad,
            "_ONE": ONE,
            "_ZERO": ZERO,
            "_i": int.from_bytes,
            "_new": tuple.__new__,
            "_read_list": _read_list,
            "_decode_value": decode_value,
            "_word": word_at,
            "_sized": sized,
        }
        self.lines: list[str] = []
        self.count = 0

    def name(self, value: Any = None, stem: str = "x") -> str:
        self.count += 1
        label = f"_{stem}{self.count}"
        if value is not None:
            self.scope[label] = value
        return label

    def compile(self, name: str, source: list[str]) -> Any:
        exec("\n".join(source), self.scope)
        return self.scope[name]

    # encoding: each returns expressions that join to the bytes; statements go to `out`

    def encode(self, t: Type, var: str, out: list[str], indent: str) -> list[str]:
        kind = t.kind
        if kind == "uint" or kind == "int":
            width = t.size // 8
            if kind == "uint":
                if width == 32:
                    return [f"{var}.to_bytes(32)"]
                return [self.name(bytes(32 - width), "z"), f"{var}.to_bytes({width})"]
            body = f"{var}.to_bytes({width}, 'big', signed=True)"
            if width == 32:
                return [body]
            low, high = self.name(bytes(32 - width), "z"), self.name(b"\xff" * (32 - width), "f")
            return [f"({high} if {var} < 0 else {low})", body]
        if kind == "address":
            return [f"_address_words[{var}]"]
        if kind == "bool":
            return [f"(_ONE if {var} is True else _ZERO if {var} is False else _bad())"]
        if kind == "fixed":
            pad = [self.name(bytes(32 - t.size), "z")] if t.size < 32 else []
            return [f"({var} if type({var}) is bytes and len({var}) == {t.size} else _bad())", *pad]
        if kind == "tuple":
            fields = [self.name(stem="v") for _ in t.items]
            out.append(f"{indent}({''.join(f + ', ' for f in fields)}) = {var}")
            return [part for f, item in zip(fields, t.items) for part in self.encode(item, f, out, indent)]
        # an array of static items
        if kind == "array":
            out.append(f"{indent}if type({var}) is dict or len({var}) != {t.size}: _bad()")
        return [f"_join([{self.item_encoder(t.items[0])} for e in {var}])"]

    def item_encoder(self, item: Type) -> str:
        body: list[str] = []
        parts = self.encode(item, "e", body, "    ")
        if not body and len(parts) == 1:
            return parts[0]
        label = self.name(stem="enc")
        self.compile(label, [f"def {label}(e):", *body, f"    return _join(({', '.join(parts)},))"])
        return f"{label}(e)"

    def words(self, count: int, offset: int | str = 0) -> tuple[str, list[str]]:
        """A statement that cuts `count` words out of `d` from `offset` on, and the names it gives them."""
        names = [f"w{number}" for number in range(count)]
        cut = self.name(struct.Struct("32s" * count).unpack_from, "cut")
        return f"({', '.join(names)},) = {cut}(d, {offset})", names

    def decode(self, t: Type, words: Sequence[str]) -> str:
        """Expression for a static type that lies in the given words, by their names."""
        kind, word = t.kind, words[0]
        if kind == "uint":
            return f"_i({word})"
        if kind == "int":
            return f"_i({word}, 'big', signed=True)"
        if kind == "bool":
            return f"({word}[31] == 1)"
        if kind == "address":
            return f"_address_texts[{word}[12:]]"
        if kind == "fixed":
            return f"{word}[:{t.size}]"
        items = t.items * t.size if kind == "array" else t.items
        parts = []
        at = 0
        for item in items:
            parts.append(self.decode(item, words[at:]))
            at += item.words
        values = "(" + "".join(part + ", " for part in parts) + ")"
        return values if kind == "array" else f"_new({self.name(t.struct, 'T')}, {values})"

    def decode_head(self, t: Type, at: int, words: Sequence[str]) -> str:
        """Expression for any type whose head is at `at` of `d`, in the words of those names."""
        if not t.dynamic:
            return self.decode(t, words)
        if t.kind == "list" and not t.items[0].dynamic:
            item, label = t.items[0], self.name(stem="dec")
            cut, names = self.words(item.words, "o")
            self.compile(
                label, [f"def {label}(d, o):", f"    {cut}", f"    return {self.decode(item, names)}"]
            )
            return f"_read_list(d, {at}, {32 * item.words}, {label})"
        return f"_decode_value({self.name(t, 't')}, d, _word(d, {at}))"

    def decode_heads(self, types: Sequence[Type]) -> tuple[list[str], list[str], int]:
        """Statements and expressions that decode `d`, and how many bytes the heads take."""
        count = sum(t.words for t in types)
        if not count:
            return [], [], 0
        cut, names = self.words(count)
        parts = []
        at = 0
        for t in types:
            parts.append(self.decode_head(t, 32 * at, names[at:]))
            at += t.words
        return [cut], parts, 32 * count


def _make_encoder(
    label: str, prefix: bytes, types: Sequence[Type], names: Sequence[str]
) -> Callable[..., bytes]:
    paths = [
        f"{label}: argument {i + 1} ({n or '_'}: {t.canonical})" for i, (n, t) in enumerate(zip(names, types))
    ]

    def plain(args: Sequence[Any]) -> bytes:
        if len(args) != len(types):
            raise ValueError(f"{label}: takes {len(types)} arguments, got {len(args)}")
        return prefix + encode_items(types, args, paths)

    def fast_tail(t: Type) -> bool:
        return not t.dynamic or t.kind in ("bytes", "string") or (t.kind == "list" and not t.items[0].dynamic)

    if not types:
        encoded = prefix

        def nothing(*args: Any) -> bytes:
            return encoded if not args else plain(args)

        return nothing
    if not all(fast_tail(t) for t in types):
        return lambda *args: plain(args)
    w = _Writer()
    w.scope["_plain"] = plain
    w.scope["_prefix"] = prefix
    args = [f"a{i}" for i in range(len(types))]
    body = [f"        ({', '.join(args)},) = args"]
    heads: list[str] = []
    tails: list[str] = []
    at = str(32 * sum(t.words for t in types))
    for t, arg in zip(types, args):
        if not t.dynamic:
            heads += w.encode(t, arg, body, "        ")
            continue
        tail = w.name(stem="tail")
        if t.kind == "bytes":
            body.append(f"        {tail} = _sized({arg}) if type({arg}) is bytes else _bad()")
        elif t.kind == "string":
            body.append(f"        {tail} = _sized({arg}.encode())")
        else:
            body.append(f"        if type({arg}) is not list and type({arg}) is not tuple: _bad()")
            (items,) = w.encode(t, arg, body, "        ")
            body.append(f"        {tail} = len({arg}).to_bytes(32) + {items}")
        heads.append(f"({at}).to_bytes(32)")
        at += f" + len({tail})"
        tails.append(tail)
    source = ["def encode(*args):", "    try:", *body]
    source += [f"        return _join((_prefix, {', '.join(heads + tails)},))"]
    # whatever the fast path stumbles over, the plain codec either accepts or names
    source += ["    except Exception:", "        return _plain(args)"]
    encoder: Callable[..., bytes] = w.compile("encode", source)
    return encoder


def _make_decoder(label: str, types: Sequence[Type]) -> Callable[[bytes], Any]:
    if not types:
        return lambda data: None
    w = _Writer()
    statements, parts, size = w.decode_heads(types)
    value = parts[0] if len(parts) == 1 else "(" + ", ".join(parts) + ")"
    w.scope["_short_data"] = _short_data
    source = [
        "def decode(d):",
        f"    if len(d) < {size}: _short_data({label!r}, {size}, d)",
        *(f"    {statement}" for statement in statements),
        f"    return {value}",
    ]
    decoder: Callable[[bytes], Any] = w.compile("decode", source)
    return decoder


def _short_data(label: str, wanted: int, data: bytes) -> None:
    raise ValueError(f"{label}: {len(data)} bytes of ABI data, at least {wanted} expected")


def signature(entry: Mapping[str, Any]) -> str:
    """`name(type,...)` of a function or event."""
    return f"{entry['name']}({','.join(parse_type(i).canonical for i in entry.get('inputs', ()))})"


def encode_args(label: str, inputs: Abi, args: Sequence[Any]) -> bytes:
    """Arguments without a selector, for a constructor."""
    types = [parse_type(i) for i in inputs]
    return _make_encoder(label, b"", types, [str(i["name"]) for i in inputs])(*args)


class Function:
    """One external function; several ABI entries when default arguments make overloads.

    `encode(*args) -> bytes` is calldata, the overload picked by the number of arguments;
    `decode(data)` is the single output, a tuple of several, or None.
    """

    def __init__(self, *entries: Mapping[str, Any]) -> None:
        if not entries:
            raise ValueError("a function needs an ABI entry")
        self.name = str(entries[0]["name"])
        self.signatures = tuple(signature(e) for e in entries)
        self.selectors = tuple(keccak(s.encode())[:4] for s in self.signatures)
        self.view = entries[0].get("stateMutability") in ("view", "pure")
        self.payable = entries[0].get("stateMutability") == "payable"
        encoders: dict[int, Callable[..., bytes]] = {}
        for entry, selector in zip(entries, self.selectors):
            inputs = entry.get("inputs", ())
            types = [parse_type(i) for i in inputs]
            names = [str(i["name"]) for i in inputs]
            encoders[len(types)] = _make_encoder(self.name, selector, types, names)
        if len(encoders) != len(entries):
            raise ValueError(f"{self.name}: overloads with the same number of arguments")
        self.encode: Callable[..., bytes]
        if len(entries) == 1:
            self.encode = next(iter(encoders.values()))
        else:
            counts = ", ".join(map(str, sorted(encoders)))

            def encode(*args: Any) -> bytes:
                encoder = encoders.get(len(args))
                if encoder is None:
                    raise ValueError(f"{self.name}: takes {counts} arguments, got {len(args)}")
                return encoder(*args)

            self.encode = encode
        longest = max(entries, key=lambda e: len(e.get("inputs", ())))
        self.inputs = tuple(str(i["name"]) for i in longest.get("inputs", ()))
        self.decode: Callable[[bytes], Any] = _make_decoder(
            self.name, [parse_type(o) for o in longest.get("outputs", ())]
        )

    @property
    def selector(self) -> bytes:
        """The selector of the only entry, or of the one with the fewest arguments."""
        return min(zip(map(len, self.signatures), self.selectors))[1]

    def __repr__(self) -> str:
        return f"Function({' | '.join(self.signatures)})"


class Event:
    """One event. `decode(topics, data)` gives a named tuple of the values in the order of the ABI.

    `topics` includes topic 0. An indexed string, bytes, array or struct is its 32-byte hash.
    """

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.name = str(entry["name"])
        self.signature = signature(entry)
        inputs = entry.get("inputs", ())
        self.names = tuple(str(i["name"]) for i in inputs)
        self.types = tuple(parse_type(i) for i in inputs)
        self.indexed = tuple(bool(i.get("indexed")) for i in inputs)
        self.topic0 = keccak(self.signature.encode())
        self.record = record(self.name, self.names)
        w = _Writer()
        topics = [] if entry.get("anonymous") else ["_"]
        plain = [t for t, indexed in zip(self.types, self.indexed) if not indexed]
        statements, heads, size = w.decode_heads(plain)
        in_data = iter(heads)
        parts: list[str] = []
        for t, indexed in zip(self.types, self.indexed):
            if indexed:
                topic = f"p{len(topics)}"
                whole = t.dynamic or t.kind in ("array", "tuple")
                parts.append(topic if whole else w.decode(t, [topic]))
                topics.append(topic)
            else:
                parts.append(next(in_data))
        w.scope.update(_short_data=_short_data, _record=self.record, _short=(ValueError, struct.error))
        source = [
            "def decode(p, d):",
            "    try:",
            f"        [{', '.join(topics)}] = p",
            *(f"        {statement}" for statement in statements),
            "    except _short:",
            f"        _short_data({self.name!r}, {size}, d)",
            f"    return _new(_record, ({''.join(part + ', ' for part in parts)}))",
        ]
        self.decode: Callable[[Sequence[bytes], bytes], Any] = w.compile("decode", source)

    def as_dict(self, values: Sequence[Any]) -> dict[str, Any]:
        """Decoded values by their ABI names."""
        return dict(zip(self.names, values))

    def __repr__(self) -> str:
        return f"Event({self.signature})"


class Interface:
    """Codecs of a whole ABI."""

    def __init__(self, abi: Iterable[Mapping[str, Any]]) -> None:
        grouped: dict[str, list[Mapping[str, Any]]] = {}
        self.constructor_inputs: Abi = ()
        self.events: dict[str, Event] = {}
        for entry in abi:
            kind = entry.get("type")
            if kind == "function":
                grouped.setdefault(str(entry["name"]), []).append(entry)
            elif kind == "event":
                self.events[str(entry["name"])] = Event(entry)
            elif kind == "constructor":
                self.constructor_inputs = entry.get("inputs", ())
        self.functions = {name: Function(*entries) for name, entries in grouped.items()}
        self.functions_by_selector = {s: f for f in self.functions.values() for s in f.selectors}
        self.events_by_topic = {e.topic0: e for e in self.events.values()}

    def encode_constructor(self, *args: Any) -> bytes:
        """Constructor arguments, to append to the creation bytecode."""
        return encode_args("constructor", self.constructor_inputs, args)
