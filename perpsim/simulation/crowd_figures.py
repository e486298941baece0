"""What became of baskets, stakers and attackers: figures for summary.json, rows for the run folder."""

from __future__ import annotations

from typing import Any

import numpy as np

from perpsim.agents.attackers import AnAttacker
from perpsim.scenarios import Attacker
from perpsim.simulation.runner import Simulation

# Flows of the fund by which its owners come and go.
_OWNERS = ("initial", "fund", "stake", "unstake")


def stakers(simulation: Simulation) -> dict[str, Any]:
    """All stakers together. Accounts are counted, amounts in quote units, times Unix seconds.

    `staked` is what was paid in, `requested` what was asked for (once a request), `taken_out` what claims
    paid, `forfeited` what they left to the others, `value` what the shares that are left are worth; `lost`
    is what is missing. `price_low` is the lowest price of a share, 1 at first. `asked` is the number of
    those who ever wanted to leave, `left` of those who have.
    """
    table = simulation.vault_table
    joined, asked, paid = set[str](), set[str](), dict[str, float]()
    totals = dict.fromkeys(("stake", "request", "cancel", "unstake", "forfeit", "lapse"), 0.0)
    counts = dict.fromkeys(totals, 0)
    first: int | None = None
    for row in table.rows:
        kind, owner = row["kind"], row["owner"]
        totals[kind] += row["amount"]
        counts[kind] += 1
        if kind == "stake":
            joined.add(owner)
        elif kind == "request":
            asked.add(owner)
            first = row["time"] if first is None else first
        elif kind == "unstake":
            paid[owner] = paid.get(owner, 0.0) + row["amount"]
    value = table.quote(table.staked) if table.staked else 0.0
    left = sum(not table.shares[table.holder(owner)] for owner in paid)
    return {
        "accounts": sum(len(crowd.members) for crowd in simulation.cast.stakers),
        "joined": len(joined),
        "asked": len(asked),
        "left": left,
        "waiting": len(table.requests),
        "lapsed": counts["lapse"],
        "staked": totals["stake"],
        "requested": totals["request"],
        "taken_out": totals["unstake"],
        "forfeited": totals["forfeit"],
        "value": value,
        "lost": totals["stake"] - totals["unstake"] - value,
        "first_request": first,
        "price_low": min(simulation.metrics.column("share_price"), default=1.0),
    }


def baskets(simulation: Simulation) -> dict[str, Any]:
    """All baskets together: accounts, those that ever held all their legs, and those that lost one against
    their will: to a deleveraging, to a liquidation, or to both; `breaks` counts how often."""
    burden = simulation.indexer.burden
    found = dict.fromkeys(("accounts", "opened", "broken", "broken_by_adl", "liquidated", "breaks"), 0)
    for crowd in simulation.cast.baskets:
        ids = crowd.members.ids
        broken = crowd.broken & (ids > 0)
        found["accounts"] += len(crowd.members)
        found["opened"] += int(crowd.opened.sum())
        found["broken"] += int(broken.sum())
        found["broken_by_adl"] += int((broken & (burden.adl_notional[ids] > 0)).sum())
        found["liquidated"] += int((broken & (burden.liquidated_notional[ids] > 0)).sum())
        found["breaks"] += crowd.breaks
    return found


def attackers(simulation: Simulation) -> list[dict[str, Any]]:
    """A row an attacker: what it paid in and took out, what is left and what it made outside, its profit, and
    what the fund had, at least had and lost meanwhile; quote units. `first`: time of its first move."""
    return [_attacker(simulation, crowd) for crowd in simulation.cast.attackers]


def _attacker(simulation: Simulation, attacker: AnAttacker) -> dict[str, Any]:
    config: Attacker = attacker.config
    burden, health, ledger = simulation.indexer.burden, simulation.health, simulation.ledger
    ids = attacker.members.ids[attacker.members.ids > 0]
    last = max(simulation.next_block - 1, 0)
    outside = attacker.outcome(float(simulation.outside.paths[config.market, last]))
    paid_in, taken_out = float(burden.deposits[ids].sum()), float(burden.withdrawals[ids].sum())
    left = float(np.maximum(health.equity[ids], 0).sum())
    began = attacker.began
    before = [row for row in ledger.fund_rows if began is None or row["block"] < began]
    meanwhile = [row for row in ledger.fund_rows if began is not None and row["block"] >= began]
    fund = before[-1]["balance"] if before else 0.0
    own = set(ids.tolist())
    covers = [row for row in meanwhile if row["kind"] == "cover"]
    return {
        "name": config.name,
        "kind": config.kind,
        "market": config.market,
        "first": None if began is None else _time(simulation, began),
        "paid_in": paid_in,
        "taken_out": taken_out,
        "left": left,
        "outside": outside,
        "profit": taken_out + left + outside - paid_in,
        "liquidated_notional": float(burden.liquidated_notional[ids].sum()),
        "fund_before": fund,
        "fund_low": min([row["balance"] for row in meanwhile], default=fund),
        "fund_end": meanwhile[-1]["balance"] if meanwhile else fund,
        # What stakers bring and take is no loss.
        "fund_lost": -float(sum(row["amount_f64"] for row in meanwhile if row["kind"] not in _OWNERS)),
        "fund_paid_for_it": -float(sum(row["amount_f64"] for row in covers if row["account"] in own)),
        "fund_paid_in_market": -float(
            sum(row["amount_f64"] for row in covers if row["market"] == config.market)
        ),
    }


def _time(simulation: Simulation, block: int) -> int:
    return int(simulation.scenario.start + block * simulation.scenario.clock.seconds_per_block)
