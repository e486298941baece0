"""Price paths: bridges through candles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpsim.errors import UserError
from perpsim.market.prices import WAD, CandlePath, bridge, knots_to_candles, to_wad

START = 1_583_971_200


@st.composite
def candle(draw: st.DrawFn) -> tuple[float, float, float, float]:
    low = draw(st.floats(0.001, 1e6))
    high = low * (1 + draw(st.sampled_from([0.0, 1e-6, 0.001, 0.05, 0.4])))
    opened = low + (high - low) * draw(st.sampled_from([0.0, 0.3, 1.0, 0.77]))
    close = low + (high - low) * draw(st.sampled_from([0.0, 0.5, 1.0, 0.1]))
    return min(opened, high), high, low, min(close, high)


@given(candle(), st.integers(4, 400), st.integers(0, 2**32))
def test_bridge_opens_touches_and_closes(
    ohlc: tuple[float, float, float, float], steps: int, seed: int
) -> None:
    opened, high, low, close = ohlc
    path = bridge(np.random.default_rng(seed), steps, *ohlc)
    assert path.size == steps
    assert path[0] == opened
    assert path[-1] == close
    assert path.max() == high
    assert path.min() == low


@given(candle(), st.integers(1, 3), st.integers(0, 2**32))
def test_short_bridge_ends_at_the_close_within_bounds(
    ohlc: tuple[float, float, float, float], steps: int, seed: int
) -> None:
    path = bridge(np.random.default_rng(seed), steps, *ohlc)
    assert path.size == steps
    assert path[-1] == ohlc[3]
    assert path.max() <= ohlc[1]
    assert path.min() >= ohlc[2]
    if steps == 3:
        assert path.max() == ohlc[1]
        assert path.min() == ohlc[2]


def test_no_steps_no_prices() -> None:
    assert bridge(np.random.default_rng(0), 0, 1.0, 1.0, 1.0, 1.0).size == 0


def test_bridge_moves_all_through_the_candle() -> None:
    path = bridge(np.random.default_rng(3), 300, 7000, 7300, 6500, 6900)
    assert np.unique(path).size > 290
    assert np.abs(np.diff(np.log(path))).max() < 0.05


def test_same_seed_same_path_and_a_short_run_is_a_prefix() -> None:
    candles = knots_to_candles([(100, 110, 90, 105), (104, 120, 100, 101)], START, 3600)
    whole = CandlePath(candles).sample(np.random.default_rng(1), START, 600, 12)
    again = CandlePath(candles).sample(np.random.default_rng(1), START, 600, 12)
    short = CandlePath(candles).sample(np.random.default_rng(1), START, 60, 12)
    assert np.array_equal(whole, again)
    assert np.array_equal(whole[:60], short)
    assert not np.array_equal(whole, CandlePath(candles).sample(np.random.default_rng(2), START, 600, 12))


def test_each_hour_keeps_its_own_figures_and_may_jump_to_the_next() -> None:
    rows = [(100, 110, 90, 105), (104, 120, 100, 101)]
    path = CandlePath(knots_to_candles(rows, START, 3600)).sample(np.random.default_rng(1), START, 600, 12)
    for hour, (opened, high, low, close) in enumerate(rows):
        part = path[hour * 300 : (hour + 1) * 300]
        assert (part[0], part.max(), part.min(), part[-1]) == (opened, high, low, close)


def test_a_gap_holds_the_last_close() -> None:
    candles = knots_to_candles([(100, 110, 90, 105)] * 3, START, 60)
    holed = type(candles)(
        times=candles.times[[0, 2]],
        open=candles.open[:2],
        high=candles.high[:2],
        low=candles.low[:2],
        close=candles.close[:2],
        interval=60,
    )
    path = CandlePath(holed).sample(np.random.default_rng(1), START, 15, 12)
    assert (path[5:10] == 105).all()
    assert path[10] == 100


def test_a_run_outside_the_candles_is_refused() -> None:
    path = CandlePath(knots_to_candles([(100, 110, 90, 105)], START, 3600))
    path.sample(np.random.default_rng(1), START, 300, 12)
    for start, blocks in ((START, 301), (START - 12, 5)):
        with pytest.raises(UserError, match="cover 2020-03-12T00:00:00Z to 2020-03-12T01:00:00Z"):
            path.sample(np.random.default_rng(1), start, blocks, 12)


@given(st.floats(1e-6, 1e9), st.sampled_from([1, 10**12, 10**16, WAD // 2, WAD]))
def test_to_wad_is_the_nearest_multiple_of_the_tick(price: float, tick: int) -> None:
    wad = to_wad(price, tick)
    assert wad % tick == 0
    assert wad >= tick
    if price * WAD >= tick:
        assert abs(wad - price * WAD) <= tick / 2 + max(1e9, price * WAD * 1e-15)


def test_to_wad_examples() -> None:
    assert to_wad(7935.0, WAD // 2) == 7935 * WAD
    assert to_wad(7935.26, WAD // 2) == 7935 * WAD + WAD // 2
    assert to_wad(0.0001, WAD // 100) == WAD // 100
