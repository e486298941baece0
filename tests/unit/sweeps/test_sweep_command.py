"""`perpsim sweep` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from perpsim.cli import main
from perpsim.sweeps.store import SweepFolder

TEXT = """
name = "x"
title = "A crash with two funds"
scenario = "smoke"
set = ["clock.blocks=120"]
seeds = 2
[[vary]]
key = "fund.initial"
label = "fund"
values = [1_000_000, 2_000_000]
"""


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sweep")
    (place / "x.toml").write_text(TEXT)
    result = call("sweep", place / "x.toml", "--out", place / "out", "--workers", 2)
    assert result.exit_code == 0, result.output
    return place


def test_every_run_is_a_row_that_perpsim_run_gives_again(done: Path) -> None:
    frame = SweepFolder.open(done / "out").frame()
    assert frame.height == 4 and (frame["status"] == "ok").all()
    row = frame.filter((pl.col("vary.fund") == 2_000_000) & (pl.col("seed") == 15)).to_dicts()[0]
    overrides = ["--set", "clock.blocks=120", "--set", "fund.initial=2_000_000"]
    result = call("run", "smoke", "--seed", 15, *overrides, "--out", done / "run", "--force")
    assert result.exit_code == 0, result.output
    summary = json.loads((done / "run" / "summary.json").read_text())
    assert row["digest"] == summary["digest"]
    assert row["shortfall.total"] == summary["shortfall"]["total"] > 0
    assert row["fund.need"] == summary["fund"]["need"] > 0


def test_points_meet_the_same_crashes(done: Path) -> None:
    frame = SweepFolder.open(done / "out").frame()
    for figure in ("markets.0.fall", "transactions", "shortfall.total", "fund.need", "keepers.profit"):
        pairs = frame.pivot(on="vary.fund", index="seed", values=figure)
        assert pairs["1000000.0"].to_list() == pairs["2000000.0"].to_list(), figure
        assert pairs["1000000.0"].n_unique() == 2, figure


def test_started_again_it_does_only_what_is_missing(done: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(done / "out", tmp_path / "out")
    before = SweepFolder.open(tmp_path / "out").frame()
    gone = sorted((tmp_path / "out").glob("rows/*/*.parquet"))[0]
    gone.unlink()
    result = call("sweep", done / "x.toml", "--out", tmp_path / "out", "--workers", 1)
    assert result.exit_code == 0, result.output
    assert "3 of 4 runs are there already" in result.output
    after = SweepFolder.open(tmp_path / "out").frame()
    assert after.drop("seconds").equals(before.drop("seconds"))


def test_one_more_seed_adds_its_runs(done: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(done / "out", tmp_path / "out")
    result = call("sweep", done / "x.toml", "--out", tmp_path / "out", "--seeds", 3)
    assert "4 of 6 runs are there already" in result.output
    assert SweepFolder.open(tmp_path / "out").frame().height == 6


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sweep", "fund-sise"], "unknown sweep 'fund-sise': did you mean fund-size"),
        (["sweep", "nowhere.toml"], "sweep file nowhere.toml: No such file"),
        (["sweeps", "--show", "fund"], "unknown sweep 'fund'"),
        (["size", "nowhere"], "sweep folder nowhere: no such folder"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = call(*arguments)
    assert result.exit_code == 2 and words in result.output
    assert len(result.output.strip().splitlines()) == 1 and not list(tmp_path.iterdir())


def test_a_sweep_that_names_no_scenario_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(TEXT.replace('"smoke"', '"smokey"'))
    result = call("sweep", tmp_path / "x.toml", "--out", tmp_path / "out")
    assert result.exit_code == 2 and "did you mean smoke?" in result.output
    assert not (tmp_path / "out").exists()


def test_a_run_that_the_exchange_refuses_is_a_row_with_the_reason(tmp_path: Path) -> None:
    refused = '[[vary]]\nkey = "markets.0.tiers.0.maintenance"\nvalues = [0.005, 0.0099]\n'
    (tmp_path / "x.toml").write_text(TEXT.partition("[[vary]]")[0] + refused)
    result = call("sweep", tmp_path / "x.toml", "--out", tmp_path / "out", "--seeds", 1)
    assert result.exit_code == 0, result.output
    good, bad = SweepFolder.open(tmp_path / "out").frame().sort("point").to_dicts()
    assert good["status"] == "ok"
    assert bad["status"] == "failed" and "the exchange refuses it: tiers" in bad["reason"]


def test_the_sweeps_that_come_along_are_listed_and_explained() -> None:
    assert "fund-size " in call("sweeps").output
    shown = call("sweeps", "--show", "fund-against-depth").output
    assert "15 points x 60 seeds: 900 runs" in shown and "scenario flash-crash" in shown
