"""Our loop beside others that run contracts: the same calls of a crash through each of them, by turns.

    python benchmarks/peers [--blocks N] [--rounds N] [--python PATH] [--anvil PATH]

`--python`: an interpreter with `pip install -r benchmarks/peers/requirements.txt`. A peer that is not there
is left out and said so. Ratios are of medians of microseconds a transaction, to our whole loop.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1])]

from recording import record  # noqa: E402
from speed import bare_calls, whole_loop  # noqa: E402
from work import Outcome, save  # noqa: E402

from perpsim.scenarios import Scenario  # noqa: E402
from perpsim.scenarios.loading import load_scenario  # noqa: E402

SCENARIO = "black-thursday-2020"
#: blocks are 15 s apart as in verbs; the clocks of eth-tester and ape only go forward from today
OVERRIDES = ("clock.seconds_per_block=15", "clock.start=2030-01-01T00:00:00Z", "checks.every=0")
_Raw = argparse.RawDescriptionHelpFormatter
#: script, what it is, and how many calls it is given (0: all)
PEERS = (
    ("verbs_peer", "verbs, its loop", 0),
    ("anvil_peer", "anvil, raw batches", 0),
    ("boa_peer", "titanoboa", 1_000),
    ("eth_tester_peer", "web3.py + eth-tester", 300),
    ("ape_peer", "ape, its test provider", 300),
)


def peer(script: str, python: str, work: Path, limit: int, environment: dict[str, str]) -> Outcome | str:
    """One measurement, or why there is none."""
    command = [python, str(HERE / f"{script}.py"), str(work), str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=work.parent)
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        return (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    return Outcome(**json.loads(lines[-1]))


def ours(scenario: Scenario) -> list[tuple[str, Outcome]]:
    """The whole loop and the bare calls. Wall time: what others do in processes of their own counts, too."""
    loop, calls = whole_loop(scenario)
    bare = bare_calls(scenario, calls)
    return [
        ("perpsim, whole loop", Outcome(loop.wall, len(calls), 0)),
        ("pyrevm, bare calls", Outcome(bare.wall, len(calls), 0)),
    ]


def main() -> int:
    """Measure by turns and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--blocks", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--python", default=sys.executable, help="interpreter that has the peers")
    parser.add_argument("--anvil", default=shutil.which("anvil"), help="the binary of anvil")
    options = parser.parse_args()
    scenario = load_scenario(SCENARIO, [*OVERRIDES, f"clock.blocks={options.blocks}"])
    place = Path(".cache/peers").resolve()
    recorded, _ = record(scenario)
    save(recorded, place / "work.pickle")
    reverted = sum(not call.ok for call in recorded.calls)
    print(f"{len(recorded.calls):,} calls, {reverted:,} of them revert, {len(recorded.senders()):,} agents")
    environment = {**os.environ, "ANVIL": options.anvil or "", "PYTHONPATH": ""}
    found: dict[str, list[Outcome]] = {}
    for number in range(options.rounds):
        began = time.monotonic()
        for name, outcome in ours(scenario):
            found.setdefault(name, []).append(outcome)
        for script, name, limit in PEERS:
            got = peer(script, options.python, place / "work.pickle", limit, environment)
            if isinstance(got, str):
                print(f"  {name}: not measured: {got}")
            else:
                found.setdefault(name, []).append(got)
        print(f"round {number + 1}: {time.monotonic() - began:.0f} s", flush=True)
    each = {name: statistics.median(o.seconds / o.calls * 1e6 for o in got) for name, got in found.items()}
    own = each["perpsim, whole loop"]
    print(f"\n{'':24}{'us a call':>10}{'ratio':>8}{'calls':>9}{'failed':>8}")
    for name, cost in sorted(each.items(), key=lambda item: item[1]):
        last = found[name][-1]
        print(f"{name:24}{cost:10,.1f}{cost / own:8.2f}{last.calls:9,}{last.failed or '':>8}  {last.note}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
