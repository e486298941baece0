"""An optimum in words and as a page."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from support.optimise_world import FUND, MARGIN, POLICY, Formulas, sweep_of

from perpsim.report.optimise_page import render
from perpsim.report.optimise_words import edge, lines, verdict
from perpsim.sweeps.optimise import Search
from perpsim.sweeps.optimum import Optimum, write_result


def crashes(values: dict[str, Any], seed: int) -> dict[str, float]:
    """Deleveraging where the fund is small; keepers and losses follow the margin."""
    return {
        "adl__count": float(seed % 20 < 20 * (1 - values["fund"] / 50_000)),
        "keepers__profit": 1e5 * values["margin"] - 300 + seed,
        "shortfall__total": 1e6 * values["margin"] + 10 * (seed % 7),
    }


def searched(*vary: dict[str, Any], formula: Any = crashes, **asked: Any) -> tuple[Search, Optimum]:
    search = Search(sweep_of(*vary, **({"trials": 25} | asked)))
    return search, search.run(Formulas(search, formula))


@pytest.fixture
def single() -> tuple[Search, Optimum]:
    wanted = ["p(adl) <= 10 %", "mean(keepers.profit) >= 0"]
    return searched(FUND, MARGIN, POLICY, minimise="fund", constraints=wanted, trials=40)


@pytest.fixture
def double() -> tuple[Search, Optimum]:
    return searched(
        FUND, MARGIN, minimise=["fund", "mean(shortfall.total)"], constraints="mean(keepers.profit) >= 0"
    )


def test_the_page_is_complete_offline_and_small(
    single: tuple[Search, Optimum], double: tuple[Search, Optimum]
) -> None:
    for search, optimum in (single, double):
        page = render(search, optimum)
        assert "default-src 'none'" in page
        assert not re.search(r"""(src|href)=["'](?!#)""", page)
        assert "{{" not in page
        assert len(page) < 400_000
        for picture in re.findall(r"<svg.*?</svg>", page, flags=re.S):
            ET.fromstring(picture)
        assert page.count("<svg") >= 4


def test_every_trial_is_marked_and_listed(single: tuple[Search, Optimum]) -> None:
    search, optimum = single
    page = render(search, optimum)
    feasible = sum(trial.feasible for trial in optimum.trials)
    history = re.findall(r"<svg.*?</svg>", page, flags=re.S)[0]
    assert history.count('class="dot') == feasible
    assert history.count('class="dot s1"') == 1
    assert history.count('class="whisker') == len(optimum.trials) - feasible > 0
    table = page[page.index("All trials") :]
    assert table[: table.index("</table>")].count("<tr>") == 1 + len(optimum.trials)


def test_the_best_is_told_with_the_command_that_runs_it(single: tuple[Search, Optimum]) -> None:
    search, optimum = single
    best = optimum.trials[optimum.front[0]]
    page = render(search, optimum)
    assert f"--set fund.initial={best.values['fund']}" in page
    assert f"perpsim run {search.space.sweep.scenario} --seed {search.space.seeds[0]} " in page
    assert f"On {len(search.fresh)} fresh ones" in page


def test_the_verdict_says_what_was_found_and_whether_it_holds(single: tuple[Search, Optimum]) -> None:
    search, optimum = single
    said = verdict(search.space.sweep, optimum, search.unit)
    assert said.startswith("The least fund found is ")
    assert "the best of 40 trials on 20 crashes each" in said
    assert "On 20 fresh ones p(adl) <= 10 % holds: " in said
    assert "mean(keepers.profit) >= 0 holds: " in said
    assert "looks better than it is" not in said


def test_the_verdict_warns_of_luck() -> None:
    def lucky(values: dict[str, Any], seed: int) -> dict[str, float]:
        return {"adl__count": float(seed > 20)}

    search, optimum = searched(FUND, minimise="fund", constraints="p(adl) <= 10 %", formula=lucky)
    said = verdict(search.space.sweep, optimum, search.unit)
    assert "On 20 fresh ones p(adl) <= 10 % does not hold: 100" in said
    assert "The best of many estimates looks better than it is" in said


