"""A headless Chromium that tests drive over its DevTools protocol, through a pipe: no port, no package."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

HOW_TO_GET_ONE = (
    "browser tests need Chromium and found none: `apt-get install chromium` on Debian and Ubuntu, "
    "or CHROMIUM=/path/to/chrome"
)
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",  # root in a container has none; all it opens are the tests' own files
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-default-browser-check",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
PATIENCE = 60.0  # seconds for an answer

Message = dict[str, Any]
Act = tuple[str, float, float, int]  # kind, place on the screen, clicks so far (0: no button is down)


class BrowserError(Exception):
    """The browser refused, died or did not answer."""


def find() -> str | None:
    """The program to run: CHROMIUM of the environment, or what is on PATH."""
    chosen = os.environ.get("CHROMIUM")
    if chosen:
        return shutil.which(chosen)
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One process with a profile of its own, gone with it."""

    def __init__(self, program: str) -> None:
        self._cleanup = ExitStack()
        profile = self._cleanup.enter_context(
            tempfile.TemporaryDirectory(prefix="perpsim-chromium-", ignore_cleanup_errors=True)
        )
        # Chromium reads its orders from descriptor 3 and answers on 4; ours must not sit there already.
        theirs_in, self._out = (_high(fd) for fd in os.pipe())
        self._in, theirs_out = (_high(fd) for fd in os.pipe())
        self._cleanup.callback(os.close, self._out)
        self._cleanup.callback(os.close, self._in)

        def descriptors() -> None:
            os.dup2(theirs_in, 3)
            os.dup2(theirs_out, 4)

        self._log = self._cleanup.enter_context((Path(profile) / "said").open("w+b"))
        self._process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            pass_fds=(3, 4),
            preexec_fn=descriptors,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._buffer = b""
        self._last = 0
        self._listeners: dict[str, Callable[[Message], None]] = {}

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        try:
            self.call("Browser.close")
            self._process.wait(10)
        except (BrowserError, OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._cleanup.close()

    def page(self, width: int = 1200, height: int = 900, *, touch: bool = False) -> Page:
        """A new page whose screen has that size in CSS pixels."""
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        page = Page(self, target, session)
        self._listeners[session] = page.heard
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.screen(width, height, touch=touch)
        return page

    def call(self, method: str, parameters: Message | None = None, session: str | None = None) -> Message:
        """One order and its answer; what happens meanwhile goes to the pages."""
        number = self.send(method, parameters, session)
        deadline = time.monotonic() + PATIENCE
        while True:
            message = self._message(deadline, method)
            if message.get("id") == number:
                if "error" in message:
                    raise BrowserError(f"{method}: {message['error'].get('message')}")
                answer: Message = message["result"]
                return answer
            self._tell(message)

    def send(self, method: str, parameters: Message | None = None, session: str | None = None) -> int:
        """An order whose answer nobody waits for; its number."""
        self._last += 1
        order: Message = {"id": self._last, "method": method, "params": parameters or {}}
        if session:
            order["sessionId"] = session
        _write(self._out, json.dumps(order).encode() + b"\0")
        return self._last

    def listen(self, seconds: float) -> None:
        """Take in what happens for a while."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self._tell(self._message(deadline, "", patient=False))
            except TimeoutError:
                return

    def _tell(self, message: Message) -> None:
        listener = self._listeners.get(message.get("sessionId", ""))
        if listener and "method" in message:
            listener(message)

    def _message(self, deadline: float, waiting_for: str, patient: bool = True) -> Message:
        while b"\0" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._in], [], [], left)[0]:
                if patient:
                    raise BrowserError(f"no answer to {waiting_for} within {PATIENCE:.0f} seconds")
                raise TimeoutError
            chunk = os.read(self._in, 1 << 20)
            if not chunk:
                raise BrowserError(f"Chromium has ended: {self._said()}")
            self._buffer += chunk
        line, self._buffer = self._buffer.split(b"\0", 1)
        message: Message = json.loads(line)
        return message

    def _said(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-2000:].strip()


class Page:
    """One page. `errors` gathers what its console, its scripts and its network complained about."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self._browser, self._target, self._session = browser, target, session
        self.errors: list[str] = []
        self.requests: list[str] = []

    def call(self, method: str, **parameters: Any) -> Message:
        """An order of the protocol to this page."""
        return self._browser.call(method, parameters, self._session)

    def close(self) -> None:
        """Close it."""
        self._browser.call("Target.closeTarget", {"targetId": self._target})

    def screen(self, width: int, height: int, *, touch: bool = False) -> None:
        """The size of the screen in CSS pixels, and whether fingers point at it."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if touch else 1,
            mobile=touch,
        )
        self.call("Emulation.setTouchEmulationEnabled", enabled=touch, maxTouchPoints=5 if touch else 1)

    def open(self, path: Path) -> None:
        """Load a file and wait until it is there."""
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.wait_for("document.readyState === 'complete' && location.protocol === 'file:'")

    def visit(self, url: str) -> None:
        """Load a page from a server; what is on it comes later."""
        self.call("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited if it is a promise."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(f"{expression}: {_told(answer['exceptionDetails'])}")
        return answer["result"].get("value")

    def wait_for(self, condition: str, seconds: float = 30.0) -> None:
        """Until a JavaScript expression is true."""
        deadline = time.monotonic() + seconds
        while not self.evaluate(condition):
            if time.monotonic() > deadline:
                raise BrowserError(f"not within {seconds:.0f} seconds: {condition}; errors: {self.errors}")
            self._browser.listen(0.05)

    def click(self, x: float, y: float, times: int = 1) -> None:
        """As a user does it: a double click is two clicks, so quickly that it counts as one."""
        acts: list[Act] = [("mouseMoved", x, y, 0)]
        for n in range(1, times + 1):
            acts += [("mousePressed", x, y, n), ("mouseReleased", x, y, n)]
        self._mouse(acts)

    def move(self, x: float, y: float) -> None:
        """Point there."""
        self._mouse([("mouseMoved", x, y, 0)])

    def drag(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """Press at one place, let go at another."""
        steps = [(x0 + (x1 - x0) * n / 8, y0 + (y1 - y0) * n / 8) for n in range(1, 9)]
        acts: list[Act] = [("mouseMoved", x0, y0, 0), ("mousePressed", x0, y0, 1)]
        acts += [("mouseMoved", x, y, 1) for x, y in steps]
        self._mouse([*acts, ("mouseReleased", x1, y1, 1)])

    def _mouse(self, acts: list[Act]) -> None:
        """One after the other without a pause; when the last has had its effect, this returns."""
        for n, (kind, x, y, clicks) in enumerate(acts, 1):
            button = "left" if clicks else "none"
            what = {"type": kind, "x": x, "y": y, "button": button, "clickCount": clicks}
            order = self._browser.call if n == len(acts) else self._browser.send
            order("Input.dispatchMouseEvent", what, self._session)

    def press(self, key: str) -> None:
        """A key: Tab, Enter or Space."""
        code, text = {"Tab": (9, ""), "Enter": (13, "\r"), "Space": (32, " ")}[key]
        named = {"key": text if key == "Space" else key, "code": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **named)
        self.call("Input.dispatchKeyEvent", type="keyUp", **named)

    def screenshot(self, path: Path, *, whole: bool = False) -> Path:
        """What is on the screen, or the whole page, as PNG."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))
        return path

    def pdf(self) -> bytes:
        """The page on A4."""
        answer = self.call(
            "Page.printToPDF",
            printBackground=False,
            preferCSSPageSize=True,
            paperWidth=8.27,
            paperHeight=11.69,
        )
        return base64.b64decode(answer["data"])

    def heard(self, message: Message) -> None:
        """An event of this page."""
        method, told = message["method"], message["params"]
        if method == "Runtime.exceptionThrown":
            self.errors.append(_told(told["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.errors.append(" ".join(str(a.get("value", a.get("description"))) for a in told["args"]))
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.errors.append(told["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])


def _told(details: Message) -> str:
    return str(details.get("exception", {}).get("description") or details.get("text"))


def _high(descriptor: int) -> int:
    """The same file at a descriptor above 4, closed on exec."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return moved


def _write(descriptor: int, data: bytes) -> None:
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except BrokenPipeError:
        raise BrowserError("Chromium has ended") from None


def main() -> None:
    """Say which one would be used; exit 1 and say how to get one where there is none."""
    program = find()
    if program is None:
        sys.exit(HOW_TO_GET_ONE)
    print(f"browser: {program}")


if __name__ == "__main__":
    main()
