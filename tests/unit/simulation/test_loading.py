"""Scenario files: what they may say, and how a mistake is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from perpsim.errors import UserError
from perpsim.scenarios.loading import load_scenario, scenario_names

CRASH = "black-thursday-2020"


def test_every_scenario_that_comes_along_loads_and_is_named_like_its_file() -> None:
    names = scenario_names()
    assert CRASH in names
    for name in names:
        scenario = load_scenario(name)
        assert scenario.name == name
        assert scenario.title
        assert scenario.sources


def test_the_crash_is_as_the_issue_asks() -> None:
    scenario = load_scenario(CRASH)
    assert scenario.clock.start.isoformat() == "2020-03-12T00:00:00+00:00"
    assert scenario.clock.blocks * scenario.clock.seconds_per_block == 2 * 86_400
    assert len(scenario.prices[0].knots) == 48
    assert scenario.prices[0].knots[0] == [7935, 7966, 7898, 7913]
    assert min(row[2] for row in scenario.prices[0].knots) == 3782
    assert scenario.traders[0].count >= 2000
    assert len(scenario.agents.keepers) >= 3


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("seed=9", "seed", 9),
        ("fund.initial=140880", "fund.initial", 140880.0),
        ("fund.initial=1.5e3", "fund.initial", 1500.0),
        ("traders.count=10", "traders.count", 10),
        ("agents.makers.count = 3", "agents.makers.count", 3),
        ("title=Some words", "title", "Some words"),
        ("title='quoted'", "title", "quoted"),
        ("collateral.symbol=USDC", "collateral.symbol", "USDC"),
        ("agents.keepers.0.strategy=racer", "agents.keepers.0.strategy", "racer"),
        ("markets.0.liquidation.penalty=0.01", "markets.0.liquidation.penalty", 0.01),
        ("prices.knots.0=[1, 2, 1, 2]", "prices.knots.0", [1, 2, 1, 2]),
    ],
)
def test_overrides(override: str, path: str, value: object) -> None:
    place = load_scenario(CRASH, [override]).model_dump()
    for part in path.split("."):
        # a table may stand for a list of one
        place = place[0] if isinstance(place, list) and not part.isdecimal() else place
        place = place[int(part) if part.isdecimal() else part]
    assert place == value


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("agents.makers.count=many", "agents.makers.count: "),
        ("agents.makers.count=1.5", "agents.makers.count: "),
        ("agents.makers.count=true", "agents.makers.count: "),
        ("agents.makers.count=-1", "agents.makers.count: "),
        ("agents.makers.cuont=3", "agents.makers.cuont: unknown key (did you mean count?)"),
        ("nope.deep=1", "nope: unknown key"),
        ("seed.deep=1", "seed: is a value, it has no keys of its own"),
        ("markets.7.tick=1", "markets.7: there is no entry 7"),
        ("markets.x.tick=1", "markets.x: there is no entry x"),
        ("fund.initial=nan", "fund.initial: "),
        ("fund.initial=inf", "fund.initial: "),
        ("fund.initial=-1", "fund.initial: "),
        ("fund.initial=", "fund.initial: "),
        ("fund.initial=1\nseed=2", "fund.initial: "),
        ("seed=-1", "seed: "),
        ("clock.start=yesterday", "clock.start: "),
        ("agents.keepers.0.strategy=fast", "agents.keepers.0.strategy: "),
        ("agents.keepers.1.name=north", "agents: keepers: two of them have the same name"),
        ("agents.oracle.heartbeat=60", "agents.oracle.heartbeat must be below"),
        ("prices.knots.3=[10, 9, 8, 9]", "prices: row 3: open and close must lie between"),
        ("prices.kind=magic", "prices.kind: "),
        ("seed", "--set seed: expected key.path=value"),
        ("=1", "--set =1: expected key.path=value"),
        ("fund..initial=1", "expected key.path=value"),
    ],
)
def test_mistakes_name_the_path_in_one_line(override: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        load_scenario(CRASH, [override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value).replace("\\n", "")


def test_unknown_scenario_lists_what_there_is() -> None:
    with pytest.raises(UserError, match="did you mean black-thursday-2020") as caught:
        load_scenario("black-thursday")
    for name in scenario_names():
        assert name in str(caught.value)


def test_scenario_files(tmp_path: Path) -> None:
    source = Path(__file__).parents[3] / "perpsim" / "scenarios" / "smoke.toml"
    path = tmp_path / "mine.toml"
    path.write_text(source.read_text(encoding="utf-8").replace('name = "smoke"', 'name = "mine"', 1))
    assert load_scenario(str(path)).name == "mine"
    path.write_text("seed = = 1")
    with pytest.raises(UserError, match=r"mine\.toml: .*line 1"):
        load_scenario(str(path))
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="not a text file"):
        load_scenario(str(path))
    path.write_text("seed = 1")
    with pytest.raises(UserError, match="name: is missing"):
        load_scenario(str(path))
    with pytest.raises(UserError, match="no such file"):
        load_scenario(str(tmp_path / "none.toml"))
    folder = tmp_path / "folder.toml"
    folder.mkdir()
    with pytest.raises(UserError, match="Is a directory"):
        load_scenario(str(folder))
