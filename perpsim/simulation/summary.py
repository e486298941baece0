"""summary.json: the figures of a run."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from perpsim.chain import Chain
from perpsim.chain.revm import RevmChain
from perpsim.scenarios import Expectation
from perpsim.simulation import crowd_figures, market_figures
from perpsim.simulation.fund_need import Deficit, fund_need
from perpsim.simulation.ledger import Ledger, Row
from perpsim.simulation.metrics import Metrics
from perpsim.simulation.runner import Simulation

_PACKAGES = ("perpsim", "vyper", "pyrevm", "py-evm", "web3", "eth-ape", "numpy", "polars")
_DAY = 86_400


def versions() -> dict[str, str]:
    """Versions of what had a part in the figures."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def fund_figures(ledger: Ledger, metrics: Metrics) -> dict[str, Any]:
    """The fund in quote units; falls and drawdown as fractions."""
    rows = ledger.fund_rows
    start = rows[0]["balance"] if rows and rows[0]["kind"] == "initial" else 0.0
    peak, deepest, lowest = start, 0.0, start
    for row in rows:
        peak = max(peak, row["balance"])
        lowest = min(lowest, row["balance"])
        if peak > 0:
            deepest = max(deepest, 1 - row["balance"] / peak)
    flows = [row for row in rows if row["kind"] != "initial"]
    return {
        "start": start,
        "end": rows[-1]["balance"] if rows else 0.0,
        "min": lowest,
        "max_drawdown": deepest,
        "inflow": _total(flows, 1),
        "outflow": _total(flows, -1),
        "by_day": _by_day(ledger, metrics, start),
    }


def size_figures(simulation: Simulation) -> dict[str, Any]:
    """How large the fund would have had to be, and whether this one was (`perpsim.simulation.fund_need`); the
    Cover-2 figure, None without samples of warning signs. Quote units."""
    scenario = simulation.scenario
    start, seconds = scenario.start, scenario.clock.seconds_per_block
    deficits = (
        Deficit(block, start + (block - 1) * seconds, amount)
        for block, amount in simulation.cast.keepers.deficits
    )
    found = fund_need(simulation.ledger, deficits, scenario.fund.breaker)
    return {
        "need": found.need,
        "enough": found.is_enough,
        "exhausted": found.is_exhausted,
        "cover2": simulation.warner.cover2,
    }


def _total(rows: list[Row], sign: int) -> float:
    return float(sum(abs(row["amount_f64"]) for row in rows if row["amount_f64"] * sign > 0))


