"""What the fuzz tests do: operations with small arguments, made concrete against the model's state.

A step is an operation's name and its arguments, so that a history is a list of plain data: drawn by
Hypothesis or by a seeded generator, replayed, and shrunk by leaving steps out.
"""

from __future__ import annotations

import random

# the order of these is that of the operations, which a seed depends on
import acts_traders

import acts_keepers  # isort: skip
import acts_owners  # isort: skip
from stage import OPERATIONS, Fuzz, Operation, Step

ACTS = (acts_traders, acts_keepers, acts_owners)


def draw(rng: random.Random) -> Step:
    """A random step."""
    (name,) = rng.choices(list(OPERATIONS), [operation.weight for operation in OPERATIONS.values()])
    return name, tuple(rng.choice(domain) for domain in OPERATIONS[name].domains)


__all__ = ["ACTS", "OPERATIONS", "Fuzz", "Operation", "Step", "draw"]
