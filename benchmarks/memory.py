"""Memory of a long run: the crowd of the main scenario, until so many transactions are done.

python benchmarks/memory.py [--transactions N]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from perpsim.scenarios.loading import load_scenario  # noqa: E402
from perpsim.simulation.command import build  # noqa: E402

#: a restless market, so that there is something to do in every block
PRICES = (
    'prices={ kind = "hawkes", start = 8000.0, volatility = 1.5, intensity = 20000.0, '
    "jump_deviation = 0.006, branching = 0.5, half_life = 600.0 }"
)
OVERRIDES = (PRICES, "clock.blocks=400000", "traders.late_hours=400.0", "fund.initial=1e9")
EVERY = 100_000


def resident() -> float:
    """Resident memory of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transactions", type=int, default=1_000_000)
    options = parser.parse_args()
    simulation = build(load_scenario("black-thursday-2020", OVERRIDES))
    began, told, peak = time.monotonic(), 0, 0.0
    while simulation.metrics.transactions < options.transactions:
        simulation.step()
        if simulation.metrics.transactions >= told:
            peak = max(peak, resident())
            done = simulation.metrics.transactions
            took = time.monotonic() - began
            told_of = f"{done:>9,} transactions, {simulation.next_block:,} blocks"
            print(f"{told_of}, {resident():7,.0f} MB, {took:5.0f} s", flush=True)
            told += EVERY
    print(f"most seen {max(peak, resident()):,.0f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
