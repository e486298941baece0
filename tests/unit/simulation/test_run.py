"""Whole small runs: determinism, invariants, what is recorded, and what happens when a run breaks off."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from perpsim.market.outside import volatility
from perpsim.simulation.capture import Capture
from perpsim.simulation.command import Request, execute
from perpsim.simulation.folder import TABLES
from perpsim.simulation.invariants import InvariantViolation
from perpsim.simulation.record import tables
from perpsim.simulation.runner import SET_UP, Simulation
from perpsim.simulation.summary import summarise

Make = Callable[..., Simulation]

POOR = "fund.initial=500"


class Watcher:
    """A progress display that only counts."""

    def __init__(self) -> None:
        self.total = self.blocks = self.finished = 0

    def start(self, total: int) -> None:
        self.total = total

    def __call__(self, blocks: int, transactions: int) -> None:
        self.blocks = blocks

    def finish(self) -> None:
        self.finished += 1


def digest(simulation: Simulation) -> str:
    return simulation.log.digest.hexdigest()


def test_same_seed_same_digest_another_seed_another(smoke_run: Make) -> None:
    first = smoke_run()
    assert digest(first) == digest(smoke_run())
    assert digest(first) != digest(smoke_run("seed=8"))


def test_a_shorter_run_is_the_beginning_of_the_longer_one(smoke_run: Make) -> None:
    short, long = tables(smoke_run("clock.blocks=40"))["events"], tables(smoke_run())["events"]
    assert short.equals(long.filter(pl.col("block") < 40))


@pytest.mark.parametrize("decimals", [6, 18])
@pytest.mark.parametrize("fund", ["fund.initial=20000", POOR, "fund.initial=0"])
def test_invariants_hold_after_every_block(smoke_run: Make, fund: str, decimals: int) -> None:
    simulation = smoke_run(fund, "checks.every=1", f"collateral.decimals={decimals}", "clock.blocks=150")
    assert simulation.invariants.checked == 150
    assert simulation.invariants.violations == 0


def test_money_is_conserved(smoke_run: Make) -> None:
    simulation = smoke_run(POOR)
    protocol, unit = simulation.protocol, 10**simulation.scenario.collateral.decimals
    accounts = tables(simulation)["accounts"]
    inside = accounts["deposits"].sum() - accounts["withdrawals"].sum()
    held = protocol.token.view("balanceOf", protocol.clearinghouse.address)
    held += protocol.token.view("balanceOf", protocol.vault.address)
    assert held / unit == pytest.approx(inside + simulation.scenario.fund.initial, abs=0.01)


def test_a_rich_fund_pays_and_nobody_is_deleveraged(smoke_run: Make) -> None:
    summary = summarise(smoke_run(), "revm", True, "", 1.0)
    assert summary["liquidations"]["count"] > 10
    assert summary["shortfall"]["total"] > 0
    assert summary["shortfall"]["total"] == pytest.approx(summary["shortfall"]["paid_by_fund"])
    assert summary["adl"]["count"] == 0


def test_a_poor_fund_runs_dry_and_winners_are_deleveraged(smoke_run: Make) -> None:
    simulation = smoke_run(POOR)
    summary = summarise(simulation, "revm", True, "", 1.0)
    assert summary["fund"]["min"] < 5
    assert summary["fund"]["max_drawdown"] > 0.98
    assert summary["adl"]["count"] > 0
    assert summary["adl"]["accounts"] > 1
    assert summary["shortfall"]["adl"] > 0
    # Whoever bears it, together they bear all of it, and who was taken stands in the lists.
    adl, rows, accounts = (tables(simulation)[name] for name in ("adl", "adl_rows", "accounts"))
    assert set(adl["policy"]) == {"queue-bitmex"}
    assert accounts["adl_notional"].sum() == pytest.approx((adl["quantity"] * adl["mark"]).sum(), rel=1e-6)
    assert accounts["adl_haircut"].sum() == pytest.approx(adl["haircut"].sum(), rel=1e-6)
    assert rows["haircut"].sum() == pytest.approx(adl["haircut"].sum())
    taken = rows.filter(pl.col("taken") > 0)
    assert taken.height == adl["reached"].sum()
    assert set(taken["counterparty"]) == set(accounts.filter(pl.col("adl_notional") > 0)["account"])
    # A queue goes from the top.
    assert (taken["light"] == 5).mean() > 0.9
    for _, part in taken.group_by("block", "account"):
        assert sorted(part["place"]) == list(range(1, part.height + 1))


def test_figures_add_up(smoke_run: Make) -> None:
    simulation = smoke_run()
    summary, frames = summarise(simulation, "revm", True, "", 1.0), tables(simulation)
    fund, blocks = summary["fund"], frames["blocks"]
    assert fund["start"] + fund["inflow"] - fund["outflow"] == pytest.approx(fund["end"])
    assert sum(day["inflow"] for day in fund["by_day"]) == pytest.approx(fund["inflow"])
    assert sum(day["outflow"] for day in fund["by_day"]) == pytest.approx(fund["outflow"])
    assert fund["by_day"][-1]["end"] == pytest.approx(fund["end"])
    assert blocks["fund"][-1] == pytest.approx(fund["end"])
    assert blocks["transactions"].sum() == summary["transactions"]
    assert blocks["reverted"].sum() == summary["reverted"] == sum(summary["reverts"].values())
    assert blocks["gas_used"].sum() == summary["gas_used"]
    assert blocks["liquidations"].sum() == summary["liquidations"]["count"]
    assert blocks["liquidated_notional"].sum() == pytest.approx(summary["liquidations"]["notional"])
    assert blocks["shortfall"].sum() == pytest.approx(summary["shortfall"]["total"])
    assert frames["events"].height == summary["events"]
    keepers = frames["keepers"]
    assert keepers["reward"].sum() == pytest.approx(summary["keepers"]["profit"])
    assert keepers["won"].sum() == summary["liquidations"]["count"]
    assert keepers["transactions"].sum() == summary["keepers"]["transactions"]
    accounts = frames["accounts"]
    assert accounts["size_0"].sum() == pytest.approx(0, abs=1e-9)
    assert accounts["liquidated_notional"].sum() == pytest.approx(
        summary["liquidations"]["notional"], rel=1e-6
    )


def test_every_key_of_the_summary_is_there(smoke_run: Make) -> None:
    summary = summarise(smoke_run("clock.blocks=20"), "revm", True, "", 1.0)
    for key in ("scenario", "seed", "engine", "versions", "digest", "blocks", "transactions", "reverted"):
        assert key in summary
    for key in ("gas_used", "wall_seconds", "parameters", "complete", "planned_blocks"):
        assert key in summary
    assert {"start", "end", "min", "max_drawdown", "inflow", "outflow", "by_day"} <= set(summary["fund"])
    assert {"count", "notional", "accounts"} <= set(summary["liquidations"])
    assert {"total", "paid_by_fund", "adl", "socialised"} <= set(summary["shortfall"])
    assert {"count", "notional", "accounts"} <= set(summary["adl"])
    assert {"profit", "gas"} <= set(summary["keepers"])
    assert {"checked", "violations"} <= set(summary["invariants"])
    assert json.loads(json.dumps(summary)) == summary


def test_events_are_complete_and_readable(smoke_run: Make) -> None:
    events = tables(smoke_run("clock.blocks=30"))["events"]
    assert events["block"].min() == SET_UP
    assert events.filter(pl.col("event") == "?").height == 0
    placed = events.filter(pl.col("event") == "OrderPlaced")["args"]
    first = json.loads(placed[0])
    assert set(first) == {"order_id", "account", "is_buy", "price", "size", "reduce_only", "expiry"}
    assert isinstance(first["is_buy"], bool)
    assert int(first["price"]) > 0


def test_roles_cover_everyone(smoke_run: Make) -> None:
    accounts = tables(smoke_run("clock.blocks=60"))["accounts"]
    roles = dict(accounts["role"].value_counts().iter_rows())
    assert roles["maker"] == 2
    assert roles["keeper"] == 3
    assert roles["trader-long"] + roles["trader-short"] == 60
    assert "other" not in roles


def test_full_blocks_make_transactions_wait_and_old_ones_give_up(smoke: Make) -> None:
    simulation = smoke("clock.gas_limit=8000000", "agents.makers.requote_blocks=1", "agents.makers.count=6")
    longest = 0
    for _ in range(120):
        simulation.step()
        queued = simulation.protocol.chain.queued
        longest = max(longest, len(queued))
        assert all(tx.arrival >= simulation.next_block - 4 for tx in queued)
    assert longest > 0
    simulation.invariants.check(119, simulation.protocol.chain.timestamp, everyone=True)


def test_a_fault_of_the_program_keeps_the_run_so_far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Simulation.step

    def step(simulation: Simulation) -> None:
        if simulation.next_block == 12:
            raise ZeroDivisionError("of all things")
        real(simulation)

    monkeypatch.setattr(Simulation, "step", step)
    with pytest.raises(ZeroDivisionError):
        execute(Request("smoke", out=tmp_path / "run"), lambda text: None, Watcher(), lambda: False)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["violation"] == "block 12: ZeroDivisionError: of all things"
    assert summary["complete"] is False
    assert pl.read_parquet(tmp_path / "run" / "blocks.parquet").height == 12


def test_capture_holds_every_executed_transaction_in_order(smoke: Make) -> None:
    capture = Capture()
    simulation = smoke("clock.blocks=50", capture=capture)
    simulation.run()
    assert len(capture.calls) == simulation.metrics.transactions
    times = [call.timestamp for call in capture.calls]
    assert times == sorted(times)
    oracle = simulation.protocol.oracle.address
    assert capture.calls[0].to == oracle


def test_a_violation_names_block_rule_and_difference(smoke: Make) -> None:
    simulation = smoke("clock.blocks=60", "checks.every=10")
    for _ in range(25):
        simulation.step()
    account = simulation.keepers[0].account
    simulation.indexer.accounts.collateral_wad[account] += 7
    expected = rf"block 29: collateral of account {account}: .*\(difference -7\)"
    with pytest.raises(InvariantViolation, match=expected):
        simulation.run()
    assert simulation.invariants.violations == 1


def test_a_flow_of_the_vault_that_its_events_do_not_explain_is_a_violation(smoke: Make) -> None:
    simulation = smoke("clock.blocks=20", "checks.every=0")
    simulation.ledger.pools[8] += 1
    with pytest.raises(InvariantViolation, match="invariant 6: books of the vault"):
        simulation.run()


def test_stopping_leaves_a_readable_folder(tmp_path: Path) -> None:
    watcher = Watcher()
    request = Request("smoke", out=tmp_path / "run")
    result = execute(request, lambda text: None, watcher, lambda: watcher.blocks >= 25)
    assert result.interrupted
    assert (watcher.total, watcher.finished) == (200, 1)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["complete"] is False
    assert summary["blocks"] == 25
    for table in TABLES:
        pl.read_parquet(tmp_path / "run" / f"{table}.parquet")
    assert pl.read_parquet(tmp_path / "run" / "blocks.parquet").height == 25
    assert result.report is not None
    assert result.report.exists()


def test_stopping_before_the_first_block_leaves_a_readable_folder(tmp_path: Path) -> None:
    result = execute(Request("smoke", out=tmp_path / "run"), lambda text: None, Watcher(), lambda: True)
    assert result.interrupted
    assert pl.read_parquet(tmp_path / "run" / "blocks.parquet").height == 0


def test_candles_replace_the_prices(tmp_path: Path) -> None:
    path = tmp_path / "candles.csv"
    rows = [f"{1_704_067_200 + 60 * i},{100 + i},{101 + i},{99 + i},{100 + i}" for i in (0, 1, 2, 5, 6)]
    path.write_text("\n".join(rows))
    notices: list[str] = []
    request = Request("smoke", prices=(str(path),), out=tmp_path / "run")
    result = execute(request, notices.append, Watcher(), lambda: False)
    blocks = pl.read_parquet(result.folder / "blocks.parquet")
    assert blocks.height == 35
    assert blocks["price_0"][0] == 100
    assert blocks["price_0"][4] == 100
    assert blocks["price_0"][5] == 101
    # The gap holds the close of the third candle.
    assert blocks["price_0"][15:25].to_list() == [102.0] * 10
    assert blocks["price_0"].max() == 107
    assert any("1 gap, filled" in notice for notice in notices)
    assert any("35 of 200 blocks" in notice for notice in notices)


def test_candles_of_another_time_move_the_clock(tmp_path: Path) -> None:
    path = tmp_path / "candles.csv"
    path.write_text("\n".join(f"{1_600_000_000 + 60 * i},100,101,99,100" for i in range(5)))
    notices: list[str] = []
    request = Request("smoke", prices=(str(path),), out=tmp_path / "run")
    result = execute(request, notices.append, Watcher(), lambda: False)
    assert pl.read_parquet(result.folder / "blocks.parquet")["time"][0] == 1_600_000_000
    assert any("starting at 2020-09-13T12:26:40Z" in notice for notice in notices)


def test_volatility_only_looks_back() -> None:
    path = np.exp(np.cumsum(np.random.default_rng(1).standard_normal(400) * 0.001)) * 100
    whole = volatility(path)
    other = path.copy()
    other[300:] *= 2
    assert np.array_equal(volatility(other)[:301], whole[:301])
    assert whole[200] == pytest.approx(0.001, rel=0.4)


@pytest.mark.parametrize("limit", ["fund.breaker=0.02", "fund.cap=400"])
def test_when_the_fund_must_not_pay_more_the_winners_do(smoke_run: Make, limit: str) -> None:
    simulation = smoke_run(limit)
    summary = summarise(simulation, "revm", True, "", 1.0)
    assert 300 < summary["shortfall"]["paid_by_fund"] <= 410
    assert summary["fund"]["min"] > 19_000
    assert summary["adl"]["count"] > 10
    assert summary["shortfall"]["adl"] > summary["shortfall"]["paid_by_fund"]
    assert simulation.health.equity.min() > -1


def test_an_order_that_the_log_does_not_explain_is_a_violation(smoke: Make) -> None:
    simulation = smoke("clock.blocks=30", "checks.every=0")
    for _ in range(25):
        simulation.step()
    mirror = simulation.indexer.orders[0]
    mirror.placed(10**9, 1, True, 10**18, 10**18)
    with pytest.raises(InvariantViolation, match="invariant 3: number of levels of bids of market 0"):
        simulation.invariants.check(24, simulation.protocol.chain.timestamp)
    mirror.removed(10**9)
    simulation.invariants.check(24, simulation.protocol.chain.timestamp)
    best = next(order for order in mirror._slot if mirror.prices[mirror._slot[order]] == mirror.top()[0])
    mirror.filled(best, 1)
    with pytest.raises(InvariantViolation, match="invariant 3: bids of market 0: the book has"):
        simulation.invariants.check(24, simulation.protocol.chain.timestamp)


def test_margins_that_are_not_the_contracts_are_a_violation(smoke: Make) -> None:
    simulation = smoke("clock.blocks=60", "checks.every=0")
    for _ in range(50):
        simulation.step()
    simulation.indexer.schedules[0]._maintenance *= 1.001
    with pytest.raises(InvariantViolation, match="maintenance margin of account"):
        simulation.invariants.check(49, simulation.protocol.chain.timestamp)
