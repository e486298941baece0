"""`perpsim answers` and `perpsim size`: what they print, what they write, what they refuse."""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result
from crash_rows import in_spite_of_money, needs, rows, run_with

from perpsim.cli import main
from perpsim.sweeps.design import Design
from perpsim.sweeps.loading import parse
from perpsim.sweeps.sizing_text import COLUMNS
from perpsim.sweeps.store import SweepFolder

TEXT = """
name = "two-funds"
title = "Two funds, two policies"
scenario = "smoke"
seeds = 120
[[vary]]
key = "fund.initial"
label = "fund"
values = [10_000, 1_000_000]
[[vary]]
key = "markets.0.adl"
label = "policy"
values = ["index", "random"]
"""


def perpsim(*args: object) -> Result:
    return CliRunner(mix_stderr=False).invoke(main, [str(arg) for arg in args])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished sweep in which a policy gets stuck once, and one run failed."""
    design = Design(parse(TEXT))
    opened = SweepFolder.take(tmp_path / "sweep", design)
    crashes = needs(120)
    runs = []
    for point in range(design.points):
        values = design.values(point)
        for seed, need in enumerate(crashes):
            run = run_with(float(values["fund"]), need, seed=seed, point=point, **values)
            if values["policy"] == "random" and seed == 0:
                run = in_spite_of_money(float(values["fund"]), seed=0, point=point, **values)
            if values["policy"] == "random" and seed == 1:
                run |= {"status": "failed", "reason": "the worker ended (killed by signal 9)"}
            runs.append(run)
    place = opened.path / "rows" / "00"
    place.mkdir(parents=True)
    rows(design.sweep, runs).write_parquet(place / "part-0.parquet")
    return opened.path


def test_it_tells_each_size_with_its_interval_and_what_it_rests_on(folder: Path) -> None:
    done = perpsim("size", folder, "--p-adl", "0.1")
    assert done.exit_code == 0, done.stderr
    text = done.stdout
    index, by_chance = text.split("policy = random")
    assert "policy = index" in index
    assert "crashes      120\n" in index and "by order statistics" in index and "95 %:" in index
    assert "1,000,000 USD is the smallest of 2 funds tried with that many" in index
    assert "foretold 100.0 % of 120 runs with other funds" in index
    assert "newsvendor" in index and "P(ADL) = 2 %" in index and "Cover-2" in index
    assert "measured" in index and "by need" in index
    assert "119, and 2 runs failed" in by_chance and "2: the worker ended (killed by signal 9)" in by_chance
    assert "0.84 % of the crashes deleverage with any fund" in by_chance


def test_answers_are_told_of_each_case_with_what_matters_most(folder: Path) -> None:
    done = perpsim("answers", folder)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.count("fund = ") == 4 and done.stdout.count("policy = index") == 2
    first = done.stdout.split("fund = ")[1]
    assert first.startswith("10,000, policy = index")
    assert "runs                 120, of 120 crashes, 0 failed" in first
    assert "P(ADL)               " in first and "P(depletion)" in first and "where there is ADL" in first
    assert "note: 120 crashes are too few for 99.9 %: 0.12 lie beyond, it takes 10,000" in first
    second = done.stdout.split("fund = ")[2]
    assert "1: the worker ended (killed by signal 9)" in second
    assert "had all that failed been deleveraged" in second
    assert "what matters most" in done.stdout and "Sobol" not in done.stdout
    deleveraging = next(line for line in done.stdout.splitlines() if line.startswith("  deleveraging "))
    assert deleveraging.split()[1] == "fund"


def test_answers_of_some_runs_are_those_of_the_others_left_out(folder: Path) -> None:
    done = perpsim("answers", folder, "--where", "policy=index", "--where", "fund=1e6")
    assert done.stdout.count("fund = ") == 1 and "P(ADL)               0 %" in done.stdout
    refused = perpsim("answers", folder, "--where", "fund=7")
    assert refused.exit_code == 2 and refused.stderr.count("\n") == 1


def test_a_level_that_no_fund_reaches_is_told_as_such(folder: Path) -> None:
    text = perpsim("size", folder, "--p-adl", "0.005", "--where", "policy=random").stdout
    assert "by need      no fund reaches that: 0.84 % of the crashes deleverage although" in text
    assert "policy = index" not in text


def test_the_same_runs_give_the_same_text(folder: Path) -> None:
    assert perpsim("size", folder).stdout == perpsim("size", folder).stdout


def test_sizes_and_curves_go_into_a_table(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "sizes.csv"
    done = perpsim("size", folder, "--p-adl", "0.1", "--csv", path)
    assert done.exit_code == 0 and f"sizes and curves: {path}" in done.stdout
    with path.open() as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == ["policy", *COLUMNS]
    index = [row for row in table if row["policy"] == "index"]
    by_need = next(row for row in index if row["what"] == "by need")
    assert float(by_need["fund_low"]) < float(by_need["fund"]) < float(by_need["fund_high"])
    measured = [row for row in index if row["what"] == "curve, measured"]
    assert [float(row["fund"]) for row in measured] == [10_000, 1_000_000]
    assert all(row["p_adl"] and row["loss"] and row["runs"] == "120" for row in measured)
    read = pl.read_csv(path)
    assert set(read["what"]) >= {"newsvendor", "cover-2", "cover-2, largest", "as measured", "curve, by need"}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--p-adl", "0"), "above 0 and below 1"),
        (("--p-adl", "1.5"), "above 0 and below 1"),
        (("--where", "police=index"), "what varies is fund, policy"),
        (("--cost-of-capital", "-1"), "--cost-of-capital -1: has to be above 0"),
        (("--csv", "/no/such/folder/x.csv"), "--csv /no/such/folder/x.csv: No such file"),
    ],
)
def test_mistakes_cost_one_line(folder: Path, args: tuple[str, ...], words: str) -> None:
    done = perpsim("size", folder, *args)
    assert done.exit_code == 2
    assert words in done.stderr and done.stderr.count("\n") == 1


def test_what_is_no_sweep_folder_costs_one_line(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "none", "no such folder"), (tmp_path, "is no sweep folder")):
        done = perpsim("size", path)
        assert done.exit_code == 2 and words in done.stderr and done.stderr.count("\n") == 1
    SweepFolder.take(tmp_path / "empty", Design(parse(TEXT)))
    for command in ("size", "answers"):
        done = perpsim(command, tmp_path / "empty")
        assert done.exit_code == 2 and "no run has finished" in done.stderr
