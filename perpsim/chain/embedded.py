"""What the engines inside this process share: packing a block, running the pending one, charging for gas."""

from __future__ import annotations

from abc import abstractmethod

from .base import COINBASE, REJECTED, SETUP_GAS, Block, Chain, Receipt, Tx
from .fees import NO_COIN, FeeMarket
from .mempool import Mempool, Round


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
        late = self._pool.expire(number - 1)
        outside_gas = 0
        if self.fee_market is None and self._pool.plain and not len(self._outside):
            receipts = self._fill_freely(number)
        else:
            receipts, outside_gas = self._fill(number)
        refuse(self._pool, number, receipts)
        self.expired = late + self._pool.expire(number)
        gas_used = sum(receipt.gas_used for receipt in receipts)
        block = self._close(number, timestamp, receipts, gas_used)
        block = block._replace(outside_gas=outside_gas, waiting=len(self._pool), expired=len(self.expired))
        if self.fee_market is not None:
            self.base_fee = self.fee_market.next_base_fee(
                block.base_fee, gas_used + outside_gas, block.gas_limit
            )
        return block, receipts

    def _fill_freely(self, number: int) -> list[Receipt]:
        """`_fill` without all that most blocks do not need: fees, nonces, other people's transactions."""
        gas_left, run, between = self.block_gas_limit, self._run, self._after_transaction
        receipts: list[Receipt] = []
        waiting: list[Tx] = []
        for tx in self._pool.take_all(self.base_fee):
            if tx.gas_limit > gas_left:
                waiting.append(tx)
                continue
            receipt = run(tx, number, len(receipts))
            gas_left -= receipt.gas_used
            receipts.append(receipt)
            between()
        self._pool.give_back(waiting)
        return receipts

    def _fill(self, number: int) -> tuple[list[Receipt], int]:
        """Run what fits into the block entered: receipts, and the gas of other people's transactions."""
        gas_left, base_fee = self.block_gas_limit, self.base_fee
        charges = self.fee_market is not None
        run, between = self._run, self._after_transaction
        receipts: list[Receipt] = []
        outside, outside_gas = self._outside, 0
        crowded = len(outside) > 0
        if crowded:
            outside.open(base_fee)
        candidates = Round(self._pool, base_fee, self.nonce)
        while (tx := candidates.pop()) is not None:
            tip = candidates.tip
            if crowded:
                taken = outside.take(tip, gas_left)
                outside_gas += taken
                gas_left -= taken
            if tx.gas_limit > gas_left:
                candidates.waits(tx)
                continue
            if charges and not self._can_pay(tx, base_fee + tip):
                receipts.append(_refusal(tx, number, len(receipts), NO_COIN))
                candidates.rejected(tx)
                continue
            receipt = run(tx, number, len(receipts))
            if receipt.error.startswith(REJECTED):
                candidates.rejected(tx)
            else:
                candidates.included(tx)
                gas_left -= receipt.gas_used
                if charges:
                    self.fees.charge(tx.sender, receipt.gas_used, base_fee, tip)
                    receipt = receipt._replace(gas_price=base_fee + tip)
            receipts.append(receipt)
            between()
        candidates.close()
        if crowded:
            outside_gas += outside.take(0, gas_left)
            outside.close(number)
        return receipts, outside_gas

    def _can_pay(self, tx: Tx, price: int) -> bool:
        """Whether the sender holds what it may cost at the most, as EIP-1559 asks: at its maximum fee."""
        most = price if tx.max_fee is None else tx.max_fee
        return self.balance(tx.sender) >= tx.gas_limit * most + tx.value

    def open_fee_market(self, base_fee: int, market: FeeMarket | None = None) -> None:
        if base_fee < 0:
            raise ValueError(f"a base fee cannot be {base_fee}")
        self.fee_market = market or FeeMarket()
        self.base_fee = max(base_fee, self.fee_market.floor)

    def balance(self, address: str) -> int:
        held = self._held(address) - self.fees.paid.get(address.lower(), 0)
        return held + self.fees.tips if address.lower() == COINBASE else held

    @abstractmethod
    def _held(self, address: str) -> int:
        """Native balance before fees, wei."""

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


def refuse(pool: Mempool, number: int, receipts: list[Receipt]) -> None:
    """Add the receipts of what the mempool would not take in."""
    for tx, why in pool.take_refused():
        receipts.append(_refusal(tx, number, len(receipts), why))


def _refusal(tx: Tx, number: int, index: int, why: str) -> Receipt:
    return Receipt(0, 0, b"", [], tx.id, number, index, tx.sender, tx.to, REJECTED + why)
