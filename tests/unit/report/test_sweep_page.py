"""The report of a sweep: what it says for each kind of design, and for one of which only a part is there."""

from __future__ import annotations

import html
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner
from support.sweep_runs import (
    DEPTH_RANGE,
    FUND_RANGE,
    MARGIN_RANGE,
    POLICIES,
    a_sweep,
    made_up,
)

from perpsim.cli import main
from perpsim.errors import UserError
from perpsim.report.sweep_page import load_sweep_data, render, write_sweep_report
from perpsim.sweeps.model import Sweep

FUNDS = {**FUND_RANGE, "points": 3}
DEPTHS = {**DEPTH_RANGE, "points": 2}
DESIGNS = {
    "nothing": a_sweep(seeds=30),
    "one": a_sweep([FUNDS], seeds=20),
    "policies": a_sweep([POLICIES], seeds=20, set=["fund.initial=15000"]),
    "two": a_sweep([FUNDS, DEPTHS], seeds=8),
    "three": a_sweep([FUNDS, DEPTHS, POLICIES], seeds=2),
    "saltelli": a_sweep(
        [FUND_RANGE, DEPTH_RANGE, MARGIN_RANGE], seeds=2, sample={"kind": "saltelli", "points": 32}
    ),
    "random": a_sweep([FUND_RANGE, POLICIES], seeds=1, sample={"kind": "random", "points": 40}),
}


def page_of(path: Path, sweep: Sweep, **part: Any) -> str:
    return render(load_sweep_data(made_up(path / "sweep", sweep, **part)))


def verdict(page: str) -> str:
    found = re.search(r'<p class="verdict">(.*?)</p>', page, flags=re.S)
    assert found
    return html.unescape(found[1])


def section(page: str, key: str) -> str:
    found = re.search(rf'<section id="{key}">.*?</section>', page, flags=re.S)
    return html.unescape(found[0]) if found else ""


def heads(part: str) -> list[str]:
    return re.findall(r'<th scope="col"[^>]*><button type="button">(.*?)</button>', part)


@pytest.mark.parametrize("kind", DESIGNS)
def test_the_page_is_complete_offline_and_escaped(tmp_path: Path, kind: str) -> None:
    page = page_of(tmp_path, DESIGNS[kind])
    assert "default-src 'none'" in page
    assert not re.search(r"""(src|href)=["'](?!#)""", page)
    assert not re.search(r"@import|url\(|fetch\(", page)
    assert "{{" not in page
    assert "How large must the &lt;fund&gt; be?" in page
    assert "<fund>" not in page
    shown = re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.S)
    assert not re.search(r"\b(nan|inf|None)\b", shown)
    for picture in re.findall(r"<svg.*?</svg>", page, flags=re.S):
        ET.fromstring(picture)


@pytest.mark.parametrize("kind", DESIGNS)
def test_every_figure_has_its_interval_and_its_number_of_crashes(tmp_path: Path, kind: str) -> None:
    odds = section(page_of(tmp_path, DESIGNS[kind]), "odds")
    assert {"P(deleveraging)", "P(socialised loss)", "P(fund depleted)"} <= set(heads(odds))
    assert {"95 %", "99 %", "99.9 %"} <= set(heads(odds))
    assert "<td>VaR</td>" in odds
    assert "<td>ES</td>" in odds
    assert heads(odds).count("Crashes") == 2
    assert re.search(r"\d % \(\d+\u2013[\d.]+\)", odds)


def test_the_verdict_of_one_point_names_the_fund_and_how_often_it_was_short(tmp_path: Path) -> None:
    said = verdict(page_of(tmp_path, DESIGNS["nothing"]))
    share = r"[\d.]+ % \([\d.]+\u2013[\d.]+ %\)"
    assert re.match(rf"In 30 crashes the fund of 20,000 USD was short in {share}", said)


def test_the_verdict_of_a_few_values_names_each(tmp_path: Path) -> None:
    said = verdict(page_of(tmp_path, DESIGNS["one"]))
    assert said.startswith("On the same 20 crashes the fund was short in ")
    for fund in ("10,000", "40,000", "160,000"):
        assert f"with a fund of {fund} USD" in said


def test_the_verdict_of_many_points_names_the_best_and_the_worst(tmp_path: Path) -> None:
    said = verdict(page_of(tmp_path, DESIGNS["two"]))
    assert "at best, with a fund of 160,000 USD" in said
    assert "at worst, with a fund of 10,000 USD and depth = 20,000" in said


