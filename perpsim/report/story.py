"""The sections of the report: which charts and tables stand where, and what a reader is told about them."""

from __future__ import annotations

from typing import Any

from perpsim.report import (
    moments,
    tables,
    tables_adl,
    tables_crowds,
    tables_keepers,
    tables_markets,
    tables_run,
    tables_signs,
    tables_trust,
)
from perpsim.report.data import RunData
from perpsim.report.facts import Facts
from perpsim.report.figure import Chart
from perpsim.report.flows import money_flow
from perpsim.report.legend import legend
from perpsim.report.picture import draw
from perpsim.report.sections import Sections, block
from perpsim.report.table import Table
from perpsim.report.words import esc


def tell(run: RunData, facts: Facts, charts: list[Chart]) -> Sections:
    """All sections that the run has something for."""
    sections = Sections()

    def drawn(*keys: str) -> list[str]:
        """Charts of these names, one for each market where they are so."""
        return [_figure(c) for key in keys for c in charts if c.key == key or c.key.startswith(f"{key}-")]

    sections.group("crash", "What happened", [_moments(run), *drawn("price", "fund"), _days(run)])
    sections.group(
        "losses",
        "Liquidations, and who paid",
        [*drawn("liquidations", "underwater", "shortfall"), _markets(run), _picture(run, facts)],
    )
    sections.group("adl", "Who was deleveraged", _deleveraging(run))
    sections.group("warning", "Could it be seen coming?", [*drawn("signs", "stress", "near"), _warned(run)])
    sections.group("market", "The market around it", drawn("interest", "funding", "depth"))
    sections.group("people", "Who bore what", [*_people(run), *drawn("stakers"), *_crowds(run)])
    sections.group(
        "chain",
        "Keepers and the chain",
        [*_keepers(run), *drawn("keepers", "gas"), *_fees(run), _reverts(run)],
    )
    sections.group("trust", "Can these figures be trusted?", _trust(run))
    sections.group("run", "What was run", _run(run))
    return sections


def _figure(chart: Chart) -> str:
    return (
        f'<figure id="{esc(chart.key)}"><figcaption><h3>{esc(chart.question)}</h3><p>{esc(chart.reading)}</p>'
        f'</figcaption>{legend(chart)}<div class="chart" role="img" aria-label="{esc(chart.question)}" '
        f'style="min-height:{chart.height}px"></div></figure>'
    )


def _table(title: str, reading: str, table: Table | None) -> str:
    return block(title, reading, table.html()) if table and table.rows else ""


def _moments(run: RunData) -> str:
    return _table(
        "The moments that stand out",
        "In the order of time; each is drawn in one of the charts below.",
        moments.moments(run),
    )


def _days(run: RunData) -> str:
    return _table("The fund, day by day", f"Days are UTC; amounts in {run.unit}.", tables.days(run))


def _markets(run: RunData) -> str:
    return _table(
        "Which market cost what?",
        "Accounts have one margin for all markets: a loss in one can end in liquidations in another. "
        f"Amounts in {run.unit}.",
        tables_markets.markets(run),
    )


def _picture(run: RunData, facts: Facts) -> str:
    flow = money_flow(run, facts)
    if flow is None:
        return ""
    body = "".join(
        f'<div class="flow {shown}">{draw(flow, width)}</div>'
        for shown, width in (("wide-only", 940), ("narrow-only", 400))
    )
    return block(
        "Where did the money come from, and where did it go?",
        "The thickness of a band is the amount. Read from left to right: who paid, what went through the "
        "fund, who was paid.",
        body,
    )


def _deleveraging(run: RunData) -> list[str]:
    return [
        _table(
            "Was more taken than was needed?",
            "What the bankrupt still owed, and what others gave up for it. Amounts in " + run.unit + ".",
            tables_adl.cost(run),
        ),
        _table(
            "Who gave up most?",
            "A haircut is what being closed at another's bankruptcy price, or being charged, costs against "
            f"the mark. Amounts in {run.unit}.",
            tables_adl.taken(run),
        ),
        _table(
            "Was it those whose lights were lit?",
            "Exchanges show their users five lights: all five for the fifth of the other side, by size, that "
            "is first in line. A queue goes from the top as far as the bankrupt position reaches.",
            tables_adl.lights(run),
        ),
        _table(
            "Which position was it, and at what price?",
            "One row for each bankrupt account whose rest was closed against the other side, at the price at "
            "which it had nothing left. By index: over the whole other side by size.",
            tables_adl.receipts(run),
        ),
    ]