def test_the_verdict_names_the_nearest_where_nothing_holds() -> None:
    search, optimum = searched(
        FUND | {"high": 20_000.0}, MARGIN, minimise="fund", constraints="p(adl) <= 10 %"
    )
    nearest = optimum.nearest
    assert nearest is not None
    said = verdict(search.space.sweep, optimum, search.unit)
    assert said.startswith("None of 25 trials holds all constraints.")
    assert f"The nearest is trial {nearest.number} (fund = " in said
    assert "at most 10 % is asked" in said
    assert "All trials" in render(search, optimum)


def test_the_verdict_gives_the_reason_where_nothing_could_be_run() -> None:
    refused: dict[str, Any] = {"status": "failed", "reason": "the exchange refuses it: no <way>"}
    search, optimum = searched(FUND, minimise="fund", formula=lambda values, seed: refused)
    said = verdict(search.space.sweep, optimum, search.unit)
    assert said == "None of 25 trials could be run: the exchange refuses it: no <way>."
    page = render(search, optimum)
    assert "no &lt;way&gt;" in page and "<way>" not in page


def test_the_verdict_tells_both_ends_of_a_front(double: tuple[Search, Optimum]) -> None:
    search, optimum = double
    said = verdict(search.space.sweep, optimum, search.unit)
    assert said.startswith(
        f"{len(optimum.front)} points of 25 trials are beaten by no other in both objectives: from "
    )
    assert "On 20 fresh crashes all hold." in said


def test_a_best_value_at_the_end_of_its_range_is_pointed_out() -> None:
    search, optimum = searched(MARGIN, minimise="margin", formula=lambda values, seed: {}, trials=60)
    best = optimum.trials[optimum.front[0]]
    assert edge(search.space.sweep.vary, best) == ["margin lies at the low end of its range"]
    assert "a wider range may hold something better" in verdict(search.space.sweep, optimum, search.unit)
    middle = next(trial for trial in optimum.trials if 0.004 < float(trial.values["margin"]) < 0.007)
    assert edge(search.space.sweep.vary, middle) == []


def test_lines_for_the_terminal_are_plain(
    single: tuple[Search, Optimum], double: tuple[Search, Optimum]
) -> None:
    for search, optimum in (single, double):
        told = list(lines(search, optimum))
        assert all(line.isascii() for line in told)
        assert told[0].startswith("scenario ")
        assert sum("; on fresh seeds " in line for line in told) == 2 * len(optimum.front)


def test_the_result_file_is_plain_json(single: tuple[Search, Optimum], tmp_path: Path) -> None:
    search, optimum = single
    table = json.loads(write_result(search.space.sweep, optimum, tmp_path).read_text(encoding="utf-8"))
    (number,) = table["front"]
    best = table["trials"][number]
    assert best["feasible"] is True
    assert best["values"]["fund"] == optimum.trials[number].values["fund"]
    assert best["constraints"][0]["low"] <= best["constraints"][0]["value"] <= best["constraints"][0]["high"]
    assert [one["number"] for one in table["fresh"]] == [number]
    assert len(table["trials"]) == 40


def test_a_point_that_holds_but_has_no_value_is_none_to_choose() -> None:
    def silent(values: dict[str, Any], seed: int) -> dict[str, Any]:
        return {"adl__first_after_seconds": None}

    asked: dict[str, Any] = {"minimise": "mean(adl.first_after_seconds)", "constraints": "p(adl) <= 10 %"}
    search, optimum = searched(FUND, formula=silent, **asked)
    said = verdict(search.space.sweep, optimum, search.unit)
    assert said.endswith(": an objective has no value.")
    assert "All trials" in render(search, optimum)
