"""The figures that a sweep keeps of each run: a row of numbers, always the same columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from perpsim.simulation.summary import figure


@dataclass(frozen=True)
class Figure:
    """A column: `name` is its path in summary.json. `unit`: `quote` (quote units), `share` (a fraction),
    `count`, `seconds`, or empty. `better`: what a risk team wishes it to be, where it wishes anything."""

    name: str
    unit: Literal["quote", "share", "count", "seconds", ""]
    text: str
    better: Literal["less", "more", ""] = ""


FIGURES = (
    Figure("blocks", "count", "blocks"),
    Figure("transactions", "count", "transactions"),
    Figure("reverted", "count", "transactions that reverted"),
    Figure("fund.start", "quote", "the fund at the start"),
    Figure("fund.end", "quote", "the fund at the end", "more"),
    Figure("fund.min", "quote", "the fund at its lowest", "more"),
    Figure("fund.max_drawdown", "share", "deepest fall of the fund", "less"),
    Figure("fund.inflow", "quote", "paid into the fund", "more"),
    Figure("fund.outflow", "quote", "paid out of the fund", "less"),
    Figure("fund.need", "quote", "the least fund that would have paid everything", "less"),
    Figure("fund.enough", "", "1 where the fund paid everything, so that its need is exact"),
    Figure("fund.exhausted", "", "1 where it could not pay what it was asked or expected to"),
    Figure("fund.cover2", "quote", "stress loss of the two largest accounts beyond their margin", "less"),
    Figure("liquidations.count", "count", "liquidations", "less"),
    Figure("liquidations.notional", "quote", "liquidated notional", "less"),
    Figure("liquidations.accounts", "count", "accounts liquidated", "less"),
    Figure("liquidations.in_vain", "count", "liquidations that closed nothing"),
    Figure("liquidations.left", "count", "accounts under water at the end", "less"),
    Figure("liquidations.left_deficit", "quote", "what they owe beyond their margin", "less"),
    Figure("shortfall.total", "quote", "loss beyond margins, before the fund", "less"),
    Figure("shortfall.paid_by_fund", "quote", "of it paid by the fund"),
    Figure("shortfall.adl", "quote", "of it taken from winners by deleveraging (haircut)", "less"),
    Figure("shortfall.socialised", "quote", "of it charged to everybody", "less"),
    Figure("shortfall.treasury", "quote", "of it paid by the treasury", "less"),
    Figure("shortfall.unpaid", "quote", "of it paid by nobody", "less"),
    Figure("adl.count", "count", "deleveragings", "less"),
    Figure("adl.notional", "quote", "deleveraged notional", "less"),
    Figure("adl.accounts", "count", "winners deleveraged", "less"),
    Figure("adl.by_list", "count", "deleveragings by list"),
    Figure("adl.needed", "quote", "loss that deleveraging had to share out"),
    Figure("adl.taken", "quote", "what it took"),
    Figure("adl.overshoot", "quote", "what it took beyond the need", "less"),
    Figure("adl.profit_closed", "quote", "winners' profit in positions closed"),
    Figure("adl.profit_overshoot", "quote", "profit closed beyond the need", "less"),
    Figure("adl.hedges", "count", "hedged accounts"),
    Figure("adl.hedges_broken", "count", "hedges broken by deleveraging", "less"),
    Figure("adl.gini", "", "Gini coefficient of the haircuts", "less"),
    Figure("adl.top_share", "share", "borne by the ten hit hardest", "less"),
    Figure("adl.first_after_seconds", "seconds", "first liquidation to first deleveraging", "more"),
    Figure("keepers.profit", "quote", "keepers' profit after gas", "more"),
    Figure("keepers.reward", "quote", "keepers' rewards"),
    Figure("keepers.gas_cost", "quote", "what keepers paid for gas"),
    Figure("keepers.won", "count", "liquidations won"),
    Figure("keepers.lost", "count", "calls beaten by another keeper"),
    Figure("keepers.vain", "count", "calls that closed nothing"),
    Figure("keepers.underwater_seconds", "seconds", "mean time under water before help came", "less"),
    Figure("keepers.underwater_worst", "seconds", "longest time under water", "less"),
    Figure("markets.0.fall", "share", "fall of the first market", ""),
    Figure("markets.0.open_interest_high", "quote", "its highest open interest"),
    Figure("markets.0.liquidated_notional", "quote", "liquidated in it"),
    Figure("markets.0.bids_gone", "share", "of its bids gone at the worst", "less"),
    Figure("fees.paid_quote", "quote", "paid for gas by everybody"),
    Figure("invariants.violations", "count", "invariants violated", "less"),
)


def figures_of(summary: Mapping[str, Any]) -> dict[str, float | None]:
    """The figures of a run, by name; None for those it does not have."""
    return {one.name: figure(summary, one.name) for one in FIGURES}
