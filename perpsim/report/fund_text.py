"""The insurance history as lines of text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from perpsim.report.fund_history import PERIODS, FundFlow, FundHistory, market_name, stamp

TITLES = {
    "penalty": "penalties",
    "fee": "fee shares",
    "fund": "top-ups",
    "stake": "stakes",
    "unstake": "stakes taken out",
    "cover": "covers",
    "repay": "old debts",
    "reward": "rewards",
}
_ONE = {"fee": "fee share", "fund": "top-up", "repay": "old debt", "initial": "first funding"}
#: what a time is cut to, by period
_DIGITS = {"flow": 19, "hour": 16, "day": 10}


def told(history: FundHistory, by: str) -> Iterator[str]:
    """The whole answer of `perpsim fund`: heading, table, totals."""
    said = {"flow": "flow by flow", "hour": "by hour", "day": "by day"}[by]
    yield f"{history.scenario}: insurance fund in {history.unit}, {said}, times in UTC"
    if not history.complete:
        yield f"a partial run: {history.blocks:,} of {history.planned_blocks:,} blocks"
    yield ""
    amount = _amounts(history)
    if not history.moves:
        yield f"nothing came in and nothing went out: {amount(history.start)} all the time"
        return
    yield from _aligned(_flow_rows(history, amount) if by == "flow" else _period_rows(history, by, amount))
    yield ""
    yield from _totals(history, amount)


def agreement(history: FundHistory) -> tuple[bool, str]:
    """Whether the last balance is what the vault's own books say, in words."""
    amount = _amounts(history)
    if history.books is None:
        return True, "the run does not say what the vault's books held: nothing to compare the balance with"
    if history.books == history.balance:
        return True, f"the last balance, {amount(history.balance)} {history.unit}, equals the vault's books"
    difference = amount(history.balance - history.books)
    return False, (
        f"{history.folder}: the last balance, {amount(history.balance)} {history.unit}, is not the vault's "
        f"books, {amount(history.books)} {history.unit} (difference {difference})"
    )


def _amounts(history: FundHistory) -> Callable[[int], str]:
    """Writes token units to the cent, or to the last unit where a cent would hide them."""
    unit = 10**history.decimals

    def amount(units: int) -> str:
        digits = 2 if abs(units) * 200 >= unit or not units else history.decimals
        return f"{units / unit:,.{digits}f}"

    return amount


def _cause(history: FundHistory, flow: FundFlow) -> str:
    """penalty of account 12, BTC."""
    words = _ONE.get(flow.cause, flow.cause)
    if flow.account is not None:
        words += f" of account {flow.account}"
    market = market_name(history, flow.market)
    return f"{words}, {market}" if market else words


def _flow_rows(history: FundHistory, amount: Callable[[int], str]) -> Iterator[Sequence[str]]:
    yield "time", "balance", "change", "cause"
    for flow in history.flows:
        yield _when(flow.time, "flow"), amount(flow.balance), amount(flow.amount), _cause(history, flow)


def _period_rows(history: FundHistory, by: str, amount: Callable[[int], str]) -> Iterator[Sequence[str]]:
    causes = history.causes
    yield "from", "balance", "lowest", "change", *(TITLES.get(cause, cause) for cause in causes)
    for period in history.periods(PERIODS[by]):
        sums = [period.by_cause.get(cause, 0) for cause in causes]
        parts = [amount(part) if part else "-" for part in sums]
        yield _when(period.time, by), *map(amount, (period.balance, period.lowest, period.change)), *parts


def _when(time: int, by: str) -> str:
    return stamp(time)[: _DIGITS[by]].replace("T", " ")


def _aligned(rows: Iterator[Sequence[str]]) -> Iterator[str]:
    """Columns of text: times and causes to the left, numbers to the right."""
    table = list(rows)
    widths = [max(len(row[at]) for row in table) for at in range(len(table[0]))]
    left = [at for at, head in enumerate(table[0]) if head in ("time", "from", "cause")]
    for row in table:
        cells = [
            text.ljust(width) if at in left else text.rjust(width)
            for at, (text, width) in enumerate(zip(row, widths))
        ]
        yield "  ".join(cells).rstrip()


def _totals(history: FundHistory, amount: Callable[[int], str]) -> Iterator[str]:
    count = len(history.moves)
    parts = ", ".join(
        f"{TITLES.get(cause, cause)} {amount(history.total(cause))}" for cause in history.causes
    )
    yield (
        f"total: from {amount(history.start)} to {amount(history.balance)}, change "
        f"{amount(history.balance - history.start)} in {count:,} flow{'' if count == 1 else 's'}: {parts}"
    )
