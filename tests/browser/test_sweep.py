"""The report of a sweep in a browser: dark and light, wide and narrow, by mouse and by keyboard."""

from __future__ import annotations

from pathlib import Path

import pytest
from chromium import Page
from screens import DESK, PHONE, SHEET, Open

KINDS = ["fund_sweep", "policy_sweep", "sampled_sweep"]
SCHEMES = ["light", "dark"]
#: contrast that WCAG 2.2 asks of text, of large text and of what pictures are made of
TEXT, SHAPE = 4.5, 3.0

SWEEP = Path(__file__).with_name("sweep_probes.js").read_text(encoding="utf-8")


@pytest.fixture
def looked_at(opened: Open) -> Open:
    """`looked_at(path, PHONE, "dark")`: a page in that scheme."""

    def look(path: Path, size: tuple[int, int] = DESK, scheme: str = "light") -> Page:
        page = opened(path, size)
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        page.evaluate(SWEEP)
        return page

    return look


def choose(page: Page, name: str, value: str) -> None:
    """As a user does it, without the list that the system draws."""
    page.evaluate(
        f"(() => {{ const s = document.querySelector('#maps select[name={name}]'); s.value = '{value}';"
        "s.dispatchEvent(new Event('change', { bubbles: true })); })()"
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_page_fits_asks_for_nothing_and_does_not_complain(
    request: pytest.FixtureRequest, looked_at: Open, kind: str, size: tuple[int, int]
) -> None:
    path = request.getfixturevalue(kind)
    page = looked_at(path, size)
    assert page.errors == []
    assert page.requests == [path.resolve().as_uri()]
    assert page.evaluate("probe.overflow()") <= 0
    assert page.evaluate("probe.wide()") == []
    pictures = page.evaluate("probe.pictures()")
    assert len(pictures) >= 3
    assert all(left >= 0 and right <= size[0] for left, right in pictures)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_no_picture_is_empty_and_no_label_cut_or_covered(
    request: pytest.FixtureRequest, looked_at: Open, kind: str, size: tuple[int, int]
) -> None:
    page = looked_at(request.getfixturevalue(kind), size)
    assert page.evaluate("sweep.empty()") == []
    assert page.evaluate("sweep.cut()") == []
    assert page.evaluate("sweep.overlaps()") == []
    assert page.evaluate("sweep.smallest()") >= 10.9


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_everything_is_legible_in_light_and_in_dark(
    request: pytest.FixtureRequest, looked_at: Open, kind: str, scheme: str
) -> None:
    page = looked_at(request.getfixturevalue(kind), DESK, scheme)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    contrast, text = page.evaluate("sweep.text()")
    assert contrast >= TEXT, text
    contrast, shape = page.evaluate("sweep.shapes()")
    assert contrast >= SHAPE, shape


def test_another_figure_and_other_parameters_show_their_heat_map(
    sampled_sweep: Path, looked_at: Open
) -> None:
    page = looked_at(sampled_sweep)
    assert page.evaluate("sweep.maps()") == [["fund", "depth", "P(deleveraging)"]]
    choose(page, "across", "2")
    assert page.evaluate("sweep.maps()") == [["fund", "maintenance", "P(deleveraging)"]]
    choose(page, "figure", "shortfall.total")
    assert page.evaluate("sweep.maps()") == [["fund", "maintenance", "Loss before the fund, mean, USD"]]
    # a parameter has no map with itself: the other one moves on
    choose(page, "down", "2")
    assert page.evaluate("sweep.maps()") == [["fund", "maintenance", "Loss before the fund, mean, USD"]]
    assert page.evaluate("document.querySelector('select[name=across]').value") == "0"
    assert page.errors == []


def test_heat_maps_are_chosen_from_the_keyboard(sampled_sweep: Path, looked_at: Open) -> None:
    page = looked_at(sampled_sweep)
    page.evaluate("document.querySelector('select[name=figure]').focus()")
    page.press("Tab")
    assert page.evaluate("document.activeElement.name") == "down"
    page.press("Tab")
    assert page.evaluate("document.activeElement.name") == "across"
    down = {"key": "ArrowDown", "code": "ArrowDown", "windowsVirtualKeyCode": 40}
    page.call("Input.dispatchKeyEvent", type="keyDown", **down)
    page.call("Input.dispatchKeyEvent", type="keyUp", **down)
    page.wait_for("sweep.maps()[0][1] === 'maintenance'")


@pytest.mark.parametrize("kind", KINDS)
def test_every_table_of_figures_can_be_sorted_by_every_column(
    request: pytest.FixtureRequest, looked_at: Open, kind: str
) -> None:
    found = looked_at(request.getfixturevalue(kind)).evaluate("sweep.sorted()")
    assert len(found) >= 5
    assert all(row == [0, 0, 1] for row in found)


@pytest.mark.parametrize("kind", KINDS)
def test_on_paper_it_is_light_and_not_wider_than_the_sheet(
    request: pytest.FixtureRequest, looked_at: Open, kind: str
) -> None:
    page = looked_at(request.getfixturevalue(kind), SHEET)
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    page.call("Emulation.setEmulatedMedia", media="print", features=dark)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("probe.overflow()") <= 0
    assert page.evaluate("probe.shown('.choices')") == 0
