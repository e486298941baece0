"""A keeper bot on a live network. What it sends is decided by the population of keepers that simulations run
(`perpsim.agents.keepers`), here with a single member; this adds what a real node asks for: estimates, raw
transactions, receipts, a state file, and patience with nodes that go away or go back on their blocks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from perpsim.agents.base import View
from perpsim.agents.desk import Batcher
from perpsim.agents.keeper_bids import COIN, least_replacement
from perpsim.agents.keeper_policies import Call, ListRules
from perpsim.agents.keepers import Desked, Keepers, Listing, Sending
from perpsim.agents.listing import Step
from perpsim.chain import Compiler, EngineError, Receipt, Revert, Tx
from perpsim.devnet.live_chain import LiveChain, receipt_of
from perpsim.devnet.mirror import Mirror
from perpsim.devnet.node import Refusal
from perpsim.scenarios import EscalatingBid, Keeper
from perpsim.simulation.market_state import WAD
from perpsim.simulation.order_mirror import DEPTH_WIDTH
from perpsim.simulation.setup import make_desk, rewards_of

#: says one thing that happened; values are JSON
Say = Callable[[dict[str, Any]], None]

# How often a bid is raised at once when the node knows of a higher one with this number.
_RAISES = 8
# A transaction that the node no longer knows may still be on its way for so many blocks.
_UNKNOWN = 2
# Room over the estimated gas.
_ROOM = 1.5


def live_keeper(strategy: str, min_profit: float = 0.0, deleverage_after: int = 3) -> Keeper:
    """Settings of a bot: it raises the bids of what is stuck. `min_profit` in quote units."""
    return Keeper.model_validate(
        {
            "name": "bot",
            "strategy": strategy,
            "min_profit": min_profit,
            "deleverage_after": deleverage_after,
            "retry_blocks": 2,
            "fee": EscalatingBid(kind="escalating"),
        }
    )


@dataclass
class Memory:
    """What a bot must not forget over a restart: hashes of its transactions that wait, by nonce, with what
    they bid and call; and the contract of one that sends batches."""

    hashes: dict[int, list[str]] = field(default_factory=dict)
    sendings: list[Sending] = field(default_factory=list)
    batcher: str = ""

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        waiting = [
            {
                "nonce": one.tx.nonce,
                "hashes": self.hashes.get(one.tx.nonce or 0, []),
                "to": one.tx.to,
                "data": one.tx.data.hex(),
                "gas": one.tx.gas_limit,
                "tip": one.tx.tip,
                "max_fee": one.tx.max_fee,
                "since": one.since,
                "calls": [
                    [call.account, call.market, call.with_deleverage, call.reward] for call in one.calls
                ],
            }
            for one in self.sendings
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".tmp")
        beside.write_text(json.dumps({"batcher": self.batcher, "waiting": waiting}), encoding="utf-8")
        beside.replace(path)

    @classmethod
    def read(cls, path: Path, sender: str) -> Memory:
        """What was written; nothing if there is no file that can be read."""
        found = cls()
        try:
            table = json.loads(path.read_text(encoding="utf-8"))
            for row in table["waiting"]:
                data = bytes.fromhex(row["data"])
                tx = Tx(sender, row["to"], data, row["gas"], row["tip"], row["max_fee"], nonce=row["nonce"])
                calls = tuple(Call(a, m, bool(d), 0.0, reward) for a, m, d, reward in row["calls"])
                found.sendings.append(Sending(tx, calls, row["since"], row["since"]))
                found.hashes[row["nonce"]] = row["hashes"]
            found.batcher = table["batcher"]
        except (OSError, ValueError, KeyError, TypeError):
            return cls()
        return found


class KeeperBot:
    """One keeper. `coin_price` is what the native coin is worth (quote units, 0: gas counts for nothing);
    with `dry_run` it only says what it would send; `state` is its file."""

    def __init__(
        self,
        mirror: Mirror,
        chain: LiveChain,
        config: Keeper,
        say: Say,
        *,
        coin_price: float = 0.0,
        dry_run: bool = False,
        state: Path | None = None,
    ) -> None:
        self.mirror = mirror
        self.chain = chain
        self.config = config
        self.coin_price = coin_price
        self.dry_run = dry_run
        self._say = say
        self._state = state
        self._decided = ""
        self._rng = np.random.default_rng(0)
        address = chain.account(0).address
        self.memory = Memory.read(state, address) if state is not None else Memory()
        self.keeper = Desked(config, address, waiting=self.memory.sendings)
        scenario = mirror.scenario
        desks = [
            make_desk(scenario, mirror.protocol, market, address) for market in range(len(scenario.markets))
        ]
        listings = [self._listing(market) for market in range(len(scenario.markets))]
        rewards = [rewards_of(market) for market in scenario.markets]
        self._keepers = Keepers([self.keeper], desks, listings, rewards)

    def run(
        self,
        should_stop: Callable[[], bool],
        pause: float = 1.0,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Tick until told to stop; a node that goes away is waited for, longer and longer up to half a
        minute."""
        away = 0.0
        while not should_stop():
            try:
                self.tick()
            except EngineError as error:
                away = min(2 * away, 30.0) if away else max(pause, 0.1)
                self._say({"event": "node-away", "words": str(error), "again_in": away})
                sleep(away)
                continue
            if away:
                self._say({"event": "node-back", "block": self.mirror.reader.cursor})
                away = 0.0
            sleep(pause)

    def tick(self) -> None:
        """Look at the node, see what became of what was sent, and send what is to be sent, once a block."""
        news = self.mirror.follow()
        head = self.mirror.head
        if news.rewound is not None:
            self._say({"event": "reorganisation", "back_to": news.rewound})
        if head is None or head.hash == self._decided:
            return
        self._look_after(head.number)
        self._work(head.number)
        self._decided = head.hash
        self._remember()

    # deciding

    def _work(self, block: int) -> None:
        views = self._views(block)
        if any(view.mark <= 0 for view in views):
            return
        if self.config.strategy == "batch" and self.keeper.batcher is None and not self.dry_run:
            self._equip()
        before = {one.tx.nonce: one for one in self.keeper.waiting}
        unused: list[int] = []
        for tx in self._keepers.update(self._rng, views):
            sending = next(one for one in self.keeper.waiting if one.tx is tx)
            assert tx.nonce is not None
            if tx.nonce not in before and unused:
                # What stays here must not hold up what comes after it.
                unused.append(tx.nonce)
                tx.nonce = unused.pop(0)
            if not self._send(sending, views[0].base_fee):
                self.keeper.waiting.remove(sending)
                if tx.nonce in before:
                    # What it was to replace still waits.
                    self.keeper.waiting.append(before[tx.nonce])
                else:
                    unused.insert(0, tx.nonce)

    def _views(self, block: int) -> list[View]:
        mirror, found = self.mirror, self.chain.node.head()
        assert mirror.head is not None
        health = mirror.health(mirror.head.time)
        views = []
        for market, state in enumerate(mirror.indexer.states):
            coverage = 0.0
            if health.underwater.size:
                coverage = int(mirror.protocol.vault.view("coverage", market)) / mirror.ledger.token
            look = mirror.indexer.orders[market].look(DEPTH_WIDTH, state.mark / WAD)
            views.append(
                View.of(
                    market,
                    state,
                    look,
                    health,
                    block=block + 1,
                    time=mirror.head.time + mirror.scenario.clock.seconds_per_block,
                    truth=np.full(block + 2, state.index / WAD),
                    volatility=0.0,
                    coverage=coverage,
                    base_fee=found.base_fee,
                    coin_price=self.coin_price,
                )
            )
        return views

    def _listing(self, market: int) -> Listing | None:
        scenario = self.mirror.scenario
        if self.mirror.lists[market] is None:
            return None

        def steps(account: int, when: int) -> list[Step]:
            # The mirror makes its lists anew when the chain goes back on its blocks.
            lists = self.mirror.lists[market]
            return [] if lists is None else lists.steps(account, when)

        least = float(scenario.markets[market].liquidation.adl_list_from)
        return Listing(ListRules(least, scenario.clock.seconds_per_block), steps)

    def _equip(self) -> None:
        """The contract that carries batches: the one from before, or a new one."""
        artifact, protocol = Compiler().load("KeeperBatch"), self.mirror.protocol
        if not (self.memory.batcher and self.chain.code(self.memory.batcher)):
            house, liquidator = protocol.clearinghouse.address, protocol.liquidator.address
            owner = self.keeper.address
            self.memory.batcher = self.chain.deploy(artifact, house, liquidator, owner, sender=owner)
            self._say({"event": "batch-contract", "address": self.memory.batcher})
        self.keeper.batcher = Batcher(self.memory.batcher, artifact.interface)

    # sending

    def _send(self, sending: Sending, base_fee: int) -> bool:
        """Estimate, weigh and send; False if it stays here."""
        tx, reward = sending.tx, sum(call.reward for call in sending.calls)
        assert tx.nonce is not None and tx.max_fee is not None
        said: dict[str, Any] = {
            "nonce": tx.nonce,
            "calls": [[call.account, call.market, call.with_deleverage] for call in sending.calls],
        }
        try:
            gas = self.chain.estimate(tx.to, tx.data)
        except Revert as revert:
            self._say({"event": "would-fail", **said, "why": revert.reason})
            for call in sending.calls:
                self.keeper.called(call.target, sending.since, in_vain=True)
            return False
        profit = reward - gas * sending.bid.price(base_fee) / COIN * self.coin_price
        said |= {"gas": gas, "reward": round(reward, 6), "profit": round(profit, 6)}
        if sending.calls and profit < self.config.min_profit:
            self._say({"event": "not-worth-it", **said})
            return False
        if self.dry_run:
            self._say({"event": "would-send", **said, "tip": tx.tip, "max_fee": tx.max_fee})
            return False
        return self._submit(tx, min(tx.gas_limit, round(gas * _ROOM)), said)

    def _submit(self, tx: Tx, gas: int, said: dict[str, Any]) -> bool:
        """Send a raw transaction, with higher bids where another one holds its number."""
        assert tx.nonce is not None and tx.max_fee is not None
        words = ""
        for _ in range(_RAISES):
            fields = {
                "nonce": tx.nonce,
                "to": tx.to,
                "data": tx.data,
                "gas": gas,
                "maxFeePerGas": tx.max_fee,
                "maxPriorityFeePerGas": min(tx.tip, tx.max_fee),
            }
            try:
                sent = self.chain.node.ask("eth_sendRawTransaction", "0x" + self.chain.sign(fields).hex())
            except Refusal as refusal:
                words = refusal.words
                if "underpriced" not in words.lower():
                    break
                tx.tip, tx.max_fee = least_replacement(tx.tip), least_replacement(tx.max_fee)
                continue
            known = self.memory.hashes.setdefault(tx.nonce, [])
            event = "replaced" if known else "sent"
            known.append(sent)
            self._say({"event": event, **said, "tip": tx.tip, "max_fee": tx.max_fee, "hash": sent})
            return True
        self._say({"event": "refused", **said, "words": words})
        return False

    # watching

    def _look_after(self, block: int) -> None:
        """What became of what was sent."""
        address = self.keeper.address
        self.keeper.nonce = self.chain.node.number("eth_getTransactionCount", address, "latest")
        for sending in list(self.keeper.waiting):
            nonce = sending.tx.nonce
            assert nonce is not None
            hashes = self.memory.hashes.get(nonce, [])
            entries = (self.chain.node.ask("eth_getTransactionReceipt", sent) for sent in hashes)
            entry = next(filter(None, entries), None)
            if entry is not None:
                self._mined(sending, receipt_of(entry), block)
            elif nonce < self.keeper.nonce:
                self._say({"event": "overtaken", "nonce": nonce})
            elif block - sending.since >= _UNKNOWN and not any(map(self._known, hashes)):
                # The node has been started anew, or has no room for it.
                self._say({"event": "dropped", "nonce": nonce})
            else:
                continue
            self.keeper.waiting.remove(sending)
            self.memory.hashes.pop(nonce, None)

    def _known(self, sent: str) -> bool:
        return self.chain.node.ask("eth_getTransactionByHash", sent) is not None

    def _mined(self, sending: Sending, receipt: Receipt, block: int) -> None:
        events = self.mirror.protocol.decode_all(receipt.logs)
        closed = {
            (e.account, e.market): e.closed for _, name, e in events if name == "Liquidated" and e.closed
        }
        each = receipt.gas_used / max(len(sending.calls), 1)
        for call in sending.calls:
            won = bool(closed.get(call.target))
            self.keeper.called(call.target, block, in_vain=not won)
            self.keeper.experience.add(block, won, each)
        self._say(
            {
                "event": "mined" if receipt.ok else "failed",
                "nonce": sending.tx.nonce,
                "block": receipt.block,
                "gas": receipt.gas_used,
                "fee_wei": receipt.fee,
                "closed": [[account, market, size / WAD] for (account, market), size in closed.items()],
            }
        )

    def _remember(self) -> None:
        self.memory.sendings = self.keeper.waiting
        if self._state is not None and not self.dry_run:
            self.memory.write(self._state)
