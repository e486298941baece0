"""The report as a file: complete, offline, small, and readable whatever is missing."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl
import pytest
from support.run_extras import second_market, with_everything

from perpsim.report import ReportError, write_report
from perpsim.report.figure import Chart, Panel, Trace

MEGABYTE = 1_000_000


def written(folder: Any) -> str:
    return write_report(folder.write()).read_text(encoding="utf-8")


def packed(page: str, key: str) -> str:
    found = re.search(rf'id="{key}">([A-Za-z0-9+/=]*)</script>', page)
    assert found
    return gzip.decompress(base64.b64decode(found[1])).decode()


def charts(page: str) -> dict[str, Any]:
    return {c["key"]: c for c in json.loads(packed(page, "charts-gz"))["charts"]}


def without_payload(page: str) -> str:
    return re.sub(r'<script type="application/octet-stream".*?</script>', "", page, flags=re.S)


def test_all_charts_of_a_crash(run_folder: Any) -> None:
    page = written(run_folder(start_balance=3_000.0).crash(adl=True, socialised=10.0))
    found = charts(page)
    wanted = {
        "price-0",
        "fund",
        "liquidations",
        "shortfall",
        "interest",
        "funding",
        "signs",
        "keepers",
        "depth-0",
        "underwater",
        "gas",
    }
    assert set(found) == wanted
    for key in wanted:
        assert f'<figure id="{key}">' in page
    for title in ("Who was deleveraged", "By role", "Did it pay to be a keeper?", "Parameters", "day by day"):
        assert title in page
    assert "<svg" in page


def test_plotly_accepts_every_chart(run_folder: Any) -> None:
    for chart in charts(written(run_folder(start_balance=3_000.0).crash(adl=True, socialised=10.0))).values():
        go.Figure(data=chart["data"], layout=chart["layout"])


def test_nothing_is_loaded_from_anywhere(run_folder: Any) -> None:
    page = written(run_folder().crash())
    assert "default-src 'none'" in page
    bare = without_payload(page)
    assert not re.search(r"""(src|href)=["'](?!#)""", bare)
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|import\(", bare)
    assert set(re.findall(r"https?://[^\s\"'<]+", bare)) <= {"http://www.w3.org/2000/svg"}


def test_plotly_is_inside_once(run_folder: Any) -> None:
    page = written(run_folder().crash())
    assert page.count('id="plotly-gz"') == 1
    assert "Plotly" in packed(page, "plotly-gz")


def test_two_days_stay_under_five_megabytes(run_folder: Any) -> None:
    folder = run_folder(blocks=14_400, start_balance=60_000.0).crash(6_000, adl=True)
    path = write_report(folder.write())
    assert path.stat().st_size < 5 * MEGABYTE


def test_the_same_run_gives_the_same_bytes(run_folder: Any) -> None:
    folder = run_folder().crash()
    assert written(folder) == written(folder)


def test_verdict_stands_at_the_top(run_folder: Any) -> None:
    page = written(run_folder().crash())
    verdict = page.index('<p class="verdict">The insurance fund')
    assert verdict < page.index('<dl class="figures">') < page.index("What an insurance fund is, and is not")
    assert "no insurance against hacks" in page


# what may be missing


def test_empty_tables(run_folder: Any) -> None:
    folder = run_folder(blocks=0).quiet()
    folder.tables = {name: frame.clear() for name, frame in folder.tables.items()}
    folder.tables["fund"] = pl.DataFrame(folder.fund_rows).clear()
    page = written(folder)
    assert "The run has no blocks: there is nothing to show." in page
    assert "charts-gz" not in without_payload(page).split("<script>")[0]


def test_one_block(run_folder: Any) -> None:
    page = written(run_folder(blocks=1).quiet())
    chart = charts(page)["price-0"]
    assert [len(t["x"]) for t in chart["data"]] == [1, 1, 1, 1, 1]
    assert chart["data"][0]["mode"] == "lines+markers"


def test_partial_run_says_so_first(run_folder: Any) -> None:
    folder = run_folder().crash()
    folder.summary |= {"complete": False, "planned_blocks": 14_400}
    page = written(folder)
    assert page.index("This run was not finished: the report covers 600 of 14,400 blocks") < page.index(
        'verdict">In'
    )


def test_broken_books_are_shouted(run_folder: Any) -> None:
    folder = run_folder().crash()
    folder.summary |= {"complete": False, "violation": "block 300: invariant 6: books of the vault: off by 1"}
    page = written(folder)
    assert 'class="notice bad"' in page
    assert page.count("off by 1") == 2
    assert "broken: block 300: invariant 6" in page


@pytest.mark.parametrize("name", ["blocks", "accounts", "liquidations", "adl", "keepers", "events"])
def test_a_missing_table_hides_its_charts_only(run_folder: Any, name: str) -> None:
    page = written(run_folder(start_balance=3_000.0).crash(adl=True).without(name))
    assert '<p class="verdict">' in page
    assert ("blocks.parquet is missing" in page) == (name == "blocks")
    if name == "blocks":
        assert set(charts(page)) == {"fund", "liquidations", "shortfall", "keepers"}


def test_missing_columns_hide_their_lines(run_folder: Any) -> None:
    folder = run_folder().quiet().drop("blocks", "index_0", "mid_0", "base_fee", "leverage_0", "funding_8h_0")
    found = charts(written(folder))
    assert [t["name"] for t in found["price-0"]["data"]] == [
        "market price",
        "mark (what margins are measured at)",
        "mark (what margins are measured at)",
    ]
    assert [t["name"] for t in found["depth-0"]["data"]] == ["bids", "asks"]
    assert "funding" not in found
    assert len(found["gas"]["labels"]) == len(found["interest"]["labels"]) == 1


def test_only_a_summary(run_folder: Any) -> None:
    folder = run_folder().quiet()
    folder.tables = {"fund": pl.DataFrame()}
    folder.summary["fund"] = {"start": 100.0, "end": 90.0, "min": 80.0}
    assert "The insurance fund fell by 10 %, from 100 to 90 USD" in written(folder)


def test_damaged_files(run_folder: Any) -> None:
    path = run_folder().crash().write()
    (path / "blocks.parquet").write_bytes(b"PAR1 and no more")
    (path / "summary.json").write_text("{")
    page = write_report(path).read_text()
    assert "summary.json cannot be read" in page and "blocks.parquet cannot be read" in page
    assert "This run was not finished" in page


def test_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="not a run folder"):
        write_report(tmp_path)
    with pytest.raises(ReportError, match="no such run folder"):
        write_report(tmp_path / "nowhere")


