"""The block loop: prices -> agents -> transactions -> chain -> log -> indexer -> metrics."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from perpsim.agents.base import View
from perpsim.agents.keepers import Desked
from perpsim.agents.streams import Stream, branch, streams
from perpsim.chain import EngineError, Receipt, Tx
from perpsim.market.outside import Outside
from perpsim.protocol import Protocol
from perpsim.scenarios import Scenario
from perpsim.simulation.account_table import Health
from perpsim.simulation.capture import Capture
from perpsim.simulation.counterparties import Counterparties
from perpsim.simulation.eventlog import EventLog
from perpsim.simulation.gas_market import GasMarket
from perpsim.simulation.indexer import Indexer
from perpsim.simulation.invariants import Invariants
from perpsim.simulation.keeper_record import KeeperBook
from perpsim.simulation.ledger import SHARED, Ledger
from perpsim.simulation.market_state import WAD
from perpsim.simulation.metrics import Metrics
from perpsim.simulation.order_mirror import DEPTH_WIDTH, Look
from perpsim.simulation.setup import Cast, prepare
from perpsim.simulation.vault_table import VaultTable
from perpsim.simulation.warnings import Warner

FloatArray = npt.NDArray[np.float64]
Progress = Callable[[int, int], None]
#: casts everyone on an exchange, as `prepare` does
Preparation = Callable[[Scenario, Protocol, Counterparties, Outside, np.random.Generator], Cast]

#: the block number under which the record keeps what happened before block 0
SET_UP = -1


@contextmanager
def rare_collections() -> Iterator[None]:
    """Look for garbage rarely: what a run keeps is many small tuples that refer to nothing, and going through
    them over and over takes a tenth of its time."""
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


class Simulation:
    """One run. Deterministic: everything random branches from `rng` (`perpsim.agents.streams`), nothing comes
    from the clock of this machine."""

    def __init__(
        self,
        scenario: Scenario,
        protocol: Protocol,
        paths: FloatArray,
        rng: np.random.Generator,
        capture: Capture | None = None,
        preparation: Preparation = prepare,
    ) -> None:
        self.scenario = scenario
        self.protocol = protocol
        #: outside prices; `paths` are what they are while nobody here moves them
        self.outside = Outside(
            paths, [market.impact for market in scenario.markets], scenario.clock.seconds_per_block
        )
        self.log = EventLog()
        self.indexer = Indexer(scenario.markets, scenario.collateral.decimals)
        policies = {policy.address: name for name, policy in protocol.policies.items()}
        self.ledger = Ledger(scenario.collateral.decimals, self.indexer.account_of, policies)
        self.counterparties = Counterparties(self.indexer, scenario.markets)
        self.next_block = 0
        self._capture = capture
        ledger = self.ledger
        self.vault_table = VaultTable(protocol.vault.address, ledger.token, lambda: ledger.pools[SHARED])
        self._follow()
        self.cast: Cast = preparation(scenario, protocol, self.counterparties, self.outside, rng)
        self.keeper_book = KeeperBook(self.cast.keepers, self.cast.keeper_of)
        self._follow_keepers()
        for lists in self.cast.lists:
            if lists is not None:
                self.log.follow(protocol.liquidator.address, lists.handlers())
        leveraged = [traders.members.ids for traders in self.cast.traders]
        self.warner = Warner(scenario, self.indexer, self.ledger)
        self.metrics = Metrics(self.indexer, self.ledger, self.vault_table, leveraged)
        self.keepers: list[Desked] = self.cast.keepers.keepers
        self.gas = GasMarket(scenario, protocol.chain, self.cast.roles, Stream(branch(rng, "network")))
        oracle, *others = streams(rng, self.cast.roles)
        self._oracle_stream, self._streams = oracle, others
        self.invariants = Invariants(
            protocol, self.indexer, self.ledger, self.vault_table, scenario.checks.window
        )
        self.ledger.block = self.vault_table.block = SET_UP
        self.log.take(SET_UP, protocol.chain.timestamp, self.cast.logs)
        self._health = self.indexer.health(protocol.chain.timestamp)
        self._books = self._look()

    def run(self, progress: Progress | None = None, should_stop: Callable[[], bool] | None = None) -> bool:
        """All blocks that are left; False if `should_stop` ended it early.

        Raises `InvariantViolation` when a check fails.
        """
        every = self.scenario.checks.every
        blocks = self.scenario.clock.blocks
        with rare_collections():
            while self.next_block < blocks:
                if should_stop is not None and should_stop():
                    return False
                self.step()
                done = self.next_block
                if every and done % every == 0 and done < blocks:
                    self.invariants.check(done - 1, self.protocol.chain.timestamp)
                if progress is not None:
                    progress(done, self.metrics.transactions)
            self.invariants.check(blocks - 1, self.protocol.chain.timestamp, everyone=True)
        return True

    def step(self) -> None:
        """One block."""
        block = self.next_block
        time = self.scenario.start + block * self.scenario.clock.seconds_per_block
        chain = self.protocol.chain
        views = self._views(block, time)
        self._submit(self.cast.oracle.role, self.cast.oracle.update(self._oracle_stream.at(block), views))
        # Before the first prices there is nothing to decide on.
        if all(view.mark > 0 for view in views):
            for population, stream in zip(self.cast.populations, self._streams):
                self._submit(population.role, population.update(stream.at(block), views))
        self.gas.others(block, time, max(view.volatility for view in views))
        mined, receipts = chain.mine(time)
        if self._capture is not None:
            self._capture.mined(time, receipts)
        self.gas.mined(receipts)
        self.keeper_book.coin_price = views[0].coin_price
        self._take(block, time, receipts)
        self.vault_table.lapse(time)
        self._health = self.indexer.health(time)
        self.keeper_book.left(lambda: [tx.id for tx in chain.queued], time)
        self.keeper_book.watch(self._health.underwater, time)
        self._books = self._look()
        self.warner.block(block, time, self._health, block + 1 == self.scenario.clock.blocks)
        prices = self.outside.paths[:, block].tolist()
        self.metrics.block(block, mined, receipts, prices, self._books, self._health)
        self.outside.close(block)
        self.next_block = block + 1

    def _submit(self, role: str, txs: list[Tx]) -> None:
        """Send what a population wants in this block."""
        if txs:
            self.gas.submit(role, txs, self.next_block)
            if self._capture is not None:
                self._capture.submitted(txs)

    def _views(self, block: int, time: int) -> list[View]:
        health, chain = self._health, self.protocol.chain
        collateral = self.indexer.accounts.collateral[: health.equity.size]
        return [
            View.of(
                market,
                state,
                look,
                health,
                block=block,
                time=time,
                truth=self.outside.paths[market, : block + 1],
                volatility=float(self.outside.volatility[market][block]),
                coverage=self.coverage(market),
                collateral=collateral,
                vault=self.vault_table,
                base_fee=chain.base_fee,
                coin_price=self.gas.coin_price,
                pending=chain.pending,
            )
            for market, (state, look) in enumerate(zip(self.indexer.states, self._books))
        ]

    def _look(self) -> list[Look]:
        """Top and depth of every book."""
        pairs = zip(self.indexer.orders, self.indexer.states)
        return [orders.look(DEPTH_WIDTH, state.mark / WAD) for orders, state in pairs]

    def _take(self, block: int, time: int, receipts: list[Receipt]) -> None:
        """Fold the logs of a block, and book what keepers' transactions came to."""
        self.ledger.block = self.vault_table.block = self.keeper_book.block = block
        for receipt in receipts:
            if receipt.logs:
                self.log.take(block, time, receipt.logs)
            self.keeper_book.included(receipt, time)

    def _follow(self) -> None:
        """Say who hears of which events."""
        protocol, log = self.protocol, self.log
        for contract in protocol.contracts:
            log.contract(contract.address, contract.name, contract.interface)
        house = protocol.clearinghouse.address
        log.follow(house, self.indexer.clearinghouse_handlers())
        log.follow(house, {"AccountOpened": self._opened})
        if self.outside.moved:
            log.follow(house, {"Fill": self._flowed})
        for market, book in enumerate(protocol.books):
            log.follow(book.address, self.indexer.book_handlers(market))
        # The shares first: what a claim leaves is reckoned with the books before it.
        log.follow(protocol.vault.address, self.vault_table.handlers())
        log.follow(protocol.vault.address, self.ledger.vault_handlers())
        timeouts = [market.liquidation.adl_timeout for market in self.scenario.markets]
        log.follow(protocol.liquidator.address, self.indexer.liquidator_handlers(timeouts))
        log.follow(protocol.liquidator.address, self.ledger.liquidator_handlers())

    def _follow_keepers(self) -> None:
        """Say who hears of what keepers do, and name their contracts."""
        protocol, book = self.protocol, self.keeper_book
        for contract in self.cast.batchers:
            self.log.contract(contract.address, contract.name, contract.interface)
        self.log.follow(protocol.clearinghouse.address, {"RewardPaid": book.rewarded})
        self.log.follow(protocol.liquidator.address, {"Liquidated": book.liquidated})

    def _opened(self, event: Any, time: int) -> None:
        self.cast.opened(event.account, event.owner)

    def _flowed(self, event: Any, time: int) -> None:
        """Who trades here is followed outside, but for those who do the opposite there."""
        if event.taker not in self.cast.hedged:
            self.outside.flow(event.market, event.size / WAD * (event.price / WAD))

    def coverage(self, market: int) -> float:
        """What the fund would pay for a market now, quote units: less than its books where a cap or the
        breaker holds it back."""
        limits, ledger = self.scenario.fund, self.ledger
        if not limits.breaker and limits.cap is None:
            return ledger.fund / ledger.token
        # Only whoever is under water makes anybody ask.
        if not self._health.underwater.size:
            return 0.0
        return int(self.protocol.vault.view("coverage", market)) / ledger.token

    def vault_books(self) -> str | None:
        """What the vault itself says it holds, token units; None if the engine no longer answers."""
        try:
            return str(self.protocol.vault.view("assets"))
        except EngineError:
            return None

    @property
    def health(self) -> Health:
        """All accounts after the last block."""
        return self._health
