"""The `Chain` interface: what the exchange, the agents and the tests may ask of an engine.

Times are Unix seconds, gas is in gas units, native amounts and fees are in wei, addresses are lower case hex.

How a chain runs:

- There is always one pending block. `deploy` and `execute` run in it at once, at `pending_timestamp`; they
  are for set-up and ignore the block gas limit.
- `submit` queues a transaction. `mine(timestamp)` first seals a pending block that already holds something,
  then orders the queue by (effective tip descending, arrival, id), fills one block at `timestamp` up to the
  gas limit and returns it. A transaction whose gas limit exceeds what is left of the block waits, and later
  ones that fit go ahead of it. A transaction that names no nonce is given one at inclusion, so it never holds
  anybody up; for those that do, replacement and expiry see `perpsim.chain.mempool`.
- Gas is free until `open_fee_market`. From then on transactions of mined blocks pay base fee and tip in
  native coin (`fees`), and the base fee follows the load of the blocks. What `deploy` and `execute` do stays
  free and moves nothing. Other people's bids (`submit_outside`) compete for room with ours.
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
from .fees import FeeLedger, FeeMarket
from .mempool import Mempool
from .outside import Bids, OutsidePool

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
    for no limit. `arrival` is any number that says when it reached the builder. `nonce` is the sender's
    number for it, None for the next one at inclusion; `expires` the number of the last block that may
    include it, None for any. `id` is given by `submit`.
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
    nonce: int | None = None
    expires: int | None = None

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
    and no nonce. `gas_price` is what it paid per gas, wei: base fee and tip; 0 where gas is free.
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
    gas_price: int = 0

    @property
    def fee(self) -> int:
        """What it cost, wei."""
        return self.gas_used * self.gas_price

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
    """A mined block. `base_fee` in wei per gas; `gas_used` by ours, `outside_gas` by other people's
    transactions; `waiting` of ours are left for later blocks, `expired` of ours have just given up."""

    number: int
    timestamp: int
    gas_used: int
    gas_limit: int
    base_fee: int
    tx_count: int
    outside_gas: int = 0
    waiting: int = 0
    expired: int = 0


class Chain(ABC):
    """One chain on one engine. See the module for the rules."""

    #: name of the engine as `open_chain` takes it
    engine: str

    def __init__(self, *, timestamp: int, block_gas_limit: int, chain_id: int) -> None:
        if timestamp <= 0:
            raise EngineError(f"a chain cannot start at timestamp {timestamp}")
        self.chain_id = chain_id
        self.block_gas_limit = block_gas_limit
        #: base fee of the next block, wei per gas; moves by itself once the fee market is open
        self.base_fee = 0
        #: how the base fee moves; None: it stays as it is set, and nobody pays
        self.fee_market: FeeMarket | None = None
        #: who has paid what
        self.fees = FeeLedger()
        #: ours that gave up at the end of the last mined block
        self.expired: list[Tx] = []
        self._pool = Mempool()
        self._outside = OutsidePool()
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
    def next_number(self) -> int:
        """Number that the next block of `mine` gets."""
        return self.block_number + (2 if self._pending else 1)

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
        self._pool.add(tx)
        return number

    def submit_all(self, txs: Iterable[Tx]) -> None:
        """Queue many transactions, in order."""
        many = list(txs)
        for number, tx in enumerate(many, self._next_id):
            tx.id = number
        self._next_id += len(many)
        self._pool.add_all(many)

    def submit_outside(self, bids: Bids) -> None:
        """Let other people's bids wait beside ours."""
        self._outside.add(bids)

    @property
    def queued(self) -> tuple[Tx, ...]:
        """Transactions that wait for a block, in the order of submission."""
        return tuple(self._pool)

    @property
    def waiting(self) -> int:
        """How many transactions wait for a block."""
        return len(self._pool)

    @property
    def outside_waiting(self) -> int:
        """How many of other people's bids wait for a block."""
        return len(self._outside)

    def pending(self, sender: str) -> list[Tx]:
        """What waits of one sender: by nonce, then what names none."""
        return self._pool.of(sender.lower())

    def drop(self, wanted: Callable[[Tx], bool]) -> list[Tx]:
        """Take the queued transactions that `wanted` picks out of the queue."""
        return self._pool.drop(wanted)

    def open_fee_market(self, base_fee: int, market: FeeMarket | None = None) -> None:
        """From the next mined block on gas costs: the first at `base_fee` (wei per gas).

        Raises `EngineError` on an engine that charges by itself.
        """
        raise EngineError(
            f"engine {self.engine} charges for gas by itself: a fee market cannot be laid over it"
        )

    def _book_state(self) -> tuple[Any, ...]:
        """Waiting transactions and fees, for `_restore_books`."""
        market = (self.base_fee, self.fee_market, self.fees.copy())
        return (*market, self._pool.copy(), self._outside.copy(), list(self.expired))

    def _restore_books(self, state: tuple[Any, ...]) -> None:
        """Return to a `_book_state`, which stays good."""
        self.base_fee, self.fee_market, fees, pool, outside, expired = state
        self.fees, self._pool, self._outside = fees.copy(), pool.copy(), outside.copy()
        self.expired = list(expired)

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
        self._pool.clear()
        self._outside.clear()

    def __enter__(self) -> Chain:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
