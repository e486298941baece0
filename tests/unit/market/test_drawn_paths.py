"""Drawn paths: each kind's moments, markets that move together, and what makes a path reproducible."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from price_worlds import assert_mean, assert_mean_of_dependent, paths, returns, runs, scenario

from perpsim.errors import UserError
from perpsim.market.paths import sample_paths
from perpsim.market.processes import YEAR

FloatArray = npt.NDArray[np.float64]
Prices = dict[str, Any]

#: length of a block in years, at an hour a block
HOUR = 3600 / YEAR

GBM: Prices = {"kind": "gbm", "start": 8_000.0, "volatility": 0.8}
# a jump in fifty hours
JUMPS: Prices = {
    "kind": "jumps",
    "start": 8_000.0,
    "volatility": 0.5,
    "intensity": 0.02 / HOUR,
    "jump_mean": -0.03,
    "jump_deviation": 0.02,
}
HESTON: Prices = {
    "kind": "heston",
    "start": 8_000.0,
    "volatility": 0.8,
    "reversion": 0.05 / HOUR,
    "vol_of_vol": 8.0,
    "rho": -0.5,
}
HAWKES: Prices = {**JUMPS, "kind": "hawkes", "branching": 0.6, "half_life": 7_200.0}
#: a market that only jumps, so far that what the drift takes back is as nothing: its jumps can be counted
COUNTABLE: Prices = {"volatility": 0.0, "jump_mean": 0.1, "jump_deviation": 0.002}
ALL = [GBM, {**GBM, "tails": 3.0}, JUMPS, HESTON, HAWKES]
#: a table that covers any of these runs
KNOTS: Prices = {"kind": "knots", "interval": 36_000_000, "knots": [[100.0, 101.0, 99.0, 100.0]] * 40}

each_kind = pytest.mark.parametrize("prices", ALL, ids=["gbm", "tails", "jumps", "heston", "hawkes"])


def hourly(*prices: Prices, blocks: int = 8_761, **options: Any) -> FloatArray:
    return returns(*prices, blocks=blocks, seconds=3600, **options)


def many(*prices: Prices, **options: Any) -> FloatArray:
    """Returns of 34 runs of a year, one after the other: in a long run a price would wander out of bounds."""
    return np.concatenate(runs(*prices, count=34, blocks=8_761, seconds=3600, **options), axis=1)


def grown(*prices: Prices, **options: Any) -> FloatArray:
    """What the price of the first market has become after ten days, as a factor, in each of 1,000 runs."""
    steps = runs(*prices, count=1_000, blocks=241, seconds=3600, **options)
    factors: FloatArray = np.exp(steps[:, 0].sum(axis=1))
    return factors


def test_geometric_brownian_motion_has_the_moments_of_a_normal() -> None:
    step = many({**GBM, "drift": 2.0})[0]
    variance = 0.8**2 * HOUR
    mean = 2.0 * HOUR - variance / 2
    assert_mean(step, mean)
    centred = (step - mean) / variance**0.5
    for power, moment in ((2, 1.0), (3, 0.0), (4, 3.0), (6, 15.0)):
        assert_mean(centred**power, moment)
    for lag in (1, 2, 24):
        assert_mean(centred[:-lag] * centred[lag:], 0.0)
        assert_mean((centred[:-lag] ** 2 - 1) * (centred[lag:] ** 2 - 1), 0.0)


def test_tails_change_the_shape_and_not_the_variance() -> None:
    step = many({**GBM, "tails": 9.0})[0]
    centred = (step + 0.8**2 * HOUR / 2) / (0.8 * HOUR**0.5)
    assert_mean(centred, 0.0)
    assert_mean(centred**2, 1.0)
    assert_mean(centred**4, 4.2, sigmas=5)


def test_jump_diffusion_has_the_moments_of_merton() -> None:
    step = many({**JUMPS, "drift": 1.0})[0]
    jump, spread, rate = -0.03, 0.02, 0.02
    growth = rate * (np.exp(jump + spread**2 / 2) - 1)
    mean = 1.0 * HOUR - 0.5**2 * HOUR / 2 - growth + rate * jump
    # cumulants: those of the diffusion and, from the second on, rate * E[jump^k]
    second = 0.5**2 * HOUR + rate * (jump**2 + spread**2)
    third = rate * (jump**3 + 3 * jump * spread**2)
    fourth = rate * (jump**4 + 6 * jump**2 * spread**2 + 3 * spread**4)
    assert_mean(step, mean)
    assert_mean((step - mean) ** 2, second)
    assert_mean((step - mean) ** 3, third)
    assert_mean((step - mean) ** 4, fourth + 3 * second**2)


@each_kind
def test_the_price_is_expected_to_grow_by_its_drift(prices: Prices) -> None:
    wild = {**prices, "volatility": 2.0, "drift": 1.5}
    assert_mean(grown(wild), np.exp(1.5 * 240 * HOUR))


def test_jump_intensity_shows_in_a_market_that_only_jumps() -> None:
    step = many({**JUMPS, **COUNTABLE})[0]
    assert_mean(np.rint((step - step.min()) / 0.1), 0.02)


def test_stochastic_volatility_has_fat_tails_and_clusters() -> None:
    step = many(HESTON)[0]
    long_run, pull, noise = 0.8**2, 0.05, 8.0 * HOUR**0.5
    spread = noise**2 * long_run / (2 * pull - pull**2)
    assert_mean_of_dependent(step**2 / HOUR, long_run, 2_000)
    assert_mean_of_dependent(step**4 / HOUR**2, 3 * (spread + long_run**2), 2_000)
    for lag in (1, 10, 30):
        product = (step[:-lag] ** 2 / HOUR - long_run) * (step[lag:] ** 2 / HOUR - long_run)
        assert_mean_of_dependent(product, spread * (1 - pull) ** lag, 2_000)


def test_falls_raise_the_volatility_where_rho_is_below_zero() -> None:
    for rho in (-0.9, 0.0, 0.9):
        step = many({**HESTON, "rho": rho})[0]
        expected = rho * 8.0 * 0.8**2 * HOUR
        assert_mean_of_dependent(step[:-1] * step[1:] ** 2 / HOUR, expected, 2_000)


def test_hawkes_jumps_come_in_clusters_and_no_more_often() -> None:
    step = many({**HAWKES, **COUNTABLE})[0]
    counts = np.rint((step - step.min()) / 0.1)
    assert_mean_of_dependent(counts, 0.02, 480)
    # Over ten days counts scatter 1 / (1 - branching)^2 times as much as those of a Poisson process.
    windows = counts[: counts.size // 240 * 240].reshape(-1, 240).sum(axis=1)
    fade = np.log(2) / 7_200 * 0.4 * 240 * 3600
    scatter = 6.25 - 5.25 * (1 - np.exp(-fade)) / fade
    assert_mean((windows - 4.8) ** 2 / 4.8, scatter)


def hill(losses: FloatArray, share: float) -> float:
    """Hill's index of the tail that the worst `share` of losses make up."""
    worst = np.sort(losses)[::-1][: int(losses.size * share)]
    return float(1 / np.mean(np.log(worst[:-1] / worst[-1])))


