"""The embedded py-evm, reached through web3.py and eth-tester: Cancun rules, exact gas, some milliseconds a
transaction.

Time, block gas limit, order and packing follow the same code as on pyrevm, and as there gas is not paid for
(gas price and base fee are 0): a fee market keeps its own ledger on top. Transactions are signed.
"""

from __future__ import annotations

from typing import Any

from eth_utils import to_checksum_address

from . import accounts
from .artifacts import Artifact
from .base import COINBASE, DEFAULT_BLOCK_GAS_LIMIT, OPEN_GAS_LIMIT, REJECTED, SETUP_GAS, Log, Receipt, Tx
from .embedded import EmbeddedChain
from .errors import MAX_REVERT_BYTES, Revert, decode_revert
from .signing import Wallet, one_line, raw_bytes, refusal


def _make_backend(timestamp: int, chain_id: int) -> Any:
    """The eth-tester backend: py-evm with one block open, whose time, fee and randomness are ours."""
    from eth.vm.forks import CancunVM
    from eth.vm.spoof import SpoofTransaction
    from eth_tester import PyEVMBackend
    from eth_tester.exceptions import TransactionFailed

    class OpenVM(CancunVM):
        @classmethod
        def validate_gas(cls, header: Any, parent_header: Any) -> None:
            """No rule ties our base fee to the parent's."""

    class Backend(PyEVMBackend):
        def __init__(self) -> None:
            super().__init__(
                genesis_parameters={
                    "coinbase": bytes(20),
                    "difficulty": 0,
                    "extra_data": b"",
                    "gas_limit": OPEN_GAS_LIMIT,
                    "mix_hash": bytes(32),
                    "nonce": bytes(8),
                    "timestamp": timestamp - 1,
                },
                genesis_state={bytes(20): {"balance": 0, "nonce": 0, "code": b"", "storage": {}}},
                vm_configuration=((0, OpenVM),),
            )
            type(self.chain).chain_id = chain_id
            self.vm: Any = None
            self.receipt: Any = None
            self.computation: Any = None
            self.enter(timestamp)

        def enter(self, timestamp: int) -> None:
            """Open the pending block at `timestamp`, keeping what has been executed in it."""
            if self.vm is not None:
                self.vm.state.persist()
                self.chain.header = self.chain.header.copy(state_root=self.vm.state.state_root)
            header = self.chain.header
            self.chain.header = header.copy(
                timestamp=timestamp,
                coinbase=raw_bytes(COINBASE),
                mix_hash=header.block_number.to_bytes(32, "big"),
                base_fee_per_gas=0,
            )
            # one VM for the whole block: the tries are written once, when it is mined
            self.vm = self.chain.get_vm(self.chain.header)

        def send_raw_transaction(self, raw_transaction: bytes) -> bytes:
            transaction = self.vm.get_transaction_builder().decode(raw_transaction)
            self.receipt, self.computation = self.vm.apply_transaction(self.chain.header, transaction)
            return bytes(transaction.hash)

        def mine_blocks(self, num_blocks: int = 1, coinbase: bytes = b"") -> tuple[bytes, ...]:
            header = self.chain.header
            self.vm.state.persist()
            self.chain.header = header.copy(state_root=self.vm.state.state_root)
            block = self.chain.mine_block(coinbase=header.coinbase, mix_hash=header.mix_hash)
            self.vm = None
            self.enter(header.timestamp + 1)
            return (bytes(block.hash),)

        def call(self, transaction: dict[str, Any], block_number: Any = "latest") -> bytes:
            unsigned = self._get_normalized_and_unsigned_evm_transaction(
                {"gas": SETUP_GAS, "nonce": 0, "gas_price": 0, **transaction}, "pending"
            )
            state = self.vm.state
            state.lock_changes()
            checkpoint = state.snapshot()
            self.computation = state.apply_transaction(SpoofTransaction(unsigned, from_=transaction["from"]))
            state.revert(checkpoint)
            if self.computation.is_error:
                raise TransactionFailed("reverted")
            return bytes(self.computation.output)

        def get_balance(self, account: bytes, block_number: Any = "latest") -> int:
            return int(self.vm.state.get_balance(account))

        def get_nonce(self, account: bytes, block_number: Any = "latest") -> int:
            return int(self.vm.state.get_nonce(account))

        def get_code(self, account: bytes, block_number: Any = "latest") -> bytes:
            return bytes(self.vm.state.get_code(account))

        def get_storage(self, account: bytes, slot: int, block_number: Any = "latest") -> int:
            return int(self.vm.state.get_storage(account, slot))

    return Backend()


