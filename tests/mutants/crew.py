"""The workers, and what they are given to do."""

from __future__ import annotations

import fcntl
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from mutants.board import DROPPED, FOUND, Log, Result, digest_of
from mutants.catalogue import Mutant, made_of
from mutants.worker import HARNESS, Outcome, Timing, Trial, copy_project

SUFFIXES = (".vy", ".vyi", ".py")
#: the best killers go first one by one, the others file by file
FIRST = 40
PROGRESS_EVERY = 20.0


class Hand:
    """A worker process with its copy of the project."""

    def __init__(self, root: Path, tree: Path) -> None:
        copy_project(root, tree)
        self.link, far = Pipe()
        path = os.pathsep.join([str(tree), str(tree / "tests")])
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"from mutants.worker import serve; serve({far.fileno()})"],
            cwd=tree,
            env=environment,
            pass_fds=[far.fileno()],
            stdin=subprocess.DEVNULL,
            # Ctrl-C is for whoever gives out the work
            start_new_session=True,
        )
        far.close()
        self.mutant: Mutant | None = None

    def ask(self, trial: Trial) -> Any:
        """Have something done and wait for it."""
        self.link.send(trial)
        return self.link.recv()

    def stop(self) -> None:
        """End the process and its children."""
        try:
            os.killpg(self.process.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
        self.process.wait()


class Run:
    """Trying a sample. `go` may be stopped and called again, by another process too."""

    def __init__(
        self, root: Path, place: Path, drawn: list[Mutant], skipped: Iterable[str], *, fresh: bool = False
    ) -> None:
        self.root, self.place, self.drawn = root, place, drawn
        place.mkdir(parents=True, exist_ok=True)
        # held until the process ends
        self.lock = (place / "lock").open("w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SystemExit(f"another run is at work in {place}") from None
        if fresh:
            (place / "results.jsonl").unlink(missing_ok=True)
        self.log = Log(place / "results.jsonl")
        sources = root / "contracts"
        self.texts = {name: (sources / name).read_text() for name in {m.file for m in drawn}}
        self.hashes = {name: digest_of([sources / name]) for name in self.texts}
        trees = [p for t in ("contracts", "tests") for p in (root / t).rglob("*") if p.suffix in SUFFIXES]
        self.context = digest_of(p for p in trees if "mutants" not in p.relative_to(root).parts)
        self.builds = made_of(sources)
        self.now: dict[str, Result] = {}
        #: fingerprint -> whose it is
        self.seen: dict[str, str] = {}
        self.timings: dict[str, Timing] = {}
        self.queue: list[Mutant] = []
        for mutant in drawn:
            kept = self.log.valid(mutant.key, self.hashes[mutant.file], self.context)
            if kept:
                self.now[mutant.key] = kept
                if kept.fingerprint:
                    self.seen.setdefault(kept.fingerprint, mutant.key)
            elif mutant.key not in skipped:
                self.queue.append(mutant)

    def results(self) -> dict[str, Result]:
        """What is known of the sample, by key."""
        return self.now

    def go(self, workers: int) -> bool:
        """Try what has not been tried; whether all of it was."""
        if not self.queue:
            return True
        kept = len(self.now)
        print(f"{kept} known from before, {len(self.queue)} to try", flush=True)
        hands: list[Hand] = []
        try:
            hands = [Hand(self.root, self.place / f"tree-{n}") for n in range(min(workers, len(self.queue)))]
            for hand in hands:
                if hand.link.recv() != "ready":
                    raise SystemExit("the tests cannot be collected: run them first")
            self._measure(hands[0])
            self._give_out(hands)
            return True
        except KeyboardInterrupt:
            print("\nstopped; the same command goes on from here", flush=True)
            return False
        finally:
            for hand in hands:
                hand.stop()

    # ------------------------------------------------------------------------------------- preparation

    def _measure(self, hand: Hand) -> None:
        """Time the tests on the original, unless that has been done with these sources and tests."""
        kept = self.place / f"timings-{self.context}"
        if kept.is_file():
            self.timings = pickle.loads(kept.read_bytes())
        else:
            print("timing the tests on the original", flush=True)
            self.timings = hand.ask(Trial(timeout=3600))
            for old in self.place.glob("timings-*"):
                old.unlink()
            kept.write_bytes(pickle.dumps(self.timings))
        failures = {name: timing.failure for name, timing in self.timings.items() if timing.failure}
        for name in failures:
            print(f"left out, fails on the original: {name}", flush=True)
        (self.place / "failures.txt").write_text("\n\n".join(f"{n}\n{f}" for n, f in failures.items()))
        seconds = sum(timing.seconds for timing in self.timings.values())
        print(f"{len(self.timings)} tests, {seconds:.0f} s", flush=True)

    def _order(self, file: str) -> list[str]:
        """The tests that have to do with a file, those first that kill most in the least time."""
        users = {Path(name).name for name in self.builds[file]}
        if file.startswith("modules/"):
            users.add(HARNESS)
        useful = {
            name: timing.seconds
            for name, timing in self.timings.items()
            if not timing.failure and timing.contracts & users
        }
        kills = self.log.killers(file)
        stem = Path(file).stem.lower().replace("_", "")

        def worth(name: str) -> float:
            named = stem in name.split("::")[0].replace("_", "")
            return (kills[name] + (0.5 if named else 0.02)) / (useful[name] + 0.02)

        best = sorted(useful, key=worth, reverse=True)[:FIRST]
        rest = sorted(set(useful) - set(best), key=list(self.timings).index)
        by_file: dict[str, list[str]] = {}
        for name in rest:
            by_file.setdefault(name.split("::")[0], []).append(name)

        def value(names: list[str]) -> float:
            return sum(kills[n] + 0.02 for n in names) / (sum(useful[n] for n in names) + 0.05)

        for names in sorted(by_file.values(), key=value, reverse=True):
            best += names
        return best

    # -------------------------------------------------------------------------------------------- work

    def _give_out(self, hands: list[Hand]) -> None:
        started = said = time.monotonic()
        total = len(self.queue)
        done = 0
        slowest = sum(timing.seconds for timing in self.timings.values())
        busy: dict[Connection, Hand] = {}
        for hand in hands:
            self._next(hand, busy, slowest)
        while busy:
            for link in wait(list(busy)):
                assert isinstance(link, Connection)
                hand = busy.pop(link)
                self._book(hand, link.recv())
                done += 1
                self._next(hand, busy, slowest)
            now = time.monotonic()
            if now - said > PROGRESS_EVERY or not busy:
                said = now
                rate = (now - started) / done
                print(
                    f"{done}/{total}  {self._count()}  {rate:.1f} s a mutant, "
                    f"{rate * (total - done) / 60:.0f} min left",
                    flush=True,
                )

    def _next(self, hand: Hand, busy: dict[Connection, Hand], slowest: float) -> None:
        if not self.queue:
            return
        mutant = hand.mutant = self.queue.pop(0)
        text = self.texts[mutant.file]
        hand.link.send(
            Trial(
                mutant.file,
                mutant.apply(text),
                tuple(self.builds[mutant.file]),
                self.seen,
                tuple(self._order(mutant.file)),
                60 + 5 * slowest,
            )
        )
        busy[hand.link] = hand

    def _book(self, hand: Hand, outcome: Outcome) -> None:
        mutant = hand.mutant
        assert mutant is not None
        result = Result(mutant.key, self.hashes[mutant.file], self.context, **outcome._asdict())
        self.now[mutant.key] = result
        self.log.add(result)
        if outcome.status not in DROPPED and outcome.fingerprint:
            self.seen.setdefault(outcome.fingerprint, mutant.key)
        if outcome.status == "survived":
            print(
                f"survived  contracts/{mutant.file}:{mutant.number}  {mutant.line}  [{mutant.edit.change}]",
                flush=True,
            )

    def _count(self) -> str:
        statuses = [result.status for result in self.now.values()]
        found = sum(status in FOUND for status in statuses)
        dropped = sum(status in DROPPED for status in statuses)
        return f"{found} found, {statuses.count('survived')} survived, {dropped} dropped"
