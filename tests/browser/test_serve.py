"""The page of `perpsim serve` in a browser, from a server in a process of its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from chromium import Page
from click.testing import CliRunner
from screens import DESK, PHONE
from serving import Visit, served, told

from perpsim.cli import main

SHOWN = "Number(document.documentElement?.dataset.block ?? -1)"
HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>'


@pytest.fixture(scope="module")
def folder(smoke_report: Path) -> Path:
    """A simulated run with deleveragings."""
    return smoke_report.parent


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with served(folder) as found:
        yield found


def seek(page: Page, block: int) -> None:
    """Move the slider there."""
    page.evaluate(f"document.getElementById('slider').value = {block}")
    page.evaluate("document.getElementById('slider').dispatchEvent(new Event('input'))")
    page.wait_for(f"{SHOWN} === {block}")


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_everything_is_drawn_without_a_complaint(url: str, visit: Visit, size: tuple[int, int]) -> None:
    page = visit(url, size)
    assert page.errors == []
    assert {address.partition("/")[0] + "//" + address.split("/")[2] + "/" for address in page.requests} == {
        url
    }
    lines = "[...document.querySelectorAll('figure > svg path')]"
    assert page.evaluate(f"{lines}.every((line) => line.getAttribute('d').length > 20)")
    assert page.evaluate("document.querySelectorAll('figure').length") == 6
    for place in ("#book", "#queue", "#liquidations", "#adl", "#fund", "#keepers"):
        assert page.evaluate(f"document.querySelectorAll('{place} tbody tr').length") > 0, place
    assert page.evaluate("document.querySelectorAll('#signs li').length") == 7
    assert page.evaluate("document.querySelectorAll('#checks li.good').length") == 5
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_slider_shows_what_was_measured_then(url: str, folder: Path, visit: Visit) -> None:
    page = visit(url)
    rows = pl.read_parquet(folder / "blocks.parquet").to_dicts()
    for block in (150, 20, 90):
        seek(page, block)
        marked: Any = told(page, "#tiles div:first-child dd").split("\n")[0]
        assert float(marked.replace(",", "")) == pytest.approx(rows[block]["mark_0"], abs=0.06)
        count = sum(row["liquidations"] for row in rows[: block + 1])
        assert told(page, "#tiles div:nth-child(6) dd").split("\n")[0] == f"{count}"
        assert told(page, "#block") == f"block {block} of 199"
    assert page.errors == []


def test_lights_are_said_as_well_as_drawn(url: str, visit: Visit) -> None:
    page = visit(url)
    lamps = page.evaluate("document.querySelector('#queue tbody .lamps').getAttribute('aria-label')")
    assert lamps == "5 of 5 lights"
    assert page.evaluate("document.querySelectorAll('#queue tbody tr:first-child .lamp.on').length") == 10


def test_keys_play_and_pause(url: str, visit: Visit) -> None:
    page = visit(url)
    seek(page, 10)
    page.evaluate("document.getElementById('play').focus()")
    page.press("Enter")
    page.wait_for(f"{SHOWN} > 30")
    assert told(page, "#play") == "Pause"
    page.press("Space")
    page.wait_for("document.getElementById('play').textContent === 'Play'")
    stopped = page.evaluate(SHOWN)
    page.press("Tab")
    page.press("Enter")
    page.wait_for(f"{SHOWN} === {stopped - 1}")
    page.press("Tab")
    page.press("Space")
    page.wait_for(f"{SHOWN} === {stopped}")
    assert page.errors == []


def test_playing_ends_with_the_run_and_begins_anew(url: str, visit: Visit) -> None:
    page = visit(url)
    seek(page, 190)
    page.evaluate("document.getElementById('play').click()")
    page.wait_for(f"{SHOWN} === 199 && document.getElementById('play').textContent === 'Play'")
    page.evaluate("document.getElementById('play').click()")
    page.wait_for(f"{SHOWN} < 100")
    assert page.errors == []


def test_everything_reachable_shows_where_the_focus_is(url: str, visit: Visit) -> None:
    page = visit(url)
    seen = []
    for _ in range(40):
        page.press("Tab")
        seen.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
        if seen[-1] == "speed":
            break
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", seen
    assert {"play", "back", "forth", "slider", "speed", "csv-flow"} <= set(seen)


def test_a_table_stays_where_it_was_scrolled_to(url: str, visit: Visit) -> None:
    page = visit(url)
    table = "document.querySelector('#liquidations .wide')"
    page.evaluate(f"{table}.focus()")
    page.evaluate(f"{table}.scrollTop = 60")
    seek(page, 198)
    assert page.evaluate(f"{table}.scrollTop") == 60
    assert page.evaluate(f"document.activeElement === {table}")


def test_markets_are_chosen_one_at_a_time(tmp_path: Path, visit: Visit) -> None:
    out = tmp_path / "run"
    command = ["run", "contagion", "--blocks", "40", "--out", str(out)]
    assert CliRunner().invoke(main, command).exit_code == 0
    with served(out) as url:
        page = visit(url)
        names = page.evaluate("[...document.querySelectorAll('#markets button')].map((b) => b.textContent)")
        assert len(names) > 1
        marks = pl.read_parquet(out / "blocks.parquet").row(-1, named=True)
        for at in reversed(range(len(names))):
            page.evaluate(f"document.querySelectorAll('#markets button')[{at}].focus()")
            page.press("Enter")
            pressed = "document.querySelector('#markets [aria-pressed=true]').textContent"
            assert page.evaluate(pressed) == names[at]
            shown = float(told(page, "#tiles div:first-child dd").split("\n")[0].replace(",", ""))
            assert shown == pytest.approx(marks[f"mark_{at}"], rel=1e-4)
            assert page.evaluate("document.activeElement.textContent") == names[at]
        assert page.errors == []


def test_the_page_survives_its_server(folder: Path, visit: Visit) -> None:
    with served(folder) as first:
        page = visit(first)
        seek(page, 50)
    port = int(first.rstrip("/").rpartition(":")[2])
    page.evaluate("document.getElementById('forth').click()")
    page.wait_for("!document.getElementById('trouble').hidden")
    assert "does not answer" in told(page, "#trouble")
    assert told(page, "#block") == "block 50 of 199"
    with served(folder, port=port):
        page.wait_for("document.getElementById('trouble').hidden")
        assert told(page, "#block") == "block 50 of 199"
        seek(page, 60)


def test_names_are_shown_as_they_are_whatever_is_in_them(folder: Path, tmp_path: Path, visit: Visit) -> None:
    copy = shutil.copytree(folder, tmp_path / "run")
    summary = json.loads((copy / "summary.json").read_text())
    summary["title"] = summary["scenario"] = HOSTILE
    for sign in summary["warnings"]["signs"].values():
        sign["text"] = HOSTILE
    (copy / "summary.json").write_text(json.dumps(summary))
    for table, column in (("keepers", "name"), ("keepers", "strategy"), ("accounts", "role")):
        path = copy / f"{table}.parquet"
        pl.read_parquet(path).with_columns(pl.lit(HOSTILE).alias(column)).write_parquet(path)
    with served(copy) as url:
        page = visit(url)
        assert told(page, "#title") == HOSTILE
        assert HOSTILE in told(page, "#subtitle")
        for place in ("#signs", "#keepers", "#queue", "#liquidations"):
            assert HOSTILE in told(page, place), place
        assert page.evaluate("document.querySelectorAll('img').length") == 0
        assert page.evaluate("document.title").startswith("<img")
        assert page.errors == []
