"""The scenarios that come with perpsim: each runs in full and is held to what its file expects."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from perpsim.scenarios import Scenario
from perpsim.scenarios.loading import load_scenario, scenario_names
from perpsim.simulation.checking import figures
from perpsim.simulation.command import build
from perpsim.simulation.explanation import explained

#: all but the small one for tests
LIBRARY = [name for name in scenario_names() if name != "smoke"]
# Its full run is held to its figures in test_black_thursday.py.
HERE = [name for name in LIBRARY if name != "black-thursday-2020"]
VARIATIONS = [(name, number) for name in LIBRARY for number in range(len(load_scenario(name).vary))]


@cache
def run(name: str, *changes: str) -> dict[str, Any]:
    """Summary of a full run."""
    return figures(load_scenario(name, changes))


def test_the_library_has_the_crashes_that_it_says_it_has() -> None:
    assert len(LIBRARY) >= 9


@pytest.mark.parametrize("name", HERE)
def test_what_a_scenario_expects_holds(name: str) -> None:
    summary = run(name)
    assert summary["complete"]
    assert summary["invariants"]["violations"] == 0
    failed = [row for row in summary["expected"] if not row["holds"]]
    assert not failed, failed


@pytest.mark.parametrize("name", LIBRARY)
def test_a_scenario_explains_itself(name: str) -> None:
    scenario = load_scenario(name)
    assert scenario.name == name
    assert min(map(len, (scenario.sources, scenario.levers, scenario.vary, scenario.modelled))) >= 2
    assert len(scenario.expected) >= 3
    assert any("not modelled" in line for line in scenario.modelled)
    text = "\n".join(explained(scenario))
    for part in ("modelled, and what is not", "what decides", "expected", "to try", "sources"):
        assert f"\n{part}\n" in text
    for lever in scenario.levers:
        assert f"- {lever.key} = " in text


@pytest.mark.parametrize("name", LIBRARY)
def test_two_runs_give_the_same_log(name: str) -> None:
    first, again = (figures(load_scenario(name, ["clock.blocks=60"]))["digest"] for _ in range(2))
    assert first == again


@pytest.mark.parametrize(("name", "number"), VARIATIONS)
def test_what_a_scenario_says_to_try_can_be_tried(name: str, number: int) -> None:
    changed = load_scenario(name, load_scenario(name).vary[number].change)
    assert changed != load_scenario(name)
    # the contracts take these parameters, too
    build(shortened(changed)).protocol.chain.close()


def shortened(scenario: Scenario) -> Scenario:
    """The same with hardly any blocks."""
    return scenario.model_copy(update={"clock": scenario.clock.model_copy(update={"blocks": 2})})


def test_without_cross_margin_the_fall_of_one_market_does_not_reach_the_other() -> None:
    together, alone = run("contagion"), run("contagion", "agents.baskets.0.count=0")
    (_, base), (alt, still) = together["markets"], alone["markets"]
    assert alt["fall"] > 0.4
    assert base["liquidations"] > 40 and still["liquidations"] == 0
    assert base["fall"] > 3 * still["fall"]


def test_keepers_that_bid_what_it_takes_save_the_fund_a_quarter_of_its_loss() -> None:
    asleep = run("keeper-outage-2020")
    awake = run("keeper-outage-2020", *load_scenario("keeper-outage-2020").vary[0].change)
    assert awake["keepers"]["underwater_seconds"] < asleep["keepers"]["underwater_seconds"] / 4
    assert awake["shortfall"]["total"] < 0.75 * asleep["shortfall"]["total"]
    assert awake["keepers"]["dropped"] < asleep["keepers"]["dropped"] / 20


def test_margins_that_grow_with_the_position_leave_the_whale_nothing_to_withdraw() -> None:
    summary = run("margin-withdrawal-whale", *load_scenario("margin-withdrawal-whale").vary[0].change)
    assert summary["shortfall"]["total"] == 0
    assert summary["attackers"][0]["liquidated_notional"] == 0


def test_deleveraging_that_fires_early_ends_the_squeeze() -> None:
    late = run("self-trade-takeover")
    early = run("self-trade-takeover", *load_scenario("self-trade-takeover").vary[0].change)
    assert early["markets"][0]["rise"] < late["markets"][0]["rise"] / 2
    assert early["shortfall"]["total"] < late["shortfall"]["total"] / 4


def test_a_cap_on_open_interest_makes_the_self_trade_worthless() -> None:
    summary = run("self-trade-takeover", *load_scenario("self-trade-takeover").vary[1].change)
    assert summary["shortfall"]["total"] < run("self-trade-takeover")["shortfall"]["total"] / 100


def test_a_long_cooldown_keeps_the_stakers_in_until_the_second_fall() -> None:
    short, long = run("vault-run"), run("vault-run", *load_scenario("vault-run").vary[1].change)
    assert long["stakers"]["taken_out"] == 0
    assert long["shortfall"]["paid_by_fund"] > 1.5 * short["shortfall"]["paid_by_fund"]
    assert long["shortfall"]["adl"] < short["shortfall"]["adl"] / 2


def test_by_index_every_hedge_is_broken_and_by_rank_some() -> None:
    ranked = run("adl-cascade")
    shared = run("adl-cascade", *load_scenario("adl-cascade").vary[1].change)
    assert shared["adl"]["hedges_broken"] == shared["adl"]["hedges"]
    assert ranked["adl"]["hedges_broken"] < 0.6 * ranked["adl"]["hedges"]


def test_signs_that_warn_of_a_crash_are_hardly_ever_on_in_a_calm_month() -> None:
    calm = run("calm-month")["warnings"]
    assert calm["crash"] is None
    for name, sign in (("thin-market-pump", "growth"), ("keeper-outage-2020", "crowding")):
        crash = run(name)["warnings"]
        assert crash["crash"] is not None
        assert crash["signs"][sign]["lead_seconds"] > 3_600
        assert calm["signs"][sign]["share_before"] < 0.05
