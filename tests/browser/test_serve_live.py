"""The page of an exchange on a real node, followed while a market moves it: anvil, or one of this process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from chromium import Page
from screens import DESK, PHONE
from serving import Visit, served, told
from support.devnet_world import make_world, simulation_of

from perpsim.chain import open_chain
from perpsim.devnet.deployment import record
from perpsim.protocol import deploy
from perpsim.scenarios.loading import load_scenario
from perpsim.simulation.parameters import protocol_params
from perpsim.simulation.runner import Simulation

CRASH = ("fund.initial=2000", "traders.count=30")
COUNT = "#tiles div:nth-child(6) dd"


@dataclass
class Devnet:
    """A node at `url`, an exchange on it with its `file`, and the market that moves it on.

    `pause` and `resume` take the node away and give it back.
    """

    url: str
    file: Path
    market: Simulation
    pause: Callable[[], None]
    resume: Callable[[], None]

    def go(self, blocks: int) -> None:
        """So many blocks of the market."""
        for _ in range(blocks):
            self.market.step()

    @property
    def liquidations(self) -> int:
        """Those that closed something."""
        return sum(row["closed"] > 0 for row in self.market.ledger.liquidations)

    @property
    def block(self) -> int:
        """The node's last block."""
        return self.market.protocol.chain.block_number


@pytest.fixture(scope="module")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """The smoke scenario on anvil (ANVIL, or on PATH), else on a node of this process."""
    file = tmp_path_factory.mktemp("devnet") / "deployment.json"
    anvil = shutil.which(os.environ.get("ANVIL", "anvil"))
    if anvil is None:
        warnings.warn("no anvil: the live page is tested on a node of this process", stacklevel=1)
        yield from _of_this_process(file)
    else:
        yield from _on_anvil(anvil, file)


def _on_anvil(anvil: str, file: Path) -> Iterator[Devnet]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--port", str(port), "--hardfork", "cancun", "--silent", "--timestamp", "1704000000"]
    # npm's anvil is a script that starts the real one: signals go to both.
    process = subprocess.Popen([anvil, *options], start_new_session=True)
    try:
        deadline = time.monotonic() + 20
        while socket.socket().connect_ex(("127.0.0.1", port)) and time.monotonic() < deadline:
            time.sleep(0.1)
        scenario, url = load_scenario("smoke", CRASH), f"http://127.0.0.1:{port}"
        with open_chain(url, timestamp=scenario.start - 3600) as chain:
            first = chain.block_number + 1
            protocol = deploy(chain, protocol_params(scenario))
            record(protocol, scenario, "anvil", first).write(file)
            market = simulation_of(scenario, protocol)
            yield Devnet(
                url,
                file,
                market,
                lambda: os.killpg(process.pid, signal.SIGSTOP),
                lambda: os.killpg(process.pid, signal.SIGCONT),
            )
    finally:
        os.killpg(process.pid, signal.SIGCONT)
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _of_this_process(file: Path) -> Iterator[Devnet]:
    world = make_world(*CRASH)
    world.deployment.write(file)

    class Handler(BaseHTTPRequestHandler):
        """JSON-RPC."""

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            try:
                answer = json.dumps(world.fake.transport(asked["method"], asked["params"])).encode()
            except ConnectionError:
                self.close_connection = True
                return
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def down(is_down: bool) -> None:
        world.fake.down = is_down

    yield Devnet(
        f"http://127.0.0.1:{server.server_port}", file, world.market, lambda: down(True), lambda: down(False)
    )
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def url(devnet: Devnet) -> Iterator[str]:
    """The page of it."""
    with served("--rpc", devnet.url, "--deployment", devnet.file) as found:
        yield found


def until(page: Page, devnet: Devnet) -> None:
    """Wait for the node's last block on the page."""
    page.wait_for(f"document.documentElement.dataset.block === '{devnet.block}'")


def test_new_blocks_appear_by_themselves(devnet: Devnet, url: str, visit: Visit) -> None:
    page = visit(url)
    assert told(page, "#badge") == "live"
    assert page.evaluate("document.getElementById('controls').hidden")
    for _ in range(5):
        devnet.go(1)
        until(page, devnet)
    mark = float(told(page, "#tiles div:first-child dd").split("\n")[0].replace(",", ""))
    assert mark == pytest.approx(devnet.market.metrics.column("mark_0")[-1], abs=0.06)
    assert page.errors == []


def test_lines_miss_no_block_when_many_come_at_once(devnet: Devnet, url: str, visit: Visit) -> None:
    lines = "[...document.querySelectorAll('figure > svg path')]"
    drawn = f"JSON.stringify({lines}.map((path) => path.getAttribute('d')))"
    page = visit(url)
    devnet.pause()
    # the server looks again once it has noticed that the node is away
    page.wait_for("!document.getElementById('trouble').hidden")
    devnet.resume()
    devnet.go(12)
    until(page, devnet)
    fresh = visit(url)
    until(fresh, devnet)
    page.wait_for(f"{drawn} === {json.dumps(fresh.evaluate(drawn))}", 10)
    assert page.errors == []


def test_a_liquidation_appears_within_two_blocks(devnet: Devnet, url: str, visit: Visit) -> None:
    page = visit(url)
    seen = devnet.liquidations
    while devnet.liquidations == seen:
        devnet.go(1)
    page.wait_for(f"document.querySelector('{COUNT}').innerText.startsWith('{devnet.liquidations}')", 10)
    latest = max(row["block"] for row in devnet.market.ledger.liquidations if row["closed"] > 0)
    assert devnet.market.next_block - 1 == latest
    assert page.evaluate("document.querySelectorAll('#liquidations tbody tr').length") == devnet.liquidations
    outcome = told(page, "#liquidations tbody .outcome")
    assert outcome in ("above the bankruptcy price", "at the bankruptcy price", "beyond the bankruptcy price")
    assert page.errors == []


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_everything_of_a_crash_is_drawn_without_a_complaint(
    devnet: Devnet, url: str, visit: Visit, size: tuple[int, int]
) -> None:
    page = visit(url, size)
    while not devnet.market.ledger.adl:
        devnet.go(1)
    until(page, devnet)
    for place in ("#book", "#queue", "#liquidations", "#adl", "#fund", "#keepers"):
        assert page.evaluate(f"document.querySelectorAll('{place} tbody tr').length") > 0, place
    assert page.evaluate("document.querySelectorAll('#signs .bad').length") > 0
    assert page.evaluate("document.querySelectorAll('#checks .bad').length") == 0
    assert page.evaluate("document.querySelectorAll('#checks .good').length") >= 4
    lines = "[...document.querySelectorAll('figure > svg path')]"
    assert page.evaluate(f"{lines}.every((line) => line.getAttribute('d').length > 20)")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.errors == []


def test_the_page_survives_the_node(devnet: Devnet, url: str, visit: Visit) -> None:
    page = visit(url)
    devnet.go(1)
    until(page, devnet)
    devnet.pause()
    try:
        page.wait_for("!document.getElementById('trouble').hidden")
        assert "does not answer" in told(page, "#trouble") and told(page, "#badge") == "node away"
        assert told(page, "#block") == f"block {devnet.block:,}"
    finally:
        devnet.resume()
    page.wait_for("document.getElementById('trouble').hidden")
    devnet.go(2)
    until(page, devnet)
    assert told(page, "#badge") == "live"
    assert page.errors == []
