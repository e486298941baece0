"""Packed account numbers, packed rows, and lights."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpsim.deleveraging.lights import lights, quintiles
from perpsim.deleveraging.packing import Listed, pack_ids, pack_rows, unpack_ids, unpack_rows

ACCOUNT = st.integers(1, 2**32 - 1)
U128 = st.integers(0, 2**128 - 1)
LISTED = st.builds(
    Listed, account=ACCOUNT, key=U128, size=st.integers(0, 2**96 - 1), taken=U128, haircut=U128
)


def test_the_first_account_is_in_the_lowest_bits():
    assert pack_ids([5, 7]) == [5 | 7 << 32]
    assert pack_ids(range(1, 10))[0] == sum((n + 1) << 32 * n for n in range(8))
    assert pack_ids(range(1, 10))[1] == 9


@given(accounts=st.lists(ACCOUNT, max_size=40))
def test_packed_accounts_come_back(accounts):
    words = pack_ids(accounts)
    assert len(words) == -(-len(accounts) // 8)
    assert all(0 < word < 2**256 for word in words)
    assert unpack_ids(words) == accounts


def test_accounts_after_a_zero_are_not_read():
    assert unpack_ids([5 | 7 << 64, 9]) == [5]


@pytest.mark.parametrize("account", [0, -1, 2**32])
def test_an_account_that_does_not_fit_is_refused(account):
    with pytest.raises(ValueError, match="not a number of 32 bits"):
        pack_ids([1, account])


@given(rows=st.lists(LISTED, max_size=10))
def test_packed_rows_come_back(rows):
    assert unpack_rows(pack_rows(rows)) == rows


def test_a_row_is_laid_out_as_documented():
    words = pack_rows([Listed(account=3, key=5, size=7, taken=11, haircut=13)])
    assert words == [5 << 128 | 7 << 32 | 3, 11 << 128 | 13]


def test_half_a_row_is_refused():
    with pytest.raises(ValueError, match="3 words"):
        unpack_rows([1, 2, 3])


@given(sizes=st.lists(st.integers(1, 10**24), min_size=1, max_size=30))
def test_lights_never_rise_along_the_queue_and_the_last_has_one(sizes):
    lit = lights(sizes)
    assert lit == sorted(lit, reverse=True)
    assert lit[-1] == 1 and set(lit) <= {1, 2, 3, 4, 5}
    total, reached = sum(sizes), 0
    for size, place in zip(sizes, quintiles(sizes)):
        reached += size
        assert (place - 1) * total < 5 * reached <= place * total


def test_a_side_without_size_is_last_in_line():
    assert lights([0, 0]) == [1, 1]
    assert lights([]) == []
    assert lights([0, 5]) == [5, 1]
