"""What keepers bid for a place in a block."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpsim.agents.keeper_bids import (
    FREE,
    GWEI,
    Bid,
    Toll,
    ahead,
    first_bid,
    least_replacement,
    raised_bid,
    urgent_bid,
)
from perpsim.chain import Tx
from perpsim.chain.mempool import outbids
from perpsim.scenarios import BaseFeeBid, EscalatingBid, FixedBid, RewardBid

GAS = 200_000.0
#: 10 gwei and 200 a coin: 200,000 gas are 0.4
CALM = Toll(10 * GWEI, 200.0)


def test_costs_and_what_a_reward_bears_are_inverse() -> None:
    assert CALM.cost(GAS, 10 * GWEI) == pytest.approx(0.4)
    assert CALM.bears(0.4, GAS) == pytest.approx(10 * GWEI)
    assert FREE.cost(GAS, 10 * GWEI) == 0


def test_a_fixed_bid_knows_no_base_fee() -> None:
    fee = FixedBid(kind="fixed", gas_price=12.5)
    for toll in (FREE, CALM, Toll(500 * GWEI, 200.0)):
        assert first_bid(fee, toll, 1.0, GAS) == Bid(12_500_000_000, 12_500_000_000)


def test_a_base_fee_bid_is_a_multiple_of_it() -> None:
    fee = BaseFeeBid(kind="base-fee", multiple=3.0, tip=0.25)
    assert first_bid(fee, CALM, 1.0, GAS) == Bid(2_500_000_000, 30 * GWEI)


def test_where_gas_is_free_keepers_bid_nothing() -> None:
    for fee in (None, BaseFeeBid(kind="base-fee"), RewardBid(kind="reward")):
        assert first_bid(fee, FREE, 1.0, GAS) == Bid(0, None)
    assert first_bid(EscalatingBid(kind="escalating"), FREE, 1.0, GAS) == Bid(0, 0)


def test_a_reward_bid_offers_its_share_and_nothing_where_that_is_below_the_base_fee() -> None:
    fee = RewardBid(kind="reward", share=0.5)
    # Half of 4 bears 50 gwei for 200,000 gas.
    assert first_bid(fee, CALM, 4.0, GAS) == Bid(40 * GWEI, 50 * GWEI)
    assert first_bid(fee, Toll(51 * GWEI, 200.0), 4.0, GAS) is None


def test_an_escalating_bid_ends_at_its_ceiling() -> None:
    fee = EscalatingBid(kind="escalating", multiple=1.25, tip=0.1, step=0.5, ceiling=40.0)
    bid = first_bid(fee, CALM, 100.0, GAS)
    seen = []
    while bid is not None:
        seen.append(bid.max_fee)
        bid = raised_bid(bid, fee, CALM, 100.0, GAS)
    assert seen == [12_500_000_000, 18_750_000_000, 28_125_000_000, 40 * GWEI]


def test_what_cannot_wait_is_offered_all_at_once() -> None:
    fee = EscalatingBid(kind="escalating", multiple=0.5, ceiling=300.0, share=0.5)
    assert urgent_bid(fee, CALM, 100.0, GAS) == Bid(300 * GWEI, 300 * GWEI)
    # Half of 4 bears 50 gwei.
    assert urgent_bid(fee, CALM, 4.0, GAS) == Bid(50 * GWEI, 50 * GWEI)
    assert urgent_bid(fee, CALM, 0.7, GAS) is None
    for other in (None, FixedBid(kind="fixed"), RewardBid(kind="reward")):
        assert urgent_bid(other, CALM, 4.0, GAS) == first_bid(other, CALM, 4.0, GAS)


def test_an_escalating_bid_catches_up_with_the_base_fee() -> None:
    fee = EscalatingBid(kind="escalating")
    jumped = raised_bid(Bid(GWEI, 12 * GWEI), fee, Toll(100 * GWEI, 200.0), 100.0, GAS)
    assert jumped == Bid(10 * GWEI, 125 * GWEI)


@given(
    base_fee=st.integers(0, 1_000 * GWEI),
    coin_price=st.floats(1.0, 10_000.0),
    reward=st.floats(0.0, 500.0),
    gas=st.floats(30_000, 30_000_000),
    share=st.floats(0.0, 1.0),
    ceiling=st.floats(0.001, 5_000.0),
)
def test_no_bid_is_above_what_the_reward_bears(
    base_fee: int, coin_price: float, reward: float, gas: float, share: float, ceiling: float
) -> None:
    toll = Toll(base_fee, coin_price)
    most = share * reward * (1 + 1e-9)
    escalating = EscalatingBid(kind="escalating", share=share, ceiling=ceiling)
    for fee in (RewardBid(kind="reward", share=share), escalating):
        bid = first_bid(fee, toll, reward, gas)
        rounds = 0
        while bid is not None and rounds < 50:
            assert bid.max_fee is not None
            assert 0 <= bid.tip <= bid.max_fee
            assert toll.cost(gas, bid.max_fee) <= most
            bid = raised_bid(bid, escalating, toll, reward, gas) if fee is escalating else None
            rounds += 1


@given(price=st.integers(0, 10**13), tip=st.integers(0, 10**13), step=st.floats(0.1, 2.0))
def test_every_raise_is_taken_by_the_mempool(price: int, tip: int, step: float) -> None:
    fee = EscalatingBid(kind="escalating", step=step, ceiling=10**9)
    old = Bid(min(tip, price), price)
    new = raised_bid(old, fee, FREE, 1.0, GAS)
    assert new is not None
    assert outbids(_tx(new), _tx(old))
    assert least_replacement(price) <= (new.max_fee or 0)


def _tx(bid: Bid) -> Tx:
    return Tx("0xkeeper", "0xliquidator", b"", tip=bid.tip, max_fee=bid.max_fee, nonce=0)


@pytest.mark.parametrize(
    ("bid", "price"),
    [
        (Bid(3, None), 103),
        (Bid(3, 110), 103),
        (Bid(3, 101), 101),
        (Bid(3, 100), 100),
        # It has to wait: what it would pay once the base fee is down to that is no figure of now.
        (Bid(3, 90), 100),
    ],
)
def test_the_price_of_a_bid_is_that_of_the_fee_market(bid: Bid, price: int) -> None:
    assert bid.price(100) == price
    tip = _tx(bid).effective_tip(100)
    assert tip < 0 or bid.price(100) == 100 + tip


def test_what_concerns_a_list_offers_all_of_its_bid_as_a_tip() -> None:
    assert ahead(Bid(0, None)) == Bid(1, None)
    assert ahead(Bid(0, 0)) == Bid(1, 1)
    assert ahead(Bid(5, 9)) == Bid(9, 9)
