"""Other people's demand for gas: moments, history, reaction to volatility, where it drives the base fee."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from perpsim.chain import GWEI, Bids, open_chain
from perpsim.errors import UserError
from perpsim.market.congestion import LEAST_GAS, Demand
from perpsim.scenarios import Congestion
from perpsim.scenarios.loading import load_scenario

LIMIT = 30_000_000
START = 1_584_000_000
#: shaped on 12 March 2020: calm, the crash at half past ten, congestion to the end of the day
MARCH = [[0.0, 11.0, 1.0], [10.4, 11.0, 1.0], [11.0, 120.0, 1.3], [24.0, 115.0, 1.1]]


def drawn(config: Congestion, blocks: int = 300, seed: int = 1, volatility: float = 0.0) -> list[Bids]:
    rng, demand = np.random.default_rng(seed), Demand(config, LIMIT)
    found = [demand.bids(rng, 0.0, volatility, block) for block in range(blocks)]
    return [bids for bids in found if bids is not None]


def test_nobody_else_wants_gas_where_there_is_no_congestion() -> None:
    assert drawn(Congestion()) == []
    assert drawn(Congestion(kind="steady", demand=0.0)) == []


@pytest.mark.parametrize(("level", "sigma", "demand"), [(20.0, 0.5, 1.0), (120.0, 0.9, 2.5), (3.0, 0.1, 0.3)])
def test_bids_have_the_moments_of_the_table(level: float, sigma: float, demand: float) -> None:
    config = Congestion(kind="steady", level=level, sigma=sigma, demand=demand, tip_share=0.1, tip_sigma=0.4)
    batches = drawn(config)
    counts = np.array([bids.count for bids in batches])
    mean = demand * LIMIT / config.gas_mean
    # Poisson: the variance is the mean
    assert counts.mean() == pytest.approx(mean, rel=0.03)
    assert counts.var() == pytest.approx(mean, rel=0.3)
    most = np.concatenate([bids.max_fee for bids in batches]) / GWEI
    tips = np.concatenate([bids.tip for bids in batches]) / GWEI
    gas = np.concatenate([bids.gas for bids in batches])
    assert np.median(most) == pytest.approx(level, rel=0.03)
    assert np.log(most).std() == pytest.approx(sigma, rel=0.03)
    assert np.median(tips / most) == pytest.approx(0.1, rel=0.03)
    assert np.log(tips / most).std() == pytest.approx(0.4, rel=0.05)
    assert gas.mean() == pytest.approx(config.gas_mean, rel=0.03)
    assert gas.min() >= LEAST_GAS
    assert gas.sum() / len(batches) == pytest.approx(demand * LIMIT, rel=0.03)


def test_nobody_tips_more_than_he_is_willing_to_pay_in_all() -> None:
    for bids in drawn(Congestion(kind="steady", tip_share=0.8, tip_sigma=2.0), blocks=20):
        assert (bids.tip <= bids.max_fee).all()
        assert (bids.tip == bids.max_fee).any()


def test_the_same_seed_draws_the_same_bids() -> None:
    config = Congestion(kind="steady")
    first, again, other = drawn(config, 5), drawn(config, 5), drawn(config, 5, seed=2)
    for one, same in zip(first, again, strict=True):
        for name in ("max_fee", "tip", "gas", "expires"):
            assert np.array_equal(getattr(one, name), getattr(same, name))
    assert not np.array_equal(first[0].max_fee, other[0].max_fee)


def test_bids_expire_with_their_patience() -> None:
    rng, demand = np.random.default_rng(1), Demand(Congestion(kind="steady", patience=7), LIMIT)
    bids = demand.bids(rng, 0.0, 0.0, 100)
    assert bids is not None
    assert set(bids.expires.tolist()) == {107}


def test_a_history_goes_through_its_knots() -> None:
    demand = Demand(Congestion(kind="history", knots=[[1.0, 10.0, 0.5], [3.0, 1_000.0, 1.5]]), LIMIT)
    assert demand.at(0) == pytest.approx((10.0, 0.5))
    assert demand.at(3_600) == pytest.approx((10.0, 0.5))
    # half way: the geometric mean of the levels, the arithmetic one of the demands
    assert demand.at(2 * 3_600) == pytest.approx((100.0, 1.0))
    assert demand.at(9 * 3_600) == pytest.approx((1_000.0, 1.5))


def test_a_nervous_market_wants_more_and_pays_more() -> None:
    config = Congestion(
        kind="steady", level=10, demand=1.0, calm_volatility=0.001, level_reaction=0.5, demand_reaction=0.25
    )
    demand = Demand(config, LIMIT)
    assert demand.at(0, 0.0005) == pytest.approx((10.0, 1.0))
    assert demand.at(0, 0.016) == pytest.approx((40.0, 2.0))
    assert demand.at(0, 1.0) == demand.at(0, 0.02)
    calm, nervous = (drawn(config, 50, volatility=felt) for felt in (0.0, 0.016))
    assert sum(bids.count for bids in nervous) > 1.8 * sum(bids.count for bids in calm)


def fees(config: Congestion, blocks: int, seconds: int = 12, start: float = 10.0) -> list[float]:
    """The base fee of each block of a chain on which nobody else is, gwei."""
    rng, demand, found = np.random.default_rng(3), Demand(config, LIMIT), []
    with open_chain("revm", timestamp=START, block_gas_limit=LIMIT, base_fee=round(start * GWEI)) as chain:
        for block in range(blocks):
            bids = demand.bids(rng, block * seconds, 0.0, chain.next_number)
            if bids is not None:
                chain.submit_outside(bids)
            mined, _ = chain.mine(START + (block + 1) * seconds)
            assert mined.outside_gas <= LIMIT
            found.append(mined.base_fee / GWEI)
    return found


@pytest.mark.parametrize("demand", [0.8, 1.0, 2.0])
def test_the_base_fee_settles_where_half_a_block_is_willing_to_pay_it(demand: float) -> None:
    # without patience nobody waits: a share 0.5 / demand of the bids is at or above the base fee
    config = Congestion(kind="steady", level=50.0, sigma=0.5, demand=demand, patience=0)
    expected = 50.0 * np.exp(0.5 * NormalDist().inv_cdf(1 - 0.5 / demand))
    settled = fees(config, 400)[100:]
    assert np.mean(settled) == pytest.approx(expected, rel=0.04)
    # who waits for the fee to fall keeps it up a little
    patient = fees(config.model_copy(update={"patience": 15}), 400)[100:]
    assert 1.0 < np.mean(patient) / np.mean(settled) < 1.25


def test_too_little_demand_lets_the_base_fee_fall() -> None:
    assert fees(Congestion(kind="steady", level=50.0, demand=0.3), 100)[-1] < 0.5


def test_a_day_like_the_12th_of_march_2020() -> None:
    found = np.array(fees(Congestion(kind="history", knots=MARCH), 7_200))
    hours = np.arange(found.size) * 12 / 3_600
    calm, crash = found[(hours > 1) & (hours < 10)], found[hours > 11.2]
    assert 10 < np.median(calm) < 12.5
    assert np.median(crash) > 100
    assert 70 < found.mean() < 90
    # it takes the rule some minutes, not hours, to get there
    rise = np.flatnonzero(found > 100)[0] * 12 / 3_600
    assert 10.5 < rise < 11.2


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("network.congestion={kind='history'}", "knots: a history needs them"),
        ("network.congestion={kind='steady', knots=[[0.0, 1.0, 1.0]]}", "only a history has them"),
        (
            "network.congestion={kind='history', knots=[[1.0, 1.0, 1.0], [0.0, 1.0, 1.0]]}",
            "hours must ascend",
        ),
        ("network.congestion={kind='history', knots=[[1.0, 0.0, 1.0]]}", "row 0: the level must be above 0"),
        ("network.congestion={kind='history', knots=[[1.0, 0.0]]}", "network.congestion.knots.0"),
        ("network.base_fees=3", "did you mean base_fee?"),
        ("network.bids.keeper.tip=-1", "network.bids.keeper.tip"),
        ("network.base_fee=2e10", "network.base_fee: input should be less than or equal to 1000000"),
    ],
)
def test_a_network_that_cannot_be_is_one_clear_line(override: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        load_scenario("smoke", [override])
