"""The generated codec against eth-abi."""

import eth_abi
import numpy as np
import pytest
from eth_utils import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from perpsim.chain.codec import Event, Function, Interface

INTS = st.sampled_from([8, 16, 64, 128, 160, 248, 256])


def leaf_types():
    return st.one_of(
        INTS.map(lambda n: {"type": f"uint{n}"}),
        INTS.map(lambda n: {"type": f"int{n}"}),
        st.sampled_from(["address", "bool", "bytes32", "bytes4", "bytes1"]).map(lambda t: {"type": t}),
    )


def static_types():
    def grow(inner):
        return st.one_of(
            st.tuples(inner, st.integers(1, 3)).map(lambda p: {**p[0], "type": f"{p[0]['type']}[{p[1]}]"}),
            st.lists(inner, min_size=1, max_size=3).map(
                lambda parts: {
                    "type": "tuple",
                    "components": [{**part, "name": f"f{i}"} for i, part in enumerate(parts)],
                }
            ),
        )

    return st.recursive(leaf_types(), grow, max_leaves=4)


def any_types():
    return st.one_of(
        static_types(),
        static_types().map(lambda t: {**t, "type": t["type"] + "[]"}),
        st.sampled_from([{"type": "bytes"}, {"type": "string"}, {"type": "string[]"}, {"type": "bytes[2]"}]),
        static_types().map(
            lambda t: {
                "type": "tuple",
                "components": [{**t, "name": "a", "type": t["type"] + "[]"}, {"type": "string", "name": "b"}],
            }
        ),
    )


def canonical(entry):
    kind = entry["type"]
    if kind.startswith("tuple"):
        return "(" + ",".join(canonical(c) for c in entry["components"]) + ")" + kind[5:]
    return kind


def values(entry):
    kind = entry["type"]
    if kind.endswith("]"):
        base, _, length = kind[:-1].rpartition("[")
        low, high = (int(length), int(length)) if length else (0, 4)
        return st.lists(values({**entry, "type": base}), min_size=low, max_size=high)
    if kind == "tuple":
        return st.tuples(*(values(c) for c in entry["components"]))
    if kind.startswith("uint"):
        top = 2 ** int(kind[4:]) - 1
        return st.one_of(st.sampled_from([0, 1, top, top - 1]), st.integers(0, top))
    if kind.startswith("int"):
        half = 2 ** (int(kind[3:]) - 1)
        return st.one_of(st.sampled_from([0, -1, half - 1, -half]), st.integers(-half, half - 1))
    if kind == "address":
        return st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex())
    if kind == "bool":
        return st.booleans()
    if kind == "bytes":
        return st.binary(max_size=70)
    if kind == "string":
        return st.text(max_size=40).filter(lambda s: s.isprintable())
    size = int(kind[5:])
    return st.binary(min_size=size, max_size=size)


def plain(value):
    """Lists, tuples and records alike."""
    return [plain(v) for v in value] if isinstance(value, list | tuple) else value


@st.composite
def arguments(draw, types=any_types):
    entries = draw(st.lists(types(), min_size=0, max_size=5))
    entries = [{**e, "name": f"a{i}"} for i, e in enumerate(entries)]
    return entries, [draw(values(e)) for e in entries]


@given(arguments())
@settings(max_examples=150, deadline=None)
def test_function_agrees_with_eth_abi(case):
    entries, args = case
    types = [canonical(e) for e in entries]
    function = Function({"type": "function", "name": "f", "inputs": entries, "outputs": entries})
    data = function.encode(*args)
    assert function.selector == keccak(text=f"f({','.join(types)})")[:4]
    assert data[4:] == eth_abi.encode(types, args)
    decoded = function.decode(data[4:])
    decoded = [] if not entries else [decoded] if len(entries) == 1 else list(decoded)
    assert plain(decoded) == plain(args)


@given(arguments(static_types), arguments(leaf_types), st.data())
@settings(max_examples=80, deadline=None)
def test_event_agrees_with_eth_abi(body, topics, data):
    indexed = [{**e, "name": f"t{i}", "indexed": True} for i, e in enumerate(topics[0][:3])]
    entries, args = body
    inputs = [*indexed, *({**e, "indexed": False} for e in entries)]
    mixed = list(zip(inputs, [*topics[1][:3], *args]))
    mixed = data.draw(st.permutations(mixed))
    event = Event({"type": "event", "name": "E", "inputs": [entry for entry, _ in mixed]})
    words = [event.topic0, *(eth_abi.encode([e["type"]], [v]) for e, v in mixed if e["indexed"])]
    rest = [(canonical(e), v) for e, v in mixed if not e["indexed"]]
    raw = eth_abi.encode([t for t, _ in rest], [v for _, v in rest])
    decoded = event.decode(words, raw)
    assert plain(decoded) == plain([v for _, v in mixed])
    assert event.topic0 == keccak(text=f"E({','.join(canonical(e) for e, _ in mixed)})")
    assert list(event.as_dict(decoded)) == [e["name"] for e, _ in mixed]


