"""Words, thinning out, bins, tables and the picture of the money."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpsim.report import (
    ReportError,
    money_flow_svg,
    tables,
    tables_adl,
    tables_keepers,
    tables_run,
    tables_trust,
    write_money_flow,
)
from perpsim.report.data import column, load
from perpsim.report.decimate import bin_width, binned, decimate, rounded
from perpsim.report.facts import drawdown, gather
from perpsim.report.flows import FUND, money_flow
from perpsim.report.picture import draw
from perpsim.report.words import duration, moment, money, number, percent

MINUS = "\u2212"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0458, "4.58 %"),
        (0.05, "5 %"),
        (0.123456, "12.3 %"),
        (1.0, "100 %"),
        (0.0, "0 %"),
        (0.00123, "0.12 %"),
        (-0.5, f"{MINUS}50 %"),
        (1e-9, "less than 0.0001 %"),
        (None, "\u2013"),
        (float("nan"), "\u2013"),
    ],
)
def test_percent(value: float | None, words: str) -> None:
    assert percent(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0 USD"),
        (12.345, "12.35 USD"),
        (999_999.0, "999,999 USD"),
        (999_999.9, "1 million USD"),
        (35_508_000.0, "35.51 million USD"),
        (-2.5e9, f"{MINUS}2.5 billion USD"),
        (0.004, "less than 0.01 USD"),
    ],
)
def test_money(value: float, words: str) -> None:
    assert money(value, "USD") == words


def test_numbers_and_times() -> None:
    assert number(-1234.6) == f"{MINUS}1,235"
    assert number(0.000123) == "0.000123"
    assert number(-0.0000001, 2) == "0.00"
    assert moment(1_583_971_200) == "12 March 00:00 UTC"
    assert moment(1_583_971_200, year=True) == "12 March 2020 00:00 UTC"
    assert [duration(s) for s in (1, 60, 720, 172_788, 864_000)] == [
        "1 second",
        "60 seconds",
        "12 minutes",
        "48 hours",
        "10 days",
    ]


@given(
    st.lists(st.floats(-1e9, 1e9) | st.just(float("nan")), min_size=1, max_size=400),
    st.integers(4, 100),
)
def test_decimate_keeps_ends_and_extremes(values: list[float], target: int) -> None:
    array = np.array(values)
    kept = decimate(array, target)
    assert kept[0] == 0 and kept[-1] == len(values) - 1
    assert (np.diff(kept) > 0).all()
    assert len(kept) <= max(target, 4) + 2
    if not np.isnan(array).all():
        assert np.nanmax(array[kept]) == np.nanmax(array)
        assert np.nanmin(array[kept]) == np.nanmin(array)


def test_rounded() -> None:
    assert rounded(np.array([1234567.0, 0.1234567, np.nan, np.inf, 3.0])) == [
        1234570,
        0.123457,
        None,
        None,
        3,
    ]


def test_bins() -> None:
    assert [bin_width(s) for s in (600, 48 * 3600, 30 * 86400)] == [60, 3600, 86400]
    starts, sums = binned(np.array([0.0, 59.0, 60.0, 200.0]), np.array([1.0, 2.0, 4.0, np.nan]), 60)
    assert starts.tolist() == [0, 60, 180] and sums.tolist() == [3, 4, 0]


def test_drawdown() -> None:
    assert drawdown(np.array([0.0, 100.0, 80.0, 120.0, 60.0])).tolist() == pytest.approx(
        [0, 0, -0.2, 0, -0.5]
    )


def test_exact_text_columns_are_scaled() -> None:
    frame = pl.DataFrame(
        {"a": [str(10**18), str(25 * 10**17)], "b": ["x", "y"], "c": ["7", "8"], "c_f64": [1.5, 2.5]}
    )
    assert column(frame, "a").tolist() == [1.0, 2.5]
    assert column(frame, "b") is None and column(frame, "d") is None
    assert column(frame, "c").tolist() == [1.5, 2.5]


# tables


def test_days_of_the_fund(run_folder: Any) -> None:
    folder = run_folder(blocks=14_400, start_balance=60_000.0).crash(1800, adl=True)
    table = tables.days(load(folder.write()))
    assert [row[0][0] for row in table.rows] == ["12 March", "13 March"]
    first, second = ([c[1] for c in row] for row in table.rows)
    assert first[1] == 60_000.0 and first[2] == second[1]
    for start, end, money_in, out in ((r[1], r[2], r[5], r[6]) for r in (first, second)):
        assert start + money_in - out == pytest.approx(end, abs=0.01)


def test_receipts_are_cut_to_the_largest(run_folder: Any) -> None:
    folder = run_folder(blocks=3000, start_balance=1_000.0).crash(1500, adl=True)
    adl = folder.tables["adl"]
    assert adl.height > tables_adl.SHOWN
    table = tables_adl.receipts(load(folder.write()))
    assert len(table.rows) == tables_adl.SHOWN
    assert f"{tables_adl.SHOWN} largest of {adl.height:,}" in table.note
    at = table.heads.index("Quantity closed")
    assert max(row[at][1] for row in table.rows) == pytest.approx(adl["quantity"].max())


def test_keepers(run_folder: Any) -> None:
    table = tables_keepers.keepers(load(run_folder().crash().write()))
    sent, won, vain, reverted = (
        [row[table.heads.index(head)][1] for row in table.rows]
        for head in ("Sent", "Won", "In vain", "Reverted")
    )
    assert [w + v + r for w, v, r in zip(won, vain, reverted)] == sent


def test_rule_of_a_receipt_has_a_name(run_folder: Any) -> None:
    folder = run_folder(start_balance=3_000.0).crash(adl=True)
    for name, shown in (("index", "by index"), ("queue-bitmex", "queue (BitMEX)"), ("new", "new")):
        folder.tables["adl"] = folder.tables["adl"].with_columns(policy=pl.lit(name))
        table = tables_adl.receipts(load(folder.write()))
        assert {row[table.heads.index("Rule")][0] for row in table.rows} == {shown}


def test_invariants_that_held_and_one_that_did_not(run_folder: Any) -> None:
    folder = run_folder().quiet()
    held = tables_trust.invariants(load(folder.write())).rows
    assert len(held) == len(tables_trust.RULES) and all(row[1][0] == "held at 144 checks" for row in held)
    folder.summary["violation"] = "block 9: equity of account 3: the contract says 1, the log 2"
    broken = tables_trust.invariants(load(folder.write())).rows
    assert [row[1][0].startswith("broken") for row in broken] == [False] * (len(held) - 1) + [True]


def test_roles_add_up(run_folder: Any) -> None:
    folder = run_folder().crash()
    accounts = folder.tables["accounts"]
    table = tables.roles(load(folder.write()))
    at = table.heads.index("Profit or loss")
    assert sum(row[at][1] for row in table.rows) == pytest.approx(accounts["pnl"].sum())
    assert sum(row[1][1] for row in table.rows) == accounts.height


def test_worst_and_best_accounts(run_folder: Any) -> None:
    folder = run_folder().crash()
    pnl = folder.tables["accounts"]["pnl"]
    run = load(folder.write())
    for worst, extreme in ((True, pnl.min()), (False, pnl.max())):
        table = tables.accounts(run, worst)
        assert len(table.rows) == tables.TOP
        assert table.rows[0][table.heads.index("Profit or loss")][1] == pytest.approx(extreme)


def test_flat_parameters() -> None:
    tree = {
        "a": {"b": 1_000.0},
        "c": [{"d": None}, {"d": 0.5}],
        "e": [1, 2],
        "f": list(range(9)),
        "g": float("inf"),
        "h": True,
    }
    assert tables_run.flat(tree) == [
        ("a.b", "1,000"),
        ("c[0].d", "\u2013"),
        ("c[1].d", "0.5"),
        ("e", "1, 2"),
        ("f", "0, 1, 2, 3, 4, 5 ... (9 in all)"),
        ("g", "inf"),
        ("h", "True"),
    ]


def test_expectations(run_folder: Any) -> None:
    folder = run_folder().quiet()
    one = {
        "figure": "fund.by_day.0.fall",
        "low": 0.02,
        "high": 0.08,
        "value": 0.045,
        "holds": True,
        "real": 0.0458,
    }
    folder.summary["expected"] = [one, one | {"value": None, "holds": False}]
    rows = tables_trust.expectations(load(folder.write())).rows
    assert [row[4][0] for row in rows] == ["yes", "no"]


# the picture


def balance(flow: Any) -> tuple[float, float]:
    into = sum(f.amount for f in flow.flows if f.target == FUND)
    return into, sum(f.amount for f in flow.flows if f.source == FUND)


@pytest.mark.parametrize("settings", [{}, {"adl": True}, {"adl": True, "socialised": 50.0}])
def test_money_flow_balances(run_folder: Any, settings: dict[str, Any]) -> None:
    run = load(run_folder(start_balance=3_000.0).crash(**settings).write())
    facts = gather(run)
    flow = money_flow(run, facts)
    into, out = balance(flow)
    assert into == pytest.approx(out)
    assert flow.through("losses") == pytest.approx(facts.shortfall)
    assert flow.through("keepers") == pytest.approx(facts.reward)


@pytest.mark.parametrize("width", [400, 960])
def test_picture_is_well_formed_and_inside_its_frame(run_folder: Any, width: int) -> None:
    run = load(run_folder(start_balance=3_000.0).crash(adl=True, socialised=50.0).write())
    root = ET.fromstring(draw(money_flow(run, gather(run)), width))
    _, _, wide, high = (float(v) for v in root.attrib["viewBox"].split())
    assert wide == width
    for bar in root.iter("{http://www.w3.org/2000/svg}rect"):
        x, y, w, h = (float(bar.attrib[k]) for k in ("x", "y", "width", "height"))
        assert x >= 0 and y >= 0 and x + w <= wide and y + h <= high


def test_picture_for_the_readme(run_folder: Any, tmp_path: Path) -> None:
    folder = run_folder().crash()
    folder.summary["scenario"] = "<b>&"
    path = write_money_flow(folder.write(), tmp_path / "docs" / "money-flow.svg")
    text = path.read_text()
    ET.fromstring(text)
    assert "Where the money went: &lt;b&gt;&amp;" in text and 'fill="#fff"' in text
    assert not re.search(r"<script|href|url\(", text)


def test_no_money_no_picture(run_folder: Any) -> None:
    with pytest.raises(ReportError, match="no flow of money"):
        money_flow_svg(run_folder().quiet().write())


def test_flow_of_a_growing_fund(run_folder: Any) -> None:
    folder = run_folder().crash()
    folder.fund_rows = [r for r in folder.fund_rows if r["kind"] != "cover"]
    run = load(folder.write())
    flow = money_flow(run, gather(run))
    assert "saved" in {n.key for n in flow.nodes} and "drawn" not in {n.key for n in flow.nodes}


# deleveraging


def with_lists(folder: Any) -> Any:
    """Two lists of four: the first goes to the first in line, the second to the first two."""
    folder.crash(adl=True)
    rows = []
    for block, taken in enumerate(((1.0, 0.0, 0.0, 0.0), (2.0, 1.0, 0.0, 0.0))):
        for place, part in enumerate(taken, start=1):
            light = 6 - place
            row = (block, 1_584_000_000 + block, 90 + block, 0, 10 + place, place, light, "7", 2.0)
            rows.append((*row, part, part * 5_000, part * 40))
    names = ("block", "time", "account", "market", "counterparty", "place", "light", "key", "size")
    folder.tables["adl_rows"] = pl.DataFrame(
        rows, schema=[*names, "taken", "notional", "haircut"], orient="row"
    )
    accounts = folder.tables["accounts"]
    haircut = np.zeros(accounts.height)
    # Account numbers begin with 1.
    haircut[[10, 11]] = 120.0, 40.0
    folder.tables["accounts"] = accounts.with_columns(
        pl.Series("adl_haircut", haircut), adl_notional=pl.lit(0.0)
    )
    return folder


def test_who_gave_up_most_stands_first_with_times_and_lights(run_folder: Any) -> None:
    table = tables_adl.taken(load(with_lists(run_folder()).write()))
    shown = [[cell[1] for cell in row] for row in table.rows]
    account, times, lit = (
        table.heads.index(h) for h in ("Account", "Times taken from a list", "Lights lit the first time")
    )
    assert [(row[account], row[times], row[lit]) for row in shown] == [(11, 2, 5), (12, 1, 4)]
    at = table.heads.index("Share of all haircuts")
    assert [row[at] for row in shown] == pytest.approx([0.75, 0.25])


def test_lights_add_up_to_the_haircut(run_folder: Any) -> None:
    table = tables_adl.lights(load(with_lists(run_folder()).write()))
    shown = [[cell[1] for cell in row] for row in table.rows]
    assert [row[0] for row in shown] == [5, 4, 3, 2, 1]
    assert [row[1] for row in shown] == [2, 2, 2, 2, 0]
    assert [row[2] for row in shown] == [2, 1, 0, 0, 0]
    assert [row[4] for row in shown] == [120.0, 40.0, 0.0, 0.0, 0.0]


def test_runs_without_lists_or_deleveragings_have_no_such_tables(run_folder: Any) -> None:
    quiet = load(run_folder().quiet().write())
    assert tables_adl.receipts(quiet) is None
    assert tables_adl.taken(quiet) is None
    assert tables_adl.lights(quiet) is None
