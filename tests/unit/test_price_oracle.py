"""What the oracle refuses, what it keeps and what it hands on."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perpsim.chain import Revert

WAD = 10**18
PRICE = 8_000 * WAD
MAX_PRICE = 2**88 - 1

RECORDER = """
# pragma version 0.4.3

event Updated:
    market: uint256
    price: uint256
    timestamp: uint256


calls: public(uint256)
refuses: public(uint256)


@deploy
def __init__():
    self.refuses = max_value(uint256)


@external
def refuse(market: uint256):
    self.refuses = market


@external
def update_index(market: uint256, price: uint256, timestamp: uint256):
    assert market != self.refuses, "recorder: refused"
    self.calls += 1
    log Updated(market=market, price=price, timestamp=timestamp)
"""


@pytest.fixture
def clearinghouse(deploy_source):
    """Stands in for the Clearinghouse and notes what it is told."""
    return deploy_source(RECORDER)


@pytest.fixture
def oracle(deploy, clearinghouse, roles):
    oracle = deploy("PriceOracle", clearinghouse.address, roles.owner)
    oracle.send(roles.owner, "set_reporter", roles.reporter, True)
    return oracle


def now(contract):
    return contract.chain.pending_timestamp


def pass_time(contract, seconds):
    contract.chain.set_pending_timestamp(now(contract) + seconds)


def updates(clearinghouse, receipt):
    event = clearinghouse.interface.events["Updated"]
    return [
        tuple(event.decode(log.topics, log.data))
        for log in receipt.logs
        if log.address == clearinghouse.address
    ]


def test_an_oracle_is_not_made_for_nobody(deploy, roles):
    with pytest.raises(Revert, match="oracle: zero address"):
        deploy("PriceOracle", "0x" + "00" * 20, roles.owner)


def test_a_price_is_kept_and_handed_to_the_clearinghouse(oracle, clearinghouse, roles):
    time = now(oracle) - 7
    receipt = oracle.chain.transact(roles.reporter, oracle.address, oracle.calldata("post", 3, PRICE, time))
    assert updates(clearinghouse, receipt) == [(3, PRICE, time)]
    assert oracle.view("latest", 3) == (PRICE, time)
    assert oracle.view("latest", 2) == (0, 0)


def test_a_price_is_announced_with_its_reporter(oracle, roles):
    time = now(oracle)
    sent = oracle.send(roles.reporter, "post", 0, PRICE, time)
    assert sent.event("PricePosted") == (0, roles.reporter, PRICE, time)


def test_only_reporters_post(oracle, roles):
    for caller in (roles.stranger, roles.owner):
        with pytest.raises(Revert, match="oracle: not reporter"):
            oracle.send(caller, "post", 0, PRICE, now(oracle))
        with pytest.raises(Revert, match="oracle: not reporter"):
            oracle.send(caller, "post_many", [0], [PRICE], now(oracle))


def test_a_dismissed_reporter_posts_no_more(oracle, roles):
    sent = oracle.send(roles.owner, "set_reporter", roles.reporter, False)
    assert sent.event("ReporterSet") == (roles.reporter, False)
    assert oracle.view("is_reporter", roles.reporter) is False
    with pytest.raises(Revert, match="oracle: not reporter"):
        oracle.send(roles.reporter, "post", 0, PRICE, now(oracle))


@pytest.mark.parametrize(
    "price, reason",
    [
        (0, "oracle: zero price"),
        (MAX_PRICE + 1, "oracle: price too large"),
        (2**256 - 1, "oracle: price too large"),
    ],
)
def test_an_impossible_price_is_refused(oracle, roles, price, reason):
    with pytest.raises(Revert) as refused:
        oracle.send(roles.reporter, "post", 0, price, now(oracle))
    assert refused.value.reason == reason


@pytest.mark.parametrize("price", [1, MAX_PRICE])
def test_the_smallest_and_the_largest_price_are_kept_exactly(oracle, roles, price):
    oracle.send(roles.owner, "set_max_move", 0, 10 * WAD)
    time = now(oracle)
    oracle.send(roles.reporter, "post", 0, price, time)
    assert oracle.view("latest", 0) == (price, time)
    assert oracle.view("max_age", 0) == 60
    assert oracle.view("max_move", 0) == 10 * WAD


@pytest.mark.parametrize("ahead", [1, 2**255])
def test_a_price_from_the_future_is_refused(oracle, roles, ahead):
    with pytest.raises(Revert, match="oracle: future price"):
        oracle.send(roles.reporter, "post", 0, PRICE, now(oracle) + ahead)


def test_a_price_is_refused_from_a_second_past_its_age_on(oracle, roles):
    with pytest.raises(Revert, match="oracle: stale price"):
        oracle.send(roles.reporter, "post", 0, PRICE, now(oracle) - 61)
    with pytest.raises(Revert, match="oracle: stale price"):
        oracle.send(roles.reporter, "post", 0, PRICE, 0)
    oracle.send(roles.reporter, "post", 0, PRICE, now(oracle) - 60)


def test_a_price_not_newer_than_the_last_is_refused(oracle, roles):
    time = now(oracle)
    oracle.send(roles.reporter, "post", 0, PRICE, time - 5)
    pass_time(oracle, 10)
    for old in (time - 6, time - 5):
        with pytest.raises(Revert, match="oracle: price not newer"):
            oracle.send(roles.reporter, "post", 0, PRICE, old)
    oracle.send(roles.reporter, "post", 0, PRICE + 1, time - 4)
    assert oracle.view("latest", 0) == (PRICE + 1, time - 4)


def test_a_market_has_its_own_time(oracle, roles):
    oracle.send(roles.reporter, "post", 0, PRICE, now(oracle))
    oracle.send(roles.reporter, "post", 1, PRICE, now(oracle) - 1)


def test_crashes_are_allowed_by_default(oracle, roles):
    oracle.send(roles.reporter, "post", 0, PRICE, now(oracle) - 1)
    oracle.send(roles.reporter, "post", 0, 1, now(oracle))
    assert oracle.view("latest", 0)[0] == 1


@pytest.mark.parametrize("direction", [1, -1])
def test_a_deviation_guard_stops_what_is_past_it_and_nothing_before(oracle, roles, direction):
    oracle.send(roles.owner, "set_max_move", 0, WAD // 10)
    time = now(oracle)
    oracle.send(roles.reporter, "post", 0, PRICE, time - 10)
    with pytest.raises(Revert, match="oracle: price moved too far"):
        oracle.send(roles.reporter, "post", 0, PRICE + direction * (PRICE // 10 + 1), time - 9)
    oracle.send(roles.reporter, "post", 0, PRICE + direction * PRICE // 10, time - 9)
    oracle.send(roles.reporter, "post", 1, 1, time - 9)
    oracle.send(roles.reporter, "post", 1, PRICE, time - 8)


def test_a_deviation_guard_is_lifted_with_zero(oracle, roles):
    oracle.send(roles.owner, "set_max_move", 0, 1)
    oracle.send(roles.reporter, "post", 0, PRICE, now(oracle) - 1)
    sent = oracle.send(roles.owner, "set_max_move", 0, 0)
    assert sent.event("MaxMoveSet") == (0, 0)
    oracle.send(roles.reporter, "post", 0, 2 * PRICE, now(oracle))


def test_settings_leave_the_last_price_alone(oracle, roles):
    time = now(oracle)
    oracle.send(roles.reporter, "post", 7, PRICE, time)
    sent = oracle.send(roles.owner, "set_max_age", 7, 86_400)
    assert sent.event("MaxAgeSet") == (7, 86_400)
    oracle.send(roles.owner, "set_max_move", 7, 10 * WAD)
    assert oracle.view("latest", 7) == (PRICE, time)
    assert oracle.view("max_age", 7) == 86_400
    assert oracle.view("max_move", 7) == 10 * WAD


def test_a_word_keeps_no_bit_of_what_was_there_before(oracle, roles):
    time = now(oracle)
    oracle.send(roles.reporter, "post", 0, 2**87 + 1, time - 9)
    oracle.send(roles.reporter, "post", 0, 2**86, time - 8)
    assert oracle.view("latest", 0) == (2**86, time - 8)
    for move, age in ((10 * WAD, 86_400), (1, 1), (2, 86_399), (0, 2)):
        oracle.send(roles.owner, "set_max_move", 0, move)
        oracle.send(roles.owner, "set_max_age", 0, age)
        assert (oracle.view("max_move", 0), oracle.view("max_age", 0)) == (move, age)
        assert oracle.view("latest", 0) == (2**86, time - 8)


@settings(max_examples=30)
@given(
    steps=st.lists(
        st.tuples(
            st.integers(0, 7),
            st.one_of(
                st.tuples(st.just("post"), st.integers(1, MAX_PRICE), st.integers(0, 30)),
                st.tuples(st.just("set_max_age"), st.integers(1, 86_400)),
                st.tuples(st.just("set_max_move"), st.integers(0, 10 * WAD)),
            ),
        ),
        max_size=25,
    )
)
def test_prices_and_settings_of_all_markets_are_kept_apart(deploy, clearinghouse, roles, steps):
    oracle = deploy("PriceOracle", clearinghouse.address, roles.owner)
    oracle.send(roles.owner, "set_reporter", roles.reporter, True)
    quotes, ages, moves = (
        {m: (0, 0) for m in range(8)},
        dict.fromkeys(range(8), 60),
        dict.fromkeys(range(8), 0),
    )
    for market, (function, value, *ago) in steps:
        pass_time(oracle, 31)
        if function == "post":
            time = now(oracle) - ago[0]
            last = quotes[market][0]
            near = last * moves[market] // WAD if moves[market] and last else MAX_PRICE
            price = max(min(value, last + near, MAX_PRICE), last - near, 1)
            if ago[0] > ages[market]:
                continue
            oracle.send(roles.reporter, "post", market, price, time)
            quotes[market] = (price, time)
        else:
            oracle.send(roles.owner, function, market, value)
            (ages if function == "set_max_age" else moves)[market] = value
        assert {m: oracle.view("latest", m) for m in range(8)} == quotes
        assert {m: oracle.view("max_age", m) for m in range(8)} == ages
        assert {m: oracle.view("max_move", m) for m in range(8)} == moves


def test_a_price_is_fresh_as_long_as_its_age_allows(oracle, roles):
    assert oracle.view("is_fresh", 0) is False
    oracle.send(roles.reporter, "post", 0, PRICE, now(oracle))
    pass_time(oracle, 60)
    oracle.send(roles.stranger, "latest", 0)  # views see the time of a pending block that holds something
    assert oracle.view("is_fresh", 0) is True
    pass_time(oracle, 1)
    oracle.send(roles.stranger, "latest", 0)
    assert oracle.view("is_fresh", 0) is False
    oracle.send(roles.owner, "set_max_age", 0, 61)
    assert oracle.view("is_fresh", 0) is True


def test_many_prices_are_posted_in_order(oracle, clearinghouse, roles):
    time = now(oracle)
    markets = list(range(8))
    prices = [PRICE + market for market in markets]
    receipt = oracle.chain.transact(
        roles.reporter, oracle.address, oracle.calldata("post_many", markets, prices, time)
    )
    assert updates(clearinghouse, receipt) == [(m, p, time) for m, p in zip(markets, prices)]
    assert [oracle.view("latest", m) for m in markets] == [(p, time) for p in prices]


def test_many_prices_are_posted_all_or_none(oracle, roles):
    with pytest.raises(Revert, match="oracle: zero price"):
        oracle.send(roles.reporter, "post_many", [0, 1], [PRICE, 0], now(oracle))
    assert oracle.view("latest", 0) == (0, 0)


@pytest.mark.parametrize(
    "markets, prices, reason",
    [
        ([], [], "oracle: no prices"),
        ([0], [], "oracle: length mismatch"),
        ([0], [1, 2], "oracle: length mismatch"),
        ([0, 0], [1, 2], "oracle: price not newer"),
        ([8], [1], "oracle: unknown market"),
    ],
)
def test_a_list_that_makes_no_sense_is_refused(oracle, roles, markets, prices, reason):
    with pytest.raises(Revert) as refused:
        oracle.send(roles.reporter, "post_many", markets, prices, now(oracle))
    assert refused.value.reason == reason


def test_what_the_clearinghouse_refuses_is_not_kept(oracle, clearinghouse, roles):
    clearinghouse.send(roles.stranger, "refuse", 1)
    with pytest.raises(Revert, match="recorder: refused"):
        oracle.send(roles.reporter, "post", 1, PRICE, now(oracle))
    assert oracle.view("latest", 1) == (0, 0)


@pytest.mark.parametrize("function", ["latest", "is_fresh", "max_age", "max_move"])
def test_views_know_eight_markets(oracle, function):
    oracle.view(function, 7)
    for market in (8, 2**256 - 1):
        with pytest.raises(Revert, match="oracle: unknown market"):
            oracle.view(function, market)


@pytest.mark.parametrize(
    "function, args, reason",
    [
        ("set_max_age", (8, 60), "oracle: unknown market"),
        ("set_max_age", (0, 0), "oracle: bad max age"),
        ("set_max_age", (0, 86_401), "oracle: bad max age"),
        ("set_max_move", (8, 1), "oracle: unknown market"),
        ("set_max_move", (0, 10 * WAD + 1), "oracle: bad max move"),
    ],
)
def test_settings_out_of_range_are_refused(oracle, roles, function, args, reason):
    with pytest.raises(Revert) as refused:
        oracle.send(roles.owner, function, *args)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    "function, args",
    [("set_max_age", (0, 60)), ("set_max_move", (0, 1)), ("set_reporter", ("0x" + "11" * 20, True))],
)
def test_only_the_owner_sets(oracle, roles, function, args):
    for caller in (roles.stranger, roles.reporter):
        with pytest.raises(Revert, match="access: not owner"):
            oracle.send(caller, function, *args)


def test_a_post_costs_the_oracle_little(oracle, roles):
    """Beside the 21,000 and the Clearinghouse's own work, warm or not: one word, one event, one look-up."""
    oracle.send(roles.reporter, "post", 0, PRICE, now(oracle))
    pass_time(oracle, 12)
    oracle.send(roles.reporter, "post", 1, PRICE, now(oracle))
    pass_time(oracle, 12)
    sent = oracle.send(roles.reporter, "post", 0, PRICE, now(oracle))
    assert sent.gas < 46_000
