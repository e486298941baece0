"""Speed of the whole loop (agents, submission, blocks, log, indexer, metrics, invariants) against the same
calldata through bare pyrevm `message_call`, measured by turns in one run; prints medians and their ratio.

    python benchmarks/speed.py [--blocks N] [--rounds N]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time

from pyrevm import BlockEnv

from perpsim.chain.base import COINBASE, DEFAULT_TX_GAS
from perpsim.scenarios import Scenario
from perpsim.scenarios.loading import load_scenario
from perpsim.simulation.capture import Call, Capture
from perpsim.simulation.command import build

SCENARIO = "black-thursday-2020"


def whole_loop(scenario: Scenario) -> tuple[float, list[Call]]:
    """Seconds of the block loop, set-up not counted, and what it sent."""
    capture = Capture()
    simulation = build(scenario, capture=capture)
    try:
        began = time.perf_counter()
        simulation.run()
        return time.perf_counter() - began, capture.calls
    finally:
        simulation.protocol.chain.close()


def bare_calls(scenario: Scenario, calls: list[Call]) -> float:
    """Seconds of nothing but block environments and calls, on the same state."""
    simulation = build(scenario)
    chain = simulation.protocol.chain
    # the bare EVM below the engine: what is measured is pyrevm and nothing of ours
    evm = chain._evm  # type: ignore[attr-defined]
    number, timestamp, failed = chain.block_number, 0, 0
    try:
        began = time.perf_counter()
        for call in calls:
            if call.timestamp != timestamp:
                timestamp = call.timestamp
                number += 1
                evm.set_block_env(
                    BlockEnv(
                        number=number,
                        coinbase=COINBASE,
                        timestamp=timestamp,
                        prevrandao=number.to_bytes(32, "big"),
                        gas_limit=chain.block_gas_limit,
                    )
                )
            try:
                evm.message_call(call.sender, call.to, call.data, None, DEFAULT_TX_GAS)
            except RuntimeError:
                failed += 1
            evm.reset_transient_storage()
        return time.perf_counter() - began
    finally:
        chain.close()


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=0, help="blocks of the scenario, 0: all")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    overrides = [f"clock.blocks={options.blocks}"] if options.blocks else []
    scenario = load_scenario(SCENARIO, overrides)
    loops, bares, calls = [], [], []
    for number in range(options.rounds):
        seconds, calls = whole_loop(scenario)
        loops.append(seconds)
        bares.append(bare_calls(scenario, calls))
        print(f"round {number + 1}: loop {loops[-1]:.2f} s, bare calls {bares[-1]:.2f} s", flush=True)
    loop, bare = statistics.median(loops), statistics.median(bares)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{SCENARIO}, {scenario.clock.blocks:,} blocks, {len(calls):,} transactions, {options.rounds} rounds"
    )
    print(f"whole loop  {loop:6.2f} s  {len(calls) / loop:8,.0f} transactions/s")
    print(f"bare calls  {bare:6.2f} s  {len(calls) / bare:8,.0f} transactions/s")
    print(f"ratio of medians {loop / bare:.2f}, peak memory of all rounds {peak:,.0f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
