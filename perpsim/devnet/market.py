"""A scenario's market on a node, in real time: the block loop of simulations, beside whoever else sends.

The clock is the node's: the loop makes every block, and a block takes in what others have sent meanwhile. So
events come from the node's log, not from the receipts of the loop's own transactions.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from perpsim.chain import COIN, GWEI, EngineError, FeeMarket, Log, Receipt, Revert
from perpsim.devnet.deployment import Deployment, record
from perpsim.devnet.node import Node, Refusal
from perpsim.devnet.priced_node import PricedNodeChain
from perpsim.devnet.reader import Reader, SeenBlock
from perpsim.errors import UserError
from perpsim.market.outside import Outside
from perpsim.market.paths import sample_paths
from perpsim.protocol import Protocol, deploy
from perpsim.scenarios import Scenario
from perpsim.simulation.counterparties import Counterparties
from perpsim.simulation.market_state import WAD
from perpsim.simulation.parameters import protocol_params
from perpsim.simulation.runner import Simulation
from perpsim.simulation.setup import Cast, endowment, mine_all, rejoin

#: seconds of chain time before block 0 in which everything is deployed and everybody gets money
SET_UP_SECONDS = 3600
# Receipt that stands for a transaction of somebody else.
_STRANGER = Receipt(1, 0, b"", [], -1, 0, 0, "", "")


def _endow(
    scenario: Scenario,
    protocol: Protocol,
    counterparties: Counterparties,
    outside: Outside,
    rng: np.random.Generator,
) -> Cast:
    cast = rejoin(scenario, protocol, counterparties, outside, rng)
    mine_all(protocol.chain, endowment(scenario, protocol, cast))
    chain, network = protocol.chain, scenario.network
    if network is not None and isinstance(chain, PricedNodeChain):
        chain.give_purses(dict.fromkeys(cast.senders, round(network.purse * COIN)))
    return cast


class LiveMarket(Simulation):
    """The market of a deployment. A `fresh` one gives everybody money; else it goes on where the chain
    stands."""

    def __init__(self, deployment: Deployment, protocol: Protocol, node: Node, *, fresh: bool) -> None:
        scenario = deployment.model
        prices, agents = np.random.SeedSequence(scenario.seed).spawn(2)
        super().__init__(
            scenario,
            protocol,
            sample_paths(scenario, prices),
            np.random.default_rng(agents),
            preparation=_endow if fresh else rejoin,
        )
        chain, network = protocol.chain, scenario.network
        for keeper in self.keepers:
            keeper.nonce = chain.nonce(keeper.address)
        if network is not None and isinstance(chain, PricedNodeChain):
            # The bank, which pays in for everybody, is rich.
            chain.no_gifts(self.cast.senders)
            base_fee = round(network.base_fee * GWEI) if fresh else node.head().base_fee
            chain.open_fee_market(base_fee, FeeMarket(floor=round(network.floor * GWEI)))
        self._reader = Reader(node, deployment.contracts.values(), deployment.block)
        self._catch_up(node)

    def _catch_up(self, node: Node) -> None:
        seconds = self.scenario.clock.seconds_per_block
        for seen in self._reader.poll().blocks:
            block = max((seen.time - self.scenario.start) // seconds, -1)
            self.ledger.block = self.vault_table.block = self.keeper_book.block = block
            for _, logs in groupby(seen.logs, key=attrgetter("tx_index")):
                self.log.take(block, seen.time, list(logs))
            self.vault_table.lapse(seen.time)
        now = node.head().time
        self.next_block = max((now - self.scenario.start) // seconds + 1, 0)
        self._health = self.indexer.health(now)
        self._books = self._look()

    def _take(self, block: int, time: int, receipts: list[Receipt]) -> None:
        """Fold what the node has logged, and book what the loop's own transactions came to."""
        self.ledger.block = self.vault_table.block = self.keeper_book.block = block
        own = iter(receipts)
        news = self._reader.poll()
        if news.rewound is not None:
            raise EngineError("somebody else makes blocks on this node: its last ones have changed")
        receipt = self._next_with_logs(own, time)
        for logs in _transactions(news.blocks):
            self.log.take(block, time, logs)
            if receipt is not None and _same(receipt.logs, logs):
                self.keeper_book.included(receipt, time)
                receipt = self._next_with_logs(own, time)
            else:
                self.keeper_book.included(_STRANGER, time)

    def _next_with_logs(self, own: Any, time: int) -> Receipt | None:
        """The next receipt with events; those before it are booked."""
        for receipt in own:
            if receipt.logs:
                return receipt
            self.keeper_book.included(receipt, time)
        return None

    def status(self) -> str:
        """The market in one line."""
        prices = ", ".join(
            f"{market.symbol} {state.mark / WAD:,.2f}"
            for market, state in zip(self.scenario.markets, self.indexer.states)
        )
        return (
            f"block {self.next_block - 1}  {prices}  accounts {self.indexer.accounts.count}  "
            f"under water {self._health.underwater.size}  liquidations {len(self.ledger.liquidations)}  "
            f"fund {self.ledger.fund / self.ledger.token:,.0f}"
            + (f"  base fee {self.protocol.chain.base_fee / GWEI:,.1f} gwei" if self.scenario.network else "")
        )


