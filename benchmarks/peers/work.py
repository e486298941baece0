"""The work that everybody is given: set-up and transactions of a scenario, in the order of their execution.

Plain data in a pickle, read by each peer in an environment of its own; nothing here needs perpsim.
"""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Step(NamedTuple):
    """A creation (`to` empty, `data` the init code) or a call. Time in seconds, addresses 20 bytes.

    `created` is where a contract came to stand, `ok` whether it went through when it was recorded.
    """

    time: int
    sender: bytes
    to: bytes
    data: bytes
    created: bytes
    ok: bool


class Work(NamedTuple):
    """`setup` is not timed, `calls` are. Blocks are `seconds_per_block` apart."""

    scenario: str
    seconds_per_block: int
    gas_limit: int
    setup: list[Step]
    calls: list[Step]

    def blocks(self) -> list[list[Step]]:
        """The calls, block by block."""
        found: list[list[Step]] = []
        time = None
        for call in self.calls:
            if call.time != time:
                time = call.time
                found.append([])
            found[-1].append(call)
        return found

    def senders(self) -> list[bytes]:
        """Everybody who sends, once."""
        return list(dict.fromkeys(step.sender for step in (*self.setup, *self.calls)))


class Outcome(NamedTuple):
    """Seconds for the calls, how many of them, and how many failed; `note` says what is special."""

    seconds: float
    calls: int
    failed: int
    note: str = ""


def save(work: Work, path: Path) -> None:
    """Write it down in types that any Python reads."""
    plain = (*work[:3], [tuple(step) for step in work.setup], [tuple(step) for step in work.calls])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(plain))


def load(path: Path, limit: int = 0) -> Work:
    """Read it, the first `limit` calls only (0: all)."""
    scenario, seconds, gas_limit, setup, calls = pickle.loads(path.read_bytes())
    calls = calls[:limit] if limit else calls
    return Work(
        scenario, seconds, gas_limit, [Step(*step) for step in setup], [Step(*step) for step in calls]
    )


def main(run: Callable[[Work], Outcome]) -> None:
    """A peer's command line: the file, and how many calls; prints one line of JSON."""
    limit = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    print(json.dumps(run(load(Path(sys.argv[1]), limit))._asdict()))
