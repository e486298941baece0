"""`--prices`: candle files in place of a scenario's prices."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

import pytest

from perpsim.errors import UserError
from perpsim.scenarios import Scenario
from perpsim.scenarios.loading import validate
from perpsim.scenarios.prices import explain
from perpsim.simulation.price_files import read_noticed, replace_prices

#: the small scenario begins then and runs for 2,400 seconds
START = 1_704_067_200


@pytest.fixture
def two() -> Scenario:
    """The small scenario with two markets, BTC on knots and ETH drawn, with a shock."""
    text = (resources.files("perpsim") / "scenarios" / "smoke.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    table["markets"] = [table["markets"][0], {**table["markets"][0], "symbol": "ETH"}]
    shocks = [{"block": 100, "change": -0.3}]
    table["prices"] = [
        table["prices"],
        {"kind": "gbm", "start": 200.0, "volatility": 0.8, "shocks": shocks},
    ]
    return validate(table)


def candles(path: Path, minutes: int, first: int = START, hole: int | None = None) -> str:
    rows = [f"{first + 60 * i},100,101,99,100" for i in range(minutes) if i != hole]
    path.write_text("\n".join(rows))
    return str(path)


def test_a_symbol_says_whose_prices_they_are(two: Scenario, tmp_path: Path) -> None:
    file = candles(tmp_path / "eth.csv", 60)
    notices: list[str] = []
    changed = replace_prices(two, [f"ETH={file}"], notices.append)
    assert changed.prices[0] == two.prices[0]
    assert (changed.prices[1].kind, changed.prices[1].shocks) == ("candles", two.prices[1].shocks)
    assert changed.clock == two.clock
    assert notices == []
    assert list(read_noticed(changed, notices.append)) == [1]


def test_without_a_symbol_they_are_the_first_markets_also_where_a_name_has_an_equals_sign(
    two: Scenario, tmp_path: Path
) -> None:
    for name in ("btc.csv", "interval=1m.csv"):
        file = candles(tmp_path / name, 60)
        assert replace_prices(two, [file], print).prices[0].kind == "candles"


def test_a_run_is_cut_to_what_all_files_hold(two: Scenario, tmp_path: Path) -> None:
    notices: list[str] = []
    files = [candles(tmp_path / "btc.csv", 30), f"ETH={candles(tmp_path / 'eth.csv', 10)}"]
    changed = replace_prices(two, files, notices.append)
    assert changed.clock.blocks == 50
    assert ["150 of 200 blocks" in notices[0], "50 of 150 blocks" in notices[1]] == [True, True]


def test_the_first_file_moves_the_clock(two: Scenario, tmp_path: Path) -> None:
    later = START + 86_400
    notices: list[str] = []
    files = [candles(tmp_path / "btc.csv", 60, later), f"ETH={candles(tmp_path / 'eth.csv', 60, later)}"]
    changed = replace_prices(two, files, notices.append)
    assert changed.start == later
    assert len(notices) == 1


def test_gaps_are_told(two: Scenario, tmp_path: Path) -> None:
    notices: list[str] = []
    changed = replace_prices(two, [candles(tmp_path / "btc.csv", 60, hole=5)], notices.append)
    read_noticed(changed, notices.append)
    (notice,) = notices
    assert "btc.csv: 1 gap, filled with the last close: 2024-01-01T00:05:00Z" in notice


def test_an_unknown_symbol_is_named_with_those_there_are(two: Scenario) -> None:
    with pytest.raises(UserError, match=r"--prices SOL=x\.csv: no market is called SOL \(BTC, ETH\)"):
        replace_prices(two, ["SOL=x.csv"], print)


def test_prices_are_explained_in_a_line(two: Scenario) -> None:
    knots, drawn = map(explain, two.prices)
    assert knots.startswith("A table of (open, high, low, close), one row every interval seconds from ")
    assert knots.endswith("(interval 600, rows 4)")
    assert drawn.startswith("Geometric Brownian motion: ")
    assert drawn.endswith("(start 200.0, volatility 0.8, a shock of -30% at block 100)")