class PyEvmChain(EmbeddedChain):
    """A chain on py-evm (Cancun), through eth-tester and web3. See the module."""

    engine = "py-evm"

    def __init__(
        self, *, timestamp: int, block_gas_limit: int = DEFAULT_BLOCK_GAS_LIMIT, chain_id: int = 31337
    ) -> None:
        super().__init__(timestamp=timestamp, block_gas_limit=block_gas_limit, chain_id=chain_id)
        from eth_tester import EthereumTester
        from web3 import EthereumTesterProvider, Web3

        class Tester(EthereumTester):
            def mine_block(self, coinbase: str = COINBASE) -> str:
                # called after each transaction; without auto-mining each would be run in a snapshot and again
                return ""

        self._backend = _make_backend(timestamp, chain_id)
        self._wallet = Wallet(chain_id)
        self.web3 = Web3(EthereumTesterProvider(Tester(self._backend)))
        self._entered = (1, timestamp)

    def _enter(self, number: int, timestamp: int) -> None:
        if self._entered != (number, timestamp):
            self._backend.enter(timestamp)
            self._entered = (number, timestamp)

    def _leave(self, transactions: int) -> None:
        self.web3.provider.make_request("evm_mine", [1])  # type: ignore[arg-type]
        number, timestamp = self._entered
        self._entered = (number + 1, timestamp + 1)

    def deploy(self, artifact: Artifact, *args: Any, sender: str) -> str:
        self._enter_pending()
        tx = Tx(sender.lower(), "", artifact.creation(*args), gas_limit=SETUP_GAS)
        address = accounts.create_address(tx.sender, self.nonce(tx.sender))
        receipt = self._run(tx, self._number + 1, len(self._pending))._replace(to=address)
        if not receipt.error.startswith(REJECTED):
            self._pending.append(receipt._replace(output=b""))
        if not receipt.status:
            raise Revert(f"{artifact.name}: {receipt.reason}", receipt.output)
        return address

    def view(self, to: str, data: bytes, sender: str | None = None, timestamp: int | None = None) -> bytes:
        from eth_tester.exceptions import TransactionFailed

        number = self._number + 1
        if timestamp is not None:
            context = (number, timestamp)
        elif self._pending or self._number == 0:
            context = (number, self._pending_timestamp)
        else:
            context = (self._number, self._timestamp)
        execution = self._backend.vm.state.execution_context
        kept = execution._block_number, execution._timestamp, execution._mix_hash
        # the open block is the next one, the view wants to stand in another
        execution._block_number, execution._timestamp = context
        execution._mix_hash = context[0].to_bytes(32, "big")
        fields = {
            "from": to_checksum_address(sender or COINBASE),
            "to": to_checksum_address(to),
            "data": "0x" + data.hex(),
            "gas": SETUP_GAS,
            "gasPrice": 0,
        }
        try:
            answer = self.web3.provider.ethereum_tester.call(_tester_call(fields), "pending")  # type: ignore[attr-defined]
        except TransactionFailed:
            computation = self._backend.computation
            words, output = _evm_error(computation)
            raise Revert(words or decode_revert(output), output) from None
        finally:
            execution._block_number, execution._timestamp, execution._mix_hash = kept
        return raw_bytes(answer)

    def _run(self, tx: Tx, number: int, index: int) -> Receipt:
        def rejected(words: str) -> Receipt:
            return Receipt(0, 0, b"", [], tx.id, number, index, tx.sender, tx.to, REJECTED + words)

        backend = self._backend
        try:
            raw = self._wallet.sign(tx, self.nonce(tx.sender), tx.gas_limit, {"gasPrice": 0})
        except KeyError:
            return rejected(f"no key for the sender {tx.sender}")
        except Exception as error:
            return rejected(one_line(error))
        try:
            self.web3.eth.send_raw_transaction(raw)
        except Exception as error:
            return rejected(refusal(error))
        computation, receipt = backend.computation, backend.receipt
        gas_used = int(receipt.gas_used)
        if computation.is_error:
            words, output = _evm_error(computation)
            return Receipt(0, gas_used, output, [], tx.id, number, index, tx.sender, tx.to, words)
        logs = [
            Log(
                "0x" + entry.address.hex(),
                [t.to_bytes(32, "big") for t in entry.topics],
                bytes(entry.data),
                *at,
            )
            for entry, at in ((entry, (number, index, i)) for i, entry in enumerate(receipt.logs))
        ]
        return Receipt(1, gas_used, bytes(computation.output), logs, tx.id, number, index, tx.sender, tx.to)

    def _held(self, address: str) -> int:
        return int(self.web3.eth.get_balance(to_checksum_address(address)))

    def fund_native(self, address: str, amount: int) -> None:
        state = self._backend.vm.state
        raw = raw_bytes(address)
        state.set_balance(raw, state.get_balance(raw) + amount)

    def nonce(self, address: str) -> int:
        return int(self._backend.get_nonce(raw_bytes(address)))

    def code(self, address: str) -> bytes:
        return bytes(self._backend.get_code(raw_bytes(address)))

    def storage(self, address: str, slot: int) -> int:
        return int(self._backend.get_storage(raw_bytes(address), slot))


def _tester_call(fields: dict[str, Any]) -> dict[str, Any]:
    renamed = {"gasPrice": "gas_price"}
    return {renamed.get(key, key): value for key, value in fields.items()}


def _evm_error(computation: Any) -> tuple[str, bytes]:
    """(word for a halt or "", revert data) of a failed py-evm computation."""
    from eth.exceptions import OutOfGas
    from eth.exceptions import Revert as EvmRevert

    if isinstance(computation.error, EvmRevert):
        return "", bytes(computation.output[:MAX_REVERT_BYTES])
    if isinstance(computation.error, OutOfGas):
        return "out of gas", b""
    return f"halted: {type(computation.error).__name__}", b""
