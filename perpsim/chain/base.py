"""The `Chain` interface: what the exchange, the agents and the tests may ask of an engine.

Times are Unix seconds, gas is in gas units, native amounts and fees are in wei, addresses are lower case hex.

How a chain runs:

- There is always one pending block. `deploy` and `execute` run in it at once, at `pending_timestamp`; they
  are for set-up and ignore the block gas limit.
- `submit` queues a transaction. `mine(timestamp)` first seals a pending block that already holds something,
  then orders the queue by (effective tip descending, arrival, id), fills one block at `timestamp` up to the
  gas limit and returns it. A transaction whose gas limit exceeds what is left of the block waits, and later
  ones that fit go ahead of it. A sender's nonce is given out at inclusion, so it never holds anybody up.
- `view` sees the latest state: the pending block if it holds something, else the last mined one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from . import accounts
from .accounts import Account
from .artifacts import Artifact
from .errors import EngineError, Revert, decode_revert

DEFAULT_TX_GAS = 2_000_000
DEFAULT_BLOCK_GAS_LIMIT = 30_000_000
#: gas of a set-up transaction or a view that names none
SETUP_GAS = 1_000_000_000
#: what GASLIMIT reads on the embedded engines; the real limit is enforced in `mine`
OPEN_GAS_LIMIT = 1_000_000_000_000
LOG_BLOCKS_KEPT = 64
#: who builds the blocks of the embedded engines, and who asks when a view names no sender
COINBASE = "0x00000000000000000000000000000000c01bba5e"
#: how the `error` of a transaction begins that no block would take in
REJECTED = "rejected: "


@dataclass(slots=True)
class Tx:
    """A transaction as its sender wants it.

    `tip` (wei per gas) is what it bids to the builder, `max_fee` (wei per gas) the most it pays in all, None
    for no limit. `arrival` is any number that says when it reached the builder. `id` is given by `submit`.
    """

    sender: str
    to: str
    data: bytes
    gas_limit: int = DEFAULT_TX_GAS
    tip: int = 0
    max_fee: int | None = None
    arrival: float = 0
    value: int = 0
    id: int = -1

    def effective_tip(self, base_fee: int) -> int:
        """What the builder gets per gas at this base fee, wei; negative if it cannot pay the base fee."""
        if self.max_fee is None:
            return self.tip
        return min(self.tip, self.max_fee - base_fee)


class Log(NamedTuple):
    """One event as the chain recorded it. `topics` are 32-byte strings, topic 0 first."""

    address: str
    topics: Any  # a sequence of bytes; engines hand over whichever they have
    data: bytes
    block: int
    tx_index: int
    log_index: int


class Receipt(NamedTuple):
    """What became of a transaction.

    `status` is 1 for success and 0 for failure. `output` is the return data, or the first kilobyte of the
    revert data. `error` is empty on success, the engine's word for a halt ("out of gas") or a refusal
    ("rejected: ..."), and empty for a revert, whose words are in `reason`. A refused transaction used no gas
    and no nonce.
    """

    status: int
    gas_used: int
    output: bytes
    logs: list[Log]
    tx_id: int
    block: int
    position: int
    sender: str
    to: str
    error: str = ""

    @property
    def ok(self) -> bool:
        """True if the transaction succeeded."""
        return self.status == 1

    @property
    def reason(self) -> str:
        """Why it failed; empty on success."""
        if self.status:
            return ""
        return self.error or decode_revert(self.output)


class Block(NamedTuple):
    """A mined block. `base_fee` in wei per gas."""

    number: int
    timestamp: int
    gas_used: int
    gas_limit: int
    base_fee: int
    tx_count: int


class Chain(ABC):
    """One chain on one engine. See the module for the rules."""

    #: name of the engine as `open_chain` takes it
    engine: str

    def __init__(self, *, timestamp: int, block_gas_limit: int, chain_id: int) -> None:
        if timestamp <= 0:
            raise EngineError(f"a chain cannot start at timestamp {timestamp}")
        self.chain_id = chain_id
        self.block_gas_limit = block_gas_limit
        #: base fee of the next block, wei per gas; whoever runs a fee market sets it between blocks
        self.base_fee = 0
        self._queue: list[Tx] = []
        self._next_id = 0
        self._number = 0
        self._timestamp = timestamp - 1
        self._pending_timestamp = timestamp
        self._pending: list[Receipt] = []
        self._history: deque[tuple[int, list[Receipt]]] = deque(maxlen=LOG_BLOCKS_KEPT)

    # ------------------------------------------------------------------------------------ accounts

    def account(self, index: int) -> Account:
        """Account number `index`, the same on every engine; it holds enough native coin on engines that
        charge."""
        return accounts.account(index)

    # --------------------------------------------------------------------------------------- time

    @property
    def block_number(self) -> int:
        """Number of the last mined block; 0 before the first."""
        return self._number

    @property
    def timestamp(self) -> int:
        """Timestamp of the last mined block, seconds."""
        return self._timestamp

    @property
    def pending_timestamp(self) -> int:
        """Timestamp at which `deploy` and `execute` run now, seconds."""
        return self._pending_timestamp

    def set_pending_timestamp(self, timestamp: int) -> None:
        """Move the pending block to `timestamp`, sealing it first if it holds something."""
        if self._pending:
            self.seal()
        if timestamp <= self._timestamp:
            raise ValueError(f"timestamp {timestamp} is not after the last block's {self._timestamp}")
        self._pending_timestamp = timestamp

    # ------------------------------------------------------------------------------------ queueing

    def submit(self, tx: Tx) -> int:
        """Queue a transaction; its id. Ids ascend in the order of submission."""
        number = self._next_id
        self._next_id = number + 1
        tx.id = number
        self._queue.append(tx)
        return number

    def submit_all(self, txs: Iterable[Tx]) -> None:
        """Queue many transactions, in order."""
        number = self._next_id
        append = self._queue.append
        for tx in txs:
            tx.id = number
            append(tx)
            number += 1
        self._next_id = number

    @property
    def queued(self) -> tuple[Tx, ...]:
        """Transactions that wait for a block, in the order of submission."""
        return tuple(sorted(self._queue, key=lambda tx: tx.id))

    def drop(self, wanted: Callable[[Tx], bool]) -> list[Tx]:
        """Take the queued transactions that `wanted` picks out of the queue (expiry, replacement)."""
        dropped = [tx for tx in self._queue if wanted(tx)]
        if dropped:
            gone = {tx.id for tx in dropped}
            self._queue = [tx for tx in self._queue if tx.id not in gone]
        return dropped

    def _take_queue(self) -> list[Tx]:
        """The whole queue in block order; empties it."""
        queue = self._queue
        self._queue = []
        base_fee = self.base_fee
        # whoever cannot pay the base fee has a negative effective tip and ends up last; mine() leaves it
        # waiting
        queue.sort(key=lambda tx: (-tx.effective_tip(base_fee), tx.arrival, tx.id))
        return queue

    # ------------------------------------------------------------------------------------ execution

    @abstractmethod
    def deploy(self, artifact: Artifact, *args: Any, sender: str) -> str:
        """Create a contract in the pending block; its address. Raises `Revert` if the constructor fails."""

    @abstractmethod
    def execute(
        self, sender: str, to: str, data: bytes, *, value: int = 0, gas: int | None = None
    ) -> Receipt:
        """Run a transaction at once, in the pending block. A failure is a receipt, not an exception."""

    @abstractmethod
    def view(self, to: str, data: bytes, sender: str | None = None, timestamp: int | None = None) -> bytes:
        """Return data of a call that leaves no trace. Raises `Revert`.

        `timestamp` (seconds) asks what the call would give in a next block at that time.
        """

    @abstractmethod
    def mine(self, timestamp: int) -> tuple[Block, list[Receipt]]:
        """One block at `timestamp` from the queue; its receipts in block order."""

    @abstractmethod
    def seal(self) -> Block:
        """Close the pending block as it stands (at `pending_timestamp`); the next one is a second later."""

    def transact(self, sender: str, to: str, data: bytes, *, value: int = 0) -> Receipt:
        """`execute` that raises `Revert` if the transaction fails."""
        receipt = self.execute(sender, to, data, value=value)
        if not receipt.status:
            raise Revert(receipt.reason, receipt.output)
        return receipt

    def _check_time(self, timestamp: int) -> None:
        if timestamp <= self._timestamp:
            raise ValueError(f"block timestamp {timestamp} is not after the last block's {self._timestamp}")

    # -------------------------------------------------------------------------------------- reading

    def logs(self, from_block: int) -> list[Log]:
        """Logs of block `from_block` and later, the pending block's included.

        Only the last 64 blocks are kept; older ones are a `ValueError`. The receipts of `mine` carry the same
        logs.
        """
        if self._history and self._history[0][0] > max(from_block, 1):
            raise ValueError(f"logs are kept from block {self._history[0][0]} on, not from {from_block}")
        blocks = [receipts for number, receipts in self._history if number >= from_block]
        return [log for receipts in (*blocks, self._pending) for receipt in receipts for log in receipt.logs]

    @abstractmethod
    def balance(self, address: str) -> int:
        """Native balance, wei."""

    @abstractmethod
    def fund_native(self, address: str, amount: int) -> None:
        """Give `address` that many wei more, out of nothing where the engine can."""

    @abstractmethod
    def nonce(self, address: str) -> int:
        """Transactions sent by an account, pending block included."""

    @abstractmethod
    def code(self, address: str) -> bytes:
        """Code at an address, empty if there is none."""

    @abstractmethod
    def storage(self, address: str, slot: int) -> int:
        """A storage word of a contract."""

    def close(self) -> None:
        """Free the engine. The chain is of no use afterwards."""
        self._queue.clear()

    def __enter__(self) -> Chain:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class EmbeddedChain(Chain):
    """The part that engines inside this process share: packing a block and running the pending one."""

    @abstractmethod
    def _enter(self, number: int, timestamp: int) -> None:
        """Make transactions run in block `number` at `timestamp`."""

    @abstractmethod
    def _run(self, tx: Tx, number: int, index: int) -> Receipt:
        """Execute in the block entered; every failure becomes a receipt."""

    @abstractmethod
    def _leave(self, transactions: int) -> None:
        """The block entered is complete."""

    def _enter_pending(self) -> None:
        self._enter(self._number + 1, self._pending_timestamp)

    def _after_transaction(self) -> None:
        """Called between two transactions of a block."""

    def execute(
        self, sender: str, to: str, data: bytes, *, value: int = 0, gas: int | None = None
    ) -> Receipt:
        self._enter_pending()
        tx = Tx(sender.lower(), to, data, gas_limit=SETUP_GAS if gas is None else gas, value=value)
        receipt = self._run(tx, self._number + 1, len(self._pending))
        if not receipt.error.startswith(REJECTED):
            self._pending.append(receipt)
            self._after_transaction()
        return receipt

    def mine(self, timestamp: int) -> tuple[Block, list[Receipt]]:
        if self._pending:
            self.seal()
        self._check_time(timestamp)
        number = self._number + 1
        self._enter(number, timestamp)
        limit = gas_left = self.block_gas_limit
        base_fee = self.base_fee
        receipts: list[Receipt] = []
        waiting: list[Tx] = []
        run = self._run
        between = self._after_transaction
        index = 0
        for tx in self._take_queue():
            if tx.gas_limit > gas_left or (tx.max_fee is not None and tx.max_fee < base_fee):
                waiting.append(tx)
                continue
            receipt = run(tx, number, index)
            gas_left -= receipt.gas_used
            receipts.append(receipt)
            index += 1
            between()
        self._queue = waiting
        return self._close(number, timestamp, receipts, limit - gas_left), receipts

    def seal(self) -> Block:
        self._enter_pending()
        receipts = self._pending
        self._pending = []
        gas_used = sum(receipt.gas_used for receipt in receipts)
        return self._close(self._number + 1, self._pending_timestamp, receipts, gas_used)

    def _close(self, number: int, timestamp: int, receipts: list[Receipt], gas_used: int) -> Block:
        self._leave(len(receipts))
        self._number = number
        self._timestamp = timestamp
        self._pending_timestamp = timestamp + 1
        self._history.append((number, receipts))
        return Block(number, timestamp, gas_used, self.block_gas_limit, self.base_fee, len(receipts))
