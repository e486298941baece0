"""The oracle: when it posts, how late, how wrong, when not at all, and how several markets share a post."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from eth_abi import decode

from perpsim.agents.base import View
from perpsim.agents.desk import Desk
from perpsim.agents.oracle import Reporter
from perpsim.chain import Tx
from perpsim.errors import UserError
from perpsim.scenarios import Oracle
from perpsim.scenarios.loading import validate
from perpsim.simulation.command import build
from perpsim.simulation.runner import Simulation
from perpsim.simulation.setup import REPORTER, make_desk

FloatArray = npt.NDArray[np.float64]
Table = dict[str, Any]
#: (block, market, price, time stamp) of a post
Post = tuple[int, int, float, int]

SECONDS = 12
START = 1_700_000_000
WAD = 10**18
CALM = [[10_000, 10_010, 9_990, 10_000]] * 4


def two_markets() -> Table:
    """The small scenario with a second, calm market, where nobody trades."""
    text = (resources.files("perpsim") / "scenarios" / "smoke.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    table["markets"] += [{**table["markets"][0], "symbol": "ETH"}]
    table["prices"] = [table["prices"], {**table["prices"], "knots": CALM}]
    return table


@pytest.fixture(scope="module")
def world() -> Iterator[Simulation]:
    simulation = build(validate(two_markets()))
    with simulation.protocol.chain:
        yield simulation


@pytest.fixture
def desks(world: Simulation) -> list[Desk]:
    return [make_desk(world.scenario, world.protocol, market) for market in (0, 1)]


@pytest.fixture
def posts(world: Simulation, desks: list[Desk]) -> Callable[..., list[Post]]:
    """What a reporter posts over the blocks of `paths`; what it sends is on chain in the same block, but for
    the blocks in `lost`."""
    single, several = (world.protocol.oracle.interface.functions[name] for name in ("post", "post_many"))

    def read(tx: Tx) -> list[tuple[int, int, int]]:
        if tx.data[:4] == single.selectors[0]:
            market, price, time = decode(["uint256", "uint256", "uint256"], tx.data[4:])
            return [(market, price, time)]
        assert tx.data[:4] == several.selectors[0]
        markets, prices, time = decode(["uint256[]", "uint256[]", "uint256"], tx.data[4:])
        return [(market, price, time) for market, price in zip(markets, prices)]

    def run(paths: list[FloatArray], lost: range = range(0), seed: int = 1, **settings: Any) -> list[Post]:
        config = Oracle.model_validate(settings)
        reporter = Reporter(config, desks[: len(paths)], "0x" + "11" * 20, SECONDS)
        rng, known, found = np.random.default_rng(seed), [0] * len(paths), []
        for block in range(paths[0].size):
            for tx in reporter.update(rng, [view(block, path, at) for path, at in zip(paths, known)]):
                for market, price, time in read(tx):
                    found.append((block, market, price / WAD, time))
                    if block not in lost:
                        known[market] = time
        # Whoever else draws from the run's generator must not notice the oracle.
        assert rng.random() == np.random.default_rng(seed).random()
        return found

    return run


def view(block: int, path: FloatArray, index_time: int) -> View:
    nobody = np.zeros(1)
    return View(
        block=block,
        time=START + SECONDS * block,
        truth=path[: block + 1],
        volatility=0.0,
        index=0.0,
        mark=0.0,
        index_time=index_time,
        bid=0.0,
        ask=0.0,
        depth=(0.0, 0.0),
        equity=nobody,
        maintenance=nobody,
        size=nobody,
        underwater=np.zeros(0, dtype=np.int64),
        coverage=0.0,
    )


def still(blocks: int = 60, price: float = 8_000.0) -> FloatArray:
    return np.full(blocks, price)


def test_a_still_price_is_posted_at_every_heartbeat(posts: Any) -> None:
    found = posts([still()], heartbeat=48, lag_blocks=0)
    assert [block for block, *_ in found] == list(range(0, 60, 4))
    assert all(price == 8_000 and time == START + SECONDS * block for block, _, price, time in found)


def test_a_move_is_posted_at_once_and_a_small_one_waits(posts: Any) -> None:
    path = still()
    path[10:] *= 1.0019
    path[21:] *= 1.0011
    found = posts([path], heartbeat=480, deviation=0.002, lag_blocks=0)
    assert [block for block, *_ in found] == [0, 21]
    # Each move alone stays below the threshold; what counts is the distance from the last post.
    assert found[1][2] == pytest.approx(8_000 * 1.0019 * 1.0011, abs=0.01)


@pytest.mark.parametrize("lag", [1, 2, 5])
def test_a_late_reporter_posts_what_was_with_the_time_when_it_was(posts: Any, lag: int) -> None:
    path = np.linspace(8_000, 9_000, 60)
    found = posts([path], heartbeat=48, deviation=0.001, lag_blocks=lag, price_tick=0.01)
    for block, _, price, time in found[1:]:
        assert time == START + SECONDS * (block - lag)
        assert price == pytest.approx(path[block - lag], abs=0.006)
    times = [time for *_, time in found]
    assert times == sorted(set(times))


def test_nothing_is_posted_in_an_outage_and_at_once_after_it(posts: Any) -> None:
    path = still()
    path[25] *= 0.5
    found = posts([path, path], outages=[{"start": 20, "end": 33}], lag_blocks=0)
    for market in (0, 1):
        blocks = [block for block, posted, *_ in found if posted == market]
        assert not any(20 <= block < 33 for block in blocks)
        assert max(block for block in blocks if block < 20) > 15
        assert 33 in blocks


def test_an_outage_of_one_market_leaves_the_others(posts: Any) -> None:
    found = posts([still(), still()], outages=[{"start": 20, "end": 33, "market": 1}], lag_blocks=0)
    quiet = {market: [block for block, posted, *_ in found if posted == market] for market in (0, 1)}
    assert [block for block in quiet[0] if 20 <= block < 33] == [20, 24, 28, 32]
    assert not [block for block in quiet[1] if 20 <= block < 33]


def test_a_fault_reads_a_wrong_price_and_both_ends_are_moves(posts: Any) -> None:
    faults = [{"start": 10, "end": 20, "factor": 0.7, "market": 0}]
    found = posts([still(), still()], faults=faults, lag_blocks=0)
    wrong = [block for block, market, price, _ in found if price != 8_000]
    assert (min(wrong), max(wrong)) == (10, 18)
    assert all(price == 5_600 for block, market, price, _ in found if market == 0 and block in wrong)
    assert (20, 0, 8_000.0, START + SECONDS * 20) in found
    assert all(price == 8_000 for _, market, price, _ in found if market == 1)


def test_noise_has_the_size_it_says_and_does_not_add_up(posts: Any) -> None:
    found = posts([still(4_000)], noise=0.002, deviation=1e-9, lag_blocks=0)
    errors = np.log([price for *_, price, _ in found]) - np.log(8_000)
    assert len(found) == 4_000
    assert abs(errors.mean()) < 4 * 0.002 / 4_000**0.5
    assert abs(errors.std() / 0.002 - 1) < 4 / (2 * 4_000) ** 0.5
    assert abs(np.corrcoef(errors[:-1], errors[1:])[0, 1]) < 4 / 4_000**0.5


def test_the_errors_in_a_market_are_its_own(posts: Any) -> None:
    def prices(found: list[Post], market: int) -> list[float]:
        return [price for _, posted, price, _ in found if posted == market]

    alone = posts([still()], noise=0.01, lag_blocks=0)
    both = posts([still(), still()], noise=0.01, lag_blocks=0)
    assert prices(both, 0) == prices(alone, 0)
    assert prices(both, 1) != prices(both, 0)
    assert posts([still(), still()], noise=0.01, lag_blocks=0) == both
    assert posts([still()], noise=0.01, lag_blocks=0, seed=2) != alone


def test_a_feed_changes_one_market_only(posts: Any) -> None:
    feeds = [{"market": 1, "heartbeat": 24, "lag_blocks": 2, "price_tick": 5.0}]
    found = posts([still(price=8_001.0), still(price=8_001.0)], feeds=feeds, lag_blocks=0)
    first, second = ([post for post in found if post[1] == market] for market in (0, 1))
    assert [block for block, *_ in first] == list(range(0, 60, 4))
    assert {price for *_, price, _ in first} == {8_001}
    assert {price for *_, price, _ in second} == {8_000}
    assert all(time == START + SECONDS * (block - 2) for block, *_, time in second[1:])
    assert len(second) > 1.8 * len(first)


def test_a_post_that_does_not_arrive_is_sent_again(posts: Any) -> None:
    settings = {"heartbeat": 240, "lag_blocks": 0, "retry_blocks": 3}
    found = posts([still(30)], lost=range(0, 7), **settings)
    assert [block for block, *_ in found] == [0, 3, 6, 9, 29]
    assert [block for block, *_ in posts([still(30)], **settings)] == [0, 20]


def test_markets_of_the_same_moment_share_a_transaction(desks: list[Desk]) -> None:
    def sent(**settings: Any) -> list[int]:
        reporter = Reporter(Oracle.model_validate(settings), desks, "0x" + "11" * 20, SECONDS)
        path = still()
        seen = [
            reporter.update(np.random.default_rng(1), [view(block, path, 2**40)] * 2) for block in range(9)
        ]
        return [len(txs) for txs in seen]

    assert sent(lag_blocks=0) == [1, 0, 0, 0, 1, 0, 0, 0, 1]
    # Prices of different moments cannot: a post has one time stamp.
    assert max(sent(lag_blocks=0, feeds=[{"market": 1, "lag_blocks": 3}])) == 2


def test_a_shared_post_is_cheaper_and_tells_the_exchange_both_prices(
    world: Simulation, desks: list[Desk]
) -> None:
    chain = world.protocol.chain
    reporter = chain.account(REPORTER).address

    def gas(txs: list[Tx], time: int) -> int:
        chain.submit_all(txs)
        _, receipts = chain.mine(time)
        assert [receipt.reason for receipt in receipts] == [""] * len(txs)
        return sum(receipt.gas_used for receipt in receipts)

    costs = []
    start = chain.pending_timestamp
    # The first rounds write where nothing was yet.
    for time in range(start, start + 6 * SECONDS, SECONDS):
        price = 9_000 + (time - start)
        apart = gas([desk.post(reporter, price * WAD, time, 0.0) for desk in desks], time)
        time += SECONDS // 2
        both = {0: (price + 1) * WAD, 1: (price + 2) * WAD}
        together = gas([desks[0].post_many(reporter, both, time, 0.0)], time)
        for market, posted in both.items():
            assert world.protocol.oracle.view("latest", market) == (posted, time)
        costs.append((apart, together))
    assert all(together < apart - 15_000 for apart, together in costs)


def test_an_outage_of_the_oracle_stops_liquidations_until_it_is_back() -> None:
    table = two_markets()
    # The small scenario's crash runs through these blocks.
    table["agents"]["oracle"] = {"outages": [{"start": 80, "end": 130}]}
    simulation = build(validate(table))
    with simulation.protocol.chain:
        assert simulation.run()
        rows = [row["block"] for row in simulation.ledger.liquidations]
        # A price counts as fresh for 60 seconds, five blocks.
        assert not [block for block in rows if 86 <= block < 130]
        assert [block for block in rows if block < 86]
        assert [block for block in rows if block >= 130]


@pytest.mark.parametrize(
    ("oracle", "message"),
    [
        ({"heartbeat": 60}, "agents.oracle.heartbeat must be below every market's max_age: 60 of 60 s in"),
        ({"feeds": [{"market": 1, "heartbeat": 90}]}, "every market's max_age: 90 of 60 s in market 1"),
        ({"lag_blocks": 6}, "agents.oracle.lag_blocks: 6 blocks of 12 s are more than the max_age of"),
        ({"feeds": [{"market": 2}]}, "agents.oracle.feeds: market 2 does not exist, the last one is 1"),
        ({"outages": [{"start": 1, "end": 2, "market": 5}]}, "agents.oracle.outages: market 5 does"),
        ({"faults": [{"start": 1, "end": 2, "market": 5, "factor": 2.0}]}, "faults: market 5 does not exist"),
        ({"feeds": [{"market": 1}, {"market": 1}]}, "agents.oracle: feeds: two of them are for market 1"),
        ({"outages": [{"start": 5, "end": 5}]}, "agents.oracle.outages.0: end 5 must be after start 5"),
        ({"faults": [{"start": 5, "end": 9, "factor": 0.0}]}, "agents.oracle.faults.0.factor: "),
        ({"nois": 0.1}, "agents.oracle.nois: unknown key (did you mean noise?)"),
    ],
)  # fmt: skip
def test_what_an_oracle_cannot_do_is_said(oracle: Table, message: str) -> None:
    table = two_markets()
    table["agents"]["oracle"] = oracle
    with pytest.raises(UserError) as caught:
        validate(table)
    assert message in str(caught.value)
