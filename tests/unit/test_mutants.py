"""The mutation tester itself, on a toy contract."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mutants.board import Log, Result, Verdict, excuses
from mutants.catalogue import Mutant, catalogue, made_of, mutants_of, sample
from mutants.source import Source, as_python
from mutants.worker import Outcome, Trial, Worker, forked

from perpsim import CONTRACTS
from perpsim.chain import Compiler

HEAD = "# pragma version 0.4.3\n"
TOY = '''
LIMIT: constant(uint256) = 5
other: address
total: uint256


event Added:
    amount: uint256


interface Other:
    def ask(amount: uint256) -> uint256: view


@external
def add(amount: uint256) -> uint256:
    """
    @notice Words that are not mutated: 1 < 2 and not 3.
    """
    before: uint256 = self.total
    answer: uint256 = 0
    answer = staticcall Other(self.other).ask(amount)
    assert answer < LIMIT, "toy: 1 < 2"
    for i: uint256 in range(amount, bound=64):
        if i > before and i != answer:
            self.total += i
    log Added(amount=amount)
    return answer
'''


def toy(text: str) -> list[Mutant]:
    """Mutants of a text."""
    return mutants_of(Source("Toy.vy", text))


def in_function(line: str) -> set[str]:
    """What a line of a function is mutated into."""
    text = f"def f(is_buy: bool, bid: uint256, ask: uint256):\n    {line}\n"
    return {mutant.apply(text).split("\n    ", 1)[1].strip() for mutant in toy(text)}


@pytest.mark.parametrize(
    "line, expected",
    [
        ("x = a < b", ["x = a <= b", "pass"]),
        ("x = a >= b", ["x = a > b", "pass"]),
        ("x = a == b", ["x = a != b", "pass"]),
        ("x = a + b", ["x = (a - b)", "pass"]),
        ("x = a // b", ["x = (a * b)", "pass"]),
        ("x = a & b", ["x = (a | b)", "pass"]),
        ("x -= b", ["x += b", "pass"]),
        ("x = unsafe_sub(a, b)", ["x = unsafe_add(a, b)", "pass"]),
        ("x = min(a, b)", ["x = max(a, b)", "pass"]),
        ("x = fixed_point._floor_div(a, b)", ["x = fixed_point._ceil_div(a, b)", "pass"]),
        ("x = self._ceil_div(a, b)", ["x = self._floor_div(a, b)", "pass"]),
        ("x = 7", ["x = 8", "x = 6", "pass"]),
        ("x = 0", ["x = 1", "pass"]),
        ("x = 10**18", ["x = 10**19", "x = 10**17", "pass"]),
        ("x = True", ["x = False", "pass"]),
        ("x = not a", ["x =  a", "pass"]),
        ("x = -a", ["x = a", "pass"]),
        ("x = a and b", ["x = (a or b)", "x = ((a))", "x = ((b))", "pass"]),
        (
            "x = a if c else b",
            [
                "x = (b) if c else (a)",
                *(f"x = a if {c} else b" for c in ("not (c)", "True", "False")),
                "pass",
            ],
        ),
        ("return a, b", ["return b, a", "pass"]),
        ("assert a, '1'", ["pass"]),
        ("log Added(amount)", ["pass"]),
        ("self._store(a)", ["pass"]),
        ("extcall Other(a).tell(b)", ["pass"]),
        ("x = k[side]", ["x = k[1 - side]", "pass"]),
        ("x = bid", ["x = ask", "pass"]),
        ("self._rest(is_buy)", ["self._rest(not is_buy)", "pass"]),
        ("x: DynArray[uint256, 64] = y", []),
        ("x = convert(y, uint256)", ["pass"]),
        ("x = empty(uint256[2])", ["pass"]),
    ],
)
def test_each_operator_makes_its_faults_and_no_others(line: str, expected: list[str]) -> None:
    assert in_function(line) == set(expected)


def test_a_condition_is_negated_and_forced() -> None:
    text = "def f():\n    if a < b:\n        x = y\n"
    found = {mutant.apply(text).splitlines()[1].strip() for mutant in toy(text)}
    assert {"if not (a < b):", "if True:", "if False:", "if a <= b:"} <= found


def test_types_words_bounds_and_initial_values_that_nothing_reads_are_left_alone() -> None:
    changed = [mutant for mutant in toy(TOY) if mutant.where == "add"]
    assert {mutant.edit.change for mutant in changed} == {
        "drop assignment",
        "drop assert",
        "drop log",
        "drop return",
        "< to <=",
        "> to >=",
        "!= to ==",
        "and to or: i != answer",
        "leave out: i > before",
        "leave out: i != answer",
        "negate condition",
        "condition to True",
        "condition to False",
        "+= to -=",
    }
    assert {m.edit.change for m in toy(TOY) if m.where == "LIMIT"} == {"5 to 6", "5 to 4"}


def test_a_key_outlives_edits_elsewhere_in_the_file() -> None:
    moved = TOY.replace("LIMIT: constant", "# a comment\nMORE: constant(uint256) = 1\nLIMIT: constant")
    keys = {mutant.key for mutant in toy(TOY)}
    assert len(keys) == len(toy(TOY))
    assert keys <= {mutant.key for mutant in toy(moved)}


def test_the_same_change_twice_in_a_function_has_two_keys() -> None:
    twice = toy("def f():\n    x = a\n    y = b\n    x = a\n")
    assert [mutant.key.split(" | ")[-1] for mutant in twice] == ["drop assignment"] * 2 + [
        "drop assignment (2)"
    ]


def test_every_contract_can_be_mutated_and_every_offset_fits() -> None:
    for path in CONTRACTS.rglob("*.vy"):
        text = path.read_text()
        assert len(as_python(text)) == len(text)
    found = catalogue(CONTRACTS)
    assert len(found) > 3_000 and len({mutant.key for mutant in found}) == len(found)
    texts = {mutant.file: (CONTRACTS / mutant.file).read_text() for mutant in found}
    for mutant in found:
        text = texts[mutant.file]
        assert mutant.apply(text) != text
        assert " ".join(text.splitlines()[mutant.number - 1].split()) == mutant.line


def test_a_file_ends_up_in_the_contracts_that_import_it() -> None:
    users = made_of(CONTRACTS)
    assert users["OrderBook.vy"] == ["OrderBook"]
    assert users["modules/tick_bitmap.vy"] == ["OrderBook"]
    assert {"Clearinghouse", "Lens"} <= set(users["modules/side_index.vy"])


def test_a_sample_keeps_its_members_when_others_come() -> None:
    drawn = sample(toy(TOY), 10, seed=3)
    assert len(drawn) == 10 and drawn == sample(reversed(toy(TOY)), 10, seed=3)
    assert drawn != sample(toy(TOY), 10, seed=4)
    fewer = [mutant for mutant in toy(TOY) if mutant != drawn[0]]
    assert sample(fewer, 9, seed=3) == drawn[1:]


class Project:
    """A worker on a project of one contract, whose only test is told how to end."""

    def __init__(self, tree: Path) -> None:
        (tree / "contracts").mkdir()
        (tree / "contracts" / "Toy.vy").write_text(HEAD + TOY)
        self.failure = ""

        class Fake(Worker):
            def _run(fake, items: list[object]) -> Iterator[tuple[str, str]]:
                yield "the test", self.failure

        self.worker = Fake(None, tree)  # type: ignore[arg-type]
        self.worker.prepare()

    def outcome(self, old: str, new: str, known: dict[str, str] | None = None) -> Outcome:
        text = (HEAD + TOY).replace(old, new)
        return self.worker.attempt(Trial("Toy.vy", text, ("Toy",), known or {}, timeout=60))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A worker with a toy contract."""
    # the worker changes it for good
    monkeypatch.setattr(Compiler, "load", Compiler.load)
    return Project(tmp_path)


