"""Keeper policies: what a keeper sees -> whom it liquidates."""

from __future__ import annotations

import numpy as np
import pytest

from perpsim.agents.keepers import POLICIES, Desked, Sight, greedy, racer, threshold
from perpsim.simulation.scenario import Keeper, Outage


def sight(fund: float = 1e6, block: int = 0) -> Sight:
    return Sight(
        block=block,
        ids=np.array([3, 4, 7, 9]),
        equity=np.array([10.0, -50.0, 1.0, 40.0]),
        maintenance=np.array([20.0, 30.0, 5.0, 50.0]),
        notional=np.array([4_000.0, 6_000.0, 1_000.0, 10_000.0]),
        fund=fund,
    )


def keeper(**settings: object) -> Keeper:
    return Keeper.model_validate({"name": "k", **settings})


def accounts(calls: list) -> list[int]:
    return [call.account for call in calls]


def test_greedy_takes_the_largest_first() -> None:
    assert accounts(greedy(sight(), keeper())) == [9, 4, 3, 7]


def test_racer_takes_the_most_endangered_first() -> None:
    assert accounts(racer(sight(), keeper())) == [4, 7, 3, 9]


def test_threshold_leaves_small_ones_and_half_of_the_rest() -> None:
    config = keeper(min_notional=2_000.0)
    even, odd = threshold(sight(block=0), config), threshold(sight(block=1), config)
    assert accounts(even) == [4]
    assert accounts(odd) == [9, 3]


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_limits_hold_for_every_policy(name: str) -> None:
    config = keeper(min_notional=3_000.0, max_per_block=1)
    calls = POLICIES[name](sight(), config)
    assert len(calls) <= 1
    assert all(call.account in (9, 4, 3) for call in calls)
    nobody = Sight(0, np.array([], dtype=np.int64), *(np.array([]) for _ in range(3)), fund=0.0)
    assert POLICIES[name](nobody, config) == []


@pytest.mark.parametrize(("fund", "expected"), [(1e6, False), (50.0, False), (49.9, True), (0.0, True)])
def test_deleveraging_is_asked_for_where_the_fund_cannot_pay_the_loss(fund: float, expected: bool) -> None:
    calls = {call.account: call.with_deleverage for call in greedy(sight(fund), keeper())}
    assert calls[4] is expected
    # Accounts that can still pay for themselves are never deleveraged.
    assert not any(flag for account, flag in calls.items() if account != 4)


def test_outages() -> None:
    desked = Desked(keeper(outages=[Outage(start=5, end=7)]), "0x")
    assert [desked.out(block) for block in range(4, 8)] == [False, True, True, False]
