"""What a run may have besides: a second market, congestion, keepers' transactions, signs, an audit."""

from __future__ import annotations

import numpy as np
import polars as pl

from support.run_folder import START, STEP, RunFolder

KEEPERS = (990, 991, 992)
FALLS = (5, 10, 20, 30)


def with_everything(folder: RunFolder) -> RunFolder:
    """All of it."""
    for add in (second_market, congestion, keeper_transactions, warning_signs, audit, crowds):
        add(folder)
    return folder


def second_market(folder: RunFolder) -> RunFolder:
    """ETH, which does as BTC does, at a fortieth of the price; every third liquidation is there."""
    blocks = folder.tables["blocks"]
    prices = ("price", "index", "mark", "mid")
    folder.tables["blocks"] = blocks.with_columns(
        (pl.col(name) / (40 if name.split("_")[0] in prices else 1)).alias(name[:-1] + "1")
        for name in blocks.columns
        if name.endswith("_0")
    )
    folder.tables["liquidations"] = folder.tables["liquidations"].with_columns(
        market=pl.col("account") % 3 // 2
    )
    folder.summary["parameters"]["markets"].append({"symbol": "ETH"})
    return folder


def congestion(folder: RunFolder) -> RunFolder:
    """Other people's transactions, which fill the blocks in the middle."""
    rng, n = np.random.default_rng(folder.seed + 2), folder.blocks
    wave = np.exp(-(((np.arange(n) - n * 0.45) / (n * 0.1)) ** 2))
    folder.tables["blocks"] = folder.tables["blocks"].with_columns(
        outside_gas=pl.Series((wave * 20e6 + rng.integers(0, 10**6, n)).astype(np.int64)),
        queued=pl.Series(rng.poisson(30 * wave)),
        dropped=pl.Series(rng.poisson(wave)),
    )
    fees = {
        "coin": "ETH",
        "paid": 3.5,
        "burned": 3.1,
        "tips": 0.4,
        "paid_quote": 700.0,
        "keepers_quote": 90.5,
    }
    fees = {"coin": "ETH", "price": 200.0, "paid": 3.5, "paid_quote": 700.0, "burned": 3.1, "tips": 0.4}
    account = {"paid": 0.4525, "paid_quote": 90.5, "gas_used": 90_000_000, "transactions": 283, "expired": 15}
    folder.summary["fees"] = {**fees, "expired": 15, "by_role": {"keeper": account}}
    return folder


def keeper_transactions(folder: RunFolder) -> RunFolder:
    """Three keepers, of whom the last only pays for gas."""
    rng, n = np.random.default_rng(folder.seed + 3), 300
    who = rng.choice(KEEPERS, n)
    block = np.sort(np.clip(rng.normal(folder.blocks * 0.45, folder.blocks * 0.1, n), 0, folder.blocks - 1))
    won = (who != KEEPERS[2]) & (rng.random(n) < 0.6)
    folder.tables["keeper_txs"] = pl.DataFrame(
        {
            "block": block.astype(np.int64),
            "time": START + block.astype(np.int64) * STEP,
            "keeper": who,
            "account": rng.integers(1, 500, n),
            "market": np.zeros(n, dtype=np.int64),
            "outcome": np.where(won, "won", "lost").tolist(),
            "gas_used": rng.integers(200_000, 900_000, n),
            "cost": rng.lognormal(0, 0.5, n),
            "reward": np.where(won, 5.0, 0.0),
            "sent_block": block.astype(np.int64),
        }
    )
    folder.tables["keepers"] = pl.DataFrame(
        {
            "account": KEEPERS,
            "name": ["north", "harbour", "quarry"],
            "strategy": ["greedy", "profit", "batch"],
            "fee": ["fixed", "escalating", "ladder"],
            "found": [120, 110, 100],
            "sent": [100, 100, 100],
            "transactions": [90, 95, 98],
            "won": [60, 30, 0],
            "lost": [20, 50, 90],
            "vain": [5, 5, 5],
            "reverted": [5, 10, 3],
            "replaced": [2, 0, 0],
            "dropped": [8, 5, 2],
            "reward": [300.0, 150.0, 0.0],
            "gas_used": [30_000_000, 31_000_000, 29_000_000],
            "gas_cost": [95.5, 96.5, 94.5],
            "profit": [204.5, 53.5, -94.5],
            "wait_blocks": [1.4, 2.5, 7.25],
            "served": [55, 28, 0],
            "underwater_seconds": [40.0, 90.0, float("nan")],
            "underwater_worst": [600.0, 900.0, float("nan")],
        }
    )
    return folder


