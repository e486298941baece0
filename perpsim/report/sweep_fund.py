"""How large the fund must be: the sizes by rule, and what funds of every size would have prevented."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from perpsim.report.data import lookup
from perpsim.report.sections import block
from perpsim.report.sweep_axes import Scale, per_cent, roomy, scale_of, short
from perpsim.report.sweep_charts import Line, Range, lines_svg
from perpsim.report.sweep_data import SweepData
from perpsim.report.sweep_odds import settings
from perpsim.report.sweep_plot import SERIES, Axis, both
from perpsim.report.sweep_words import cell, setting, told
from perpsim.report.table import Cell, Table, amount, figure, text
from perpsim.report.words import percent
from perpsim.sweeps.needs import Needs, fund_label
from perpsim.sweeps.sizing import CurvePoint, Size, Sizing, Terms, size, sizings
from perpsim.sweeps.statistics import Estimate

#: allowed chances of deleveraging; the verdict and the pictures are about the one in the middle
CHANCES = (0.05, 0.01, 0.001)
CHANCE = 0.01
#: the lowest chance that is drawn
_LEAST = 0.0005
#: so many lines have room for their bands
_BANDED = 3
#: reasons that are told below a table
_NOTES = 5


@dataclass(frozen=True)
class Sized:
    """Crashes that are sized together: what they have in common, and the sizes for each of `CHANCES`."""

    name: str
    sizing: Sizing
    sizes: Sequence[Size]


def sized(data: SweepData) -> list[Sized]:
    """A size for each combination of what varies besides the fund; none where runs do not tell their need."""
    there = data.done.columns
    if "fund.need" not in there or not data.done["fund.need"].is_not_null().any():
        return []
    found = []
    staking = lookup(data.description, "base.fund.staking") is not None
    for one in sizings(data.done, data.sweep, CHANCE, with_stakers=staking):
        rows = data.done
        for label, value in one.values.items():
            rows = rows.filter(pl.col(f"vary.{label}") == value)
        needs = Needs.of(rows, fund_label(data.sweep), staking)
        sizes = [one.needed if p == CHANCE else size(needs, p) for p in CHANCES]
        name = ", ".join(f"{label} = {setting(value)}" for label, value in one.values.items())
        found.append(Sized(name or "all crashes", one, sizes))
    return found


def needed_sentence(found: Sequence[Sized], unit: str) -> str:
    """What the fund must hold, in one sentence; '' where it is not known."""
    if not found:
        return ""
    start = f"For a chance of deleveraging at or under {percent(CHANCE)} it must hold"
    if len(found) == 1:
        needed = found[0].sizing.needed
        if not math.isfinite(needed.fund.value):
            return f"What keeps the chance of deleveraging at or under {percent(CHANCE)}: {needed.words}."
        return f"{start} {told(needed.fund, unit)}{_care([needed.fund])}."
    known = [one for one in found if math.isfinite(one.sizing.needed.fund.value)]
    if not known:
        return f"No fund that was tried keeps the chance of deleveraging at or under {percent(CHANCE)}."
    least = min(known, key=lambda one: one.sizing.needed.fund.value)
    most = max(known, key=lambda one: one.sizing.needed.fund.value)
    tail = (
        ""
        if len(known) == len(found)
        else f"; in {len(found) - len(known)} of {len(found)} cases it is not known"
    )
    return (
        f"{start} from {told(least.sizing.needed.fund, unit)} with {least.name} to "
        f"{told(most.sizing.needed.fund, unit)} with {most.name}{tail}"
        f"{_care([one.sizing.needed.fund for one in (least, most)])}."
    )


def _care(estimates: Sequence[Estimate]) -> str:
    warning = next((one.warning for one in estimates if one.warning), "")
    return f"; with care: {warning}" if warning else ""


def fund_blocks(found: Sequence[Sized], unit: str) -> list[str]:
    """The sizes as a table, and the two curves."""
    if not found:
        return []
    if not any(math.isfinite(size.fund.value) for one in found for size in one.sizes):
        return [_unknown(found)]
    shown = found
    if len(found) > SERIES:
        shown = [found[round(at * (len(found) - 1) / (SERIES - 1))] for at in range(SERIES)]
    drawn = f" {len(shown)} of {len(found)} combinations are drawn." if len(shown) < len(found) else ""
    if len(shown) <= _BANDED:
        drawn = (
            " The line with its 95 % band goes by what each crash needs; points are runs with such a fund."
        )
    return [
        _sizes(found, unit),
        _curve(
            shown,
            "How often would winners be deleveraged with another fund?",
            f"The share of the crashes, for funds of every size.{drawn}",
            lambda point: point.adl,
            unit,
            share=True,
        ),
        _curve(
            shown,
            "How much would be taken from winners with another fund?",
            f"The mean loss of a crash that the fund does not cover, {unit}.{drawn}{_missing(shown)}",
            lambda point: point.loss,
            unit,
            share=False,
        ),
    ]


def _missing(shown: Sequence[Sized]) -> str:
    most = max(one.sizing.hopeless + one.sizing.unknown for one in shown)
    if not most:
        return ""
    return f" Crashes of which no run tells the need, up to {percent(round(most, 4))}, are not in the line."


def _unknown(found: Sequence[Sized]) -> str:
    """Where the runs do not tell how large the fund must be: why."""
    shares = [one.sizing.hopeless + one.sizing.unknown for one in found]
    least, most = percent(round(min(shares), 3)), percent(round(max(shares), 3))
    where = f" (for {least} to {most} of the crashes of a combination)" if least != most else ""
    return block(
        "How large must it be?", f"These runs do not tell{where}: {found[0].sizing.needed.words}.", ""
    )


def _sizes(found: Sequence[Sized], unit: str) -> str:
    # the last rule is about funds that were tried
    rules = _rules()[: None if any(one.sizing.tried for one in found) else -1]
    if len(found) == 1:
        one = found[0]
        rows: list[list[Cell]] = [
            [text(rule), figure(float(one.sizing.crashes)), fund, text(meaning)]
            for (rule, meaning), fund in zip(rules, _funds(one))
        ]
        table = Table(
            ("Rule", "Crashes", "Fund", "Why so much"), rows, note=_notes(found), look="pairs"
        ).html()
    else:
        heads = [*found[0].sizing.values, "Crashes", *(rule for rule, _ in rules)]
        rows = [
            [
                *settings(one.sizing.values, one.name),
                figure(float(one.sizing.crashes)),
                *_funds(one)[: len(rules)],
            ]
            for one in found
        ]
        meanings = Table(("Rule", "Why so much"), [[text(r), text(m)] for r, m in rules], look="pairs")
        table = Table(heads, rows, note=_notes(found), look="many").html() + meanings.html()
    return block(
        "How large must it be?",
        f"The fund at the start, {unit}, with its 95 % interval: what crashes need to be paid in full.",
        table,
    )


def _rules() -> list[tuple[str, str]]:
    terms = Terms()
    return [
        *(
            (f"P(ADL) \u2264 {percent(p)}", f"winners are deleveraged in at most {percent(p)}")
            for p in CHANCES
        ),
        (
            "Newsvendor",
            f"costs least if capital costs {percent(terms.capital)} a year, a loss that is not covered "
            f"{terms.shortfall:g} times itself, and {terms.crashes:g} such crash comes a year: "
            f"P(ADL) = {percent(terms.share)} (perpsim size takes other costs)",
        ),
        ("Cover-2", "stress loss of the two largest accounts beyond their margin, mean over the crashes"),
        ("Cover-2, largest", "the same in the worst of the crashes"),
        ("Smallest tried", f"of the funds that were run, with P(ADL) \u2264 {percent(CHANCE)} as measured"),
    ]


def _funds(one: Sized) -> list[Cell]:
    sizing = one.sizing
    funds = [_size(each) for each in (*one.sizes, sizing.newsvendor)]
    return [*funds, cell(sizing.cover2), amount(sizing.cover2_largest), amount(sizing.observed)]


def _size(found: Size) -> Cell:
    if math.isfinite(found.fund.value):
        return cell(found.fund)
    return "not known *", None


def _notes(found: Sequence[Sized]) -> str:
    """What the stars mean: each reason once, with the chances that it is about."""
    reasons: dict[str, dict[str, None]] = {}
    for one in found:
        for p, each in zip(CHANCES, one.sizes):
            for words in (each.fund.warning, each.words):
                if words:
                    reasons.setdefault(words, {})[percent(p)] = None
    told_reasons = [f"{', '.join(chances)}: {words}" for words, chances in reasons.items()]
    more = len(told_reasons) - _NOTES
    rest = f"; and {more} more of this kind" if more > 0 else ""
    return f"* With care. {'; '.join(told_reasons[:_NOTES])}{rest}." if reasons else ""


def _curve(
    shown: Sequence[Sized],
    title: str,
    reading: str,
    height: Callable[[CurvePoint], Estimate],
    unit: str,
    *,
    share: bool,
) -> str:
    banded = len(shown) <= _BANDED
    lines = [_line(one, height, unit, banded, share) for one in shown if one.sizing.curve]
    if not lines:
        return ""
    marks = _marks(shown[0]) if len(shown) == 1 else []
    last = max(line.x[-1] for line in lines)
    # an ample fund beyond all needs would press the curve flat
    near = [(at, dot) for line in lines for at, dot in line.dots if at <= last * 1.25]
    ends = [0.0, last, *(at for at, _ in marks), *(at for at, _ in near)]
    tops = [v for line in lines for v in (*line.y, *line.high)] + [
        v for _, dot in near for v in (dot.value, dot.high)
    ]
    across = Axis(roomy(scale_of(ends, zero=True), 0.02), f"fund at the start, {unit}", short)
    upward = _chances(tops) if share else Axis(scale_of(tops, zero=True), tick=short)
    return block(title, reading, both(lambda width: lines_svg(title, lines, across, upward, width, marks)))


def _chances(values: Sequence[float]) -> Axis:
    """Chances by factors where they get small: 1 % would lie on the axis of an even scale."""
    least = min((v for v in values if v >= _LEAST), default=1.0)
    if least > 0.1:
        return Axis(scale_of(values, zero=True), tick=per_cent)
    return Axis(Scale(least, max(1.0, *values), True), tick=per_cent)


def _line(one: Sized, height: Callable[[CurvePoint], Estimate], unit: str, banded: bool, share: bool) -> Line:
    curve = one.sizing.curve
    along = [height(point) for point in curve]
    dots = []
    for point in one.sizing.tried:
        e = height(point)
        shown = told(e, share=True) if share else told(e, unit)
        words = f"measured with {setting(point.fund)} {unit}: {shown}, n = {e.n}"
        dots.append((point.fund, Range(e.value, e.low, e.high, words)))
    return Line(
        one.name,
        [point.fund for point in curve],
        [e.value for e in along],
        [e.low for e in along] if banded else (),
        [e.high for e in along] if banded else (),
        dots if banded else (),
    )


def _marks(one: Sized) -> list[tuple[float, str]]:
    found = [
        (one.sizing.needed.fund.value, f"P(ADL) \u2264 {percent(CHANCE)}"),
        (one.sizing.newsvendor.fund.value, "newsvendor"),
        (one.sizing.cover2.value, "Cover-2"),
    ]
    return [(at, name) for at, name in found if math.isfinite(at)]
