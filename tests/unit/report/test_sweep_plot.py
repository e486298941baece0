"""Scales, ticks and the plots that are drawn without a script."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from perpsim.report.sweep_axes import Scale, per_cent, roomy, scale_of, short
from perpsim.report.sweep_plot import Axis, Plot, both, fitted, legend, svg

NAN = float("nan")


def plot(**axes: Axis) -> Plot:
    across = axes.get("across", Axis(Scale(0, 100), "fund"))
    return Plot("Title", across, axes.get("upward", Axis(Scale(0, 1), tick=per_cent)), width=400, height=200)


def path_of(drawn: Plot, look: str) -> list[tuple[float, float]]:
    found = re.search(rf'class="{look} s0"[^>]* d="([^"]*)"', "".join(drawn.svg_parts()))
    assert found
    return [(float(x), float(y)) for x, y in re.findall(r"([\d.]+),([\d.]+)", found[1])]


@pytest.mark.parametrize("scale", [Scale(0, 7), Scale(-3, 12), Scale(0.8, 0.9), Scale(1e6, 1.2e6)])
@pytest.mark.parametrize("most", [2, 4, 8])
def test_ticks_are_round_evenly_spaced_and_inside(scale: Scale, most: int) -> None:
    ticks = scale.ticks(most)
    assert 1 <= len(ticks) <= most + 1
    assert all(scale.low - 1e-9 <= tick <= scale.high + 1e-9 for tick in ticks)
    steps = np.diff(ticks)
    assert np.allclose(steps, steps[:1])
    assert all(f"{step:.6g}".strip("0.")[:1] in "125" for step in steps)


@pytest.mark.parametrize(("low", "high"), [(3, 40), (1, 1e6), (2e3, 9e9), (0.001, 1), (40, 90)])
def test_ticks_of_a_logarithmic_scale_stand_at_ones_twos_and_fives(low: float, high: float) -> None:
    ticks = Scale(low, high, True).ticks(6)
    assert 1 <= len(ticks) <= 6
    assert all(low * 0.99 <= tick <= high * 1.01 for tick in ticks)
    assert {f"{tick:e}"[0] for tick in ticks} <= set("1235")


def test_a_logarithmic_scale_gives_equal_room_to_equal_factors() -> None:
    scale = Scale(10, 1000, True)
    assert [scale.at(v) for v in (10, 100, 1000)] == pytest.approx([0, 0.5, 1])
    assert scale.at(0) == 0
    assert Scale(0, 10).at(25) == 1


def test_a_scale_is_logarithmic_where_the_range_is_wide_and_never_with_a_zero() -> None:
    assert scale_of([1, 1000]).log
    assert not scale_of([1, 20]).log
    assert not scale_of([0, 1000]).log
    assert not scale_of([1, 1000], zero=True).log
    assert scale_of([2, 4], log=True).log


@pytest.mark.parametrize("values", [[], [NAN], [0.0], [5.0, 5.0], [-2.0]])
@pytest.mark.parametrize("zero", [False, True])
def test_a_scale_has_room_even_where_there_is_nothing_to_scale(values: list[float], zero: bool) -> None:
    scale = roomy(scale_of(values, zero=zero))
    assert scale.high > scale.low
    assert scale.ticks(4)


def test_room_is_not_made_beyond_zero() -> None:
    assert roomy(scale_of([3, 9], zero=True)).low == 0
    assert roomy(scale_of([-3, -9], zero=True)).high == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.25, "0.25"), (999, "999"), (1000, "1k"), (250_000, "250k"), (1.5e6, "1.5M"),
     (2e9, "2B"), (-4000, "\u22124k"), (0.00002, "2e-05")],
)  # fmt: skip
def test_ticks_are_short(value: float, text: str) -> None:
    assert short(value) == text


def test_shares_are_written_as_per_cent() -> None:
    assert [per_cent(v) for v in (0, 0.05, 0.001, 1, -0.1)] == ["0 %", "5 %", "0.1 %", "100 %", "\u221210 %"]


def test_a_line_goes_through_its_points_and_breaks_where_there_is_none() -> None:
    drawn = plot()
    drawn.line([0, 50, 60, 100], [0.0, 0.5, NAN, 1.0])
    assert "".join(drawn.svg_parts()).count("NaN") == 0
    points = path_of(drawn, "line")
    assert points == [
        (drawn.left, drawn.bottom),
        pytest.approx(((drawn.left + drawn.right) / 2, (drawn.top + drawn.bottom) / 2), abs=0.1),
        (drawn.right, drawn.top),
    ]
    path = re.search(r'class="line s0" d="([^"]*)"', "".join(drawn.svg_parts()))
    assert path
    assert path[1].count("M") == 2


def test_a_band_encloses_what_lies_between() -> None:
    drawn = plot()
    drawn.band([0, 100], [0.2, 0.4], [0.6, 0.8])
    xs, ys = zip(*path_of(drawn, "band"))
    assert len(xs) == 4
    assert min(ys) == pytest.approx(drawn.py(0.8), abs=0.1)
    assert max(ys) == pytest.approx(drawn.py(0.2), abs=0.1)


def test_an_interval_is_drawn_from_end_to_end_and_told_to_the_pointer() -> None:
    drawn = plot()
    drawn.interval(50, 0.25, 0.5, 0.75, "a < b")
    text = "".join(drawn.svg_parts())
    assert f"{drawn.py(0.25):.1f}V{drawn.py(0.75):.1f}" in text
    assert "<title>a &lt; b</title>" in text


def test_marks_stand_on_lines_of_their_own_and_inside_the_picture() -> None:
    drawn = plot()
    for value, name in ((98, "a size far to the right"), (2, "one far to the left"), (3, "and a near one")):
        drawn.mark(value, name, 1)
    found = re.findall(
        r'<text x="[^"]*" y="([^"]*)"( text-anchor="end")? class="halo"', "".join(drawn.svg_parts())
    )
    assert len(found) == 3
    assert len({y for y, _ in found}) == 3
    assert [bool(end) for _, end in found] == [False, False, True]


def test_labels_are_cut_where_there_is_no_room() -> None:
    assert fitted("capped-pro-rata", 107) == "capped-pro-rata"
    assert fitted("a very long name of a parameter", 107) == "a very long na\u2026"


def test_a_legend_takes_as_many_lines_as_it_needs() -> None:
    parts, height = legend(["one", "two", "three"], 900, 0)
    assert height == 19
    _, higher = legend(["a name that is long"] * 6, 358, 0)
    assert higher > 2 * height
    ET.fromstring(f"<svg>{''.join(parts)}</svg>")


def test_a_picture_is_well_formed_and_comes_in_two_widths() -> None:
    found = both(lambda width: svg(width, 100, "a & b", plot().svg_parts()))
    pictures = re.findall(r"<svg.*?</svg>", found, flags=re.S)
    assert len(pictures) == 2
    for picture in pictures:
        ET.fromstring(picture)
    assert 'viewBox="0 0 940 100"' in pictures[0]
    assert 'viewBox="0 0 358 100"' in pictures[1]
