"""Keepers as a population: outages, lags, races, lists, and that a run repeats itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from keeper_cases import keeper

from perpsim.agents.keepers import Desked, Experience
from perpsim.protocol import BY_INDEX
from perpsim.scenarios import Outage
from perpsim.simulation.runner import Simulation

Make = Callable[..., Simulation]


def test_outages() -> None:
    desked = Desked(keeper(outages=[Outage(start=5, end=7)]), "0x")
    assert [desked.out(block) for block in range(4, 8)] == [False, True, True, False]


def test_without_anybody_to_make_lists_markets_thaw_and_go_by_index(smoke: Make) -> None:
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


def test_keepers_who_are_told_not_to_deleverage_do_not(smoke: Make) -> None:
    simulation = smoke("fund.initial=0")
    simulation.cast.keepers.deleverage = False
    assert simulation.run()
    assert simulation.ledger.adl == []
    assert len(simulation.ledger.liquidations) > 10


# what they learn


def test_a_keeper_learns_its_chance_and_forgets_again() -> None:
    learnt = Experience()
    assert learnt.chance(0) == 0.5
    for block in range(8):
        learnt.add(block, False, 50_000)
    assert learnt.chance(8) == pytest.approx(0.1, abs=0.01)
    for block in range(8, 24):
        learnt.add(block, True, 300_000)
    assert learnt.chance(24) == pytest.approx(17 / 26, abs=0.02)
    assert learnt.chance(10**6) == pytest.approx(0.5)


def test_a_keeper_learns_what_its_calls_cost() -> None:
    learnt = Experience()
    won, lost = learnt.gas_won, learnt.gas_lost
    for block in range(60):
        learnt.add(block, True, 400_000)
    assert learnt.gas_won == pytest.approx(400_000, rel=0.01)
    assert learnt.gas_lost == lost < won


# races


#: makers who take whatever is liquidated: who calls first closes it
DEEP = (
    "agents.makers.depth=3000000",
    "agents.makers.capital=50000000",
    "agents.makers.inventory_limit=50000000",
    "agents.makers.withdraw_volatility=1.0",
)


def race(smoke_run: Make, *keepers: str) -> dict[str, dict[str, Any]]:
    """The records of keepers, each given as the inside of a TOML table, who meet in a deep market."""
    listed = ",".join(f"{{{keeper}}}" for keeper in keepers)
    simulation = smoke_run(f"agents.keepers=[{listed}]", *DEEP)
    return {row["name"]: row for row in simulation.keeper_book.table()}


@pytest.mark.parametrize(("near", "far"), [(1, 3), (2, 5)])
@pytest.mark.parametrize("strategy", ["racer", "profit"])
def test_the_lower_lag_wins(smoke_run: Make, strategy: str, near: int, far: int) -> None:
    own = f'strategy="{strategy}"'
    found = race(smoke_run, f'name="far",lag_blocks={far},{own}', f'name="near",lag_blocks={near},{own}')
    assert found["near"]["won"] > 15
    assert found["near"]["lost"] == 0
    assert found["far"]["won"] == 0
    assert found["far"]["lost"] > 5


def test_with_the_same_lag_who_is_earlier_in_the_block_wins(smoke_run: Make) -> None:
    found = race(smoke_run, 'name="slow"', 'name="quick",strategy="racer"')
    assert found["quick"]["won"] > found["slow"]["won"]
    assert found["slow"]["lost"] > found["quick"]["lost"]


def test_accounts_are_under_water_for_as_long_as_their_keeper_lags(smoke_run: Make) -> None:
    for lag in (1, 4):
        found = race(smoke_run, f'name="only",lag_blocks={lag}')["only"]
        assert found["served"] > 15
        # Whom it saves at the second try, a block more.
        assert 12 * lag <= found["underwater_worst"] <= 12 * (lag + 1)


EVERY = ",".join(
    f'{{name="k{number}",strategy="{strategy}"}}'
    for number, strategy in enumerate(("greedy", "racer", "alternate", "profit", "batch"))
)


def test_all_strategies_together_give_the_same_run_twice(smoke_run: Make) -> None:
    first, second = (smoke_run(f"agents.keepers=[{EVERY}]", "checks.every=20") for _ in range(2))
    assert first.log.digest.hexdigest() == second.log.digest.hexdigest()
    assert first.keeper_book.table() == second.keeper_book.table()
    assert first.keeper_book.rows == second.keeper_book.rows
