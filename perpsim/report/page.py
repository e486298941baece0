"""Puts the report together."""

from __future__ import annotations

import base64
import gzip
import json
import re
from importlib import resources
from pathlib import Path

import plotly.offline

from perpsim.report.charts import all_charts
from perpsim.report.data import RunData, load, span
from perpsim.report.facts import Facts, gather
from perpsim.report.figure import Chart
from perpsim.report.headline import figures, notices
from perpsim.report.story import tell
from perpsim.report.verdict import verdict
from perpsim.report.words import count, duration, esc, moment

PLACE = re.compile(r"\{\{(\w+)\}\}")


def write_report(run_dir: Path) -> Path:
    """Reads a run folder and writes `report.html` into it."""
    path = Path(run_dir) / "report.html"
    page = render(load(Path(run_dir)))
    path.write_text(page, encoding="utf-8")
    return path


def render(run: RunData) -> str:
    facts, charts = gather(run), all_charts(run)
    sections = tell(run, facts, charts)
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
