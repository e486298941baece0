"""An exchange on a node as its log tells it: what the keeper bot decides on and the live page shows."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from perpsim.chain import Chain
from perpsim.deleveraging.policies import policy_named
from perpsim.devnet.deployment import Deployment
from perpsim.devnet.live_chain import LiveChain
from perpsim.devnet.node import Node
from perpsim.devnet.reader import News, Reader, SeenBlock
from perpsim.protocol import BY_INDEX, Protocol
from perpsim.simulation.account_table import Health
from perpsim.simulation.counterparties import Counterparties
from perpsim.simulation.eventlog import EventLog
from perpsim.simulation.indexer import Indexer
from perpsim.simulation.invariants import Invariants
from perpsim.simulation.ledger import SHARED, Ledger
from perpsim.simulation.list_book import ListBook
from perpsim.simulation.vault_table import VaultTable

#: is told that a mirror begins, at first and whenever it begins anew; what it returns hears of every block
#: that is in the mirror from then on
Watch = Callable[["Mirror"], Callable[[SeenBlock], None]]


class Mirror:
    """State folded from the log, the same classes as in a simulation; they are made anew when the chain goes
    back on its blocks. `head` is the last block that is in it, None before the first."""

    log: EventLog
    indexer: Indexer
    ledger: Ledger
    vault_table: VaultTable
    counterparties: Counterparties
    #: an entry for each market, None where it deleverages by index
    lists: list[ListBook | None]
    head: SeenBlock | None

    def __init__(
        self,
        deployment: Deployment,
        node: Node,
        journal: Path | None = None,
        chain: Chain | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.deployment = deployment
        self.scenario = deployment.model
        self.protocol: Protocol = deployment.attach(chain or LiveChain(node))
        self.reader = Reader(node, deployment.contracts.values(), deployment.block, journal)
        #: how often the chain has gone back on blocks that were in here
        self.rebuilt = 0
        self._node = node
        self._watch = watch
        self._begin()
        for block in self.reader.blocks:
            self._fold(block)

    def follow(self) -> News:
        """Take in what is new on the node. Raises `EngineError` if it does not answer, `UserError` if the
        exchange is gone from it."""
        news = self.reader.poll()
        if news.rewound is not None:
            self.deployment.check(self.protocol.chain)
            self.rebuilt += 1
            self._begin()
        for block in news.blocks if news.rewound is None else self.reader.blocks:
            self._fold(block)
        return news

    def health(self, time: int) -> Health:
        """All accounts at a time (seconds)."""
        return self.indexer.health(time)

    def verify(self) -> None:
        """Compare everything with the contracts' views. Raises `InvariantViolation`.

        Follow first; the comparison is repeated if the node has gone on meanwhile.
        """
        while True:
            assert self.head is not None
            failure: Exception | None = None
            checks = Invariants(self.protocol, self.indexer, self.ledger, self.vault_table, 0)
            try:
                checks.check(self.head.number, self.head.time, everyone=True)
            except Exception as error:
                failure = error
            if self._node.head().hash == self.head.hash:
                if failure is not None:
                    raise failure
                return
            self.follow()

    def _begin(self) -> None:
        scenario, protocol = self.scenario, self.protocol
        self.head = None
        self.log = log = EventLog()
        self.indexer = Indexer(scenario.markets, scenario.collateral.decimals)
        names = {policy.address: name for name, policy in protocol.policies.items()}
        self.ledger = ledger = Ledger(scenario.collateral.decimals, self.indexer.account_of, names)
        self.counterparties = Counterparties(self.indexer, scenario.markets)
        self.vault_table = VaultTable(protocol.vault.address, ledger.token, lambda: ledger.pools[SHARED])
        self.lists = [
            None
            if market.adl == BY_INDEX
            else ListBook(self.counterparties, policy_named(market.adl), number, scenario.clock.gas_limit)
            for number, market in enumerate(scenario.markets)
        ]
        for contract in protocol.contracts:
            log.contract(contract.address, contract.name, contract.interface)
        log.follow(protocol.clearinghouse.address, self.indexer.clearinghouse_handlers())
        for market, book in enumerate(protocol.books):
            log.follow(book.address, self.indexer.book_handlers(market))
        # The shares first: what a claim leaves is reckoned with the books before it.
        log.follow(protocol.vault.address, self.vault_table.handlers())
        log.follow(protocol.vault.address, ledger.vault_handlers())
        timeouts = [market.liquidation.adl_timeout for market in scenario.markets]
        log.follow(protocol.liquidator.address, self.indexer.liquidator_handlers(timeouts))
        log.follow(protocol.liquidator.address, ledger.liquidator_handlers())
        for lists in self.lists:
            if lists is not None:
                log.follow(protocol.liquidator.address, lists.handlers())
        self._heard = self._watch(self) if self._watch is not None else None

    def _fold(self, block: SeenBlock) -> None:
        self.ledger.block = self.vault_table.block = block.number
        for _, logs in groupby(block.logs, key=attrgetter("tx_index")):
            self.log.take(block.number, block.time, list(logs))
        self.vault_table.lapse(block.time)
        self.head = block
        if self._heard is not None:
            self._heard(block)
