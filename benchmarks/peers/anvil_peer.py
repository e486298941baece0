"""anvil: raw JSON-RPC batches of unsigned transactions, a block each; `anvil` on PATH or in ANVIL."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import time
from collections import Counter
from typing import Any

from nodes import GAS, SETUP_GAS
from work import Outcome, Step, Work, main

PORT = 18_545
#: a batch keeps its order up to about 120 entries
BATCH = 100
#: gas of a call and of a block where nothing is to be short of it
_MOST, _ROOM = 6_000_000, 10**10


class Node:
    """An anvil of our own."""

    def __init__(self, start: int, gas_limit: int) -> None:
        binary = os.environ.get("ANVIL") or "anvil"
        options = f"--port {PORT} --silent --hardfork cancun --no-mining --auto-impersonate --accounts 1"
        rules = f"--timestamp {start} --gas-limit {gas_limit} --base-fee 0 --gas-price 0 --order fifo"
        command = [binary, *options.split(), *rules.split()]
        self._process = subprocess.Popen(command)
        self._number = 0
        for _ in range(100):
            try:
                self._link = http.client.HTTPConnection("127.0.0.1", PORT)
                self.ask(("eth_chainId", []))
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit("anvil does not answer")

    def ask(self, *calls: tuple[str, list[Any]]) -> list[Any]:
        """A batch; the results in order."""
        body = [{"jsonrpc": "2.0", "id": at, "method": m, "params": p} for at, (m, p) in enumerate(calls)]
        self._link.request("POST", "/", json.dumps(body), {"Content-Type": "application/json"})
        answers = sorted(json.loads(self._link.getresponse().read()), key=lambda answer: answer["id"])
        for answer in answers:
            if "error" in answer:
                raise SystemExit(f"anvil: {answer['error']}")
        return [answer["result"] for answer in answers]

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()


def transaction(step: Step, nonce: int, gas: int = GAS) -> dict[str, str]:
    """A step for eth_sendTransaction."""
    found = {"from": "0x" + step.sender.hex(), "data": "0x" + step.data.hex(), "nonce": hex(nonce),
             "gas": hex(gas), "gasPrice": "0x0"}  # fmt: skip
    return {**found, "to": "0x" + step.to.hex()} if step.to else found


def _set_up(node: Node, work: Work) -> Counter[bytes]:
    """One block a step; the next nonces of everybody."""
    for sender in work.senders():
        node.ask(("anvil_setBalance", ["0x" + sender.hex(), hex(10**30)]))
    nonces: Counter[bytes] = Counter()
    clock = work.setup[0].time
    for step in work.setup:
        clock = max(clock + 1, step.time)
        sent = transaction(step, nonces[step.sender], SETUP_GAS)
        nonces[step.sender] += 1
        (known, _, _) = node.ask(("eth_sendTransaction", [sent]), ("evm_setNextBlockTimestamp", [clock]),
                                 ("evm_mine", []))  # fmt: skip
        (receipt,) = node.ask(("eth_getTransactionReceipt", [known]))
        if not step.to:
            assert receipt["contractAddress"] == "0x" + step.created.hex(), "contracts stand elsewhere"
    return nonces


def _replay(node: Node, work: Work, nonces: Counter[bytes], gas: int) -> list[str]:
    """All calls in batches, a block each as recorded; their hashes."""
    hashes: list[str] = []
    for block in work.blocks():
        calls = []
        for call in block:
            calls.append(("eth_sendTransaction", [transaction(call, nonces[call.sender], gas)]))
            nonces[call.sender] += 1
        for at in range(0, len(calls), BATCH):
            hashes += node.ask(*calls[at : at + BATCH])
        node.ask(("evm_setNextBlockTimestamp", [block[0].time]), ("evm_mine", []))
    return hashes


def _receipts(node: Node, hashes: list[str]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for at in range(0, len(hashes), BATCH):
        found += node.ask(*(("eth_getTransactionReceipt", [known]) for known in hashes[at : at + BATCH]))
    return found


def run(work: Work) -> Outcome:
    """Set up with one block a step, then time batches; receipts are read afterwards."""
    node = Node(work.setup[0].time - 1, work.gas_limit)
    try:
        nonces = _set_up(node, work)
        began = time.perf_counter()
        hashes = _replay(node, work, nonces, GAS)
        seconds = time.perf_counter() - began
        failed = sum(receipt["status"] != "0x1" for receipt in _receipts(node, hashes))
        return Outcome(seconds, len(work.calls), failed, "receipts not fetched")
    finally:
        node.close()


def gas_used(work: Work) -> list[int]:
    """Gas used of every call."""
    node = Node(work.setup[0].time - 1, _ROOM)
    try:
        hashes = _replay(node, work, _set_up(node, work), _MOST)
        return [int(receipt["gasUsed"], 16) for receipt in _receipts(node, hashes)]
    finally:
        node.close()


if __name__ == "__main__":
    main(run)
