"""The page of an optimisation in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from screens import DESK, PHONE, SHEET, Open
from support.optimise_world import FUND, MARGIN, POLICY, Formulas, sweep_of

from perpsim.report.optimise_page import write_page
from perpsim.sweeps.optimise import Search


def crashes(values: dict[str, float], seed: int) -> dict[str, float]:
    """Half of the crashes are too much for a small fund; keepers live on the margin."""
    return {
        "adl__count": float(seed % 20 < 20 * (1 - values["fund"] / 50_000)),
        "keepers__profit": 1e5 * values["margin"] - 300 + seed,
        "shortfall__total": 1e6 * values["margin"] + 10 * (seed % 7),
    }


@pytest.fixture(scope="module", params=["single", "front"])
def page_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    wanted = ["p(adl) <= 10 %", "mean(keepers.profit) >= 0"]
    objectives = ["fund"] if request.param == "single" else ["fund", "mean(shortfall.total)"]
    search = Search(sweep_of(FUND, MARGIN, POLICY, minimise=objectives, constraints=wanted, trials=40))
    optimum = search.run(Formulas(search, crashes))
    return write_page(search, optimum, tmp_path_factory.mktemp("optimised") / "optimisation.html")


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_page_fits_and_does_not_complain(page_file: Path, opened: Open, size: tuple[int, int]) -> None:
    page = opened(page_file, size)
    assert page.errors == []
    assert page.requests == [page_file.resolve().as_uri()]
    assert page.evaluate("probe.overflow()") <= 0
    assert page.evaluate("probe.wide()") == []
    pictures = page.evaluate("probe.pictures()")
    assert len(pictures) == 2
    assert all(left >= 0 and right <= size[0] for left, right in pictures)


def test_nothing_is_wider_than_the_paper(page_file: Path, opened: Open) -> None:
    page = opened(page_file, SHEET)
    page.call("Emulation.setEmulatedMedia", media="print")
    assert page.evaluate("probe.overflow()") <= 0


def test_every_table_can_be_sorted_by_every_column(page_file: Path, opened: Open) -> None:
    found = opened(page_file).evaluate("probe.sorted()")
    assert len(found) >= 2
    assert all(row == [0, 0, 1] for row in found)
