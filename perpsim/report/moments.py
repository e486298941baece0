"""The run as a list of moments: what happened when, for a reader who was not there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from perpsim.report.data import RunData, column, over_markets, positive, texts, times
from perpsim.report.facts import fund_balance
from perpsim.report.table import Table, text, when
from perpsim.report.words import count, money, number, percent

HOUR = 3600
Moment = tuple[float, str]


def moments(run: RunData) -> Table | None:
    """What stands out, in the order of time."""
    found = [*_prices(run), *_liquidations(run), *_losses(run), *_fund(run), *_market(run), *_chain(run)]
    if not found:
        return None
    rows = [[when(at), text(told[:1].upper() + told[1:])] for at, told in sorted(found)]
    return Table(("Time (UTC)", "What"), rows, look="pairs moments")


def _prices(run: RunData) -> Iterator[Moment]:
    x = times(run)
    for market in run.markets():
        price = positive(column(run["blocks"], f"price_{market}"))
        if x is None or price is None or not np.isfinite(price[0]):
            continue
        name = run.market_name(market)
        for at, word in ((int(np.nanargmin(price)), "lowest"), (int(np.nanargmax(price)), "highest")):
            change = price[at] / price[0] - 1
            if abs(change) >= 0.01:
                far = f"{percent(abs(change))} {'above' if change > 0 else 'under'} the start"
                yield x[at], f"{name} at its {word}: {number(float(price[at]))} {run.unit}, {far}"


def _liquidations(run: RunData) -> Iterator[Moment]:
    frame = run["liquidations"]
    at, worth = column(frame, "time"), column(frame, "notional")
    closed = np.array(texts(frame, "outcome")) != "none"
    if at is None or worth is None or not closed.any():
        return
    at, worth = at[closed], worth[closed]
    yield at[0], f"the first liquidation: a position of {money(worth[0], run.unit)}"
    if at[-1] - at[0] > 2 * HOUR:
        so_far = np.concatenate(([0.0], np.cumsum(np.nan_to_num(worth))))
        ends = np.searchsorted(at, at + HOUR)
        sums = so_far[ends] - so_far[:-1]
        worst = int(sums.argmax())
        many = count(int(ends[worst]) - worst, "liquidation")
        yield at[worst], f"the worst hour begins: {many}, {money(sums[worst], run.unit)}"
    x, under = times(run), over_markets(run["blocks"], "underwater", run.markets())
    if x is not None and under is not None and np.nanmax(under) > 0:
        most = int(np.nanargmax(under))
        accounts = count(under[most], "account")
        yield x[most], f"most accounts waiting for their liquidation at once: {accounts}"


def _losses(run: RunData) -> Iterator[Moment]:
    flows = run["fund"]
    at, amounts = column(flows, "time"), column(flows, "amount", 10.0**run.decimals)
    covers = np.flatnonzero(np.array(texts(flows, "kind")) == "cover")
    if at is not None and amounts is not None and covers.size:
        yield at[covers[0]], f"the fund pays its first loss: {money(abs(amounts[covers[0]]), run.unit)}"
    receipts = run["adl"]
    at, haircut = column(receipts, "time"), column(receipts, "haircut")
    if at is not None and haircut is not None:
        yield at[0], f"the first deleveraging: {money(haircut[0], run.unit)} taken from the other side"
        if len(at) > 1:
            yield at[-1], f"the last of {count(len(at), 'deleveraging')}"
    for row in run.losses.filter(run.losses["socialised"] > 0).head(1).iter_rows(named=True):
        charged = money(row["socialised"], run.unit)
        yield row["time"], f"losses are charged to a whole side for the first time: {charged}"


def _fund(run: RunData) -> Iterator[Moment]:
    series = fund_balance(run)
    if series is None:
        return
    x, balance = series
    low = int(np.nanargmin(balance))
    if balance[low] < balance[0] * 0.999:
        lost = f"{percent(1 - balance[low] / balance[0])} less than at the start"
        yield x[low], f"the fund at its lowest: {money(balance[low], run.unit)}, {lost}"


def _market(run: RunData) -> Iterator[Moment]:
    x = times(run)
    for market in run.markets():
        bids = column(run["blocks"], f"bid_depth_{market}")
        if x is None or bids is None or not np.nanmedian(bids) > 0:
            continue
        usual, settled = float(np.nanmedian(bids)), x >= x[0] + (x[-1] - x[0]) / 50
        low = int(np.nanargmin(np.where(settled, bids, np.nan)))
        if bids[low] < usual / 4:
            left = percent(bids[low] / usual) if bids[low] > 0 else "nothing"
            rest = f"{left} of the usual {money(usual, run.unit)} of bids within 2 % of the price"
            yield x[low], f"{run.market_name(market)}: {rest}"


def _chain(run: RunData) -> Iterator[Moment]:
    x, fee = times(run), column(run["blocks"], "base_fee")
    if x is not None and fee is not None and np.nanmax(fee) > 2 * np.nanmin(fee) > 0:
        most = int(np.nanargmax(fee))
        times_as_much = f"{number(fee[most] / fee[0], 1)} times the first block's"
        yield x[most], f"the base fee at its highest: {number(fee[most] / 1e9)} gwei, {times_as_much}"