def warning_signs(folder: RunFolder, every: int = 10) -> RunFolder:
    """Signs that come on before the crash in the middle."""
    n = folder.blocks // every
    at = np.arange(n)
    near = np.clip(at / n / 0.45, 0, 1) ** 2
    loss = {f"loss_{fall}": 1e4 * fall * near for fall in FALLS}
    up = {f"loss_up_{fall}": 1e3 * fall * near for fall in FALLS}
    need = {f"need_{fall}": 3e4 * fall * near for fall in FALLS}
    folder.tables["warnings"] = pl.DataFrame(
        {
            "block": at * every,
            "time": START + at * every * STEP,
            "fund": np.full(n, folder.start_balance),
            "open_interest": np.full(n, 2e7),
            "fund_to_oi": 0.05 * (1 - 0.8 * near),
            "crowding": 2 * near,
            **{f"near_{by}": (by * 5 * near).astype(np.int64) for by in (1, 2, 5, 10)},
            **loss,
            **up,
            **need,
            "on_stress": near > 0.5,
            "on_fund": near > 0.8,
        }
    )
    crash = START + round(0.45 * folder.blocks) * STEP
    sign = {"threshold": 0.5, "first": crash - 1800, "since": crash - 600}
    sign |= {"lead_seconds": 1800, "standing_seconds": 600, "share_before": 0.25}
    never = {key: None for key in sign} | {"threshold": 0.01, "share_before": 0.0}
    folder.summary["warnings"] = {
        "every": every,
        "samples": n,
        "crash": crash,
        "cause": "deleveraging",
        "signs": {
            "stress": {"text": "a fall of 20 % would cost half of the fund", **sign},
            "fund": {"text": "the fund is under 1 % of the open interest", **never},
        },
    }
    return folder


def audit(folder: RunFolder) -> RunFolder:
    """What a second EVM found."""
    model = {"samples": 62, "mean_error": 0.004, "p99_error": 0.021, "max_error": 0.03}
    model |= {"exact": 345, "estimated": 12_000}
    found = {"audited": 62, "transactions": 12_345, "share": 0.005, "disagreements": 0, "model": model}
    folder.summary["audit"] = {**found, "engine": "py-evm"}
    return folder


def crowds(folder: RunFolder) -> RunFolder:
    """Stakers of whom half run, hedges of which some break, an attack that pays, and what it all took."""
    n = folder.blocks
    leaving = np.clip((np.arange(n) / n - 0.45) * 4, 0, 1) * 500_000
    folder.tables["blocks"] = folder.tables["blocks"].with_columns(
        staked=pl.Series(1e6 - leaving),
        requested=pl.Series(leaving),
        share_price=pl.Series(1 - leaving / 1e7),
    )
    folder.summary["stakers"] = {"accounts": 40, "joined": 40, "asked": 20, "left": 12, "waiting": 8}
    folder.summary["stakers"] |= {"staked": 1e6, "taken_out": 3e5, "lost": 5e4, "price_low": 0.95}
    folder.summary["stakers"]["first_request"] = START + 600
    folder.summary["baskets"] = {"accounts": 30, "opened": 28, "broken": 9, "broken_by_adl": 7, "breaks": 11}
    attack = {"name": "pump", "kind": "pump", "market": 1, "first": START + 60, "paid_in": 1e5, "left": 2.5e5}
    folder.summary["attackers"] = [attack | {"profit": 1.5e5, "fund_before": 3e3, "fund_low": 0.0}]
    cost = {"count": 3, "needed": 1e4, "taken": 1.2e4, "overshoot": 2e3, "gini": 0.4, "hedges": 28}
    folder.summary["adl"] = {**folder.summary.get("adl", {}), **cost, "hedges_broken": 7}
    parameters = folder.summary["parameters"]
    parameters["modelled"] = ["prices as they were", "not modelled: outages"]
    parameters["levers"] = [{"key": "fund.initial", "why": "a larger fund pays longer"}]
    parameters["vary"] = [{"change": ["fund.initial=0"], "effect": "everything falls on the winners"}]
    return folder