def test_clustered_jumps_give_hourly_losses_the_tails_of_bitcoin() -> None:
    """Real ones have a Hill index of 2.8 to 2.9; the error of the index is a fifteenth of it here."""
    clustered = {
        **GBM,
        "kind": "hawkes",
        "volatility": 0.4,
        "intensity": 8_000.0,
        "jump_deviation": 0.006,
        "branching": 0.8,
        "half_life": 1_800.0,
    }
    found = {}
    for prices in (GBM, clustered):
        hours = np.diff(np.log(paths(prices, blocks=365 * 7_200)[0, ::300]))
        found[prices["kind"]] = hill(-hours[hours < 0], 0.05)
    assert 2.3 < found["hawkes"] < 3.3
    assert found["gbm"] > 4.3


class TestTogether:
    """Several markets."""

    MATRIX = [[1.0, 0.8, -0.3], [0.8, 1.0, 0.1], [-0.3, 0.1, 1.0]]

    def test_the_correlation_matrix_is_recovered(self) -> None:
        three = many(GBM, GBM, GBM, correlation=self.MATRIX)
        scaled = (three + 0.8**2 * HOUR / 2) / (0.8 * HOUR**0.5)
        for row in range(3):
            for column in range(row + 1):
                assert_mean(scaled[row] * scaled[column], self.MATRIX[row][column])

    def test_tails_keep_it_and_wild_blocks_come_together(self) -> None:
        wild = {**GBM, "tails": 6.0}
        both = many(wild, wild, correlation=0.5)
        first, second = (both + 0.8**2 * HOUR / 2) / (0.8 * HOUR**0.5)
        assert_mean(first * second, 0.5)
        # E[Z1^2 Z2^2] (1 + 2 rho^2) times E[(v - 2)^2 / W^2] = (v - 2) / (v - 4)
        assert_mean(first**2 * second**2, (1 + 2 * 0.25) * 2.0, sigmas=5)

    def test_a_number_stands_for_every_pair_of_drawn_markets(self) -> None:
        same = hourly(GBM, KNOTS, GBM, blocks=2_001, correlation=1.0)
        assert same[0] == pytest.approx(same[2], abs=1e-12)
        matrix = [[1.0, 0.0, 0.4], [0.0, 1.0, 0.0], [0.4, 0.0, 1.0]]
        assert np.array_equal(
            paths(GBM, KNOTS, GBM, correlation=0.4), paths(GBM, KNOTS, GBM, correlation=matrix)
        )

    def test_a_market_moves_against_another(self) -> None:
        first, second = hourly(GBM, GBM, blocks=2_001, correlation=-1.0) + 0.8**2 * HOUR / 2
        assert first == pytest.approx(-second, abs=1e-12)

    def test_stochastic_volatility_is_correlated_by_its_price(self) -> None:
        first, second = hourly(HESTON, GBM, blocks=20_001, correlation=0.7)
        assert np.corrcoef(first, second)[0, 1] == pytest.approx(0.7, abs=0.06)

    @each_kind
    def test_a_path_does_not_depend_on_how_many_other_markets_there_are(self, prices: Prices) -> None:
        alone = paths(prices)[0]
        for others in ([GBM], [HAWKES, KNOTS], [{**GBM, "tails": 3.0}, HESTON, JUMPS]):
            assert np.array_equal(paths(prices, *others)[0], alone)
            assert np.array_equal(paths(prices, *others, correlation=0.9)[0], alone)
        pair = paths(GBM, prices, correlation=0.5)
        assert np.array_equal(paths(GBM, prices, HAWKES, correlation=0.5)[:2], pair)
        assert np.array_equal(paths(HESTON, prices)[1], paths(GBM, prices)[1])

    def test_markets_of_the_same_table_go_their_own_ways(self) -> None:
        for prices in ALL:
            first, second = hourly(prices, prices, blocks=20_001)
            assert abs(np.corrcoef(first, second)[0, 1]) < 0.1

    def test_common_jumps_hit_all_by_their_beta(self) -> None:
        still = {**GBM, "volatility": 0.0}
        common = {"intensity": 0.05 / HOUR, "jump_mean": -0.04, "jump_deviation": 0.01}
        one, half, none = hourly(
            {**still, "beta": 1.0},
            {**still, "beta": 0.5},
            {**still, "beta": 0.0},
            blocks=4_001,
            common_jumps=common,
        )
        hit = one < -0.005
        assert_mean(hit.astype(np.float64), 0.05)
        assert np.array_equal(hit, half < -0.0025)
        fixed = [0.05 * (np.exp(b * -0.04 + (b * 0.01) ** 2 / 2) - 1) for b in (1.0, 0.5)]
        assert 0.5 * (one + fixed[0]) == pytest.approx(half + fixed[1], abs=1e-12)
        assert not none.any()

    def test_common_jumps_keep_the_expected_growth(self) -> None:
        common = {"intensity": 0.05 / HOUR, "jump_mean": -0.04, "jump_deviation": 0.02, "branching": 0.5}
        beta = {**GBM, "beta": -1.5}
        assert_mean(grown(beta, common_jumps=common), 1.0)


