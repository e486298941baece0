"""The section `[optimise]` of a sweep file, and folders of sweeps that have one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from perpsim.errors import UserError
from perpsim.sweeps.command import Request, execute
from perpsim.sweeps.loading import parse
from perpsim.sweeps.model import Sweep
from perpsim.sweeps.space import Space
from perpsim.sweeps.store import SweepFolder

TEXT = """
name = "least-fund"
title = "The least fund"
scenario = "smoke"
seeds = 4

[[vary]]
key = "fund.initial"
label = "fund"
low = 1_000
high = 100_000
scale = "log"

[optimise]
"""


def written(section: str) -> Sweep:
    return parse(TEXT + section)


def test_a_single_text_stands_for_a_list_of_one_and_ranges_need_no_points() -> None:
    asked = written('minimise = "fund"\nconstraints = "p(adl) <= 0.5"').optimise
    assert asked is not None
    assert (asked.minimise, asked.maximise, asked.constraints) == (["fund"], [], ["p(adl) <= 0.5"])


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("trials = 3", "optimise: says neither what to minimise nor what to maximise"),
        ('minimise = ["fund", "p(adl)"]\nmaximise = "mean(fund.end)"', "optimise: 3 objectives: one, or two"),
        ('minimise = ["fund", "fund"]', "optimise: objective fund is there twice"),
        ('minimise = "fund"\ntrials = 0', "optimise.trials: "),
        ('minimise = "fund"\ntrails = 10', "optimise.trails: unknown key (did you mean trials?)"),
    ],
)
def test_what_makes_no_sense_is_told_in_one_line(section: str, words: str) -> None:
    with pytest.raises(
        UserError, match="^" + words.replace("(", r"\(").replace(")", r"\)").replace("?", r"\?")
    ):
        written(section)


def test_the_same_runs_serve_another_objective(tmp_path: Path) -> None:
    SweepFolder.take(tmp_path, Space(written('minimise = "fund"')))
    assert SweepFolder.take(tmp_path, Space(written('minimise = "p(adl)"\ntrials = 9'))).path == tmp_path
    other: dict[str, Any] = {"set": ["clock.blocks=50"]}
    with pytest.raises(UserError, match="holds another sweep"):
        SweepFolder.take(tmp_path, Space(written('minimise = "fund"').model_copy(update=other)))


def test_ranges_without_points_are_no_sweep(tmp_path: Path) -> None:
    path = tmp_path / "least-fund.toml"
    path.write_text(TEXT + 'minimise = "fund"', encoding="utf-8")
    with pytest.raises(UserError, match="its ranges have no points: it is for `perpsim optimise`"):
        execute(Request(str(path), out=tmp_path / "out"), print, None, lambda: False)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()
