"""The JSON-RPC engine: against anvil where there is one, against a stub for what can go wrong."""

import json
import shutil
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.request import Request, urlopen

import pytest
from chain_sources import counter
from test_engines import START, scenario

from perpsim.chain import EngineError, FeeMarket, Tx, account, open_chain
from perpsim.chain.node_engine import NodeChain

CODEC = counter().interface.functions
needs_anvil = pytest.mark.skipif(shutil.which("anvil") is None, reason="no anvil on PATH")


def anvil(*options):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["anvil", "--port", str(port), "--hardfork", "cancun", "--silent", *options]
    process = subprocess.Popen(command)
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process, f"http://127.0.0.1:{port}"
        time.sleep(0.1)
    process.terminate()
    raise RuntimeError("anvil does not start")


def requests_to(url):
    """Plain requests to a node: `ask(method, *params)`."""

    def ask(method, *params):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = Request(url, body, {"Content-Type": "application/json"})
        with urlopen(request, timeout=20) as response:
            return json.load(response)["result"]

    return ask


@needs_anvil
def test_anvil_agrees_with_the_embedded_engines():
    process, url = anvil("--timestamp", str(START - 1))
    try:
        with open_chain("revm", timestamp=START, flush_every=1) as chain:
            wanted = scenario(chain)
        with open_chain(url, timestamp=START) as chain:
            assert scenario(chain) == wanted
        with pytest.raises(EngineError, match="start the node with --timestamp"):
            open_chain(url, timestamp=START)
    finally:
        process.terminate()
        process.wait()


@needs_anvil
def test_a_node_that_cannot_be_driven_is_waited_for(monkeypatch):
    monkeypatch.setattr(NodeChain, "_find_prefix", lambda self: "")
    process, url = anvil("--block-time", "1")
    try:
        chain = open_chain(url, timestamp=START)
        owner = account(0).address
        chain.fund_native(owner, 10**20)
        target = chain.deploy(counter(), 5, sender=owner)
        for _ in range(3):
            chain.submit(Tx(owner, target, CODEC["count"].encode(), 100_000))
        block, receipts = chain.mine(START + 12)
        assert [r.ok for r in receipts] == [True] * 3 and block.timestamp > START + 12
        assert CODEC["total"].decode(chain.view(target, CODEC["total"].encode())) == 8
    finally:
        process.terminate()
        process.wait()


class Stub(BaseHTTPRequestHandler):
    """Answers every request with `reply`."""

    reply = b""

    def do_POST(self):
        size = int(self.headers["Content-Length"])
        request = json.loads(self.rfile.read(size))
        body = self.reply.replace(b"ID", str(request["id"]).encode())
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"<html>not a node</html>", "does not answer"),
        (b'{"jsonrpc":"2.0","id":ID,"error":{"code":-32601,"message":"no such\\nmethod"}}', "no such method"),
    ],
)
def test_something_that_is_no_node_is_one_clear_line(monkeypatch, reply, words):
    monkeypatch.setattr(Stub, "reply", reply)
    server = HTTPServer(("127.0.0.1", 0), Stub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with pytest.raises(EngineError, match=words) as caught:
            open_chain(f"http://127.0.0.1:{server.server_port}", timestamp=START)
        assert "\n" not in str(caught.value)
    finally:
        server.shutdown()
        server.server_close()


@needs_anvil
def test_anvil_moves_the_base_fee_as_we_do():
    process, url = anvil("--base-fee", "10000000000", "--gas-limit", "1000000", "--no-mining")
    try:
        ask = requests_to(url)
        sender, other = ask("eth_accounts")[:2]
        for count in (0, 1, 23, 24, 40, 47, 47, 3, 0):
            for _ in range(count):
                ask("eth_sendTransaction", {"from": sender, "to": other, "value": "0x1", "gas": "0x5208"})
            ask("evm_mine")
        blocks = [ask("eth_getBlockByNumber", hex(number), False) for number in range(1, 10)]
        fees, used, limits = (
            [int(block[key], 16) for block in blocks] for key in ("baseFeePerGas", "gasUsed", "gasLimit")
        )
        assert max(used) > limits[0] // 2 > min(used)
        for block in range(8):
            assert fees[block + 1] == FeeMarket().next_base_fee(fees[block], used[block], limits[block])
    finally:
        process.terminate()
        process.wait()


@needs_anvil
def test_a_node_charges_by_itself_and_the_queue_is_ours():
    process, url = anvil("--timestamp", str(START - 1))
    try:
        with pytest.raises(EngineError, match="charges for gas by itself"):
            open_chain(url, timestamp=START, base_fee=1)
        with open_chain(url, timestamp=START) as chain:
            owner = account(1).address
            target = chain.deploy(counter(), 5, sender=account(0).address)
            first = chain.nonce(owner)
            data = CODEC["count"].encode()
            later = chain.submit(Tx(owner, target, data, 100_000, tip=9, nonce=first + 1))
            gap = chain.submit(
                Tx(owner, target, data, 100_000, tip=9, nonce=first + 3, expires=chain.next_number)
            )
            now = chain.submit(Tx(owner, target, data, 100_000, tip=1, nonce=first))
            again = chain.submit(Tx(owner, target, data, 100_000, tip=1, nonce=first))
            block, receipts = chain.mine(START + 12)
            assert [receipt.tx_id for receipt in receipts] == [now, later, again]
            assert receipts[2].reason == "rejected: replacement bids less than 10 % more"
            assert [tx.id for tx in chain.expired] == [gap]
            assert (block.waiting, block.expired, chain.fees.total) == (0, 1, 0)
    finally:
        process.terminate()
        process.wait()
