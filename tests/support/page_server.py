"""A server of the live page in a thread, and a client without manners: any method, any Host."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import Any

from perpsim.serve.app import Source
from perpsim.serve.server import listening, server_of


@dataclass
class Server:
    """One that listens on this machine."""

    port: int

    def ask(self, path: str, *, method: str = "GET", host: str = "localhost") -> HTTPResponse:
        """The answer, its body still to be read."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", host)
        connection.endheaders()
        return connection.getresponse()

    def json(self, path: str) -> Any:
        """The answer of an address that gives data."""
        answer = self.ask(path)
        text = answer.read()
        assert answer.status == 200, text
        return json.loads(text)


@contextmanager
def running(source: Source, hosts: tuple[str, ...] = ()) -> Iterator[Server]:
    """A server in a thread of its own."""
    with listening("127.0.0.1", 0) as listener:
        server = server_of(source, hosts)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield Server(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(10)