@each_kind
def test_same_seed_same_path_and_a_short_run_is_a_prefix(prices: Prices) -> None:
    whole = paths(prices, GBM, blocks=999, correlation=0.6, common_jumps={"intensity": 10_000.0})
    again = paths(prices, GBM, blocks=999, correlation=0.6, common_jumps={"intensity": 10_000.0})
    assert np.array_equal(whole, again)
    for blocks in (1, 2, 3, 50, 998):
        short = paths(prices, GBM, blocks=blocks, correlation=0.6, common_jumps={"intensity": 10_000.0})
        assert np.array_equal(short, whole[:, :blocks])
    assert not np.array_equal(whole, paths(prices, GBM, blocks=999, correlation=0.6, seed=8))


@given(seed=st.integers(0, 2**32), kind=st.sampled_from(ALL), volatility=st.floats(0, 5))
def test_prices_begin_at_the_start_and_stay_above_zero(seed: int, kind: Prices, volatility: float) -> None:
    path = paths({**kind, "volatility": volatility}, blocks=300, seed=seed)
    assert path.shape == (1, 300)
    assert path[0, 0] == 8_000
    assert (path > 0).all()
    assert np.isfinite(path).all()


def test_volatility_is_a_year_whatever_the_length_of_a_block() -> None:
    for seconds in (1, 12, 600):
        step = returns(GBM, blocks=50_001, seconds=seconds)[0]
        assert step.std() * (YEAR / seconds) ** 0.5 == pytest.approx(0.8, rel=4 / (2 * 50_000) ** 0.5)


def test_a_path_that_the_exchange_cannot_be_told_is_refused() -> None:
    with pytest.raises(UserError, match=r"prices\.1 \(gbm\): the price leaves .* at block \d+: lower"):
        paths(GBM, {**GBM, "drift": 1_000.0}, blocks=3_000, seconds=3600)
    with pytest.raises(UserError, match=r"prices\.0 \(heston\): the price leaves"):
        paths({**HESTON, "volatility": 90.0}, blocks=3_000, seconds=3600)


def test_a_variance_that_returns_within_less_than_a_block_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"prices\.0\.reversion: .* too fast for blocks of 3600 s: at most 8760"
    ):
        paths({**HESTON, "reversion": 9_000.0}, seconds=3600)


def test_the_streams_of_a_seed_are_its_own() -> None:
    made = scenario(GBM)
    one, other = (sample_paths(made, np.random.SeedSequence(1, spawn_key=(key,))) for key in (0, 1))
    assert not np.array_equal(one, other)
