"""What each market cost whom, where there are several: how a crash in one reached the others."""

from __future__ import annotations

import numpy as np
import polars as pl

from perpsim.report.data import INFLOWS, RunData, column, positive, summed, texts
from perpsim.report.table import Cell, Table, amount, figure, share, text


def markets(run: RunData) -> Table | None:
    """One row a market; None where there is only one."""
    if len(run.markets()) < 2:
        return None
    rows: list[list[Cell]] = []
    for market in run.markets():
        flows, liquidations, receipts = (_of(run[t], market) for t in ("fund", "liquidations", "adl"))
        closed = [outcome != "none" for outcome in texts(liquidations, "outcome")]
        ways = texts(flows, "kind")
        price = positive(column(run["blocks"], f"price_{market}"))
        rows.append(
            [
                text(run.market_name(market)),
                share(None if price is None else float(np.nanmin(price) / price[np.isfinite(price)][0] - 1)),
                figure(sum(closed), 0),
                amount(summed(liquidations.filter(closed), "notional")),
                amount(_flow(run, flows.filter([way in INFLOWS[1:] for way in ways]))),
                amount(_flow(run, flows.filter([way == "cover" for way in ways]))),
                amount(summed(receipts, "haircut")),
            ]
        )
    heads = ("Market", "Price, first to lowest", "Liquidations", "Closed by them")
    return Table((*heads, "Fund took in", "Fund paid", "Haircuts by deleveraging"), rows)


def _of(frame: pl.DataFrame, market: int) -> pl.DataFrame:
    return frame.filter(pl.col("market") == market) if "market" in frame.columns else frame.clear()


def _flow(run: RunData, flows: pl.DataFrame) -> float:
    amounts = column(flows, "amount", 10.0**run.decimals)
    return 0.0 if amounts is None else float(np.nansum(np.abs(amounts)))
