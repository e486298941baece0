"""Other people's bids: who goes first, what fits, who waits."""

import numpy as np
import pytest
from chain_sources import counter
from hypothesis import given
from hypothesis import strategies as st

from perpsim.chain import COIN, GWEI, Bids, Tx, account, open_chain
from perpsim.chain.outside import OutsidePool

START = 1_584_000_000
COUNT = counter().interface.functions["count"].encode()
KEEPER, RIVAL = account(1).address, account(2).address


def bids(*rows):
    """Rows of (maximum fee, tip, gas, last block)."""
    columns = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    return Bids(*columns)


@pytest.fixture(params=["revm", "py-evm"])
def chain(request):
    with open_chain(request.param, timestamp=START, block_gas_limit=1_000_000) as opened:
        for holder in (KEEPER, RIVAL):
            opened.fund_native(holder, COIN)
        yield opened


@pytest.fixture
def target(chain):
    return chain.deploy(counter(), 5, sender=account(0).address)


def test_a_low_bid_waits_under_congestion_and_a_high_one_does_not(chain, target):
    chain.open_fee_market(GWEI)
    low = chain.submit(Tx(KEEPER, target, COUNT, 100_000, tip=GWEI, max_fee=100 * GWEI))
    high = chain.submit(Tx(RIVAL, target, COUNT, 100_000, tip=3 * GWEI, max_fee=100 * GWEI))
    for step in range(1, 6):
        # more than a block's worth of others who tip twice as much as the low bid
        chain.submit_outside(bids(*[(50 * GWEI, 2 * GWEI, 50_000, step)] * 24))
        block, receipts = chain.mine(START + 12 * step)
        assert [receipt.tx_id for receipt in receipts] == ([high] if step == 1 else [])
        assert block.gas_limit - 50_000 <= block.gas_used + block.outside_gas <= block.gas_limit
        assert block.waiting == 1
    assert chain.base_fee > 1.5 * GWEI
    # the crowd has gone home
    block, receipts = chain.mine(START + 100)
    assert [receipt.tx_id for receipt in receipts] == [low]
    assert block.outside_gas == 0


def test_a_maximum_fee_below_the_base_fee_waits_however_empty_the_block(chain, target):
    chain.open_fee_market(100 * GWEI)
    stuck = chain.submit(Tx(KEEPER, target, COUNT, 100_000, tip=20 * GWEI, max_fee=20 * GWEI, nonce=0))
    assert chain.mine(START + 12)[1] == []
    assert [tx.id for tx in chain.pending(KEEPER)] == [stuck]
    # who raises both by a tenth or more takes the place of the own older bid
    raised = chain.submit(Tx(KEEPER, target, COUNT, 100_000, tip=22 * GWEI, max_fee=150 * GWEI, nonce=0))
    assert [tx.id for tx in chain.pending(KEEPER)] == [raised]
    block, (receipt,) = chain.mine(START + 24)
    assert (receipt.tx_id, receipt.gas_price) == (raised, block.base_fee + 22 * GWEI)
    again = chain.submit(Tx(KEEPER, target, COUNT, 100_000, tip=30 * GWEI, nonce=0))
    _, (refused,) = chain.mine(START + 36)
    assert (refused.tx_id, refused.reason) == (again, "rejected: nonce already used")


def test_others_raise_the_base_fee_though_none_of_ours_is_there(chain):
    chain.open_fee_market(GWEI)
    chain.submit_outside(bids(*[(5 * GWEI, GWEI, 100_000, 9)] * 10))
    block, _ = chain.mine(START + 12)
    assert (block.gas_used, block.outside_gas, chain.outside_waiting) == (0, 1_000_000, 0)
    assert chain.base_fee == 1.125 * GWEI


def test_who_cannot_pay_the_base_fee_waits_until_it_falls_or_gives_up(chain):
    chain.open_fee_market(10 * GWEI)
    chain.submit_outside(bids((9 * GWEI, GWEI, 100_000, 2), (8 * GWEI, GWEI, 100_000, 9)))
    blocks = [chain.mine(START + 12 * step)[0] for step in range(1, 4)]
    assert [block.base_fee for block in blocks] == [10 * GWEI, 8.75 * GWEI, 7_875_000_000]
    assert [block.outside_gas for block in blocks] == [0, 100_000, 100_000]
    chain.submit_outside(bids((GWEI, GWEI, 100_000, 5)))
    assert [chain.mine(START + 12 * step)[0].outside_gas for step in (4, 5)] == [0, 0]
    assert chain.outside_waiting == 0


def test_a_bid_that_does_not_fit_waits_and_a_smaller_one_goes_ahead():
    pool = OutsidePool()
    pool.add(bids((9, 9, 60, 5), (8, 8, 60, 5), (7, 7, 30, 5), (6, 6, 20, 5), (5, 5, 10, 5)))
    pool.open(0)
    assert pool.take(0, 100) == 60 + 30 + 10
    pool.close(1)
    assert len(pool) == 2
    pool.open(0)
    assert pool.take(0, 100) == 80


ROWS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 50), st.integers(1, 4)), max_size=25
)


@given(
    st.lists(ROWS, min_size=1, max_size=3),
    st.integers(0, 30),
    st.integers(0, 200),
    st.lists(st.integers(0, 40)),
)
def test_the_arrays_do_what_a_plain_loop_does(batches, base_fee, room, ours):
    """Against a list of rows: the same gas for each of our tips, the same who are left."""
    pool, rows = OutsidePool(), []
    for block, batch in enumerate(batches, start=1):
        pool.add(bids(*batch))
        rows += batch
        pool.open(base_fee)
        left, expected, queue = (
            room,
            [],
            sorted(
                (row for row in rows if row[0] >= base_fee), key=lambda row: -min(row[1], row[0] - base_fee)
            ),
        )
        found = []
        for tip in [*sorted(ours, reverse=True), 0]:
            taken = pool.take(tip, left)
            loop = 0
            while queue and min(queue[0][1], queue[0][0] - base_fee) >= tip:
                row = queue.pop(0)
                if row[2] <= left - loop:
                    loop += row[2]
                    rows.remove(row)
            left -= loop
            found.append(taken)
            expected.append(loop)
        assert found == expected
        pool.close(block)
        rows = [row for row in rows if row[3] > block]
        assert len(pool) == len(rows)
