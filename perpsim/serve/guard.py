"""What stands before the application: who may ask, and what browsers may do with the answer."""

from __future__ import annotations

from ipaddress import ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    # Scripts, styles and data of this server, nothing else, and nothing written into the page itself.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Answers GET and HEAD alone, and only who calls the server by its address or a name in `hosts`.

    A page elsewhere that has its own name point at this machine (DNS rebinding) calls it by that name.
    """

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...] = ()) -> None:
        self._app = app
        self._hosts = {"localhost", *(host.lower() for host in hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        if scope["type"] != "http":
            # Nothing here speaks WebSocket; start-up and shutdown go through.
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        if not self._known(Headers(scope=scope).get("host", "")):
            refusal = JSONResponse({"error": "not served under this name"}, 421)
            await refusal(scope, receive, guarded)
        elif scope["method"] not in ("GET", "HEAD"):
            refusal = JSONResponse({"error": "read only"}, 405, headers={"allow": "GET, HEAD"})
            await refusal(scope, receive, guarded)
        else:
            await self._app(scope, receive, guarded)

    def _known(self, host: str) -> bool:
        name = _name(host)
        if name in self._hosts:
            return True
        try:
            ip_address(name)
        except ValueError:
            return False
        return True


def _name(host: str) -> str:
    """The host of a Host header without its port."""
    if host.startswith("["):
        name, closed, _ = host[1:].partition("]")
        return name if closed else ""
    return host.partition(":")[0].lower()
