"""Deterministic accounts: the same address and key for index `i` on every engine and every machine.

The keys are public knowledge. They are for simulations and tests, never for money.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from coincurve import PublicKey
from eth_hash.auto import keccak

_KEY_SEED = b"perpsim account "
_CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


class Account(NamedTuple):
    """An externally owned account: its number, its address (lower case hex) and its private key."""

    number: int
    address: str
    key: bytes


@cache
def account(index: int) -> Account:
    """Account number `index` (>= 0). Computed on first use, about 40 us each."""
    if index < 0:
        raise ValueError(f"account index {index} is negative")
    secret = int.from_bytes(keccak(_KEY_SEED + index.to_bytes(8, "big")), "big") % (_CURVE_ORDER - 1) + 1
    key = secret.to_bytes(32, "big")
    public = PublicKey.from_valid_secret(key).format(compressed=False)
    address = "0x" + keccak(public[1:])[12:].hex()
    found = Account(index, address, key)
    _BY_ADDRESS[address] = found
    return found


_BY_ADDRESS: dict[str, Account] = {}


def by_address(address: str) -> Account | None:
    """The account with this address, if its index has been asked for in this process."""
    return _BY_ADDRESS.get(address.lower())


def create_address(sender: str, nonce: int) -> str:
    """Address of a contract that `sender` creates with `nonce` (CREATE), lower case hex."""
    import rlp

    encoded = rlp.encode([bytes.fromhex(sender[2:]), nonce])
    return "0x" + keccak(encoded)[12:].hex()
