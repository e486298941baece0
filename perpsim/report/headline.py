"""What stands at the top besides the verdict: warnings, and the key figures."""

from __future__ import annotations

from perpsim.report.data import RunData
from perpsim.report.facts import Facts
from perpsim.report.words import NOTHING, count, known, moment, money, number, percent

Notice = tuple[str, str]  # kind (bad, partial, note), text
OPTIONAL = (
    "liquidations.parquet",
    "adl.parquet",
    "adl_rows.parquet",
)  # a run in which none happened may leave them out


def notices(run: RunData, facts: Facts) -> list[Notice]:
    """What a reader must know before believing anything below."""
    found: list[Notice] = []
    if facts.violations:
        told = run.summary.get("violation")
        detail = f" ({told})" if isinstance(told, str) and told else ""
        text = (
            f"The run was stopped because the books did not balance{detail}. Do not trust the figures below."
        )
        found.append(("bad", text))
    if not facts.complete:
        size = count(facts.blocks, "block")
        if facts.planned_blocks:
            size = f"{facts.blocks:,} of {facts.planned_blocks:,} blocks"
        until = f", up to {moment(facts.end)}" if facts.end is not None else ""
        why = run.summary.get("stopped") or run.summary.get("reason")
        reason = f" ({why})" if isinstance(why, str) and why else ""
        text = f"This run was not finished{reason}: the report covers {size}{until}, and nothing after that."
        found.append(("partial", text))
    elif facts.blocks == 0:
        found.append(("partial", "The run has no blocks: there is nothing to show."))
    missing = [n for n in run.notes if not (n.endswith("is missing") and n.split()[0] in OPTIONAL)]
    if missing:
        found.append(("note", f"Left out for want of data: {'; '.join(missing)}."))
    return found


def figures(facts: Facts) -> list[tuple[str, str, str]]:
    """(name, figure, detail) of what is known."""
    unit = facts.unit
    found: list[tuple[str, str, str]] = []
    if facts.fund_start is not None and facts.fund_end is not None:
        change = f"started with {money(facts.fund_start)}"
        if facts.fund_start > 0:
            change = f"{_signed(facts.fund_end / facts.fund_start - 1)}, {change}"
        found.append(("Insurance fund at the end", money(facts.fund_end, unit), change))
    if known(facts.drawdown):
        low = (
            f"lowest: {money(facts.fund_low)}, {moment(facts.fund_low_at)}"
            if facts.fund_low_at is not None
            else ""
        )
        found.append(("Deepest fall of the fund", percent(facts.drawdown), low or "from its peak"))
    if facts.liquidations is not None:
        parts = [money(facts.liquidated_notional, unit)] if facts.liquidated_notional else []
        if facts.liquidated_accounts:
            parts.append(count(facts.liquidated_accounts, "account"))
        found.append(("Liquidations", number(facts.liquidations, 0), ", ".join(parts)))
    if facts.below is not None and facts.liquidations:
        share = facts.below / facts.liquidations
        found.append(
            ("Closed beyond bankruptcy", number(facts.below, 0), f"{percent(share)} of the liquidations")
        )
    if facts.shortfall is not None:
        paid = (
            f"{percent((facts.paid_by_fund or 0) / facts.shortfall)} paid by the fund"
            if facts.shortfall > 0
            else "no margin was overrun"
        )
        found.append(("Losses beyond the margin", money(facts.shortfall, unit), paid))
    if facts.adl_count is not None:
        detail = "nobody" if not facts.adl_count else f"{count(facts.adl_count, 'time')}"
        if facts.adl_count and facts.adl_accounts:
            detail += f", {count(facts.adl_accounts, 'account')}"
        found.append(("Deleveraged", money(facts.adl_notional or 0.0, unit), detail))
    if facts.paid_by_side is not None:
        detail = count(facts.charged_accounts, "account") if facts.charged_accounts else "nobody"
        found.append(("Socialised losses", money(facts.paid_by_side, unit), detail))
    if facts.owing_accounts:
        found.append(
            ("Still owed at the end", money(facts.owing, unit), count(facts.owing_accounts, "account"))
        )
    if facts.reward is not None:
        cost = f"{money(facts.gas_cost, unit)} spent on gas" if facts.gas_cost else ""
        found.append(("Keepers' rewards", money(facts.reward, unit), cost))
    if facts.price_fall is not None:
        found.append(("Index, first to lowest", _signed(facts.price_fall), facts.price_fall_of))
    return found


def _signed(change: float) -> str:
    text = percent(change)
    return NOTHING if text == NOTHING else f"+{text}" if change > 0 else text
