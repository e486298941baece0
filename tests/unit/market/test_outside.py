"""The outside price of a thin market gives way to who trades, and comes back."""

from __future__ import annotations

import math

import numpy as np
import pytest

from perpsim.market.outside import MOST, Outside, volatility
from perpsim.scenarios import Impact

BLOCKS = 200


def world(per_million: float = 0.1, half_life: float = 1200.0) -> Outside:
    """A deep and a thin market, both at 100."""
    paths = np.full((2, BLOCKS), 100.0)
    return Outside(paths, [None, Impact(per_million=per_million, half_life=half_life)], 12)


def test_flow_moves_the_next_block_of_the_thin_market_only() -> None:
    outside = world()
    for market in (0, 1):
        outside.flow(market, 2e6)
    outside.close(10)
    assert outside.paths[1, 10] == 100
    assert outside.paths[1, 11] == pytest.approx(100 * math.exp(0.2))
    assert (outside.paths[0] == 100).all()
    assert outside.moved == (1,)


def test_half_of_a_push_is_gone_after_the_half_life() -> None:
    outside = world(half_life=1200.0)
    outside.flow(1, 1e6)
    for block in range(150):
        outside.close(block)
    assert math.log(outside.paths[1, 101] / 100) == pytest.approx(0.05)
    assert outside.paths[1, 150] < outside.paths[1, 101]


def test_what_is_pushed_comes_on_top_of_the_path_itself() -> None:
    paths = np.exp(np.linspace(0, 1, BLOCKS))[None, :]
    outside = Outside(paths.copy(), [Impact(per_million=0.1, half_life=1e9)], 12)
    outside.flow(0, -1e6)
    for block in range(BLOCKS):
        outside.close(block)
    assert outside.paths[0, 1:] == pytest.approx(paths[0, 1:] * math.exp(-0.1))


def round_trip(notional: float, rest: int, half_life: float = 1200.0) -> float:
    """What is lost of `notional` that is bought and sold again `rest` blocks later."""
    outside = world(half_life=half_life)
    stock = outside.buy(1, 0, notional)
    for block in range(rest):
        outside.close(block)
    return notional - outside.sell(1, rest, stock)


def test_a_round_trip_outside_never_gains_and_costs_more_the_longer_and_larger_it_is() -> None:
    assert 0 < round_trip(1e6, 1) < round_trip(1e6, 10) < round_trip(1e6, 150)
    assert 10 * round_trip(1e5, 50) < round_trip(1e6, 50)
    # Held until the price is back, half of the way up and half of the way down are lost.
    assert round_trip(1e6, 190, half_life=60) == pytest.approx(1e6 * (1 - np.exp(-0.05) ** 2), rel=0.03)


def test_in_a_deep_market_trades_are_at_the_price() -> None:
    outside = world()
    assert outside.buy(0, 0, 5_000.0) == pytest.approx(50)
    assert outside.sell(0, 0, 50.0) == pytest.approx(5_000)


def test_a_price_is_never_pushed_further_than_the_limit() -> None:
    outside = world(per_million=10.0)
    outside.flow(1, 1e12)
    outside.close(0)
    assert outside.paths[1, 1] == pytest.approx(100 * math.exp(MOST))


def test_volatility_feels_a_push_as_it_feels_any_move() -> None:
    outside = world(half_life=1e9)
    for block in range(BLOCKS):
        if block == 40:
            outside.flow(1, 1e6)
        outside.close(block)
    felt = outside.volatility[1]
    # The price moves in block 41; who decides in block 42 has seen it.
    assert felt[41] == 0 < felt[42]
    assert felt == pytest.approx(volatility(outside.paths[1]), rel=1e-9)


def test_without_an_impact_nothing_is_copied_or_moved() -> None:
    paths = np.full((1, 5), 3.0)
    outside = Outside(paths, [None])
    outside.flow(0, 1e9)
    outside.close(0)
    assert outside.paths is paths
    assert (paths == 3.0).all()
