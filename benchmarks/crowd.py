"""Cost of a crowd: processor time of the block loop with 1,000 accounts against 10,000 that are ten times as
idle each, so that about as many transactions are sent; by turns in one run. All kinds of agents, two markets.
Prints medians, their ratio, and the ratio of times a transaction.

    python benchmarks/crowd.py [--blocks N] [--rounds N]

Everybody arrives during the first blocks, which are not counted.
"""

from __future__ import annotations

import argparse
import statistics
import time
from datetime import UTC, datetime
from typing import Any

from perpsim.scenarios import Scenario
from perpsim.scenarios.loading import validate
from perpsim.simulation.command import build
from perpsim.simulation.runner import Simulation

WARM_UP = 300
SIZES = (1_000, 10_000)
SECONDS = 12


def scenario(accounts: int, blocks: int) -> Scenario:
    """A calm world with so many accounts; what they do all together does not depend on how many they are."""
    crowd = accounts / SIZES[0]
    half = accounts // 2
    market: dict[str, Any] = {
        "tick": 0.5,
        "lot": 0.0001,
        "min_size": 0.0001,
        "tiers": [{"limit": 100_000_000, "initial": 0.01, "maintenance": 0.005}],
    }
    price = {"kind": "gbm", "start": 10_000, "volatility": 0.4}
    # Sizes shrink as numbers grow: the book has the same to carry.
    stake = 2_000 / crowd
    traders = {
        "count": int(0.6 * half),
        "arrival_blocks": WARM_UP // 2,
        "collateral_median": stake,
        "leverage": [{"leverage": 3, "share": 1}, {"leverage": 8, "share": 1}],
        "turnover_hours": 1.5 * crowd,
        "return_share": 1.0,
        "return_hours": 0.5 * crowd,
        "add_margin_share": 0.0,
        "deleverage_share": 0.0,
        "stop_share": 0.0,
        "take_profit_share": 0.0,
    }
    noise = {"count": int(0.2 * half), "capital": stake, "activity": 0.02 / crowd}
    momentum = {"count": int(0.05 * half), "capital": stake, "activity": 0.02 / crowd, "threshold": 0.001}
    makers = {"count": 3, "depth": 400_000, "capital": 5_000_000}
    baskets = {
        "count": int(0.1 * accounts),
        "legs": [{"market": 0, "weight": 1}, {"market": 1, "weight": -1}],
        "collateral_median": stake,
        "arrival_blocks": WARM_UP // 2,
        "turnover_hours": 20 * crowd,
    }
    stakers = {"count": int(0.05 * accounts), "arrival_blocks": WARM_UP // 2, "attention_hours": crowd}
    both = [{}, {"market": 1}]
    return validate(
        {
            "name": f"crowd-{accounts}",
            "title": "A crowd",
            "description": "For a benchmark.",
            "seed": 1,
            "clock": {
                "start": datetime(2024, 1, 1, tzinfo=UTC),
                "blocks": WARM_UP + blocks,
                "seconds_per_block": SECONDS,
                # All arrive in time: the crowd is what is measured, not the wait for a block.
                "gas_limit": 1_000_000_000,
            },
            "fund": {"initial": 1_000_000, "staking": {"cooldown": 3600, "window": 3600}},
            "markets": [{**market, "symbol": symbol} for symbol in ("BTC", "ETH")],
            "prices": [price, price],
            "traders": [{**traders, **which} for which in both],
            "agents": {
                "makers": [{**makers, **which} for which in both],
                "arbitrageurs": [which for which in both],
                "noise": [{**noise, **which} for which in both],
                "momentum": [{**momentum, **which} for which in both],
                "baskets": baskets,
                "stakers": stakers,
                "keepers": [{"name": "north"}],
            },
        }
    )


def measure(accounts: int, blocks: int) -> tuple[float, int, Simulation]:
    """Processor seconds of the blocks after the warm-up, their transactions, and the simulation."""
    simulation = build(scenario(accounts, blocks))
    with simulation.protocol.chain:
        for _ in range(WARM_UP):
            simulation.step()
        before = simulation.metrics.transactions
        began = time.process_time()
        simulation.run()
        return time.process_time() - began, simulation.metrics.transactions - before, simulation


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    seconds: dict[int, list[float]] = {accounts: [] for accounts in SIZES}
    sent: dict[int, int] = {}
    for number in range(options.rounds):
        for accounts in SIZES:
            took, sent[accounts], simulation = measure(accounts, options.blocks)
            seconds[accounts].append(took)
            count = simulation.indexer.accounts.count + len(simulation.vault_table.holders) - 1
            print(
                f"round {number + 1}: {count:,} accounts {took:.2f} s, {sent[accounts]:,} transactions",
                flush=True,
            )
    few, many = (statistics.median(seconds[accounts]) for accounts in SIZES)
    print(f"{options.blocks:,} blocks, {options.rounds} rounds")
    each = many / sent[SIZES[1]] / (few / sent[SIZES[0]])
    print(f"ratio of medians {many / few:.2f}, of times a transaction {each:.2f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