def _warned(run: RunData) -> str:
    return _table(
        "How early did the signs warn?",
        f"{tables_signs.crash(run)} A sign that is on most of the time warns of everything and so of "
        "nothing.",
        tables_signs.warnings(run),
    )


def _people(run: RunData) -> list[str]:
    unit = f"Amounts in {run.unit}"
    return [
        _table("By role", f"{unit}; a profit is positive.", tables.roles(run)),
        _table("Who lost most?", f"The {tables.TOP} largest losses. {unit}.", tables.accounts(run, True)),
        _table("Who won most?", f"The {tables.TOP} largest profits. {unit}.", tables.accounts(run, False)),
    ]


def _crowds(run: RunData) -> list[str]:
    unit = f"Amounts in {run.unit}"
    return [
        _table("What became of the stakers?", f"All of them together. {unit}.", tables_crowds.stakers(run)),
        _table(
            "What became of hedges?",
            "A hedge over markets is worth as much whatever the prices do, as long as all its legs stand. "
            "Who loses one leg against their will is left with the risk of the others.",
            tables_crowds.baskets(run),
        ),
        _table("Did an attack pay?", f"{unit}; a profit is positive.", tables_crowds.attackers(run)),
    ]


def _keepers(run: RunData) -> list[str]:
    said = (
        ("Found", "Found: accounts it saw to be liquidatable."),
        ("Won", "Won: something was closed."),
        ("Lost", "Lost: another keeper was first."),
        ("In vain", "In vain: nothing was closed, mostly for want of a buyer."),
        ("Reverted", "Reverted: the exchange refused it, as another was first or the account had recovered."),
        ("Profit", "Profit: rewards less what the gas cost."),
        ("Time under water", "Time under water: of the accounts it served, on average, until it came."),
    )
    table = tables_keepers.keepers(run)
    told = " ".join(words for head, words in said if table and head in table.heads)
    return [
        _table(
            "Did it pay to be a keeper?",
            f"Keepers send the liquidations. {told} Amounts in {run.unit}.",
            table,
        ),
        _table(
            "How long did keepers wait for a block?",
            "Replaced: sent again with a higher bid. Dropped: no block took it before it expired.",
            tables_keepers.waits(run),
        ),
    ]


def _fees(run: RunData) -> list[str]:
    return [
        _table(
            "What did the chain cost?",
            "Every transaction pays the base fee, which is burned, and a tip to whoever builds the block.",
            tables_keepers.fees(run),
        ),
        _table("Who paid for gas?", f"Amounts in {run.unit}.", tables_keepers.fees_by_role(run)),
    ]


def _reverts(run: RunData) -> str:
    return _table(
        "Why were transactions refused?",
        "The exchange's own words, and how often they were heard.",
        tables_keepers.reverts(run),
    )


def _trust(run: RunData) -> list[str]:
    return [
        _table(
            "Did the scenario do what its author expected?",
            "Figures of summary.json against the bounds in the scenario file.",
            tables_trust.expectations(run),
        ),
        _table(
            "Did the books balance?",
            "Every so many blocks, and at the end, the contracts are asked; a violation stops the run.",
            tables_trust.invariants(run),
        ),
        _table(
            "Is the gas true?",
            "The EVM that runs the simulation is fast and counts gas a little differently from Ethereum; a "
            "share of all transactions is run on a second, exact one as well, and the others' gas is "
            "worked out from what that found. A disagreement in anything but gas stops the run.",
            tables_trust.audit(run),
        ),
    ]


def _run(run: RunData) -> list[str]:
    told = run.parameters.get("description")
    return [
        f"<p>{esc(told.strip())}</p>" if isinstance(told, str) and told.strip() else "",
        _list("Sources", "What was taken from where.", run.parameters.get("sources")),
        _list("What is modelled", "And what is left out.", run.parameters.get("modelled")),
        _table(
            "What matters most?",
            "Settings that the outcome hangs on.",
            tables_run.told(run.parameters.get("levers"), ("key", "Setting"), ("why", "Why")),
        ),
        _table(
            "What to try next",
            "Changes as the option --set of `perpsim run` takes them.",
            tables_run.told(run.parameters.get("vary"), ("change", "With"), ("effect", "What happens")),
        ),
        _table(
            "Seed, versions and digest",
            "The same scenario and seed give the same digest.",
            tables_run.versions(run),
        ),
        _table("Parameters", "Every setting of the scenario as it was run.", tables_run.settings(run)),
    ]


def _list(title: str, reading: str, items: Any) -> str:
    if not isinstance(items, list) or not items:
        return ""
    return block(title, reading, "<ul>" + "".join(f"<li>{esc(i)}</li>" for i in items) + "</ul>")
