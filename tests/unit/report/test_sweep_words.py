"""Estimates in words: as many digits as their interval bears."""

from __future__ import annotations

import math

import pytest

from perpsim.report.sweep_words import cell, setting, told
from perpsim.sweeps.statistics import Estimate

INF, NAN = math.inf, math.nan


def estimate(value: float, low: float, high: float, warning: str = "") -> Estimate:
    return Estimate(value, low, high, 100, warning=warning)


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.0831, 0.0672, 0.1019, "8.3 % (6.7\u201310.2 %)"),
        (0.4, 0.2188, 0.6134, "40 % (22\u201361 %)"),
        (1.0, 0.8389, 1.0, "100 % (84\u2013100 %)"),
        (0.0, 0.0, 0.0038, "0 % (0\u20130.38 %)"),
        (0.000123, 0.0001, 0.00015, "0.0123 % (0.0100\u20130.0150 %)"),
        (0.5, 0.5, 0.5, "50 %"),
        (0.5, NAN, NAN, "50 %"),
    ],
)
def test_a_share_has_the_digits_that_its_interval_bears(
    value: float, low: float, high: float, text: str
) -> None:
    assert told(estimate(value, low, high), share=True) == text


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (431_234.5, 388_123.0, 502_456.0, "431,000 USD (388,000\u2013502,000 USD)"),
        (16_012.3, 13_812.0, 18_301.0, "16,000 USD (13,800\u201318,300 USD)"),
        (2.4567, 2.4, 2.5, "2.457 USD (2.400\u20132.500 USD)"),
        (-120.4, -150.0, -90.0, "\u2212120 USD (\u2212150 to \u221290 USD)"),
        (112_728.0, 87_775.0, INF, "113,000 USD (87,800 USD or more)"),
        (5.0, 5.0, 5.0, "5 USD"),
        (NAN, NAN, NAN, "\u2013"),
    ],
)
def test_an_amount_is_rounded_as_its_interval_is(value: float, low: float, high: float, text: str) -> None:
    assert told(estimate(value, low, high), "USD") == text


def test_a_difference_has_its_sign_and_a_zero_has_none() -> None:
    assert told(estimate(4_040.0, 0.2, 8_050.0), signed=True) == "+4,000 (0 to +8,000)"
    assert (
        told(estimate(-0.24, -0.3, -0.185), share=True, signed=True) == "\u221224 % (\u221230 to \u221218 %)"
    )


def test_a_cell_is_sorted_by_its_value_and_starred_where_it_is_not_to_be_trusted() -> None:
    assert cell(estimate(0.4, 0.2188, 0.6134), share=True) == ("40 % (22\u201361)", 0.4)
    assert cell(estimate(10.0, 8.0, 12.0, "too few")) == ("10.0 (8.0\u201312.0) *", 10.0)
    assert cell(estimate(NAN, NAN, NAN)) == ("\u2013", None)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (20_000.0, "20,000"),
        (-0.006, "\u22120.006"),
        (0.005, "0.005"),
        (3.0, "3"),
        (1e6 / 3, "333,333"),
        ("20x", "20x"),
    ],
)
def test_settings_are_written_as_in_the_file(value: float | str, text: str) -> None:
    assert setting(value) == text