def _by_day(ledger: Ledger, metrics: Metrics, start: float) -> list[dict[str, Any]]:
    days: list[dict[str, Any]] = []
    balance = start
    for day in sorted({time // _DAY for time in metrics.column("time")}):
        flows = [row for row in ledger.fund_rows if row["time"] // _DAY == day and row["kind"] != "initial"]
        balances = [balance, *(row["balance"] for row in flows)]
        liquidated = [row["notional"] for row in ledger.liquidations if row["time"] // _DAY == day]
        days.append(
            {
                "day": datetime.fromtimestamp(day * _DAY, UTC).strftime("%Y-%m-%d"),
                "start": balance,
                "end": balances[-1],
                "min": min(balances),
                "fall": 1 - balances[-1] / balance if balance > 0 else 0.0,
                "inflow": _total(flows, 1),
                "outflow": _total(flows, -1),
                "liquidated_notional": float(sum(liquidated)),
            }
        )
        balance = balances[-1]
    return days


def loss_figures(ledger: Ledger, deleveraged_accounts: int) -> dict[str, Any]:
    """Liquidations, who paid for the shortfall, deleveraging; quote units."""
    closed = [row for row in ledger.liquidations if row["closed"] > 0]
    paid = -sum(row["amount_f64"] for row in ledger.fund_rows if row["kind"] == "cover")
    haircut = sum(row["haircut"] for row in ledger.adl)
    charged = sum(row["socialised"] for row in ledger.bad_debt)
    treasury = sum(row["treasury"] for row in ledger.bad_debt)
    unpaid = sum(row["unpaid"] for row in ledger.bad_debt)
    return {
        "liquidations": {
            "count": len(closed),
            "notional": float(sum(row["notional"] for row in closed)),
            "accounts": len({row["account"] for row in closed}),
            "in_vain": len(ledger.liquidations) - len(closed),
        },
        "shortfall": {
            "total": float(paid + haircut + charged + treasury + unpaid),
            "paid_by_fund": float(paid),
            "adl": float(haircut),
            "socialised": float(charged),
            "treasury": float(treasury),
            "unpaid": float(unpaid),
        },
        "adl": {
            "count": len(ledger.adl),
            "notional": float(sum(abs(row["quantity"] * row["bankruptcy_price"]) for row in ledger.adl)),
            "accounts": deleveraged_accounts,
            "by_list": sum(row["listed"] > 0 for row in ledger.adl),
        },
    }


def audit_figures(chain: Chain) -> dict[str, Any] | None:
    """What the audit of the engine found, and how good estimated gas is; None where gas is exact anyhow.

    `model` has its errors as fractions of the true gas (see `GasModel.summary`).
    """
    if not isinstance(chain, RevmChain):
        return None
    auditor, model = chain.auditor, chain.gas_model
    figures: dict[str, Any] = {"audited": 0, "transactions": 0, "share": 0.0, "disagreements": 0}
    if auditor is not None:
        figures = {
            "audited": auditor.audited,
            "transactions": auditor.transactions,
            "share": auditor.audited / auditor.transactions if auditor.transactions else 0.0,
            "disagreements": auditor.disagreements,
        }
    return {**figures, "model": model.summary() if model is not None else None}


def compare(expected: list[Expectation], summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each expectation with the figure of this run beside it, and whether it lies within the bounds."""
    rows = []
    for item in expected:
        value = figure(summary, item.figure)
        inside = value is not None and item.low <= value <= item.high
        rows.append({**item.model_dump(), "value": value, "holds": inside})
    return rows


def figure(summary: Mapping[str, Any], path: str) -> float | None:
    """The number at a dotted path; parts that are digits are positions in a list."""
    place: Any = summary
    for part in path.split("."):
        if isinstance(place, list) and part.isdecimal() and int(part) < len(place):
            place = place[int(part)]
        elif isinstance(place, Mapping) and part in place:
            place = place[part]
        else:
            return None
    return float(place) if isinstance(place, (int, float)) else None


def summarise(
    simulation: Simulation, engine: str, complete: bool, violation: str, wall_seconds: float
) -> dict[str, Any]:
    """The whole of summary.json."""
    scenario, metrics, ledger = simulation.scenario, simulation.metrics, simulation.ledger
    invariants = simulation.invariants
    burden = simulation.indexer.burden
    burdened = int(((burden.adl_notional > 0) | (burden.adl_haircut > 0)).sum())
    summary: dict[str, Any] = {
        "scenario": scenario.name,
        "title": scenario.title,
        "seed": scenario.seed,
        "engine": engine,
        "versions": versions(),
        "digest": simulation.log.digest.hexdigest(),
        "complete": complete,
        "violation": violation or None,
        "blocks": simulation.next_block,
        "planned_blocks": scenario.clock.blocks,
        "transactions": metrics.transactions,
        "reverted": metrics.reverted,
        "reverts": dict(sorted(metrics.reverts.items(), key=lambda item: (-item[1], item[0]))[:20]),
        "events": simulation.log.count,
        "gas_used": metrics.gas_used,
        "wall_seconds": round(wall_seconds, 3),
        "fund": {
            **fund_figures(ledger, metrics),
            **size_figures(simulation),
            "books": simulation.vault_books(),
        },
        **loss_figures(ledger, burdened),
        "fees": simulation.gas.figures(),
        "audit": audit_figures(simulation.protocol.chain),
        "markets": market_figures.markets(simulation),
        "keepers": simulation.keeper_book.figures(),
        "warnings": simulation.warner.summary(metrics.column("time"), metrics.column("fund")),
        "invariants": {
            "checked": invariants.checked,
            "violations": invariants.violations,
            "dust": invariants.dust,
        },
        "contracts": simulation.protocol.addresses(),
        "parameters": scenario.model_dump(mode="json"),
    }
    summary["liquidations"] |= market_figures.left_open(simulation)
    summary["adl"] |= market_figures.deleveraging(simulation)
    cast = simulation.cast
    if cast.baskets:
        summary["baskets"] = crowd_figures.baskets(simulation)
        summary["adl"]["hedges"] = summary["baskets"]["opened"]
        summary["adl"]["hedges_broken"] = summary["baskets"]["broken_by_adl"]
    if cast.stakers:
        summary["stakers"] = crowd_figures.stakers(simulation)
    if cast.attackers:
        summary["attackers"] = crowd_figures.attackers(simulation)
    summary["expected"] = compare(scenario.expected, summary)
    return summary
