"""Contracts and reference model side by side: the same transactions, the same words in storage afterwards.

The quick profile of `make fuzz`, which goes on for as long as one likes. Hypothesis finds short histories and
shrinks them, the seeded ones go further.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from histories import drawn, replayed, shrunk
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from operations import OPERATIONS, Fuzz, Operation
from reference.market import Market
from support import deployed
from twins import Twins
from worlds import NAMES, WORLDS

EXPLORING = os.environ.get("HYPOTHESIS_PROFILE") == "explore"


class SideBySide(RuleBasedStateMachine):
    """Eight traders, a keeper, an owner, three markets."""

    decimals = 6

    def __init__(self) -> None:
        super().__init__()
        world = WORLDS[self.decimals]
        self._context = deployed(world.params)
        self.fuzz = Fuzz(Twins(self._context.__enter__(), NAMES), world)

    def teardown(self) -> None:
        try:
            self.fuzz.twins.views.compare()
        finally:
            self._context.__exit__(None, None, None)


def _rule(operation: Operation) -> Any:
    def step(machine: SideBySide, args: tuple[int, ...]) -> None:
        operation.run(machine.fuzz, *args)

    return rule(args=st.tuples(*map(st.sampled_from, operation.domains)))(step)


for _name, _operation in OPERATIONS.items():
    setattr(SideBySide, _name, _rule(_operation))


class EighteenDecimals(SideBySide):
    """The same with a collateral whose unit is a wei."""

    decimals = 18


_SETTINGS = settings(max_examples=1_000 if EXPLORING else 50, stateful_step_count=60)
SideBySide.TestCase.settings = _SETTINGS
EighteenDecimals.TestCase.settings = _SETTINGS
TestSideBySide = SideBySide.TestCase
TestEighteenDecimals = EighteenDecimals.TestCase


@pytest.mark.parametrize("number", range(4))
def test_contracts_and_model_agree_in_a_long_history(number: int) -> None:
    history = drawn(0, number, calls=2_500)
    assert not history.failure
    assert history.seen["fill"] and history.seen["maker failed"]


def test_a_wrong_rule_is_found_and_the_history_that_shows_it_is_shrunk(monkeypatch: Any) -> None:
    right = Market.take_fees

    def wrong(market: Market, fee: int) -> None:
        right(market, fee + (fee > 10**18))

    monkeypatch.setattr(Market, "take_fees", wrong)
    history = drawn(0, 0, calls=2_500)
    assert "fees" in history.failure
    least = shrunk(history, seconds=5)
    assert least.kind == history.kind and len(least.steps) < len(history.steps) / 3
    assert replayed(least.decimals, least.steps).failure == least.failure
