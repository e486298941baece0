"""The figures of a comparison of policies: what each is called, what it means, how it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from perpsim.report.table import Cell, Table, text
from perpsim.report.words import NOTHING, count, moment, money, number, percent, policy
from perpsim.simulation.burden import TOP, Outcome
from perpsim.simulation.comparison import Comparison

Value = Callable[[Outcome], float | None]


@dataclass(frozen=True)
class Figure:
    """One column. `key` names it in files, `short` where there is little room, `meaning` is a sentence."""

    key: str
    head: str
    short: str
    meaning: str
    value: Value
    shown: Callable[[float], str]
    drawn: bool = False
    most: float | None = None

    def text(self, outcome: Outcome) -> str:
        """The figure as a reader sees it."""
        value = self.value(outcome)
        return NOTHING if value is None else self.shown(value)


def _amount(value: float) -> str:
    return number(value if abs(value) >= 0.005 else 0.0, 0 if abs(value) >= 100_000 else 2)


def _whole(value: float) -> str:
    return number(value, 0)


def _ratio(value: float) -> str:
    return f"{value:.3f}"


def _gas(value: float) -> str:
    return f"{value / 1e6:,.1f} M"


def _verdict(value: float) -> str:
    return "yes" if value else "no"


FIGURES = (
    Figure(
        "taken",
        "Haircut taken",
        "taken",
        "What others gave up for the bankrupt accounts: equity at the mark before and after.",
        lambda one: one.taken,
        _amount,
    ),
    Figure(
        "overshoot",
        "Overshoot",
        "over",
        "Taken less needed: what the bankrupt owed beyond their margin when book and fund were through.",
        lambda one: one.overshoot,
        _amount,
    ),
    Figure(
        "profit_closed",
        "Profit closed out",
        "closed out",
        "Unrealised profit of the positions that were closed, paid out or given up. Research counts all of "
        "it as taken from the winners, and what it exceeds the need by as overshoot.",
        lambda one: one.profit_closed,
        _amount,
        drawn=True,
    ),
    Figure(
        "accounts",
        "Accounts touched",
        "accounts",
        "Accounts whose position was reduced or who were charged.",
        lambda one: one.touched,
        _whole,
        drawn=True,
    ),
    Figure(
        "largest",
        "Largest haircut",
        "largest",
        "The most that one account gave up.",
        lambda one: one.largest,
        _amount,
        drawn=True,
    ),
    Figure(
        "largest_share",
        "Largest share of a profit",
        "of profit",
        "The most that one winner gave up of its unrealised profit.",
        lambda one: one.largest_share,
        percent,
        drawn=True,
    ),
    Figure(
        "gini",
        "Gini of the burden",
        "Gini",
        "0 if all winners gave up the same, towards 1 if one of them gave up everything.",
        lambda one: one.gini,
        _ratio,
        drawn=True,
        most=1.0,
    ),
    Figure(
        "top_share",
        f"Share of the top {TOP}",
        f"top {TOP}",
        f"What the {TOP} winners who gave up most bore of all.",
        lambda one: one.top_share,
        percent,
        drawn=True,
        most=1.0,
    ),
    Figure(
        "without_profit",
        "Borne without a profit",
        "no profit",
        "The part of the haircut that fell on accounts which had no profit to give.",
        lambda one: one.losers_share,
        percent,
    ),
    Figure(
        "survival",
        "Top winner's position left",
        "top's size",
        "What the account with the largest profit kept of its position.",
        lambda one: one.survival,
        percent,
        drawn=True,
        most=1.0,
    ),
    Figure(
        "profit_kept",
        "Top winner's profit kept",
        "top's profit",
        "What it kept of its profit; the rest is its haircut.",
        lambda one: one.kept,
        percent,
    ),
    Figure(
        "hedges_broken",
        "Hedged accounts broken",
        "hedges",
        "Accounts whose positions cancelled out to a tenth before, and do not any more.",
        lambda one: one.hedges_broken if one.hedges else None,
        _whole,
    ),
    Figure(
        "pushed_under",
        "Pushed under their margin",
        "pushed under",
        "Accounts below their maintenance margin that were not before: the next to be liquidated.",
        lambda one: one.pushed_under,
        _whole,
    ),
    Figure(
        "by_index",
        "Left to the index",
        "by index",
        "The part of the size that the list could not bear and the whole side did.",
        lambda one: one.by_index,
        percent,
    ),
    Figure(
        "gas",
        "Gas",
        "gas",
        "Of all deleveragings, exact, each a transaction of its own that starts cold.",
        lambda one: one.gas,
        _gas,
        drawn=True,
    ),
    Figure(
        "recomputed",
        "Recomputed",
        "recomputed",
        "Whether recomputing the receipts from the log found those accounts and those amounts.",
        lambda one: None if one.verdict is None else float(one.verdict),
        _verdict,
    ),
)


def table(comparison: Comparison) -> Table:
    """Policies down, figures across."""
    rows: list[list[Cell]] = []
    for one in comparison.outcomes:
        cells: list[Cell] = [text(policy(one.policy))]
        cells += [(figure.text(one), figure.value(one)) for figure in FIGURES]
        rows.append(cells)
    return Table(["Policy", *(figure.head for figure in FIGURES)], rows)


def bankrupt(comparison: Comparison) -> Table:
    """Whose positions were to be closed."""
    rows = []
    for one in comparison.moment.bankrupt:
        row = [(f"{one.account}", float(one.account)), text(comparison.markets[one.market])]
        row += [text("long" if one.size > 0 else "short"), (_amount(one.notional), one.notional)]
        rows.append([*row, (_amount(one.deficit), one.deficit)])
    return Table(("Account", "Market", "Side", "Position", "Owed beyond its margin"), rows)


def sentence(comparison: Comparison) -> str:
    """What happened, in a few words."""
    moment_, outcomes = comparison.moment, comparison.outcomes
    owed = sum(one.deficit for one in moment_.bankrupt)
    unit = comparison.unit
    told = {one.policy: one for one in outcomes}
    parts = []
    for name, words in (
        ("index", "by index it comes from"),
        ("queue-bitmex", "the queue of BitMEX takes it from"),
        ("capped-pro-rata", "capped pro rata asks"),
    ):
        one = told.get(name)
        if one is not None:
            accounts = count(one.touched, "account")
            parts.append(f"{words} {accounts}, at most {money(one.largest, unit)} from one")
    many = count(len(moment_.bankrupt), "bankrupt account")
    return f"{many} owed {money(owed, unit)} that neither book nor fund could pay: {'; '.join(parts)}."


def heading(comparison: Comparison) -> str:
    """Where the comparison stands."""
    at = comparison.moment
    when = moment(at.time, year=True)
    return f"{comparison.scenario}, seed {comparison.seed}: after block {at.block:,}, {when}"


def told(comparison: Comparison) -> Iterator[str]:
    """The comparison as lines of text."""
    at, unit = comparison.moment, comparison.unit
    worth = sum(one.notional for one in at.bankrupt)
    owed = sum(one.deficit for one in at.bankrupt)
    yield heading(comparison)
    many = f"{count(len(at.bankrupt), 'bankrupt account')} with positions of {_amount(worth)} {unit}"
    yield f"{many} that book and fund ({_amount(at.fund)} {unit}) cannot finish"
    yield f"needed: {_amount(comparison.needed)} {unit} (owed: {_amount(owed)})"
    yield ""
    heads = ["policy", *(figure.short for figure in FIGURES)]
    rows = [[policy(one.policy), *(figure.text(one) for figure in FIGURES)] for one in comparison.outcomes]
    yield from aligned([heads, *rows])
    if not comparison.hedges:
        yield ""
        yield "no hedges in this scenario: nobody holds positions that cancel out"


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns of text, the first to the left, numbers to the right."""
    plain = [[cell.replace(NOTHING, "-").replace("\u2212", "-") for cell in row] for row in rows]
    widths = [max(len(row[at]) for row in plain) for at in range(len(plain[0]))]
    for row in plain:
        cells = [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:]))]
        yield "  ".join(cells).rstrip()
