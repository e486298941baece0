"""How keepers fared: what each sent, what became of it, what it earned and what that cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from perpsim.agents.keeper_bids import COIN, GWEI
from perpsim.agents.keepers import Desked, Keepers, Sending
from perpsim.chain import Receipt
from perpsim.chain.base import REJECTED
from perpsim.simulation.ledger import Row
from perpsim.simulation.market_state import WAD

Handler = Callable[[Any, int], None]
Target = tuple[int, int]

#: what becomes of a transaction: it closed something; somebody else had been there; nothing was to be closed;
#: failed; no block took it; did its part about a list
WON, LOST, VAIN, REVERTED, DROPPED, LIST = "won", "lost", "vain", "reverted", "dropped", "list"

_COUNTS = ("sent", "transactions", "won", "lost", "vain", "reverted", "replaced", "dropped")
KEEPERS = {
    "account": pl.Int64,
    "name": pl.String,
    "strategy": pl.String,
    "fee": pl.String,
    "found": pl.Int64,
    **dict.fromkeys(_COUNTS, pl.Int64),
    "reward": pl.Float64,
    "gas_used": pl.Int64,
    **dict.fromkeys(("fees_paid", "gas_cost", "profit", "wait_blocks"), pl.Float64),
    "served": pl.Int64,
    "underwater_seconds": pl.Float64,
    "underwater_worst": pl.Float64,
}
KEEPER_TXS = {
    **dict.fromkeys(("block", "time", "keeper", "account", "market", "calls", "won"), pl.Int64),
    "outcome": pl.String,
    "sent_block": pl.Int64,
    "bid": pl.Float64,
    "gas_used": pl.Int64,
    "cost": pl.Float64,
    "reward": pl.Float64,
}


@dataclass
class Record:
    """Counts and amounts of one keeper.

    Transactions: `included` in a block, of those `reverted`; `dropped` before any block took them; `waited`
    blocks from sending to inclusion, summed up. Calls: `won` closed something, `lost` came after somebody
    else's, `vain` closed nothing for another reason. `reward` and `gas_cost` in quote units, `fees` in native
    coin. `served` accounts were under water for `underwater` seconds before it came, summed up, `worst` at
    most.
    """

    included: int = 0
    reverted: int = 0
    dropped: int = 0
    waited: int = 0
    won: int = 0
    lost: int = 0
    vain: int = 0
    reward: float = 0.0
    gas_used: int = 0
    fees: float = 0.0
    gas_cost: float = 0.0
    served: int = 0
    underwater: float = 0.0
    worst: float = 0.0

    @property
    def profit(self) -> float:
        """Reward less what gas has cost, quote units."""
        return self.reward - self.gas_cost


@dataclass
class _Transaction:
    """What the events of the transaction being taken have said so far."""

    won: set[Target] = field(default_factory=set)
    reward: float = 0.0


class KeeperBook:
    """Follows receipts and events of a run and tells keepers what became of what they sent.

    `block` and `coin_price` (quote units) are set by the runner before it takes a block's receipts.
    """

    def __init__(self, keepers: Keepers, keeper_of: Callable[[int], Desked | None]) -> None:
        self.block = 0
        self.coin_price = 0.0
        #: a row for each transaction that ended, in the order in which they did
        self.rows: list[Row] = []
        self._keepers = keepers
        self._keeper_of = keeper_of
        self._records = {keeper.address: Record() for keeper in keepers.keepers}
        self._now = _Transaction()
        # The last block in which each target was closed, and by whose hand.
        self._closed: dict[Target, tuple[int, str]] = {}
        # Since when accounts are under water, seconds; and whom each keeper has served of those.
        self._since: dict[int, int] = {}
        self._served: set[tuple[str, int, int]] = set()

    def of(self, keeper: Desked) -> Record:
        """The record of a keeper."""
        return self._records[keeper.address]

    # what happens

    def liquidated(self, event: Any, time: int) -> None:
        """Handler of the liquidator's event."""
        if not event.closed:
            return
        keeper = self._keepers.by_address.get(event.keeper)
        target = (event.account, event.market)
        self._closed[target] = (self.block, keeper.address if keeper is not None else event.keeper)
        if keeper is None:
            return
        self._now.won.add(target)
        record = self.of(keeper)
        record.won += 1
        since = self._since.get(event.account, time)
        episode = (keeper.address, event.account, since)
        if episode not in self._served:
            self._served.add(episode)
            record.served += 1
            record.underwater += time - since
            record.worst = max(record.worst, time - since)

    def rewarded(self, event: Any, time: int) -> None:
        """Handler of the clearinghouse's event."""
        keeper = self._keeper_of(event.account)
        if keeper is not None:
            self.of(keeper).reward += event.amount / WAD
            self._now.reward += event.amount / WAD

    def watch(self, underwater: npt.NDArray[np.int64], time: int) -> None:
        """Note who is under water after a block."""
        if underwater.size or self._since:
            since = self._since
            self._since = {account: since.get(account, time) for account in underwater.tolist()}

    # what becomes of transactions

    def included(self, receipt: Receipt, time: int) -> None:
        """A receipt whose events have been handed out."""
        now = self._now
        if now.won or now.reward:
            self._now = _Transaction()
        keeper = self._keepers.by_address.get(receipt.sender)
        if keeper is None:
            return
        record = self.of(keeper)
        sending = _take(keeper, receipt.tx_id)
        if receipt.error.startswith(REJECTED):
            record.dropped += 1
            self._row(keeper, sending, time, DROPPED, receipt, now)
            return
        keeper.nonce += 1
        record.included += 1
        record.reverted += 1 - receipt.status
        record.gas_used += receipt.gas_used
        record.fees += receipt.fee / COIN
        record.gas_cost += receipt.fee / COIN * self.coin_price
        outcome = REVERTED
        if sending is not None:
            record.waited += self.block - sending.since
            outcome = self._outcome(keeper, record, sending, receipt, now)
        self._row(keeper, sending, time, outcome, receipt, now)

    def left(self, queued: Callable[[], Iterable[int]], time: int) -> None:
        """After a block: what is on its way no more was never included. `queued` tells the ids of what
        waits."""
        if not any(keeper.waiting for keeper in self._keepers.keepers):
            return
        waiting = set(queued())
        for keeper in self._keepers.keepers:
            gone = [sending for sending in keeper.waiting if sending.tx.id not in waiting]
            for sending in gone:
                keeper.waiting.remove(sending)
                self.of(keeper).dropped += 1
                self._row(keeper, sending, time, DROPPED, None, _Transaction())

    def _outcome(
        self, keeper: Desked, record: Record, sending: Sending, receipt: Receipt, now: _Transaction
    ) -> str:
        """What a transaction came to; its calls are counted, and the keeper learns from them."""
        if not sending.calls and not now.won:
            return LIST if receipt.status else REVERTED
        lost = 0
        for call in sending.calls:
            won = call.target in now.won
            keeper.experience.add(self.block, won, receipt.gas_used / len(sending.calls))
            late = not won and self._taken(keeper, call.target, sending.seen)
            in_vain = not won and not late
            keeper.called(call.target, self.block, in_vain)
            lost += late
            record.lost += late
            record.vain += in_vain
        if now.won:
            return WON
        if lost:
            return LOST
        return VAIN if receipt.status else REVERTED

    def _taken(self, keeper: Desked, target: Target, seen: int) -> bool:
        """Whether somebody else has closed something of a target since the keeper saw it."""
        block, hand = self._closed.get(target, (-1, ""))
        return block >= seen and hand != keeper.address

    def _row(
        self,
        keeper: Desked,
        sending: Sending | None,
        time: int,
        outcome: str,
        receipt: Receipt | None,
        now: _Transaction,
    ) -> None:
        calls = sending.calls if sending is not None else ()
        fee = receipt.fee / COIN if receipt is not None else 0.0
        self.rows.append(
            {
                "block": self.block,
                "time": time,
                "keeper": keeper.account,
                "account": calls[0].account if calls else None,
                "market": calls[0].market if calls else None,
                "calls": len(calls),
                "won": len(now.won),
                "outcome": outcome,
                "sent_block": sending.since if sending is not None else None,
                "bid": _gwei(sending),
                "gas_used": receipt.gas_used if receipt is not None else 0,
                "cost": fee * self.coin_price,
                "reward": now.reward,
            }
        )

    # what comes of it

    def table(self) -> list[Row]:
        """A row for each keeper."""
        return [self._keeper_row(keeper) for keeper in self._keepers.keepers]

    def _keeper_row(self, keeper: Desked) -> Row:
        record = self.of(keeper)
        return {
            "account": keeper.account,
            "name": keeper.config.name,
            "strategy": keeper.config.strategy,
            "fee": None if keeper.config.fee is None else keeper.config.fee.kind,
            "found": len(keeper.found),
            "sent": keeper.sent,
            "transactions": record.included,
            "won": record.won,
            "lost": record.lost,
            "vain": record.vain,
            "reverted": record.reverted,
            "replaced": keeper.replaced,
            "dropped": record.dropped,
            "reward": record.reward,
            "gas_used": record.gas_used,
            "fees_paid": record.fees,
            "gas_cost": record.gas_cost,
            "profit": record.profit,
            "wait_blocks": record.waited / record.included if record.included else None,
            "served": record.served,
            "underwater_seconds": record.underwater / record.served if record.served else None,
            "underwater_worst": float(record.worst) if record.served else None,
        }

    def figures(self) -> dict[str, Any]:
        """All keepers together, and each by its name; for summary.json."""
        rows = self.table()
        records = list(self._records.values())
        served = sum(record.served for record in records)
        found: set[int] = set()
        for keeper in self._keepers.keepers:
            found |= keeper.found
        return {
            "profit": float(sum(record.profit for record in records)),
            "reward": float(sum(record.reward for record in records)),
            "gas": sum(record.gas_used for record in records),
            "gas_cost": float(sum(record.gas_cost for record in records)),
            "fees_paid": float(sum(record.fees for record in records)),
            "found": len(found),
            **{name: sum(row[name] for row in rows) for name in _COUNTS},
            "served": served,
            "underwater_seconds": sum(record.underwater for record in records) / served if served else None,
            "underwater_worst": float(max(record.worst for record in records)) if served else None,
            "by_name": {row["name"]: row for row in rows},
        }


def _take(keeper: Desked, number: int) -> Sending | None:
    """What the keeper has on its way under an id; it is on its way no more."""
    for at, sending in enumerate(keeper.waiting):
        if sending.tx.id == number:
            return keeper.waiting.pop(at)
    return None


def _gwei(sending: Sending | None) -> float | None:
    """What a transaction offers per gas at the most, where there is a limit."""
    if sending is None or sending.tx.max_fee is None:
        return None
    return sending.tx.max_fee / GWEI
