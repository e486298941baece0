"""A JSON-RPC node as the devnet tools use it: they ask and send, and never take over its clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from perpsim.chain import EngineError

#: seconds to wait for an answer
TIMEOUT = 20
_WORDS = 200

#: sends a method and its parameters, returns the JSON-RPC answer (`result` or `error`)
Transport = Callable[[str, list[Any]], Any]


class Unreachable(EngineError):
    """The node does not answer; it may later."""


class Refusal(EngineError):
    """The node answered with an error. `words` are its own, `data` is revert data if it sent any."""

    def __init__(self, method: str, error: Any) -> None:
        fields = error if isinstance(error, dict) else {"message": error}
        self.words = one_line(fields.get("message", error))
        data = fields.get("data")
        if isinstance(data, dict):
            data = data.get("data")
        self.data = bytes.fromhex(data[2:]) if isinstance(data, str) and data.startswith("0x") else b""
        super().__init__(f"the node refuses {method}: {self.words}")

    @property
    def reverted(self) -> bool:
        """Whether it is the contract that refuses, not the node."""
        return bool(self.data) or "revert" in self.words.lower()


class Head(NamedTuple):
    """A block of the node: number, hash, time (seconds), base fee (wei per gas), gas limit."""

    number: int
    hash: str
    time: int
    base_fee: int
    gas_limit: int


class Node:
    """A node under a name for messages.

    With `patience` (seconds) a request that is not answered is repeated, at growing distances, for so long.
    """

    def __init__(
        self,
        name: str,
        transport: Transport,
        *,
        patience: float = 0.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self.patience = patience
        self._transport = transport
        self._sleep = sleep

    @classmethod
    def at(cls, url: str, *, patience: float = 0.0, timeout: float = TIMEOUT) -> Node:
        """The node at an http(s) URL."""
        return cls(url, http(url, timeout), patience=patience)

    def ask(self, method: str, *params: Any) -> Any:
        """The result of a request. Raises `Unreachable` or `Refusal`."""
        waited, pause = 0.0, 0.25
        while True:
            try:
                answer = self._transport(method, list(params))
                break
            except Exception as error:
                if waited >= self.patience:
                    raise Unreachable(f"node {self.name} does not answer: {unanswered(error)}") from None
            self._sleep(pause)
            waited += pause
            pause = min(2 * pause, 8.0)
        if not isinstance(answer, dict) or not ("result" in answer or "error" in answer):
            raise Unreachable(f"node {self.name} does not answer: that is no JSON-RPC node")
        if answer.get("error") is not None:
            raise Refusal(method, answer["error"])
        return answer.get("result")

    def number(self, method: str, *params: Any) -> int:
        """The result as a number."""
        return int(self.ask(method, *params), 16)

    def bytes(self, method: str, *params: Any) -> bytes:
        """The result as bytes."""
        return bytes.fromhex(self.ask(method, *params)[2:])

    def chain_id(self) -> int:
        """Number of the chain."""
        return self.number("eth_chainId")

    def head(self, number: int | None = None) -> Head:
        """Block `number`, or the last one. Raises `Refusal` if there is none."""
        which = "latest" if number is None else hex(number)
        found = self.ask("eth_getBlockByNumber", which, False)
        if found is None:
            raise Refusal("eth_getBlockByNumber", f"no block {which}")
        return Head(
            int(found["number"], 16),
            found["hash"],
            int(found["timestamp"], 16),
            int(found.get("baseFeePerGas") or "0x0", 16),
            int(found["gasLimit"], 16),
        )


def http(url: str, timeout: float) -> Transport:
    """Requests over http; the connection stays open."""
    import requests

    session = requests.Session()

    def send(method: str, params: list[Any]) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return session.post(url, json=body, timeout=timeout).json()

    return send


def unanswered(error: Exception) -> str:
    """Why there was no answer, in few words."""
    text = str(error)
    if "Timeout" in type(error).__name__ or "timed out" in text:
        return "no answer in time"
    if "refused" in text:
        return "connection refused"
    if "resolve" in text or "getaddrinfo" in text or "Name or service" in text:
        return "unknown host"
    if "JSON" in type(error).__name__:
        return "that is no JSON-RPC node"
    return one_line(text)


def one_line(text: object) -> str:
    """A text of any size as one line."""
    line = " ".join(str(text).split())
    return line if len(line) <= _WORDS else line[: _WORDS - 3] + "..."