def _transactions(blocks: list[SeenBlock]) -> list[list[Log]]:
    """The logs of each transaction, in order."""
    return [list(logs) for seen in blocks for _, logs in groupby(seen.logs, key=attrgetter("tx_index"))]


def _same(ours: list[Log], found: list[Log]) -> bool:
    # The reader follows the exchange's contracts only.
    addresses = {log.address for log in found}
    mine = [(log.address, log.data) for log in ours if log.address in addresses]
    return mine == [(log.address, log.data) for log in found]


def playable(scenario: Scenario, *, keepers: bool = True) -> Scenario:
    """A scenario as it runs on a node: without its keepers if somebody else is to be one."""
    agents = scenario.agents if keepers else scenario.agents.model_copy(update={"keepers": []})
    return scenario.model_copy(update={"agents": agents})


def open_market(
    url: str, scenario: Scenario, path: Path, *, force: bool = False, say: Callable[[str], None] = print
) -> LiveMarket:
    """The market of `scenario` on the node at `url`: that of the deployment file where it still stands, else
    a new one. The scenario's clock begins when the node's time allows."""
    node = Node.at(url)
    head = node.head()
    found = Deployment.read(path) if path.exists() and not force else None
    chain = PricedNodeChain(url, timestamp=max(scenario.start - SET_UP_SECONDS, head.time + 1))
    chain.block_gas_limit = scenario.clock.gas_limit
    try:
        if not chain.drives:
            raise UserError(
                f"node {url}: cannot be told when to make blocks; a devnet needs anvil or hardhat"
            )
        if found is not None and found.stands(chain):
            if found.scenario != scenario.name:
                raise UserError(
                    f"{path}: runs scenario {found.scenario}; --force begins {scenario.name} instead"
                )
            found.check(chain)
            _turn_back(node)
            market = LiveMarket(found, found.attach(chain), node, fresh=False)
            say(f"going on with block {market.next_block} of {scenario.name}")
            return market
        if scenario.network is not None and not chain.prices:
            say("only anvil prices gas as [network] says: here it is free, and nobody else wants it")
            scenario = scenario.model_copy(update={"network": None})
        elif scenario.network is not None:
            say(f"gas costs, from {scenario.network.base_fee:g} gwei on; other people's transactions burn it")
        begins = chain.pending_timestamp + SET_UP_SECONDS
        clock = scenario.clock.model_copy(update={"start": _moment(max(begins, scenario.start))})
        scenario = scenario.model_copy(update={"clock": clock})
        first = head.number + 1
        protocol = deploy(chain, protocol_params(scenario))
        deployment = record(protocol, scenario, url, first)
        deployment.write(path)
        say(f"deployed {scenario.name}: {path}")
        return LiveMarket(deployment, protocol, node, fresh=True)
    except Revert as error:
        chain.close()
        raise UserError(f"the exchange refuses scenario {scenario.name}: {error.reason}") from None
    except BaseException:
        chain.close()
        raise


def _turn_back(node: Node) -> None:
    """A node that has read its chain from a file thinks that it is now; it is its last block's time."""
    try:
        node.ask("evm_setTime", hex(node.head().time))
    except Refusal:
        pass


def _moment(seconds: int) -> Any:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC)


def run_market(
    opened: Callable[[], LiveMarket],
    speed: float,
    should_stop: Callable[[], bool],
    say: Callable[[str], None],
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """Block after block, `speed` times as fast as the scenario's clock, until it is over or told to stop. A
    node that goes away is waited for, and the market goes on from its state."""
    market, away = opened(), 0.0
    while not should_stop() and market.next_block < market.scenario.clock.blocks:
        began = time.monotonic()
        try:
            if away:
                market = opened()
                away = 0.0
            market.step()
            say(market.status())
        except EngineError as error:
            away = min(2 * away, 30.0) if away else 1.0
            say(f"{error}; again in {away:.0f} s")
            sleep(away)
            continue
        pause = market.scenario.clock.seconds_per_block / speed - (time.monotonic() - began)
        if pause > 0:
            sleep(pause)
    market.protocol.chain.close()


class Anvil:
    """An anvil of our own, whose state outlives it in a file."""

    def __init__(self, port: int, state: Path, timestamp: int) -> None:
        program = shutil.which("anvil")
        if program is None:
            raise UserError("no anvil on PATH: npm install --prefix .anvil @foundry-rs/anvil")
        state.parent.mkdir(parents=True, exist_ok=True)
        self.url = f"http://127.0.0.1:{port}"
        command = [program, "--port", str(port), "--hardfork", "cancun", "--silent", "--state", str(state)]
        command += ["--no-mining"]
        if not state.exists():
            command += ["--timestamp", str(timestamp)]
        # in a session of its own: Ctrl-C is for the market, which ends first
        self._process = subprocess.Popen(command, start_new_session=True)
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        self.close()
        raise UserError(f"anvil does not start on port {port}: is it taken, or {state} of another version?")

    def close(self) -> None:
        """End it; it writes its state first."""
        self._process.terminate()
        self._process.wait(60)