def test_the_verdict_of_a_sample_of_points_takes_them_together(tmp_path: Path) -> None:
    assert verdict(page_of(tmp_path, DESIGNS["saltelli"])).startswith("In 320 runs over 160 points")


# the size of the fund


def test_the_verdict_says_what_the_fund_must_hold(tmp_path: Path) -> None:
    sweep = a_sweep(seeds=200, set=["fund.initial=5_000_000"])
    data = load_sweep_data(made_up(tmp_path / "sweep", sweep))
    said = verdict(render(data))
    found = re.search(r"For a chance of deleveraging at or under 1 % it must hold ([\d,]+) USD \(", said)
    assert found
    needs = data.done["fund.need"].sort(descending=True)
    # of 200 crashes two may need more
    assert float(found[1].replace(",", "")) == pytest.approx(needs[2], rel=0.02)


def test_sizes_by_every_rule_are_told_and_marked_on_the_curves(tmp_path: Path) -> None:
    part = section(page_of(tmp_path, a_sweep(seeds=200, set=["fund.initial=5_000_000"])), "fund")
    for rule in ("P(ADL) \u2264 5 %", "P(ADL) \u2264 1 %", "P(ADL) \u2264 0.1 %", "Newsvendor", "Cover-2"):
        assert f"<td>{rule}</td>" in part
    assert "0.1 %: 200 crashes are too few" in part
    pictures = re.findall(r"<svg.*?</svg>", part, flags=re.S)
    assert len(pictures) == 4
    for picture in pictures:
        assert [mark in picture for mark in (">newsvendor<", ">Cover-2<", ">P(ADL) \u2264 1 %<")] == [
            True
        ] * 3
        assert picture.count('class="band') == 1


def test_funds_that_were_run_stand_beside_the_curve(tmp_path: Path) -> None:
    part = section(page_of(tmp_path, DESIGNS["one"]), "fund")
    assert "measured with 10,000 USD: " in part
    assert "measured with 40,000 USD: " in part


def test_each_combination_of_what_else_varies_has_a_size(tmp_path: Path) -> None:
    page = page_of(tmp_path, a_sweep([{**FUNDS, "high": 900_000}, DEPTHS], seeds=60))
    said = verdict(page)
    assert re.search(
        r"must hold from [\d,]+ USD .*? with depth = 80,000 to [\d,]+ USD .*? with depth = 20,000", said
    )
    part = section(page, "fund")
    assert part.count("depth = 20,000") >= 2
    assert "depth" in heads(part)


def test_runs_whose_fund_came_to_its_end_do_not_tell_a_size(tmp_path: Path) -> None:
    page = page_of(tmp_path, DESIGNS["policies"])
    assert "These runs do not tell" in section(page, "fund")
    assert "run the sweep with a larger fund.initial" in section(page, "fund")
    assert "No fund that was tried" in verdict(page)
    assert "<svg" not in section(page, "fund")


# what parameters change


def test_a_larger_fund_is_compared_with_the_smallest_on_the_same_crashes(tmp_path: Path) -> None:
    effects = section(page_of(tmp_path, DESIGNS["one"]), "effects")
    assert "What does fund change?" in effects
    assert "How much does it differ from fund = 10,000 on the same crashes?" in effects
    rows = re.findall(r"<tr><td[^>]*>([\d,]+)</td><td[^>]*>20</td><td[^>]*>([^<]*)</td>", effects)
    assert [fund for fund, _ in rows] == ["10,000", "40,000", "160,000"]
    assert all(text.startswith("\u2212") for _, text in rows[1:])
    # the fund has nothing to do with what is lost before it pays
    assert "No difference at all: " in effects
    assert "Loss before the fund" in effects.split("No difference at all: ")[1].split("<")[0]


def test_policies_stand_side_by_side_as_spreads(tmp_path: Path) -> None:
    effects = section(page_of(tmp_path, DESIGNS["policies"]), "effects")
    assert "What does policy change?" in effects
    effects = effects.split("Who bears it under each policy, and how evenly?")[1]
    for title in ("How unevenly it is borne", "Borne by the ten hit hardest", "Taken beyond the need"):
        assert title in effects
    assert effects.count('class="median"') >= 2 * 4 * 3
    median = {
        name: float(re.findall(rf"<title>{name}: median ([\d.]+)", effects)[0])
        for name in ("queue-bitmex", "pro-rata")
    }
    assert median["queue-bitmex"] > 0.7 > 0.5 > median["pro-rata"]


