"""A process that tries mutants on a copy of the project, one after the other.

It collects the tests once. For each mutant it forks; the child writes the mutant into the copy, compiles it
and runs the tests until the first failure. What the tests keep in memory, or break, ends with the child.
"""

from __future__ import annotations

import gc
import hashlib
import os
import pickle
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import Phase, settings

SUITES = ("tests/unit", "tests/fuzz")
#: not about the contracts; or about what they cost, which almost any mutant changes
IGNORED = (
    "tests/unit/chain",
    "tests/unit/deleveraging",
    "tests/unit/market",
    "tests/unit/report",
    "tests/unit/simulation",
    "tests/unit/test_cli.py",
    "tests/unit/test_deleverage_gas.py",
    "tests/unit/test_gas_table.py",
)
#: name of a contract that a test writes around a module
HARNESS = "Harness"
ORIGINAL = "the original"


class Trial(NamedTuple):
    """What a worker is asked to do: tests in this order against a file's text, or all against the original.

    `builds` are the contracts that the file is part of, `known` other mutants by their fingerprints.
    """

    file: str = ""
    text: str = ""
    builds: tuple[str, ...] = ()
    known: dict[str, str] = {}
    tests: tuple[str, ...] = ()
    timeout: float = 600.0


class Timing(NamedTuple):
    """A test on the original: what it failed with, seconds of the processor, contracts that it used."""

    failure: str
    seconds: float
    contracts: frozenset[str]


class Outcome(NamedTuple):
    """What became of a trial.

    `status`: killed, survived, timeout, crashed; or dropped: refused (does not compile), same (as the
    original or the mutant named in `by`), large (cannot be deployed). `by` is the test that killed, or the
    compiler's message, `compiled` and `tested` seconds of the processor.
    """

    status: str
    by: str = ""
    fingerprint: str = ""
    compiled: float = 0.0
    tested: float = 0.0


