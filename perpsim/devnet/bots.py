"""Running a bot in a terminal: where it keeps its files, how it speaks, when it ends."""

from __future__ import annotations

import json
import signal
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from perpsim.devnet.deployment import FOLDER, attached
from perpsim.devnet.keeper import MAX_FEE, KeeperBot, live_keeper
from perpsim.devnet.live_chain import LiveChain
from perpsim.devnet.market import SET_UP_SECONDS, Anvil, LiveMarket, open_market, playable, run_market
from perpsim.devnet.mirror import Mirror
from perpsim.devnet.node import Node
from perpsim.devnet.wallet import Signer
from perpsim.errors import UserError
from perpsim.scenarios import Scenario


def say(said: dict[str, Any]) -> None:
    """One line of JSON, with the time."""
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")
    print(json.dumps({"at": moment, **said}), flush=True)


def files_beside(deployment: Path, address: str) -> tuple[Path, Path]:
    """A bot's journal of the log and its state, beside the deployment file: each bot has its own."""
    stem = f"{deployment.stem}-{address[2:10]}"
    return deployment.with_name(f"{stem}.log.jsonl"), deployment.with_name(f"{stem}.bot.json")


def open_keeper(
    node: Node,
    signer: Signer,
    path: Path,
    *,
    strategy: str,
    min_profit: float = 0.0,
    max_fee: float = MAX_FEE,
    coin_price: float | None = None,
    dry_run: bool = False,
) -> KeeperBot:
    """A keeper on the exchange of a deployment file, with its files beside that. `coin_price` is that of the
    scenario's network if left out. Raises `UserError` for what cannot be begun."""
    try:
        config = live_keeper(strategy, min_profit, max_fee)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"keeper: {first['loc'][-1]} {first['input']}: {first['msg']}") from None
    deployment, _ = attached(node, path)
    if coin_price is None:
        network = deployment.model.network
        coin_price = 0.0 if network is None else network.native_price
    chain = LiveChain(node, signer)
    if not dry_run:
        chain.need_coin()
    journal, state = files_beside(path, signer.address)
    mirror = Mirror(deployment, node, journal)
    bot = KeeperBot(mirror, chain, config, say, coin_price=coin_price, dry_run=dry_run, state=state)
    say({"event": "begin", "keeper": signer.address, "strategy": strategy, "block": mirror.reader.cursor})
    return bot


def run_keeper(bot: KeeperBot, *, poll: float = 1.0, once: bool = False) -> None:
    """Let a keeper work until Ctrl-C."""
    if once:
        bot.tick()
        return
    stop = _on_signals()
    bot.run(stop.is_set, poll, stop.wait)
    say({"event": "end", "block": bot.mirror.reader.cursor, "sent": bot.keeper.sent})


def run_devnet(
    scenario: Scenario,
    url: str,
    path: Path | None = None,
    *,
    speed: float = 1.0,
    keepers: bool = True,
    port: int = 8545,
    force: bool = False,
) -> None:
    """A market on the node at `url`, on an anvil of its own if that is empty, until Ctrl-C. An anvil of its
    own keeps its chain in a file, so that the market goes on when it is called again."""
    anvil: Anvil | None = None
    if not url:
        state = FOLDER / f"devnet-{scenario.name}.anvil.json"
        if force:
            state.unlink(missing_ok=True)
        anvil = Anvil(port, state, scenario.start - SET_UP_SECONDS - 1)
        url = anvil.url
        print(f"anvil on {url}; its chain stays in {state}", flush=True)
    again = force

    def opened() -> LiveMarket:
        nonlocal again
        where = path or FOLDER / f"ethereum-{Node.at(url).chain_id()}.json"
        market = open_market(url, playable(scenario, keepers=keepers), where, force=again)
        again = False
        return market

    stop = _on_signals()
    try:
        run_market(opened, speed, stop.is_set, lambda line: print(line, flush=True), stop.wait)
        print("stopped; the same command goes on from here" if stop.is_set() else "the scenario is over")
    finally:
        if anvil is not None:
            anvil.close()


def _on_signals() -> threading.Event:
    """Set by Ctrl-C and by `kill`: what is being done is done to its end. A second one ends at once."""
    stop = threading.Event()

    def handle(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)
    return stop
