"""Where the money came from and where it went, as a list of flows."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from perpsim.report.data import RunData
from perpsim.report.facts import Facts, fund_flow
from perpsim.report.figure import AMBER, BLUE, GREEN, GREY, PURPLE, RED

FUND = "fund"


@dataclass(frozen=True)
class Node:
    key: str
    name: str
    color: str
    side: int  # 0 left: where money comes from, 2 right: where it goes


@dataclass(frozen=True)
class Flow:
    source: str
    target: str
    amount: float


@dataclass(frozen=True)
class MoneyFlow:
    nodes: tuple[Node, ...]  # without the fund, which stands in the middle
    flows: tuple[Flow, ...]  # every one either ends or begins at the fund, or passes it by
    unit: str
    fund_start: float | None
    fund_end: float | None

    def through(self, key: str) -> float:
        """What passes a node."""
        into = sum(f.amount for f in self.flows if f.target == key)
        return max(into, sum(f.amount for f in self.flows if f.source == key))


NODES = (
    Node("penalties", "Left over by liquidations", GREEN, 0),
    Node("treasury", "Treasury (trading fees)", "#8a5a44", 0),
    Node("fees", "Share of trading fees", "#3b8ea5", 0),
    Node("gifts", "Top-ups", PURPLE, 0),
    Node("stakes", "Stakers", "#5b6b2f", 0),
    Node("drawn", "Taken from the fund's reserve", BLUE, 0),
    Node("adl", "Deleveraged accounts", PURPLE, 0),
    Node("side", "Charged to one side (socialised)", AMBER, 0),
    Node("nobody", "Not on record", GREY, 0),
    Node("keepers", "Rewards of keepers", AMBER, 2),
    Node("saved", "Added to the fund's reserve", BLUE, 2),
    Node("exits", "Stakes taken out", "#5b6b2f", 2),
    Node("losses", "Losses beyond the margin", RED, 2),
)


def money_flow(run: RunData, facts: Facts) -> MoneyFlow | None:
    """None where no money is on record as having moved."""
    penalties, fees, gifts, stakes = (fund_flow(run, k) or 0.0 for k in ("penalty", "fee", "fund", "stake"))
    rewards, exits = (fund_flow(run, k) or 0.0 for k in ("reward", "unstake"))
    cover = sum(fund_flow(run, k) or 0.0 for k in ("cover", "repay"))
    if not run["fund"].height and facts.paid_by_fund:
        cover = facts.paid_by_fund
    helped = float(run.losses.filter(pl.col("event") == "RewardPaid")["treasury"].sum())
    direct = max(0.0, (facts.reward or 0.0) - rewards - helped)
    change = penalties + fees + gifts + stakes - cover - rewards - exits
    flows = [
        Flow("penalties", "keepers", direct),
        Flow("treasury", "keepers", helped),
        Flow("penalties", FUND, penalties),
        Flow("fees", FUND, fees),
        Flow("gifts", FUND, gifts),
        Flow("stakes", FUND, stakes),
        Flow("drawn", FUND, max(0.0, -change)),
        Flow(FUND, "keepers", rewards),
        Flow(FUND, "saved", max(0.0, change)),
        Flow(FUND, "exits", exits),
        Flow(FUND, "losses", cover),
        Flow("adl", "losses", facts.paid_by_adl or 0.0),
        Flow("side", "losses", facts.paid_by_side or 0.0),
        Flow("treasury", "losses", facts.paid_by_treasury or 0.0),
        Flow("nobody", "losses", facts.unpaid),
    ]
    largest = max(f.amount for f in flows)
    flows = [f for f in flows if f.amount > largest * 1e-9]
    if not flows:
        return None
    named = {f.source for f in flows} | {f.target for f in flows}
    nodes = tuple(n for n in NODES if n.key in named)
    return MoneyFlow(nodes, tuple(flows), facts.unit, facts.fund_start, facts.fund_end)
