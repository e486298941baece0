"""The queue by itself: order, nonces, replacement, expiry."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpsim.chain import Tx
from perpsim.chain.mempool import Mempool, Round, outbids

KEEPER, RIVAL, TRADER = "0xkeeper", "0xrival", "0xtrader"


def pool_of(*txs):
    pool = Mempool()
    for number, tx in enumerate(txs):
        tx.id = number
        pool.add(tx)
    return pool


def tx(sender=KEEPER, nonce=None, tip=1, max_fee=None, arrival=0.0, gas=100, expires=None):
    return Tx(sender, "0x", b"", gas, tip, max_fee, arrival, nonce=nonce, expires=expires)


def fill(pool, base_fee=0, nonces=None, room=10**9):
    """A block from `pool`: the ids in order. Everybody uses all the gas that he asks for."""
    nonces = {} if nonces is None else nonces
    taken = []
    turn = Round(pool, base_fee, lambda sender: nonces.get(sender, 0))
    while (found := turn.pop()) is not None:
        if found.gas_limit > room:
            turn.waits(found)
            continue
        room -= found.gas_limit
        nonces[found.sender] = nonces.get(found.sender, 0) + 1
        turn.included(found)
        taken.append(found.id)
    turn.close()
    return taken


def test_nonces_go_before_tips():
    pool = pool_of(tx(nonce=1, tip=90), tx(nonce=0, tip=2), tx(RIVAL, tip=5), tx(nonce=2, tip=3))
    assert fill(pool) == [2, 1, 0, 3]
    assert len(pool) == 0


def test_a_gap_holds_up_what_is_behind_it():
    pool, nonces = pool_of(tx(nonce=4), tx(nonce=6), tx(nonce=7)), {KEEPER: 4}
    assert fill(pool, nonces=nonces) == [0]
    late = tx(nonce=5)
    late.id = 3
    pool.add(late)
    assert fill(pool, nonces=nonces) == [3, 1, 2]


def test_one_that_cannot_pay_holds_up_what_is_behind_it():
    pool = pool_of(tx(nonce=0, max_fee=50), tx(nonce=1, tip=9, max_fee=500), tx(tip=9), tx(RIVAL))
    assert fill(pool, base_fee=60) == [3]
    assert [waiting.id for waiting in pool] == [0, 1, 2]
    assert fill(pool, base_fee=50) == [0, 1, 2]


def test_one_that_does_not_fit_holds_up_its_sender_and_nobody_else():
    pool = pool_of(tx(nonce=0, tip=9, gas=900), tx(nonce=1, tip=8), tx(RIVAL), tx(TRADER))
    assert fill(pool, room=800) == [2, 3]
    assert fill(pool, room=1_000) == [0, 1]


def test_who_names_no_nonce_gets_the_next_unless_another_names_it():
    # 3 is named by the second: the first takes it only after that one, as number 4, and 5 is named again
    pool = pool_of(tx(tip=9), tx(nonce=3, tip=1), tx(nonce=5, tip=1), tx(tip=8))
    assert fill(pool, nonces={KEEPER: 3}) == [1, 0, 2, 3]


def test_a_nonce_that_is_used_already_is_refused():
    pool = pool_of(tx(nonce=1), tx(nonce=2))
    assert fill(pool, nonces={KEEPER: 2}) == [1]
    ((refused, why),) = pool.take_refused()
    assert (refused.id, why) == (0, "nonce already used")
    assert pool.take_refused() == []


@pytest.mark.parametrize(
    ("old", "new", "replaces"),
    [
        ((100, 1_000), (110, 1_100), True),
        ((100, 1_000), (109, 1_100), False),
        ((100, 1_000), (110, 1_099), False),
        ((100, 1_000), (200, None), True),
        ((100, None), (110, None), True),
        ((100, None), (200, 10_000), False),
        ((0, 0), (1, 1), True),
        ((0, None), (0, None), False),
        ((5, 5), (5, 5), False),
        ((9, 15), (10, 17), True),
        ((1, 15), (2, 16), False),
    ],
)
def test_a_replacement_bids_a_tenth_more_in_both(old, new, replaces):
    first, second = (tx(nonce=0, tip=tip, max_fee=max_fee) for tip, max_fee in (old, new))
    assert outbids(second, first) == replaces
    pool = pool_of(first, second)
    assert [waiting.id for waiting in pool] == [1 if replaces else 0]
    refused = [(late.id, why) for late, why in pool.take_refused()]
    assert refused == ([] if replaces else [(1, "replacement bids less than 10 % more")])


def test_others_and_other_nonces_are_not_replaced():
    pool = pool_of(tx(nonce=0), tx(nonce=1, tip=9), tx(RIVAL, nonce=0, tip=9), tx(tip=9))
    assert len(pool) == 4
    assert [waiting.id for waiting in pool.of(KEEPER)] == [0, 1, 3]


def test_expiry_names_the_last_block():
    pool = pool_of(tx(expires=5), tx(nonce=0, expires=6), tx())
    assert pool.expire(4) == []
    assert [gone.id for gone in pool.expire(5)] == [0]
    assert [gone.id for gone in pool.expire(9)] == [1]
    assert [left.id for left in pool] == [2]
    assert pool.of(KEEPER)[0].id == 2


def test_what_is_left_when_a_block_closes_early_waits_on():
    pool = pool_of(tx(tip=3), tx(RIVAL, nonce=0, tip=2), tx(RIVAL, tip=9), tx(TRADER))
    turn = Round(pool, 0, lambda sender: 0)
    turn.included(turn.pop())
    turn.close()
    assert [waiting.id for waiting in pool] == [1, 2, 3]


def test_a_copy_lives_its_own_life():
    pool = pool_of(tx(), tx(RIVAL, nonce=0))
    other = pool.copy()
    assert fill(pool) == [0, 1]
    assert (len(pool), len(other)) == (0, 2)


BIDS = st.tuples(
    st.sampled_from([KEEPER, RIVAL, TRADER]),
    st.none() | st.integers(0, 5),
    st.integers(0, 30),
    st.none() | st.integers(0, 60),
    st.integers(1, 400),
)


@given(
    st.lists(st.lists(BIDS, max_size=8), min_size=1, max_size=6), st.integers(0, 50), st.integers(100, 1_000)
)
def test_whatever_comes_nonces_ascend_without_a_gap_and_nothing_is_lost(batches, base_fee, room):
    pool, nonces, number = Mempool(), {}, 0
    known, included, refused = {}, [], set()
    for batch in batches:
        replaced = set()
        for sender, nonce, tip, max_fee, gas in batch:
            new = tx(sender, nonce, tip, max_fee, gas=gas)
            new.id = number
            number += 1
            before = {waiting.id for waiting in pool}
            pool.add(new)
            replaced |= before - {waiting.id for waiting in pool}
            known[new.id] = new
        before = {waiting.id for waiting in pool}
        run, start = [], Counter(nonces)
        left = room
        turn = Round(pool, base_fee, start.__getitem__)
        while (found := turn.pop()) is not None:
            assert found.effective_tip(base_fee) >= 0
            if found.nonce is not None:
                assert found.nonce == nonces.get(found.sender, 0)
            if found.gas_limit > left:
                turn.waits(found)
                continue
            left -= found.gas_limit
            # nobody who names no number takes that of one who does
            if found.nonce is None:
                named = [other.nonce for other in pool.of(found.sender)]
                assert nonces.get(found.sender, 0) not in named
            nonces[found.sender] = nonces.get(found.sender, 0) + 1
            turn.included(found)
            run.append(found.id)
        turn.close()
        dropped = {late.id for late, _ in pool.take_refused()}
        waiting = {one.id for one in pool}
        assert left >= 0
        assert waiting | set(run) | (dropped & before) == before
        assert not waiting & set(run)
        included += run
        refused |= dropped | replaced
    assert len(set(included)) == len(included)
    assert set(included) | refused | {one.id for one in pool} == set(known)
