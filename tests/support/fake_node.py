"""A JSON-RPC node in this process, over revm: it can go away, forget its last blocks, hold blocks back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_account import Account as Signing
from eth_account.typed_transactions import TypedTransaction
from eth_hash.auto import keccak
from hexbytes import HexBytes

from perpsim.chain import Block, Log, Receipt, Revert, Tx
from perpsim.chain.revm import RevmChain
from perpsim.devnet.node import Node

SECONDS = 12
GAS_LIMIT = 30_000_000
START = 1_700_000_000


class _Recorded(RevmChain):
    """Keeps every block."""

    def __init__(self, start: int) -> None:
        super().__init__(timestamp=start, block_gas_limit=GAS_LIMIT, flush_every=1)
        self.blocks: dict[int, tuple[int, list[Receipt]]] = {0: (start - 1, [])}

    def seal(self) -> Block:
        receipts = list(self._pending)
        block = super().seal()
        self.blocks[block.number] = (block.timestamp, receipts)
        return block

    def mine(self, timestamp: int) -> tuple[Block, list[Receipt]]:
        block, receipts = super().mine(timestamp)
        self.blocks[block.number] = (block.timestamp, receipts)
        return block, receipts


@dataclass
class _Creation:
    """What a creation transaction carries."""

    code: bytes
    name: str = "contract"

    def creation(self) -> bytes:
        """Creation code."""
        return self.code


class FakeNode:
    """`transport` is what a `Node` sends its requests through. With `automine` each transaction is a block;
    while `holding`, what is sent stays out of blocks. `asked` counts requests by method; `down` lets all of
    them fail, `failing` those of one method, with the node's words. `base_fee` is what it says (gas is free),
    `estimate` the gas it expects of any call, `widest` the most blocks of a range of logs; with `stamps` logs
    have the time of their block, as newer nodes write them."""

    def __init__(self, start: int = START) -> None:
        self.chain = _Recorded(start)
        self.automine = True
        self.down = False
        self.failing: dict[str, str] = {}
        self.base_fee = 10**9
        self.widest = 10**9
        self.estimate = 1_000_000
        self.stamps = False
        self.asked: dict[str, int] = {}
        self._fork = 0
        self._forks: dict[int, int] = {}
        self.holding = False
        self._held: dict[tuple[str, int], tuple[str, Tx]] = {}
        self._sent: dict[str, int] = {}
        self._created: dict[str, int] = {}
        self._snapshots: dict[int, Any] = {}

    def node(self, **options: Any) -> Node:
        """A client of it, which does not really wait."""
        return Node("fake", self.transport, sleep=lambda seconds: None, **options)

    def mine(self, blocks: int = 1, seconds: int = SECONDS) -> None:
        """What ran at once becomes a block; else so many blocks of what waits."""
        if self.chain._pending:
            self.chain.seal()
            self._mined()
            return
        for _ in range(blocks):
            self.chain.mine(self.chain.timestamp + seconds)
            self._mined()

    def _mined(self) -> None:
        number = self.chain.block_number
        self._snapshots[number] = self.chain.snapshot()
        self._forks[number] = self._fork

    def release(self) -> None:
        """Let what was held wait for the next block."""
        self.holding = False
        for found, tx in self._held.values():
            self._sent[found] = self.chain.submit(tx)
        self._held.clear()

    def begin_anew(self) -> None:
        """Forget what waits, as a node that is started again."""
        self._held.clear()
        self.chain.drop(lambda tx: tx.nonce is not None)

    def forget(self, blocks: int) -> None:
        """Its last blocks have never been; those that follow have other hashes."""
        number = self.chain.block_number - blocks
        self.chain.revert(self._snapshots[number])
        for gone in [at for at in self.chain.blocks if at > number]:
            del self.chain.blocks[gone]
        self._sent = {found: id for found, id in self._sent.items() if id < self.chain._next_id}
        self._fork += 1

    def transport(self, method: str, params: list[Any]) -> Any:
        """One request."""
        if self.down:
            raise ConnectionError("connection refused")
        self.asked[method] = self.asked.get(method, 0) + 1
        if method in self.failing:
            return {"error": {"code": -32000, "message": self.failing[method]}}
        answer = getattr(self, f"_{method}", None)
        if answer is None:
            return {"error": {"code": -32601, "message": f"no method {method}"}}
        try:
            return {"result": answer(*params)}
        except Revert as revert:
            data = "0x" + revert.data.hex()
            return {"error": {"code": 3, "message": f"execution reverted: {revert.reason}", "data": data}}
        except ValueError as error:
            return {"error": {"code": -32000, "message": str(error)}}

    def _hash(self, number: int) -> str:
        return "0x" + keccak(f"{number}.{self._forks.get(number, 0)}".encode()).hex()

    def _number(self, which: str) -> int:
        return self.chain.block_number if which == "latest" else int(which, 16)

    def _eth_chainId(self) -> str:
        return hex(self.chain.chain_id)

    def _eth_blockNumber(self) -> str:
        return hex(self.chain.block_number)

    def _eth_getBlockByNumber(self, which: str, full: bool) -> Any:
        number = self._number(which)
        if number not in self.chain.blocks:
            return None
        return {
            "number": hex(number),
            "hash": self._hash(number),
            "timestamp": hex(self.chain.blocks[number][0]),
            "baseFeePerGas": hex(self.base_fee),
            "gasLimit": hex(GAS_LIMIT),
        }

    def _eth_getLogs(self, wanted: dict[str, Any]) -> list[Any]:
        first, last = self._number(wanted["fromBlock"]), self._number(wanted["toBlock"])
        if last - first >= self.widest:
            raise ValueError("query returns too many results, try a smaller block range")
        found = []
        for number in range(first, last + 1):
            receipts = self.chain.blocks.get(number, (0, []))[1]
            # a node counts logs over the whole block
            logs = enumerate(log for receipt in receipts for log in receipt.logs)
            found += [self._log(log, at) for at, log in logs if log.address in wanted["address"]]
        return found

    def _log(self, log: Log, position: int = 0) -> dict[str, Any]:
        return {
            "address": log.address,
            "topics": ["0x" + bytes(topic).hex() for topic in log.topics],
            "data": "0x" + bytes(log.data).hex(),
            "blockNumber": hex(log.block),
            "blockHash": self._hash(log.block),
            "transactionIndex": hex(log.tx_index),
            "logIndex": hex(position),
            **({"blockTimestamp": hex(self.chain.blocks[log.block][0])} if self.stamps else {}),
        }

    def _eth_call(self, fields: dict[str, str], which: str, *more: Any) -> str:
        time = int(more[1]["time"], 16) if len(more) > 1 else None
        data = bytes.fromhex(fields["data"][2:])
        return "0x" + self.chain.view(fields["to"], data, fields.get("from"), time).hex()

    def _eth_estimateGas(self, fields: dict[str, str]) -> str:
        if "to" not in fields:
            return hex(9_000_000)
        self._eth_call(fields, "latest")
        return hex(self.estimate)

    def _eth_getCode(self, address: str, which: str) -> str:
        return "0x" + self.chain.code(address).hex()

    def _eth_getBalance(self, address: str, which: str) -> str:
        return hex(10**21)

    def _eth_getTransactionCount(self, address: str, which: str) -> str:
        waiting = len(self.chain.pending(address)) if which == "pending" else 0
        return hex(self.chain.nonce(address) + waiting)

    def _eth_gasPrice(self) -> str:
        return hex(self.base_fee + 1)

    def _eth_maxPriorityFeePerGas(self) -> str:
        return hex(1)

    def _eth_sendRawTransaction(self, raw: str) -> str:
        fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        sender = Signing.recover_transaction(raw).lower()
        nonce, tip, most = fields["nonce"], fields["maxPriorityFeePerGas"], fields["maxFeePerGas"]
        if nonce < self.chain.nonce(sender):
            raise ValueError("nonce too low")
        held = [tx for (holder, _), (_, tx) in self._held.items() if holder == sender]
        for other in [*self.chain.pending(sender), *held]:
            if other.nonce == nonce and (10 * tip < 11 * other.tip or 10 * most < 11 * (other.max_fee or 0)):
                raise ValueError("replacement transaction underpriced")
        to = "0x" + bytes(fields.get("to") or b"").hex()
        found = "0x" + keccak(bytes.fromhex(raw[2:])).hex()
        if to == "0x":
            self.chain.deploy(_Creation(bytes(fields["data"])), sender=sender)
            self._created[found] = self.chain.seal().number
            return found
        tx = Tx(sender, to, bytes(fields["data"]), fields["gas"], tip, most, nonce=nonce)
        if self.holding:
            self._held[sender, nonce] = (found, tx)
            return found
        self._sent[found] = self.chain.submit(tx)
        if self.automine:
            self.mine()
        return found

    def _eth_getTransactionByHash(self, found: str) -> Any:
        waits = any(tx.id == self._sent.get(found) for tx in self.chain.queued)
        waits = waits or any(found == other for other, _ in self._held.values())
        return {"hash": found} if waits or self._eth_getTransactionReceipt(found) else None

    def _debug_traceTransaction(self, found: str, options: Any) -> Any:
        receipts = (receipt for _, mined in self.chain.blocks.values() for receipt in mined)
        (receipt,) = (receipt for receipt in receipts if receipt.tx_id == self._sent[found])
        return {"output": "0x" + receipt.output.hex(), "error": "execution reverted"}

    def _eth_getTransactionReceipt(self, found: str) -> Any:
        wanted, created = self._sent.get(found), self._created.get(found)
        for number, (_, receipts) in self.chain.blocks.items():
            for receipt in receipts:
                ours = number == created if created else receipt.tx_id == wanted
                if ours and not receipt.error.startswith("rejected"):
                    return {
                        "transactionHash": found,
                        "blockNumber": hex(number),
                        "blockHash": self._hash(number),
                        "transactionIndex": hex(receipt.position),
                        "status": hex(receipt.status),
                        "gasUsed": hex(receipt.gas_used),
                        "effectiveGasPrice": hex(self.base_fee),
                        "from": receipt.sender,
                        "to": receipt.to,
                        "logs": [self._log(log) for log in receipt.logs],
                    }
        return None
