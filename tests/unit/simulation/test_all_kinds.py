"""All kinds of agents in one run: invariants, determinism, and the tables of what became of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from crowd_world import all_kinds

from perpsim.errors import UserError
from perpsim.market.paths import sample_paths
from perpsim.scenarios.loading import validate
from perpsim.simulation.command import build
from perpsim.simulation.record import tables
from perpsim.simulation.runner import Simulation
from perpsim.simulation.summary import summarise


@pytest.fixture(scope="module", params=[6, 18])
def run(request: pytest.FixtureRequest) -> Simulation:
    simulation = build(validate(all_kinds(request.param)))
    assert simulation.run()
    return simulation


@pytest.fixture(scope="module")
def summary(run: Simulation) -> dict[str, Any]:
    return summarise(run, "revm", True, "", 1.0)


def test_invariants_hold_and_every_kind_has_acted(run: Simulation, summary: dict[str, Any]) -> None:
    assert run.invariants.checked == run.next_block / 10
    assert run.invariants.violations == 0
    assert summary["liquidations"]["count"] > 20
    roles = dict(tables(run)["accounts"]["role"].value_counts().iter_rows())
    assert roles["basket"] == 40
    assert roles["attacker"] == 5
    assert "staker" not in roles


def test_most_of_what_they_send_is_taken(run: Simulation, summary: dict[str, Any]) -> None:
    refused = {reason: count for reason, count in summary["reverts"].items() if "liquid" not in reason}
    assert sum(refused.values()) < 0.05 * summary["transactions"]


def test_stakers_run_and_what_they_lost_is_counted(run: Simulation, summary: dict[str, Any]) -> None:
    stakers = summary["stakers"]
    assert stakers["accounts"] == stakers["joined"] == 25
    assert stakers["asked"] > 5
    assert 0 < stakers["left"] <= stakers["asked"]
    assert stakers["price_low"] < 0.98
    assert stakers["lost"] > 0
    assert stakers["staked"] == pytest.approx(stakers["taken_out"] + stakers["value"] + stakers["lost"])
    vault, unit = run.protocol.vault, 10**run.scenario.collateral.decimals
    holders = run.cast.stakers[0].members.addresses
    held = sum(vault.view("balanceOf", address) for address in holders)
    assert vault.view("convertToAssets", held) / unit == pytest.approx(stakers["value"], abs=0.01)
    # The fund's own flows say the same, and so do the stakers' pockets.
    fund = tables(run)["fund"].group_by("kind").agg(pl.col("amount_f64").sum())
    flows = dict(fund.iter_rows())
    assert flows["stake"] == pytest.approx(stakers["staked"])
    assert flows["unstake"] == pytest.approx(-stakers["taken_out"])
    pocket = sum(run.protocol.token.view("balanceOf", address) for address in holders) / unit
    assert pocket == pytest.approx(stakers["taken_out"], abs=0.01)


def test_each_attacker_is_accounted_for(run: Simulation, summary: dict[str, Any]) -> None:
    by_name = {row["name"]: row for row in summary["attackers"]}
    assert [row["kind"] for row in by_name.values()] == ["pump", "margin-withdrawal", "self-trade"]
    accounts = tables(run)["accounts"].filter(pl.col("role") == "attacker")
    assert sum(row["paid_in"] for row in by_name.values()) == pytest.approx(accounts["deposits"].sum())
    assert sum(row["taken_out"] for row in by_name.values()) == pytest.approx(accounts["withdrawals"].sum())
    for row in by_name.values():
        gain = row["taken_out"] + row["left"] + row["outside"] - row["paid_in"]
        assert row["profit"] == pytest.approx(gain)
        assert row["fund_low"] <= min(row["fund_before"], row["fund_end"])
    # What stakers bring and take is no loss of the fund.
    fund = tables(run)["fund"].filter(pl.col("kind").is_in(["cover", "repay", "reward", "penalty", "fee"]))
    for row, attacker in zip(by_name.values(), run.cast.attackers):
        lost = -fund.filter(pl.col("block") >= attacker.began)["amount_f64"].sum()
        assert row["fund_lost"] == pytest.approx(lost)
        assert lost > 0
    # The whale got most of its margin out before the fall took its position.
    whale = by_name["whale"]
    assert whale["outside"] == 0
    assert whale["taken_out"] > 0.5 * whale["paid_in"]
    assert whale["liquidated_notional"] > 2 * whale["paid_in"]
    # Two traders of one owner: one is liquidated at the fund's expense.
    assert by_name["squeezer"]["liquidated_notional"] > 0
    assert by_name["squeezer"]["fund_paid_for_it"] > 0


def test_trading_moves_the_thin_market_and_leaves_the_other_alone(run: Simulation) -> None:
    blocks = tables(run)["blocks"]
    # Its own prices lie within ten of 10,000.
    assert blocks["price_1"].max() > 10_500
    untouched = sample_paths(run.scenario, np.random.SeedSequence(run.scenario.seed).spawn(2)[0])
    assert blocks["price_0"].to_list() == untouched[0].tolist()


def test_what_arbitrageurs_trade_does_not_move_the_price(run: Simulation) -> None:
    arbitrageurs = run.cast.crowds[2].members.ids
    assert run.cast.crowds[2].role == "arbitrageur"
    assert set(arbitrageurs.tolist()) <= run.cast.hedged
    flows: list[float] = []
    run.outside.flow = lambda market, notional: flows.append(notional)  # type: ignore[method-assign]
    for taker in (int(arbitrageurs[0]), run.cast.traders[0].members.ids[0]):
        run._flowed(SimpleNamespace(market=1, taker=int(taker), size=-2 * 10**18, price=100 * 10**18), 0)
    assert flows == [-200.0]


def test_hedges_break_when_a_market_falls(summary: dict[str, Any]) -> None:
    baskets = summary["baskets"]
    assert baskets["accounts"] == 40
    assert 10 < baskets["opened"] <= 40
    assert 0 < baskets["broken"] <= baskets["opened"]
    assert baskets["breaks"] >= baskets["broken"]
    assert summary["adl"]["hedges"] == baskets["opened"]
    assert summary["adl"]["hedges_broken"] == baskets["broken_by_adl"] <= baskets["broken"]


def test_same_seed_same_digest(run: Simulation) -> None:
    table = all_kinds(run.scenario.collateral.decimals)
    table["checks"] = {"every": 0}
    again = build(validate(table))
    again.run()
    assert again.log.digest.hexdigest() == run.log.digest.hexdigest()
    other = build(validate({**table, "seed": 8}))
    for _ in range(40):
        other.step()
    assert other.log.digest.hexdigest() != run.log.digest.hexdigest()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table["fund"].pop("staking"), "takes no stakes without fund.staking"),
        (
            lambda t: t["agents"]["baskets"][0]["legs"][1].update(market=0),
            "legs: two of them",
        ),
        (lambda t: t["agents"]["baskets"][0]["legs"][1].update(market=5), "baskets: market 5 does not exist"),
        (lambda t: t["agents"]["baskets"][0]["legs"][1].update(weight=0), "a weight of 0 is no leg"),
        (lambda t: t["agents"]["attackers"][0].update(market=2), "pump: market 2 does not exist"),
        (lambda t: t["agents"]["attackers"][1].update(name="pumper"), "attackers: two of them have the same"),
        (lambda t: t["agents"]["attackers"][2].update(order=1e9), "order is above notional"),
        (lambda t: t["fund"]["staking"].update(cooldown=60), "fund.staking.cooldown"),
    ],
)
def test_what_does_not_fit_together_is_said(change: Any, message: str) -> None:
    table = all_kinds()
    change(table)
    with pytest.raises(UserError, match=message):
        validate(table)
