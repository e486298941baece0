"""Warning signs: samples of a run, when signs are on, and how they are judged afterwards."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import polars as pl
import pytest

from perpsim.scenarios.warnings import Signs
from perpsim.simulation.runner import Simulation
from perpsim.simulation.summary import summarise
from perpsim.simulation.warnings import MOVES, NEAR, SIGNS, WORDS, hit, judged, lit, worst_hour

Make = Callable[..., Simulation]
HOUR = 3600

QUIET = {
    "fund": 1_000.0,
    "need_20": 900.0,
    "need_up_20": 100.0,
    "fund_to_oi": 0.1,
    "crowding": 0.5,
    "near_share_10": 0.1,
    "funding": 0.2,
    "oi_growth": 1.0,
    "fund_fall": 0.0,
}


@pytest.fixture(scope="module")
def module_run() -> Any:
    from perpsim.scenarios.loading import load_scenario
    from perpsim.simulation.command import build

    simulation = build(load_scenario("smoke", ["warnings.every=10", "fund.initial=500"]))
    assert simulation.run()
    yield simulation
    simulation.protocol.chain.close()


def test_a_sample_every_so_many_blocks_and_one_at_the_end(module_run: Simulation) -> None:
    frame = module_run.warner.frame()
    assert frame["block"].to_list() == [*range(0, 200, 10), 199]


def test_samples_agree_with_the_blocks_they_were_taken_at(module_run: Simulation) -> None:
    blocks = module_run.metrics.frame().select("block", "fund", "open_interest_0", "mark_0")
    both = module_run.warner.frame().join(blocks, on="block")
    assert both.select((pl.col("fund") - pl.col("fund_right")).abs().max()).item() < 1e-6
    interest = pl.col("open_interest_0") * pl.col("mark_0")
    assert both.select((pl.col("open_interest") - interest).abs().max()).item() < 1e-3


def test_a_further_move_costs_more_and_the_fund_never_more_than_it_has(module_run: Simulation) -> None:
    frame = module_run.warner.frame()
    # A rise saves longs who are under water already: only where nobody is does a larger one cost more.
    sound = frame.filter(pl.col("near_1") == 0)
    assert len(sound) > 15
    for suffix, rows in (("", frame), ("_up", sound)):
        for small, large in pairwise(MOVES):
            assert (rows[f"need{suffix}_{small}"] <= rows[f"need{suffix}_{large}"] + 1e-6).all()
    for suffix in ("", "_up"):
        for percent in MOVES:
            assert (frame[f"loss{suffix}_{percent}"] <= frame["fund"] + 1e-6).all()
            assert (frame[f"loss{suffix}_{percent}"] <= frame[f"need{suffix}_{percent}"] + 1e-6).all()
    for small, large in pairwise(NEAR):
        assert (frame[f"near_{small}"] <= frame[f"near_{large}"]).all()
    assert frame["need_20"].max() > 0


def test_the_two_largest_losses_of_a_run_are_the_highest_of_its_samples(module_run: Simulation) -> None:
    frame = module_run.warner.frame()
    fund = summarise(module_run, "revm", True, "", 0.0)["fund"]
    assert fund["cover2"] == frame["cover2"].max() > 0
    # Two accounts owe no more than what closing all of them would cost.
    worst = pl.max_horizontal("need_20", "need_up_20")
    assert frame.select((pl.col("cover2") <= worst + 1e-6).all()).item()


def test_looking_changes_nothing(smoke: Make) -> None:
    digests = []
    for every in (0, 1):
        simulation = smoke(f"warnings.every={every}", "clock.blocks=60")
        assert simulation.run()
        digests.append(simulation.log.digest.hexdigest())
        assert len(simulation.warner.samples) == (0 if not every else 60)
        assert (simulation.warner.cover2 is None) == (not every)
        simulation.protocol.chain.close()
    assert digests[0] == digests[1]


def test_a_poor_fund_is_warned_of_before_anybody_is_deleveraged(module_run: Simulation) -> None:
    warned = summarise(module_run, "revm", True, "", 0.0)["warnings"]
    first_adl = min(row["time"] for row in module_run.ledger.adl)
    assert warned["crash"] is not None and warned["crash"] <= first_adl
    assert warned["signs"]["stress"]["lead_seconds"] > 0
    assert warned["signs"]["stress"]["standing_seconds"] > 0
    assert set(warned["signs"]) == set(SIGNS) == set(WORDS)


def test_every_sign_has_a_threshold_and_a_column(module_run: Simulation) -> None:
    assert set(SIGNS) == set(Signs.model_fields) - {"growth_hours"}
    assert {f"on_{sign}" for sign in SIGNS} <= set(module_run.warner.frame().columns)


def test_in_quiet_times_no_sign_is_on() -> None:
    assert not any(lit(QUIET, Signs()).values())


@pytest.mark.parametrize(
    ("sign", "figure", "value"),
    [
        ("stress", "need_20", 1_001.0),
        ("stress", "need_up_20", 1_001.0),
        ("fund", "fund_to_oi", 0.019),
        ("crowding", "crowding", 1.01),
        # nothing on the other side to close against
        ("crowding", "crowding", float("nan")),
        ("leverage", "near_share_10", 0.99),
        ("funding", "funding", 0.95),
        ("growth", "oi_growth", 3.1),
        ("speed", "fund_fall", 0.11),
    ],
)
def test_a_figure_beyond_its_threshold_puts_one_sign_on(sign: str, figure: str, value: float) -> None:
    signs = lit(QUIET | {figure: value}, Signs())
    assert [name for name, on in signs.items() if on] == [sign]


@pytest.mark.parametrize("figure", ["fund_to_oi", "oi_growth"])
def test_what_is_not_known_is_no_sign(figure: str) -> None:
    assert not any(lit(QUIET | {figure: float("nan")}, Signs()).values())


def test_the_worst_hour_is_where_the_fund_fell_most_within_one() -> None:
    times = [HOUR // 2 * number for number in range(8)]
    funds = [100.0, 110.0, 105.0, 90.0, 80.0, 81.0, 70.0, 75.0]
    assert worst_hour(times, funds) == {
        "start": times[3],
        "loss": 25.0,
        "share": pytest.approx(25 / 105),
    }
    assert worst_hour(times, [1.0] * 8) is None
    assert worst_hour([], []) is None


def test_the_crash_is_the_first_deleveraging_or_a_notable_hour_whichever_came_first() -> None:
    hour = {"start": 500, "loss": 10.0, "share": 0.1}
    assert hit(None, hour, 0.05) == (500, "worst hour")
    assert hit(400, hour, 0.05) == (400, "deleveraging")
    assert hit(600, hour, 0.05) == (500, "worst hour")
    assert hit(600, hour, 0.2) == (600, "deleveraging")
    assert hit(None, hour, 0.2) == (None, None)
    assert hit(None, None, 0.0) == (None, None)


def test_a_sign_leads_by_when_it_was_first_on_and_stands_since_it_stayed_on() -> None:
    series = [(0, False), (10, True), (20, False), (30, True), (40, True), (50, False)]
    assert judged(series, 50) == {
        "first": 10,
        "since": 30,
        "lead_seconds": 40,
        "standing_seconds": 20,
        "share_before": pytest.approx(3 / 5),
    }


def test_a_sign_that_came_too_late_or_went_off_does_not_stand() -> None:
    late = judged([(0, False), (60, True)], 50)
    assert late["first"] == 60 and late["lead_seconds"] is None and late["since"] is None
    gone = judged([(0, True), (20, False)], 50)
    assert gone["lead_seconds"] == 50 and gone["standing_seconds"] is None


def test_without_a_crash_all_that_was_on_was_a_false_alarm() -> None:
    assert judged([(0, True), (10, False), (20, False), (30, False)], None) == {
        "first": 0,
        "since": None,
        "lead_seconds": None,
        "standing_seconds": None,
        "share_before": 0.25,
    }
