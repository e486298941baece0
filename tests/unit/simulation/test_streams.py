"""Random numbers of populations: apart from one another, and a part of their own in each block."""

from __future__ import annotations

import numpy as np

from perpsim.agents.streams import Stream, branch, streams
from perpsim.scenarios.loading import load_scenario
from perpsim.simulation.command import build


def root(seed: int = 5) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed).spawn(2)[1])


def test_a_block_draws_the_same_whatever_was_drawn_before_it() -> None:
    fresh, used = Stream(branch(root(), "acts")), Stream(branch(root(), "acts"))
    used.at(6).random(1_000)
    used.at(3).standard_normal(77)
    used.at(7).integers(0, 2**32, 3, dtype=np.uint32)
    assert used.at(7).random(50).tolist() == fresh.at(7).random(50).tolist()


def test_blocks_and_populations_draw_different_numbers() -> None:
    first, second, other = streams(root(), ["maker", "maker", "noise"])
    drawn = [stream.at(block).random(20) for stream in (first, second, other) for block in range(5)]
    assert len({tuple(numbers.tolist()) for numbers in drawn}) == len(drawn)


def test_long_draws_of_one_block_do_not_run_into_the_next() -> None:
    stream = Stream(branch(root(), "acts"))
    there = set(stream.at(1).random(10).tolist())
    assert not there & set(stream.at(0).random(1_000_000).tolist())


def test_branching_leaves_the_root_as_it_is() -> None:
    rng = root()
    branch(rng, "cast", "maker", 0)
    streams(rng, ["maker"])
    assert rng.random() == root().random()


def test_one_more_population_changes_nobody_elses_draws() -> None:
    alone = streams(root(), ["maker", "noise"])[1].at(9).random(4).tolist()
    assert streams(root(), ["maker", "maker", "momentum", "noise"])[3].at(9).random(4).tolist() == alone


def test_other_parameters_meet_the_same_crowd_and_the_same_prices() -> None:
    base = build(load_scenario("smoke", ["checks.audit=0"]))
    changed = ["agents.makers.count=4", "agents.noise.count=50", "fund.initial=1", "markets.0.adl=index"]
    other = build(load_scenario("smoke", ["checks.audit=0", *changed]))
    (mine,), (theirs,) = base.cast.traders, other.cast.traders
    assert mine.leverage.tolist() == theirs.leverage.tolist()
    assert mine.stake.tolist() == theirs.stake.tolist()
    assert mine.side.tolist() == theirs.side.tolist()
    assert np.array_equal(base.outside.paths, other.outside.paths)
