"""An exchange with a history on a node in this process."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.devnet_world import World, make_world


@pytest.fixture
def world() -> Callable[..., World]:
    """`world("key=value", ...)`."""
    return make_world


@pytest.fixture
def anvil() -> Iterator[Callable[..., str]]:
    """`anvil("--option", ...)` starts one and gives its URL, `anvil.stop()` ends them; without an anvil on
    PATH the test is skipped."""
    if shutil.which("anvil") is None:
        pytest.skip("no anvil on PATH")
    started: list[Any] = []

    def start(*options: str, port: int = 0) -> str:
        if not port:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
        process = subprocess.Popen(
            ["anvil", "--port", str(port), "--hardfork", "cancun", "--silent", *options]
        )
        started.append(process)
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return f"http://127.0.0.1:{port}"
            time.sleep(0.1)
        raise RuntimeError("anvil does not start")

    def stop() -> None:
        while started:
            process = started.pop()
            process.terminate()
            process.wait()

    start.stop = stop  # type: ignore[attr-defined]
    yield start
    stop()