def test_the_dust_of_sums_of_floats_is_no_figure(tmp_path: Path) -> None:
    folder = made_up(tmp_path / "sweep", DESIGNS["policies"])
    part = next(folder.glob("rows/00/*.parquet"))
    rows = pl.read_parquet(part)
    rows.with_columns((pl.col("adl.count") * -1.4e-9).alias("adl.overshoot")).write_parquet(part)
    effects = section(render(load_sweep_data(folder)), "effects")
    assert "Winners deleveraged" in effects
    assert "Taken beyond the need" not in effects
    assert "e-09" not in effects


def test_any_two_parameters_have_a_heat_map_of_which_one_is_shown(tmp_path: Path) -> None:
    effects = section(page_of(tmp_path, DESIGNS["three"]), "effects")
    maps = re.findall(r'<div data-pair="(\d-\d)" data-figure="(\w+)"( hidden)?>', effects)
    assert {pair for pair, *_ in maps} == {"0-1", "0-2", "1-2"}
    assert len([hidden for *_, hidden in maps if not hidden]) == 1
    assert effects.count("<select ") == 3


def test_a_heat_map_of_two_parameters_needs_no_choice_of_parameters(tmp_path: Path) -> None:
    effects = section(page_of(tmp_path, DESIGNS["two"]), "effects")
    assert re.findall(r'<select name="(\w+)"', effects) == ["figure"]
    first = re.search(r'<table class="heat">.*?</table>', effects, flags=re.S)
    assert first
    assert first[0].count("<td ") == 3 * 2
    # little fund and little depth is worst, and has the strongest tint
    tints = [float(tint) for tint in re.findall(r"--h:([\d.]+)", first[0])]
    assert tints[0] == max(tints) == 1
    assert tints[-1] == min(tints)


def test_sampled_ranges_are_cut_into_equal_parts(tmp_path: Path) -> None:
    effects = section(page_of(tmp_path, DESIGNS["saltelli"]), "effects")
    first = re.search(r'<table class="heat">.*?</table>', effects, flags=re.S)
    assert first
    assert len(re.findall(r'<th scope="row">', first[0])) == 6
    runs = [int(n) for n in re.findall(r'title="(\d+) runs?"', first[0])]
    assert sum(runs) == 320


def test_the_worst_runs_come_with_the_commands_that_do_them_again(tmp_path: Path) -> None:
    worst = section(page_of(tmp_path, DESIGNS["policies"]), "worst")
    commands = re.findall(r"<code>(.*?)</code>", worst)
    assert len(commands) == 5
    policy = r"--set fund\.initial=15000 --set 'markets\.0\.adl=\"[\w-]+\"'"
    assert all(re.fullmatch(rf"perpsim run smoke --seed \d+ {policy}", command) for command in commands)
    lost = [float(v) for v in re.findall(r'data-v="([\d.]+)"', worst.split("<tbody>")[1])]
    assert lost[1] == max(lost)


def test_what_was_run_is_told(tmp_path: Path) -> None:
    run = section(page_of(tmp_path, DESIGNS["one"]), "run")
    varied = "10,000 to 160,000, log scale, 3 values (fund.initial)"
    for told in ("smoke", varied, "1 to 20", "pyrevm", "60 done"):
        assert told in run


def test_a_sweep_that_is_not_finished_says_how_much_is_there(tmp_path: Path) -> None:
    page = page_of(tmp_path, DESIGNS["one"], runs=50)
    assert "This sweep is not finished: the report covers 50 of 60 runs." in page
    assert "On the same 17 crashes" in page


def test_failed_runs_are_counted_and_their_reasons_told(tmp_path: Path) -> None:
    killed = ("failed", "killed by <signal> 9")
    reasons = {3: killed, 5: killed, 7: ("failed", "no memory")}
    page = page_of(tmp_path, DESIGNS["one"], failures=reasons)
    assert "3 of 60 runs failed and are in no figure" in page
    assert "killed by &lt;signal&gt; 9" in page
    rows = re.findall(r"<tr><td>(killed|no memory).*?</td><td[^>]*>(\d)</td>", section(page, "run"))
    assert [int(n) for _, n in rows] == [2, 1]


