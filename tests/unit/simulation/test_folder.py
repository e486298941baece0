"""Run folders: overwriting only what is a run, and losing nothing."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from perpsim.errors import UserError
from perpsim.simulation.folder import RunFolder, fresh_folder


def test_a_folder_that_exists_is_refused_even_when_empty(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="exists: choose another with --out"):
        RunFolder(tmp_path)


def test_force_takes_an_empty_folder_and_a_run_folder(tmp_path: Path) -> None:
    RunFolder(tmp_path, force=True)
    (tmp_path / "summary.json").write_text("{}")
    RunFolder(tmp_path, force=True)


def test_force_refuses_other_folders_and_files(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(UserError, match="only overwrites run folders"):
        RunFolder(tmp_path, force=True)
    assert (tmp_path / "thesis.tex").exists()
    with pytest.raises(UserError, match="is a file"):
        RunFolder(tmp_path / "thesis.tex", force=True)
    with pytest.raises(UserError, match="cannot be written"):
        RunFolder(tmp_path / "thesis.tex" / "run")


def test_write_replaces_run_files_and_leaves_others(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    RunFolder(path).write({"blocks": pl.DataFrame({"block": [1]})}, {"scenario": "one"})
    (path / "notes.txt").write_text("mine")
    (path / "report.html").write_text("old")
    folder = RunFolder(path, force=True)
    assert (path / "report.html").exists()
    folder.write({"blocks": pl.DataFrame({"block": [1, 2]})}, {"scenario": "two"})
    assert (path / "notes.txt").read_text() == "mine"
    assert not (path / "report.html").exists()
    assert pl.read_parquet(path / "blocks.parquet").height == 2
    assert sorted(entry.name for entry in path.iterdir()) == ["blocks.parquet", "notes.txt", "summary.json"]


def test_discard_takes_back_only_an_empty_folder_of_its_own(tmp_path: Path) -> None:
    made = RunFolder(tmp_path / "new")
    made.discard()
    assert not (tmp_path / "new").exists()
    kept = RunFolder(tmp_path, force=True)
    kept.discard()
    assert tmp_path.exists()


def test_fresh_folder_counts_up(tmp_path: Path) -> None:
    assert fresh_folder(tmp_path, "run") == tmp_path / "run"
    (tmp_path / "run").mkdir()
    assert fresh_folder(tmp_path, "run") == tmp_path / "run-2"
    (tmp_path / "run-2").mkdir()
    assert fresh_folder(tmp_path, "run") == tmp_path / "run-3"
