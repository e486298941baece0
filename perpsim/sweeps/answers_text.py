"""What a sweep says, in lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from perpsim.errors import UserError
from perpsim.sweeps.answers import Answers, answers
from perpsim.sweeps.cases import cases, counted
from perpsim.sweeps.model import Sweep
from perpsim.sweeps.sensitivity import FIGURES, sobol, weights
from perpsim.sweeps.statistics import Estimate
from perpsim.sweeps.text import chance, estimate, setting, share

_NAMES = {
    "shortfall.total": "deficit before the fund",
    "adl": "deleveraging",
    "shortfall.adl": "haircut of winners",
    "keepers.profit": "keepers' profit",
}


def told(rows: pl.DataFrame, sweep: Sweep, unit: str) -> Iterator[str]:
    """Each case's answers, then what matters most over all `rows`. Money in `unit`. Raises `UserError`."""
    if not rows.height:
        raise UserError(f"sweep {sweep.name}: no run has finished")
    for values, part in cases(rows, sweep):
        if values:
            yield setting(values)
        yield from (f"  {line}" for line in _case(answers(part), unit))
        yield ""
    yield from _what_matters(rows, sweep)


def _case(found: Answers, unit: str) -> Iterator[str]:
    failures = found.failures
    yield f"runs                 {found.runs:,}, of {found.crashes:,} crashes, {failures.count:,} failed"
    for reason, runs in failures.reasons:
        yield f"                     {runs:,}: {reason or 'no reason given'}"
    if failures.count == found.runs:
        return
    yield from _line("P(ADL)", found.adl, chance(found.adl))
    if failures.count:
        yield f"                     {share(found.adl_at_worst)} had all that failed been deleveraged"
    yield from _line("P(socialised loss)", found.socialised, chance(found.socialised))
    yield from _line("P(depletion)", found.depleted, chance(found.depleted))
    yield from _line("haircut of winners", found.haircut, estimate(found.haircut, unit))
    if found.haircut_when_adl.n:
        yield f"  where there is ADL {estimate(found.haircut_when_adl, unit)}"
    yield "deficit before the fund"
    mean, median = found.means["shortfall.total"], found.medians["shortfall.total"]
    yield from _line("  mean", mean, estimate(mean, unit))
    yield from _line("  median", median, estimate(median, unit))
    for name, by_level in (("VaR", found.value_at_risk), ("ES", found.expected_shortfall)):
        for level, one in by_level.items():
            yield from _line(f"  {name} {100 * level:g} %", one, estimate(one, unit))


def _line(name: str, found: Estimate, words: str) -> Iterator[str]:
    yield f"{name:<20} {words}"
    if found.warning:
        yield f"                     note: {found.warning}"


def _what_matters(rows: pl.DataFrame, sweep: Sweep) -> Iterator[str]:
    """Partial rank correlations, and Sobol indices where the sweep was drawn for them."""
    if not sweep.vary or not counted(rows)[0].height:
        return
    yield "what matters most (partial rank correlation, the crash and the other parameters held fixed)"
    for name in FIGURES:
        found = weights(rows, name)
        told = [f"{one.label} {_range(one.part)}" for one in found]
        note = f"; note: {found[0].part.warning}" if found and found[0].part.warning else ""
        yield f"  {_NAMES[name]:<24} {', '.join(told) if told else 'does not vary'}{note}"
    if sweep.sample.kind != "saltelli":
        return
    yield ""
    yield "Sobol indices (first-order, total)"
    for name in FIGURES:
        indices = sobol(rows, sweep, name)
        told = [f"{one.label} {_range(one.first)}, {_range(one.total)}" for one in indices.indices]
        yield f"  {_NAMES[name]:<24} {'; '.join(told)}{' ' if told and indices.words else ''}{indices.words}"


def _range(found: Estimate) -> str:
    return f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"
