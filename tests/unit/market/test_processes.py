"""Stochastic processes against what is known of them: moments, distributions, clustering."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from price_worlds import assert_distributed, assert_mean, assert_mean_of_dependent

from perpsim.market.processes import heston_variance, jump_growth, jump_returns, jump_times, student

FloatArray = npt.NDArray[np.float64]

SEED = 20_200_312
STEPS = 400_000


def rng(number: int = 0) -> np.random.Generator:
    return np.random.default_rng([SEED, number])


def t3_distribution(t: FloatArray) -> FloatArray:
    """Distribution function of Student's t with 3 degrees of freedom."""
    part: FloatArray = (t / 3**0.5) / (1 + t**2 / 3) + np.arctan(t / 3**0.5)
    return 0.5 + part / np.pi


def test_tails_are_those_of_student() -> None:
    scaled = student(rng(1), rng(2).standard_normal(STEPS), 3.0)
    assert_distributed(t := np.sort(scaled * 3**0.5), t3_distribution(t))


def test_tails_keep_the_variance() -> None:
    # With 9 degrees the fourth moment exists, so that the error of the variance is known.
    scaled = student(rng(1), rng(2).standard_normal(STEPS), 9.0)
    assert_mean(scaled, 0.0)
    assert_mean(scaled**2, 1.0)
    assert_mean(scaled**4, 3 * (9 - 2) / (9 - 4), sigmas=5)


def test_tails_drawn_from_one_stream_keep_the_correlation() -> None:
    noise = rng(2).standard_normal((2, STEPS))
    normals = noise[0], 0.8 * noise[0] + 0.6 * noise[1]
    first, second = (student(rng(1), part, 6.0) for part in normals)
    assert_mean(first * second, 0.8)


class TestHeston:
    """Variance that moves: 0.04 a step back to the mean, the Feller condition met with a margin."""

    LONG, PULL, NOISE = 0.5, 0.04, 0.1

    def variance(self, start: float, normals: FloatArray) -> FloatArray:
        # A step of one year makes rates and figures a step the same.
        return heston_variance(normals, start, self.LONG, self.PULL, self.NOISE, 1.0)

    def test_mean_and_variance_of_the_variance(self) -> None:
        v = self.variance(self.LONG, rng().standard_normal(STEPS))
        assert v.min() >= 0
        assert_mean_of_dependent(v, self.LONG, 2_000)
        # noise^2 * long / (2 * pull - pull^2): of the discrete process, not of its limit
        spread = self.NOISE**2 * self.LONG / (2 * self.PULL - self.PULL**2)
        assert_mean_of_dependent((v - self.LONG) ** 2, spread, 2_000)

    @pytest.mark.parametrize("lag", [1, 10, 40])
    def test_deviations_fade_at_the_rate_of_reversion(self, lag: int) -> None:
        v = self.variance(self.LONG, rng().standard_normal(STEPS)) - self.LONG
        spread = self.NOISE**2 * self.LONG / (2 * self.PULL - self.PULL**2)
        assert_mean_of_dependent(v[:-lag] * v[lag:], spread * (1 - self.PULL) ** lag, 2_000)

    def test_it_comes_from_where_it_starts(self) -> None:
        runs = np.array([self.variance(2.0, rng(i).standard_normal(30))[-1] for i in range(4_000)])
        assert_mean(runs, self.LONG + (2.0 - self.LONG) * (1 - self.PULL) ** 29)

    def test_the_first_step_uses_the_start(self) -> None:
        assert self.variance(2.0, rng().standard_normal(5))[0] == 2.0

    def test_no_noise_no_move(self) -> None:
        still = heston_variance(rng().standard_normal(50), 0.3, 0.3, 5.0, 0.0, 0.01)
        assert still == pytest.approx(np.full(50, 0.3))

    def test_far_from_the_feller_condition_it_stays_above_zero_and_keeps_its_mean(self) -> None:
        # 2 * 0.01 * 0.1 is a fifth of 0.1^2: the exact process would touch zero again and again.
        v = heston_variance(rng().standard_normal(STEPS), 0.1, 0.1, 0.01, 0.1, 1.0)
        assert v.min() == 0
        assert (v == 0).mean() > 0.01
        # Truncation adds a little; the known price of the scheme.
        assert v.mean() == pytest.approx(0.1, rel=0.1)


