"""`perpsim adl`: what a user sees."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from perpsim.cli import main


def invoke(*args: str) -> Result:
    return CliRunner(mix_stderr=False).invoke(main, ["adl", *args])


def refused(folder: Path) -> str:
    """The one line for a folder that cannot be audited."""
    result = invoke(str(folder))
    assert result.exit_code == 2 and not result.stdout, (result.stdout, result.exception)
    (line,) = result.stderr.splitlines()
    return line.removeprefix(f"error: {folder}")


@pytest.fixture
def copied(run_of, tmp_path):
    """A copy of a run to be damaged."""
    folder = tmp_path / "copied"
    shutil.copytree(run_of("queue-bitmex"), folder)
    return folder


def test_every_receipt_is_a_row_with_a_verdict(run_of):
    folder = run_of("queue-bitmex")
    receipts = pl.read_parquet(folder / "adl.parquet")
    result = invoke(str(folder))
    assert result.exit_code == 0, result.stderr
    heading, _, titles, *rows, _, last = result.stdout.splitlines()
    assert heading == "smoke: deleveragings recomputed from the log, amounts in USD, times in UTC"
    assert titles.split()[0] == "time" and titles.split()[-1] == "verdict"
    assert len(rows) == len(receipts)
    for row, receipt in zip(rows, receipts.iter_rows(named=True)):
        cells = row.split()
        assert cells[2:4] == [str(receipt["block"]), str(receipt["account"])]
        assert f"{receipt['haircut']:,.2f}" in cells
        assert cells[-1] == "ok"
    total = f"{receipts['haircut'].sum():,.2f} USD"
    assert last == (
        f"{len(rows)} deleveragings: the right accounts bore the right parts in each; "
        f"haircuts {total}, shortfalls {total}"
    )


def test_one_accounts_deleveragings(run_of):
    folder = run_of("queue-bitmex")
    bankrupt = pl.read_parquet(folder / "adl.parquet")["account"][0]
    of_bankrupt = invoke(str(folder), "--account", str(bankrupt))
    assert of_bankrupt.stdout.splitlines()[-1].startswith(
        f"1 deleveraging that concern account {bankrupt}: the right accounts"
    )
    nobody = invoke(str(folder), "--account", "9999")
    assert nobody.exit_code == 0
    assert nobody.stdout.splitlines()[-1].endswith("deleveragings concerns account 9999")


def test_a_counterparty_finds_the_deleveragings_that_it_bore(run_of):
    by_index = run_of("index")
    maker = invoke(str(by_index), "--account", "3").stdout.splitlines()
    everything = invoke(str(by_index)).stdout.splitlines()
    assert 0 < len(maker) <= len(everything)
    assert "that concern account 3" in maker[-1]


def test_a_forged_log_is_told_and_the_command_fails(run_of, forge):
    forgery = forge(run_of("queue-bitmex"))
    receipt = forgery.named("DeleverageReceipt")[0]
    receipt["args"]["haircut"] = "1"
    wrong = forgery.audited()
    assert wrong.failed == 1
    result = invoke(str(forgery.folder))
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    (at,) = [number for number, line in enumerate(lines) if line.endswith("WRONG")]
    assert lines[at + 1].strip().startswith("the haircut is 0.000000000000000001, must be ")
    assert lines[-1] == f"1 of {len(wrong.receipts)} deleveragings is not as the rules say"


def test_many_problems_are_cut_short(run_of, forge):
    forgery = forge(run_of("queue-bitmex"))
    for name in ("haircut", "deficit", "mark", "quantity", "by_index", "bankruptcy_price"):
        forgery.named("DeleverageReceipt")[0]["args"][name] = "1"
    forgery.audited()
    lines = [line.strip() for line in invoke(str(forgery.folder)).stdout.splitlines()]
    assert "and 1 more" in lines


def test_a_run_without_deleveraging_says_so(run_of):
    folder = run_of("index", "fund.initial=1_000_000", "clock.blocks=20")
    result = invoke(str(folder))
    assert (result.exit_code, result.stdout) == (0, "smoke: no deleveraging in this run\n")


def test_a_folder_without_a_run_is_refused(tmp_path):
    assert refused(tmp_path / "nowhere") == ": no such run folder"
    assert refused(tmp_path).startswith(": not a run folder")


def test_a_missing_or_damaged_file_is_named(copied):
    summary = (copied / "summary.json").read_text()
    (copied / "summary.json").write_text("{")
    assert refused(copied) == ": summary.json cannot be read"
    (copied / "summary.json").write_text("{}")
    assert refused(copied) == ": summary.json does not say which markets there were"
    changed = json.loads(summary)
    changed["parameters"]["markets"][0]["tiers"] = []
    (copied / "summary.json").write_text(json.dumps(changed))
    assert "parameters.markets: tiers" in refused(copied)
    (copied / "summary.json").unlink()
    assert refused(copied) == ": summary.json is missing"


def test_a_damaged_log_is_named(copied):
    path = copied / "events.parquet"
    frame = pl.read_parquet(path)
    frame.with_columns(args=pl.lit("{")).write_parquet(path)
    assert "the values of" in refused(copied)
    frame.drop("args").write_parquet(path)
    assert refused(copied).endswith("cannot be read as an event log")
    older = frame.with_columns(args=pl.col("args").str.replace("by_index", "before"))
    older.write_parquet(path)
    assert "the log is none that this version of perpsim writes (AttributeError: " in refused(copied)
    path.write_bytes(b"no parquet")
    assert refused(copied).endswith("cannot be read as an event log")
    path.unlink()
    assert refused(copied) == ": events.parquet is missing"
