"""Random histories of contracts and model side by side, for as long as one likes.

python tests/fuzz/long_run.py --seed 1 --calls 100000
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

from operations import OPERATIONS, Fuzz, Step, draw  # noqa: E402
from support import fresh  # noqa: E402
from twins import Difference, Twins  # noqa: E402
from worlds import NAMES, WORLDS  # noqa: E402


def history(seed: int, decimals: int, calls: int) -> tuple[Fuzz, list[Step], str]:
    """A history of so many calls; the difference that ended it, if any."""
    rng = random.Random(seed)
    names = list(OPERATIONS)
    weights = [OPERATIONS[name].weight for name in names]
    world = WORLDS[decimals]
    fuzz = Fuzz(Twins(fresh(world.params), NAMES), world)
    steps: list[Step] = []
    while fuzz.twins.calls < calls:
        step = draw(rng, names, weights)
        steps.append(step)
        try:
            fuzz.run(step)
        except Difference as difference:
            return fuzz, steps, str(difference)
    return fuzz, steps, ""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--decimals", type=int, default=6)
    args = parser.parse_args()
    began = time.perf_counter()
    fuzz, steps, difference = history(args.seed, args.decimals, args.calls)
    took = time.perf_counter() - began
    twins = fuzz.twins
    print(f"{twins.calls} calls in {took:.1f} s, {twins.calls / took:.0f} a second")
    print(dict(twins.done), dict(twins.refused))
    if difference:
        print(len(steps), steps[-3:])
        print("\n".join(twins.last_events()))
        print(difference)
        sys.exit(1)


if __name__ == "__main__":
    main()
