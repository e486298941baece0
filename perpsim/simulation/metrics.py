"""One row a block: prices, fund, open interest, leverage, depth, liquidations."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from perpsim.chain import Block, Receipt
from perpsim.simulation.account_table import Health
from perpsim.simulation.indexer import Indexer
from perpsim.simulation.ledger import Ledger
from perpsim.simulation.market_state import WAD

_DEPTH_WIDTH = 0.02

IntArray = npt.NDArray[np.int64]
Counts = dict[str, float]

_WHOLE = (
    "block",
    "time",
    "transactions",
    "reverted",
    "gas_used",
    "base_fee",
    "underwater",
    "liquidations",
)
_AMOUNTS = ("fund", "liquidated_notional", "shortfall", "adl_notional")
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

    def __init__(self, indexer: Indexer, ledger: Ledger, leveraged: IntArray) -> None:
        self._indexer = indexer
        self._leveraged = leveraged
        self._ledger = ledger
        self._rows: dict[str, list[Any]] = {}
        self.transactions = 0
        self.reverted = 0
        self.gas_used = 0
        self.reverts: dict[str, int] = {}
        self._done = {"liquidations": 0, "adl": 0, "deficits": 0, "fund": 0}

    def __len__(self) -> int:
        return len(next(iter(self._rows.values()), []))

    def block(
        self, number: int, mined: Block, receipts: list[Receipt], prices: list[float], health: Health
    ) -> None:
        """Add the row of a mined block; `health` is the state after it."""
        failed = [receipt for receipt in receipts if not receipt.status]
        for receipt in failed:
            self.reverts[receipt.reason] = self.reverts.get(receipt.reason, 0) + 1
        self.transactions += len(receipts)
        self.reverted += len(failed)
        self.gas_used += mined.gas_used
        row: dict[str, Any] = {
            "block": number,
            "time": mined.timestamp,
            "transactions": len(receipts),
            "reverted": len(failed),
            "gas_used": mined.gas_used,
            "base_fee": mined.base_fee,
            "fund": self._ledger.fund / self._ledger.token,
            "underwater": int(health.underwater().sum()),
            **self._new_losses(),
        }
        for market, price in enumerate(prices):
            row.update(self._market(market, price, health))
        for name, value in row.items():
            self._rows.setdefault(name, []).append(value)

    def _market(self, market: int, price: float, health: Health) -> Counts:
        state, orders = self._indexer.states[market], self._indexer.orders[market]
        bid, ask = orders.top()
        mark = state.mark / WAD
        bids, asks = orders.depth((bid + ask) / 2 if bid and ask else mark, _DEPTH_WIDTH)
        # Of the leveraged traders: makers' stock is hedged elsewhere and would drown them.
        rows = self._leveraged[self._leveraged > 0]
        held = rows[health.notional[market][rows] > 0]
        equity = float(np.maximum(health.equity[held], 0).sum())
        notional = float(health.notional[market][held].sum())
        return {
            f"price_{market}": price,
            f"index_{market}": state.index / WAD,
            f"mark_{market}": mark,
            f"mid_{market}": (bid + ask) / 2 if bid and ask else float("nan"),
            f"open_interest_{market}": state.open_interest / WAD,
            f"funding_8h_{market}": state.funding_8h,
            f"leverage_{market}": notional / equity if equity > 0 else 0.0,
            f"bid_depth_{market}": bids,
            f"ask_depth_{market}": asks,
        }

    def _new_losses(self) -> Counts:
        """What the ledger gained since the last block."""
        ledger, done = self._ledger, self._done
        liquidations = ledger.liquidations[done["liquidations"] :]
        adl = ledger.adl[done["adl"] :]
        deficits = ledger.bad_debt[done["deficits"] :]
        covers = [row for row in ledger.fund_rows[done["fund"] :] if row["kind"] == "cover"]
        self._done = {
            "liquidations": len(ledger.liquidations),
            "adl": len(ledger.adl),
            "deficits": len(ledger.bad_debt),
            "fund": len(ledger.fund_rows),
        }
        return {
            "liquidations": sum(row["closed"] > 0 for row in liquidations),
            "liquidated_notional": sum(row["notional"] for row in liquidations),
            "shortfall": sum(-row["amount_f64"] for row in covers)
            + sum(row["haircut"] for row in adl)
            + sum(row["socialised"] for row in deficits),
            "adl_notional": sum(abs(row["quantity"] * row["bankruptcy_price"]) for row in adl),
        }

    def frame(self) -> pl.DataFrame:
        """All rows."""
        names = [name.format(market) for market in range(len(self._indexer.states)) for name in _OF_MARKET]
        schema: dict[str, Any] = {name: pl.Int64 for name in _WHOLE}
        schema.update((name, pl.Float64) for name in (*_AMOUNTS, *names))
        return pl.DataFrame({name: self._rows.get(name, []) for name in schema}, schema=schema)

    def column(self, name: str) -> list[Any]:
        """One column so far."""
        return self._rows.get(name, [])
