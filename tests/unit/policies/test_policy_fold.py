"""What a whole list bears: within every cap, all that is needed, and exactly what each rule promises."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from policy_cases import capped, case, holder, markets, share_out_on_chain, wad

from perpsim.deleveraging.policies import POLICIES, Left, Row, share_out

QUEUES = ("queue-bitmex", "queue-binance", "queue-hyperliquid", "random")
BY_WEIGHT = ("pro-rata", "socialise")


def borne_by(shared):
    return {allotment.account: allotment.amount for allotment in shared.allotments}


def missing_at_most(rows):
    """Most that a list leaves although it could bear it, in wei.

    Keys are floors, so rows whose weight / cap differs by less than 1 wei may be asked in the wrong order:
    each then passes on at most cap / key too much, and each division rounds down once.
    """
    return sum(min(row.cap, row.cap // row.key + 1 if row.key else row.cap) for row in rows)


@settings(max_examples=200)
@given(market=markets())
def test_a_list_bears_all_that_is_needed_as_far_as_its_caps_go(policy, market):
    the_case, candidates = market
    candidates = capped(policy, the_case, candidates)
    shared = share_out(policy, the_case, candidates)
    assert sorted(a.account for a in shared.allotments) == [c.account for c in candidates]
    for allotment in shared.allotments:
        assert 0 <= allotment.amount <= allotment.row.cap
    total = sum(a.amount for a in shared.allotments)
    assert total + shared.rest == policy.needed(the_case)
    rows = [a.row for a in shared.allotments]
    reachable = min(
        policy.needed(the_case), sum(row.cap for row in rows if row.weight or not policy.weighted)
    )
    if policy.name in BY_WEIGHT:
        assert reachable - missing_at_most(rows) <= total <= reachable
    else:
        assert total == reachable


@settings(max_examples=50)
@given(market=markets(6))
def test_a_list_bears_on_chain_what_it_bears_in_python(policy, contract, market):
    the_case, candidates = market
    candidates = capped(policy, the_case, candidates)
    shared = share_out(policy, the_case, candidates)
    on_chain = share_out_on_chain(contract, the_case, candidates, policy.needed(the_case))
    assert on_chain == (borne_by(shared), shared.rest)


@settings(max_examples=200)
@given(market=markets())
def test_nobody_gives_up_more_than_its_equity(policy, market):
    the_case, candidates = market
    candidates = capped(policy, the_case, candidates)
    borne = borne_by(share_out(policy, the_case, candidates))
    for candidate in candidates:
        cost = Fraction(borne[candidate.account])
        if not policy.charges:
            assert borne[candidate.account] <= candidate.size
            cost = cost * the_case.haircut / the_case.quantity
        assert cost <= max(candidate.equity, 0)


@settings(max_examples=200)
@given(market=markets())
@pytest.mark.parametrize("name", ["pro-rata", "capped-pro-rata", "socialise"])
def test_rules_by_profit_take_no_more_than_the_profit_and_nothing_from_losers(name, market):
    policy, (the_case, candidates) = POLICIES[name], market
    candidates = capped(policy, the_case, candidates)
    borne = borne_by(share_out(policy, the_case, candidates))
    for candidate in candidates:
        cost = Fraction(borne[candidate.account])
        if not policy.charges:
            cost = cost * the_case.haircut / the_case.quantity
        assert cost <= max(candidate.profit, 0)
        assert candidate.profit > 0 or borne[candidate.account] == 0


@settings(max_examples=200)
@given(market=markets())
@pytest.mark.parametrize("name", QUEUES)
def test_a_queue_closes_all_that_the_first_can_bear_before_it_asks_the_next(name, market):
    policy, (the_case, candidates) = POLICIES[name], market
    shared = share_out(policy, the_case, capped(policy, the_case, candidates))
    full = [a.amount == a.row.cap for a in shared.allotments]
    asked = [a.amount > 0 for a in shared.allotments]
    for place in range(1, len(full)):
        assert not asked[place] or full[place - 1]
    keys = [(-a.row.key, a.account) for a in shared.allotments]
    assert keys == sorted(keys)


# in proportion


@settings(max_examples=200)
@given(market=markets())
@pytest.mark.parametrize("name", BY_WEIGHT)
def test_who_is_below_its_cap_bears_in_proportion_to_its_profit(name, market):
    policy, (the_case, candidates) = POLICIES[name], market
    shared = share_out(policy, the_case, capped(policy, the_case, candidates))
    rows = [a.row for a in shared.allotments]
    count, slack = len(rows), missing_at_most(rows)
    free = [a for a in shared.allotments if 0 < a.amount < a.row.cap]
    for one in free:
        for other in free:
            # a wei lost by each row before goes to the last one
            apart = Fraction(one.amount, one.row.weight) - Fraction(other.amount, other.row.weight)
            assert abs(apart) <= Fraction(count, min(one.row.weight, other.row.weight))
        for full in (a for a in shared.allotments if a.row.weight and a.amount == a.row.cap):
            # who is at its cap would otherwise bear more
            pressure = Fraction(one.amount, one.row.weight) - Fraction(full.amount, full.row.weight)
            assert pressure >= -Fraction(slack + count, full.row.weight)


def test_without_caps_in_the_way_shares_are_exactly_in_proportion():
    holders = [holder(2, 10, 101, 100), holder(3, 10, 102, 100), holder(4, 10, 104, 100)]
    policy, the_case = POLICIES["pro-rata"], case(7, 7)
    borne = borne_by(share_out(policy, the_case, capped(policy, the_case, holders)))
    assert borne == {2: wad(1), 3: wad(2), 4: wad(4)}


def water_level(caps, needed):
    """The exact tau with sum(min(cap, tau)) = needed: sort, and try each number of full rows."""
    caps = sorted(caps)
    if sum(caps) <= needed:
        return Fraction(caps[-1])
    filled = 0
    for place, cap in enumerate(caps):
        tau = Fraction(needed - filled, len(caps) - place)
        if tau <= cap:
            return tau
        filled += cap
    raise AssertionError("unreachable: the caps bear what is needed")


@settings(max_examples=300)
@given(
    caps=st.lists(st.integers(0, 10**24), min_size=1, max_size=20),
    part=st.fractions(0, Fraction(11, 10)),
)
@example(caps=[1, 1, 3], part=Fraction(1))
@example(caps=[2, 3], part=Fraction(5, 5))
@example(caps=[0, 0], part=Fraction(1, 2))
def test_capped_pro_rata_is_water_filling_to_the_wei(caps, part):
    policy, needed = POLICIES["capped-pro-rata"], int(sum(caps) * part)
    # without a haircut the cap of a winner is the one handed in
    winner = holder(2, 1, 110, 10)
    candidates = [winner._replace(account=2 + n, cap=cap) for n, cap in enumerate(caps)]
    shared = share_out(policy, case(1, 0), candidates, needed)
    tau = water_level(caps, needed)
    for allotment in shared.allotments:
        assert abs(allotment.amount - min(allotment.row.cap, tau)) < 1
    assert shared.rest == max(needed - sum(caps), 0)


@given(amount=st.integers(0, 10**24), cap=st.integers(0, 10**24))
def test_the_only_row_with_a_weight_is_asked_for_all(amount, cap):
    for name in ("pro-rata", "capped-pro-rata", "socialise"):
        assert POLICIES[name].allot(Left(amount, 5), Row(0, 5, cap)) == min(amount, cap)
        assert POLICIES[name].allot(Left(amount, 0), Row(0, 0, cap)) == 0


# at random


def test_at_random_every_account_comes_first_and_last_equally_often():
    policy, accounts, seeds = POLICIES["random"], range(2, 12), 5_000
    candidates = [holder(account, 1, 110, 10) for account in accounts]
    firsts, lasts, second = Counter(), Counter(), Counter()
    for seed in range(seeds):
        order = [a.account for a in share_out(policy, case(1, seed=seed), candidates).allotments]
        firsts[order[0]] += 1
        lasts[order[-1]] += 1
        second[order[:2] == [2, 3]] += 1
    expected = seeds / len(accounts)
    # five standard deviations of a binomial
    bound = 5 * (expected * (1 - 1 / len(accounts))) ** 0.5
    for account in accounts:
        assert abs(firsts[account] - expected) < bound
        assert abs(lasts[account] - expected) < bound
    # nobody's place is tied to a neighbour's
    assert abs(second[True] - expected / 9) < 5 * (expected / 9) ** 0.5


def test_at_random_neither_profit_nor_size_changes_the_order():
    policy = POLICIES["random"]
    plain = [holder(account, 1, 110, 10) for account in range(2, 12)]
    changed = [holder(account, account, 200 - account, 50) for account in range(2, 12)]
    for seed in range(50):
        orders = [
            [a.account for a in share_out(policy, case(1, seed=seed), candidates).allotments]
            for candidates in (plain, changed)
        ]
        assert orders[0] == orders[1]


# ties


@given(accounts=st.permutations(list(range(2, 10))))
def test_equal_keys_go_by_account_number_whatever_the_order_handed_in(accounts):
    for name in POLICIES:
        if name == "random":
            continue
        candidates = [holder(account, 1, 110, 10) for account in accounts]
        shared = share_out(POLICIES[name], case(3, 3), candidates)
        assert [a.account for a in shared.allotments] == sorted(accounts)


def test_an_empty_list_bears_nothing(policy):
    assert share_out(policy, case(3, 2), []) == ((), policy.needed(case(3, 2)))
