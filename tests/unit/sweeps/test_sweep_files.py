"""What a sweep file may say, and which points it means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from perpsim.errors import UserError
from perpsim.sweeps.design import Design
from perpsim.sweeps.loading import load_sweep, parse, sweep_names
from perpsim.sweeps.model import Vary

HEAD = 'name = "x"\ntitle = "x"\nscenario = "smoke"\nseeds = 3\n'


def design(text: str, head: str = HEAD) -> Design:
    return Design(parse(head + text))


def vary(key: str, rest: str) -> str:
    return f'[[vary]]\nkey = "{key}"\n{rest}\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sedes = 4\n", "sedes: unknown key (did you mean seeds?)"),
        (vary("fund.initial", "values = []"), "fund.initial: values is empty"),
        (vary("fund.initial", "low = 5\nhigh = 5\npoints = 3"), "the range from 5 to 5 is empty"),
        (vary("fund.initial", "low = 9\nhigh = 5\npoints = 3"), "the range from 9 to 5 is empty"),
        (vary("fund.initial", 'low = 0\nhigh = 5\npoints = 3\nscale = "log"'), "a log range begins above 0"),
        (vary("fund.initial", "values = [1, 2]\nlow = 1"), "do not go with values"),
        (vary("fund.initial", "low = 1"), "needs either values or both low and high"),
        (vary("fund.initial", "values = [1, 1.0]"), "a value is there twice"),
        (vary("fund.initial", 'values = [1, 2]\nnames = ["a"]'), "1 names for 2 values"),
        (vary("seed", "values = [1, 2]"), "the seed varies by itself"),
        (vary("fund.initial", "values = [1]") * 2, "label fund.initial is there twice"),
        ('[sample]\nkind = "sobol"\n' + vary("fund.initial", "low = 1\nhigh = 2"), "points: is missing"),
        (
            '[sample]\nkind = "sobol"\npoints = 12\n' + vary("fund.initial", "low = 1\nhigh = 2"),
            "no power of 2",
        ),
        ("[sample]\npoints = 12\n", "a grid has those of what varies"),
        ('[sample]\nkind = "random"\npoints = 12\n', "has nothing to draw"),
        ('[sample]\nkind = "halton"\npoints = 12\n', "sample.kind"),
    ],
)
def test_a_bad_sweep_file_is_one_line_that_says_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        design(text)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            vary("markets.0.adl", 'values = ["index", "queue-bitmax"]'),
            "vary.0 (markets.0.adl = queue-bitmax)",
        ),
        (
            vary("fund.initial", "low = -5\nhigh = 5\npoints = 2"),
            "vary.0 (fund.initial = -5.0): fund.initial",
        ),
        (vary("fund.intial", "values = [1]"), "unknown key (did you mean initial?)"),
        (vary("markets.3.tick", "values = [1]"), "markets.3: there is no entry 3"),
        (vary("traders.count", "low = 1\nhigh = 10\npoints = 2"), "valid integer"),
    ],
)
def test_a_value_that_is_no_scenario_is_refused_before_anything_runs(text: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        design(text).check()
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_grid_is_every_combination_the_last_parameter_fastest() -> None:
    found = design(
        vary("fund.initial", 'low = 10\nhigh = 1000\nscale = "log"\npoints = 3\nlabel = "fund"')
        + vary("markets.0.adl", 'values = ["index", "random"]\nlabel = "policy"')
    )
    assert found.points == 6 and found.runs == 18 and found.labels == ["fund", "policy"]
    points = [found.values(point) for point in range(6)]
    assert [one["policy"] for one in points] == ["index", "random"] * 3
    assert np.allclose([one["fund"] for one in points[::2]], [10, 100, 1000])
    scenario = found.scenario(3, 77)
    assert scenario.fund.initial == pytest.approx(100) and scenario.markets[0].adl == "random"
    assert scenario.seed == 77


def test_several_keys_may_vary_together_and_values_may_be_tables() -> None:
    found = design(
        '[[vary]]\nkey = ["agents.makers.0.depth", "agents.makers.0.inventory_limit"]\n'
        "values = [1000, 2000]\n",
        HEAD + 'set = ["agents.makers=[{ count = 2, capital = 1000 }]"]\n',
    )
    makers = found.scenario(1, 1).agents.makers[0]
    assert makers.depth == makers.inventory_limit == 2000
    tables = design(
        '[[vary]]\nkey = "traders.leverage"\nnames = ["low", "high"]\n'
        "values = [[{ leverage = 2, share = 1 }], [{ leverage = 20, share = 1 }]]\n"
    )
    assert tables.values(1) == {"traders.leverage": "high"}
    assert tables.scenario(1, 1).traders[0].leverage[0].leverage == 20


@pytest.mark.parametrize("kind", ["random", "sobol", "latin-hypercube"])
def test_drawn_points_fill_the_ranges_and_are_the_same_each_time(kind: str) -> None:
    text = f'[sample]\nkind = "{kind}"\npoints = 64\nseed = 3\n'
    text += vary("fund.initial", 'low = 10\nhigh = 1000\nscale = "log"')
    text += vary("traders.count", "low = 10\nhigh = 20\ninteger = true")
    text += vary("markets.0.adl", 'values = ["index", "random"]')
    found = design(text)
    points = [found.values(point) for point in range(found.points)]
    assert points == [design(text).values(point) for point in range(64)]
    assert points != [design(text.replace("seed = 3", "seed = 4")).values(point) for point in range(64)]
    funds = np.array([one["fund.initial"] for one in points])
    assert funds.min() >= 10 and funds.max() <= 1000
    # Even in the logarithm: a good half below the geometric middle.
    assert 20 <= (funds < 100).sum() <= 44
    assert {one["traders.count"] for one in points} <= set(range(10, 21))
    assert {one["markets.0.adl"] for one in points} == {"index", "random"}


def test_a_saltelli_design_changes_one_column_at_a_time() -> None:
    text = '[sample]\nkind = "saltelli"\npoints = 4\n'
    text += vary("fund.initial", "low = 10\nhigh = 1000") + vary("prices.interval", "low = 600\nhigh = 900")
    found = design(text)
    assert found.points == 4 * 4
    for base in range(4):
        a, b, first, second = ([*found.values(4 * base + step).values()] for step in range(4))
        assert first == [b[0], a[1]] and second == [a[0], b[1]]


def test_every_point_is_run_on_the_same_seeds() -> None:
    found = design(vary("fund.initial", "values = [1, 2]"))
    assert list(found.seeds) == [found.base.seed, found.base.seed + 1, found.base.seed + 2]
    assert list(design("first_seed = 9\n").seeds) == [9, 10, 11]


def test_without_anything_that_varies_a_sweep_is_one_point_on_many_seeds() -> None:
    found = design("")
    assert found.points == 1 and found.values(0) == {} and found.runs == 3


@pytest.mark.parametrize("name", sweep_names())
def test_the_sweeps_that_come_along_are_scenarios_at_every_point(name: str) -> None:
    found = Design(load_sweep(name))
    found.check()
    for point in range(0, found.points, max(found.points // 8, 1)):
        found.scenario(point, 1)


def test_a_scenario_file_is_looked_for_beside_the_sweep(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(HEAD.replace('"smoke"', '"crash.toml"'))
    assert load_sweep(str(tmp_path / "mine.toml")).scenario == str(tmp_path / "crash.toml")


def test_an_unknown_sweep_is_told_with_those_there_are() -> None:
    with pytest.raises(UserError, match=r"unknown sweep 'fund-sise': did you mean fund-size"):
        load_sweep("fund-sise")


def test_a_range_never_leaves_its_ends() -> None:
    one = Vary(key=["k"], low=0.1, high=0.3, scale="log")
    assert one.at(0) == 0.1 and one.at(1) == 0.3
    assert Vary(key=["k"], low=1, high=4, integer=True).at(0.99) == 4
