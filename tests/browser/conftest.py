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
from support.sweep_runs import (
    DEPTH_RANGE,
    FUND_RANGE,
    MARGIN_RANGE,
    POLICIES,
    a_sweep,
    made_up,
)

from perpsim.cli import main
from perpsim.report import write_report
from perpsim.report.sweep_page import write_sweep_report


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


@pytest.fixture(scope="session")
def fund_sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made up: five funds on forty crashes."""
    vary = [{**FUND_RANGE, "points": 5}]
    return write_sweep_report(made_up(tmp_path_factory.mktemp("funds") / "sweep", a_sweep(vary, seeds=40)))


@pytest.fixture(scope="session")
def policy_sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made up: policies and depths; not finished, with a run that failed."""
    sweep = a_sweep([POLICIES, {**DEPTH_RANGE, "points": 3}], seeds=20, set=["fund.initial=15000"])
    failures = {5: ("failed", "the process died: killed by signal 9")}
    folder = tmp_path_factory.mktemp("policies") / "sweep"
    return write_sweep_report(made_up(folder, sweep, runs=220, failures=failures))


@pytest.fixture(scope="session")
def sampled_sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made up: a sample for Sobol indices."""
    ranges = [FUND_RANGE, DEPTH_RANGE, MARGIN_RANGE]
    sweep = a_sweep(ranges, seeds=4, sample={"kind": "saltelli", "points": 64})
    return write_sweep_report(made_up(tmp_path_factory.mktemp("sampled") / "sweep", sweep))


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
