"""Money and receipts as rows: the flows of the fund, every liquidation, every deleveraging."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

WAD = 10**18

Handler = Callable[[Any, int], None]
Row = dict[str, Any]

INFLOW_KINDS = {1: "penalty", 2: "fee", 3: "fund"}


class Ledger:
    """Rows for the run folder. Handlers take (event values, block time); `block` is set by the runner."""

    def __init__(self, decimals: int) -> None:
        self.block = 0
        self.decimals = decimals
        self.token = 10**decimals
        #: the fund's books, token units
        self.fund = 0
        self.fund_rows: list[Row] = []
        self.liquidations: list[Row] = []
        self.adl: list[Row] = []
        self.socialised: list[Row] = []
        #: of the block that is being folded
        self.block_cover = 0.0
        self.block_fills: dict[int, list[Any]] = defaultdict(list)

    def vault_handlers(self) -> dict[str, Handler]:
        """Handlers of the vault's events by name."""
        return {"Inflow": self._inflow, "Cover": self._cover, "RewardPaid": self._reward}

    def liquidator_handlers(self) -> dict[str, Handler]:
        """Handlers of the liquidator's events by name."""
        return {"Liquidated": self._liquidated, "DeleverageReceipt": self._receipt}

    def clearinghouse_handlers(self) -> dict[str, Handler]:
        """Handlers of the clearinghouse's events by name."""
        return {"DeficitResolved": self._deficit_resolved}

    def _flow(self, time: int, market: int, kind: str, amount: int, balance: int) -> None:
        self.fund = balance
        self.fund_rows.append(
            {
                "block": self.block,
                "time": time,
                "market": market,
                "kind": kind,
                "amount": str(amount),
                "amount_f64": amount / self.token,
                "balance": balance / self.token,
            }
        )

    def _inflow(self, event: Any, time: int) -> None:
        first = not self.fund_rows
        kind = "initial" if first and event.kind == 3 else INFLOW_KINDS.get(event.kind, str(event.kind))
        self._flow(time, event.market, kind, event.amount, event.assets)

    def _cover(self, event: Any, time: int) -> None:
        self._flow(time, event.market, "cover", -event.paid, event.assets)

    def _reward(self, event: Any, time: int) -> None:
        self._flow(time, event.market, "reward", -event.amount, event.assets)

    def _liquidated(self, event: Any, time: int) -> None:
        if event.cover:
            outcome = "below"
        elif event.penalty:
            outcome = "above"
        else:
            outcome = "at" if event.closed else "none"
        self.liquidations.append(
            {
                "block": self.block,
                "time": time,
                "account": event.account,
                "market": event.market,
                "keeper": event.keeper,
                "closed": event.closed / WAD,
                "notional": event.notional / WAD,
                "penalty": event.penalty / WAD,
                "cover": event.cover / WAD,
                "reward": event.reward / WAD,
                "equity_before": event.equity_before / WAD,
                "mm_before": event.mm_before / WAD,
                "outcome": outcome,
            }
        )

    def _receipt(self, event: Any, time: int) -> None:
        self.adl.append(
            {
                "block": self.block,
                "time": time,
                "account": event.account,
                "market": event.market,
                "policy": str(event.policy),
                "deficit": event.deficit / WAD,
                "vault_before": event.vault_before / self.token,
                "vault_after": event.vault_after / self.token,
                "mark": event.mark / WAD,
                "bankruptcy_price": event.bankruptcy_price / WAD,
                "quantity": event.quantity / WAD,
                "haircut": event.haircut / WAD,
            }
        )

    def _deficit_resolved(self, event: Any, time: int) -> None:
        self.socialised.append(
            {
                "block": self.block,
                "time": time,
                "account": event.account,
                "market": event.market,
                "side": event.side,
                "covered": event.covered / WAD,
                "socialised": event.socialised / WAD,
                "from_treasury": event.from_treasury / WAD,
                "unpaid": event.unpaid / WAD,
            }
        )
