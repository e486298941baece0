"""How often somebody else had to pay, and how large the loss before the fund was: tables and a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from perpsim.report.data import Floats
from perpsim.report.sections import block
from perpsim.report.sweep_axes import per_cent, roomy, scale_of, short
from perpsim.report.sweep_charts import Line, lines_svg
from perpsim.report.sweep_data import Case, SweepData
from perpsim.report.sweep_plot import SERIES, Axis, both
from perpsim.report.sweep_words import cell, setting
from perpsim.report.table import Cell, Table, figure, text
from perpsim.report.words import percent
from perpsim.sweeps.answers import DEPLETED, LEVELS
from perpsim.sweeps.statistics import Estimate, expected_shortfall, probability, value_at_risk, wilson

#: points of an exceedance curve
_POINTS = 160


@dataclass(frozen=True)
class Answer:
    """An estimate of a case, and what heads its column."""

    head: str
    share: bool
    estimate: Estimate


def odds(case: Case) -> list[Answer]:
    """Probabilities of what a fund is there to prevent."""
    return [Answer(head, True, probability(of(case), case.seeds())) for head, of in EVENTS]


def tails(case: Case) -> dict[str, list[Answer]]:
    """Value at risk and expected shortfall of the loss before the fund, a row of levels each."""
    sample, seeds = case.sums("shortfall.total"), case.seeds()
    kinds = {"VaR": value_at_risk, "ES": expected_shortfall}
    return {
        name: [Answer(percent(q), False, make(sample, q, seeds)) for q in LEVELS]
        for name, make in kinds.items()
    }


def deleveraged(case: Case) -> Floats:
    """1 for each run in which winners were deleveraged."""
    return (case.sums("adl.count") > 0).astype(np.float64)


def socialised(case: Case) -> Floats:
    """1 for each run in which a loss was charged to everybody."""
    return (case.sums("shortfall.socialised") > 0).astype(np.float64)


def depleted(case: Case) -> Floats:
    """1 for each run in which 1 % of the fund or less was left at its lowest."""
    return (case.sums("fund.min") <= DEPLETED * case.sums("fund.start")).astype(np.float64)


EVENTS: tuple[tuple[str, Callable[[Case], Floats]], ...] = (
    ("P(deleveraging)", deleveraged),
    ("P(socialised loss)", socialised),
    ("P(fund depleted)", depleted),
)


def odds_blocks(data: SweepData) -> list[str]:
    """All of it."""
    found = [(case, odds(case), tails(case)) for case in data.cases]
    if not found:
        return []
    whole = (
        "" if data.tabled else " All points of the design are taken together: what varies adds to the spread."
    )
    return [
        block(
            "How often did somebody else have to pay?",
            "The share of the runs, with its 95 % interval. Depleted: less than 1 % of the fund was left."
            + whole,
            answers_table([(case, one) for case, one, _ in found]),
        ),
        block(
            "How large is the loss that a fund is asked for?",
            f"What liquidated accounts lost beyond their margin in a run, {data.unit}, whoever paid it. VaR "
            "99 %: one run in a hundred loses more; ES (expected shortfall) 99 %: the mean of those.",
            tails_table([(case, one) for case, _, one in found]),
        ),
        exceedance(data),
    ]


def settings(values: Mapping[str, float | str], name: str) -> list[Cell]:
    """A cell for each parameter, with its number to sort by; the name where there is none."""
    found: list[Cell] = [(setting(v), None if isinstance(v, str) else float(v)) for v in values.values()]
    return found or [text(name)]


def setting_heads(values: Mapping[str, float | str]) -> list[str]:
    """What heads them."""
    return list(values) or ["Runs"]


def answers_table(found: Sequence[tuple[Case, Sequence[Answer]]]) -> str:
    """A row a case, a column an answer; a star where the sample is too small, explained below."""
    heads = [*setting_heads(found[0][0].values), "Crashes", *(one.head for one in found[0][1])]
    rows = [
        [
            *settings(case.values, case.name),
            figure(float(case.crashes)),
            *(cell(one.estimate, share=one.share) for one in answers),
        ]
        for case, answers in found
    ]
    return Table(heads, rows, note=warned([one for _, answers in found for one in answers])).html()


def tails_table(found: Sequence[tuple[Case, dict[str, list[Answer]]]]) -> str:
    """Two rows a case, a column a level."""
    names = list(found[0][1])
    heads = [*setting_heads(found[0][0].values), "Crashes", "Figure"]
    heads += [one.head for one in found[0][1][names[0]]]
    rows = [
        [
            *settings(case.values, case.name),
            figure(float(case.crashes)),
            text(name),
            *(cell(one.estimate) for one in answers),
        ]
        for case, both_kinds in found
        for name, answers in both_kinds.items()
    ]
    every = [one for _, both_kinds in found for answers in both_kinds.values() for one in answers]
    return Table(heads, rows, note=warned(every)).html()


def warned(answers: Sequence[Answer]) -> str:
    """What the stars mean: the worst warning of each column, those with the same one together."""
    worst: dict[str, Estimate] = {}
    for one in answers:
        if one.estimate.warning and one.estimate.n <= worst.get(one.head, one.estimate).n:
            worst[one.head] = one.estimate
    heads: dict[str, list[str]] = {}
    for head, estimate in worst.items():
        heads.setdefault(estimate.warning, []).append(head)
    told = [f"{', '.join(where)}: {warning}" for warning, where in heads.items()]
    return f"* With care. {'; '.join(told)}." if told else ""


def warned_cells(estimates: Sequence[Estimate]) -> str:
    """The same without columns."""
    found = list(dict.fromkeys(one.warning for one in estimates if one.warning))
    return f"* With care: {'; '.join(found[:4])}." if found else ""


def exceedance(data: SweepData) -> str:
    """The share of the runs that lose more than so much."""
    cases = data.cases if len(data.cases) <= SERIES else [data.whole]
    samples = [(case, np.sort(case.sums("shortfall.total"))) for case in cases]
    samples = [(case, sample) for case, sample in samples if sample.size > 1 and sample[-1] > 0]
    if not samples:
        return ""
    lines = [
        exceeding(case.name, sample, len(samples) <= 3 and case.seeds() is None) for case, sample in samples
    ]
    across = scale_of([v for line in lines for v in line.x if v > 0], log=None)
    upward = scale_of([v for line in lines for v in line.y if v > 0], log=True)
    none = ", ".join(
        f"{percent(float((sample <= 0).mean()))}{f' ({case.name})' if len(samples) > 1 else ''}"
        for case, sample in samples
    )
    label = f"loss beyond margins, {data.unit}"
    return block(
        "How are the losses distributed?",
        "The height is the share of the runs that lose more than the amount below it; both scales grow by "
        f"factors where they span much. Without any loss: {none} of the runs.",
        both(
            lambda width: lines_svg(
                "Share of the runs that lose more",
                lines,
                Axis(roomy(across, 0.02), label, short),
                Axis(upward, tick=per_cent),
                width,
                step=True,
            )
        ),
    )


def exceeding(name: str, sample: Floats, banded: bool) -> Line:
    """The exceedance curve of a sorted sample, thinned out evenly over its ranks, the tail in full."""
    size = sample.size
    more = size - np.arange(1, size + 1)
    keep = np.unique(
        np.concatenate([np.linspace(0, size - 1, _POINTS).astype(int), np.arange(max(size - 40, 0), size)])
    )
    keep = keep[(sample[keep] > 0) & (more[keep] > 0)]
    x, y = sample[keep], more[keep] / size
    if not banded:
        return Line(name, x.tolist(), y.tolist())
    low, high = zip(*(wilson(float(share), size) for share in y))
    return Line(name, x.tolist(), y.tolist(), low, high)
