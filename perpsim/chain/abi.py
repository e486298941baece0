"""Types of the ABI and a plain recursive codec for all of them.

It words the errors: every value that does not fit its type is a `ValueError` naming the argument. Addresses
are lower case hex strings, structs named tuples, integers Python ints. Decoding trusts the padding of a word
(it comes from an EVM), never a length or an offset.
"""

from __future__ import annotations

import operator
from collections import namedtuple
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ZERO = bytes(32)
ONE = b"\0" * 31 + b"\1"
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
        return Type("tuple", canonical, 0, items, names, record(label, names))
    if text in ("address", "bool", "bytes", "string"):
        return Type(text, text)
    for prefix, kind in (("uint", "uint"), ("int", "int"), ("bytes", "fixed")):
        digits = text.removeprefix(prefix)
        if digits != text and (digits.isdigit() or not digits):
            return Type(kind, prefix + (digits or "256"), int(digits or "256"))
    raise ValueError(f"ABI type {text!r} is not supported")


def record(label: str, names: Sequence[str]) -> Any:
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
            raise ValueError(f"{short(address)} is not an address")
        if len(raw) != 20:
            raise ValueError(f"{short(address)} is not an address")
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


address_words = _AddressWords()
address_texts = _AddressTexts()


def short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


# ------------------------------------------------------------------------- the plain recursive codec


def _encode_int(t: Type, value: Any, path: str) -> bytes:
    if isinstance(value, float):
        raise ValueError(f"{path}: {short(value)} is not an integer")
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{path}: {short(value)} is not an integer") from None
    low, high = (0, (1 << t.size) - 1) if t.kind == "uint" else (-(1 << t.size - 1), (1 << t.size - 1) - 1)
    if not low <= number <= high:
        raise ValueError(f"{path}: {short(number)} does not fit {t.canonical}")
    return number.to_bytes(32, "big", signed=t.kind == "int")


def _encode_value(t: Type, value: Any, path: str) -> bytes:
    """`value` as `t`, without the offset of a dynamic type."""
    kind = t.kind
    if kind in ("uint", "int"):
        return _encode_int(t, value, path)
    if kind == "address":
        try:
            return address_words[value]
        except (ValueError, TypeError):
            raise ValueError(f"{path}: {short(value)} is not an address") from None
    if kind == "bool":
        if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
            return ONE if value else ZERO
        raise ValueError(f"{path}: {short(value)} is not a bool")
    if kind in ("fixed", "bytes"):
        raw = value
        if isinstance(raw, str) and raw[:2] == "0x":
            try:
                raw = bytes.fromhex(raw[2:])
            except ValueError:
                raise ValueError(f"{path}: {short(value)} is not hex") from None
        if not isinstance(raw, bytes | bytearray | memoryview):
            raise ValueError(f"{path}: {short(value)} is not bytes")
        raw = bytes(raw)
        if kind == "fixed":
            if len(raw) != t.size:
                raise ValueError(f"{path}: {len(raw)} bytes do not fit {t.canonical}")
            return raw.ljust(32, b"\0")
        return sized(raw)
    if kind == "string":
        if not isinstance(value, str):
            raise ValueError(f"{path}: {short(value)} is not a string")
        return sized(value.encode())
    if kind in ("array", "list"):
        if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__len__"):
            raise ValueError(f"{path}: {short(value)} is not a list")
        values = list(value)
        if kind == "array" and len(values) != t.size:
            raise ValueError(f"{path}: {len(values)} items do not fit {t.canonical}")
        body = encode_items([t.items[0]] * len(values), values, [f"{path}[{i}]" for i in range(len(values))])
        return body if kind == "array" else len(values).to_bytes(32, "big") + body
    if isinstance(value, Mapping):
        missing = set(t.names) ^ set(value)
        if missing:
            raise ValueError(f"{path}: unknown or missing field {sorted(map(str, missing))[0]}")
        value = [value[name] for name in t.names]
    if isinstance(value, str | bytes) or not hasattr(value, "__len__") or len(value) != len(t.items):
        raise ValueError(f"{path}: {short(value)} is not a struct of {len(t.items)} fields")
    return encode_items(t.items, value, [f"{path}.{name}" for name in t.names])


def sized(raw: bytes) -> bytes:
    return len(raw).to_bytes(32, "big") + raw + bytes(-len(raw) % 32)


def encode_items(types: Sequence[Type], values: Sequence[Any], paths: Sequence[str]) -> bytes:
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


def word_at(data: bytes, at: int) -> int:
    if at < 0 or at + 32 > len(data):
        raise ValueError(f"ABI data of {len(data)} bytes ends before offset {at + 32}")
    return _from_bytes(data[at : at + 32], "big")


def decode_value(t: Type, data: bytes, at: int) -> Any:
    """The value of `t` whose encoding (without offset) starts at `at`."""
    kind = t.kind
    if kind == "uint":
        return word_at(data, at) & ((1 << t.size) - 1)
    if kind == "int":
        half = 1 << t.size - 1
        return ((word_at(data, at) & ((1 << t.size) - 1)) ^ half) - half
    if kind == "bool":
        return word_at(data, at) == 1
    if kind == "address":
        word_at(data, at)
        return address_texts[data[at + 12 : at + 32]]
    if kind == "fixed":
        word_at(data, at)
        return data[at : at + t.size]
    if kind in ("bytes", "string"):
        size = word_at(data, at)
        if at + 32 + size > len(data):
            raise ValueError(f"ABI data of {len(data)} bytes is too short for {size} bytes at {at + 32}")
        raw = bytes(data[at + 32 : at + 32 + size])
        return raw.decode("utf-8", "replace") if kind == "string" else raw
    if kind == "list":
        count = word_at(data, at)
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
        values.append(decode_value(t, data, base + word_at(data, at) if t.dynamic else at))
        at += 32 * t.words
    return values
