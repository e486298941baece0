"""ABI codec with functions generated from the ABI.

`eth_abi` spends 12 to 20 us on a call or an event, more than the EVM does. Here every function and event gets
its own Python code, made once: `int.to_bytes` and slices at fixed offsets. What the generated code does not
handle (nested dynamic types, numpy integers, dicts for structs) or rejects goes through a plain recursive
codec, which also words the errors: every value that does not fit its type is a `ValueError` naming the
argument.

Addresses are lower case hex strings, structs and events named tuples, integers Python ints.
Decoding trusts the padding of a word (it comes from an EVM), never a length or an offset.
"""

from __future__ import annotations

import operator
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_hash.auto import keccak

Abi = Sequence[Mapping[str, Any]]

_ZERO = bytes(32)
_ONE = b"\0" * 31 + b"\1"
_from_bytes = int.from_bytes
_CACHE_LIMIT = 500_000


# --------------------------------------------------------------------------------------------- types


@dataclass(frozen=True)
class Type:
    """One ABI type. `kind`: uint, int, address, bool, fixed (bytesN), bytes, string, array, list or tuple."""

    kind: str
    canonical: str
    size: int = 0  # bits of an integer, bytes of bytesN, length of a fixed array
    items: tuple[Type, ...] = ()
    names: tuple[str, ...] = ()
    struct: Any = None  # the named tuple class of a struct

    @property
    def dynamic(self) -> bool:
        """Encoded behind an offset."""
        return self.kind in ("bytes", "string", "list") or any(t.dynamic for t in self.items)

    @property
    def words(self) -> int:
        """Words of 32 bytes in the head."""
        if self.dynamic:
            return 1
        if self.kind == "array":
            return self.size * self.items[0].words
        if self.kind == "tuple":
            return sum(t.words for t in self.items)
        return 1


def parse_type(entry: Mapping[str, Any]) -> Type:
    """The type of an ABI input, output or component."""
    return _parse(str(entry["type"]), entry)


def _parse(text: str, entry: Mapping[str, Any]) -> Type:
    if text.endswith("]"):
        base, _, length = text[:-1].rpartition("[")
        item = _parse(base, entry)
        if length:
            return Type("array", f"{item.canonical}[{length}]", int(length), (item,))
        return Type("list", f"{item.canonical}[]", 0, (item,))
    if text == "tuple":
        parts = entry["components"]
        items = tuple(parse_type(part) for part in parts)
        names = tuple(str(part["name"]) for part in parts)
        label = str(entry.get("internalType", "")).removeprefix("struct ").rpartition(".")[2] or "Struct"
        canonical = "(" + ",".join(t.canonical for t in items) + ")"
        return Type("tuple", canonical, 0, items, names, _record(label, names))
    if text in ("address", "bool", "bytes", "string"):
        return Type(text, text)
    for prefix, kind in (("uint", "uint"), ("int", "int"), ("bytes", "fixed")):
        digits = text.removeprefix(prefix)
        if digits != text and (digits.isdigit() or not digits):
            return Type(kind, prefix + (digits or "256"), int(digits or "256"))
    raise ValueError(f"ABI type {text!r} is not supported")


def _record(label: str, names: Sequence[str]) -> Any:
    if not label.isidentifier():
        label = "Record"
    return namedtuple(label, names, rename=True)


# --------------------------------------------------------------------------------- address look-ups


class _AddressWords(dict[Any, bytes]):
    """Address -> its 32-byte word; checks and remembers an address on first sight."""

    def __missing__(self, address: Any) -> bytes:
        if isinstance(address, str) and len(address) == 42 and address[:2] in ("0x", "0X"):
            raw = bytes.fromhex(address[2:])
        elif isinstance(address, bytes) and len(address) == 20:
            raw = bytes(address)
        else:
            raise ValueError(f"{_short(address)} is not an address")
        if len(raw) != 20:
            raise ValueError(f"{_short(address)} is not an address")
        word = bytes(12) + raw
        if len(self) > _CACHE_LIMIT:
            self.clear()
        self[address] = word
        return word


class _AddressTexts(dict[bytes, str]):
    """20 bytes -> lower case address."""

    def __missing__(self, raw: bytes) -> str:
        text = "0x" + bytes(raw).hex()
        if len(self) > _CACHE_LIMIT:
            self.clear()
        self[bytes(raw)] = text
        return text


_address_words = _AddressWords()
_address_texts = _AddressTexts()


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


# ------------------------------------------------------------------------- the plain recursive codec


def _encode_int(t: Type, value: Any, path: str) -> bytes:
    if isinstance(value, float):
        raise ValueError(f"{path}: {_short(value)} is not an integer")
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{path}: {_short(value)} is not an integer") from None
    low, high = (0, (1 << t.size) - 1) if t.kind == "uint" else (-(1 << t.size - 1), (1 << t.size - 1) - 1)
    if not low <= number <= high:
        raise ValueError(f"{path}: {_short(number)} does not fit {t.canonical}")
    return number.to_bytes(32, "big", signed=t.kind == "int")


