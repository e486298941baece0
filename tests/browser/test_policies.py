"""The comparison of policies in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from screens import DESK, PHONE, SHEET, Open


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_page_fits_and_does_not_complain(
    policies_page: Path, opened: Open, size: tuple[int, int]
) -> None:
    page = opened(policies_page, size)
    assert page.errors == []
    assert page.requests == [policies_page.resolve().as_uri()]
    assert page.evaluate("probe.overflow()") <= 0
    assert page.evaluate("probe.wide()") == []
    pictures = page.evaluate("probe.pictures()")
    assert len(pictures) == 2
    assert all(left >= 0 and right <= size[0] for left, right in pictures)


def test_nothing_is_wider_than_the_paper(policies_page: Path, opened: Open) -> None:
    page = opened(policies_page, SHEET)
    page.call("Emulation.setEmulatedMedia", media="print")
    assert page.evaluate("probe.overflow()") <= 0


def test_policies_are_sorted_by_a_figure(policies_page: Path, opened: Open) -> None:
    page = opened(policies_page)
    left, top, width, height = page.evaluate("probe.heading('#figures table', 1)")
    page.click(left + width / 2, top + height / 2)
    found = page.evaluate("probe.column('#figures table', 1)")
    assert len(found) == 8
    assert found == sorted(found, reverse=True)


def test_every_table_can_be_sorted_by_every_column(policies_page: Path, opened: Open) -> None:
    found = opened(policies_page).evaluate("probe.sorted()")
    assert len(found) >= 3
    assert all(row == [0, 0, 1] for row in found)
