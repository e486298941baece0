"""A sweep in one or two sentences: how often the fund was short, and how large it must be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from perpsim.report.data import Floats
from perpsim.report.sweep_data import Case, SweepData
from perpsim.report.sweep_fund import Sized
from perpsim.report.sweep_words import parts, setting, told
from perpsim.report.words import count, money, number, percent
from perpsim.sweeps.statistics import Estimate, expected_shortfall, mean, probability, value_at_risk

#: values that are told one by one
_EACH = 4


def short(case: Case) -> Floats:
    """1 for each run in which the fund did not pay everything: others did, or nobody."""
    unpaid = sum(case.sums(f"shortfall.{payer}") for payer in ("adl", "socialised", "treasury", "unpaid"))
    return ((case.sums("adl.count") > 0) | (unpaid > 0)).astype(np.float64)


def how_often(data: SweepData) -> str:
    """How often the fund was short."""
    cases = data.cases
    if not cases:
        return "No run has come to its end yet: there is nothing to say."
    crashes = count(data.seeds, "crash", "crashes")
    if len(cases) == 1:
        one = cases[0]
        if not data.tabled:
            runs = f"{count(data.done.height, 'run')} over {count(data.points, 'point')} of the design"
            return f"In {runs} the fund was short in {_odds(one)}."
        return f"In {crashes} the {_fund(one, data.unit)} was short in {_odds(one)}."
    if len(data.labels) == 1 and len(cases) <= _EACH:
        parts = [f"in {_odds(case)} with {_named(data, case)}" for case in cases]
        return f"On the same {crashes} the fund was short {_listed(parts)}."
    shares = [float(short(case).mean()) for case in cases]
    best, worst = cases[int(np.argmin(shares))], cases[int(np.argmax(shares))]
    if min(shares) == max(shares):
        return (
            f"On the same {crashes} the fund was short in {_odds(best)} at every one of {len(cases)} points."
        )
    return (
        f"On the same {crashes} the fund was short in {_odds(best)} at best, with {_named(data, best)}, and "
        f"in {_odds(worst)} at worst, with {_named(data, worst)}."
    )


def key_figures(data: SweepData, found: Sequence[Sized]) -> list[tuple[str, str, str]]:
    """(name, figure, detail) of what stands at the top."""
    if not data.done.height:
        return []
    losses = data.done["shortfall.total"].fill_null(0.0).to_numpy()
    failed = f", {data.failed.height:,} failed" if data.failed.height else ""
    figures = [("Crashes", number(data.seeds), f"{count(data.done.height, 'run')}{failed}")]
    if len(data.cases) == 1:
        one = data.cases[0]
        figures.append(_figure("Fund short", probability(short(one), one.seeds()), share=True))
        figures.append(_figure("Loss before the fund, mean", mean(losses, one.seeds()), data.unit))
        figures.append(_figure("VaR 99 %", value_at_risk(losses, 0.99, one.seeds()), data.unit))
        figures.append(
            _figure("Expected shortfall 99 %", expected_shortfall(losses, 0.99, one.seeds()), data.unit)
        )
    if len(found) == 1 and np.isfinite(found[0].sizing.needed.fund.value):
        figures.append(_figure("Fund for P(ADL) \u2264 1 %", found[0].sizing.needed.fund, data.unit))
    share = float((losses > 0).mean())
    figures.append(
        ("Largest loss", money(float(losses.max()), data.unit), f"{percent(share)} of the runs lost anything")
    )
    return figures


def _figure(name: str, estimate: Estimate, unit: str = "", *, share: bool = False) -> tuple[str, str, str]:
    value, interval = parts(estimate, share=share)
    unit = " %" if share else f" {unit}" if unit else ""
    return name, value + unit, (interval + unit if interval else "") + (" *" if estimate.warning else "")


def _odds(case: Case) -> str:
    return told(probability(short(case), case.seeds()), share=True)


def _fund(case: Case, unit: str) -> str:
    starts = np.unique(case.sums("fund.start"))
    return f"fund of {money(float(starts[0]), unit)}" if starts.size == 1 else "fund"


def _named(data: SweepData, case: Case) -> str:
    parts = []
    for label, value in case.values.items():
        if label in data.fund_labels and not isinstance(value, str):
            parts.append(f"a fund of {number(value)} {data.unit}")
        else:
            parts.append(f"{label} = {setting(value)}")
    return " and ".join(parts)


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]
