"""py-evm's Cancun state over accounts that somebody else holds: read when asked for, written to a layer
above.

Whatever a transaction reads comes from a `Reader` at that moment; whatever it writes stays here, so the
holder notices nothing, and the layer is the exact list of what the transaction would change.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.cancun.state import CancunState
from eth.vm.message import Message
from eth_utils import keccak

from .quick_opcodes import QuickComputation

_EMPTY_CODE_HASH = keccak(b"")
_ABSENT: Any = object()


class Reader(Protocol):
    """Where the state is read from. Addresses are lower case hex."""

    def storage(self, address: str, slot: int) -> int:
        """A storage word."""

    def account(self, address: str) -> tuple[int, int, bytes]:
        """Balance (wei), nonce, code."""

    def block_hash(self, number: int) -> bytes:
        """Hash of a block, 32 bytes."""


class BlockContext(NamedTuple):
    """The block that a transaction stands in; fees are zero in it."""

    number: int
    timestamp: int
    coinbase: str
    gas_limit: int
    chain_id: int


class _Account(NamedTuple):
    balance: int
    nonce: int
    code: bytes


class LazyState(CancunState):
    """One transaction's view of the world. `written` and `balances` say what it left changed."""

    computation_class = QuickComputation

    def __init__(self, reader: Reader, block: BlockContext) -> None:
        # the parents' constructor makes a trie database: there is none here
        self.execution_context = ExecutionContext(
            coinbase=_raw(block.coinbase),
            timestamp=block.timestamp,
            block_number=_number(block.number),
            difficulty=0,
            mix_hash=_word(block.number),
            gas_limit=block.gas_limit,
            prev_hashes=(),
            chain_id=block.chain_id,
            base_fee_per_gas=0,
            excess_blob_gas=0,
        )
        self._reader = reader
        self._before: dict[tuple[bytes, int], int] = {}
        self._storage: dict[tuple[bytes, int], int] = {}
        self._accounts_before: dict[bytes, _Account] = {}
        self._accounts: dict[bytes, _Account] = {}
        self._transient: dict[tuple[bytes, int], bytes] = {}
        self._warm: dict[Any, bool] = {}
        # (table, key, what it held), newest last: a revert takes entries back to where its snapshot stood
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []

    def call(self, sender: str, to: str, data: bytes, value: int, gas: int) -> Any:
        """py-evm's computation of a transaction with that much gas left after its intrinsic cost."""
        origin, target = _raw(sender), _raw(to)
        self.mark_address_warm(origin)
        self.mark_address_warm(target)
        message = Message(gas, target, origin, value, data, self.get_code(target))
        context = self.get_transaction_context_class()(gas_price=0, origin=origin)
        return self.computation_class.apply_message(self, message, context)

    @property
    def written(self) -> Iterator[tuple[str, int, int]]:
        """(address, slot, value) of every slot written and not taken back."""
        return (("0x" + address.hex(), slot, value) for (address, slot), value in self._storage.items())

    @property
    def balances(self) -> Iterator[tuple[str, int]]:
        """(address, wei) of every account written."""
        return (("0x" + address.hex(), account.balance) for address, account in self._accounts.items())

    def _set(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        self._undo.append((table, key, table.get(key, _ABSENT)))
        table[key] = value

    # ------------------------------------------------------------------------------------ snapshots

    def snapshot(self) -> Any:
        return len(self._undo)

    def commit(self, snapshot: Any) -> None:
        """Nothing to do: what was written is in the tables."""

    def revert(self, snapshot: Any) -> None:
        undo = self._undo
        while len(undo) > snapshot:
            table, key, value = undo.pop()
            if value is _ABSENT:
                del table[key]
            else:
                table[key] = value

    # -------------------------------------------------------------------------------------- storage

    def get_storage(self, address: bytes, slot: int, from_journal: bool = True) -> int:
        key = (address, slot)
        if from_journal:
            value = self._storage.get(key)
            if value is not None:
                return value
        found = self._before.get(key)
        if found is None:
            found = self._before[key] = self._reader.storage("0x" + address.hex(), slot)
        return found

    def set_storage(self, address: bytes, slot: int, value: int) -> None:
        self._set(self._storage, (address, slot), value)

    def delete_storage(self, address: bytes) -> None:
        """Called for the address of a new contract, where there is none."""

    def get_transient_storage(self, address: bytes, slot: int) -> bytes:
        return self._transient.get((address, slot), b"")

    def set_transient_storage(self, address: bytes, slot: int, value: bytes) -> None:
        self._set(self._transient, (address, slot), value)

    def is_storage_warm(self, address: bytes, slot: int) -> bool:
        return (address, slot) in self._warm

    def mark_storage_warm(self, address: bytes, slot: int) -> None:
        self._set(self._warm, (address, slot), True)

    def is_address_warm(self, address: bytes) -> bool:
        return address in self._warm or address in self.computation_class.get_precompiles()

    def mark_address_warm(self, address: bytes) -> None:
        self._set(self._warm, address, True)

    # ------------------------------------------------------------------------------------- accounts

    def _account(self, address: bytes) -> _Account:
        account = self._accounts.get(address) or self._accounts_before.get(address)
        if account is None:
            account = _Account(*self._reader.account("0x" + address.hex()))
            self._accounts_before[address] = account
        return account

    def get_balance(self, address: bytes) -> int:
        return self._account(address).balance

    def set_balance(self, address: bytes, balance: int) -> None:
        self._set(self._accounts, address, self._account(address)._replace(balance=balance))

    def get_nonce(self, address: bytes) -> int:
        return self._account(address).nonce

    def set_nonce(self, address: bytes, nonce: int) -> None:
        self._set(self._accounts, address, self._account(address)._replace(nonce=nonce))

    def increment_nonce(self, address: bytes) -> None:
        self.set_nonce(address, self.get_nonce(address) + 1)

    def get_code(self, address: bytes) -> bytes:
        return self._account(address).code

    def set_code(self, address: bytes, code: bytes) -> None:
        self._set(self._accounts, address, self._account(address)._replace(code=code))

    def get_code_hash(self, address: bytes) -> Any:
        code = self.get_code(address)
        return keccak(code) if code else _EMPTY_CODE_HASH

    def has_code_or_nonce(self, address: bytes) -> bool:
        account = self._account(address)
        return bool(account.code) or account.nonce > 0

    def account_exists(self, address: bytes) -> bool:
        return not self.account_is_empty(address)

    def account_is_empty(self, address: bytes) -> bool:
        return not any(self._account(address))

    def touch_account(self, address: bytes) -> None:
        """Of meaning only where empty accounts are left to be cleared."""

    def get_ancestor_hash(self, block_number: int) -> Any:
        if not max(0, self.block_number - 256) <= block_number < self.block_number:
            return b""
        return self._reader.block_hash(block_number)


def _number(number: int) -> Any:
    return number


def _word(number: int) -> Any:
    return number.to_bytes(32, "big")


def _raw(address: str) -> Any:
    return bytes.fromhex(address[2:])
