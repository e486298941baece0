"""The audit of a run as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from perpsim.deleveraging.audit import Audited
from perpsim.deleveraging.run import RunAudit
from perpsim.simulation.market_state import WAD

_TITLES = (
    "time",
    "block",
    "account",
    "market",
    "policy",
    "closed",
    "deficit",
    "shortfall",
    "haircut",
    "borne by",
)
_LEFT = ("time", "market", "policy", "borne by")
_TOLD = 5


def told(run: RunAudit, account: int | None = None) -> Iterator[str]:
    """The whole answer of `perpsim adl`: a row a receipt, what is wrong below it, and the sum."""
    if not run.receipts:
        yield f"{run.scenario}: no deleveraging in this run"
        return
    yield f"{run.scenario}: deleveragings recomputed from the log, amounts in {run.unit}, times in UTC"
    if not run.complete:
        yield "a partial run"
    receipts = run.receipts if account is None else tuple(r for r in run.receipts if concerns(r, account))
    yield ""
    if receipts:
        yield from _table(run, receipts)
        yield ""
    yield summed(run, receipts, account)


def concerns(receipt: Audited, account: int) -> bool:
    """Whether an account was the bankrupt one, or one of those that bore it."""
    return account == receipt.account or account in receipt.bearers or account in receipt.side


def summed(run: RunAudit, receipts: Sequence[Audited], account: int | None) -> str:
    """The last line."""
    whose = "" if account is None else f" that concern account {account}"
    if not receipts:
        return f"none of the {len(run.receipts):,} deleveragings concerns account {account}"
    wrong = sum(bool(receipt.problems) for receipt in receipts)
    count = f"{len(receipts):,} deleveraging{'' if len(receipts) == 1 else 's'}{whose}"
    if wrong:
        return f"{wrong:,} of {count} {'is' if wrong == 1 else 'are'} not as the rules say"
    borne, short = (_money(sum(getattr(r, name) for r in receipts)) for name in ("haircut", "shortfall"))
    return (
        f"{count}: the right accounts bore the right parts in each; haircuts {borne} {run.unit}, "
        f"shortfalls {short} {run.unit}"
    )


def _table(run: RunAudit, receipts: Sequence[Audited]) -> Iterator[str]:
    rows = [(*_TITLES, "verdict"), *(_row(run, receipt) for receipt in receipts)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for number, row in enumerate(rows):
        cells = [
            text.ljust(width) if title in _LEFT else text.rjust(width)
            for title, text, width in zip(_TITLES, row, widths)
        ]
        yield "  ".join((*cells, row[-1])).rstrip()
        if number:
            yield from _problems(receipts[number - 1].problems)


def _row(run: RunAudit, receipt: Audited) -> tuple[str, ...]:
    return (
        f"{datetime.fromtimestamp(receipt.time, UTC):%Y-%m-%d %H:%M:%S}",
        f"{receipt.block:,}",
        str(receipt.account),
        run.symbols[receipt.market] if receipt.market < len(run.symbols) else str(receipt.market),
        receipt.policy,
        f"{receipt.quantity / WAD:,.4f}",
        *map(_money, (receipt.deficit, receipt.shortfall, receipt.haircut)),
        _bearers(receipt),
        "WRONG" if receipt.problems else "ok",
    )


def _bearers(receipt: Audited) -> str:
    parts = []
    if receipt.listed:
        parts.append(f"{len(receipt.bearers):,} of {receipt.listed:,}")
    if receipt.side:
        parts.append(f"all {len(receipt.side):,} by size")
    return ", then ".join(parts) or "nobody"


def _problems(problems: Sequence[str]) -> Iterator[str]:
    for problem in problems[:_TOLD]:
        yield f"    {problem}"
    if len(problems) > _TOLD:
        yield f"    and {len(problems) - _TOLD:,} more"


def _money(amount: int) -> str:
    """A WAD amount to the cent."""
    return f"{amount / WAD:,.2f}"
