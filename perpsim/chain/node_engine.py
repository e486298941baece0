"""Any node that speaks JSON-RPC.

Anvil and hardhat let us set time, order and balances; on any other node we can only send, wait and see:
timestamps are then the node's, and a block is whatever the node makes of the transactions. A node holds no
pending block open, so `deploy` and `execute` mine a block each, at `pending_timestamp` where the node allows
two blocks at one time, else a second later.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from . import accounts
from .artifacts import Artifact
from .base import COINBASE, DEFAULT_BLOCK_GAS_LIMIT, OPEN_GAS_LIMIT, REJECTED, Block, Chain, Log, Receipt, Tx
from .embedded import refuse
from .errors import MAX_REVERT_BYTES, EngineError, Revert, decode_revert
from .gas_model import intrinsic_gas
from .mempool import Round
from .signing import Wallet, one_line, raw_bytes, refusal

#: nodes stop keeping the order of a batch at some 120 entries
BATCH = 100
#: seconds to wait for a node to answer a request, and for a plain node to mine what it was sent
NODE_TIMEOUT = 20
MINING_TIMEOUT = 180
_RICH = 10**24
#: gas that making a contract costs beyond a call
_CREATION_GAS = 32_000


class NodeChain(Chain):
    """A chain on a JSON-RPC node. See the module.

    The chain goes on where the node stands, so block numbers and, on a node that has run before, addresses
    differ from those of the embedded engines; `LogDigest` takes the names of addresses for that reason.
    """

    def __init__(
        self,
        url: str,
        *,
        timestamp: int,
        block_gas_limit: int = DEFAULT_BLOCK_GAS_LIMIT,
        timeout: float = NODE_TIMEOUT,
        mining_timeout: float = MINING_TIMEOUT,
    ) -> None:
        self.engine = url
        self._mining_timeout = mining_timeout
        self._provider = _provider(url, timeout)
        chain_id = int(self._ask("eth_chainId"), 16)
        super().__init__(timestamp=timestamp, block_gas_limit=block_gas_limit, chain_id=chain_id)
        self._wallet = Wallet(chain_id)
        self._nonces: dict[str, int] = {}
        self._funded: set[str] = set()
        head = self._ask("eth_getBlockByNumber", "latest", False)
        self._number = int(head["number"], 16)
        self._timestamp = int(head["timestamp"], 16)
        self._prefix = self._find_prefix()
        #: True if the node lets us set time and order
        self.drives = bool(self._prefix)
        if self.drives:
            self._ask("evm_setAutomine", False)
            self._try("evm_setIntervalMining", 0)
            self._try("evm_setBlockGasLimit", hex(OPEN_GAS_LIMIT))
            if self._timestamp >= timestamp:
                raise EngineError(
                    f"node {url} stands at timestamp {self._timestamp}, the run starts at {timestamp}: "
                    f"start the node with --timestamp {timestamp - 1}"
                )
        else:
            self._pending_timestamp = max(timestamp, self._timestamp + 1)

    # ------------------------------------------------------------------------------------- requests

    def _ask(self, method: str, *params: Any) -> Any:
        """Result of one request. `_NodeError` if the node refuses, `EngineError` if it does not answer."""
        try:
            answer = self._provider.make_request(method, list(params))
        except Exception as error:
            raise EngineError(f"node {self.engine} does not answer: {_unanswered(error)}") from None
        if "error" in answer:
            raise _NodeError(method, answer["error"])
        return answer.get("result")

    def _try(self, method: str, *params: Any) -> bool:
        try:
            self._ask(method, *params)
        except _NodeError:
            return False
        return True

    def _ask_all(self, requests: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        """Results in order; a refused one is its `_NodeError`."""
        results: list[Any] = []
        for start in range(0, len(requests), BATCH):
            part = list(requests[start : start + BATCH])
            try:
                answers = self._provider.make_batch_request(part)
            except Exception as error:
                raise EngineError(f"node {self.engine} does not answer: {_unanswered(error)}") from None
            if not isinstance(answers, list):
                raise _NodeError("batch", answers.get("error"))
            for (method, _), answer in zip(part, answers):
                results.append(
                    _NodeError(method, answer["error"]) if "error" in answer else answer.get("result")
                )
        return results

    def _find_prefix(self) -> str:
        for prefix in ("anvil", "hardhat"):
            # a harmless request that only this node knows
            if self._try(f"{prefix}_setBalance", "0x" + "00" * 19 + "fe", "0x0"):
                return prefix
        return ""

    # ------------------------------------------------------------------------------------ execution

    def deploy(self, artifact: Artifact, *args: Any, sender: str) -> str:
        tx = Tx(sender.lower(), "", artifact.creation(*args), gas_limit=self.block_gas_limit)
        address = accounts.create_address(tx.sender, self.nonce(tx.sender))
        (receipt,) = self._mine_now([tx])
        if not receipt.status:
            raise Revert(f"{artifact.name}: {receipt.reason}", receipt.output)
        return address

    def execute(
        self, sender: str, to: str, data: bytes, *, value: int = 0, gas: int | None = None
    ) -> Receipt:
        tx = Tx(sender, to, data, gas_limit=gas or self.block_gas_limit, value=value)
        (receipt,) = self._mine_now([tx])
        return receipt

    def _mine_now(self, txs: list[Tx]) -> list[Receipt]:
        pending = self._pending_timestamp
        _, receipts = self._block(txs, pending, same_time=True)
        self._pending_timestamp = max(pending, self._timestamp)
        return receipts

    def view(self, to: str, data: bytes, sender: str | None = None, timestamp: int | None = None) -> bytes:
        fields = {"from": sender or COINBASE, "to": to, "data": "0x" + data.hex()}
        params: list[Any] = [fields, "latest"]
        if timestamp is not None:
            params += [{}, {"time": hex(timestamp)}]
        try:
            return raw_bytes(self._ask("eth_call", *params))
        except _NodeError as error:
            if error.data is None and not error.reverted:
                raise EngineError(f"node {self.engine}: {one_line(error)}") from None
            output = error.data or b""
            raise Revert(decode_revert(output), output[:MAX_REVERT_BYTES]) from None

    def mine(self, timestamp: int) -> tuple[Block, list[Receipt]]:
        if self.drives:
            self._check_time(timestamp)
        gas_left = self.block_gas_limit
        chosen: list[Tx] = []
        late = self._pool.expire(self._number)
        # what a transaction will use is not known before it runs: limits count in full
        candidates = Round(self._pool, self.base_fee, self.nonce)
        while (tx := candidates.pop()) is not None:
            if tx.gas_limit > gas_left:
                candidates.waits(tx)
            else:
                candidates.included(tx)
                chosen.append(tx)
                gas_left -= tx.gas_limit
        candidates.close()
        block, receipts = self._block(chosen, timestamp)
        refuse(self._pool, block.number, receipts)
        self.expired = late + self._pool.expire(block.number)
        block = block._replace(waiting=len(self._pool), expired=len(self.expired), tx_count=len(receipts))
        self._pending_timestamp = self._timestamp + 1
        return block, receipts

    def seal(self) -> Block:
        block, _ = self._block([], self._pending_timestamp)
        self._pending_timestamp = self._timestamp + 1
        return block

    def _block(self, txs: list[Tx], timestamp: int, same_time: bool = False) -> tuple[Block, list[Receipt]]:
        """Send, mine, fetch. `same_time` accepts a block a second later where two may not share a time."""
        refused: dict[int, str] = {}
        hashes: dict[int, str] = {}
        if self.drives:
            # before sending: a node refuses what cannot pay the next base fee
            self._ask(f"{self._prefix}_setNextBlockBaseFeePerGas", "0x0")
        raws = self._sign_all(txs, refused)
        order = sorted(raws)
        sent = self._ask_all([("eth_sendRawTransaction", ["0x" + raws[i].hex()]) for i in order])
        stuck: set[str] = set()
        for i, answer in zip(order, sent):
            sender = txs[i].sender
            if isinstance(answer, _NodeError):
                refused[i] = refusal(answer)
                stuck.add(sender)
            elif sender in stuck:
                # its nonce now leaves a gap: it must not be mined some day later
                self._try(f"{self._prefix or 'anvil'}_dropTransaction", answer)
                refused[i] = "an earlier transaction of this sender was refused"
            else:
                hashes[i] = answer
        for sender in stuck:
            del self._nonces[sender]
        if self.drives:
            if not self._try("evm_setNextBlockTimestamp", timestamp):
                if not same_time:
                    raise EngineError(f"node {self.engine} refuses a block at timestamp {timestamp}")
                self._ask("evm_setNextBlockTimestamp", self._timestamp + 1)
            self._ask("evm_mine")
        found = self._fetch(hashes)
        head = self._ask("eth_getBlockByNumber", "latest", False)
        self._number = int(head["number"], 16)
        self._timestamp = int(head["timestamp"], 16)
        receipts: list[Receipt] = []
        for i, tx in sorted(enumerate(txs), key=lambda item: _place(found.get(item[0]), item[0])):
            entry = found.get(i)
            if entry is None:
                words = REJECTED + refused.get(i, "the node did not include it")
                receipts.append(
                    Receipt(0, 0, b"", [], tx.id, self._number, len(receipts), tx.sender, tx.to, words)
                )
            else:
                receipts.append(self._receipt(tx, entry, len(receipts)))
        self._history.append((self._number, receipts))
        gas_used = sum(receipt.gas_used for receipt in receipts)
        base_fee = int(head.get("baseFeePerGas") or "0x0", 16)
        return (
            Block(self._number, self._timestamp, gas_used, self.block_gas_limit, base_fee, len(receipts)),
            receipts,
        )

    def _sign_all(self, txs: list[Tx], refused: dict[int, str]) -> dict[int, bytes]:
        senders = {tx.sender for tx in txs if accounts.by_address(tx.sender)}
        self._prepare(senders)
        price = 0 if self.drives else 2 * int(self._ask("eth_gasPrice"), 16)
        raws: dict[int, bytes] = {}
        for i, tx in enumerate(txs):
            # the node orders by tip: falling tips make it keep our order
            tip = len(txs) - i
            fees = {"maxFeePerGas": price + tip, "maxPriorityFeePerGas": tip}
            if tx.gas_limit < intrinsic_gas(tx.data) + (0 if tx.to else _CREATION_GAS):
                refused[i] = "gas limit below the intrinsic cost"
                continue
            try:
                raws[i] = self._wallet.sign(tx, self._nonces.get(tx.sender, 0), tx.gas_limit, fees)
            except KeyError:
                refused[i] = f"no key for the sender {tx.sender}"
            except Exception as error:
                refused[i] = one_line(error)
            else:
                self._nonces[tx.sender] += 1
        return raws

    def _prepare(self, senders: set[str]) -> None:
        """Nonces and, where the node gives it away, native coin for senders."""
        unknown = sorted(senders - set(self._nonces))
        answers = self._ask_all([("eth_getTransactionCount", [address, "latest"]) for address in unknown])
        for address, answer in zip(unknown, answers):
            if isinstance(answer, _NodeError):
                raise EngineError(f"node {self.engine}: {one_line(answer)}")
            self._nonces[address] = int(answer, 16)
        poor = sorted(senders - self._funded)
        if self.drives:
            self._ask_all([(f"{self._prefix}_setBalance", [address, hex(_RICH)]) for address in poor])
        self._funded.update(poor)

    def _fetch(self, hashes: dict[int, str]) -> dict[int, Any]:
        """Receipts as the node gives them; waits for those that are late."""
        found: dict[int, Any] = {}
        deadline = time.monotonic() + (NODE_TIMEOUT if self.drives else self._mining_timeout)
        while len(found) < len(hashes):
            missing = [i for i in hashes if i not in found]
            answers = self._ask_all([("eth_getTransactionReceipt", [hashes[i]]) for i in missing])
            for i, answer in zip(missing, answers):
                if isinstance(answer, dict):
                    found[i] = answer
            if len(found) < len(hashes):
                if time.monotonic() > deadline:
                    break
                time.sleep(0.02 if self.drives else 0.5)
        return found

    def _receipt(self, tx: Tx, entry: dict[str, Any], index: int) -> Receipt:
        number = int(entry["blockNumber"], 16)
        status = int(entry["status"], 16)
        to = tx.to or str(entry.get("contractAddress") or "").lower()
        output = b""
        error = ""
        if not status:
            output, error = self._why(entry["transactionHash"])
        logs = [
            Log(
                log["address"].lower(),
                [raw_bytes(t) for t in log["topics"]],
                raw_bytes(log["data"]),
                number,
                index,
                i,
            )
            for i, log in enumerate(entry["logs"])
        ]
        gas_used = int(entry["gasUsed"], 16)
        return Receipt(status, gas_used, output, logs, tx.id, number, index, tx.sender, to, error)

    def _why(self, transaction: str) -> tuple[bytes, str]:
        """Revert data of a failed transaction, if the node can trace."""
        try:
            trace = self._ask(
                "debug_traceTransaction",
                transaction,
                {"tracer": "callTracer", "tracerConfig": {"onlyTopCall": True}},
            )
        except _NodeError:
            return b"", "reverted (the node does not say why)"
        output = raw_bytes(trace.get("output") or "0x")[:MAX_REVERT_BYTES]
        words = str(trace.get("error") or "").lower()
        if "revert" in words or (not words and output):
            return output, ""
        if "gas" in words:
            return b"", "out of gas"
        return b"", f"halted: {words or 'the node does not say why'}"

    # -------------------------------------------------------------------------------------- reading

    def balance(self, address: str) -> int:
        return int(self._ask("eth_getBalance", address, "latest"), 16)

    def fund_native(self, address: str, amount: int) -> None:
        if self.drives:
            self._ask(f"{self._prefix}_setBalance", address, hex(self.balance(address) + amount))
            # what was asked for is what it gets: no gift on its first transaction
            self._funded.add(address)
            return
        owned = self._ask("eth_accounts")
        if not owned:
            raise EngineError(f"node {self.engine} cannot fund {address}: it holds no unlocked account")
        sent = self._ask("eth_sendTransaction", {"from": owned[0], "to": address, "value": hex(amount)})
        if not self._fetch({0: sent}):
            raise EngineError(f"node {self.engine} did not mine the funding of {address}")

    def nonce(self, address: str) -> int:
        known = self._nonces.get(address)
        return (
            known if known is not None else int(self._ask("eth_getTransactionCount", address, "latest"), 16)
        )

    def code(self, address: str) -> bytes:
        return raw_bytes(self._ask("eth_getCode", address, "latest"))

    def storage(self, address: str, slot: int) -> int:
        return int(self._ask("eth_getStorageAt", address, hex(slot), "latest"), 16)

    def close(self) -> None:
        super().close()
        if self.drives:
            # leave a shared node as it was found
            try:
                self._ask("evm_setAutomine", True)
            except EngineError:
                pass


class _NodeError(EngineError):
    """A node answered a request with an error."""

    def __init__(self, method: str, error: Any) -> None:
        fields = error if isinstance(error, dict) else {"message": error}
        self.message = str(fields.get("message", error))
        data = fields.get("data")
        if isinstance(data, dict):
            data = data.get("data") or data.get("result")
        self.data = raw_bytes(data) if isinstance(data, str) and data.startswith("0x") else None
        self.reverted = "revert" in self.message.lower()
        super().__init__(f"the node refuses {method}: {one_line(self.message)}")


def _unanswered(error: Exception) -> str:
    name = type(error).__name__
    if "Timeout" in name:
        return "no answer in time"
    text = str(error)
    if "refused" in text or "Connect call failed" in text:
        return "connection refused"
    if "resolve" in text or "getaddrinfo" in text or "Name or service" in text:
        return "unknown host"
    return one_line(text)


def _place(entry: dict[str, Any] | None, fallback: int) -> tuple[int, int, int]:
    """Where a transaction stands in the chain; what was never mined comes last."""
    if entry is None:
        return (1 << 62, 0, fallback)
    return (int(entry["blockNumber"], 16), int(entry["transactionIndex"], 16), fallback)


def _provider(url: str, timeout: float) -> Any:
    if url.startswith(("http://", "https://")):
        from web3 import HTTPProvider

        return HTTPProvider(url, request_kwargs={"timeout": timeout}, exception_retry_configuration=None)
    from web3.providers import LegacyWebSocketProvider

    return LegacyWebSocketProvider(url, websocket_timeout=int(timeout))
