"""What a run comes to: the few figures that the verdict and the key figures are made of."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import polars as pl

from perpsim.report.data import (
    INFLOWS,
    OUTFLOWS,
    Floats,
    RunData,
    column,
    lookup,
    positive,
    summed,
    texts,
    to_float,
)


@dataclass(frozen=True)
class Facts:
    """None means that the run folder does not say."""

    unit: str = "USD"
    complete: bool = True
    blocks: int = 0
    planned_blocks: int | None = None
    start: float | None = None  # time of the first and of the last block
    end: float | None = None
    # the fund
    fund_start: float | None = None
    fund_end: float | None = None
    fund_low: float | None = None
    fund_low_at: float | None = None
    drawdown: float | None = None  # largest fall from a peak, as a share of that peak
    inflow: float | None = None  # without what it started with
    outflow: float | None = None
    top_ups: float = 0.0
    # liquidations
    liquidations: int | None = None
    liquidated_notional: float | None = None
    liquidated_accounts: int | None = None
    above: int | None = None
    at: int | None = None
    below: int | None = None
    # the loss beyond the margin, and who paid
    shortfall: float | None = None
    paid_by_fund: float | None = None
    paid_by_adl: float | None = None
    paid_by_side: float | None = None
    paid_by_treasury: float | None = None
    adl_count: int | None = None
    adl_notional: float | None = None
    adl_accounts: int | None = None
    adl_rules: tuple[str, ...] = ()  # names of the policies, the one that was used most first
    adl_short: float | None = None  # the share of it that was short
    adl_roles: tuple[tuple[str, float], ...] = ()  # (role, share), the largest first
    charged_accounts: int | None = None
    owing_accounts: int = 0  # negative equity at the end
    owing: float = 0.0
    # the rest
    reward: float | None = None
    gas_cost: float | None = None  # what the keepers paid for gas
    price_fall: float | None = None  # of the index, first to lowest, as a share: of the market that fell most
    price_fall_of: str = ""  # that market, where there are several
    violations: int = 0

    @property
    def span(self) -> float | None:
        return None if self.start is None or self.end is None else self.end - self.start

    @property
    def fund_known(self) -> bool:
        return self.fund_start is not None and self.fund_end is not None

    @property
    def emptied(self) -> bool:
        """Nothing worth a name was left: under a thousandth of the start."""
        if self.fund_start is None or self.fund_low is None or self.fund_start <= 0:
            return False
        return self.fund_low <= self.fund_start / 1000

    @property
    def unpaid(self) -> float:
        """The part of the shortfall that no one is on record as having paid."""
        if self.shortfall is None:
            return 0.0
        parts = (self.paid_by_fund, self.paid_by_adl, self.paid_by_side, self.paid_by_treasury)
        left = self.shortfall - sum(p or 0.0 for p in parts)
        return left if left > max(0.01, 1e-6 * self.shortfall) else 0.0


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _first(*values: float | None) -> float | None:
    return next((v for v in values if v is not None), None)


def fund_flow(run: RunData, kind: str) -> float | None:
    """What a kind of flow comes to, always positive; None without the table of flows."""
    frame = run["fund"]
    amounts = column(frame, "amount", 10.0**run.decimals)
    if amounts is None:
        return None if "kind" not in frame.columns else 0.0
    return float(np.nansum(np.abs(amounts[np.array(texts(frame, "kind")) == kind])))


def _series(run: RunData, table: str, name: str) -> tuple[Floats, Floats] | None:
    frame = run[table]
    times, values = column(frame, "time"), column(frame, name, 10.0**run.decimals)
    if times is None or values is None:
        return None
    first = int(np.argmax(np.nan_to_num(values) > 0)) if (values > 0).any() else 0
    return times[first:], values[first:]


def fund_balance(run: RunData) -> tuple[Floats, Floats] | None:
    """(times, balances) of the fund, from when it was first filled; block by block if that is known."""
    return _series(run, "blocks", "fund") or _series(run, "fund", "balance")


def _lowest(run: RunData) -> tuple[float | None, float | None]:
    """(lowest balance, its time), over the blocks and over every single flow."""
    best: tuple[float | None, float | None] = (None, None)
    for table, name in (("blocks", "fund"), ("fund", "balance")):
        found = _series(run, table, name)
        if found is not None:
            at = int(np.nanargmin(found[1]))
            if best[0] is None or found[1][at] < best[0]:
                best = float(found[1][at]), float(found[0][at])
    return best


def drawdown(values: Floats) -> Floats:
    """The share by which each value lies under the highest before it (0 or negative)."""
    peak = np.fmax.accumulate(values)
    return np.where(peak > 0, values / np.where(peak > 0, peak, 1.0) - 1.0, 0.0)


def _fall(prices: Floats) -> float:
    seen = prices[np.isfinite(prices)]
    return float(seen.min() / seen[0] - 1.0)


def _deepest_fall(run: RunData) -> tuple[float | None, str]:
    """(fall of the index, market) of the market that fell most; no name where there is only one."""
    falls = [
        (_fall(index), run.market_name(market) if len(run.markets()) > 1 else "")
        for market in run.markets()
        if (index := positive(column(run["blocks"], f"index_{market}"))) is not None
    ]
    return min(falls) if falls else (None, "")


def _roles(accounts: pl.DataFrame, weights: Floats) -> tuple[tuple[str, float], ...]:
    sums: dict[str, float] = {}
    for name, weight in zip(texts(accounts, "role"), weights):
        if name.startswith("trader-"):
            name = "trader"  # their side is the one they took last, not the one they were deleveraged on
        if name and np.isfinite(weight):
            sums[name] = sums.get(name, 0.0) + abs(float(weight))
    everything = sum(sums.values())
    ranked = sorted(sums.items(), key=lambda item: (-item[1], item[0]))
    return tuple((name, value / everything) for name, value in ranked if value > 0)


def violations(run: RunData) -> int:
    if run.summary.get("violation"):
        return 1
    found = lookup(run.summary, "invariants.violations")
    return len(found) if isinstance(found, (list, dict)) else int(to_float(found) or 0)


def _worth(adl: pl.DataFrame) -> float | None:
    """What the receipts closed, at the prices they closed it at."""
    quantity, price = column(adl, "quantity"), column(adl, "bankruptcy_price")
    return None if quantity is None or price is None else float(np.nansum(np.abs(quantity * price)))


def _short(adl: pl.DataFrame) -> float | None:
    """The share, by worth, of what was closed on the short side: there the bankrupt were long."""
    quantity, price, mark = (column(adl, key) for key in ("quantity", "bankruptcy_price", "mark"))
    if quantity is None or price is None or mark is None:
        return None
    worth = np.nan_to_num(np.abs(quantity * price))
    return float(worth[price > mark].sum() / worth.sum()) if worth.sum() > 0 else None


def _rules(adl: pl.DataFrame) -> tuple[str, ...]:
    """The policies in the receipts, the most frequent first."""
    found = Counter(name for name in texts(adl, "policy") if name)
    return tuple(name for name, _ in found.most_common())


def _how_many(run: RunData, name: str) -> int | None:
    values = column(run["accounts"], name)
    return None if values is None else int((np.abs(values) > 0).sum())


def gather(run: RunData) -> Facts:
    """All facts, out of the tables where they are there and out of the summary where not."""
    blocks, accounts, liquidations, adl = (run[t] for t in ("blocks", "accounts", "liquidations", "adl"))
    times = column(blocks, "time")
    balance = fund_balance(run)
    values = balance[1] if balance else None
    initial = fund_flow(run, "initial")
    fund_start = _first(
        run.number("fund.start"), initial or None, None if values is None else float(values[0])
    )
    low, low_at = _lowest(run)
    outcome = np.array(texts(liquidations, "outcome"))
    split = "outcome" in liquidations.columns
    equity = column(accounts, "equity")
    owed = np.zeros(0) if equity is None else equity[np.isfinite(equity) & (equity < -0.005)]
    hit = column(accounts, "adl_haircut")
    if hit is None:
        hit = column(accounts, "adl_notional")
    haircut = summed(adl, "haircut")
    covered = fund_flow(run, "cover")
    deficits = run.losses.filter(pl.col("event") == "DeficitResolved")
    charged, treasury = summed(deficits, "socialised"), summed(deficits, "treasury")
    parts = [p for p in (covered, haircut, charged, treasury) if p is not None]
    flows = [f for kind in OUTFLOWS if (f := fund_flow(run, kind)) is not None]
    gains = [f for kind in INFLOWS[1:] if (f := fund_flow(run, kind)) is not None]
    fall, fallen = _deepest_fall(run)
    planned = _first(run.number("planned_blocks"), run.number("parameters.clock.blocks"))
    return Facts(
        unit=run.unit,
        complete=run.complete,
        blocks=int(run.number("blocks") or 0) or blocks.height,
        planned_blocks=_whole(planned),
        start=None if times is None else float(np.nanmin(times)),
        end=None if times is None else float(np.nanmax(times)),
        fund_start=fund_start,
        fund_end=_first(None if values is None else float(values[-1]), run.number("fund.end")),
        fund_low=_first(low, run.number("fund.min")),
        fund_low_at=low_at,
        drawdown=None if values is None else float(-np.nanmin(drawdown(values))),
        inflow=sum(gains) if gains else None,
        outflow=sum(flows) if flows else run.number("fund.outflow"),
        top_ups=fund_flow(run, "fund") or 0.0,
        liquidations=_whole(_first(run.number("liquidations.count"), liquidations.height if split else None)),
        liquidated_notional=_first(run.number("liquidations.notional"), summed(liquidations, "notional")),
        liquidated_accounts=_whole(
            _first(run.number("liquidations.accounts"), _how_many(run, "liquidated_notional"))
        ),
        above=int((outcome == "above").sum()) if split else None,
        at=int((outcome == "at").sum()) if split else None,
        below=int((outcome == "below").sum()) if split else None,
        shortfall=_first(run.number("shortfall.total"), sum(parts) if parts else None),
        paid_by_fund=_first(run.number("shortfall.paid_by_fund"), covered),
        paid_by_adl=_first(run.number("shortfall.adl"), haircut),
        paid_by_side=_first(run.number("shortfall.socialised"), charged),
        paid_by_treasury=_first(run.number("shortfall.treasury"), treasury),
        adl_count=_whole(_first(run.number("adl.count"), adl.height if adl.width else None)),
        adl_notional=_first(run.number("adl.notional"), _worth(adl)),
        adl_accounts=_whole(_first(run.number("adl.accounts"), _how_many(run, "adl_notional"))),
        adl_rules=_rules(adl),
        adl_short=_short(adl),
        adl_roles=() if hit is None else _roles(accounts, hit),
        charged_accounts=_how_many(run, "socialised"),
        owing_accounts=len(owed),
        owing=float(-owed.sum()),
        reward=_first(summed(run["keepers"], "reward"), summed(liquidations, "reward")),
        gas_cost=summed(run["keepers"], "gas_cost"),
        price_fall=fall,
        price_fall_of=fallen,
        violations=violations(run),
    )
