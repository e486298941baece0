"""Is the gas of a simulation true? The first transactions of a crash on anvil, their gas beside ours.

    python benchmarks/gas_truth.py [--calls N] [--anvil PATH]

anvil comes from npm: `npm install @foundry-rs/anvil` (the binary is in the package of the platform).
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "peers"), str(HERE.parent)]

from anvil_peer import gas_used  # noqa: E402
from recording import record  # noqa: E402

from perpsim.chain.gas_model import GasModel  # noqa: E402
from perpsim.scenarios.loading import load_scenario  # noqa: E402

SCENARIO = "black-thursday-2020"
#: more than enough for 1,000 transactions, the first liquidations among them
BLOCKS = 400


def main() -> int:
    """Run both and print the errors."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=1_000)
    parser.add_argument("--blocks", type=int, default=BLOCKS)
    parser.add_argument("--anvil", default=shutil.which("anvil"), help="the binary of anvil")
    options = parser.parse_args()
    if not options.anvil:
        print("anvil is not on PATH: npm install @foundry-rs/anvil, then --anvil PATH", file=sys.stderr)
        return 2
    os.environ["ANVIL"] = options.anvil
    scenario = load_scenario(SCENARIO, [f"clock.blocks={options.blocks}", "checks.every=0"])
    model = GasModel()
    work, ours = record(scenario, gas_model=model)
    calls = len(work.calls)
    # all of them from the beginning: what a transaction costs depends on what came before it
    theirs = gas_used(work)
    last = slice(max(calls - options.calls, 0), calls)
    pairs = list(zip(ours[last], theirs[last]))
    errors = sorted(abs(mine - true) / true for mine, true in pairs)
    exact = sum(mine == true for mine, true in pairs)
    worst = errors[len(errors) * 99 // 100]
    print(f"{SCENARIO}: the last {len(pairs):,} of {calls:,} transactions, {exact:,} to the unit")
    print(f"mean error {statistics.mean(errors):.4%}, one in 100 beyond {worst:.4%}, worst {errors[-1]:.3%}")
    print(f"model: {model.estimated:,} estimated, {model.measured:,} measured")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
