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


def run(work: Work) -> Outcome:
    """Set up with one block a step, then time batches; receipts are read afterwards."""
    node = Node(work.setup[0].time - 1, work.gas_limit)
    try:
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
        hashes: list[str] = []
        began = time.perf_counter()
        for block in work.blocks():
            calls = []
            for call in block:
                calls.append(("eth_sendTransaction", [transaction(call, nonces[call.sender])]))
                nonces[call.sender] += 1
            for at in range(0, len(calls), BATCH):
                hashes += node.ask(*calls[at : at + BATCH])
            node.ask(("evm_setNextBlockTimestamp", [block[0].time]), ("evm_mine", []))
        seconds = time.perf_counter() - began
        failed = 0
        for at in range(0, len(hashes), BATCH):
            asked = [("eth_getTransactionReceipt", [found]) for found in hashes[at : at + BATCH]]
            failed += sum(receipt["status"] != "0x1" for receipt in node.ask(*asked))
        return Outcome(seconds, len(work.calls), failed, "receipts not fetched")
    finally:
        node.close()


if __name__ == "__main__":
    main(run)
