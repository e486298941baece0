"""The crash of March 2020 through the contracts: what the README promises of the main scenario."""

from __future__ import annotations

import pytest

from perpsim.scenarios.loading import load_scenario
from perpsim.simulation.command import build
from perpsim.simulation.summary import summarise

SCENARIO = "black-thursday-2020"


def run(engine: str, *overrides: str) -> dict:
    """Summary of a run, nothing written."""
    simulation = build(load_scenario(SCENARIO, overrides), engine)
    try:
        assert simulation.run()
        return summarise(simulation, engine, True, "", 0.0)
    finally:
        simulation.protocol.chain.close()


def test_the_first_sixty_blocks_give_the_same_log_on_revm_twice_and_on_py_evm():
    first, again, other = (run(engine, "clock.blocks=60") for engine in ("revm", "revm", "py-evm"))
    assert first["digest"] == again["digest"] == other["digest"]
    assert first["transactions"] > 100
    assert first["transactions"] == other["transactions"]


def test_another_seed_gives_another_log():
    assert run("revm", "clock.blocks=20")["digest"] != run("revm", "clock.blocks=20", "seed=1")["digest"]


@pytest.fixture(scope="module")
def with_the_default_fund():
    return run("revm")


def test_the_fund_falls_on_the_12th_about_as_much_as_it_did_and_nobody_is_deleveraged(with_the_default_fund):
    summary = with_the_default_fund
    # BitMEX: -4.58 %; the same order of magnitude is what the scenario is set up for
    assert 0.02 < summary["fund"]["by_day"][0]["fall"] < 0.10
    assert all(row["holds"] for row in summary["expected"]), summary["expected"]
    assert summary["adl"]["count"] == 0
    assert summary["shortfall"]["socialised"] == 0
    assert summary["shortfall"]["paid_by_fund"] == summary["shortfall"]["total"] > 0
    assert summary["liquidations"]["count"] > 500
    assert summary["invariants"] == summary["invariants"] | {"checked": 144, "violations": 0}


def test_a_twentieth_of_the_fund_is_emptied_and_winners_are_deleveraged(with_the_default_fund):
    start = with_the_default_fund["fund"]["start"]
    summary = run("revm", f"fund.initial={start / 20}")
    assert summary["fund"]["min"] < 1
    assert summary["adl"]["count"] > 0
    shortfall = summary["shortfall"]
    assert shortfall["adl"] > 0
    legs = sum(shortfall[leg] for leg in ("paid_by_fund", "adl", "socialised", "treasury", "unpaid"))
    assert legs == pytest.approx(shortfall["total"])
    assert summary["invariants"]["violations"] == 0
