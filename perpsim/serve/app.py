"""The web application: reads only, and tells nothing to pages of other sites."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import resources
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from perpsim.report.fund_history import PERIODS, FundHistory, csv_text
from perpsim.serve.guard import Guard

KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
FILES = ("page.html", "page.css", "page.js", "chart.js", "parts.js")
#: moments a second while a run is played, and blocks a second that may be asked for
MOMENTS, FASTEST = 5, 5_000
# Seconds between two looks whether there is something new, and after which something is sent anyway.
GLANCE, SILENCE = 0.1, 10.0


class Source(Protocol):
    """What the page is about."""

    @property
    def first(self) -> int:
        """The first block there is."""

    @property
    def last(self) -> int:
        """The last block there is."""

    @property
    def version(self) -> int:
        """Another one as soon as there is something new to show."""

    def about(self) -> dict[str, Any]:
        """What the page is told once."""

    def series(self) -> dict[str, Any]:
        """The lines of the charts."""

    def frame(self, block: int) -> dict[str, Any]:
        """All that is shown of a block."""

    def fund_history(self, block: int) -> FundHistory:
        """The flows of the fund up to a block."""


def application(source: Source, hosts: tuple[str, ...] = ()) -> Starlette:
    """The page and its data. `hosts`: names beside localhost and plain addresses that it answers to."""

    def about(request: Request) -> Response:
        return JSONResponse(source.about())

    def series(request: Request) -> Response:
        return JSONResponse(source.series())

    def frame(request: Request) -> Response:
        return JSONResponse(source.frame(_block(request, source)))

    def fund(request: Request) -> Response:
        by = request.query_params.get("by", "flow")
        if by not in PERIODS:
            raise HTTPException(400, f"by: one of {', '.join(PERIODS)}")
        block = _block(request, source)
        text = csv_text(source.fund_history(block), by)
        name = f"fund-by-{by}-to-block-{block}.csv"
        return PlainTextResponse(
            text, media_type="text/csv", headers={"content-disposition": f'attachment; filename="{name}"'}
        )

    async def play(request: Request) -> Response:
        speed = _number(request, "speed", 20, 1, FASTEST)
        start = _block(request, source)
        return StreamingResponse(_played(source, start, speed), media_type="text/event-stream")

    async def live(request: Request) -> Response:
        return StreamingResponse(_followed(source), media_type="text/event-stream")

    found = Starlette(
        routes=[
            Route("/", _file("page.html")),
            *(Route(f"/{name}", _file(name)) for name in FILES[1:]),
            Route("/favicon.ico", _nothing),
            Route("/api/about", about),
            Route("/api/series", series),
            Route("/api/frame", frame),
            Route("/api/play", play),
            Route("/api/live", live),
            Route("/fund.csv", fund),
        ],
        middleware=[Middleware(Guard, hosts=hosts)],
        exception_handlers={HTTPException: _refusal},
    )
    found.router.redirect_slashes = False
    return found


async def _played(source: Source, start: int, speed: int) -> AsyncIterator[str]:
    """Moments from `start` to the last block as server-sent events, at `speed` blocks a second."""
    step = max(1, round(speed / MOMENTS))
    pause = step / speed
    for block in [*range(start, source.last, step), source.last]:
        began = asyncio.get_running_loop().time()
        found = await run_in_threadpool(source.frame, block)
        yield sent("frame", found)
        await asyncio.sleep(max(0.0, pause - (asyncio.get_running_loop().time() - began)))
    yield sent("end", {})


async def _followed(source: Source) -> AsyncIterator[str]:
    """The newest moment as a server-sent event, and again whenever there is something new."""
    shown, quiet = -1, 0.0
    while True:
        version = source.version
        if version != shown:
            yield sent("frame", await run_in_threadpool(source.frame, source.last))
            shown, quiet = version, 0.0
        elif quiet >= SILENCE:
            # Whoever has gone away is noticed when something is sent.
            yield ": still here\n\n"
            quiet = 0.0
        await asyncio.sleep(GLANCE)
        quiet += GLANCE


def sent(name: str, data: Any) -> str:
    """A server-sent event."""
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'), allow_nan=False)}\n\n"


def _file(name: str) -> Callable[[Request], Awaitable[Response]]:
    content = resources.files("perpsim.serve").joinpath("static", name).read_bytes()
    kind = KINDS[name.rpartition(".")[2]]

    async def answer(request: Request) -> Response:
        return Response(content, media_type=kind)

    return answer


async def _nothing(request: Request) -> Response:
    return Response(status_code=204)


async def _refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


def _block(request: Request, source: Source) -> int:
    """The block asked for; the last one if none is named."""
    return _number(request, "block", source.last, source.first, source.last)


def _number(request: Request, name: str, default: int, least: int, most: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    # Not int() alone: it takes underscores and the digits of every script.
    if not (text.isascii() and text.isdecimal() and len(text) <= 12 and least <= int(text) <= most):
        raise HTTPException(400, f"{name}: a whole number from {least} to {most}")
    return int(text)