def _encode_value(t: Type, value: Any, path: str) -> bytes:
    """`value` as `t`, without the offset of a dynamic type."""
    kind = t.kind
    if kind in ("uint", "int"):
        return _encode_int(t, value, path)
    if kind == "address":
        try:
            return _address_words[value]
        except (ValueError, TypeError):
            raise ValueError(f"{path}: {_short(value)} is not an address") from None
    if kind == "bool":
        if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
            return _ONE if value else _ZERO
        raise ValueError(f"{path}: {_short(value)} is not a bool")
    if kind in ("fixed", "bytes"):
        raw = value
        if isinstance(raw, str) and raw[:2] == "0x":
            try:
                raw = bytes.fromhex(raw[2:])
            except ValueError:
                raise ValueError(f"{path}: {_short(value)} is not hex") from None
        if not isinstance(raw, bytes | bytearray | memoryview):
            raise ValueError(f"{path}: {_short(value)} is not bytes")
        raw = bytes(raw)
        if kind == "fixed":
            if len(raw) != t.size:
                raise ValueError(f"{path}: {len(raw)} bytes do not fit {t.canonical}")
            return raw.ljust(32, b"\0")
        return _sized(raw)
    if kind == "string":
        if not isinstance(value, str):
            raise ValueError(f"{path}: {_short(value)} is not a string")
        return _sized(value.encode())
    if kind in ("array", "list"):
        if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__len__"):
            raise ValueError(f"{path}: {_short(value)} is not a list")
        values = list(value)
        if kind == "array" and len(values) != t.size:
            raise ValueError(f"{path}: {len(values)} items do not fit {t.canonical}")
        body = _encode_items([t.items[0]] * len(values), values, [f"{path}[{i}]" for i in range(len(values))])
        return body if kind == "array" else len(values).to_bytes(32, "big") + body
    if isinstance(value, Mapping):
        missing = set(t.names) ^ set(value)
        if missing:
            raise ValueError(f"{path}: unknown or missing field {sorted(map(str, missing))[0]}")
        value = [value[name] for name in t.names]
    if isinstance(value, str | bytes) or not hasattr(value, "__len__") or len(value) != len(t.items):
        raise ValueError(f"{path}: {_short(value)} is not a struct of {len(t.items)} fields")
    return _encode_items(t.items, value, [f"{path}.{name}" for name in t.names])


def _sized(raw: bytes) -> bytes:
    return len(raw).to_bytes(32, "big") + raw + bytes(-len(raw) % 32)


def _encode_items(types: Sequence[Type], values: Sequence[Any], paths: Sequence[str]) -> bytes:
    offset = 32 * sum(t.words for t in types)
    heads: list[bytes] = []
    tails: list[bytes] = []
    for t, value, path in zip(types, values, paths):
        encoded = _encode_value(t, value, path)
        if t.dynamic:
            heads.append(offset.to_bytes(32, "big"))
            tails.append(encoded)
            offset += len(encoded)
        else:
            heads.append(encoded)
    return b"".join(heads + tails)


def _word(data: bytes, at: int) -> int:
    if at < 0 or at + 32 > len(data):
        raise ValueError(f"ABI data of {len(data)} bytes ends before offset {at + 32}")
    return _from_bytes(data[at : at + 32], "big")


def _decode_value(t: Type, data: bytes, at: int) -> Any:
    """The value of `t` whose encoding (without offset) starts at `at`."""
    kind = t.kind
    if kind == "uint":
        return _word(data, at) & ((1 << t.size) - 1)
    if kind == "int":
        half = 1 << t.size - 1
        return ((_word(data, at) & ((1 << t.size) - 1)) ^ half) - half
    if kind == "bool":
        return _word(data, at) == 1
    if kind == "address":
        _word(data, at)
        return _address_texts[data[at + 12 : at + 32]]
    if kind == "fixed":
        _word(data, at)
        return data[at : at + t.size]
    if kind in ("bytes", "string"):
        size = _word(data, at)
        if at + 32 + size > len(data):
            raise ValueError(f"ABI data of {len(data)} bytes is too short for {size} bytes at {at + 32}")
        raw = bytes(data[at + 32 : at + 32 + size])
        return raw.decode("utf-8", "replace") if kind == "string" else raw
    if kind == "list":
        count = _word(data, at)
        if at + 32 + 32 * t.items[0].words * count > len(data):
            raise ValueError(f"ABI data of {len(data)} bytes is too short for {count} items")
        return _decode_items([t.items[0]] * count, data, at + 32)
    if kind == "array":
        return tuple(_decode_items([t.items[0]] * t.size, data, at))
    return t.struct._make(_decode_items(t.items, data, at))


