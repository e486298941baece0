"""One row a block: prices, fund, open interest, leverage, depth, liquidations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from perpsim.chain import Block, Receipt
from perpsim.simulation.account_table import Health
from perpsim.simulation.indexer import Indexer
from perpsim.simulation.ledger import Ledger
from perpsim.simulation.market_state import WAD
from perpsim.simulation.order_mirror import Look
from perpsim.simulation.vault_table import VaultTable

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_WHOLE = (
    "block",
    "time",
    "transactions",
    "reverted",
    "gas_used",
    "base_fee",
    "outside_gas",
    "queued",
    "dropped",
    "underwater",
    "liquidations",
)
_AMOUNTS = ("fund", "liquidated_notional", "shortfall", "adl_notional")
#: price of a share of the fund (1 at first), what the stakers' are worth and what they have asked for
_OF_STAKERS = ("share_price", "staked", "requested")
_OF_MARKET = (
    "price_{}",
    "index_{}",
    "mark_{}",
    "mid_{}",
    "open_interest_{}",
    "funding_8h_{}",
    "leverage_{}",
    "bid_depth_{}",
    "ask_depth_{}",
)


class Metrics:
    """Collects block rows. Amounts in quote units, rates as fractions, gas in gas, base fee in wei."""

    def __init__(
        self, indexer: Indexer, ledger: Ledger, shares: VaultTable, leveraged: Sequence[IntArray]
    ) -> None:
        self._indexer = indexer
        self._shares = shares
        #: account ids of each group of leveraged traders, as far as they have any
        self._leveraged = leveraged
        self._ledger = ledger
        self._names = _columns(len(indexer.states))
        self._rows: list[tuple[float, ...]] = []
        self.transactions = 0
        self.reverted = 0
        self.gas_used = 0
        self.reverts: dict[str, int] = {}
        self._done = (0, 0, 0, 0)
        # 1 for accounts of leveraged traders, 0 for others.
        self._counts: FloatArray = np.zeros(0)

    def __len__(self) -> int:
        return len(self._rows)

    def block(
        self,
        number: int,
        mined: Block,
        receipts: list[Receipt],
        prices: list[float],
        books: list[Look],
        health: Health,
    ) -> None:
        """Add the row of a mined block; `books` and `health` are the state after it."""
        failed = 0
        for receipt in receipts:
            if not receipt.status:
                failed += 1
                self.reverts[receipt.reason] = self.reverts.get(receipt.reason, 0) + 1
        self.transactions += len(receipts)
        self.reverted += failed
        self.gas_used += mined.gas_used
        row: list[float] = [
            number,
            mined.timestamp,
            len(receipts),
            failed,
            mined.gas_used,
            mined.base_fee,
            mined.outside_gas,
            mined.waiting,
            mined.expired,
            len(health.underwater),
            *self._new_losses(),
            *self._stakes(),
        ]
        # Leverage of the leveraged traders: makers' stock is hedged elsewhere and would drown them.
        worth = np.maximum(health.equity, 0.0) * self._leveraged_traders(health.equity.size)
        for market, (price, book) in enumerate(zip(prices, books)):
            row += self._market(market, price, book, health.notional[market], worth)
        self._rows.append(tuple(row))

    def _leveraged_traders(self, rows: int) -> FloatArray:
        """Which of so many accounts are theirs: 1, else 0."""
        if self._counts.size != rows:
            self._counts = np.zeros(rows)
            for ids in self._leveraged:
                self._counts[ids] = 1.0
            # Row 0 is nobody.
            self._counts[0] = 0.0
        return self._counts

    def _market(
        self, market: int, price: float, book: Look, notional: FloatArray, worth: FloatArray
    ) -> list[float]:
        """Figures of one market in the order of `_OF_MARKET`; `worth` is each leveraged trader's equity."""
        state = self._indexer.states[market]
        bid, ask, bids, asks = book
        held = float(notional.dot(self._counts))
        equity = float(worth.dot(notional > 0))
        return [
            price,
            state.index / WAD,
            state.mark / WAD,
            (bid + ask) / 2 if bid and ask else float("nan"),
            state.open_interest / WAD,
            state.funding_8h,
            held / equity if equity > 0 else 0.0,
            bids,
            asks,
        ]

    def _stakes(self) -> tuple[float, float, float]:
        """The figures of `_OF_STAKERS`."""
        shares = self._shares
        if not shares.staked:
            return 1.0, 0.0, 0.0
        return shares.price, shares.quote(shares.staked), shares.quote(shares.asked_for)

    def _new_losses(self) -> tuple[float, ...]:
        """Liquidations and the figures of `_AMOUNTS`: what the ledger gained since the last block."""
        ledger, done = self._ledger, self._done
        now = (len(ledger.liquidations), len(ledger.adl), len(ledger.bad_debt), len(ledger.fund_rows))
        fund = ledger.fund / ledger.token
        if now == done:
            return 0, fund, 0.0, 0.0, 0.0
        self._done = now
        liquidations = ledger.liquidations[done[0] :]
        adl = ledger.adl[done[1] :]
        deficits = ledger.bad_debt[done[2] :]
        covers = [row for row in ledger.fund_rows[done[3] :] if row["kind"] == "cover"]
        return (
            sum(row["closed"] > 0 for row in liquidations),
            fund,
            sum(row["notional"] for row in liquidations),
            sum(-row["amount_f64"] for row in covers)
            + sum(row["haircut"] for row in adl)
            + sum(row["socialised"] + row["treasury"] + row["unpaid"] for row in deficits),
            sum(abs(row["quantity"] * row["bankruptcy_price"]) for row in adl),
        )

    def frame(self) -> pl.DataFrame:
        """All rows."""
        schema: dict[str, Any] = {name: pl.Int64 if name in _WHOLE else pl.Float64 for name in self._names}
        return pl.DataFrame(self._rows, schema=schema, orient="row")

    def column(self, name: str) -> list[Any]:
        """One column so far."""
        at = self._names.index(name)
        return [row[at] for row in self._rows]


def _columns(markets: int) -> list[str]:
    return [
        *_WHOLE,
        *_AMOUNTS,
        *_OF_STAKERS,
        *(name.format(market) for market in range(markets) for name in _OF_MARKET),
    ]
