"""Where a run meets the network: bids go out, other people's bids arrive, fees are booked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from perpsim.agents.bids import BidBook
from perpsim.agents.streams import Stream
from perpsim.chain import Chain, Receipt, Tx
from perpsim.market.congestion import Demand
from perpsim.scenarios import Scenario
from perpsim.simulation.gas_bill import GasBill


class GasMarket:
    """The network of one run. Other people's demand comes from `stream`; `roles` are those of all
    populations."""

    def __init__(self, scenario: Scenario, chain: Chain, roles: Iterable[str], stream: Stream) -> None:
        self._network = scenario.network
        self._chain = chain
        self._stream = stream
        self._start = scenario.start
        self._bids = BidBook(scenario.network, roles)
        self._demand: Demand | None = None
        #: what the transactions of each role came to; nothing where gas is free
        self.bill = GasBill()
        if self._network is not None and self._network.congestion.kind != "none":
            self._demand = Demand(self._network.congestion, scenario.clock.gas_limit)

    @property
    def coin_price(self) -> float:
        """Quote units a native coin, 0 where gas is free."""
        return 0.0 if self._network is None else self._network.native_price

    def submit(self, role: str, txs: list[Tx], block: int) -> None:
        """Send what a population wants in `block` of the run, with what it bids where it does not say so.

        `arrival` and `expires` of transactions come in blocks of the run, `arrival` counted from this one.
        """
        chain = self._chain
        self._bids.of(role).apply(txs, chain.base_fee, block)
        ahead = chain.next_number - block
        for tx in txs:
            tx.arrival += block
            if tx.expires is not None:
                tx.expires += ahead
        chain.submit_all(txs)
        if self._network is not None:
            self.bill.sent(role, txs)

    def others(self, block: int, time: int, volatility: float) -> None:
        """Let other people's bids for `block` of the run, at `time` (seconds), arrive, the market moving with
        `volatility` a block."""
        if self._demand is None:
            return
        chain = self._chain
        bids = self._demand.bids(self._stream.at(block), time - self._start, volatility, chain.next_number)
        if bids is not None:
            chain.submit_outside(bids)

    def mined(self, receipts: list[Receipt]) -> None:
        """Book a block."""
        if self._network is not None:
            self.bill.mined(receipts, self._chain.expired)

    def figures(self) -> dict[str, Any]:
        """The section `fees` of a summary."""
        return self.bill.figures(self._chain.fees, self._network)
