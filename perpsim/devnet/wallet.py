"""Who signs: a private key, or an account of ape, which keeps its key."""

from __future__ import annotations

from typing import Any, Protocol

from eth_account import Account as Signing
from eth_utils import to_checksum_address

from perpsim.chain import Account


class Signer(Protocol):
    """An address that can sign. `fields` are those of an EIP-1559 transaction, as web3 names them."""

    @property
    def address(self) -> str:
        """Lower case hex."""

    def sign(self, fields: dict[str, Any]) -> bytes:
        """The raw transaction."""


class KeySigner:
    """Signs with a key that this process holds."""

    def __init__(self, holder: Account) -> None:
        self._holder = holder

    @property
    def address(self) -> str:
        return self._holder.address

    def sign(self, fields: dict[str, Any]) -> bytes:
        return bytes(Signing.sign_transaction(_complete(fields), self._holder.key).raw_transaction)


class ApeSigner:
    """Signs with an account of ape on the connected network."""

    def __init__(self, account: Any, provider: Any) -> None:
        self._account = account
        self._ecosystem = provider.network.ecosystem

    @property
    def address(self) -> str:
        return str(self._account.address).lower()

    def sign(self, fields: dict[str, Any]) -> bytes:
        transaction = self._ecosystem.create_transaction(**_complete(fields))
        signed = self._account.sign_transaction(transaction)
        if signed is None:
            raise ValueError("ape does not sign")
        return bytes(signed.serialize_transaction())


def _complete(fields: dict[str, Any]) -> dict[str, Any]:
    full = {"type": 2, "value": 0, **fields}
    if full.get("to"):
        full["to"] = to_checksum_address(full["to"])
    else:
        full.pop("to", None)
    return full
