"""Scores computed by hand, and the exact score between the rounding's bounds."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from policy_cases import WAD, capped, case, holder, markets, wad

from perpsim.deleveraging.policies import KEY_LIMIT, POLICIES, RATIO_LIMIT

ZERO = 2**127

SHORTS = case(is_long=False)
LONGS = case(is_long=True)


@pytest.fixture
def key(contracts):
    """The key that the deployed policy and its mirror agree on."""

    def agreed(name, the_case, candidate):
        found = contracts[name].view("rank", the_case, candidate).key
        assert found == POLICIES[name].rank(the_case, candidate).key
        return found

    return agreed


# mark 100 throughout


def test_bitmex_multiplies_a_gain_by_the_leverage(key):
    # 2 short from 125: PNL% = 50 / 250, EffLev = 200 / 100
    assert key("queue-bitmex", SHORTS, holder(2, 2, 125, 50)) == ZERO + wad("0.4")
    # 2 long from 80: PNL% = 40 / 160, EffLev = 200 / 50
    assert key("queue-bitmex", LONGS, holder(2, 2, 80, 10, is_long=True)) == ZERO + wad(1)


def test_bitmex_divides_a_loss_by_the_leverage(key):
    # 2 long from 125: PNL% = -50 / 250, EffLev = 200 / 100
    assert key("queue-bitmex", LONGS, holder(2, 2, 125, 150, is_long=True)) == ZERO - wad("0.1")
    # 2 short from 80: PNL% = -40 / 160, EffLev = 200 / 50
    assert key("queue-bitmex", SHORTS, holder(2, 2, 80, 90)) == ZERO - wad("0.0625")


def test_bitmex_rounds_toward_zero_at_each_step(key):
    # PNL% = 40 / 240 = 0.1666...6, EffLev = 2
    assert key("queue-bitmex", SHORTS, holder(2, 2, 120, 60)) == ZERO + 333_333_333_333_333_332
    assert key("queue-bitmex", LONGS, holder(2, 2, 120, 140, is_long=True)) == ZERO - 83_333_333_333_333_333


def test_bitmex_takes_the_share_of_the_equity_that_belongs_to_the_position(key):
    # half of the account's margin is elsewhere: EffLev = 200 / 50
    candidate = holder(2, 2, 125, 50)
    assert key("queue-bitmex", SHORTS, candidate._replace(share=wad(50))) == ZERO + wad("0.8")


def test_bitmex_puts_who_breaks_even_between_winners_and_losers(key):
    winner, even, loser = (key("queue-bitmex", SHORTS, holder(2, 2, at, 50)) for at in (101, 100, 99))
    assert winner > even == ZERO > loser


@pytest.mark.parametrize("share", [0, -1, -wad(100)])
def test_bitmex_puts_who_has_no_equity_last(key, share):
    assert key("queue-bitmex", SHORTS, holder(2, 2, 125, 50)._replace(share=share)) == 0


def test_a_bitmex_score_beyond_the_scale_is_held_at_its_ends(key):
    free = holder(2, 2, 125, 50)._replace(entry=0, share=1)
    assert key("queue-bitmex", SHORTS, free) == KEY_LIMIT
    assert key("queue-bitmex", SHORTS, free._replace(profit=-wad(50), notional=0)) == ZERO - RATIO_LIMIT


def test_binance_multiplies_the_gain_on_the_wallet_by_the_margin_ratio(key):
    # 50 / 50 * 10 / 100
    assert key("queue-binance", SHORTS, holder(2, 2, 125, 50)) == wad("0.1")
    # 40 / 10 * 10 / 50
    assert key("queue-binance", LONGS, holder(2, 2, 80, 10, is_long=True)) == wad("0.8")


@pytest.mark.parametrize("deposit", ["0.5", 0, -3])
def test_binance_counts_a_wallet_of_at_least_one(key, deposit):
    # 50 / 1 * 10 / (deposit + 50)
    ratio = 10 * WAD * WAD // (wad(deposit) + wad(50))
    assert key("queue-binance", SHORTS, holder(2, 2, 125, deposit)) == 50 * ratio


def test_binance_rounds_down_at_each_step(key):
    # 50 / 1 * 10 / 50.5 = 50 * 0.198019801980198019
    assert key("queue-binance", SHORTS, holder(2, 2, 125, "0.5")) == 9_900_990_099_009_900_950


def test_binance_gives_nothing_to_losers_and_to_who_has_no_equity(key):
    assert key("queue-binance", LONGS, holder(2, 2, 125, 150, is_long=True)) == 0
    assert key("queue-binance", SHORTS, holder(2, 2, 125, -50)) == 0
    assert key("queue-binance", SHORTS, holder(2, 2, 125, -51)) == 0


def test_hyperliquid_multiplies_the_price_ratio_by_the_leverage(key):
    # 100 / 80 * 200 / 50
    assert key("queue-hyperliquid", LONGS, holder(2, 2, 80, 10, is_long=True)) == wad(5)
    # 125 / 100 * 200 / 100
    assert key("queue-hyperliquid", SHORTS, holder(2, 2, 125, 50)) == wad("2.5")


def test_hyperliquid_ranks_losers_too(key):
    # 100 / 125 * 200 / 100
    assert key("queue-hyperliquid", LONGS, holder(2, 2, 125, 150, is_long=True)) == wad("1.6")


def test_hyperliquid_rounds_down_at_each_step(key):
    # 100 / 60 = 1.666666666666666666, 200 / 150 = 1.333333333333333333
    found = key("queue-hyperliquid", LONGS, holder(2, 2, 60, 70, is_long=True))
    assert found == 2_222_222_222_222_222_220


@pytest.mark.parametrize("deposit", [-50, -51])
def test_hyperliquid_puts_who_has_no_equity_last(key, deposit):
    assert key("queue-hyperliquid", SHORTS, holder(2, 2, 125, deposit)) == 0


@given(market=markets())
def test_a_score_is_the_exact_one_up_to_its_rounding(market):
    the_case, candidates = market
    sign = 1 if the_case.is_long else -1
    for name in ("queue-bitmex", "queue-binance", "queue-hyperliquid"):
        policy = POLICIES[name]
        for candidate in capped(policy, the_case, candidates):
            if candidate.equity <= 0 or candidate.notional < 10**6:
                continue
            worth, paid = sign * candidate.notional, sign * candidate.entry
            leverage = Fraction(candidate.notional, candidate.equity)
            key = policy.rank(the_case, candidate).key
            if name == "queue-bitmex":
                gain = Fraction(worth - paid, abs(paid))
                exact = gain * leverage if gain > 0 else gain / leverage
                key -= ZERO
                error = gain + leverage if gain > 0 else 1 / leverage + abs(gain) / leverage**2 * 2
            elif name == "queue-binance":
                gain = Fraction(max(worth - paid, 0), max(WAD, candidate.equity - worth + paid))
                leverage = Fraction(candidate.maintenance, candidate.equity)
                exact, error = gain * leverage, gain + leverage
            else:
                gain = Fraction(worth, paid) if the_case.is_long else Fraction(paid, worth)
                exact, error = gain * leverage, gain + leverage
            assert abs(Fraction(key) - exact * WAD) <= abs(error) + 2
            if exact >= 0:
                assert key <= exact * WAD
