"""Speed of the whole loop (agents, fees, blocks, log, indexer, metrics, warning signs, invariants) against
the same calldata through bare pyrevm `message_call`, by turns in one run: processor and wall time of every
round, medians and their ratio.

    python benchmarks/speed.py [--scenario NAME] [--blocks N] [--rounds N] [--profile]

Processor time is what counts on a machine that does other things besides. `--profile` adds one more run and
says where its time goes.
"""

from __future__ import annotations

import argparse
import gc
import resource
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

from loop_parts import Parts
from pyrevm import BlockEnv

from perpsim.chain.base import COINBASE, DEFAULT_TX_GAS
from perpsim.scenarios import Scenario
from perpsim.scenarios.loading import load_scenario
from perpsim.simulation.capture import Call, Capture
from perpsim.simulation.command import build

SCENARIO = "black-thursday-2020"


class Seconds(NamedTuple):
    """Processor time, all threads together, and wall time."""

    cpu: float
    wall: float


def timed(work: Callable[[], object]) -> Seconds:
    """How long some work takes, with what lies about collected before."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Seconds(time.process_time() - cpu, time.perf_counter() - wall)


def whole_loop(scenario: Scenario) -> tuple[Seconds, list[Call]]:
    """Time of the block loop, set-up not counted, and what it sent."""
    capture = Capture()
    simulation = build(scenario, capture=capture)
    with simulation.protocol.chain:

        def run() -> None:
            simulation.run()
            # Text that is made in batches belongs to it.
            simulation.log.frame()

        return timed(run), capture.calls


def bare_calls(scenario: Scenario, calls: list[Call]) -> Seconds:
    """Time of nothing but block environments and calls, on the same state."""
    simulation = build(scenario)
    chain = simulation.protocol.chain
    # the bare EVM below the engine: what is measured is pyrevm and nothing of ours
    evm = chain._evm  # type: ignore[attr-defined]

    def run() -> None:
        number, timestamp = chain.block_number, 0
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
                pass
            evm.reset_transient_storage()

    with chain:
        return timed(run)


def profile(scenario: Scenario, transactions: int, bare: float) -> None:
    """One more run; where its processor time goes, of which `bare` seconds are the EVM's."""
    simulation = build(scenario)
    with simulation.protocol.chain:
        parts = Parts(simulation)
        simulation.run()
        simulation.log.frame()
    seconds = dict(parts.seconds)
    seconds["EVM: bare calls"] = bare
    seconds["chain: receipts, order, memory"] = seconds.pop("chain and EVM") - bare
    total = sum(seconds.values())
    print(f"\n{'part':<40}{'us/transaction':>15}{'%':>7}")
    for part, spent in sorted(seconds.items(), key=lambda item: -item[1]):
        print(f"{part:<40}{spent / transactions * 1e6:>15.1f}{100 * spent / total:>7.1f}")
    print(f"{'all of it':<40}{total / transactions * 1e6:>15.1f}{100:>7.1f}")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--scenario", default=SCENARIO, metavar="NAME")
    parser.add_argument("--blocks", type=int, default=0, help="blocks of the scenario, 0: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true", help="also say where the time goes")
    options = parser.parse_args()
    overrides = [f"clock.blocks={options.blocks}"] if options.blocks else []
    scenario = load_scenario(options.scenario, overrides)
    loops: list[Seconds] = []
    bares: list[Seconds] = []
    calls: list[Call] = []
    for number in range(1, options.rounds + 1):
        seconds, calls = whole_loop(scenario)
        loops.append(seconds)
        bares.append(bare_calls(scenario, calls))
        loop, bare = loops[-1], bares[-1]
        print(
            f"round {number}: loop {loop.cpu:.2f} s ({loop.wall:.2f} s wall), "
            f"bare calls {bare.cpu:.2f} s ({bare.wall:.2f} s wall), ratio {loop.cpu / bare.cpu:.2f}",
            flush=True,
        )
    sent, peak = len(calls), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{options.scenario}: {scenario.clock.blocks:,} blocks, {sent:,} transactions, medians")
    medians = []
    for name, rounds in (("whole loop", loops), ("bare calls", bares)):
        cpu, wall = (statistics.median(column) for column in zip(*rounds))
        medians.append(Seconds(cpu, wall))
        print(f"{name}  {cpu:6.2f} s  {wall:6.2f} s wall  {cpu / sent * 1e6:6.1f} us a transaction")
    loop, bare = medians
    print(f"ratio of medians {loop.cpu / bare.cpu:.2f}, of wall time {loop.wall / bare.wall:.2f}")
    print(f"peak memory of all rounds {peak:,.0f} MB")
    if options.profile:
        profile(scenario, sent, bare.cpu)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
