"""A `Chain` over the network that ape is connected to, for scripts: one transaction at a time, signed by an
ape account.

Simulations do not run on it; they open an engine of their own (`open_chain`).
"""

from __future__ import annotations

from typing import Any

from .accounts import Account, create_address
from .artifacts import Artifact
from .base import DEFAULT_BLOCK_GAS_LIMIT, Block, Chain, Log, Receipt
from .errors import EngineError, Revert


class ApeChain(Chain):
    """The connected network. `signer` is an ape account; it is account 0 and the only one that can send."""

    engine = "ape"

    def __init__(self, provider: Any, signer: Any) -> None:
        self._provider = provider
        self._signer = signer
        head = provider.get_block("latest")
        super().__init__(
            timestamp=int(head.timestamp) + 1,
            block_gas_limit=DEFAULT_BLOCK_GAS_LIMIT,
            chain_id=int(provider.chain_id),
        )

    def account(self, index: int) -> Account:
        """Account 0 is the signer; its key stays with ape."""
        if index != 0:
            raise EngineError("through ape only the connected account can send")
        return Account(0, str(self._signer.address).lower(), b"")

    @property
    def block_number(self) -> int:
        """Number of the network's last block."""
        return int(self._provider.get_block("latest").number)

    @property
    def timestamp(self) -> int:
        """Timestamp of the network's last block, seconds."""
        return int(self._provider.get_block("latest").timestamp)

    @property
    def pending_timestamp(self) -> int:
        """The network's last timestamp: one that the next transaction cannot find in the future, seconds."""
        return self.timestamp

    def deploy(self, artifact: Artifact, *args: Any, sender: str) -> str:
        address = create_address(sender.lower(), self.nonce(sender))
        receipt = self._send(None, artifact.creation(*args), 0)
        if not receipt.status:
            raise Revert(f"{artifact.name}: {receipt.reason}", receipt.output)
        return address

    def execute(
        self, sender: str, to: str, data: bytes, *, value: int = 0, gas: int | None = None
    ) -> Receipt:
        return self._send(to, data, value)

    def view(self, to: str, data: bytes, sender: str | None = None, timestamp: int | None = None) -> bytes:
        if timestamp is not None:
            raise EngineError("a connected network cannot be asked about another time")
        web3 = self._provider.web3
        try:
            return bytes(web3.eth.call({"to": web3.to_checksum_address(to), "data": "0x" + data.hex()}))
        except Exception as error:
            raise Revert(str(error).splitlines()[0]) from None

    def mine(self, timestamp: int) -> tuple[Block, list[Receipt]]:
        raise EngineError("simulations do not run through ape: use --engine")

    def seal(self) -> Block:
        raise EngineError("simulations do not run through ape: use --engine")

    def balance(self, address: str) -> int:
        return int(self._provider.get_balance(self._checksummed(address)))

    def fund_native(self, address: str, amount: int) -> None:
        raise EngineError("a connected network gives nothing away")

    def nonce(self, address: str) -> int:
        return int(self._provider.get_nonce(self._checksummed(address)))

    def code(self, address: str) -> bytes:
        return bytes(self._provider.get_code(self._checksummed(address)))

    def storage(self, address: str, slot: int) -> int:
        return int.from_bytes(bytes(self._provider.get_storage(self._checksummed(address), slot)), "big")

    def _checksummed(self, address: str) -> str:
        return str(self._provider.web3.to_checksum_address(address))

    def _send(self, to: str | None, data: bytes, value: int) -> Receipt:
        from ape.exceptions import ContractLogicError, OutOfGasError

        fields: dict[str, Any] = {"data": data, "value": value}
        if to is not None:
            fields["receiver"] = self._checksummed(to)
        transaction = self._provider.network.ecosystem.create_transaction(**fields)
        try:
            done = self._signer.call(transaction)
        except ContractLogicError as error:
            return self._receipt(0, 0, [], to, str(error.revert_message or error.message))
        except OutOfGasError:
            return self._receipt(0, 0, [], to, "out of gas")
        logs = [
            Log(
                str(entry["address"]).lower(),
                [bytes(topic) for topic in entry["topics"]],
                bytes(entry["data"]),
                int(done.block_number),
                0,
                position,
            )
            for position, entry in enumerate(done.logs)
        ]
        return self._receipt(int(done.status), int(done.gas_used), logs, to, "")

    def _receipt(self, status: int, gas: int, logs: list[Log], to: str | None, error: str) -> Receipt:
        sender = self.account(0).address
        return Receipt(status, gas, b"", logs, 0, self.block_number, 0, sender, to or "", error)