def test_broken_books_are_the_first_thing_that_is_said(tmp_path: Path) -> None:
    page = page_of(tmp_path, DESIGNS["one"], failures={2: ("violation", "block 5: books")})
    assert '<p class="notice bad">' in page
    assert "do not trust this sweep" in page


@pytest.mark.parametrize("left", ["none", "failed"])
def test_a_sweep_without_a_run_that_ended_has_a_page_all_the_same(tmp_path: Path, left: str) -> None:
    failures = {0: ("failed", "no memory")} if left == "failed" else None
    page = page_of(tmp_path, DESIGNS["one"], runs=1 if failures else 0, failures=failures)
    assert "No run has come to its end yet" in verdict(page)
    assert "What was run" in page
    assert not section(page, "odds")


def test_one_run_alone_makes_a_page(tmp_path: Path) -> None:
    page = page_of(tmp_path, DESIGNS["two"], runs=1)
    assert "the report covers 1 of 48 runs" in page
    assert section(page, "odds")


def test_a_scenario_file_that_has_gone_takes_only_the_commands_away(tmp_path: Path) -> None:
    from importlib import resources

    text = (resources.files("perpsim") / "scenarios" / "smoke.toml").read_text(encoding="utf-8")
    scenario = tmp_path / "mine.toml"
    scenario.write_text(text, encoding="utf-8")
    folder = made_up(tmp_path / "sweep", a_sweep([FUNDS], seeds=5, scenario=str(scenario)))
    scenario.unlink()
    page = write_sweep_report(folder).read_text(encoding="utf-8")
    assert section(page, "worst")
    assert "<code>" not in page


def test_ten_thousand_runs_stay_under_three_megabytes(tmp_path: Path) -> None:
    ranges = [FUND_RANGE, DEPTH_RANGE, MARGIN_RANGE]
    sweep = a_sweep(ranges, seeds=16, sample={"kind": "saltelli", "points": 128})
    assert len(page_of(tmp_path, sweep)) < 3_000_000


def test_the_command_writes_the_report_of_a_sweep_again(tmp_path: Path) -> None:
    folder = made_up(tmp_path / "sweep", DESIGNS["one"], runs=10)
    result = CliRunner().invoke(main, ["report", str(folder)])
    assert result.exit_code == 0, result.output
    assert result.output == f"report: {folder / 'report.html'}\n"
    assert "perpsim sweep" in (folder / "report.html").read_text(encoding="utf-8")


def test_a_folder_that_is_no_sweep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no sweep folder"):
        write_sweep_report(tmp_path)


# what matters


def test_what_matters_most_comes_first_with_its_sign(tmp_path: Path) -> None:
    sweep = a_sweep([FUND_RANGE, DEPTH_RANGE, MARGIN_RANGE], seeds=8, sample={"kind": "random", "points": 60})
    effects = section(page_of(tmp_path, sweep), "effects")
    table = effects.split("What matters most?")[1].split("</table>")[0]
    rows = re.findall(r"<tr><td>(\w+)</td><td[^>]*>([^<]*)</td><td[^>]*>([^<]*)</td>", table)
    assert [label for label, *_ in rows] == ["depth", "maintenance", "fund"]
    told = {label: (loss, deleveraged) for label, loss, deleveraged in rows}
    # depth makes losses small, and a fund those of others rare; it has no part in the loss itself
    assert told["depth"][0].startswith("\u22120.")
    assert told["fund"][1].startswith("\u22120.")
    assert re.match(r"[+\u2212]?0(\.0\d)? \(", told["fund"][0])
    assert "How much of the spread is whose?" not in effects


def test_a_design_for_them_has_sobol_indices_as_bars_and_as_a_table(tmp_path: Path) -> None:
    effects = section(page_of(tmp_path, DESIGNS["saltelli"]), "effects")
    part = effects.split("How much of the spread is whose?")[1].split('<div class="block">')[0]
    assert part.count("<svg") == 2 * 3
    assert "<title>depth alone: " in part
    alone = dict(re.findall(r"<td>Loss before the fund</td><td>(\w+)</td><td[^>]*>([\d.]+) %", part))
    assert float(alone["depth"]) > float(alone["maintenance"]) > float(alone["fund"]) - 1
    assert "Keepers' profit: it is the same in all runs." in part


def test_one_parameter_alone_needs_no_ranking(tmp_path: Path) -> None:
    assert "What matters most?" not in page_of(tmp_path, DESIGNS["one"])
