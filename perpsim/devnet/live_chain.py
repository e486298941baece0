"""A `Chain` over a node that others use, too: sends as one account and waits, reads what there is.

Simulations need a chain of their own (`open_chain`); this one is for scripts and bots.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from perpsim.chain import DEFAULT_BLOCK_GAS_LIMIT, Account, Artifact, Block, Chain, EngineError, Log, Receipt
from perpsim.chain.accounts import create_address
from perpsim.chain.base import COINBASE
from perpsim.chain.errors import MAX_REVERT_BYTES, Revert, decode_revert
from perpsim.devnet.node import Node, Refusal, one_line
from perpsim.devnet.wallet import Signer

#: seconds until a transaction that no block takes is given up
MINING_TIMEOUT = 180
#: room over the estimated gas, percent: state may change until the transaction runs
_ROOM = 130
# How often a transaction is sent when its number or its bid does not do.
_TRIES = 4
# What a sender needs at the least, and what it gets where the node gives it away (wei).
_LEAST, _GIFT = 10**17, 10**20
_TOP_CALL = {"tracer": "callTracer", "tracerConfig": {"onlyTopCall": True}}


class LiveChain(Chain):
    """The network behind a node. `signer` is account 0 and the only one that can send; without it the chain
    is only read. `gas_used` adds up what its transactions have cost."""

    engine = "node"

    def __init__(
        self,
        node: Node,
        signer: Signer | None = None,
        *,
        timeout: float = MINING_TIMEOUT,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.node = node
        self.signer = signer
        self.gas_used = 0
        self._timeout = timeout
        self._sleep = sleep
        head = node.head()
        super().__init__(
            timestamp=max(head.time, 1),
            block_gas_limit=head.gas_limit or DEFAULT_BLOCK_GAS_LIMIT,
            chain_id=node.chain_id(),
        )

    def account(self, index: int) -> Account:
        """Account 0 is the signer; its key stays where it is."""
        if index != 0 or self.signer is None:
            raise EngineError("only the account that was chosen can send")
        return Account(0, self.signer.address, b"")

    @property
    def block_number(self) -> int:
        """Number of the node's last block."""
        return self.node.number("eth_blockNumber")

    @property
    def timestamp(self) -> int:
        """Time of the node's last block, seconds."""
        return self.node.head().time

    @property
    def pending_timestamp(self) -> int:
        """Time of the last block: one that the next transaction cannot find in the future, seconds."""
        return self.timestamp

    def deploy(self, artifact: Artifact, *args: Any, sender: str) -> str:
        address = create_address(sender.lower(), self.nonce(sender))
        receipt = self._send("", artifact.creation(*args), 0)
        if not receipt.ok:
            raise Revert(f"{artifact.name}: {receipt.reason}", receipt.output)
        return address

    def execute(
        self, sender: str, to: str, data: bytes, *, value: int = 0, gas: int | None = None
    ) -> Receipt:
        if self.signer is None or sender.lower() != self.signer.address:
            raise EngineError("only the account that was chosen can send")
        return self._send(to, data, value, gas)

    def view(self, to: str, data: bytes, sender: str | None = None, timestamp: int | None = None) -> bytes:
        fields = {"from": sender or COINBASE, "to": to, "data": "0x" + data.hex()}
        extra: list[Any] = [] if timestamp is None else [{}, {"time": hex(timestamp)}]
        try:
            return self.node.bytes("eth_call", fields, "latest", *extra)
        except Refusal as refusal:
            if not refusal.reverted:
                raise
            raise _revert(refusal) from None

    def mine(self, timestamp: int) -> tuple[Block, list[Receipt]]:
        raise EngineError("this node is not ours to drive: simulations need --engine URL")

    def seal(self) -> Block:
        raise EngineError("this node is not ours to drive: simulations need --engine URL")

    def balance(self, address: str) -> int:
        return self.node.number("eth_getBalance", address, "latest")

    def fund_native(self, address: str, amount: int) -> None:
        """From an account that the node itself holds, as development nodes do. Raises `EngineError`."""
        held = self.node.ask("eth_accounts")
        if not held:
            raise EngineError(f"account {address} has no native coin to pay for gas")
        sent = self.node.ask("eth_sendTransaction", {"from": held[0], "to": address, "value": hex(amount)})
        self._wait(sent)

    def need_coin(self) -> None:
        """See that the signer can pay for gas. Raises `EngineError` if it cannot, and nobody gives it."""
        sender = self.account(0).address
        if self.balance(sender) < _LEAST:
            self.fund_native(sender, _GIFT)

    def nonce(self, address: str) -> int:
        return self.node.number("eth_getTransactionCount", address, "pending")

    def code(self, address: str) -> bytes:
        return self.node.bytes("eth_getCode", address, "latest")

    def storage(self, address: str, slot: int) -> int:
        return self.node.number("eth_getStorageAt", address, hex(slot), "latest")

    def usual_bid(self) -> tuple[int, int]:
        """Tip and maximum fee (wei per gas) that bear the base fee to double."""
        try:
            tip = self.node.number("eth_maxPriorityFeePerGas")
        except Refusal:
            tip = 10**9
        return tip, 2 * self.node.head().base_fee + tip

    def estimate(self, to: str, data: bytes, value: int = 0) -> int:
        """Gas of a call from the signer, with some room. Raises `Revert`."""
        assert self.signer is not None
        fields = {"from": self.signer.address, "data": "0x" + data.hex(), "value": hex(value)}
        if to:
            fields["to"] = to
        try:
            return self.node.number("eth_estimateGas", fields) * _ROOM // 100
        except Refusal as refusal:
            if not refusal.reverted:
                raise
            raise _revert(refusal) from None

    def why(self, transaction: str) -> str:
        """Why a transaction that was mined has failed, in few words; empty where the node cannot tell."""
        try:
            trace = self.node.ask("debug_traceTransaction", transaction, _TOP_CALL)
        except Refusal:
            return ""
        output = bytes.fromhex(str(trace.get("output") or "0x")[2:])[:MAX_REVERT_BYTES]
        return decode_revert(output) if output else one_line(trace.get("error") or "")

    def sign(self, fields: dict[str, Any]) -> bytes:
        """A raw transaction of the signer's."""
        assert self.signer is not None
        return self.signer.sign({"chainId": self.chain_id, **fields})

    def _send(self, to: str, data: bytes, value: int, gas: int | None = None) -> Receipt:
        assert self.signer is not None
        sender = self.signer.address
        try:
            limit = gas or min(self.estimate(to, data, value), self.block_gas_limit)
        except Revert as revert:
            return Receipt(0, 0, revert.data, [], 0, 0, 0, sender, to, "" if revert.data else revert.reason)
        tip, most = self.usual_bid()
        fields = {
            "to": to,
            "data": data,
            "value": value,
            "gas": limit,
            "maxFeePerGas": most,
            "maxPriorityFeePerGas": tip,
        }
        sent = self._submit(fields)
        entry = self._wait(sent)
        receipt = receipt_of(entry)
        self.gas_used += receipt.gas_used
        return receipt

    def _submit(self, fields: dict[str, Any]) -> str:
        """Send with the next number; again where somebody else has just used it, or bids too little."""
        address = self.account(0).address
        for left in reversed(range(_TRIES)):
            raw = self.sign({**fields, "nonce": self.nonce(address)})
            try:
                return str(self.node.ask("eth_sendRawTransaction", "0x" + raw.hex()))
            except Refusal as refusal:
                words = refusal.words.lower()
                if "insufficient funds" in words:
                    raise EngineError(
                        f"account {address} has not enough native coin to pay for gas"
                    ) from None
                if ("nonce" not in words and "underpriced" not in words) or not left:
                    raise
                if "underpriced" in words:
                    for name in ("maxFeePerGas", "maxPriorityFeePerGas"):
                        fields[name] = fields[name] * 9 // 8 + 1
            self._sleep(0.2)
        raise AssertionError("unreachable")

    def _wait(self, transaction: str) -> dict[str, Any]:
        waited = 0.0
        while True:
            found = self.node.ask("eth_getTransactionReceipt", transaction)
            if found is not None:
                return dict(found)
            if waited >= self._timeout:
                raise EngineError(f"no block takes transaction {transaction}: the node may not be mining")
            pause = 0.05 if waited < 1 else 0.5
            self._sleep(pause)
            waited += pause


def receipt_of(entry: dict[str, Any]) -> Receipt:
    """A node's receipt as ours."""
    number, position = int(entry["blockNumber"], 16), int(entry["transactionIndex"], 16)
    status = int(entry["status"], 16)
    return Receipt(
        status,
        int(entry["gasUsed"], 16),
        b"",
        [log_of(log) for log in entry["logs"]],
        0,
        number,
        position,
        str(entry["from"]).lower(),
        str(entry.get("to") or entry.get("contractAddress") or "").lower(),
        "" if status else "reverted",
        int(entry.get("effectiveGasPrice") or "0x0", 16),
    )


def log_of(entry: dict[str, Any]) -> Log:
    """A node's log as ours."""
    return Log(
        str(entry["address"]).lower(),
        tuple(bytes.fromhex(topic[2:]) for topic in entry["topics"]),
        bytes.fromhex(entry["data"][2:]),
        int(entry["blockNumber"], 16),
        int(entry["transactionIndex"], 16),
        int(entry["logIndex"], 16),
    )


def _revert(refusal: Refusal) -> Revert:
    if not refusal.data:
        return Revert(refusal.words)
    return Revert(decode_revert(refusal.data), refusal.data[:MAX_REVERT_BYTES])
