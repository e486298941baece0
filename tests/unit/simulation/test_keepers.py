"""Keepers as a population: outages, lags, races, lists, and that a run repeats itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from keeper_cases import keeper

from perpsim.agents.keeper_bids import GWEI
from perpsim.agents.keepers import Desked, Experience
from perpsim.protocol import BY_INDEX
from perpsim.scenarios import Outage
from perpsim.simulation.runner import Simulation
from perpsim.simulation.summary import summarise

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


# gas that costs


#: a fall that comes with other people's transactions: the base fee goes from 11 gwei to about 140
CONGESTED = (
    "network.base_fee=10.0",
    "network.native_price=20.0",
    'network.congestion.kind="history"',
    "network.congestion.knots=[[0.0,11.0,1.0],[0.12,11.0,1.0],[0.2,120.0,1.3]]",
)
FIXED = 'name="fixed",fee={kind="fixed",gas_price=12.0},patience=60'
ESCALATING = 'name="escalating",fee={kind="escalating",multiple=0.5,step=0.25}'


def congested(smoke_run: Make, *keepers: str) -> Simulation:
    """Keepers in a deep market while gas is dear."""
    listed = ",".join(f"{{{keeper}}}" for keeper in keepers)
    return smoke_run(f"agents.keepers=[{listed}]", *DEEP, *CONGESTED)


def test_under_congestion_who_raises_its_bid_beats_who_does_not(smoke_run: Make) -> None:
    simulation = congested(smoke_run, FIXED, ESCALATING)
    base_fees = simulation.metrics.column("base_fee")
    assert base_fees[0] == 10 * GWEI
    assert max(base_fees) > 100 * GWEI
    fixed, escalating = simulation.keeper_book.table()
    assert (fixed["won"], fixed["transactions"], fixed["fees_paid"]) == (0, 0, 0.0)
    assert fixed["dropped"] > 10
    assert escalating["won"] > 10
    assert escalating["replaced"] > escalating["won"]
    assert escalating["wait_blocks"] > 1
    assert escalating["profit"] == pytest.approx(escalating["reward"] - escalating["gas_cost"])
    assert escalating["gas_cost"] == pytest.approx(20 * escalating["fees_paid"])
    assert simulation.metrics.reverts.get("rejected: replacement bids less than 10 % more", 0) == 0


def test_where_no_bid_is_raised_nobody_is_liquidated_while_gas_is_dear(smoke_run: Make) -> None:
    stuck, served = (congested(smoke_run, keeper) for keeper in (FIXED, 'name="k",fee={kind="base-fee"}'))
    assert len(served.ledger.liquidations) > 10
    assert len(stuck.ledger.liquidations) == 0
    assert stuck.health.underwater.size > served.health.underwater.size
    # Their losses grow meanwhile.
    assert stuck.health.equity.min() < served.health.equity.min() - 100


def test_what_keepers_pay_is_what_the_network_takes_from_them(smoke_run: Make) -> None:
    keepers = (ESCALATING, 'name="batch",strategy="batch",fee={kind="reward"}', 'name="usual"')
    simulation = congested(smoke_run, *keepers)
    figures = summarise(simulation, "revm", True, "", 1.0)
    assert figures["keepers"]["fees_paid"] > 0
    assert figures["keepers"]["fees_paid"] == pytest.approx(figures["fees"]["by_role"]["keeper"]["paid"])
    assert figures["keepers"]["gas"] == figures["fees"]["by_role"]["keeper"]["gas_used"]


@pytest.mark.parametrize(
    "fee", ["lag_blocks=1", *(f'fee={{kind="{kind}"}}' for kind in ("base-fee", "reward", "escalating"))]
)
@pytest.mark.parametrize("network", [(), CONGESTED], ids=["free", "dear"])
def test_lists_get_into_their_block_whatever_a_keeper_bids(
    smoke_run: Make, fee: str, network: tuple[str, ...]
) -> None:
    keepers = f'agents.keepers=[{{name="a",{fee}}},{{name="b",strategy="racer",{fee}}}]'
    simulation = smoke_run("seed=17", keepers, "fund.initial=0", *network)
    receipts = simulation.ledger.adl
    assert len(receipts) > 10
    assert all(row["listed"] > 0 for row in receipts)
    assert not {reason for reason in simulation.metrics.reverts if reason.startswith("list: ")}
    # Each was opened in the block before it was handed in, and nobody traded in between.
    assert simulation.metrics.reverts.get("order: stale index", 0) < 5


def test_who_has_tried_in_vain_leaves_an_account_alone_for_a_while(smoke_run: Make) -> None:
    often, seldom = (
        smoke_run(f'agents.keepers=[{{name="k",retry_blocks={blocks}}}]').keeper_book.table()[0]
        for blocks in (1, 10)
    )
    assert often["vain"] > 300
    assert seldom["vain"] < often["vain"] / 5
    assert seldom["found"] > 20


EVERY = ",".join(
    f'{{name="k{number}",strategy="{strategy}"}}'
    for number, strategy in enumerate(("greedy", "racer", "alternate", "profit", "batch"))
)


def test_all_strategies_together_give_the_same_run_twice(smoke_run: Make) -> None:
    first, second = (smoke_run(f"agents.keepers=[{EVERY}]", "checks.every=20") for _ in range(2))
    assert first.log.digest.hexdigest() == second.log.digest.hexdigest()
    assert first.keeper_book.table() == second.keeper_book.table()
    assert first.keeper_book.rows == second.keeper_book.rows
