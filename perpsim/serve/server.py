"""Runs the application until it is told to stop."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn

from perpsim.errors import UserError
from perpsim.serve.app import Source, application

_BACKLOG = 128


def serve(source: Source, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve `source` at an address until Ctrl-C. `ready` gets the URL as soon as it answers there.

    Port 0 takes a free one. A `UserError` says why the address cannot be had.
    """
    with listening(host, port) as listener:
        ready(url_of(listener))
        try:
            server_of(source, (host,)).run(sockets=[listener])
        except KeyboardInterrupt:
            # How it says that Ctrl-C ended it.
            pass


def server_of(source: Source, hosts: tuple[str, ...] = ()) -> uvicorn.Server:
    """A server of the page that answers to `hosts` too; it writes nothing about who asked."""
    config = uvicorn.Config(
        application(source, hosts),
        log_level="critical",
        access_log=False,
        server_header=False,
        # Pages hold their streams open.
        timeout_graceful_shutdown=1,
        lifespan="off",
    )
    return uvicorn.Server(config)


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there; a `UserError` if there is no such address or its port is taken."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError):
        raise UserError(f"--host {host}: no such address") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        why = error.strerror or error
        raise UserError(f"{host}, port {port}: {why}; choose another with --port or --host") from None
    return listener


def url_of(listener: socket.socket) -> str:
    """Where a browser finds it."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"
