"""Money and receipts as rows: the flows of the fund, every liquidation, every deleveraging."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

WAD = 10**18

Handler = Callable[[Any, int], None]
Row = dict[str, Any]

INFLOW_KINDS = {1: "penalty", 2: "fee", 3: "fund"}
# What only the liquidation of some account moves.
_OF_AN_ACCOUNT = ("penalty", "cover", "reward")


class Ledger:
    """Rows for the run folder. Handlers take (event values, block time); `block` is set by the runner."""

    def __init__(self, decimals: int, account_of: Callable[[str], int]) -> None:
        self.block = 0
        self.decimals = decimals
        self.token = 10**decimals
        #: the fund's books, token units
        self.fund = 0
        self.fund_rows: list[Row] = []
        self.liquidations: list[Row] = []
        self.adl: list[Row] = []
        self.bad_debt: list[Row] = []
        #: rules of the waterfall that an event broke, in words
        self.broken: list[str] = []
        #: the vault's flows since the beginning, token units
        self.covered = 0
        self.requested = 0
        self.rewarded = 0
        self.taken_in = 0
        #: account of an owner, from the indexer
        self._account_of = account_of
        # Flows whose account is not known yet begin here.
        self._anonymous = 0

    def vault_handlers(self) -> dict[str, Handler]:
        """Handlers of the vault's events by name."""
        return {"Inflow": self._inflow, "Cover": self._cover, "RewardPaid": self._reward}

    def liquidator_handlers(self) -> dict[str, Handler]:
        """Handlers of the liquidator's events by name."""
        return {
            "Liquidated": self._liquidated,
            "DeleverageReceipt": self._receipt,
            "BadDebtBooked": self._bad_debt,
        }

    def _flow(self, time: int, market: int, kind: str, amount: int, balance: int) -> None:
        if balance != self.fund + amount:
            self.broken.append(f"the fund went from {self.fund} to {balance} by a flow of {amount} ({kind})")
        self.fund = balance
        self.fund_rows.append(
            {
                "block": self.block,
                "time": time,
                "market": market,
                "account": None,
                "kind": kind,
                "amount": str(amount),
                "amount_f64": amount / self.token,
                "balance": balance / self.token,
            }
        )

    def _inflow(self, event: Any, time: int) -> None:
        self.taken_in += event.amount
        first = not self.fund_rows
        kind = "initial" if first and event.kind == 3 else INFLOW_KINDS.get(event.kind, str(event.kind))
        self._flow(time, event.market, kind, event.amount, event.assets)

    def _cover(self, event: Any, time: int) -> None:
        self.covered += event.paid
        self.requested += event.requested
        kind = "cover" if event.requested else "repay"
        self._flow(time, event.market, kind, -event.paid, event.assets)

    def _reward(self, event: Any, time: int) -> None:
        self.rewarded += event.amount
        self._flow(time, event.market, "reward", -event.amount, event.assets)

    def _name_account(self, account: int) -> None:
        """The vault does not know whom it pays for; the liquidator says so after the flows."""
        for row in self.fund_rows[self._anonymous :]:
            if row["kind"] in _OF_AN_ACCOUNT:
                row["account"] = account
        self._anonymous = len(self.fund_rows)

    def _liquidated(self, event: Any, time: int) -> None:
        self._name_account(event.account)
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
                "keeper": self._account_of(event.keeper),
                "closed": event.closed / WAD,
                "notional": event.notional / WAD,
                "penalty": event.penalty / WAD,
                "cover": event.cover / WAD,
                "reward": event.reward / WAD,
                "equity_before": event.equity_before / WAD,
                "mm_before": event.maintenance_before / WAD,
                "outcome": outcome,
            }
        )

    def _receipt(self, event: Any, time: int) -> None:
        # Less where the account has lost elsewhere too, or is closed in parts.
        if event.haircut > event.deficit + 1:
            self.broken.append(
                f"deleveraging of account {event.account}: deficit {event.deficit}, haircut {event.haircut}"
            )
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

    def _bad_debt(self, event: Any, time: int) -> None:
        legs = event.covered + event.socialised + event.treasury + event.unpaid
        if legs != event.deficit:
            self.broken.append(f"deficit of account {event.account}: {event.deficit}, borne {legs}")
        self.bad_debt.append(
            {
                "block": self.block,
                "time": time,
                "account": event.account,
                "market": event.market,
                "deficit": event.deficit / WAD,
                "covered": event.covered / WAD,
                "socialised": event.socialised / WAD,
                "treasury": event.treasury / WAD,
                "unpaid": event.unpaid / WAD,
                "deficit_wad": event.deficit,
            }
        )
