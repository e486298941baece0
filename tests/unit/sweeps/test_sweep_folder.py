"""Rows on disk: at once, found again, and never mixed with those of another sweep."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import polars as pl
import pytest

from perpsim.errors import UserError
from perpsim.sweeps import store
from perpsim.sweeps.design import Design
from perpsim.sweeps.job import Job, jobs, make_job
from perpsim.sweeps.loading import parse
from perpsim.sweeps.store import SweepFolder
from perpsim.sweeps.trial import failed

TEXT = """
name = "x"
title = "x"
scenario = "smoke"
seeds = 4
[[vary]]
key = "fund.initial"
label = "fund"
values = [1, 2]
[[vary]]
key = "markets.0.adl"
label = "policy"
values = ["index", "random"]
"""


def design(text: str = TEXT) -> Design:
    return Design(parse(text))


def filled(path: Path, count: int = 5) -> tuple[SweepFolder, list[Job]]:
    folder = SweepFolder.take(path, design())
    done = [job for job, _ in zip(jobs(design(), set()), range(count))]
    for job in done:
        folder.add(job, failed("") | {"status": "ok", "shortfall.total": float(job.seed)}, 1)
    return folder, done


def test_a_row_says_what_varied_and_what_came_of_it(tmp_path: Path) -> None:
    folder, done = filled(tmp_path / "s")
    frame = folder.frame()
    assert frame.height == 5 and frame["vary.fund"].dtype == pl.Float64
    row = frame.filter(pl.col("key") == done[3].key).to_dicts()[0]
    assert (row["vary.fund"], row["vary.policy"], row["seed"]) == (2.0, "random", done[3].seed)
    assert row["shortfall.total"] == done[3].seed and row["adl.count"] is None and row["status"] == "ok"


def test_what_is_there_is_not_done_again(tmp_path: Path) -> None:
    _, done = filled(tmp_path / "s")
    again = SweepFolder.take(tmp_path / "s", design())
    left = list(jobs(design(), again.done()))
    assert len(left) == design().runs - 5
    assert not {job.key for job in left} & {job.key for job in done}


def test_rows_put_together_are_the_same_rows(tmp_path: Path) -> None:
    folder, _ = filled(tmp_path / "s", 16)
    before = folder.frame()
    folder.compact(least=1)
    assert folder.frame().equals(before)
    assert all(path.name.startswith("part-") for path in (tmp_path / "s").glob("rows/*/*.parquet"))
    folder.compact(least=1)
    assert SweepFolder.open(tmp_path / "s").frame().equals(before)


def test_rows_are_put_together_while_a_sweep_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_LOOK", 4)
    monkeypatch.setattr(SweepFolder.compact, "__defaults__", (1,))
    folder, done = filled(tmp_path / "s", 10)
    single = [path for path in (tmp_path / "s").glob("rows/*/*.parquet") if "part-" not in path.name]
    assert len(single) == 2 and folder.frame()["key"].sort().to_list() == sorted(job.key for job in done)


def test_a_row_left_over_from_putting_together_counts_once(tmp_path: Path) -> None:
    folder, done = filled(tmp_path / "s", 4)
    before = folder.frame()
    folder.compact(least=1)
    folder.add(done[0], failed("") | {"status": "ok", "shortfall.total": float(done[0].seed)}, 1)
    assert folder.frame().equals(before)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("values = [1, 2]", "values = [1, 3]"), "holds another sweep (x)"),
        (('"smoke"', '"calm-month"'), "holds another sweep (x)"),
        (("seeds = 4", 'seeds = 4\nset = ["clock.blocks=9"]'), "holds another sweep (x)"),
    ],
)
def test_the_folder_of_another_sweep_is_left_alone(
    tmp_path: Path, change: tuple[str, str], words: str
) -> None:
    filled(tmp_path / "s")
    with pytest.raises(UserError) as caught:
        SweepFolder.take(tmp_path / "s", design(TEXT.replace(*change)))
    assert words in str(caught.value) and "--out" in str(caught.value)


def test_a_scenario_file_that_was_edited_is_another_scenario(tmp_path: Path) -> None:
    from perpsim.scenarios.loading import resources

    text = (resources.files("perpsim") / "scenarios" / "smoke.toml").read_text(encoding="utf-8")
    (tmp_path / "mine.toml").write_text(text)
    mine = TEXT.replace('"smoke"', json.dumps(str(tmp_path / "mine.toml")))
    SweepFolder.take(tmp_path / "s", design(mine))
    (tmp_path / "mine.toml").write_text(text.replace("tick = 0.5", "tick = 0.25"))
    with pytest.raises(UserError, match="the same sweep of another scenario"):
        SweepFolder.take(tmp_path / "s", design(mine))


def test_another_version_of_the_program_does_not_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path / "s")
    monkeypatch.setattr(store, "program_key", lambda: "another")
    with pytest.raises(UserError, match="another version of the program"):
        SweepFolder.take(tmp_path / "s", design())


def test_more_seeds_and_other_words_go_on_with_the_same_runs(tmp_path: Path) -> None:
    filled(tmp_path / "s")
    more = design(TEXT.replace("seeds = 4", "seeds = 6").replace('title = "x"', 'title = "y"'))
    folder = SweepFolder.take(tmp_path / "s", more)
    assert len(list(jobs(more, folder.done()))) == 24 - 5
    assert SweepFolder.open(tmp_path / "s").sweep.title == "y"


def test_a_folder_of_something_else_is_no_sweep_folder(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="is no sweep folder"):
        SweepFolder.take(tmp_path, design())
    with pytest.raises(UserError, match="no such folder"):
        SweepFolder.open(tmp_path / "nowhere")
    (tmp_path / "sweep.json").write_text("{}")
    with pytest.raises(UserError, match="not written by this version"):
        SweepFolder.open(tmp_path)


def test_a_full_disk_is_one_line_and_keeps_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = filled(tmp_path / "s")
    before = folder.frame()

    def full(source: object, target: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store.os, "replace", full)
    with pytest.raises(UserError, match=r"No space left on device.*kept.*start the same command again"):
        folder.add(make_job(design(), 3, design().seeds[3]), failed(""), 1)
    monkeypatch.undo()
    assert folder.frame().equals(before)
    assert not list((tmp_path / "s").rglob("*.new"))


def test_the_key_of_a_run_is_its_parameters_seed_and_program(monkeypatch: pytest.MonkeyPatch) -> None:
    base = design()
    keys = {make_job(base, point, seed).key for point in range(4) for seed in base.seeds}
    assert len(keys) == 16
    # Words do not change a run, nor does where its point stands in another sweep.
    other = design(TEXT.replace("values = [1, 2]", "values = [2]"))
    assert make_job(other, 0, 14).key == make_job(base, 2, 14).key
    assert other.scenario(0, 14) == base.scenario(2, 14)


def test_a_point_that_is_no_scenario_becomes_a_job_with_a_fault() -> None:
    text = TEXT.replace("values = [1, 2]", "values = [1, -2]")
    faults = [job for job in jobs(design(text), set()) if job.fault]
    assert len(faults) == 8 and len({job.key for job in faults}) == 8
    assert "fund.initial" in faults[0].fault and "-2" in faults[0].fault