def function(*types, name="f"):
    inputs = [{"name": f"a{i}", "type": t} for i, t in enumerate(types)]
    return Function({"type": "function", "name": name, "inputs": inputs, "outputs": []})


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uint256", -1),
        ("uint256", 2**256),
        ("uint8", 256),
        ("uint8", -1),
        ("int128", 2**127),
        ("int128", -(2**127) - 1),
        ("int256", 2**255),
        ("uint256", 1.0),
        ("uint256", "1"),
        ("uint256", None),
        ("uint256", [1]),
        ("bool", 1),
        ("bool", "true"),
        ("address", "0x12"),
        ("address", "ab" * 21),
        ("address", 5),
        ("address", "0x" + "zz" * 20),
        ("address", None),
        ("bytes32", b"short"),
        ("bytes32", "0x12"),
        ("bytes4", 7),
        ("bytes", "text"),
        ("string", b"raw"),
        ("uint256[2]", [1]),
        ("uint256[2]", [1, -1]),
        ("uint256[]", 3),
        ("uint256[]", {1: 2}),
        ("uint256[]", [1, "x"]),
        ("address[]", "0x" + "ab" * 20),
        ("bool[]", b"\1"),
    ],
)
def test_a_value_that_does_not_fit_is_named(kind, value):
    with pytest.raises(ValueError, match=r"^place: argument 2 \(a1: "):
        function("uint256", kind, name="place").encode(1, value)


def test_the_number_of_arguments_is_checked():
    with pytest.raises(ValueError, match="takes 2 arguments, got 1"):
        function("uint256", "uint256").encode(1)
    with pytest.raises(ValueError, match="takes 0 arguments, got 1"):
        function().encode(1)


def test_numpy_integers_dicts_and_checksummed_addresses_are_taken():
    inputs = [
        {"name": "n", "type": "uint64"},
        {
            "name": "s",
            "type": "tuple",
            "components": [{"name": "who", "type": "address"}, {"name": "on", "type": "bool"}],
        },
    ]
    f = Function({"type": "function", "name": "f", "inputs": inputs, "outputs": []})
    who = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    wanted = eth_abi.encode(["uint64", "(address,bool)"], [7, (who, True)])
    assert f.encode(np.int64(7), {"who": who, "on": np.True_})[4:] == wanted
    assert f.encode(7, (who.lower(), True))[4:] == wanted
    with pytest.raises(ValueError, match=r"argument 2 .*field on"):
        f.encode(7, {"who": who})
    with pytest.raises(ValueError, match=r"argument 2 .*\.who"):
        f.encode(7, ("0x1", True))


def test_overloads_are_picked_by_the_number_of_arguments():
    a, b = {"name": "a", "type": "uint256"}, {"name": "b", "type": "bool"}
    out = [{"name": "", "type": "uint256"}]
    abi = [{"type": "function", "name": "f", "inputs": i, "outputs": out} for i in ([], [a], [a, b])]
    f = Interface(abi).functions["f"]
    assert f.encode()[:4] == keccak(text="f()")[:4] == f.selector
    assert f.encode(1)[:4] == keccak(text="f(uint256)")[:4]
    assert f.encode(1, True)[:4] == keccak(text="f(uint256,bool)")[:4]
    with pytest.raises(ValueError, match="takes 0, 1, 2 arguments, got 3"):
        f.encode(1, True, 3)
    assert f.decode((9).to_bytes(32, "big")) == 9


def test_data_that_ends_early_is_refused():
    f = Function(
        {"type": "function", "name": "f", "inputs": [], "outputs": [{"name": "", "type": "uint256[]"}]}
    )
    word = (32).to_bytes(32, "big")
    for data in (b"", word, word + (2).to_bytes(32, "big") + word, (2**200).to_bytes(32, "big")):
        with pytest.raises(ValueError):
            f.decode(data)
    event = Event({"type": "event", "name": "E", "inputs": [{"name": "a", "type": "uint256"}]})
    with pytest.raises(ValueError):
        event.decode([event.topic0], b"\0" * 31)
    with pytest.raises(ValueError):
        event.decode([event.topic0, bytes(32)], b"\0" * 32)


def test_an_unknown_type_is_refused():
    with pytest.raises(ValueError, match="not supported"):
        function("fixed128x10")
