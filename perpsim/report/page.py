"""Puts the report together."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

import plotly.offline

from perpsim.report import tables, tables_adl
from perpsim.report.charts import all_charts
from perpsim.report.charts_fund import span
from perpsim.report.data import RunData, load, lookup
from perpsim.report.facts import Facts, gather
from perpsim.report.figure import Chart
from perpsim.report.flows import money_flow
from perpsim.report.headline import figures, notices
from perpsim.report.picture import draw
from perpsim.report.table import Table, text
from perpsim.report.verdict import verdict
from perpsim.report.words import count, duration, esc, moment

PLACE = re.compile(r"\{\{(\w+)\}\}")
CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*@")  # of an engine's address
RUN_KEYS = ("engine", "digest", "wall_seconds", "gas_used", "reverted")  # of the summary
TEXT_KEYS = ("name", "title", "description", "sources", "expected")  # of the parameters: shown apart


def write_report(run_dir: Path) -> Path:
    """Reads a run folder and writes `report.html` into it."""
    path = Path(run_dir) / "report.html"
    page = render(load(Path(run_dir)))
    path.write_text(page, encoding="utf-8")
    return path


def render(run: RunData) -> str:
    facts, charts = gather(run), all_charts(run)
    sections = Sections()
    _story(sections, run, facts, {c.key: c for c in charts})
    scenario = run.summary.get("scenario") or run.folder.name
    title = run.summary.get("title") or run.parameters.get("title") or scenario
    first, second = verdict(facts)
    values = {
        "title": esc(title),
        "subtitle": esc(_subtitle(run, facts, str(scenario))),
        "notices": "".join(f'<p class="notice {kind}">{esc(text)}</p>' for kind, text in notices(run, facts)),
        "verdict": f"{esc(first)} {esc(second)}",
        "figures": "".join(
            f"<div><dt>{esc(name)}</dt><dd>{esc(value)}<small>{esc(detail)}</small></dd></div>"
            for name, value, detail in figures(facts)
        ),
        "contents": sections.contents(),
        "sections": sections.html(),
        "css": static("page.css"),
        "script": static("page.js"),
        "payload": _payload(run, charts) if charts else "",
        "bar": "" if charts else "hidden",
    }
    return PLACE.sub(lambda m: values[m[1]], static("page.html"))


def static(name: str) -> str:
    """A file that pages are made of."""
    return resources.files("perpsim.report").joinpath("static", name).read_text(encoding="utf-8")


def packed(text: str) -> str:
    """For a script element: gzip, then base64; the page inflates it with DecompressionStream."""
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


def _payload(run: RunData, charts: list[Chart]) -> str:
    start, end = span(run) or (0.0, 1.0)
    end = max(end, start + 60)
    drawn = {
        "start": int(start),
        "end": int(end),
        "charts": [c.drawn(start, end) for c in charts],
    }
    text = json.dumps(drawn, separators=(",", ":"), allow_nan=False)
    return "".join(
        f'<script type="application/octet-stream" id="{key}">{packed(content)}</script>\n'
        for key, content in (("charts-gz", text), ("plotly-gz", plotly.offline.get_plotlyjs()))
    )


def _subtitle(run: RunData, facts: Facts, scenario: str) -> str:
    parts = [f"Scenario {scenario}"]
    if facts.start is not None:
        parts.append(f"from {moment(facts.start, year=True)}, {duration(facts.span)}")
    if facts.blocks:
        parts.append(count(facts.blocks, "block"))
    if run.number("transactions"):
        parts.append(count(run.number("transactions") or 0, "transaction"))
    if run.summary.get("seed") is not None:
        parts.append(f"seed {run.summary['seed']}")
    return " \u00b7 ".join(parts)


class Sections:
    """Headed groups of charts, tables and pictures; a group without content is left out."""

    def __init__(self) -> None:
        self.groups: list[tuple[str, str, list[str]]] = []

    def group(self, key: str, title: str, parts: Iterable[str]) -> None:
        there = [p for p in parts if p]
        if there:
            self.groups.append((key, title, there))

    def contents(self) -> str:
        return "".join(f'<a href="#{key}">{esc(title)}</a>' for key, title, _ in self.groups)

    def html(self) -> str:
        return "\n".join(
            f'<section id="{key}"><h2>{esc(title)}</h2>{"".join(parts)}</section>'
            for key, title, parts in self.groups
        )


def _figure(chart: Chart) -> str:
    legend = chart.legend()
    names = "".join(
        f'<button type="button" aria-pressed="true" data-traces="{",".join(map(str, where))}">'
        f'<i class="{esc(look)}" style="--c:{color}"></i>{esc(name)}</button>'
        for name, color, look, where in legend
    )
    names = f'<div class="legend">{names}</div>' if len(legend) > 1 else ""
    return (
        f'<figure id="{esc(chart.key)}"><figcaption><h3>{esc(chart.question)}</h3><p>{esc(chart.reading)}</p>'
        f'</figcaption>{names}<div class="chart" role="img" aria-label="{esc(chart.question)}" '
        f'style="min-height:{chart.height}px"></div></figure>'
    )


def block(title: str, reading: str, body: str) -> str:
    """A headed part of a section."""
    return f'<div class="block"><h3>{esc(title)}</h3><p>{esc(reading)}</p>{body}</div>'


def _table(title: str, reading: str, table: Table | None) -> str:
    return block(title, reading, table.html()) if table and table.rows else ""


def _story(sections: Sections, run: RunData, facts: Facts, charts: dict[str, Chart]) -> None:
    def drawn(*prefixes: str) -> list[str]:
        return [_figure(c) for p in prefixes for k, c in charts.items() if k == p or k.startswith(f"{p}-")]

    sections.group("crash", "What happened", [*drawn("price", "fund"), _days(run)])
    sections.group(
        "losses",
        "Liquidations, and who paid",
        [*drawn("liquidations", "underwater", "shortfall"), _picture(run, facts)],
    )
    sections.group("adl", "Who was deleveraged", _deleveraging(run))
    sections.group("market", "The market around it", drawn("interest", "funding", "depth"))
    sections.group("people", "Who bore what", _people(run))
    sections.group("chain", "Keepers and the chain", [_keepers(run), *drawn("gas"), _reverts(run)])
    sections.group("trust", "Can these figures be trusted?", _trust(run))
    sections.group("run", "What was run", _run(run))


def _days(run: RunData) -> str:
    return _table("The fund, day by day", "Days are UTC; amounts in " + run.unit + ".", tables.days(run))


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
            "which it had nothing left. By index: over the whole other side by size. A click on a heading "
            "sorts.",
            tables_adl.receipts(run),
        ),
    ]


def _people(run: RunData) -> list[str]:
    unit = f"Amounts in {run.unit}"
    return [
        _table("By role", f"{unit}; a profit is positive. A click on a heading sorts.", tables.roles(run)),
        _table("Who lost most?", f"The {tables.TOP} largest losses. {unit}.", tables.accounts(run, True)),
        _table("Who won most?", f"The {tables.TOP} largest profits. {unit}.", tables.accounts(run, False)),
    ]


def _keepers(run: RunData) -> str:
    return _table(
        "Did it pay to be a keeper?",
        "Keepers send the liquidations. Won: something was closed; in vain: nobody was buying; reverted: "
        f"another keeper was first, or the account had recovered. Rewards in {run.unit}.",
        tables.keepers(run),
    )


def _reverts(run: RunData) -> str:
    return _table(
        "Why were transactions refused?",
        "The exchange's own words, and how often they were heard.",
        tables.reverts(run),
    )


def _trust(run: RunData) -> list[str]:
    return [
        _table(
            "Did the scenario do what its author expected?",
            "Figures of summary.json against the bounds in the scenario file.",
            tables.expectations(run),
        ),
        _table(
            "Did the books balance?",
            "Every so many blocks, and at the end, the contracts are asked; a violation stops the run.",
            tables.invariants(run),
        ),
    ]


def _run(run: RunData) -> list[str]:
    told = run.parameters.get("description")
    sources = run.parameters.get("sources")
    listed = sources if isinstance(sources, list) else []
    versions = lookup(run.summary, "versions")
    pairs = [("seed", str(run.summary["seed"]))] if "seed" in run.summary else []
    pairs += tables.flat({k: run.summary[k] for k in RUN_KEYS if k in run.summary})
    pairs += tables.flat({"version": versions} if isinstance(versions, dict) else {})
    settings = tables.flat({k: v for k, v in run.parameters.items() if k not in (*TEXT_KEYS, "seed")})
    return [
        f"<p>{esc(told.strip())}</p>" if isinstance(told, str) and told.strip() else "",
        block("Sources", "What was taken from where.", _list(listed)) if listed else "",
        _pairs("Seed, versions and digest", "The same scenario and seed give the same digest.", pairs),
        _pairs("Parameters", "Every setting of the scenario as it was run.", settings),
    ]


def _list(items: list[Any]) -> str:
    return "<ul>" + "".join(f"<li>{esc(i)}</li>" for i in items) + "</ul>"


def _pairs(title: str, reading: str, pairs: list[tuple[str, str]]) -> str:
    if not pairs:
        return ""
    rows = [[text(key), text(CREDENTIALS.sub("", value))] for key, value in pairs]
    return _table(title, reading, Table(("What", "Value"), rows, look="pairs"))
