"""The comparison of policies as one small page that works offline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from perpsim.report.bars import Bars, Curve, bars_svg, curves_svg
from perpsim.report.page import PLACE, static
from perpsim.report.policies_table import FIGURES, bankrupt, heading, sentence, table
from perpsim.report.sections import Sections, block
from perpsim.report.table import Table, text
from perpsim.report.words import count, esc, money, policy
from perpsim.simulation.burden import Outcome, lorenz
from perpsim.simulation.comparison import Comparison

_TITLE = "Who would have paid? Every deleveraging policy on the same state"
#: width of a picture on a wide and on a narrow page
_WIDE, _NARROW = 940, 400


def write_page(comparison: Comparison, path: Path) -> Path:
    """Write the page."""
    path.write_text(render(comparison), encoding="utf-8")
    return path


def render(comparison: Comparison) -> str:
    """The page as HTML."""
    sections = Sections()
    sections.group("figures", "Side by side", [_figures(comparison), _bars(comparison)])
    sections.group("evenness", "How evenly was it shared?", [_evenness(comparison)])
    sections.group("bankrupt", "Who was bankrupt", [_bankrupt(comparison)])
    sections.group("meaning", "What the figures mean", [_meaning(comparison)])
    sections.group("run", "What was run", [_run(comparison)])
    values = {
        "title": esc(_TITLE),
        "subtitle": esc(f"{comparison.title} \u00b7 {heading(comparison)}"),
        "verdict": esc(sentence(comparison)),
        "figures": "".join(
            f"<div><dt>{esc(name)}</dt><dd>{esc(value)}<small>{esc(detail)}</small></dd></div>"
            for name, value, detail in _key_figures(comparison)
        ),
        "contents": sections.contents(),
        "sections": sections.html(),
        "css": static("page.css"),
        "script": static("page.js"),
    }
    return PLACE.sub(lambda match: values[match[1]], static("policies.html"))


def _key_figures(comparison: Comparison) -> list[tuple[str, str, str]]:
    at, unit = comparison.moment, comparison.unit
    winners = at.profits[at.profits > 0]
    return [
        (
            "Bankrupt positions",
            money(sum(one.notional for one in at.bankrupt), unit),
            count(len(at.bankrupt), "account"),
        ),
        ("Needed", money(comparison.needed, unit), "owed beyond their margin"),
        ("Insurance fund", money(at.fund, unit), "at that moment"),
        ("Profit of the winners", money(float(winners.sum()), unit), count(winners.size, "account")),
    ]


def _both(draw: Callable[[int], str]) -> str:
    """A picture for wide and for narrow pages."""
    shown = (("wide-only", _WIDE), ("narrow-only", _NARROW))
    return "".join(f'<div class="flow {look}">{draw(width)}</div>' for look, width in shown)


def _figures(comparison: Comparison) -> str:
    reading = f"Amounts in {comparison.unit}."
    if not comparison.hedges:
        reading += " No hedges in this scenario: nobody holds positions that cancel out."
    return block("What did each policy take, and from whom?", reading, table(comparison).html())


def _bars(comparison: Comparison) -> str:
    names = [policy(one.policy) for one in comparison.outcomes]
    panels = [
        Bars(
            figure.head,
            figure.meaning.split(". ")[0].rstrip("."),
            [figure.value(one) for one in comparison.outcomes],
            [figure.text(one) for one in comparison.outcomes],
            figure.most,
        )
        for figure in FIGURES
        if figure.drawn
    ]
    return block(
        "The same in pictures",
        "The longer the bar, the more; each picture has its own scale.",
        _both(lambda width: bars_svg(names, panels, width)),
    )


def _evenness(comparison: Comparison) -> str:
    def curve(one: Outcome) -> Curve:
        x, y = lorenz(one.burden[comparison.moment.profits > 0])
        return Curve(policy(one.policy), x, y)

    curves = [curve(one) for one in comparison.outcomes]
    return block(
        "Who bears how much of the burden?",
        "All winners from left to right, those who gave up least first; the height is what they bore "
        "together. On the diagonal everyone bears the same; a queue keeps to the right edge, because a few "
        "bear it all.",
        _both(lambda width: curves_svg(curves, "share of the winners", "share of the burden", width)),
    )


def _bankrupt(comparison: Comparison) -> str:
    return block(
        "Whose positions had to be closed?",
        f"In this order, the largest first. Amounts in {comparison.unit}.",
        bankrupt(comparison).html(),
    )


def _meaning(comparison: Comparison) -> str:
    rows = [[text(figure.head), text(figure.meaning)] for figure in FIGURES]
    return Table(("Figure", "Meaning"), rows, look="pairs").html()


def _run(comparison: Comparison) -> str:
    pairs = [
        ("scenario", comparison.scenario),
        ("seed", str(comparison.seed)),
        ("digest of the log up to that moment", comparison.digest),
        *comparison.versions.items(),
    ]
    return Table(("What", "Value"), [[text(k), text(v)] for k, v in pairs], look="pairs").html()
