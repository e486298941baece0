"""The default engine: pyrevm in this process.

pyrevm runs calls, not a chain; this class adds the chain. What it has to live with (pyrevm 0.3.7):

- `message_call` moves no nonce and charges no gas: nonces are kept here, fees are not charged here.
- A transaction is never ended. Its journal and its logs stay in memory (0.4 to 3 kB a call), what it touched
  stays warm, and "original" values stay those of the start, so later gas figures come out 16 to 60 % low.
  `flush` ends the past: it reads what changed since the last flush from the journal's text, takes the journal
  back with a revert and writes the changes under it, into the database. Memory is bounded by flushing every
  `flush_every` transactions (about 5 us a transaction and 1 us a slot that changed). With `flush_every=1`
  every transaction starts cold, as on a real chain, and its gas is exact, for some 60 us more a transaction;
  `flush()` just before a transaction makes that one's gas exact. A `GasModel` makes all gas figures nearly
  true for less: it says which transactions need a flush before them, and estimates the others.
- Revert data is found only in the text of an exception.
- Transient storage outlives a call and is reset by hand.

Gas used includes the intrinsic 21,000, the calldata and the refund, as in a receipt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pyrevm import EVM, AccountInfo, BlockEnv

from .artifacts import Artifact
from .base import (
    COINBASE,
    DEFAULT_BLOCK_GAS_LIMIT,
    OPEN_GAS_LIMIT,
    REJECTED,
    SETUP_GAS,
    Log,
    Receipt,
    Tx,
)
from .embedded import EmbeddedChain
from .errors import MAX_REVERT_BYTES, EngineError, Revert, decode_revert
from .gas_model import GasModel, Run
from .journal import JournalReader, SlotChange

if TYPE_CHECKING:
    from .audit import Auditor, Outcome

#: transactions between two flushes: the journal and its text stay at some 200 MB
FLUSH_EVERY = 20_000
_HEX_KEPT = 2 * MAX_REVERT_BYTES
#: share of its gas limit up to which a transaction's estimated gas is believed
_SAFE = 0.95

_new = tuple.__new__
# pyrevm's stubs lag behind what it takes
_info: Any = AccountInfo


class Snapshot:
    """A point to return to with `RevmChain.revert`; strictly last in, first out."""

    def __init__(self, chain: RevmChain, checkpoint: Any) -> None:
        self.checkpoint = checkpoint
        self.state = chain._bookkeeping()


class Mark:
    """A point to return to with `RevmChain.rewind`, as often as one likes."""

    def __init__(self, chain: RevmChain) -> None:
        self.state = chain._bookkeeping()
        # what flushes since then have overwritten in the database
        self.slots: dict[tuple[str, int], int] = {}
        self.infos: dict[str, Any] = {}


class _State:
    """What an audit reads of the EVM. Reading loads accounts, so it is done under a snapshot."""

    def __init__(self, evm: EVM) -> None:
        self._evm = evm
        self.storage = evm.storage
        self.held = evm.get_balance
        self.block_hash = evm.block_hash

    def account(self, address: str) -> tuple[int, int, bytes]:
        """Balance (wei), nonce, code."""
        info = self._evm.basic(address)
        return info.balance, info.nonce, self._evm.get_code(address) or b""


class RevmChain(EmbeddedChain):
    """A chain on pyrevm. See the module.

    With an `auditor`, the transactions that it draws are executed by py-evm too and must agree, else
    `AuditFailure`. With a `gas_model`, gas used is that of a cold start, estimated or measured.
    """

    engine = "revm"

    def __init__(
        self,
        *,
        timestamp: int,
        block_gas_limit: int = DEFAULT_BLOCK_GAS_LIMIT,
        chain_id: int = 31337,
        flush_every: int = FLUSH_EVERY,
        auditor: Auditor | None = None,
        gas_model: GasModel | None = None,
    ) -> None:
        super().__init__(timestamp=timestamp, block_gas_limit=block_gas_limit, chain_id=chain_id)
        if flush_every < 1:
            raise ValueError("flush_every must be at least 1")
        from pyrevm import CfgEnv, Env

        self._evm = EVM(env=Env(cfg=CfgEnv(chain_id=chain_id)), gas_limit=OPEN_GAS_LIMIT, spec_id="CANCUN")
        self.auditor = auditor
        #: None where every transaction starts cold anyhow
        self.gas_model = gas_model if flush_every > 1 else None
        self._flush_every = flush_every
        self._since_flush = 0
        self._journal = JournalReader()
        self._nonces: dict[str, int] = {}
        self._lower: dict[str, str] = {}
        self._snapshots: list[Snapshot] = []
        self._mark: Mark | None = None
        self._env: tuple[int, int] | None = None
        # everything after this checkpoint is journal: flush() moves it into the database
        self._base = self._evm.snapshot()

    # ---------------------------------------------------------------------------------- environment

    def _enter(self, number: int, timestamp: int) -> None:
        """Make the EVM stand in block `number` at `timestamp`."""
        if self._env != (number, timestamp):
            self._evm.set_block_env(
                BlockEnv(
                    number=number,
                    coinbase=COINBASE,
                    timestamp=timestamp,
                    prevrandao=number.to_bytes(32, "big"),
                    gas_limit=self.block_gas_limit,
                )
            )
            self._env = (number, timestamp)

    def _leave(self, transactions: int) -> None:
        self._since_flush += transactions
        if self._since_flush >= self._flush_every and not self._snapshots:
            self.flush()

    def _after_transaction(self) -> None:
        if self._flush_every == 1 and not self._snapshots:
            self.flush()

    # ------------------------------------------------------------------------------------ execution

    def deploy(self, artifact: Artifact, *args: Any, sender: str) -> str:
        if self._mark is not None:
            raise EngineError("cannot deploy while a mark is set: rewinding does not take code back")
        sender = sender.lower()
        self._enter_pending()
        evm = self._evm
        nonce = self._nonces.get(sender, 0)
        info = evm.basic(sender)
        if info.nonce != nonce:
            evm.insert_account_info(sender, _info(info.balance, nonce))
            self._journal.forget(sender)
        try:
            address: str = evm.deploy(sender, artifact.creation(*args), None, SETUP_GAS).lower()
        except RuntimeError as error:
            result = evm.result
            if result is not None:
                self._nonces[sender] = nonce + 1
            output, words = _failure(error, result)
            raise Revert(f"{artifact.name}: {words or decode_revert(output)}", output) from None
        finally:
            evm.reset_transient_storage()
        self._nonces[sender] = nonce + 1
        result = evm.result
        self._pending.append(
            self._receipt(Tx(sender, "", b""), b"", result, self._number + 1, len(self._pending), address)
        )
        self._after_transaction()
        return address

    def view(self, to: str, data: bytes, sender: str | None = None, timestamp: int | None = None) -> bytes:
        if timestamp is not None:
            self._enter(self._number + 1, timestamp)
        elif self._pending or self._number == 0:
            self._enter_pending()
        else:
            self._enter(self._number, self._timestamp)
        evm = self._evm
        checkpoint = evm.snapshot()
        try:
            output: bytes = evm.message_call(sender or COINBASE, to, data, None, SETUP_GAS)
        except RuntimeError as error:
            raw, words = _failure(error, evm.result)
            raise Revert(words or decode_revert(raw), raw) from None
        finally:
            evm.revert(checkpoint)
            evm.reset_transient_storage()
        return output

    def _run(self, tx: Tx, number: int, index: int) -> Receipt:
        """Execute in the current block environment; every failure becomes a receipt."""
        auditor, model = self.auditor, self.gas_model
        if auditor is not None and auditor.draws():
            return self._audited(auditor, tx, number, index)
        if model is None:
            return self._call(tx, number, index)
        return self._metered(model, tx, number, index)

    def _call(self, tx: Tx, number: int, index: int) -> Receipt:
        """Execute as the EVM stands; gas used is pyrevm's figure."""
        evm = self._evm
        sender = tx.sender
        try:
            output = evm.message_call(sender, tx.to, tx.data, tx.value or None, tx.gas_limit)
        except MemoryError:
            # Nothing that the exchange did.
            raise
        except Exception as error:
            result = evm.result if isinstance(error, RuntimeError) else None
            evm.reset_transient_storage()
            output, words = _failure(error, result)
            gas_used = 0
            if result is not None:
                gas_used = result.gas_used
                self._nonces[sender] = self._nonces.get(sender, 0) + 1
            return Receipt(0, gas_used, output, [], tx.id, number, index, sender, tx.to, words)
        nonces = self._nonces
        nonces[sender] = nonces.get(sender, 0) + 1
        evm.reset_transient_storage()
        return self._receipt(tx, output, evm.result, number, index, tx.to)

    def _metered(self, model: GasModel, tx: Tx, number: int, index: int) -> Receipt:
        """Execute, with gas used as from a cold start."""
        evm = self._evm
        # under a snapshot nothing can be flushed: what the model does not know stays as it is
        if self._snapshots:
            return self._call(tx, number, index)
        if model.measures(tx.to, tx.data):
            model.measured += 1
            return self._cold(tx, number, index)
        checkpoint, nonce = evm.snapshot(), self._nonces.get(tx.sender)
        receipt = self._call(tx, number, index)
        if receipt.error:
            # refused, or halted with all gas gone
            evm.commit()
            return receipt
        warm = _seen(receipt, evm.result)
        gas_used = model.estimate(tx.to, tx.data, warm)
        # one that may truly run out of gas is not left to an estimate
        if gas_used is not None and gas_used < tx.gas_limit * _SAFE:
            evm.commit()
            return receipt._replace(gas_used=gas_used)
        evm.revert(checkpoint)
        if nonce is None:
            del self._nonces[tx.sender]
        else:
            self._nonces[tx.sender] = nonce
        receipt = self._cold(tx, number, index)
        model.learn(tx.to, tx.data, warm, _seen(receipt, evm.result))
        model.measured += 1
        return receipt

    def _cold(self, tx: Tx, number: int, index: int) -> Receipt:
        """Execute as on a chain that has ended the transaction before: gas used is exact."""
        if self._flush_every > 1:
            self.flush()
        return self._call(tx, number, index)

    def _audited(self, auditor: Auditor, tx: Tx, number: int, index: int) -> Receipt:
        """Execute on py-evm and here, and compare."""
        wanted = self._predicted(tx, number)
        cold = not self._snapshots
        receipt = self._cold(tx, number, index) if cold else self._call(tx, number, index)
        auditor.compare(_State(self._evm), wanted, tx, receipt, gas=cold)
        return receipt if cold else receipt._replace(gas_used=wanted.gas_used)

    def _predicted(self, tx: Tx, number: int) -> Outcome:
        """What py-evm makes of a transaction in the block entered."""
        from .audit import predict
        from .lazy_state import BlockContext

        assert self._env is not None
        block = BlockContext(number, self._env[1], COINBASE, self.block_gas_limit, self.chain_id)
        checkpoint = self._evm.snapshot()
        try:
            return predict(_State(self._evm), block, tx)
        finally:
            self._evm.revert(checkpoint)

    def _receipt(self, tx: Tx, output: bytes, result: Any, number: int, index: int, to: str) -> Receipt:
        logs: list[Log] = []
        for position, log in enumerate(result.logs):
            address = log.address
            lower = self._lower.get(address)
            if lower is None:
                lower = self._lower[address] = address.lower()
            topics, data = log.data
            # three times as fast as the constructor, and nothing is made as often
            logs.append(_new(Log, (lower, topics, data, number, index, position)))
        return Receipt(1, result.gas_used, output, logs, tx.id, number, index, tx.sender, to)

    # --------------------------------------------------------------------------------------- memory

    def flush(self) -> None:
        """Move all changes out of the journal into the database; afterwards everything is cold."""
        if self._snapshots:
            raise EngineError("cannot flush while a snapshot is open: revert it first")
        evm = self._evm
        changes, accounts = self._journal.changes(evm.journal_str)
        infos = {address: evm.basic(address) for address in accounts}
        evm.revert(self._base)
        if self._mark is not None:
            self._remember(self._mark, changes, infos)
        for address, info in infos.items():
            evm.insert_account_info(address, info)
        self._write((address, slot, present) for address, slot, _, present in changes)
        self._base = evm.snapshot()
        self._since_flush = 0

    def _remember(self, mark: Mark, changes: list[SlotChange], infos: Iterable[str]) -> None:
        """Keep what the database held at `mark` of what is about to be overwritten."""
        for address, slot, original, _ in changes:
            mark.slots.setdefault((address, slot), original)
        checkpoint = self._evm.snapshot()
        for address in infos:
            if address not in mark.infos:
                mark.infos[address] = self._evm.basic(address)
        self._evm.revert(checkpoint)

    def _write(self, slots: Iterable[tuple[str, int, int]]) -> None:
        """Set (address, slot, value) in the database, under the journal, which must be empty."""
        snapshot, insert, revert = self._evm.snapshot, self._evm.insert_account_storage, self._evm.revert
        for address, slot, value in slots:
            # the insert loads the account, and into a loaded one it would write through the journal: unload
            # it again
            checkpoint = snapshot()
            insert(address, slot, value)
            revert(checkpoint)

    # ------------------------------------------------------------------------------------ snapshots

    def _bookkeeping(self) -> tuple[Any, ...]:
        return (
            self._number,
            self._timestamp,
            self._pending_timestamp,
            self._next_id,
            self._book_state(),
            list(self._pending),
            list(self._history),
            dict(self._nonces),
        )

    def snapshot(self) -> Snapshot:
        """Remember the whole chain. While a snapshot is open nothing is flushed, so memory grows."""
        snapshot = Snapshot(self, self._evm.snapshot())
        self._snapshots.append(snapshot)
        return snapshot

    def revert(self, snapshot: Snapshot) -> None:
        """Return to `snapshot` and close it; later ones are closed too."""
        if snapshot not in self._snapshots:
            raise ValueError("this snapshot is closed")
        while True:
            last = self._snapshots.pop()
            self._evm.revert(last.checkpoint)
            if last is snapshot:
                break
        self._restore(snapshot.state)

    def mark(self) -> Mark:
        """Remember the whole chain for `rewind`, in place of the mark before. Unlike under a snapshot,
        flushing goes on, so memory stays bounded and gas can be had exact; contracts cannot be deployed."""
        self.flush()
        self._mark = Mark(self)
        return self._mark

    def rewind(self, mark: Mark) -> None:
        """Return to `mark`, which stays set."""
        if mark is not self._mark:
            raise ValueError("another mark has been set since")
        self.flush()
        for address, info in mark.infos.items():
            self._evm.insert_account_info(address, info)
        self._journal.forget()
        self._write((address, slot, value) for (address, slot), value in mark.slots.items())
        self._base = self._evm.snapshot()
        mark.slots.clear()
        mark.infos.clear()
        self._restore(mark.state)

    def _restore(self, state: tuple[Any, ...]) -> None:
        """The inverse of `_bookkeeping`; what it holds is copied, not taken."""
        (
            self._number,
            self._timestamp,
            self._pending_timestamp,
            self._next_id,
            books,
            pending,
            history,
            nonces,
        ) = state
        self._restore_books(books)
        self._pending, self._nonces = list(pending), dict(nonces)
        self._history.clear()
        self._history.extend(history)

    # -------------------------------------------------------------------------------------- reading

    def _held(self, address: str) -> int:
        balance: int = self._evm.get_balance(address)
        return balance

    def fund_native(self, address: str, amount: int) -> None:
        if self._snapshots:
            # pyrevm does not journal balances that are set: a revert would keep the money
            raise EngineError("cannot fund an account while a snapshot is open")
        self._evm.set_balance(address, self._held(address) + amount)
        self._journal.forget(address)

    def nonce(self, address: str) -> int:
        address = address.lower()
        found = self._nonces.get(address)
        return found if found is not None else int(self._evm.basic(address).nonce)

    def code(self, address: str) -> bytes:
        return self._evm.get_code(address) or b""

    def storage(self, address: str, slot: int) -> int:
        value: int = self._evm.storage(address, slot)
        return value

    def set_storage(self, address: str, slot: int, value: int) -> None:
        """Overwrite a storage word; only for tests that break things on purpose."""
        self._evm.insert_account_storage(address, slot, value)


