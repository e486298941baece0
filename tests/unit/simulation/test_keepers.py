"""Keeper policies: what a keeper sees -> whom it liquidates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from perpsim.agents.keepers import (
    POLICIES,
    Desked,
    ListRules,
    Plan,
    Sight,
    greedy,
    plan,
    racer,
    threshold,
)
from perpsim.protocol import BY_INDEX
from perpsim.scenarios import Keeper, Outage
from perpsim.simulation.market_state import OpenList
from perpsim.simulation.runner import Simulation

RULES = ListRules(list_from=500.0, turn=12)
OPENED = OpenList(account=4, keeper="0xopener", opened=1_000, moved=1_000, deadline=1_300)


def sight(fund: float = 1e6, block: int = 0, **lists: Any) -> Sight:
    return Sight(
        block=block,
        ids=np.array([3, 4, 7, 9]),
        equity=np.array([10.0, -50.0, 1.0, 40.0]),
        maintenance=np.array([20.0, 30.0, 5.0, 50.0]),
        notional=np.array([4_000.0, 6_000.0, 1_000.0, 10_000.0]),
        coverage=fund,
        **lists,
    )


def planned(found: Sight, address: str = "0xother", rules: ListRules = RULES) -> Plan:
    return plan(found, keeper(), address, rules)


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
    nobody = Sight(0, np.array([], dtype=np.int64), *(np.array([]) for _ in range(3)), coverage=0.0)
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


# lists


def test_a_list_is_opened_for_whom_the_fund_cannot_pay_and_he_is_not_liquidated_besides() -> None:
    chosen = planned(sight(fund=0.0))
    assert chosen.opens == 4
    assert accounts(chosen.calls) == [9, 3, 7]
    assert not chosen.completes
    # With money in the fund it is an ordinary liquidation.
    assert planned(sight(fund=51.0)) == Plan(greedy(sight(fund=51.0), keeper()))


def test_small_positions_and_those_after_a_timeout_go_by_index() -> None:
    small = planned(sight(fund=0.0), rules=ListRules(list_from=6_001.0, turn=12))
    late = planned(sight(fund=0.0, time=1_000, by_index_until=1_001))
    for chosen in (small, late):
        assert chosen.opens == 0
        assert accounts(chosen.calls) == [9, 4, 3, 7]
        assert next(call for call in chosen.calls if call.account == 4).with_deleverage
    assert planned(sight(fund=0.0, time=1_001, by_index_until=1_001)).opens == 4


def test_who_opened_a_list_completes_it_and_the_others_wait_a_turn() -> None:
    found = sight(fund=0.0, time=1_012, open_list=OPENED, open_equity=-5.0)
    assert planned(found, "0xopener").completes
    # The others count on it: they go on with everybody else.
    waiting = planned(found)
    assert not waiting.completes
    assert accounts(waiting.calls) == [9, 3, 7]
    assert planned(replace(found, time=1_024)).completes


def test_while_a_list_is_handed_in_in_parts_nothing_else_is_tried() -> None:
    parts = replace(OPENED, moved=1_012)
    found = sight(fund=0.0, time=1_024, open_list=parts, open_equity=-5.0)
    assert planned(found) == Plan([])
    assert planned(found, "0xopener") == Plan([], completes=True)
    # It has stood still for longer than a turn.
    assert planned(replace(found, time=1_036)) == Plan([], completes=True)


def test_the_next_list_is_opened_in_the_block_that_completes_the_last() -> None:
    crowd = replace(sight(fund=0.0), equity=np.array([-10.0, -50.0, 1.0, 40.0]))
    found = replace(crowd, time=1_012, open_list=OPENED, open_equity=-5.0)
    chosen = planned(found, "0xopener")
    assert chosen.completes
    assert chosen.opens == 3
    assert accounts(chosen.calls) == [9, 7]


@pytest.mark.parametrize(("time", "equity"), [(1_300, -5.0), (1_012, 0.0)])
def test_a_list_that_is_late_or_whose_account_is_saved_is_ended(time: int, equity: float) -> None:
    found = sight(fund=0.0, time=time, open_list=OPENED, open_equity=equity)
    assert planned(found) == Plan([], ends=True)


def test_without_anybody_to_make_lists_markets_thaw_and_go_by_index(smoke: Callable[..., Simulation]) -> None:
    simulation = smoke("fund.initial=0", "checks.every=1", "markets.0.liquidation.adl_timeout=60")
    keepers = simulation.cast.keepers
    (listing,) = keepers._listings
    assert listing is not None
    keepers._listings = [replace(listing, steps=lambda account, time: [])]
    assert simulation.run()
    receipts = simulation.ledger.adl
    assert len(receipts) > 3
    assert {row["policy"] for row in receipts} == {BY_INDEX}
    assert simulation.metrics.reverts.get("list: incomplete", 0) == 0


def test_keepers_who_are_told_not_to_deleverage_do_not(smoke: Callable[..., Simulation]) -> None:
    simulation = smoke("fund.initial=0")
    simulation.cast.keepers.deleverage = False
    assert simulation.run()
    assert simulation.ledger.adl == []
    assert len(simulation.ledger.liquidations) > 10