def test_a_mutant_is_compiled_and_tried_and_the_original_put_back(project: Project) -> None:
    assert project.outcome("answer < LIMIT", "answer <= LIMIT").status == "survived"
    project.failure = "it went wrong"
    found = project.outcome("answer < LIMIT", "answer <= LIMIT")
    assert (found.status, found.by) == ("killed", "the test")
    assert (project.worker.contracts / "Toy.vy").read_text() == HEAD + TOY


def test_what_does_not_compile_or_compiles_to_something_known_is_dropped(project: Project) -> None:
    assert project.outcome("return answer", "pass").status == "refused"
    assert project.outcome("return answer", "return answer  # nothing")[:2] == ("same", "the original")
    first = project.outcome("answer < LIMIT", "answer != 7")
    again = project.outcome("answer < LIMIT", "not answer == 7", {first.fingerprint: "the first"})
    assert again[:2] == ("same", "the first")


def test_a_mutant_that_never_ends_is_stopped() -> None:
    assert forked(lambda: time.sleep(60), timeout=0.1).status == "timeout"
    assert forked(lambda: 1 // 0, timeout=60).status == "crashed"


def test_a_kill_is_known_until_the_file_changes_a_survivor_until_anything_does(tmp_path: Path) -> None:
    log = Log(tmp_path / "results.jsonl")
    killed = Result("Toy.vy | f | x | y", "text", "context", "killed", "the test")
    survived = replace(killed, key="Toy.vy | f | x | z", status="survived")
    log.add(survived)
    log.add(killed)
    again = Log(tmp_path / "results.jsonl")
    assert again.valid(killed.key, "text", "another") == killed
    assert again.valid(killed.key, "another", "context") is None
    assert again.valid(survived.key, "text", "context") == survived
    assert again.valid(survived.key, "text", "another") is None
    assert again.killers("Toy.vy") == {"the test": 1}


def test_the_rate_counts_neither_the_dropped_nor_the_excused(tmp_path: Path) -> None:
    mutants = toy(TOY)[:5]
    statuses = ["killed", "survived", "survived", "same", "timeout"]
    results = {m.key: Result(m.key, "", "", status) for m, status in zip(mutants, statuses)}
    file, where, line, change = mutants[1].key.split(" | ")
    path = tmp_path / "survivors.toml"
    path.write_text(
        f"[[survivor]]\nfile = '{file}'\nwhere = '{where}'\nline = '{line}'\n"
        f"change = ['{change}']\nreason = 'the same by the rules of arithmetic'\n"
    )
    verdict = Verdict(mutants, results, excuses(path))
    assert verdict.rate == 2 / 3
    assert verdict.survivors() == [mutants[2]]
    assert verdict.table().splitlines()[-1].split() == [
        "all",
        "5",
        "0",
        "1",
        "0",
        "1",
        "1",
        "1",
        "1",
        "67",
        "%",
    ]
    assert "the same by the rules of arithmetic" in verdict.report()
