"""The artifact cache: never stale, and quick when nothing changed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from perpsim.chain import CompileError, Compiler, EngineError

TOP = """
from modules import maths

@view
@external
def twice(x: uint256) -> uint256:
    return maths.scale(x)
"""
NESTED = """
from contracts.modules import maths
from ..interfaces import IThing

@view
@external
def twice(x: uint256) -> uint256:
    return maths.scale(x)
"""
MODULE = """
@internal
@pure
def scale(x: uint256) -> uint256:
    return x * 2
"""
OTHER = """
@external
def nothing():
    pass
"""
THING = """
@external
def thing():
    ...
"""


@pytest.fixture
def tree(tmp_path):
    contracts = tmp_path / "project" / "contracts"
    for name, text in {
        "Top.vy": TOP,
        "Other.vy": OTHER,
        "policies/Nested.vy": NESTED,
        "modules/maths.vy": MODULE,
        "interfaces/IThing.vyi": THING,
    }.items():
        path = contracts / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return contracts


def compiler(tree):
    return Compiler(tree, cache=tree.parent / "cache")


def test_a_second_compiler_neither_compiles_nor_parses(tree):
    first = compiler(tree)
    artifacts = first.load_all()
    assert sorted(artifacts) == ["Nested", "Other", "Top"]
    assert first.compiled == 3
    second = compiler(tree)
    again = second.load_all()
    assert (second.compiled, second.parsed) == (0, 0)
    for name, artifact in artifacts.items():
        assert again[name] == artifact
        assert again[name].bytecode == artifact.bytecode
        assert again[name].layout == artifact.layout
    assert first.load("Top") is artifacts["Top"]


def test_an_edited_module_recompiles_its_importers_and_nothing_else(tree):
    before = compiler(tree).load_all()
    (tree / "modules/maths.vy").write_text(MODULE.replace("* 2", "* 3"))
    fresh = compiler(tree)
    after = fresh.load_all()
    assert fresh.compiled == 2
    assert after["Top"].bytecode != before["Top"].bytecode
    assert after["Nested"].bytecode != before["Nested"].bytecode
    assert after["Other"] == before["Other"]
    # and back: the old artifact is still the right one
    (tree / "modules/maths.vy").write_text(MODULE)
    back = compiler(tree)
    assert back.load("Top") == before["Top"]
    assert back.compiled == 0


def test_an_edited_interface_gives_a_new_key(tree):
    before = compiler(tree).load("policies/Nested")
    (tree / "interfaces/IThing.vyi").write_text(THING + "\n# more\n")
    assert compiler(tree).load("Nested").integrity != before.integrity


def test_the_same_compiler_notices_an_edit(tree):
    one = compiler(tree)
    before = one.load("Top")
    (tree / "modules/maths.vy").write_text(MODULE.replace("* 2", "* 5"))
    assert one.load("Top").bytecode != before.bytecode


def test_a_broken_cache_file_is_compiled_again(tree):
    before = compiler(tree).load("Top")
    for path in (tree.parent / "cache").glob("*.json"):
        path.write_text(path.read_text()[:50])
    again = compiler(tree)
    assert again.load("Top") == before
    assert again.compiled == 1


@pytest.mark.parametrize("name", ["Top.vy", "policies/Nested.vy"])
def test_bytecode_is_that_of_the_vyper_command(tree, name):
    # ape-vyper runs exactly this in the project folder
    vyper = Path(sys.executable).with_name("vyper")
    command = [vyper, f"contracts/{name}", "-f", "bytecode", "-p", ".", "--evm-version", "cancun"]
    run = subprocess.run(command, cwd=tree.parent, capture_output=True, text=True, check=True)
    assert compiler(tree).load(Path(name).stem).bytecode.hex() == run.stdout.strip().removeprefix("0x")


def test_a_contract_that_does_not_compile_is_named(tree):
    (tree / "Top.vy").write_text("@external\ndef f():\n    x: uint256 = -1\n")
    with pytest.raises(CompileError, match=r"contracts/Top\.vy does not compile"):
        compiler(tree).load("Top")


def test_an_unknown_contract_lists_what_there_is(tree):
    with pytest.raises(EngineError, match=r"no contract Nope .*Nested, Other, Top"):
        compiler(tree).load("Nope")


def test_without_a_place_to_write_it_still_compiles(tree):
    cache = tree / "Top.vy" / "impossible"
    one = Compiler(tree, cache=cache)
    assert one.cache is None
    assert one.load("Top").runtime_size > 0


def test_facts_of_an_artifact(tree):
    artifact = compiler(tree).load("Top")
    assert artifact.selectors == {"twice(uint256)": artifact.interface.functions["twice"].selector}
    assert 0 < artifact.runtime_size < len(artifact.bytecode)
    assert artifact.source == os.path.join("contracts", "Top.vy")
