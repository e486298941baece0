"""The report in a browser: drawn, sortable, zoomable, on a phone and on paper."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from chromium import Browser, Page
from screens import DESK, DRAWN, PHONE, SHEET, Open

KINDS = ["crash_report", "smoke_report", "two_days_report"]
ROLES = "#people .block:first-of-type table"
RECEIPTS = "#adl .block:last-of-type table"
TOLD = "document.querySelector('#timebar output').textContent"

Range = list[float]


def shared_range(page: Page, unlike: Range | None = None) -> Range:
    """The time that all charts show, as soon as they agree on one other than `unlike`."""
    page.wait_for(f"probe.ranges().every((range) => String(range) !== String({unlike or []}))")
    page.wait_for("new Set(probe.ranges().map(String)).size === 1")
    found: Range = page.evaluate("probe.ranges()[0]")
    return found


def zoom(page: Page, chart: str, begin: float, end: float) -> None:
    """Drag over a stretch of a chart, given as parts of its width."""
    left, top, width, height = page.evaluate(f"probe.plot('{chart}')")
    middle = top + height / 2
    page.drag(left + width * begin, middle, left + width * end, middle)


# drawing


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_every_series_is_drawn_without_a_complaint(
    request: pytest.FixtureRequest, opened: Open, kind: str, size: tuple[int, int]
) -> None:
    path = request.getfixturevalue(kind)
    page = opened(path, size)
    assert page.evaluate(DRAWN) == "drawn"
    assert page.errors == []
    assert page.requests == [path.resolve().as_uri()]
    traces = page.evaluate("probe.traces()")
    assert len({chart for chart, *_ in traces}) >= 9
    assert [(chart, name) for chart, name, values, shapes in traces if values and not shapes] == []


def test_a_chart_stays_inside_its_frame(crash_report: Path, opened: Open) -> None:
    assert opened(crash_report).evaluate("probe.outside()") == []


def test_two_days_stay_under_five_megabytes(two_days_report: Path) -> None:
    assert two_days_report.stat().st_size < 5_000_000


def test_without_javascript_words_and_tables_are_there(crash_report: Path, browser: Browser) -> None:
    page = browser.page()
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    page.call("Page.navigate", url=crash_report.resolve().as_uri())
    browser.listen(1.0)
    root = page.call("DOM.getDocument", depth=0)["root"]["nodeId"]
    for selector in (".verdict", "#people table tbody tr", ".flow svg", "noscript p"):
        assert page.call("DOM.querySelectorAll", nodeId=root, selector=selector)["nodeIds"], selector
    assert page.errors == []
    page.close()


# tables


def test_a_click_on_a_heading_sorts_and_another_turns_round(crash_report: Path, opened: Open) -> None:
    page = opened(crash_report)
    left, top, width, height = page.evaluate(f"probe.heading('{RECEIPTS}', 0)")
    orders = []
    for _ in range(2):
        page.click(left + width / 2, top + height / 2)
        orders.append(page.evaluate(f"probe.column('{RECEIPTS}', 0)"))
    assert len(orders[0]) > 10
    assert orders[0] == sorted(orders[0], reverse=True)
    assert orders[1] == sorted(orders[1]) != orders[0]
    assert page.evaluate(f"probe.order('{RECEIPTS}', 0)") == "ascending"


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_a_table_is_sorted_from_the_keyboard(crash_report: Path, opened: Open, key: str) -> None:
    page = opened(crash_report)
    # the frame takes the focus first, so that arrow keys scroll it; then come the headings
    page.evaluate("document.querySelector('#people .wide').focus()")
    page.press("Tab")
    page.press("Tab")
    assert page.evaluate("document.activeElement.closest('th').cellIndex") == 1
    page.press(key)
    values = page.evaluate(f"probe.column('{ROLES}', 1)")
    assert len(values) >= 4
    assert values == sorted(values, reverse=True)
    assert page.evaluate(f"probe.order('{ROLES}', 1)") == "descending"


def test_every_table_can_be_sorted_by_every_column(smoke_report: Path, opened: Open) -> None:
    page = opened(smoke_report)
    found = page.evaluate("probe.sorted()")
    assert len(found) >= 8
    assert all(row == [0, 0, 1] for row in found)
    assert page.errors == []


# time


def test_zooming_one_chart_zooms_all_and_a_double_click_shows_everything(
    crash_report: Path, opened: Open
) -> None:
    page = opened(crash_report)
    whole = shared_range(page)
    zoom(page, "#fund", 0.25, 0.5)
    near = shared_range(page, unlike=whole)
    length = whole[1] - whole[0]
    assert near[0] == pytest.approx(whole[0] + 0.25 * length, abs=0.03 * length)
    assert near[1] == pytest.approx(whole[0] + 0.5 * length, abs=0.03 * length)
    assert page.evaluate(TOLD).startswith("12 Mar")

    left, top, width, height = page.evaluate("probe.plot('#funding')")
    page.click(left + width / 2, top + height / 2, times=2)
    assert shared_range(page, unlike=near) == whole
    assert page.evaluate(TOLD) == "whole run"
    assert page.errors == []


def test_heights_follow_what_is_seen(crash_report: Path, opened: Open) -> None:
    page = opened(crash_report)
    seen = "document.querySelector('#price-0 .chart').layout.yaxis.range"
    whole, before = shared_range(page), page.evaluate(seen)
    zoom(page, "#price-0", 0.05, 0.2)
    shared_range(page, unlike=whole)
    after = page.evaluate(seen)
    assert after[1] - after[0] < 0.6 * (before[1] - before[0])


def test_the_time_bar_zooms_without_a_mouse(crash_report: Path, opened: Open) -> None:
    page = opened(crash_report, PHONE)
    whole = shared_range(page)
    page.evaluate("document.querySelector('[data-do=in]').focus()")
    page.press("Enter")
    near = shared_range(page, unlike=whole)
    assert near[1] - near[0] == pytest.approx((whole[1] - whole[0]) / 2, rel=0.01)
    page.evaluate("document.querySelector('[data-do=forth]').click()")
    later = shared_range(page, unlike=near)
    assert later[0] > near[0]
    page.evaluate("document.querySelector('[data-do=whole]').click()")
    assert shared_range(page, unlike=later) == whole


def test_a_click_in_the_legend_hides_a_series(crash_report: Path, opened: Open) -> None:
    page = opened(crash_report)
    lines = "document.querySelectorAll('#near .scatterlayer .trace').length"
    button = "document.querySelector('#near .legend button')"
    before = page.evaluate(lines)
    page.evaluate(f"{button}.click()")
    page.wait_for(f"{lines} === {before - 1}")
    assert page.evaluate(f"{button}.getAttribute('aria-pressed')") == "false"
    page.evaluate(f"{button}.click()")
    page.wait_for(f"{lines} === {before}")


@pytest.mark.parametrize("part", [0.1, 0.9])
def test_the_pointer_reads_the_bar_of_its_time(crash_report: Path, opened: Open, part: float) -> None:
    page = opened(crash_report)
    _, top, _, height = page.evaluate("probe.plot('#fund')")
    bars = page.evaluate("probe.bars('#fund')")
    assert len(bars) >= 5
    left, _, width, _, value = bars[3]
    page.move(left + width * part, top + height / 2)
    page.wait_for("probe.hovered('#fund').includes('left over by liquidations')")
    assert f"left over by liquidations : {value}" in page.evaluate("probe.hovered('#fund')")


# phone


@pytest.mark.parametrize("kind", KINDS)
def test_a_phone_needs_no_sideways_scrolling(request: pytest.FixtureRequest, opened: Open, kind: str) -> None:
    page = opened(request.getfixturevalue(kind), PHONE)
    assert page.evaluate("probe.overflow()") <= 0
    assert page.evaluate("probe.wide()") == []


@pytest.mark.parametrize("kind", KINDS)
def test_charts_are_legible_on_a_phone(request: pytest.FixtureRequest, opened: Open, kind: str) -> None:
    page = opened(request.getfixturevalue(kind), PHONE)
    for chart in page.evaluate("probe.legibility()"):
        assert chart["width"] > 280, chart
        assert chart["smallest"] >= 11, chart
        assert chart["overlaps"] == 0, chart
        assert chart["cut"] == [], chart


def test_what_a_finger_presses_is_large_enough(crash_report: Path, opened: Open) -> None:
    page = opened(crash_report, PHONE)
    assert page.evaluate("probe.lowest('.legend button')") >= 24
    assert page.evaluate("probe.lowest('#timebar button')") >= 36


# paper


def pages_of(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf))


def test_everything_fits_on_few_sheets(crash_report: Path, opened: Open) -> None:
    page = opened(crash_report)
    pdf = page.pdf()
    assert pdf.startswith(b"%PDF")
    assert 8 <= pages_of(pdf) <= 24
    assert page.errors == []


def test_on_paper_there_are_no_controls_and_no_scrolling(crash_report: Path, opened: Open) -> None:
    page = opened(crash_report)
    assert page.evaluate("probe.shown('#timebar, nav')") == 2
    page.call("Emulation.setEmulatedMedia", media="print")
    assert page.evaluate("probe.shown('#timebar, nav')") == 0
    assert page.evaluate("probe.clipped()") == 0


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_wider_than_the_paper(request: pytest.FixtureRequest, opened: Open, kind: str) -> None:
    page = opened(request.getfixturevalue(kind))
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.screen(*SHEET)
    page.call("Emulation.setEmulatedMedia", media="print")
    page.wait_for("probe.widths().every((width) => width <= 695)")
    assert page.evaluate("probe.overflow()") <= 0


def test_charts_get_the_width_of_the_paper_and_theirs_back(crash_report: Path, opened: Open) -> None:
    page = opened(crash_report)
    before = page.evaluate("probe.widths()")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for("probe.widths().every((width) => width <= 695)")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.wait_for(f"String(probe.widths()) === String({before})")