def copy_project(root: Path, tree: Path) -> None:
    """What the tests need of the project, in a place where the contracts may be broken."""
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    for path in root.iterdir():
        if path.name.startswith(".") or path.name in ("runs", "build", "dist", "deployments"):
            continue
        if path.is_dir():
            shutil.copytree(path, tree / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(path, tree / path.name)


class Worker:
    """The pytest plugin that takes the place of pytest's loop over the tests."""

    def __init__(self, link: Connection, tree: Path) -> None:
        self.link = link
        self.contracts = tree / "contracts"
        self.items: dict[str, pytest.Item] = {}
        #: what tests are given of the project's contracts, by source
        self.artifacts: dict[Path, Any] = {}

    # ---------------------------------------------------------------------------------------- pytest

    def pytest_collection(self) -> None:
        """Hypothesis need not find the smallest example, only one."""
        quick = settings(settings.default, phases=(Phase.explicit, Phase.generate), database=None)
        settings.register_profile("mutants", quick)
        settings.load_profile("mutants")
        self.prepare()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            self.link.send("the tests cannot be collected")
            return True
        self.items = {item.nodeid: item for item in session.items}
        gc.collect()
        gc.freeze()
        self.link.send("ready")
        while (trial := self.link.recv()) is not None:
            self.link.send(self.attempt(trial) if trial.file else forked(self._time_all, trial.timeout))
        return True

    # ---------------------------------------------------------------------------------------- trials

    def prepare(self) -> None:
        """Compile the originals, and let everybody who loads a contract have it from `artifacts`."""
        from perpsim.chain import Compiler

        self._load = Compiler.load
        compiler = Compiler(self.contracts)
        self.artifacts = {compiler.path(name): compiler.load(name) for name in compiler.names()}

        def load(compiler: Compiler, name: str) -> Any:
            if compiler.contracts == self.contracts:
                return self.artifacts[compiler.path(name)]
            return self._load(compiler, name)

        Compiler.load = load  # type: ignore[method-assign]

    def attempt(self, trial: Trial) -> Outcome:
        """Write the mutant, let a child try it, and put the original back."""
        path = self.contracts / trial.file
        original = path.read_text()
        path.write_text(trial.text)
        try:
            outcome: Outcome = forked(lambda: self._try(trial), trial.timeout)
        finally:
            path.write_text(original)
        return outcome

    def _try(self, trial: Trial) -> Outcome:
        started = time.process_time()
        try:
            fingerprint, largest = self._build(trial.builds)
        except Exception as error:
            return Outcome("refused", f"{type(error).__name__}: {error}"[:300])
        compiled = time.process_time() - started
        if fingerprint == ORIGINAL:
            return Outcome("same", ORIGINAL, compiled=compiled)
        if fingerprint in trial.known:
            return Outcome("same", trial.known[fingerprint], fingerprint, compiled)
        from perpsim.chain.artifacts import MAX_RUNTIME_BYTES

        if largest > MAX_RUNTIME_BYTES:
            return Outcome("large", f"{largest} bytes", fingerprint, compiled)
        items = [self.items[name] for name in trial.tests if name in self.items]
        by = next((name for name, failure in self._run(items) if failure), "")
        tested = time.process_time() - started - compiled
        return Outcome("killed" if by else "survived", by, fingerprint, compiled, tested)

    def _build(self, names: tuple[str, ...]) -> tuple[str, int]:
        """Compile the contracts that the mutant is part of. A hash of their code without the compiler's note
        on the sources (ORIGINAL if it is that), and the size of the largest."""
        from perpsim.chain import Compiler

        compiler = Compiler(self.contracts, Path(tempfile.mkdtemp()))
        paths = [compiler.path(name) for name in names]
        before = [_code(self.artifacts[path]) for path in paths]
        gc.disable()
        for path, name in zip(paths, names):
            self.artifacts[path] = self._load(compiler, name)
        gc.enable()
        built = [self.artifacts[path] for path in paths]
        after = [_code(artifact) for artifact in built]
        digest = hashlib.sha256(b"".join(hashlib.sha256(code).digest() for code in after)).hexdigest()[:32]
        return digest if after != before else ORIGINAL, max(artifact.runtime_size for artifact in built)

    def _run(self, items: list[pytest.Item]) -> Iterator[tuple[str, str]]:
        """Run tests; what each failed with, if it did."""
        for item, following in zip(items, [*items[1:], None]):
            failures: list[str] = []

            class Watch:
                @staticmethod
                def pytest_runtest_logreport(report: pytest.TestReport) -> None:
                    if report.failed:
                        failures.append(report.longreprtext or "failed")  # noqa: B023

            watch = Watch()
            item.config.pluginmanager.register(watch)
            try:
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            finally:
                item.config.pluginmanager.unregister(watch)
            yield item.nodeid, "".join(failures)

    def _time_all(self) -> dict[str, Timing]:
        found = {}
        with contracts_used() as used:
            started = time.process_time()
            for name, failure in self._run(list(self.items.values())):
                now = time.process_time()
                found[name] = Timing(failure, now - started, frozenset(used))
                used.clear()
                started = now
        return found


def _code(artifact: Any) -> bytes:
    note = int.from_bytes(artifact.bytecode[-2:], "big")
    return bytes(artifact.bytecode[:-note])


@contextmanager
def contracts_used() -> Iterator[set[str]]:
    """Names of the contracts on every chain that runs something meanwhile."""
    from perpsim.chain.revm import RevmChain

    used: set[str] = set()
    deploy, run, view = RevmChain.deploy, RevmChain._run, RevmChain.view

    def watched_deploy(chain: Any, artifact: Any, *args: Any, **options: Any) -> str:
        chain.__dict__.setdefault("_deployed", set()).add(artifact.name)
        used.add(artifact.name)
        return deploy(chain, artifact, *args, **options)

    def watched(call: Callable[..., Any]) -> Callable[..., Any]:
        def inner(chain: Any, *args: Any, **options: Any) -> Any:
            used.update(chain.__dict__.get("_deployed", ()))
            return call(chain, *args, **options)

        return inner

    RevmChain.deploy = watched_deploy  # type: ignore[method-assign]
    RevmChain._run = watched(run)  # type: ignore[method-assign]
    RevmChain.view = watched(view)  # type: ignore[method-assign]
    try:
        yield used
    finally:
        RevmChain.deploy, RevmChain._run, RevmChain.view = deploy, run, view  # type: ignore[method-assign]


def forked(work: Callable[[], Any], timeout: float) -> Any:
    """What `work` returns in a forked child; an `Outcome` if it does not finish or ends without a word."""
    place = tempfile.mkdtemp(prefix="perpsim-mutant-")
    answer = Path(place) / "answer"
    child = os.fork()
    if not child:
        status = 1
        try:
            tempfile.tempdir = place
            answer.write_bytes(pickle.dumps(work()))
            status = 0
        finally:
            os._exit(status)
    try:
        deadline = time.monotonic() + timeout
        pause = 0.005
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            if time.monotonic() > deadline:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return Outcome("timeout", tested=timeout)
            time.sleep(pause)
            pause = min(pause * 1.2, 0.05)
        if answer.is_file():
            return pickle.loads(answer.read_bytes())
        return Outcome("crashed")
    finally:
        shutil.rmtree(place, ignore_errors=True)


def serve(handle: int) -> None:
    """Serve trials over a connection; the present folder is the copy."""
    tree = Path.cwd()
    link = Connection(handle)
    arguments = [*SUITES, "-q", "-p", "no:ape_test", "-p", "no:cacheprovider", "--no-header"]
    arguments += [f"--ignore={path}" for path in IGNORED]
    # the tests' own output is of no interest
    with open(os.devnull, "w") as null:
        os.dup2(null.fileno(), sys.stdout.fileno())
    pytest.main(arguments, plugins=[Worker(link, tree)])