def test_numbers_that_are_none_or_not_finite(run_folder: Any) -> None:
    folder = run_folder().crash()
    blocks = folder.tables["blocks"]
    folder.tables["blocks"] = blocks.with_columns(
        pl.lit(float("inf")).alias("leverage_0"),
        pl.lit(None, dtype=pl.Float64).alias("mid_0"),
        pl.when(pl.col("block") < 3).then(0.0).otherwise(pl.col("index_0")).alias("index_0"),
    )
    found = charts(written(folder))
    index = found["price-0"]["data"][1]["y"]
    assert index[0] is None and min(v for v in index if v is not None) > 1000


def test_several_markets(run_folder: Any) -> None:
    page = written(second_market(run_folder().crash()))
    found = charts(page)
    assert "Which market cost what?" in page
    assert {"price-0", "price-1", "depth-0", "depth-1"} <= set(found)
    assert [t["name"] for t in found["funding"]["data"]] == ["BTC", "ETH"]


def test_everything_that_a_run_can_have(run_folder: Any) -> None:
    page = written(with_everything(run_folder(start_balance=3_000.0).crash(adl=True, socialised=10.0)))
    assert {"price-1", "signs", "stress", "near", "stakers", "keepers", "gas"} <= set(charts(page))
    for title in (
        "The moments that stand out",
        "Which market cost what?",
        "How early did the signs warn?",
        "What did the chain cost?",
        "Who paid for gas?",
        "Did an attack pay?",
        "What became of the stakers?",
        "Was more taken than was needed?",
        "What matters most?",
        "Is the gas true?",
    ):
        assert title in page


def test_series_of_a_panel_differ_without_colours(run_folder: Any) -> None:
    page = written(with_everything(run_folder(start_balance=3_000.0).crash(adl=True, socialised=10.0)))
    for key, chart in charts(page).items():
        lines = [
            (t["yaxis"], t["line"]["dash"], t["line"]["width"], "fill" in t)
            for t in chart["data"]
            if t.get("mode") == "lines"
        ]
        assert len(set(lines)) == len(lines), key
        bars = [
            (t["yaxis"], t["marker"].get("pattern", {}).get("shape"))
            for t in chart["data"]
            if t["type"] == "bar"
        ]
        assert len(set(bars)) == len(bars), key


# what users write


def test_everything_of_a_user_is_escaped(run_folder: Any) -> None:
    evil = '</script><img src=x onerror="alert(1)">{{css}}'
    folder = run_folder(start_balance=3_000.0).crash(adl=True)
    folder.summary |= {
        "scenario": evil,
        "title": evil,
        "engine": evil,
        "violation": evil,
        "reverts": {evil: 3},
    }
    folder.summary["versions"] = {evil: evil}
    folder.summary["expected"] = [
        {"figure": evil, "low": 1, "high": 2, "value": 1.5, "holds": True, "note": evil}
    ]
    parameters = folder.summary["parameters"]
    parameters |= {"description": evil, "sources": [evil], evil: evil, "collateral": {"symbol": evil}}
    parameters["markets"] = [{"symbol": evil}]
    folder.tables["accounts"] = folder.tables["accounts"].with_columns(pl.lit(evil).alias("role"))
    folder.tables["keepers"] = folder.tables["keepers"].with_columns(pl.lit(evil).alias("name"))
    folder.tables["adl"] = folder.tables["adl"].with_columns(pl.lit(evil).alias("policy"))
    page = written(folder)
    assert "<img" not in page and 'onerror="' not in page
    assert page.count("--ink: #") == 1
    assert not any("<" in json.dumps(c) for c in charts(page).values())


def test_credentials_of_an_engine_stay_out(run_folder: Any) -> None:
    folder = run_folder().quiet()
    folder.summary["engine"] = "https://me:secret@node.example:8545/x"
    page = written(folder)
    assert "secret" not in page and "https://node.example:8545/x" in page


# drawing


def test_lines_of_a_panel_share_their_points() -> None:
    x = np.arange(10_000, dtype=float)
    rng = np.random.default_rng(1)
    lines = [Trace(n, x, rng.normal(size=10_000), "#000") for n in "ab"]
    chart = Chart("k", "q?", "r", [Panel("p")], lines).drawn(0, 10_000, points=500)
    first, second = chart["data"]
    assert first["x"] == second["x"]
    assert len(first["x"]) <= 520
    assert max(first["y"]) == pytest.approx(lines[0].y.max(), rel=1e-5)
    assert min(second["y"]) == pytest.approx(lines[1].y.min(), rel=1e-5)
