"""Which rule has which of the properties that research asks for (arXiv 2512.01112).

| | splitting does not help | scale does not matter | more profit, no less | more needed, nobody less |
|---|---|---|---|---|
| capped pro rata, pro rata, socialise | yes | yes | yes | yes |
| queue by BitMEX, by Hyperliquid | only if split evenly | yes | no | yes |
| queue by Binance | no | no | no | yes |
| random | on average | yes | no | yes |
"""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_cases import SIZE, capped, case, holder, markets, wad

from perpsim.deleveraging.policies import POLICIES, share_out

FAIR = ("pro-rata", "capped-pro-rata", "socialise")
SCALE_FREE = ("queue-bitmex", "queue-hyperliquid", *FAIR, "random")

SCALED = ("size", "notional", "entry", "profit", "equity", "maintenance", "share", "collateral")


def borne_by(policy, the_case, candidates):
    shared = share_out(policy, the_case, capped(policy, the_case, candidates))
    return {allotment.account: allotment.amount for allotment in shared.allotments}


def pieces(candidate, count, first_account):
    """An account split into equal ones, as sizes that divide allow."""
    return [
        candidate._replace(
            account=first_account + number,
            **{field: getattr(candidate, field) // count for field in SCALED},
        )
        for number in range(count)
    ]


# splitting


@settings(max_examples=200)
@given(market=markets(), count=st.integers(2, 5), data=st.data())
@pytest.mark.parametrize("name", FAIR)
def test_splitting_an_account_evenly_spares_it_nothing(name, market, count, data):
    policy, (the_case, candidates) = POLICIES[name], market
    whole = data.draw(st.sampled_from(candidates))
    others = [c for c in candidates if c is not whole]
    before = borne_by(policy, the_case, candidates)[whole.account]
    split = pieces(whole, count, 100)
    after = borne_by(policy, the_case, others + split)
    # what the pieces lose to being whole numbers, and a rounding a row
    lost = count * 3 * (1 + the_case.quantity // max(the_case.haircut, 1)) + 10 * (len(candidates) + count)
    lost += before // 10**9
    assert sum(after[piece.account] for piece in split) >= before - lost


@pytest.mark.parametrize("name", FAIR)
def test_splitting_an_account_unevenly_spares_it_nothing(name):
    # 20 short with a profit of 200 beside a rival of 200: all cash in one half, or the profit's size uneven
    policy, the_case = POLICIES[name], case(10, 100)
    rival = holder(3, 20, 110, 100)
    before = borne_by(policy, the_case, [holder(2, 20, 110, 100), rival])[2]
    for split in (
        [holder(4, 10, 110, 100), holder(5, 10, 110, 0)],
        [holder(4, 19, 110, 0), holder(5, 1, 110, 100)],
        [holder(4, 4, 110, 20), holder(5, 16, 110, 80)],
    ):
        after = borne_by(policy, the_case, [*split, rival])
        assert after[4] + after[5] >= before


@pytest.mark.parametrize("name", ["queue-bitmex", "queue-binance", "queue-hyperliquid"])
def test_in_a_queue_an_account_is_spared_by_keeping_its_cash_in_one_half(name):
    # the whole stands before the rival; of the halves only the one without cash does
    policy, the_case = POLICIES[name], case(20)
    rival = holder(3, 20, 110, 150)
    whole = holder(2, 20, 110, 100)
    assert borne_by(policy, the_case, [whole, rival]) == {2: wad(20), 3: 0}
    halves = [holder(4, 10, 110, 95), holder(5, 10, 110, 5)]
    assert borne_by(policy, the_case, [*halves, rival]) == {5: wad(10), 3: wad(10), 4: 0}


@settings(max_examples=200)
@given(market=markets(), count=st.integers(2, 5), data=st.data())
@pytest.mark.parametrize("name", ["queue-bitmex", "queue-hyperliquid"])
def test_in_a_queue_by_ratios_splitting_evenly_keeps_the_place(name, market, count, data):
    policy, (the_case, candidates) = POLICIES[name], market
    # sizes that divide: a piece has the whole's ratios exactly
    candidates = [c._replace(**{field: getattr(c, field) * 60 for field in SCALED}) for c in candidates]
    the_case = the_case._replace(quantity=the_case.quantity * 60, haircut=0)
    whole = data.draw(st.sampled_from(candidates))
    before = borne_by(policy, the_case, candidates)[whole.account]
    others = [c for c in candidates if c is not whole]
    # equal scores go by account number: the pieces stand where the whole stood among its equals
    shift = {c.account: c.account * 10 for c in candidates}
    others = [c._replace(account=shift[c.account]) for c in others]
    after = borne_by(policy, the_case, others + pieces(whole, count, shift[whole.account]))
    assert sum(after[shift[whole.account] + number] for number in range(count)) == before


def test_at_random_more_accounts_are_first_more_often():
    policy, seeds = POLICIES["random"], 2_000
    rival = holder(3, 10, 110, 100)
    whole, halves = [holder(2, 10, 110, 100)], [holder(4, 5, 110, 50), holder(5, 5, 110, 50)]

    def average(own):
        borne = 0
        for seed in range(seeds):
            shared = borne_by(policy, case(5, seed=seed), [*own, rival])
            borne += sum(shared[c.account] for c in own)
        return borne / wad(seeds)

    # one of two, two of three: 5 * 1/2 and 5 * 2/3, within five standard deviations
    bound = 5 * 2.5 / seeds**0.5
    assert abs(average(whole) - 2.5) < bound
    assert abs(average(halves) - 10 / 3) < bound


# scale


@settings(max_examples=200)
@given(market=markets(), scale=st.integers(2, 10**4))
@pytest.mark.parametrize("name", SCALE_FREE)
def test_a_market_a_thousand_times_as_large_bears_a_thousand_times_as_much(name, market, scale):
    policy, (the_case, candidates) = POLICIES[name], market
    assert max(c.size for c in candidates) * scale <= SIZE
    candidates = capped(policy, the_case, candidates)
    large_case = the_case._replace(quantity=the_case.quantity * scale, haircut=the_case.haircut * scale)
    fields = (*SCALED, "cap")
    large = [c._replace(**{field: getattr(c, field) * scale for field in fields}) for c in candidates]
    before = share_out(policy, the_case, candidates).allotments
    after = {a.account: a.amount for a in share_out(policy, large_case, large).allotments}
    # limits and shares of the rules by profit round by a wei before they are multiplied
    slack = (len(candidates) + 2) * (scale + 1) if name in FAIR else 0
    for account, row, amount in before:
        assert abs(after[account] - amount * scale) <= slack + (row.cap * scale // 10**9 if slack else 0)


def test_a_queue_by_binances_score_changes_its_order_with_the_scale():
    # the least wallet of 1 is a scale: the second has 10, then 0.1, which counts as 1
    policy = POLICIES["queue-binance"]
    small = [holder(2, 2, 110, 3), holder(3, "0.5", 110, "0.1")]
    large = [holder(2, 200, 110, 300), holder(3, 50, 110, 10)]
    assert borne_by(policy, case("0.5"), small) == {2: wad("0.5"), 3: 0}
    assert borne_by(policy, case(50), large) == {3: wad(50), 2: 0}


# monotone


@settings(max_examples=200)
@given(market=markets())
@pytest.mark.parametrize("name", FAIR)
def test_who_has_more_profit_and_can_bear_no_less_bears_no_less(name, market):
    policy, (the_case, candidates) = POLICIES[name], market
    candidates = capped(policy, the_case, candidates)
    borne = borne_by(policy, the_case, candidates)
    rows = {c.account: policy.rank(the_case, c) for c in candidates}
    dust = len(candidates) + 1
    for one in candidates:
        for other in candidates:
            if one.profit >= other.profit and rows[one.account].cap >= rows[other.account].cap:
                assert borne[one.account] >= borne[other.account] - dust - borne[other.account] // 10**9


@pytest.mark.parametrize("name", ["queue-bitmex", "queue-binance", "queue-hyperliquid"])
def test_in_a_queue_a_small_winner_can_lose_all_while_a_large_one_keeps_all(name):
    policy = POLICIES[name]
    large, small = holder(2, 100, 110, 10_000), holder(3, 1, 110, 1)
    assert large.profit == 100 * small.profit
    assert borne_by(policy, case(1), [large, small]) == {3: wad(1), 2: 0}


@settings(max_examples=200)
@given(market=markets(), part=st.fractions(0, 1))
def test_if_more_is_needed_nobody_bears_less(policy, market, part):
    the_case, candidates = market
    candidates = capped(policy, the_case, candidates)
    needed = policy.needed(the_case)

    def share(amount):
        shared = share_out(policy, the_case, candidates, amount)
        return {allotment.account: allotment.amount for allotment in shared.allotments}

    less, more = share(int(needed * part)), share(needed)
    dust = len(candidates) if policy.weighted else 0
    for account, amount in less.items():
        assert more[account] >= amount - dust - amount // 10**9 * policy.weighted


@settings(max_examples=200)
@given(market=markets())
def test_no_rule_has_a_smaller_largest_burden_than_capped_pro_rata(market):
    the_case, candidates = market
    capped_rule, rule = POLICIES["capped-pro-rata"], POLICIES["pro-rata"]
    least = share_out(capped_rule, the_case, capped(capped_rule, the_case, candidates))
    other = share_out(rule, the_case, capped(rule, the_case, candidates))
    if least.rest == other.rest == 0:
        assert max(a.amount for a in least.allotments) <= max(a.amount for a in other.allotments) + 1


def test_a_larger_share_of_equity_elsewhere_moves_an_account_back_in_bitmexs_queue():
    near, far = holder(2, 10, 110, 10), holder(3, 10, 110, 10)
    far = far._replace(share=far.share * 2)
    borne = borne_by(POLICIES["queue-bitmex"], case(10), [far, near])
    assert borne == {2: wad(10), 3: 0}
    assert Fraction(near.notional, near.share) == 2 * Fraction(far.notional, far.share)
