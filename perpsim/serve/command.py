"""`perpsim serve`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from perpsim.errors import UserError
from perpsim.serve.folder import RunHistory
from perpsim.serve.server import serve


def show(
    folder: Path | None,
    rpc: str | None,
    deployment: Path | None,
    host: str,
    port: int,
    echo: Callable[[str], None],
) -> None:
    """Serve a run folder, or the exchange of a deployment file on the node at `rpc`, until Ctrl-C."""
    if folder is not None and (rpc is not None or deployment is not None):
        raise UserError("either a run folder or --rpc with --deployment, not both")
    if folder is not None:
        serve(RunHistory(folder), host, port, lambda url: echo(f"{folder}: {url} (Ctrl-C ends it)"))
        return
    if rpc is None or deployment is None:
        raise UserError("what is to be shown? A run folder, or --rpc URL with --deployment FILE")
    # Needs the compiler's output and a node; a run folder does not.
    from perpsim.serve.live import live_exchange

    exchange = live_exchange(rpc, deployment)
    exchange.start()
    try:
        serve(exchange, host, port, lambda url: echo(f"{deployment} on {rpc}: {url} (Ctrl-C ends it)"))
    finally:
        exchange.stop()
