"""A finished run at any of its blocks."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from perpsim.errors import UserError
from perpsim.serve.folder import RunHistory

Frame = dict[str, Any]


@pytest.fixture(scope="module")
def history(crash_run: Path) -> RunHistory:
    return RunHistory(crash_run)


@pytest.fixture
def copied(crash_run: Path, tmp_path: Path) -> Path:
    """The run in a folder that may be damaged."""
    return shutil.copytree(crash_run, tmp_path / "run")


def blocks(folder: Path) -> list[dict[str, Any]]:
    return pl.read_parquet(folder / "blocks.parquet").to_dicts()


def broken(frame: Frame) -> list[str]:
    return [check["rule"] for check in frame["checks"] if not check["holds"]]


def test_every_block_is_the_one_that_the_run_measured(history: RunHistory, crash_run: Path) -> None:
    rows = blocks(crash_run)
    for row in rows[::7]:
        frame = history.frame(row["block"])
        market = frame["markets"][0]
        assert (frame["block"], frame["time"]) == (row["block"], row["time"])
        assert market["mark"] == row["mark_0"] and market["index"] == row["index_0"]
        assert market["open_interest"] == row["open_interest_0"]
        assert market["funding"] == row["funding_8h_0"]
        assert market["bid_depth"] == pytest.approx(row["bid_depth_0"])
        assert market["ask_depth"] == pytest.approx(abs(row["ask_depth_0"]))
        assert frame["fund"]["balance"] == pytest.approx(row["fund"])
        assert frame["underwater"] == row["underwater"]
        assert frame["liquidations"]["count"] == sum(r["liquidations"] for r in rows[: row["block"] + 1])


def test_the_order_in_which_blocks_are_asked_for_does_not_matter(
    history: RunHistory, crash_run: Path
) -> None:
    asked = random.Random(1).sample(range(200), 30)
    found = {block: history.frame(block) for block in asked}
    straight = RunHistory(crash_run)
    assert found == {block: straight.frame(block) for block in sorted(asked)}


def test_every_liquidation_has_one_of_three_outcomes(history: RunHistory, crash_run: Path) -> None:
    table = pl.read_parquet(crash_run / "liquidations.parquet")
    done = table.filter((pl.col("block") <= 90) & (pl.col("closed") > 0))
    shown = history.frame(90)["liquidations"]
    assert shown["count"] == done.height > 0
    assert shown["outcomes"] == {
        outcome: done.filter(pl.col("outcome") == outcome).height for outcome in ("above", "at", "below")
    }
    assert sum(shown["outcomes"].values()) == shown["count"]
    assert [row["block"] for row in shown["rows"]] == sorted(done["block"].to_list(), reverse=True)[:40]


def test_the_league_ends_as_the_run_counted_it(history: RunHistory, crash_run: Path) -> None:
    shown = {row["name"]: row for row in history.frame(history.last)["keepers"]}
    counted = pl.read_parquet(crash_run / "keepers.parquet").to_dicts()
    assert set(shown) == {row["name"] for row in counted}
    for row in counted:
        assert shown[row["name"]]["won"] == row["won"]
        assert shown[row["name"]]["profit"] == pytest.approx(row["profit"])


def test_the_first_in_line_are_those_whom_the_next_deleveraging_takes(
    history: RunHistory, crash_run: Path
) -> None:
    """A list is ranked at the state that the transaction finds, the queue at the end of the block before."""
    first = pl.read_parquet(crash_run / "adl.parquet").row(0, named=True)
    taken = pl.read_parquet(crash_run / "adl_rows.parquet").filter(
        (pl.col("block") == first["block"]) & (pl.col("account") == first["account"]) & (pl.col("taken") > 0)
    )
    rows = history.frame(first["block"] - 1)["markets"][0]["queue"]
    queued = [row["account"] for side in ("longs", "shorts") for row in rows[side]["rows"]]
    assert taken.height > 0
    assert set(taken["counterparty"].to_list()) <= set(queued)


def test_all_accounts_of_a_side_have_their_lights(history: RunHistory, crash_run: Path) -> None:
    held = pl.read_parquet(crash_run / "accounts.parquet")["size_0"]
    queue = history.frame(history.last)["markets"][0]["queue"]
    assert sum(queue["longs"]["counts"]) == (held > 0).sum() > 0
    assert sum(queue["shorts"]["counts"]) == (held < 0).sum() > 0
    lights = [row["lights"] for row in queue["longs"]["rows"]]
    assert lights == sorted(lights, reverse=True) and lights[0] == 5


def test_signs_are_those_of_the_last_sample_until_then(history: RunHistory, crash_run: Path) -> None:
    samples = pl.read_parquet(crash_run / "warnings.parquet").to_dicts()
    for at, row in enumerate(samples):
        shown = {sign["name"]: sign["since"] for sign in history.frame(row["block"])["signs"]}
        for name, since in shown.items():
            assert (since is not None) == row[f"on_{name}"]
            if since is not None:
                stretch = [one for one in samples[: at + 1] if one["time"] >= since]
                assert stretch[0]["time"] == since and all(one[f"on_{name}"] for one in stretch)


def test_all_invariants_hold_at_every_block(history: RunHistory) -> None:
    assert [broken(history.frame(block)) for block in range(0, 200, 13)] == [[]] * 16


def test_a_fill_that_gave_one_side_more_than_the_other_breaks_a_rule(copied: Path) -> None:
    log = pl.read_parquet(copied / "events.parquet")
    rows = log["args"].to_list()
    last = max(at for at, name in enumerate(log["event"]) if name == "Fill")
    fill = json.loads(rows[last])
    rows[last] = json.dumps(fill | {"taker_size": str(int(fill["taker_size"]) + 10**18)})
    log.with_columns(pl.Series("args", rows)).write_parquet(copied / "events.parquet")
    history = RunHistory(copied)
    assert broken(history.frame(log["block"][last] - 1)) == []
    assert broken(history.frame(history.last)) == ["BTC: longs, shorts and open interest are the same"]


def test_a_flow_that_is_missing_in_the_log_breaks_a_rule_from_then_on(copied: Path) -> None:
    log = pl.read_parquet(copied / "events.parquet").with_row_index("row")
    flow = log.filter((pl.col("contract") == "InsuranceVault") & (pl.col("event") == "Cover")).row(
        0, named=True
    )
    log.filter(pl.col("row") != flow["row"]).drop("row").write_parquet(copied / "events.parquet")
    history = RunHistory(copied)
    assert broken(history.frame(flow["block"] - 1)) == []
    assert "What was lost is what somebody bore" in broken(history.frame(history.last))


def test_a_violation_of_the_run_is_shown(copied: Path) -> None:
    summary = json.loads((copied / "summary.json").read_text())
    summary["violation"] = "block 7: invariant 1"
    (copied / "summary.json").write_text(json.dumps(summary))
    assert broken(RunHistory(copied).frame(100)) == ["Contracts and log agree to the last wei"]


def test_lines_keep_their_extremes_and_stay_short(history: RunHistory, crash_run: Path) -> None:
    series = history.series()
    marks = [row["mark_0"] for row in blocks(crash_run)]
    assert min(series["markets"][0]["mark"]["y"]) == pytest.approx(min(marks), rel=1e-5)
    assert max(series["markets"][0]["mark"]["y"]) == pytest.approx(max(marks), rel=1e-5)
    json.dumps(series, allow_nan=False)


def test_every_frame_is_json_without_nan(history: RunHistory) -> None:
    for block in (0, 1, 60, 100, 199):
        json.dumps(history.frame(block), allow_nan=False)


@pytest.mark.parametrize("name", ["events.parquet", "blocks.parquet", "fund.parquet", "summary.json"])
@pytest.mark.parametrize(
    "content", [None, b"", b"PAR1 nothing of the kind PAR1"], ids=["gone", "empty", "garbage"]
)
def test_a_folder_that_lacks_something_is_one_clear_line(
    copied: Path, name: str, content: bytes | None
) -> None:
    path = copied / name
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(UserError, match=name.replace(".", r"\.")) as caught:
        RunHistory(copied)
    assert "\n" not in str(caught.value)


def test_a_log_of_another_version_is_one_clear_line(copied: Path) -> None:
    log = pl.read_parquet(copied / "events.parquet")
    log.with_columns(pl.col("args").str.replace("assets", "worth")).write_parquet(copied / "events.parquet")
    with pytest.raises(UserError, match="none that this version of perpsim writes"):
        RunHistory(copied)


def test_a_run_without_blocks_is_one_clear_line(copied: Path) -> None:
    pl.read_parquet(copied / "blocks.parquet").clear().write_parquet(copied / "blocks.parquet")
    with pytest.raises(UserError, match="no blocks"):
        RunHistory(copied)
