"""Keeper policies: what a keeper sees and knows -> what it sends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keeper_cases import LISTS, OPENED, REWARDS, crowd, keeper, known, sight

from perpsim.agents.keeper_bids import GWEI, Bid, Toll
from perpsim.agents.keeper_policies import (
    POLICIES,
    Call,
    Frozen,
    Known,
    ListRules,
    Move,
    Plan,
    Rules,
    Sight,
    Waiting,
    alternate,
    decide,
    expected_profit,
    greedy,
    profit,
    racer,
)

DEAR = Toll(base_fee=50 * GWEI, coin_price=200.0)


def accounts(calls: list[Call]) -> list[int]:
    return [call.account for call in calls]


# strategies


def test_greedy_takes_the_largest_first() -> None:
    assert accounts(greedy(sight(), keeper())) == [9, 4, 3, 7]


def test_racer_takes_the_most_endangered_first() -> None:
    assert accounts(racer(sight(), keeper())) == [4, 7, 3, 9]


def test_alternate_leaves_small_ones_and_half_of_the_rest() -> None:
    config = keeper(strategy="alternate", min_notional=2_000.0)
    even, odd = alternate(sight(), config), alternate(sight(block=1), config)
    assert accounts(even) == [4]
    assert accounts(odd) == [9, 3]


def test_files_that_call_it_threshold_still_work() -> None:
    assert keeper(strategy="threshold").strategy == "alternate"


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_limits_hold_for_every_policy(name: str) -> None:
    config = keeper(strategy=name, min_notional=3_000.0, max_per_block=1)
    calls = POLICIES[name](sight(), config, known())
    assert len(calls) <= 1
    assert all(call.account in (9, 4, 3) for call in calls)
    nobody = crowd(0)
    assert POLICIES[name](nobody, config, known()) == []


@pytest.mark.parametrize(("fund", "expected"), [(1e6, False), (50.0, False), (49.9, True), (0.0, True)])
def test_deleveraging_is_asked_for_where_the_fund_cannot_pay_the_loss(fund: float, expected: bool) -> None:
    calls = {call.account: call.with_deleverage for call in greedy(sight(fund), keeper())}
    assert calls[4] is expected
    # Accounts that can still pay for themselves are never deleveraged.
    assert not any(flag for account, flag in calls.items() if account != 4)


def test_positions_of_all_markets_stand_in_one_line() -> None:
    both = sight(
        markets=np.array([0, 1, 1, 0]),
        coverage=[0.0, 1e6],
        rules=[Rules(REWARDS), Rules(replace(REWARDS, most=2.0))],
        frozen=[Frozen(), Frozen()],
    )
    calls = greedy(both, keeper())
    assert [call.target for call in calls] == [(9, 0), (4, 1), (3, 0), (7, 1)]
    # What a market's fund would pay and what it rewards is its own.
    assert not any(call.with_deleverage for call in calls)
    assert [call.reward for call in calls] == pytest.approx([3.0, 2.0, 4.0, 1.0])


# what a call promises


@pytest.mark.parametrize(
    ("notional", "equity", "maintenance", "closed", "reward"),
    [
        # bankrupt, and less than two thirds of the margin: all of it, at 0.1 %
        (6_000.0, -50.0, 60.0, 6_000.0, 6.0),
        (6_000.0, 39.0, 60.0, 6_000.0, 6.0),
        # small: all of it, but no less than the least reward
        (600.0, 5.0, 6.0, 600.0, 1.0),
        # and no more than the penalty of 0.5 %, or the most
        (100.0, 0.5, 1.0, 100.0, 0.5),
        (20_000.0, 10.0, 200.0, 20_000.0, 8.0),
        # ((1.25 * 60) - 50) / (1.25 * 0.01 - 0.005)
        (6_000.0, 50.0, 60.0, 25 / 0.0075, 25 / 7.5),
    ],
)
def test_a_reward_is_what_the_market_pays_for_what_it_closes(
    notional: float, equity: float, maintenance: float, closed: float, reward: float
) -> None:
    found = REWARDS.closed(np.array([notional]), np.array([equity]), np.array([maintenance]))
    assert found.tolist() == pytest.approx([closed])
    assert REWARDS.reward(found).tolist() == pytest.approx([reward])


def test_profit_sends_what_is_worth_more_than_its_gas() -> None:
    config = keeper(strategy="profit", fee={"kind": "base-fee", "multiple": 2.0, "tip": 0.0})
    # Half of the calls win: 130,000 gas at 50 gwei and 200 a coin are 1.3 a call.
    seen = sight(toll=DEAR)
    assert expected_profit(seen.call(1), DEAR, config, known()) == pytest.approx(0.5 * 6.0 - 1.3)
    assert accounts(profit(seen, config, known())) == [4, 3, 9]
    assert accounts(profit(seen, config, known(chance=0.25))) == [4, 3]
    assert accounts(profit(seen, config, known(gas_won=500_000.0))) == [4]
    picky = keeper(strategy="profit", fee=config.fee.model_dump(), min_profit=1.0)
    assert accounts(profit(seen, picky, known())) == [4]


def test_where_gas_is_free_profit_sends_everything_the_best_reward_first() -> None:
    assert accounts(profit(sight(), keeper(strategy="profit"), known())) == [4, 3, 9, 7]


tolls = st.builds(
    Toll,
    st.integers(0, 2_000 * GWEI),
    st.one_of(st.just(0.0), st.floats(1.0, 5_000.0)),
)
fees = st.sampled_from(
    [
        {"kind": "fixed", "gas_price": 12.0},
        None,
        {"kind": "base-fee"},
        {"kind": "reward", "share": 0.7},
        {"kind": "escalating", "ceiling": 500.0, "share": 0.8},
    ]
)
knowledge = st.builds(
    known,
    chance=st.floats(0.01, 0.99),
    gas_won=st.floats(100_000, 1_000_000),
    gas_lost=st.floats(30_000, 100_000),
)


@given(
    strategy=st.sampled_from(sorted(POLICIES)),
    fee=fees,
    toll=tolls,
    knows=knowledge,
    count=st.integers(0, 40),
    most=st.integers(1, 30),
    least=st.floats(0, 12_000),
    size=st.integers(1, 8),
)
def test_no_keeper_sends_more_than_it_may_or_anything_twice(
    strategy: str, fee: dict | None, toll: Toll, knows: Known, count: int, most: int, least: float, size: int
) -> None:
    config = keeper(strategy=strategy, fee=fee, max_per_block=most, min_notional=least, batch_size=size)
    chosen = decide(crowd(count, toll=toll), config, knows)
    targets = [call.target for call in chosen.calls]
    assert len(targets) == len(set(targets)) <= most
    assert all(call.notional >= least for call in chosen.calls)
    assert all(len(send.calls) <= (size if strategy == "batch" else 1) for send in chosen.sends)
    assert all(send.expires == knows.block + config.patience for send in chosen.sends)
    # Only who replaces names nonces, and then each once.
    nonces = [send.nonce for send in chosen.sends]
    assert nonces == (
        list(range(len(nonces))) if fee and fee["kind"] == "escalating" else [None] * len(nonces)
    )


@given(fee=fees, toll=tolls, knows=knowledge, least=st.floats(0, 5))
def test_profit_never_sends_what_promises_less_than_it_wants(
    fee: dict | None, toll: Toll, knows: Known, least: float
) -> None:
    config = keeper(strategy="profit", fee=fee, min_profit=least)
    seen = crowd(12, toll=toll)
    sent = {call.target for call in profit(seen, config, knows)}
    for call in map(seen.call, range(12)):
        worth = expected_profit(call, toll, config, knows)
        assert worth >= least if call.target in sent else True
    # Nor does it leave a better one than it sends.
    left = [call.reward for call in map(seen.call, range(12)) if call.target not in sent]
    assert not sent or max(left, default=0) <= min(seen.rewards[seen.rows[target]] for target in sent)


@pytest.mark.parametrize(("after", "since", "expected"), [(5, 5, True), (5, 6, False), (0, 0, False)])
def test_whom_calls_have_not_closed_for_long_is_to_be_deleveraged(
    after: int, since: int, expected: bool
) -> None:
    stuck = dict.fromkeys([(9, 0), (4, 0)], since)
    chosen = greedy(sight(1e6), keeper(deleverage_after=after), known(block=10, stuck=stuck))
    # Account 9 is not bankrupt.
    assert {call.account for call in chosen if call.with_deleverage} == ({4} if expected else set())


# transactions


def test_a_batch_puts_its_calls_into_few_transactions() -> None:
    chosen = decide(crowd(19), keeper(strategy="batch", batch_size=8), known())
    assert [len(send.calls) for send in chosen.sends] == [8, 8, 3]
    assert {call.market for call in chosen.sends[0].calls} == {0, 1}


def test_what_waits_is_not_sent_again() -> None:
    seen = sight()
    waiting = (Waiting((seen.call(3),), Bid(0, None)),)
    assert accounts(decide(seen, keeper(max_per_block=2), known(waiting=waiting)).calls) == [4, 3]


def test_what_was_tried_in_vain_is_left_alone_for_a_while() -> None:
    seen, config = sight(), keeper(retry_blocks=5)
    tried = {(9, 0): 6, (4, 0): 5, (3, 1): 9}
    assert accounts(decide(seen, config, known(tried=tried)).calls) == [4, 3, 7]
    assert accounts(decide(seen, config, known(tried=tried, block=11)).calls) == [9, 4, 3, 7]


def test_a_fixed_bid_stays_as_it_is_and_waits() -> None:
    config = keeper(fee={"kind": "fixed", "gas_price": 10.0}, patience=40)
    (send,) = decide(crowd(1, toll=DEAR), config, known()).sends
    assert send.bid == Bid(10 * GWEI, 10 * GWEI)
    assert send.expires == 50
    waiting = (Waiting(send.calls, send.bid),)
    assert decide(crowd(1, toll=DEAR), config, known(block=20, waiting=waiting)).sends == ()


ESCALATING = keeper(fee={"kind": "escalating", "step": 0.2}, max_per_block=3)


def test_an_escalating_keeper_raises_what_waits_and_counts_on_behind_it() -> None:
    seen = crowd(3, toll=Toll(10 * GWEI, 200.0))
    first = decide(seen, ESCALATING, known(nonce=7)).sends
    assert [send.nonce for send in first] == [7, 8, 9]
    assert not any(send.replaces for send in first)
    # The first of them was taken by a block, the others wait.
    waiting = tuple(Waiting(send.calls, send.bid, send.nonce) for send in first[1:])
    second = decide(seen, ESCALATING, known(nonce=8, waiting=waiting)).sends
    assert [(send.nonce, send.replaces) for send in second] == [(8, True), (9, True), (10, False)]
    for old, new in zip(first[1:], second):
        assert new.calls == old.calls
        assert new.bid.max_fee == pytest.approx(1.2 * old.bid.max_fee)
        assert new.bid.tip == pytest.approx(1.2 * old.bid.tip)


def test_a_waiting_transaction_whose_reason_has_gone_makes_room_for_the_next() -> None:
    seen = crowd(3, toll=Toll(10 * GWEI, 200.0))
    gone = Waiting((Call(99, 0, False, 9_000.0, 5.0),), Bid(GWEI, 11 * GWEI), 4)
    sends = decide(seen, ESCALATING, known(nonce=4, waiting=(gone,))).sends
    assert [(send.nonce, send.replaces, accounts(list(send.calls))) for send in sends] == [
        (4, True, [1]),
        (5, False, [2]),
        (6, False, [3]),
    ]
    calm = crowd(0, toll=Toll(10 * GWEI, 200.0))
    assert decide(calm, ESCALATING, known(nonce=4, waiting=(gone,))).sends == ()


@given(toll=tolls, old=st.integers(0, 400 * GWEI), tip=st.integers(0, 400 * GWEI), knows=knowledge)
def test_replacements_are_a_tenth_higher_and_the_reward_bears_them(
    toll: Toll, old: int, tip: int, knows: Known
) -> None:
    seen = crowd(2, toll=toll)
    config = keeper(fee={"kind": "escalating", "share": 0.8, "ceiling": 600.0})
    was = Bid(min(tip, old), old)
    waiting = Waiting((seen.call(0),), was, 0)
    sends = decide(seen, config, replace(knows, waiting=(waiting,))).sends
    for send in (send for send in sends if send.replaces):
        assert send.bid.max_fee is not None
        assert 100 * send.bid.max_fee >= 110 * old and send.bid.max_fee > old
        assert 100 * send.bid.tip >= 110 * was.tip and send.bid.tip > was.tip
    for send in sends:
        assert send.bid.max_fee is not None
        assert send.bid.tip <= send.bid.max_fee <= 600 * GWEI
        reward = sum(call.reward for call in send.calls)
        assert toll.cost(knows.gas_won * len(send.calls), send.bid.max_fee) <= 0.8 * reward * (1 + 1e-9)


# lists


def planned(found: Sight, address: str = "0xother", strategy: str = "greedy") -> Plan:
    return decide(found, keeper(strategy=strategy), known(address=address))


def listing(fund: float = 0.0, lists: ListRules = LISTS, time: int = 0, **state: Any) -> Sight:
    return sight(fund, lists=lists, state=Frozen(**state), time=time)


def test_a_list_is_opened_for_whom_the_fund_cannot_pay_and_he_is_not_liquidated_besides() -> None:
    chosen = planned(listing())
    assert chosen.moves == (Move(0, opens=4),)
    assert accounts(chosen.calls) == [9, 3, 7]
    # With money in the fund it is an ordinary liquidation.
    rich = planned(listing(fund=51.0))
    assert rich.moves == ()
    assert rich.calls == greedy(sight(51.0), keeper())


def test_small_positions_and_those_after_a_timeout_go_by_index() -> None:
    small = planned(listing(lists=ListRules(list_from=6_001.0, turn=12)))
    late = planned(listing(time=1_000, by_index_until=1_001))
    for chosen in (small, late):
        assert chosen.moves == ()
        assert accounts(chosen.calls) == [9, 4, 3, 7]
        assert next(call for call in chosen.calls if call.account == 4).with_deleverage
    assert planned(listing(time=1_001, by_index_until=1_001)).moves == (Move(0, opens=4),)


def test_who_opened_a_list_completes_it_and_the_others_wait_a_turn() -> None:
    found = listing(time=1_012, open_list=OPENED, open_equity=-5.0)
    assert planned(found, "0xopener").moves == (Move(0, completes=True),)
    # The others count on it: they go on with everybody else.
    waiting = planned(found)
    assert waiting.moves == ()
    assert accounts(waiting.calls) == [9, 3, 7]
    assert planned(replace(found, time=1_024)).moves == (Move(0, completes=True),)


def test_while_a_list_is_handed_in_in_parts_nothing_else_is_tried() -> None:
    parts = replace(OPENED, moved=1_012)
    found = listing(time=1_024, open_list=parts, open_equity=-5.0)
    assert planned(found) == Plan()
    opener = planned(found, "0xopener")
    assert (opener.sends, opener.moves) == ((), (Move(0, completes=True),))
    # It has stood still for longer than a turn.
    assert planned(replace(found, time=1_036)).moves == (Move(0, completes=True),)


def test_the_next_list_is_opened_in_the_block_that_completes_the_last() -> None:
    found = replace(
        listing(time=1_012, open_list=OPENED, open_equity=-5.0), equity=np.array([-10.0, -50.0, 1.0, 40.0])
    )
    chosen = planned(found, "0xopener")
    assert chosen.moves == (Move(0, opens=3, completes=True),)
    assert accounts(chosen.calls) == [9, 7]


@pytest.mark.parametrize(("time", "equity"), [(1_300, -5.0), (1_012, 0.0)])
def test_a_list_that_is_late_or_whose_account_is_saved_is_ended(time: int, equity: float) -> None:
    chosen = planned(listing(time=time, open_list=OPENED, open_equity=equity))
    assert (chosen.sends, chosen.moves) == ((), (Move(0, ends=True),))


def test_a_frozen_market_keeps_nobody_from_the_others() -> None:
    parts = Frozen(replace(OPENED, moved=1_012), -5.0)
    found = sight(
        markets=np.array([0, 0, 1, 1]),
        coverage=[0.0, 0.0],
        rules=[Rules(REWARDS, LISTS), Rules(REWARDS)],
        frozen=[parts, Frozen()],
        time=1_024,
    )
    assert [call.target for call in planned(found).calls] == [(9, 1), (7, 1)]


def test_a_keeper_who_counts_its_transactions_lets_a_list_go_first() -> None:
    found = listing(time=1_012, open_list=OPENED, open_equity=-5.0)
    chosen = decide(found, ESCALATING, known(address="0xopener"))
    assert (chosen.sends, chosen.moves) == ((), (Move(0, completes=True),))
