"""The policy contracts: equal to their Python mirrors over all that they accept, where they never revert."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from policy_cases import ACCOUNT, ANY_CANDIDATE, ANY_CASE, MONEY, PRICE, SIZE, case, holder, up_to

from perpsim import protocol
from perpsim.deleveraging.policies import POLICIES, Candidate, Case, Left, Row, policy_named
from perpsim.errors import UserError

SIGNED = (-MONEY, -1, 0, 1, MONEY)
NATURAL = (0, 1, MONEY)


@settings(max_examples=300)
@given(the_case=ANY_CASE, candidate=ANY_CANDIDATE)
@example(case(), holder(2, 1, 120, 30))
def test_a_contract_ranks_as_its_mirror(policy, contract, the_case, candidate):
    row = contract.view("rank", the_case, candidate)
    assert tuple(row) == tuple(policy.rank(the_case, candidate))
    assert 0 <= row.key < 2**128 and 0 <= row.weight < 2**128
    assert 0 <= row.cap <= candidate.cap


@settings(max_examples=300)
@given(
    amount=up_to(MONEY),
    row=st.builds(Row, up_to(MONEY), up_to(MONEY), up_to(MONEY)),
    others=up_to(2**150),
)
@example(amount=100, row=Row(0, 0, 7), others=0)
@example(amount=100, row=Row(0, 0, 7), others=5)
@example(amount=MONEY, row=Row(0, MONEY, MONEY), others=0)
def test_a_contract_allots_as_its_mirror(policy, contract, amount, row, others):
    left = Left(amount, row.weight + others)
    given_to = contract.view("allot", left, row)
    assert given_to == policy.allot(left, row)
    assert 0 <= given_to <= min(row.cap, amount)


def test_a_contract_describes_itself_as_its_mirror(policy, contract):
    described = contract.view("name"), contract.view("weighted"), contract.view("charges")
    assert described == (policy.name, policy.weighted, policy.charges)


def test_no_extreme_candidate_makes_a_ranking_revert(policy, contract):
    extreme = Case(255, ACCOUNT, PRICE, SIZE, MONEY, True, 2**256 - 1)
    nothing = Case(0, 0, 0, 0, 0, False, 0)
    tiny = Case(0, 1, 1, SIZE, 1, False, 1)
    for the_case in (extreme, nothing, tiny):
        for profit, equity, rest in product(SIGNED, repeat=3):
            for notional, entry, cap in product(NATURAL, repeat=3):
                candidate = Candidate(ACCOUNT, SIZE, notional, entry, profit, equity, rest, equity, rest, cap)
                found = contract.view("rank", the_case, candidate)
                assert tuple(found) == tuple(policy.rank(the_case, candidate))


def test_no_extreme_row_makes_an_allotment_revert(policy, contract):
    for amount, weight, other, cap in product(NATURAL, repeat=4):
        left, row = Left(amount, weight + other), Row(MONEY, weight, cap)
        assert contract.view("allot", left, row) == policy.allot(left, row) <= min(amount, cap)


def test_every_policy_is_found_by_its_name_and_has_a_contract():
    assert [policy_named(name).name for name in POLICIES] == list(POLICIES) == list(protocol.POLICIES)


def test_an_unknown_policy_is_refused_with_those_there_are():
    with pytest.raises(
        UserError, match=r"no deleveraging policy 'fifo'; there are: queue-bitmex, .*socialise"
    ):
        policy_named("fifo")
