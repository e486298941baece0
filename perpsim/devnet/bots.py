"""Running a bot in a terminal: where it keeps its files, how it speaks, when it ends."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from perpsim.devnet.deployment import attached
from perpsim.devnet.keeper import KeeperBot, live_keeper
from perpsim.devnet.live_chain import LiveChain
from perpsim.devnet.mirror import Mirror
from perpsim.devnet.node import Node
from perpsim.devnet.wallet import Signer
from perpsim.errors import UserError


def say(said: dict[str, Any]) -> None:
    """One line of JSON, with the time."""
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")
    print(json.dumps({"at": moment, **said}), flush=True)


def files_beside(deployment: Path, address: str) -> tuple[Path, Path]:
    """A bot's journal of the log and its state, beside the deployment file: each bot has its own."""
    stem = f"{deployment.stem}-{address[2:10]}"
    return deployment.with_name(f"{stem}.log.jsonl"), deployment.with_name(f"{stem}.bot.json")


def run_keeper(
    node: Node,
    signer: Signer,
    path: Path,
    *,
    strategy: str,
    min_profit: float = 0.0,
    coin_price: float = 0.0,
    poll: float = 1.0,
    dry_run: bool = False,
    once: bool = False,
) -> None:
    """A keeper until Ctrl-C. Raises `UserError` for what cannot be begun."""
    try:
        config = live_keeper(strategy, min_profit)
    except ValidationError as error:
        raise UserError(f"--strategy {strategy}: {error.errors()[0]['msg']}") from None
    deployment, _ = attached(node, path)
    chain = LiveChain(node, signer)
    if not dry_run:
        chain.need_coin()
    journal, state = files_beside(path, signer.address)
    mirror = Mirror(deployment, node, journal)
    bot = KeeperBot(mirror, chain, config, say, coin_price=coin_price, dry_run=dry_run, state=state)
    say({"event": "begin", "keeper": signer.address, "strategy": strategy, "block": mirror.reader.cursor})
    if once:
        bot.tick()
        return
    try:
        bot.run(lambda: False, poll)
    except KeyboardInterrupt:
        say({"event": "end", "block": mirror.reader.cursor, "sent": bot.keeper.sent})
