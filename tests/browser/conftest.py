"""Reports of several kinds, and a browser to look at them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import HOW_TO_GET_ONE, Browser, Page, find
from click.testing import CliRunner
from screens import DESK, DRAWN, PHONE, PROBES, Open
from serving import Visit
from support.run_extras import with_everything
from support.run_folder import RunFolder

from perpsim.cli import main
from perpsim.report import write_report


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    program = find()
    if program is None:
        pytest.fail(HOW_TO_GET_ONE, pytrace=False)
    with Browser(program) as found:
        yield found


@pytest.fixture(scope="session")
def crash_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made up: a crash with everything that a report can show, in two markets."""
    folder = RunFolder(tmp_path_factory.mktemp("crash") / "run", start_balance=3_000.0)
    return write_report(with_everything(folder.crash(adl=True, socialised=10.0)).write())


@pytest.fixture(scope="session")
def two_days_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made up: two days of blocks, 6,000 liquidations, everything that a report can show."""
    folder = RunFolder(tmp_path_factory.mktemp("days") / "run", blocks=14_400, start_balance=60_000.0)
    return write_report(with_everything(folder.crash(6_000, adl=True, socialised=10.0)).write())


@pytest.fixture(scope="session")
def smoke_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated: the smoke scenario with a fund so small that traders are deleveraged."""
    out = tmp_path_factory.mktemp("smoke") / "run"
    _command("run", "smoke", "--set", "fund.initial=2000", "--out", str(out))
    return out / "report.html"


@pytest.fixture(scope="session")
def policies_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated: all policies on the smoke scenario's first deleveraging."""
    out = tmp_path_factory.mktemp("policies") / "run"
    _command("policies", "smoke", "--set", "fund.initial=2000", "--out", str(out))
    return out / "policies.html"


def _command(*arguments: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """`opened(path, PHONE)`: a page with its charts drawn; closed after the test."""
    pages: list[Page] = []

    def open_page(path: Path, size: tuple[int, int] = DESK) -> Page:
        page = browser.page(*size, touch=size == PHONE)
        pages.append(page)
        page.open(path)
        if page.evaluate("!!document.querySelector('figure .chart')"):
            page.wait_for(f"!!{DRAWN}")
        page.evaluate(PROBES)
        return page

    yield open_page
    for page in pages:
        page.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """`visit(url, PHONE)`: the page with its last block shown; closed after the test."""
    pages: list[Page] = []

    def go(url: str, size: tuple[int, int] = DESK) -> Page:
        page = browser.page(*size, touch=size == PHONE)
        pages.append(page)
        page.visit(url)
        page.wait_for("document.documentElement?.dataset.ready === 'yes'")
        return page

    yield go
    for page in pages:
        page.close()
