"""Fund sizes as people read them, and as a table for other programs."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from perpsim.errors import UserError
from perpsim.report.words import number
from perpsim.sweeps.sizing import CurvePoint, Size, Sizing, Terms
from perpsim.sweeps.text import estimate, money, setting, share, upper

_LINES = 9
#: columns of the table, after the labels of what varies
COLUMNS = (
    *("what", "fund", "p_adl", "p_adl_low", "p_adl_high"),
    *("loss", "loss_low", "loss_high", "fund_low", "fund_high", "runs"),
)


def told(found: Sequence[Sizing], terms: Terms, unit: str) -> Iterator[str]:
    """All sizes, in lines; `unit` is what money is counted in."""
    for one in found:
        if one.values:
            yield setting(one.values)
        yield from (f"  {line}" if line else "" for line in _one(one, terms, unit))
        yield ""


def _one(one: Sizing, terms: Terms, unit: str) -> Iterator[str]:
    yield f"crashes      {one.crashes:,}" + (
        f", and {one.failures.count:,} runs failed" if one.failures.count else ""
    )
    for reason, runs in one.failures.reasons:
        yield f"             {runs:,}: {reason or 'no reason given'}"
    allowed = f"{100 * one.p:g} %"
    yield f"P(ADL) at or under {allowed}"
    yield from _size("by need", one.needed, unit)
    if one.failures.count:
        worst = money(one.at_worst, unit) if math.isfinite(one.at_worst) else "no fund"
        yield f"             {worst} if no fund had been enough in any run that failed"
    if one.tried:
        yield f"as measured  {_tried(one, allowed, unit)}"
    if one.check is not None and one.check.runs:
        right = 100 * one.check.right / one.check.runs
        yield f"check        the need foretold {right:.1f} % of {one.check.runs:,} runs with other funds"
    yield "rules of thumb"
    yield from _size("newsvendor", one.newsvendor, unit)
    crashes = "1 crash" if terms.crashes == 1 else f"{terms.crashes:g} crashes"
    yield (
        f"             capital {100 * terms.capital:g} % a year, shortfall {terms.shortfall:g} times itself, "
        f"{crashes} a year: P(ADL) = {100 * min(terms.share, 1):.3g} %"
    )
    yield f"Cover-2      {estimate(one.cover2, unit)}, at most {money(one.cover2_largest, unit)}"
    if one.curve or one.tried:
        yield ""
        yield from _table([*_thinned(one.curve), *one.tried])


def _size(name: str, found: Size, unit: str) -> Iterator[str]:
    if math.isinf(found.fund.value):
        yield f"{name:<12} {found.words}"
        return
    yield f"{name:<12} {estimate(found.fund, unit)}"
    if found.exact is not None:
        low, high = found.exact
        ends = f"{number(low) if math.isfinite(low) else 'any'} to {upper(high)}"
        yield f"             {ends} by order statistics"
    for words in (found.fund.warning, found.words):
        if words:
            yield f"             note: {words}"


def _tried(one: Sizing, allowed: str, unit: str) -> str:
    funds = f"{len(one.tried)} funds tried"
    if one.observed is None:
        return f"with none of {funds}"
    words = f"{money(one.observed, unit)} is the smallest of {funds} with that many"
    if one.sure is None:
        return f"{words}; of none the interval ends at or under {allowed}"
    return f"{words}; the interval ends at or under {allowed} from {money(one.sure, unit)} on"


def _table(points: Sequence[CurvePoint]) -> Iterator[str]:
    yield f"{'fund':>14}  {'P(ADL)':>8}  {'95 %':>18}  {'not covered':>14}  {'95 %':>27}  {'runs':>6}"
    for point in points:
        adl, loss = point.adl, point.loss
        chances, losses = (
            f"{share(adl.low)} to {share(adl.high)}",
            f"{number(loss.low)} to {number(loss.high)}",
        )
        yield (
            f"{number(point.fund):>14}  {share(adl.value):>8}  {chances:>18}  {number(loss.value):>14}  "
            f"{losses:>27}  {adl.n:>6,}  {'measured' if point.is_measured else 'by need'}"
        )


def _thinned(curve: Sequence[CurvePoint]) -> list[CurvePoint]:
    if len(curve) <= _LINES:
        return list(curve)
    return [curve[round(place * (len(curve) - 1) / (_LINES - 1))] for place in range(_LINES)]


# for other programs


def write_csv(found: Sequence[Sizing], path: Path) -> None:
    """All sizes and curves; what is not known or endless is empty. Raises `UserError`."""
    labels = list(found[0].values) if found else []
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow([*labels, *COLUMNS])
            for one in found:
                for row in _rows(one):
                    table.writerow([*one.values.values(), *(_cell(value) for value in row)])
    except OSError as error:
        raise UserError(f"--csv {path}: {error.strerror or error}") from None


def _rows(one: Sizing) -> Iterator[list[float | str | None]]:
    blank = [None] * 6
    for name, size in (("by need", one.needed), ("newsvendor", one.newsvendor)):
        fund = size.fund
        p = one.p if name == "by need" else None
        yield [name, fund.value, p, *blank[:5], fund.low, fund.high, fund.n]
    for name, value in (("as measured", one.observed), ("as measured, sure", one.sure)):
        if one.tried:
            yield [name, value, one.p, *blank[:5], None, None, sum(point.adl.n for point in one.tried)]
    cover2 = one.cover2
    yield ["cover-2", cover2.value, *blank, cover2.low, cover2.high, cover2.n]
    yield ["cover-2, largest", one.cover2_largest, *blank, None, None, cover2.n]
    for point in (*one.curve, *one.tried):
        name = "curve, measured" if point.is_measured else "curve, by need"
        adl, loss = point.adl, point.loss
        yield [
            name,
            point.fund,
            *(adl.value, adl.low, adl.high),
            *(loss.value, loss.low, loss.high),
            None,
            None,
            adl.n,
        ]


def _cell(value: float | str | None) -> float | str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return value
