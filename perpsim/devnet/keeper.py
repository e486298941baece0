"""A keeper bot on a live network. What it sends is decided by the population of keepers that simulations run
(`perpsim.agents.keepers`), here with a single member. This lets it see the exchange of a real node, which may
go away or go back on its blocks; `perpsim.devnet.outbox` sends."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from perpsim.agents.base import View
from perpsim.agents.desk import Batcher
from perpsim.agents.keeper_policies import ListRules
from perpsim.agents.keepers import Desked, Keepers, Listing
from perpsim.agents.listing import Step
from perpsim.chain import Compiler, EngineError
from perpsim.devnet.live_chain import LiveChain
from perpsim.devnet.memory import Memory
from perpsim.devnet.mirror import Mirror
from perpsim.devnet.outbox import Outbox, Say
from perpsim.scenarios import EscalatingBid, Keeper
from perpsim.simulation.market_state import WAD
from perpsim.simulation.order_mirror import DEPTH_WIDTH
from perpsim.simulation.setup import make_desk, rewards_of

#: gwei that a bot pays for a unit of gas at the most, if nobody says otherwise
MAX_FEE = 300.0


def live_keeper(
    strategy: str, min_profit: float = 0.0, max_fee: float = MAX_FEE, deleverage_after: int = 3
) -> Keeper:
    """Settings of a bot: it raises the bids of what is stuck, up to `max_fee` (gwei a unit of gas).
    `min_profit` in quote units."""
    return Keeper.model_validate(
        {
            "name": "bot",
            "strategy": strategy,
            "min_profit": min_profit,
            "deleverage_after": deleverage_after,
            "retry_blocks": 2,
            "fee": EscalatingBid(kind="escalating", ceiling=max_fee),
        }
    )


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
        self._outbox = Outbox(
            chain, mirror.protocol, self.keeper, self.memory, say, coin_price=coin_price, dry_run=dry_run
        )

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
        self._outbox.look_after(head.number)
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
            if not self._outbox.send(sending, views[0].base_fee):
                self.keeper.waiting.remove(sending)
                if tx.nonce in before:
                    # What it was to replace still waits.
                    self.keeper.waiting.append(before[tx.nonce])
                else:
                    unused.insert(0, tx.nonce)
        self._outbox.withdraw(views)

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

    def _remember(self) -> None:
        self.memory.sendings = self.keeper.waiting
        if self._state is not None and not self.dry_run:
            self.memory.write(self._state)
