"""Who pays what for gas, by the role of whoever sent it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from perpsim.chain import COIN, FeeLedger, Receipt, Tx
from perpsim.scenarios.network import Network


@dataclass
class Account:
    """What a role's transactions came to. `paid` in wei."""

    paid: int = 0
    gas_used: int = 0
    transactions: int = 0
    expired: int = 0


class GasBill:
    """Follows each transaction from its role to its receipt: the bank sends what is deposited for a trader,
    but it is the traders' transaction."""

    def __init__(self) -> None:
        self.by_role: dict[str, Account] = {}
        self._waiting: dict[int, Account] = {}

    def sent(self, role: str, txs: Iterable[Tx]) -> None:
        """Transactions that have been submitted."""
        account = self.by_role.setdefault(role, Account())
        for tx in txs:
            self._waiting[tx.id] = account

    def mined(self, receipts: Iterable[Receipt], expired: Iterable[Tx]) -> None:
        """What a block made of them."""
        for receipt in receipts:
            account = self._waiting.pop(receipt.tx_id, None)
            if account is not None:
                account.transactions += 1
                account.gas_used += receipt.gas_used
                account.paid += receipt.fee
        for tx in expired:
            account = self._waiting.pop(tx.id, None)
            if account is not None:
                account.expired += 1

    def figures(self, ledger: FeeLedger, network: Network | None) -> dict[str, Any]:
        """The section `fees` of a summary: amounts in native coin, `..._quote` in quote units."""
        price = 0.0 if network is None else network.native_price
        roles = {
            role: {
                "paid": account.paid / COIN,
                "paid_quote": account.paid / COIN * price,
                "gas_used": account.gas_used,
                "transactions": account.transactions,
                "expired": account.expired,
            }
            for role, account in sorted(self.by_role.items())
        }
        return {
            "coin": None if network is None else network.coin,
            "price": price,
            "paid": ledger.total / COIN,
            "paid_quote": ledger.total / COIN * price,
            "burned": ledger.burned / COIN,
            "tips": ledger.tips / COIN,
            "expired": sum(account.expired for account in self.by_role.values()),
            "by_role": roles,
        }
