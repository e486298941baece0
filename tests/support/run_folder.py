"""Made-up run folders in the schema that `perpsim.simulation` writes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

START = 1_583_971_200  # 12 March 2020, 00:00 UTC
STEP = 12
TOKEN = 10**6
ROLES = ("trader-long", "trader-short", "maker", "noise", "momentum", "keeper")
OUTCOMES = ("above", "above", "above", "at", "below", "below")

Row = dict[str, Any]


@dataclass
class RunFolder:
    """Builds a run; `write` puts it on disk. Every table can be changed or dropped before."""

    path: Path
    blocks: int = 600
    seed: int = 1
    start_balance: float = 1_000_000.0
    tables: dict[str, pl.DataFrame] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    fund_rows: list[Row] = field(default_factory=list)

    def quiet(self) -> RunFolder:
        """Prices move, nobody is liquidated."""
        rng = np.random.default_rng(self.seed)
        n = self.blocks
        t = np.arange(n)
        walk = np.cumsum(rng.normal(0, 0.0008, n)) - 0.35 * np.clip((t - n * 0.35) / (n * 0.15 or 1), 0, 1)
        price = 7935.0 * np.exp(walk)
        index = np.concatenate((price[:1], price[:-1])) if n else price
        mark = index * (1 + rng.normal(0, 0.0005, n))
        mid = mark * (1 + rng.normal(0, 0.001, n))
        mid[rng.random(n) < 0.02] = np.nan
        calm = 1 / (1 + 30 * np.abs(np.gradient(walk))) if n > 1 else np.ones(n)
        self.tables["blocks"] = pl.DataFrame(
            {
                "block": t.astype(np.int64),
                "time": START + t * STEP,
                "transactions": rng.integers(0, 40, n),
                "reverted": rng.integers(0, 3, n),
                "gas_used": rng.integers(1_000_000, 20_000_000, n),
                "base_fee": (np.cumprod(1 + rng.normal(0, 0.02, n)) * 10**10).astype(np.int64),
                "fund": np.full(n, self.start_balance),
                "underwater": rng.poisson(0.2, n),
                "liquidations": np.zeros(n, dtype=np.int64),
                "liquidated_notional": np.zeros(n),
                "shortfall": np.zeros(n),
                "adl_notional": np.zeros(n),
                "price_0": price,
                "index_0": index,
                "mark_0": mark,
                "mid_0": mid,
                "open_interest_0": np.linspace(2000, 900, n) if n else np.zeros(0),
                "funding_8h_0": np.clip(rng.normal(-0.001, 0.001, n), -0.00375, 0.00375),
                "leverage_0": 5 + np.cumsum(rng.normal(0, 0.01, n)),
                "bid_depth_0": 1e6 * calm,
                "ask_depth_0": 1.1e6 * calm,
            }
        )
        self._accounts(rng)
        self._flow(START, "initial", self.start_balance)
        self.tables["liquidations"] = pl.DataFrame(schema=LIQUIDATIONS)
        self.tables["adl"] = pl.DataFrame(schema=RECEIPTS)
        self.tables["events"] = pl.DataFrame(schema=EVENTS)
        self.tables["keepers"] = pl.DataFrame(
            [
                (990 + i, name, 40 + i, 20, 2, 0.0, 3_000_000)
                for i, name in enumerate(("north", "harbour", "quarry"))
            ],
            schema=["account", "name", "transactions", "won", "reverted", "reward", "gas_used"],
            orient="row",
        )
        self.summary = {
            "scenario": "made-up",
            "seed": self.seed,
            "engine": "revm",
            "versions": {"perpsim": "0.1.0", "vyper": "0.4.3"},
            "digest": "ab" * 32,
            "complete": True,
            "blocks": n,
            "transactions": 12345,
            "reverted": 12,
            "gas_used": 10**9,
            "wall_seconds": 12.5,
            "invariants": {"checked": 144, "violations": 0},
            "parameters": {
                "title": "A crash that was made up",
                "description": "Prices fall by a third within an hour.",
                "sources": ["prices: invented"],
                "clock": {"blocks": n, "seconds_per_block": STEP},
                "collateral": {"symbol": "USD", "decimals": 6},
                "fund": {"initial": self.start_balance},
                "markets": [{"symbol": "BTC", "tick": 0.5, "tiers": [{"limit": 1e6}, {"limit": 2e6}]}],
                "prices": {"kind": "knots", "knots": [[1, 2, 1, 2]] * 48},
            },
        }
        return self

    def crash(self, count: int = 400, adl: bool = False, socialised: float = 0.0) -> RunFolder:
        """Liquidations; some leave a loss, which the fund pays while it can."""
        self.quiet()
        rng = np.random.default_rng(self.seed + 1)
        middle, wide = self.blocks * 0.45, max(1.0, self.blocks * 0.08)
        at = np.sort(np.clip(rng.normal(middle, wide, count), 1, self.blocks - 1).astype(int))
        rows, receipts, balance = [], [], self.start_balance
        rate = 0.1 if adl else 0.01
        for i, block in enumerate(at.tolist()):
            outcome = OUTCOMES[int(rng.integers(0, len(OUTCOMES)))]
            notional = float(rng.lognormal(9, 1))
            time = START + block * STEP
            penalty = notional * 0.005 if outcome == "above" else 0.0
            loss = notional * rate if outcome == "below" else 0.0
            cover = min(loss, balance)
            balance += penalty - cover
            if penalty:
                self._flow(time, "penalty", penalty)
            if cover:
                self._flow(time, "cover", -cover)
            rest = (notional * 0.0002, notional * 0.002, notional * 0.005, outcome)
            rows.append(
                (block, time, i + 1, 0, 990 + i % 3, notional / 6000, notional, penalty, cover, *rest)
            )
            if adl and loss - cover > 1:
                left = loss - cover
                row = (block, time, i + 1, 0, "index", left, balance, balance, 5000.0, 5400.0)
                receipts.append((*row, left / 400, left))
        self.tables["liquidations"] = pl.DataFrame(rows, schema=LIQUIDATIONS, orient="row")
        self.tables["adl"] = pl.DataFrame(receipts, schema=RECEIPTS, orient="row")
        if socialised:
            time = START + self.blocks * STEP // 2
            values = {"market": "0", "socialised": str(int(socialised * 10**18)), "from_treasury": "0"}
            self.tables["events"] = pl.DataFrame(
                [(1, time, 0, 0, "Clearinghouse", "DeficitResolved", json.dumps(values))],
                schema=EVENTS,
                orient="row",
            )
        self._settle(receipts, socialised)
        return self

    def write(self) -> Path:
        """All tables and the summary."""
        self.path.mkdir(parents=True, exist_ok=True)
        if "fund" not in self.tables:
            self.tables["fund"] = pl.DataFrame(self.fund_rows, schema=FLOWS, orient="row")
        for name, frame in self.tables.items():
            frame.write_parquet(self.path / f"{name}.parquet")
        (self.path / "summary.json").write_text(json.dumps(self.summary))
        return self.path

    def without(self, *names: str) -> RunFolder:
        for name in names:
            self.tables.pop(name, None)
            if name == "fund":
                self.tables["fund"] = pl.DataFrame(schema=FLOWS)
        return self

    def drop(self, table: str, *columns: str) -> RunFolder:
        self.tables[table] = self.tables[table].drop(columns)
        return self

    def _flow(self, time: int, kind: str, amount: float) -> None:
        balance = (self.fund_rows[-1]["balance"] if self.fund_rows else 0.0) + amount
        row = {"block": (time - START) // STEP, "time": time, "market": 0, "kind": kind}
        row |= {"amount": str(round(amount * TOKEN)), "amount_f64": amount, "balance": max(balance, 0.0)}
        self.fund_rows.append(row)

    def _accounts(self, rng: np.random.Generator) -> None:
        n = 500
        role = rng.choice(ROLES, n, p=(0.5, 0.3, 0.02, 0.1, 0.07, 0.01))
        pnl = rng.normal(0, 900, n) * np.where(role == "maker", 30, 1)
        zero = np.zeros(n)
        self.tables["accounts"] = pl.DataFrame(
            {
                "account": np.arange(1, n + 1),
                "owner": [f"0x{i:040x}" for i in range(n)],
                "role": role.tolist(),
                "collateral": [str(int(v * 10**18)) for v in np.abs(pnl)],
                "collateral_f64": np.abs(pnl),
                "equity": np.abs(pnl),
                "deposits": np.abs(pnl) * 2,
                "withdrawals": zero,
                "pnl": pnl,
                "fees": np.abs(pnl) * 0.01,
                "liquidated_notional": zero,
                "adl_notional": zero,
                "socialised": zero,
                "size_0": rng.normal(0, 1, n),
            }
        )

    def _settle(self, receipts: list[tuple[Any, ...]], socialised: float) -> None:
        """Carry what happened over to blocks, accounts and keepers."""
        blocks, accounts = self.tables["blocks"], self.tables["accounts"]
        flows = pl.DataFrame(self.fund_rows, schema=FLOWS, orient="row")
        balance = flows.group_by("block").agg(pl.col("balance").last())
        blocks = blocks.drop("fund").join(balance, on="block", how="left")
        self.tables["blocks"] = blocks.rename({"balance": "fund"}).with_columns(
            pl.col("fund").forward_fill().fill_null(self.start_balance)
        )
        losers = accounts["role"].to_numpy() == "trader-long"
        winners = accounts["role"].to_numpy() == "trader-short"
        worth = sum(r[10] * r[9] for r in receipts)
        self.tables["accounts"] = accounts.with_columns(
            pl.Series("liquidated_notional", np.where(losers, 5000.0, 0.0)),
            pl.Series("adl_notional", np.where(winners, worth / max(1, winners.sum()), 0.0)),
            pl.Series("socialised", np.where(winners, socialised / max(1, winners.sum()), 0.0)),
        )
        reward = float(self.tables["liquidations"]["reward"].sum())
        self.tables["keepers"] = self.tables["keepers"].with_columns(reward=pl.lit(reward / 3))


LIQUIDATIONS = {
    **dict.fromkeys(("block", "time", "account", "market", "keeper"), pl.Int64),
    **dict.fromkeys(
        ("closed", "notional", "penalty", "cover", "reward", "equity_before", "mm_before"), pl.Float64
    ),
    "outcome": pl.String,
}
RECEIPTS = {
    **dict.fromkeys(("block", "time", "account", "market"), pl.Int64),
    "policy": pl.String,
    **dict.fromkeys(("deficit", "vault_before", "vault_after", "mark"), pl.Float64),
    **dict.fromkeys(("bankruptcy_price", "quantity", "haircut"), pl.Float64),
}
EVENTS = {
    **dict.fromkeys(("block", "time", "tx", "log"), pl.Int64),
    **dict.fromkeys(("contract", "event", "args"), pl.String),
}
FLOWS = {
    **dict.fromkeys(("block", "time", "market"), pl.Int64),
    **dict.fromkeys(("kind", "amount"), pl.String),
    **dict.fromkeys(("amount_f64", "balance"), pl.Float64),
}
