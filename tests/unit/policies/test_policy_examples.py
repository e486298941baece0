"""Examples that exchanges publish, to the last digit given, on chain and off."""

from __future__ import annotations

import pytest
from policy_cases import capped, case, holder, share_out_on_chain, wad

from perpsim.deleveraging.lights import lights, quintiles
from perpsim.deleveraging.policies import POLICIES, ranked, share_out

# account: quantity, score
BITMEX = {1: (10, 3), 2: (10, 6), 3: (20, 1), 4: (30, 4), 5: (20, 5), 6: (10, 2)}
MARK = 420


def bitmex_candidates():
    """Unleveraged longs at a mark of 420: the score is PNL%, so the entry is 420 / (1 + score)."""
    return [
        holder(account, size, MARK // (1 + score), size * MARK // (1 + score), MARK, is_long=True)
        for account, (size, score) in BITMEX.items()
    ]


def test_bitmex_example_closes_10_of_the_first_and_10_of_the_second(contracts):
    policy = POLICIES["queue-bitmex"]
    the_case = case(20, 0, MARK, is_long=True)
    rows = {account: row for account, row in ranked(policy, the_case, bitmex_candidates())}
    assert {account: row.key - 2**127 for account, row in rows.items()} == {
        account: wad(score) for account, (_, score) in BITMEX.items()
    }
    shared = share_out(policy, the_case, bitmex_candidates())
    closed = {allotment.account: allotment.amount for allotment in shared.allotments}
    assert closed == {2: wad(10), 5: wad(10), 4: 0, 1: 0, 6: 0, 3: 0}
    assert [allotment.account for allotment in shared.allotments] == [2, 5, 4, 1, 6, 3]
    assert shared.rest == 0
    on_chain = share_out_on_chain(contracts[policy.name], the_case, bitmex_candidates(), wad(20))
    assert on_chain == (closed, 0)


def test_bitmex_example_lights_each_account_by_cumulative_quantity():
    order = [
        account
        for account, _ in ranked(
            POLICIES["queue-bitmex"], case(20, 0, MARK, is_long=True), bitmex_candidates()
        )
    ]
    sizes = [wad(BITMEX[account][0]) for account in order]
    percent = {account: 20 * place for account, place in zip(order, quintiles(sizes))}
    assert percent == {2: 20, 5: 40, 4: 60, 1: 80, 6: 80, 3: 100}
    assert dict(zip(order, lights(sizes))) == {2: 5, 5: 4, 4: 3, 1: 2, 6: 2, 3: 1}


CRYPTO_COM = {
    2: (50_000, "2923.98"),
    3: (45_000, "2631.58"),
    4: (30_000, "1754.39"),
    5: (30_000, "1754.39"),
    6: (15_000, "877.19"),
    7: (1_000, "58.48"),
}


@pytest.mark.parametrize("losers", [0, 2])
def test_crypto_com_example_charges_winners_in_proportion_to_their_profit(contracts, losers):
    policy = POLICIES["socialise"]
    the_case = case(100, 10_000)
    # short from 110 at a mark of 100: a profit of 10 a unit
    holders = [holder(account, profit // 10, 110, 0) for account, (profit, _) in CRYPTO_COM.items()]
    holders += [holder(20 + number, 1_000, 90, 50_000) for number in range(losers)]
    candidates = capped(policy, the_case, holders)
    shared = share_out(policy, the_case, candidates)
    paid = {allotment.account: allotment.amount for allotment in shared.allotments}
    cents = {account: f"{(amount + 5 * 10**15) // 10**16 / 100:.2f}" for account, amount in paid.items()}
    assert cents == {account: told for account, (_, told) in CRYPTO_COM.items()} | {
        20 + number: "0.00" for number in range(losers)
    }
    assert sum(paid.values()) == wad(10_000)
    for account, (profit, _) in CRYPTO_COM.items():
        assert abs(paid[account] * 171_000 - wad(10_000) * profit) <= len(CRYPTO_COM) * 171_000
    assert share_out_on_chain(contracts[policy.name], the_case, candidates, wad(10_000)) == (paid, 0)


def test_pro_rata_takes_the_same_part_of_every_profit():
    # profits 40, 20, 0 and -10; the haircut of 30 is half of them
    holders = [holder(2, 4, 110, 5), holder(3, 1, 120, 5), holder(4, 3, 100, 5), holder(5, 1, 90, 15)]
    policy, the_case = POLICIES["pro-rata"], case(3, 30)
    shared = share_out(policy, the_case, capped(policy, the_case, holders))
    closed = {allotment.account: allotment.amount for allotment in shared.allotments}
    # a unit costs 10: 2 units cost the first 20 of 40, one costs the second 10 of 20
    assert closed == {2: wad(2), 3: wad(1), 4: 0, 5: 0}


def test_pro_rata_hands_on_what_a_small_position_is_spared():
    # profits 40 and 40, but the second has one unit, and a unit costs 10: the first bears the rest
    holders = [holder(2, 4, 110, 5), holder(3, 1, 140, 5)]
    policy, the_case = POLICIES["pro-rata"], case(3, 30)
    shared = share_out(policy, the_case, capped(policy, the_case, holders))
    assert {a.account: a.amount for a in shared.allotments} == {3: wad(1), 2: wad(2)}


def test_capped_pro_rata_takes_the_same_from_all_who_have_it():
    # a unit costs 10: caps of 4, 1 and 2 units; 6 needed: tau = 3
    holders = [holder(2, 4, 110, 1), holder(3, 2, 105, 1), holder(4, 2, 115, 1)]
    policy, the_case = POLICIES["capped-pro-rata"], case(6, 60)
    shared = share_out(policy, the_case, capped(policy, the_case, holders))
    assert {a.account: a.amount for a in shared.allotments} == {3: wad(1), 4: wad(2), 2: wad(3)}


def test_what_the_list_cannot_bear_is_left():
    # a unit costs 10, so an equity of 5, but for 4 wei, bears half a unit in a queue
    holders = [holder(2, 4, 100, 5)]
    policy, the_case = POLICIES["queue-bitmex"], case(4, 40)
    shared = share_out(policy, the_case, capped(policy, the_case, holders))
    borne = (wad(5) - 4) // 10
    assert [a.amount for a in shared.allotments] == [borne]
    assert shared.rest == wad(4) - borne


@pytest.mark.parametrize("equity", [-wad(7), -1, 0, 4])
def test_who_has_no_equity_bears_nothing_that_costs(equity):
    for policy in POLICIES.values():
        assert policy.limit(case(4, 40), wad(4), equity) == 0
    assert POLICIES["queue-bitmex"].limit(case(4, 0), wad(4), equity) == wad(4)