def _seen(receipt: Receipt, result: Any) -> Run:
    """What the gas model looks at."""
    events = tuple(bytes(log.topics[0]) if log.topics else b"" for log in receipt.logs)
    return Run(receipt.gas_used, result.gas_refunded, receipt.status, events)


def _failure(error: Exception, result: Any) -> tuple[bytes, str]:
    """Revert data (bounded) and, unless it was a plain revert, the engine's word for what went wrong."""
    # the text holds the whole revert data, megabytes at worst: cut before looking at it
    text = error.args[0] if error.args and isinstance(error.args[0], str) else str(error)
    if result is None:
        return b"", REJECTED + _refusal(text[:300])
    if result.is_halt:
        return b"", _halt(result.reason)
    start = text.find("output: 0x", 0, 200)
    if start < 0:
        return b"", ""
    start += 10
    digits = text[start : start + _HEX_KEPT]
    stop = digits.find(" ")
    digits = digits if stop < 0 else digits[:stop]
    return bytes.fromhex(digits[: len(digits) & ~1]), ""


def _halt(reason: str) -> str:
    if reason.startswith("OutOfGas"):
        return "out of gas"
    return "halted: " + re.sub(r"(?<=[a-z])(?=[A-Z])", " ", reason).lower()


def _refusal(text: str) -> str:
    for mark, words in (
        ("CallGasCostMoreThanGasLimit", "gas limit below the intrinsic cost"),
        ("LackOfFund", "not enough native coin for the value sent"),
        ("RejectCallerWithCode", "the sender is a contract"),
        ("CallerGasLimitMoreThanBlock", "gas limit above the block's"),
    ):
        if mark in text:
            return words
    return text
