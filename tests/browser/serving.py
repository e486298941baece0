"""A server of the live page in a process of its own, and what a page of it says."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from chromium import Page

Visit = Callable[..., Page]


@contextmanager
def served(*what: object, port: int = 0) -> Iterator[str]:
    """The URL of a server in a process of its own; it must end well on Ctrl-C."""
    command = [sys.executable, "-m", "perpsim.cli", "serve", *map(str, what), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout and process.stderr
        line = process.stdout.readline()
        assert line.endswith("/ (Ctrl-C ends it)\n"), line + process.stderr.read()
        yield line.split()[-4]
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.wait()


def told(page: Page, place: str) -> str:
    """The text of an element."""
    found: str = page.evaluate(f"document.querySelector({json.dumps(place)}).innerText")
    return found
