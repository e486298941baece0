"""Words of deleveraging lists: account numbers as a keeper hands them in, rows as a receipt reports them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

IDS_PER_WORD = 8
#: most accounts that one list handed in at once can name
MAX_IDS = 2048

_U32 = 2**32 - 1
_U96 = 2**96 - 1
_U128 = 2**128 - 1


def pack_ids(accounts: Sequence[int]) -> list[int]:
    """Account numbers eight a word, 32 bits each, the first in the lowest bits; 0 fills the last word."""
    words = []
    for start in range(0, len(accounts), IDS_PER_WORD):
        word = 0
        for place, account in enumerate(accounts[start : start + IDS_PER_WORD]):
            if not 0 < account <= _U32:
                raise ValueError(f"account {account} is not a number of 32 bits above 0")
            word |= account << 32 * place
        words.append(word)
    return words


def unpack_ids(words: Sequence[int]) -> list[int]:
    """The account numbers up to the first 0."""
    accounts: list[int] = []
    for word in words:
        for place in range(IDS_PER_WORD):
            account = word >> 32 * place & _U32
            if account == 0:
                return accounts
            accounts.append(account)
    return accounts


class Listed(NamedTuple):
    """A counterparty in a receipt, WAD: `size` before, `taken` of it (quote if it is charged), `haircut`."""

    account: int
    key: int
    size: int
    taken: int
    haircut: int


def pack_rows(rows: Sequence[Listed]) -> list[int]:
    """Two words a counterparty: key u128 | size u96 | account u32, then taken u128 | haircut u128."""
    words = []
    for row in rows:
        words += [row.key << 128 | row.size << 32 | row.account, row.taken << 128 | row.haircut]
    return words


def unpack_rows(words: Sequence[int]) -> list[Listed]:
    """The counterparties of `pack_rows`; an odd number of words is a ValueError."""
    if len(words) % 2:
        raise ValueError(f"rows of two words each in {len(words)} words")
    return [
        Listed(head & _U32, head >> 128, head >> 32 & _U96, tail >> 128, tail & _U128)
        for head, tail in zip(words[::2], words[1::2])
    ]
