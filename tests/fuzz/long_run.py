"""Contracts and reference model side by side for as long as one likes.

    python tests/fuzz/long_run.py --calls 1000000 --workers 2 --seed 1
    python tests/fuzz/long_run.py --replay .cache/fuzz/failure.json

Prints what it does as it goes and, at the end, how often each operation went through. Stops at the first
difference, shrinks the history that led to it and keeps it as a file to replay.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

from histories import History, drawn, replayed, shrunk  # noqa: E402

FAILURE = ROOT / ".cache" / "fuzz" / "failure.json"
#: seconds between two lines of progress, and at most for shrinking
PROGRESS, SHRINKING = 20, 120
#: steps and calls of a failure that are printed
SHOWN = 60
#: histories that a process plays before it is replaced; pyrevm does not give back all its memory
TASKS = 20


def _play(task: tuple[int, int]) -> tuple[int, History]:
    seed, number = task
    return number, drawn(seed, number)


class Tally:
    """Sums over histories."""

    def __init__(self) -> None:
        self.began = self.said = time.monotonic()
        self.calls = self.histories = 0
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()

    def add(self, history: History) -> None:
        """One more."""
        self.calls += history.calls
        self.histories += 1
        self.done += history.done
        self.refused += history.refused
        self.seen += history.seen

    def line(self) -> str:
        """How far it is."""
        took = time.monotonic() - self.began
        refused = 100 * sum(self.refused.values()) / max(self.calls, 1)
        return (
            f"{self.calls:>9,} calls in {self.histories:,} histories, {took:,.0f} s, "
            f"{self.calls / took:,.0f} calls/s, {refused:.0f} % refused"
        )

    def progress(self) -> None:
        """Say so now and then."""
        if time.monotonic() - self.said >= PROGRESS:
            self.said = time.monotonic()
            print(self.line(), flush=True)

    def report(self) -> None:
        """What was reached."""
        print(self.line())
        for title, counts in (
            ("went through", self.done),
            ("refused", self.refused),
            ("happened", self.seen),
        ):
            print(f"\n{title}")
            for name, count in sorted(counts.items(), key=lambda item: -item[1]):
                print(f"  {count:>9,}  {name}")


def fail(history: History, title: str) -> None:
    """Shrink a history that failed, print it, keep it."""
    print(f"\n{title}\n{history.failure}\nshrinking {len(history.steps)} steps ...", flush=True)
    least = shrunk(history, SHRINKING)
    words: list[str] = []
    last = replayed(least.decimals, least.steps, words)
    FAILURE.parent.mkdir(parents=True, exist_ok=True)
    FAILURE.write_text(json.dumps({"decimals": least.decimals, "steps": least.steps}))
    print(f"{len(least.steps)} steps, {least.decimals} decimals; replay with --replay {FAILURE}")
    for title, lines in (("steps", least.steps), ("calls", words)):
        print(f"the last {title}:")
        for line in lines[-SHOWN:]:
            print(f"  {line}")
    print(last.failure)


def run(seed: int, calls: int, workers: int) -> int:
    """Play histories until so many calls are done; 1 if one failed."""
    print(f"seed {seed}, {calls:,} calls, {workers} workers", flush=True)
    tally = Tally()
    tasks = ((seed, number) for number in itertools.count())
    with multiprocessing.get_context("spawn").Pool(workers, maxtasksperchild=TASKS) as pool:
        while tally.calls < calls:
            for number, history in pool.imap_unordered(_play, itertools.islice(tasks, workers * 4)):
                tally.add(history)
                tally.progress()
                if history.failure:
                    pool.terminate()
                    tally.report()
                    fail(history, f"seed {seed}, history {number}, after {history.calls} calls:")
                    return 1
    tally.report()
    print("\nno difference")
    return 0


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Contracts and reference model side by side.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--replay", type=Path, help="a failure that was kept")
    args = parser.parse_args()
    if args.replay:
        kept = json.loads(args.replay.read_text())
        words: list[str] = []
        steps = [(name, tuple(values)) for name, values in kept["steps"]]
        history = replayed(kept["decimals"], steps, words)
        print("\n".join(words))
        print(history.failure or "no difference")
        return int(bool(history.failure))
    return run(args.seed, args.calls, args.workers)


if __name__ == "__main__":
    sys.exit(main())
