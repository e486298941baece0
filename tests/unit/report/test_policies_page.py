"""The comparison of policies as a page and as lines of text."""

from __future__ import annotations

import html
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from perpsim.report.bars import Bars, Curve, bars_svg, curves_svg
from perpsim.report.policies_page import render
from perpsim.report.policies_table import FIGURES, sentence, table, told
from perpsim.simulation.burden import Outcome
from perpsim.simulation.comparison import Bankrupt, Comparison, Moment


def outcome(policy: str, burden: list[float], **changes: object) -> Outcome:
    figures: dict[str, object] = {
        "policy": policy,
        "deleveragings": 1,
        "needed": 100.0,
        "taken": sum(burden),
        "profit_closed": 250.0,
        "touched": sum(part > 0 for part in burden),
        "largest": max(burden),
        "largest_share": 0.25,
        "gini": 0.5,
        "top_share": 1.0,
        "losers_share": 0.0,
        "survival": 0.5,
        "kept": 0.9,
        "hedges": 0,
        "hedges_broken": 0,
        "pushed_under": 0,
        "by_index": 0.0,
        "gas": 1_500_000,
        "verdict": True,
        "burden": np.array([0.0, *burden]),
    }
    return Outcome(**(figures | changes))  # type: ignore[arg-type]


@pytest.fixture
def comparison() -> Comparison:
    moment = Moment(
        block=64,
        time=1_584_055_800,
        fund=0.0,
        bankrupt=[Bankrupt(9, 0, 1.5, 12_000.0, 60.0), Bankrupt(7, 0, 0.5, 4_000.0, 40.0)],
        profits=np.array([0.0, 400.0, 300.0, -5.0, 100.0]),
    )
    return Comparison(
        scenario="made-up",
        title="A <crash> & more",
        seed=3,
        unit="USD",
        markets=["BTC"],
        moment=moment,
        outcomes=[
            outcome("index", [40.0, 30.0, 20.0, 10.0], verdict=None, by_index=1.0),
            outcome("queue-bitmex", [100.0, 0.0, 0.0, 0.0]),
            outcome("capped-pro-rata", [33.4, 33.3, 0.0, 33.3], verdict=False),
        ],
        digest="ab" * 32,
        versions={"perpsim": "0.1.0"},
    )


def test_the_page_is_complete_offline_and_small(comparison: Comparison) -> None:
    page = render(comparison)
    assert "default-src 'none'" in page
    assert not re.search(r"""(src|href)=["'](?!#)""", page)
    assert not re.search(r"@import|url\(|fetch\(", page)
    assert "{{" not in page
    assert len(page) < 200_000
    assert "A &lt;crash&gt; &amp; more" in page
    shown = html.unescape(page)
    for figure in FIGURES:
        assert figure.head in shown
        assert figure.meaning in shown
    for name in ("by index", "queue (BitMEX)", "capped pro rata"):
        assert page.count(name) > 5
    assert "No hedges in this scenario" in page


def test_pictures_are_well_formed_on_wide_and_narrow_pages(comparison: Comparison) -> None:
    pictures = re.findall(r"<svg.*?</svg>", render(comparison), flags=re.S)
    assert len(pictures) == 4
    for picture in pictures:
        ET.fromstring(picture)


def test_the_sentence_names_who_pays(comparison: Comparison) -> None:
    said = sentence(comparison)
    assert said.startswith("2 bankrupt accounts owed 100 USD")
    assert "by index it comes from 4 accounts, at most 40 USD from one" in said
    assert "the queue of BitMEX takes it from 1 account, at most 100 USD from one" in said


def test_lines_are_aligned_and_plain(comparison: Comparison) -> None:
    lines = list(told(comparison))
    assert lines[0] == "made-up, seed 3: after block 64, 12 March 2020 23:30 UTC"
    at = next(i for i, line in enumerate(lines) if line.startswith("policy"))
    body = lines[at : at + 4]
    assert [line.split("  ")[0] for line in body] == [
        "policy",
        "by index",
        "queue (BitMEX)",
        "capped pro rata",
    ]
    assert len({len(line) for line in body}) == 1
    assert [line.split()[-1] for line in body[1:]] == ["-", "yes", "no"]
    assert all(line.isascii() for line in lines)
    assert lines[-1].startswith("no hedges in this scenario")


def test_hedges_are_counted_where_there_are_any(comparison: Comparison) -> None:
    hedged = [replace(one, hedges=4, hedges_broken=at) for at, one in enumerate(comparison.outcomes)]
    with_hedges = replace(comparison, outcomes=hedged)
    assert "no hedges" not in "\n".join(told(with_hedges))
    shown = table(with_hedges)
    at = shown.heads.index("Hedged accounts broken")
    assert [row[at][0] for row in shown.rows] == ["0", "1", "2"]


def test_bars_have_lengths_in_proportion() -> None:
    names, panel = ["one", "two", "none"], Bars("Question", "detail", [10.0, 5.0, None], ["10", "5", "-"])
    widths = [float(w) for w in re.findall(r'<rect [^>]*width="([\d.]+)"', bars_svg(names, [panel], 900))]
    assert len(widths) == 2
    assert widths[0] == pytest.approx(2 * widths[1], rel=0.01)
    half = Bars("Question", "detail", [10.0, 5.0, None], ["10", "5", "-"], most=20.0)
    scaled = [float(w) for w in re.findall(r'<rect [^>]*width="([\d.]+)"', bars_svg(names, [half], 900))]
    assert scaled[0] == pytest.approx(widths[0] / 2, rel=0.01)


def test_a_picture_of_nothing_is_drawn_all_the_same() -> None:
    ET.fromstring(bars_svg(["one"], [Bars("Question", "detail", [0.0], ["0"])], 400))
    ET.fromstring(curves_svg([Curve("one", np.zeros(1), np.zeros(1))], "x", "y", 400))