def _decode_items(types: Sequence[Type], data: bytes, base: int) -> list[Any]:
    values: list[Any] = []
    at = base
    for t in types:
        values.append(_decode_value(t, data, base + _word(data, at) if t.dynamic else at))
        at += 32 * t.words
    return values


# ------------------------------------------------------------------------------- the generated codec


def _bad() -> bytes:
    raise ValueError("left to the plain codec, which names the argument")


def _read_list(data: bytes, head: int, stride: int, item: Callable[[bytes, int], Any]) -> list[Any]:
    start = _word(data, head)
    count = _word(data, start)
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
            "_address_words": _address_words,
            "_address_texts": _address_texts,
            "_bad": _bad,
            "_ONE": _ONE,
            "_ZERO": _ZERO,
            "_i": _from_bytes,
            "_new": tuple.__new__,
            "_read_list": _read_list,
            "_decode_value": _decode_value,
            "_word": _word,
            "_sized": _sized,
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

    def decode(self, t: Type, data: str, base: str, at: int) -> str:
        """Expression for a static type at offset `base + at`."""

        def cut(start: int, stop: int) -> str:
            if base:
                return f"{data}[{base}+{start}:{base}+{stop}]"
            return f"{data}[{start}:{stop}]"

        kind = t.kind
        if kind in ("uint", "int"):
            word = f"_i({cut(at + 32 - t.size // 8, at + 32)})"
            if kind == "uint":
                return word
            half = self.name(1 << t.size - 1, "h")
            return f"(({word} ^ {half}) - {half})"
        if kind == "bool":
            return f"({data}[{base + '+' if base else ''}{at + 31}] == 1)"
        if kind == "address":
            return f"_address_texts[{cut(at + 12, at + 32)}]"
        if kind == "fixed":
            return cut(at, at + t.size)
        if kind == "array":
            item = t.items[0]
            step = 32 * item.words
            parts = [self.decode(item, data, base, at + i * step) for i in range(t.size)]
            return "(" + "".join(p + ", " for p in parts) + ")"
        parts = []
        for item in t.items:
            parts.append(self.decode(item, data, base, at))
            at += 32 * item.words
        return f"_new({self.name(t.struct, 'T')}, ({''.join(p + ', ' for p in parts)}))"

    def decode_head(self, t: Type, at: int) -> str:
        """Expression for any type whose head is at `at` of `d`."""
        if not t.dynamic:
            return self.decode(t, "d", "", at)
        if t.kind == "list" and not t.items[0].dynamic:
            label = self.name(stem="dec")
            self.compile(label, [f"def {label}(d, o):", f"    return {self.decode(t.items[0], 'd', 'o', 0)}"])
            return f"_read_list(d, {at}, {32 * t.items[0].words}, {label})"
        return f"_decode_value({self.name(t, 't')}, d, _word(d, {at}))"


def _make_encoder(
    label: str, prefix: bytes, types: Sequence[Type], names: Sequence[str]
) -> Callable[..., bytes]:
    paths = [
        f"{label}: argument {i + 1} ({n or '_'}: {t.canonical})" for i, (n, t) in enumerate(zip(names, types))
    ]

    def plain(args: Sequence[Any]) -> bytes:
        if len(args) != len(types):
            raise ValueError(f"{label}: takes {len(types)} arguments, got {len(args)}")
        return prefix + _encode_items(types, args, paths)

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
    parts: list[str] = []
    at = 0
    for t in types:
        parts.append(w.decode_head(t, at))
        at += 32 * t.words
    value = parts[0] if len(parts) == 1 else "(" + ", ".join(parts) + ")"
    w.scope["_short_data"] = _short_data
    source = [
        "def decode(d):",
        f"    if len(d) < {at}: _short_data({label!r}, {at}, d)",
        f"    return {value}",
    ]
    decoder: Callable[[bytes], Any] = w.compile("decode", source)
    return decoder


def _short_data(label: str, wanted: int, data: bytes) -> None:
    raise ValueError(f"{label}: {len(data)} bytes of ABI data, at least {wanted} expected")


# -------------------------------------------------------------------------------------- the public part


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
        self.record = _record(self.name, self.names)
        w = _Writer()
        parts: list[str] = []
        at = 0
        topic = 0 if entry.get("anonymous") else 1
        for t, indexed in zip(self.types, self.indexed):
            if indexed:
                whole = t.dynamic or t.kind in ("array", "tuple")
                parts.append(f"p[{topic}]" if whole else w.decode(t, f"p[{topic}]", "", 0))
                topic += 1
            else:
                parts.append(w.decode_head(t, at))
                at += 32 * t.words
        w.scope.update(_short_data=_short_data, _record=self.record)
        values = "(" + "".join(p + ", " for p in parts) + ")"
        source = [
            "def decode(p, d):",
            f"    if len(d) < {at} or len(p) != {topic}: _short_data({self.name!r}, {at}, d)",
            f"    return _new(_record, {values})",
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
