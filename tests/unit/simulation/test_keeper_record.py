"""How keepers fared: what is counted as won, lost, in vain and dropped, what it earned and cost."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from keeper_cases import keeper
from rich.console import Console

from perpsim.agents.keeper_policies import Call
from perpsim.agents.keepers import Desked, Keepers, Sending
from perpsim.chain import Receipt, Tx
from perpsim.simulation.display import keeper_table
from perpsim.simulation.keeper_record import KeeperBook
from perpsim.simulation.record import tables
from perpsim.simulation.runner import Simulation
from perpsim.simulation.summary import summarise

WAD = 10**18
GWEI = 10**9


class Desk:
    """Two keepers and what happens to them, told step by step."""

    def __init__(self) -> None:
        self.first, self.second = (Desked(keeper(name=name), f"0x{name}") for name in ("first", "second"))
        for number, one in enumerate((self.first, self.second), start=101):
            one.account = number
        keepers = Keepers([self.first, self.second], [], [], [])
        by_account = {one.account: one for one in keepers.keepers}
        self.book = KeeperBook(keepers, by_account.get)
        self.queued: list[int] = []
        self._next = 0

    def sends(self, who: Desked, *accounts: int, block: int = 0, seen: int = 0) -> Tx:
        """A transaction that is to liquidate accounts in market 0."""
        tx = Tx(who.address, "0xliquidator", b"", id=self._next)
        self._next += 1
        calls = tuple(Call(account, 0, False, 1_000.0, 1.0) for account in accounts)
        who.send(Sending(tx, calls, block, seen))
        return tx

    def mined(self, tx: Tx, *closed: int, reward: float = 0.0, time: int = 0, **receipt: Any) -> None:
        """Its receipt; it has closed something of these accounts."""
        for account in closed:
            event = SimpleNamespace(account=account, market=0, keeper=tx.sender, closed=WAD)
            self.book.liquidated(event, time)
        if reward:
            number = next(one.account for one in (self.first, self.second) if one.address == tx.sender)
            self.book.rewarded(SimpleNamespace(account=number, amount=int(reward * WAD)), time)
        fields = {"status": 1, "gas_used": 100_000, "output": b"", "logs": [], "block": 1, "position": 0}
        self.book.included(
            Receipt(**{**fields, "tx_id": tx.id, "sender": tx.sender, "to": tx.to, **receipt}), time
        )

    def outcome(self) -> str:
        """What the last transaction came to."""
        return str(self.book.rows[-1]["outcome"])


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_who_closes_something_has_won(desk: Desk) -> None:
    desk.book.coin_price = 200.0
    desk.mined(desk.sends(desk.first, 7), 7, reward=3.0, gas_price=50 * GWEI)
    record = desk.book.of(desk.first)
    assert (record.won, record.lost, record.vain) == (1, 0, 0)
    assert desk.outcome() == "won"
    # 100,000 gas at 50 gwei are 0.005 coins.
    assert record.fees == pytest.approx(0.005)
    assert record.gas_cost == pytest.approx(1.0)
    assert record.profit == pytest.approx(2.0)
    assert desk.book.of(desk.second).won == 0


@pytest.mark.parametrize("status", [0, 1])
def test_who_comes_after_another_has_lost(desk: Desk, status: int) -> None:
    desk.mined(desk.sends(desk.first, 7), 7)
    desk.mined(desk.sends(desk.second, 7), status=status)
    record = desk.book.of(desk.second)
    assert (record.won, record.lost, record.vain, record.reverted) == (0, 1, 0, 1 - status)
    assert desk.outcome() == "lost"


def test_whom_nobody_came_before_has_tried_in_vain(desk: Desk) -> None:
    desk.mined(desk.sends(desk.first, 7))
    assert desk.outcome() == "vain"
    desk.mined(desk.sends(desk.first, 7), status=0)
    assert desk.outcome() == "reverted"
    # What it has closed itself, or somebody long ago, nobody took from it.
    desk.mined(desk.sends(desk.first, 7), 7)
    desk.mined(desk.sends(desk.first, 7))
    assert desk.outcome() == "vain"
    desk.book.block = 9
    desk.mined(desk.sends(desk.second, 7, block=9, seen=9))
    assert desk.outcome() == "vain"
    assert desk.book.of(desk.first).vain == 3
    assert desk.book.of(desk.first).lost == desk.book.of(desk.second).lost == 0


def test_how_long_calls_have_been_in_vain_counts_from_the_first_since_one_was_not(desk: Desk) -> None:
    def call(block: int, *closed: int) -> int | None:
        desk.book.block = block
        desk.mined(desk.sends(desk.first, 7, block=block, seen=block), *closed)
        return desk.first.stuck.get((7, 0))

    assert [call(1), call(2), call(9)] == [1, 1, 1]
    assert [call(10, 7), call(12), call(13)] == [None, 12, 12]
    # Much later it is another story.
    assert call(200) == 200


def test_the_calls_of_a_batch_are_counted_one_by_one(desk: Desk) -> None:
    desk.mined(desk.sends(desk.first, 8), 8)
    desk.mined(desk.sends(desk.second, 7, 8, 9), 7)
    record = desk.book.of(desk.second)
    assert (record.included, record.won, record.lost, record.vain) == (1, 1, 1, 1)
    assert desk.book.rows[-1]["calls"] == 3
    assert desk.book.rows[-1]["won"] == 1


def test_what_no_block_took_is_dropped(desk: Desk) -> None:
    tx, other = desk.sends(desk.first, 7), desk.sends(desk.first, 8)
    desk.book.left(lambda: [tx.id, other.id], 0)
    assert desk.book.of(desk.first).dropped == 0
    desk.book.left(lambda: [other.id], 0)
    assert desk.book.of(desk.first).dropped == 1
    assert desk.outcome() == "dropped"
    # Nor what the chain refuses, which uses up no nonce.
    desk.mined(other, status=0, gas_used=0, error="rejected: not enough native coin for the fee")
    assert desk.book.of(desk.first).dropped == 2
    assert desk.book.of(desk.first).included == 0
    assert desk.first.nonce == 0
    assert desk.first.waiting == []


def test_a_replacement_is_the_same_transaction_with_a_higher_bid(desk: Desk) -> None:
    old = desk.sends(desk.first, 7, block=3)
    old.nonce = 0
    new = Tx(desk.first.address, "0xliquidator", b"", id=50, nonce=0)
    desk.first.send(Sending(new, desk.first.waiting[0].calls, 5, 5), replaces=True)
    assert (desk.first.sent, desk.first.replaced) == (1, 1)
    desk.book.block = 6
    desk.mined(new, 7)
    desk.book.left(lambda: [], 0)
    record = desk.book.of(desk.first)
    assert (record.won, record.dropped, record.waited) == (1, 0, 3)
    assert desk.first.nonce == 1


def test_time_under_water_runs_from_the_fall_to_the_call_that_serves(desk: Desk) -> None:
    under = np.array([7, 8])
    desk.book.watch(under, 100)
    desk.book.watch(under, 112)
    desk.mined(desk.sends(desk.first, 7), 7, time=124)
    record = desk.book.of(desk.first)
    assert (record.served, record.underwater, record.worst) == (1, 24, 24)
    # It is still under water: the same keeper has served it, another one serves it later.
    desk.book.watch(under, 124)
    desk.mined(desk.sends(desk.first, 7), 7, time=136)
    assert record.served == 1
    desk.mined(desk.sends(desk.second, 7), 7, time=136)
    assert desk.book.of(desk.second).worst == 36
    # Saved and fallen once more: a new case.
    desk.book.watch(np.array([8]), 148)
    desk.book.watch(under, 160)
    desk.mined(desk.sends(desk.first, 7), 7, time=172)
    assert (record.served, record.underwater, record.worst) == (2, 36, 24)


def test_the_table_at_the_end_of_a_run_fits_a_narrow_terminal(desk: Desk) -> None:
    desk.book.watch(np.array([7]), 100)
    desk.mined(desk.sends(desk.first, 7), 7, reward=3.0, time=124)
    desk.mined(desk.sends(desk.second, 7))
    paper = StringIO()
    Console(width=80, file=paper).print(keeper_table(desk.book.table(), "USD"))
    text = paper.getvalue()
    assert "profit in USD" in text
    (first,) = (line.split() for line in text.splitlines() if line.startswith("first"))
    (second,) = (line.split() for line in text.splitlines() if line.startswith("second"))
    #                found sent won lost reverted dropped gas cost profit under water
    assert first == ["first", "greedy", "0", "1", "1", "0", "0", "0", "0.1", "0", "3", "24", "/", "24"]
    assert second == ["second", "greedy", "0", "1", "0", "1", "0", "0", "0.1", "0", "0"]


def test_the_record_of_a_run_adds_up(smoke_run: Callable[..., Simulation]) -> None:
    keepers = ",".join(f'{{name="{name}",strategy="{name}"}}' for name in ("greedy", "profit", "batch"))
    simulation = smoke_run(f"agents.keepers=[{keepers}]", "fund.initial=500")
    summary, frames = summarise(simulation, "revm", True, "", 1.0), tables(simulation)
    rows, txs, figures = frames["keepers"], frames["keeper_txs"], summary["keepers"]
    assert rows["won"].sum() == summary["liquidations"]["count"] == figures["won"]
    assert (rows["sent"] == rows["transactions"] + rows["dropped"]).all()
    assert rows["profit"].sum() == pytest.approx(figures["profit"])
    assert rows["reward"].sum() == pytest.approx(frames["liquidations"]["reward"].sum())
    assert txs.height == rows["sent"].sum()
    for row in rows.iter_rows(named=True):
        own = txs.filter(pl.col("keeper") == row["account"])
        assert own["gas_used"].sum() == row["gas_used"]
        assert own["reward"].sum() == pytest.approx(row["reward"])
        assert own["calls"].sum() >= row["lost"] + row["vain"]
        assert own.filter(pl.col("outcome") == "reverted").height <= row["reverted"]
        assert figures["by_name"][row["name"]]["won"] == row["won"]
    assert rows.filter(pl.col("strategy") == "batch")["won"].item() > 0
    # Every account of a keeper is its own.
    roles = frames["accounts"].filter(pl.col("account").is_in(rows["account"].to_list()))["role"]
    assert set(roles) == {"keeper"}
