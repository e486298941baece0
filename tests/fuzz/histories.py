"""Random histories of contracts and model side by side: drawn from a seed, replayed, shrunk."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from operations import Fuzz, Step, draw
from support import fresh
from twins import Twins
from worlds import NAMES, WORLDS

#: how many calls a history has
LENGTHS = (500, 2_000, 2_000, 5_000, 10_000)


@dataclass
class History:
    """What was done and what came of it; `failure` says what was wrong in the last step."""

    decimals: int
    steps: list[Step]
    calls: int = 0
    failure: str = ""
    #: calls that went through by function, refusals by reason, what happened
    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)

    @property
    def kind(self) -> str:
        """The failure without its numbers."""
        lines = self.failure.splitlines()
        return re.sub(r"0x[0-9a-f]+|[-+]?\d+", "#", lines[0]) if lines else ""


def play(decimals: int, next_step: Callable[[Fuzz], Step | None], words: list[str] | None = None) -> History:
    """Do steps until there are no more or one fails; `words` takes down each call."""
    world = WORLDS[decimals]
    exchange = fresh(world.params)
    history = History(decimals, [])
    twins = Twins(exchange, NAMES)
    twins.words = words
    try:
        fuzz = Fuzz(twins, world)
        while (step := next_step(fuzz)) is not None:
            history.steps.append(step)
            fuzz.run(step)
        twins.views.compare()
        fuzz.finish()
    except Exception as error:
        # a model that breaks is as wrong as one that disagrees
        history.failure = str(error) if isinstance(error, AssertionError) else repr(error)
        if words is not None:
            words += twins.last_events()
    finally:
        exchange.chain.close()
    history.calls = twins.calls
    history.done, history.refused, history.seen = twins.done, twins.refused, twins.seen
    return history


def drawn(seed: int, number: int, calls: int | None = None) -> History:
    """History number so-and-so of a seed."""
    rng = random.Random(f"{seed}/{number}")
    length = rng.choice(LENGTHS) if calls is None else calls
    return play((6, 18)[number % 2], lambda fuzz: draw(rng) if fuzz.twins.calls < length else None)


def replayed(decimals: int, steps: Sequence[Step], words: list[str] | None = None) -> History:
    """The same steps again."""
    rest = iter(steps)
    return play(decimals, lambda fuzz: next(rest, None), words)


def shrunk(history: History, seconds: float) -> History:
    """The same failure with fewer steps: leaves out ever smaller pieces as long as there is time."""
    until = time.monotonic() + seconds
    best = history
    piece = len(best.steps) // 2
    while piece:
        at = 0
        while at < len(best.steps) and time.monotonic() < until:
            tried = replayed(best.decimals, best.steps[:at] + best.steps[at + piece :])
            if tried.kind == history.kind:
                best = tried
            else:
                at += piece
        piece //= 2
    return best