class TestJumpTimes:
    """A jump in 20 seconds on average, half of them triggered by others within seconds."""

    RATE, BRANCHING, HALF_LIFE, HORIZON = 0.05, 0.5, 30.0, 1_000_000.0

    def times(self, branching: float, seed: int = 0, horizon: float = HORIZON) -> FloatArray:
        return jump_times(rng(seed), self.RATE, branching, self.HALF_LIFE, horizon)

    def test_without_branching_they_are_a_poisson_process(self) -> None:
        waits = np.sort(np.diff(self.times(0.0), prepend=0.0))
        assert_mean(waits, 1 / self.RATE)
        assert_distributed(waits, 1 - np.exp(-self.RATE * waits))

    @pytest.mark.parametrize("branching", [0.0, 0.3, 0.5, 0.9])
    def test_the_rate_counts_triggered_ones(self, branching: float) -> None:
        times = self.times(branching)
        counts, _ = np.histogram(times, bins=np.linspace(0, self.HORIZON, 201))
        assert_mean(counts.astype(np.float64), self.RATE * self.HORIZON / 200)

    @pytest.mark.parametrize("branching", [0.3, 0.5, 0.9])
    def test_time_measured_in_expected_jumps_passes_evenly(self, branching: float) -> None:
        """The random time change theorem: between jumps the intensity adds up to exponential figures."""
        times = self.times(branching, horizon=400_000.0)
        decay = np.log(2) / self.HALF_LIFE
        base = self.RATE * (1 - branching)
        excess, before, passed = self.RATE - base, 0.0, []
        for time in times:
            wait = time - before
            faded = excess * np.exp(-decay * wait)
            passed.append(base * wait + (excess - faded) / decay)
            excess, before = faded + branching * decay, time
        gaps = np.sort(np.array(passed))
        assert_mean(gaps, 1.0)
        assert_distributed(gaps, 1 - np.exp(-gaps))

    @pytest.mark.parametrize("branching", [0.3, 0.5, 0.7])
    def test_the_branching_ratio_shows_in_how_counts_scatter(self, branching: float) -> None:
        """Variance over mean of counts in windows (Hawkes 1971) for a kernel that fades exponentially."""
        window = 2_000.0
        bins = np.arange(0.0, self.HORIZON + 1, window)
        counts = np.histogram(self.times(branching), bins=bins)[0].astype(np.float64)
        widest = 1 / (1 - branching) ** 2
        fade = np.log(2) / self.HALF_LIFE * (1 - branching) * window
        scatter = widest + (1 - widest) * (1 - np.exp(-fade)) / fade
        assert_mean((counts - self.RATE * window) ** 2 / (self.RATE * window), scatter)

    def test_the_run_begins_at_the_average_intensity(self) -> None:
        counts = [self.times(0.9, seed, horizon=100.0).size for seed in range(6_000)]
        assert_mean(np.array(counts, dtype=np.float64), self.RATE * 100)

    def test_they_ascend_within_the_horizon_and_a_shorter_one_sees_the_first(self) -> None:
        whole = self.times(0.5, horizon=10_000.0)
        assert (np.diff(whole) > 0).all()
        assert 0 < whole[0] < whole[-1] <= 10_000
        assert np.array_equal(self.times(0.5, horizon=3_000.0), whole[whole <= 3_000])


def test_jumps_land_in_the_step_in_which_they_happen() -> None:
    times = np.array([0.5, 12.0, 12.1, 30.0, 36.0])
    assert jump_returns(rng(), times, -0.25, 0.0, 4, 12.0).tolist() == [-0.5, -0.25, -0.5, 0.0]


def test_jump_sizes_are_normal_and_a_shorter_run_sees_the_first() -> None:
    times = np.arange(1, STEPS + 1, dtype=np.float64)
    sizes = jump_returns(rng(), times, -0.05, 0.02, STEPS, 1.0)
    assert_mean(sizes, -0.05)
    assert_mean((sizes + 0.05) ** 2, 0.02**2)
    assert_mean(((sizes + 0.05) / 0.02) ** 4, 3.0)
    assert np.array_equal(jump_returns(rng(), times[:500], -0.05, 0.02, 500, 1.0), sizes[:500])
    assert_mean(np.expm1(sizes), jump_growth(1.0, -0.05, 0.02))


def test_no_jumps_no_returns() -> None:
    assert jump_returns(rng(), np.empty(0), -0.1, 0.1, 3, 12.0).tolist() == [0.0, 0.0, 0.0]
    assert jump_returns(rng(), np.empty(0), -0.1, 0.1, 0, 12.0).size == 0
