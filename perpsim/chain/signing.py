"""Signed transactions, and the words for those that are refused: what engines behind web3.py share."""

from __future__ import annotations

from typing import Any

from eth_account import Account as Signer
from eth_utils import to_checksum_address

from . import accounts
from .base import Tx


def raw_bytes(value: str | bytes) -> bytes:
    """Bytes, also of hexadecimal digits after 0x."""
    return bytes(value) if isinstance(value, bytes) else bytes.fromhex(value[2:])


def one_line(error: object) -> str:
    """An error in at most 200 characters."""
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:197] + "..."


class Wallet:
    """Signs for the accounts of `accounts.account`."""

    def __init__(self, chain_id: int) -> None:
        self.chain_id = chain_id

    def sign(self, tx: Tx, nonce: int, gas: int, fees: dict[str, int]) -> bytes:
        """The raw transaction; KeyError if the sender's key is unknown, ValueError if a field is
        malformed."""
        holder = accounts.by_address(tx.sender)
        if holder is None:
            raise KeyError(tx.sender)
        fields: dict[str, Any] = {
            "chainId": self.chain_id,
            "nonce": nonce,
            "gas": gas,
            "value": tx.value,
            "data": tx.data,
            **fees,
        }
        if tx.to:
            fields["to"] = to_checksum_address(tx.to)
        return bytes(Signer.sign_transaction(fields, holder.key).raw_transaction)


def refusal(error: Exception) -> str:
    """Why an engine takes a transaction into no block, in one set of words for all."""
    text = one_line(error)
    lowered = text.lower()
    if "insufficient gas" in lowered or "intrinsic gas" in lowered:
        return "gas limit below the intrinsic cost"
    if "insufficient funds" in lowered or "balance" in lowered:
        return "not enough native coin for the value sent"
    return text
