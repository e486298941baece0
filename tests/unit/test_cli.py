"""The command line: what a user sees, above all when something is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from perpsim.cli import main
from perpsim.simulation.folder import RUN_FILES, TABLES

ROOT = Path(__file__).parents[2]


def invoke(*args: str) -> Result:
    return CliRunner(mix_stderr=False).invoke(main, list(args))


def refused(*args: str) -> str:
    """The one line of a run that is refused."""
    result = invoke(*args)
    assert result.exit_code == 2, (result.output, result.stderr, result.exception)
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr
    return lines[0]


def test_a_run_writes_everything_and_says_so(tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = invoke("run", "smoke", "--blocks", "120", "--out", str(out))
    assert result.exit_code == 0, result.stderr
    assert sorted(entry.name for entry in out.iterdir()) == sorted(RUN_FILES)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["complete"] is True
    assert summary["blocks"] == 120
    for text in ("fund", "liquidations", "shortfall", "invariants", summary["digest"][:16], "report.html"):
        assert text in result.stdout
    assert "insurance fund" in result.stdout


def test_options_reach_the_scenario(tmp_path: Path) -> None:
    out = tmp_path / "run"
    args = [
        "run",
        "smoke",
        "--seed",
        "5",
        "--blocks",
        "10",
        "--set",
        "fund.initial=123",
        "--set",
        "traders.count=7",
    ]
    assert invoke(*args, "--out", str(out)).exit_code == 0
    parameters = json.loads((out / "summary.json").read_text())["parameters"]
    assert parameters["seed"] == 5
    assert parameters["fund"]["initial"] == 123
    assert parameters["traders"][0]["count"] == 7


def test_without_out_each_run_gets_a_fresh_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert invoke("run", "smoke", "--blocks", "3").exit_code == 0
    assert sorted(entry.name for entry in (tmp_path / "runs").iterdir()) == ["smoke-14", "smoke-14-2"]


def test_scenarios_are_listed_and_explained() -> None:
    listed = invoke("scenarios").stdout
    assert "black-thursday-2020" in listed
    assert "smoke" in listed
    shown = invoke("scenarios", "--show", "black-thursday-2020").stdout
    for text in ("14,400 blocks", "2,000 leveraged traders", "BitMEX", "4.58 %"):
        assert text in shown


def test_scenarios_are_held_to_what_their_files_expect(tmp_path: Path) -> None:
    text = (ROOT / "perpsim" / "scenarios" / "smoke.toml").read_text().replace("blocks = 200", "blocks = 10")
    for bounds, code, word in (("0", 0, "holds"), ("1", 1, "FAILS")):
        file = tmp_path / "short.toml"
        file.write_text(f'{text}\n[[expected]]\nfigure = "adl.count"\nlow = {bounds}\nhigh = 2\nreal = 3\n')
        result = invoke("scenarios", "--check", str(file))
        assert result.exit_code == code, result.stderr
        (line,) = [line for line in result.stdout.splitlines() if "adl.count" in line]
        assert line.split()[0] == word
        assert "really 3" in line
    assert "10 blocks" in result.stdout


def test_report_writes_the_report_again(tmp_path: Path) -> None:
    out = tmp_path / "run"
    invoke("run", "smoke", "--blocks", "20", "--out", str(out))
    (out / "report.html").unlink()
    result = invoke("report", str(out))
    assert result.exit_code == 0
    assert (out / "report.html").exists()


def test_fund_prints_the_insurance_history_and_holds_it_against_the_books(tmp_path: Path) -> None:
    out, table = tmp_path / "run", tmp_path / "fund.csv"
    assert invoke("run", "smoke", "--set", "fund.initial=500", "--out", str(out)).exit_code == 0
    result = invoke("fund", str(out), "--csv", str(table))
    assert result.exit_code == 0, result.stderr
    assert "equals the vault's books" in result.stdout
    # Whom the fund paid for is whom the liquidator says it was.
    fund, liquidations = (pl.read_parquet(out / f"{name}.parquet") for name in ("fund", "liquidations"))
    for cause, column in (("cover", "cover"), ("reward", "account")):
        paid = fund.filter(pl.col("kind") == cause)
        assert paid["account"].null_count() == 0
        assert set(paid["account"]) <= set(liquidations.filter(pl.col(column) > 0)["account"])
    assert f"cover of account {fund.filter(pl.col('kind') == 'cover')['account'][0]}, BTC" in result.stdout
    assert len(table.read_text().splitlines()) == 1 + fund.height

    summary = json.loads((out / "summary.json").read_text())
    summary["fund"]["books"] = "1"
    (out / "summary.json").write_text(json.dumps(summary))
    result = invoke("fund", str(out), "--by", "day")
    assert result.exit_code == 1
    assert "is not the vault's books" in result.stderr


def test_policies_are_compared_printed_and_written(tmp_path: Path) -> None:
    out = tmp_path / "compared"
    args = ("policies", "smoke", "--set", "fund.initial=500", "--out", str(out))
    result = invoke(*args)
    assert result.exit_code == 0, result.stderr
    for name in ("by index", "queue (BitMEX)", "capped pro rata", "socialised"):
        assert name in result.stdout
    assert sorted(entry.name for entry in out.iterdir()) == [
        "burden.parquet",
        "policies.csv",
        "policies.html",
    ]
    table, burden = pl.read_csv(out / "policies.csv"), pl.read_parquet(out / "burden.parquet")
    assert table.height == 8
    for policy, taken in zip(table["policy"], table["taken"]):
        assert burden[policy].sum() == pytest.approx(taken)
    assert "exists" in refused(*args)
    assert invoke(*args, "--force").exit_code == 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["policies", "smoke", "--blocks", "20"], "nobody had to be deleveraged in 20 blocks of smoke"),
        (["policies", "smoek"], "did you mean smoke?"),
        (["policies", "smoke", "--set", "fund.initial=1e20"], "the exchange refuses it: "),
        (["run", "smoke", "--set", "markets.0.adl=fifo"], "markets.0.adl: "),
        (["fund", "none"], "none: no such run folder"),
        (["fund", "."], "not a run folder"),
        (["run", "black-friday"], "unknown scenario 'black-friday': did you mean black-thursday-2020?"),
        (["run", "none.toml"], "scenario file none.toml: no such file"),
        (["scenarios", "--show", "smoek"], "did you mean smoke?"),
        (["scenarios", "--check", "smoek"], "did you mean smoke?"),
        (["scenarios", "smoke"], "did you mean --show smoke?"),
        (["run", "smoke", "--set", "agents.makers.count=many"], "agents.makers.count: "),
        (["run", "smoke", "--set", "agents.makers.cuont=1"], "agents.makers.cuont: unknown key"),
        (["run", "smoke", "--set", "nonsense"], "expected key.path=value"),
        (["run", "smoke", "--prices", "none.csv"], "candle file none.csv: no such file"),
        (["run", "smoke", "--set", "markets.0.tiers.1.deduction=9999"], "the exchange refuses it: "),
        (["run", "smoke", "--set", "markets.0.min_size=0.0015"], "the exchange refuses it: "),
        (["run", "smoke", "--set", "fund.initial=1e20"], "the exchange refuses it: "),
        (["run", "smoke", "--engine", "geth"], "engine geth: unknown engine 'geth'"),
        (["run", "smoke", "--engine", "http://127.0.0.1:9"], "engine http://127.0.0.1:9: "),
        (["report", "none"], "none"),
    ],
)
def test_mistakes_are_one_line(
    args: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refused(*args)
    assert not list(tmp_path.iterdir()) or list((tmp_path / "runs").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no candles in it"),
        ("1583971260,1,2,1,1\n1583971200,1,2,1,1", "line 2: unsorted"),
        ("1583971200,1,2,1,1\n1583971260,1,x,1,1", "line 2: high is not a number: 'x'"),
    ],
)
def test_bad_candles(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "candles.csv"
    path.write_text(text)
    assert message in refused("run", "smoke", "--prices", str(path), "--out", str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_an_existing_folder_is_kept_without_force(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert invoke("run", "smoke", "--blocks", "5", "--out", str(out)).exit_code == 0
    before = {entry.name: entry.read_bytes() for entry in out.iterdir()}
    assert "exists" in refused("run", "smoke", "--blocks", "6", "--out", str(out))
    # A mistake under --force loses nothing either.
    assert "unknown key" in refused("run", "smoke", "--out", str(out), "--force", "--set", "x=1")
    assert {entry.name: entry.read_bytes() for entry in out.iterdir()} == before
    assert invoke("run", "smoke", "--blocks", "6", "--out", str(out), "--force").exit_code == 0
    assert json.loads((out / "summary.json").read_text())["blocks"] == 6


def test_force_does_not_touch_a_folder_that_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    assert "this is none" in refused("run", "smoke", "--out", str(tmp_path), "--force")
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    "option", [["--blocks", "0"], ["--blocks", "x"], ["--seed", "-1"], ["--unknown"], []]
)
def test_options_click_refuses(option: list[str]) -> None:
    scenario = ["smoke"] if option else []
    assert invoke("run", *scenario, *option).exit_code == 2


def test_help_is_quick() -> None:
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "perpsim.cli", "--help"], cwd=ROOT, check=True, capture_output=True)
    assert time.monotonic() - began < 3


def test_ctrl_c_leaves_a_readable_partial_run(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "perpsim.cli", "run", "black-thursday-2020", "--out", str(out)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LC_ALL": "C"},
    ) as process:
        # The first line of progress says that the loop is running.
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "blocks/s" in line, line
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "interrupted after" in stderr
    assert "Traceback" not in stderr
    summary = json.loads((out / "summary.json").read_text())
    assert summary["complete"] is False
    assert 0 < summary["blocks"] < summary["planned_blocks"] == 14_400
    assert pl.read_parquet(out / "blocks.parquet").height == summary["blocks"]
    for table in TABLES:
        pl.read_parquet(out / f"{table}.parquet")
    assert (out / "report.html").exists()
    assert "report:" in stdout


def test_ctrl_c_in_a_comparison_writes_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "perpsim.cli", "policies", "black-thursday-2020"]
    with subprocess.Popen(
        [*command, "--out", str(tmp_path / "compared")],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LC_ALL": "C"},
    ) as process:
        assert process.stderr is not None
        assert "blocks/s" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert stderr.strip() == "interrupted; nothing was written"
    assert not (tmp_path / "compared").exists()
