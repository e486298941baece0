"""Random numbers that one agent's luck does not take from another.

Everything random in a run comes from one seeded generator. It is branched by name, so that each population
has a stream of its own, and each block a part of that stream. What a population draws in a block depends on
the seed, its role and the block alone, never on how much others drew before: two runs with the same seed and
different parameters see the same prices, the same crowd and the same moods (common random numbers).
"""

from __future__ import annotations

from collections.abc import Iterable
from zlib import crc32

import numpy as np


def branch(rng: np.random.Generator, *names: str | int) -> np.random.SeedSequence:
    """The seed below that of `rng` which goes by these names. `rng` is left as it is."""
    root = rng.bit_generator.seed_seq
    assert isinstance(root, np.random.SeedSequence)
    key = (name if isinstance(name, int) else crc32(name.encode()) for name in names)
    return np.random.SeedSequence(root.entropy, spawn_key=(*root.spawn_key, *key))


class Stream:
    """The stream of one population, a part of it a block."""

    def __init__(self, seed: np.random.SeedSequence) -> None:
        self._bits = np.random.Philox(seed)
        self._rng = np.random.Generator(self._bits)
        self._start = self._bits.state
        self._counter = self._start["state"]["counter"]

    def at(self, block: int) -> np.random.Generator:
        """The part that belongs to `block` (0 or later), from its beginning."""
        # Philox turns a counter of four words into numbers: a block has all counts below its own fourth word.
        self._counter[3] = block
        self._bits.state = self._start
        return self._rng


def streams(rng: np.random.Generator, roles: Iterable[str]) -> list[Stream]:
    """A stream for each of those who act, told apart by role and by number within it."""
    seen: dict[str, int] = {}
    found = []
    for role in roles:
        number = seen[role] = seen.get(role, -1) + 1
        found.append(Stream(branch(rng, "acts", role, number)))
    return found
