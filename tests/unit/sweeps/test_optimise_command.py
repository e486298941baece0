"""`perpsim optimise` from the file to the page, on a few short runs of a real exchange."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from perpsim.cli import main
from perpsim.sweeps import optimise_command
from perpsim.sweeps.command import Request
from perpsim.sweeps.optimise_command import PAGE, Found, execute
from perpsim.sweeps.optimum import RESULT
from perpsim.sweeps.store import SWEEP, SweepFolder

#: the fund is hardly touched in so few blocks, so that the least one that holds the constraint is known
TEXT = """
name = "small-fund"
title = "A small fund"
scenario = "smoke"
set = ["clock.blocks=8", "traders.count=5", "checks.audit=0"]
seeds = 2

[[vary]]
key = "fund.initial"
label = "fund"
low = -4_000
high = 16_000

[[vary]]
key = "markets.0.adl"
label = "policy"
values = ["index", "queue-bitmex"]

[optimise]
minimise = "fund"
constraints = ["mean(fund.end) >= 5_000"]
trials = 8
startup = 6
holdout = 1
"""


def optimise(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["optimise", *arguments, "--workers", "2"])


class Quiet:
    """Nobody watches."""

    def start(self, total: int, what: str) -> None: ...

    def __call__(self, done: int, failures: int, /) -> None: ...

    def trial(self, number: int, planned: int, feasible: int) -> None: ...

    def finish(self) -> None: ...


def run(file: Path, out: Path, should_stop: Callable[[], bool] = lambda: False, **options: Any) -> Found:
    asked: dict[str, Any] = {"trials": None, "force": False} | options
    request = Request(str(file), workers=2, out=out)
    return execute(request, asked["trials"], asked["force"], lambda text: None, Quiet(), should_stop)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sweep") / "small-fund.toml"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def done(file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """The folder of an optimisation, and what the command said."""
    out = tmp_path_factory.mktemp("optimised") / "out"
    return out, optimise(str(file), "--out", str(out))


def found(folder: Path) -> dict[str, Any]:
    table: dict[str, Any] = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    return table


def test_it_ends_with_a_verdict_and_a_page(done: tuple[Path, Result]) -> None:
    out, result = done
    assert result.exit_code == 0, result.output
    assert "8: " in result.output and "The least fund found is " in result.output
    assert result.output.rstrip().endswith(f"page: {out / PAGE}")
    assert "A small fund" in (out / PAGE).read_text(encoding="utf-8")


def test_the_best_holds_the_constraint_and_every_run_is_a_row(done: tuple[Path, Result]) -> None:
    out, _ = done
    table = found(out)
    (number,) = table["front"]
    best = table["trials"][number]
    assert best["values"]["fund"] == min(one["values"]["fund"] for one in table["trials"] if one["feasible"])
    assert best["constraints"][0]["value"] >= 5_000
    assert all(one["refused"] for one in table["trials"] if one["values"]["fund"] < 0)
    frame = SweepFolder.open(out).frame()
    assert set(frame["status"]) == {"ok"}
    ran = (*table["trials"], *table["fresh"])
    assert frame.height == sum(one["runs"] for one in ran)
    seeds = frame.filter(frame["point"] == number)["seed"].to_list()
    assert seeds == [14, 15, 16]


def test_the_same_command_again_runs_nothing_and_finds_the_same(
    done: tuple[Path, Result], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, _ = done
    before = found(out)
    monkeypatch.setattr(SweepFolder, "add", lambda *row: pytest.fail("a run was done"))
    assert run(file, out).optimum.front == before["front"]
    assert found(out) == before


def test_interrupted_it_keeps_its_runs_and_goes_on_to_the_same(
    done: tuple[Path, Result], file: Path, tmp_path: Path
) -> None:
    def enough() -> bool:
        return len(list(tmp_path.glob("out/rows/*/*.parquet"))) >= 5

    part = run(file, tmp_path / "out", enough)
    assert not part.optimum.complete and part.page is None
    assert not (tmp_path / "out" / RESULT).exists()
    kept = set(SweepFolder.open(tmp_path / "out").frame()["key"])
    assert len(kept) >= 5
    whole = run(file, tmp_path / "out")
    assert whole.optimum.complete
    assert kept < set(SweepFolder.open(tmp_path / "out").frame()["key"])
    assert found(tmp_path / "out") == found(done[0])


def test_an_interrupted_command_says_how_to_go_on(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(request: Request, trials: Any, force: bool, notice: Any, progress: Any, stop: Any) -> Found:
        return run(file, tmp_path / "out", lambda: True)

    monkeypatch.setattr(optimise_command, "execute", stopped)
    result = optimise(str(file), "--out", str(tmp_path / "out"))
    assert result.exit_code == 130
    assert "interrupted after 0 of 8 trials; what is done is kept in" in result.output


def test_the_page_may_fail_and_nothing_is_lost(
    done: tuple[Path, Result], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*page: Any) -> None:
        raise ValueError("no ink")

    monkeypatch.setattr("perpsim.report.optimise_page.write_page", failing)
    result = optimise(str(file), "--out", str(done[0]))
    assert result.exit_code == 0
    assert "the page could not be written: no ink" in result.output
    assert "The least fund found is " in result.output


def test_force_takes_away_the_runs_of_sweeps_only(file: Path, tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("dear", encoding="utf-8")
    result = optimise(str(file), "--out", str(tmp_path), "--force")
    assert result.exit_code == 2
    assert "--force only overwrites sweep folders, this is none" in result.output
    assert (tmp_path / "letters.txt").exists()
    other = tmp_path / "other"
    run(file, other, lambda: True)
    (other / SWEEP).write_text((other / SWEEP).read_text().replace("small-fund", "large-fund"))
    assert "holds another sweep (large-fund)" in optimise(str(file), "--out", str(other)).output
    run(file, other, lambda: True, force=True)
    assert SweepFolder.open(other).sweep.name == "small-fund"


def test_without_a_feasible_trial_it_fails_and_names_the_nearest(
    file: Path, done: tuple[Path, Result]
) -> None:
    strict = file.with_name("large-fund.toml")
    strict.write_text(TEXT.replace(">= 5_000", ">= 50_000"), encoding="utf-8")
    # The same runs serve another constraint.
    result = optimise(str(strict), "--out", str(done[0]), "--trials", "6")
    assert result.exit_code == 1
    assert "None of 6 trials holds all constraints. The nearest is trial " in result.output
    assert "mean(fund.end) is " in result.output and "at least 50,000 USD is asked" in result.output


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "mean(fund.end) >= 5_000",
            "mean(fund.ende) >= 5_000",
            "'fund.ende' is no figure of a run (did you mean",
        ),
        ('minimise = "fund"', 'minimise = "funds"', "optimise.minimise: 'funds' is neither"),
        ("mean(fund.end) >= 5_000", "mean(fund.end) = 5_000", "expected QUANTITY <= NUMBER"),
        ("[optimise]", "[optimize]", "optimize: unknown key (did you mean optimise?)"),
        ("low = -4_000", "low = 40_000", "the range from 40000 to 16000 is empty"),
        ('"fund.initial"', '"fund.inital"', "fund.inital: unknown key (did you mean initial?)"),
        ('"smoke"', '"smok"', "unknown scenario 'smok'"),
        ("minimise", "# minimise", "optimise: says neither what to minimise nor what to maximise"),
    ],
)
def test_mistakes_cost_one_line_and_nothing_is_written(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    path = tmp_path / "wrong.toml"
    assert old in TEXT
    path.write_text(TEXT.replace(old, new), encoding="utf-8")
    result = optimise(str(path), "--out", str(tmp_path / "out"))
    assert result.exit_code == 2, result.output
    assert words in result.output
    assert result.output.startswith("error: ") and result.output.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_sweep_without_the_section_is_told_so() -> None:
    result = optimise("fund-size-smoke")
    assert result.exit_code == 2
    assert result.output == "error: sweep fund-size-smoke: has no section [optimise]\n"


def test_its_folder_has_a_page_of_its_own_and_no_report_of_a_sweep(done: tuple[Path, Result]) -> None:
    result = CliRunner().invoke(main, ["report", str(done[0])])
    assert result.exit_code == 2
    assert "holds the trials of an optimisation: the same `perpsim optimise`" in result.output
