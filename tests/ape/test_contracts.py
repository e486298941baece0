"""The contracts as ape compiles them: size, sources, documentation."""

from __future__ import annotations

import re

import pytest
from conftest import creation_code
from support import COMPILER

from perpsim import CONTRACTS

RUNTIME_LIMIT = 24_576
SOURCES = sorted(CONTRACTS.rglob("*.vy"))
NAMES = COMPILER.names()

# decorators, name, parameters; then everything up to the next line that is not indented
FUNCTION = re.compile(
    r"^((?:@\w+(?:\(.*\))?\n)+)"
    r"def (\w+)\(((?:[^()]|\([^()]*\))*)\)"
    r"(?:\s*->[^:]*)?:\n"
    r"((?:.|\n)*?)(?=^\S|\Z)",
    re.MULTILINE,
)


def functions(path):
    """Name, decorators, parameters and docstring of every decorated function of a file."""
    for decorators, name, parameters, body in FUNCTION.findall(path.read_text()):
        doc = re.match(r'\s*"""((?:.|\n)*?)"""', body)
        names = re.findall(r"(\w+):", re.sub(r"=[^,]*", "", parameters))
        yield name, set(decorators.split()), names, doc.group(1) if doc else ""


def relative(path):
    return path.relative_to(CONTRACTS).as_posix()


@pytest.mark.parametrize("name", NAMES)
def test_a_contract_fits_below_the_size_limit(compiled, name):
    code = compiled.contracts[name].runtime_bytecode.bytecode
    assert 0 < len(code.removeprefix("0x")) // 2 <= RUNTIME_LIMIT


@pytest.mark.parametrize("name", NAMES)
def test_ape_compiles_what_the_library_compiles(compiled, name):
    assert creation_code(compiled, name) == COMPILER.load(name).bytecode


def test_ape_sees_every_contract_and_no_module(compiled):
    assert set(compiled.contracts) == set(NAMES)


def test_the_deployed_code_is_below_the_limit(protocol):
    for contract in protocol.contracts:
        assert 0 < len(protocol.chain.code(contract.address)) <= RUNTIME_LIMIT, contract.name


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_every_external_function_is_documented(path):
    for name, decorators, parameters, doc in functions(path):
        if not decorators & {"@external", "@deploy"}:
            continue
        if name == "__init__":
            assert not parameters or "@param" in doc, name
        else:
            assert "@notice" in doc, f"{name} has no notice"
        documented = re.findall(r"@param (\w+)", doc)
        assert documented == [p for p in parameters if p in documented] == parameters, name


def test_the_search_for_functions_finds_what_the_interface_has(compiled):
    """The test above is worth nothing if it overlooks functions."""
    for path in SOURCES:
        if path.stem not in NAMES:
            continue
        written = {name for name, decorators, _, _ in functions(path) if "@external" in decorators}
        source = path.read_text()
        exported = set(re.findall(r"\w+\.(\w+)", " ".join(re.findall(r"exports: \(([^)]*)\)", source))))
        public = set(re.findall(r"^(\w+): public\(", source, re.MULTILINE))
        contract = {entry["name"] for entry in COMPILER.load(path.stem).abi if entry["type"] == "function"}
        assert contract == written | exported | public, path.stem


@pytest.mark.parametrize("name", [name for name in NAMES if name != "HostileToken"])
def test_ape_shows_a_notice_for_every_function_that_changes_state(compiled, name):
    """But for what a module lends, which the compiler leaves out; it is documented there."""
    contract = compiled.contracts[name].contract_type
    shown = {signature.split("(")[0] for signature in contract.userdoc.get("methods", {})}
    own = {name for name, decorators, _, _ in functions(COMPILER.path(name)) if "@external" in decorators}
    assert {method.name for method in contract.mutable_methods} & own <= shown


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_every_external_function_that_changes_state_is_locked(path):
    """One lock a contract: nothing that a hostile token calls back can move anything."""
    if "mocks" in path.parts:
        return
    for name, decorators, _, _ in functions(path):
        if "@external" in decorators and not decorators & {"@view", "@pure"}:
            assert "@nonreentrant" in decorators, name


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_every_file_names_its_compiler_and_licence(path):
    text = path.read_text()
    assert text.startswith("# pragma version 0.4.3\n# SPDX-License-Identifier: Apache-2.0\n")
    assert '"""\n@title ' in text
    assert text.isascii() and "\t" not in text and "\f" not in text


def test_nobody_is_known_by_the_origin_of_a_transaction():
    for path in SOURCES:
        assert "tx.origin" not in path.read_text(), path
