"""Puts the report of a sweep together: one page that works offline, with a verdict first."""

from __future__ import annotations

from pathlib import Path

from perpsim.errors import UserError
from perpsim.report.page import PLACE, static
from perpsim.report.sections import Sections
from perpsim.report.sweep_data import SweepData
from perpsim.report.sweep_effects import effect_blocks
from perpsim.report.sweep_fund import fund_blocks, needed_sentence, sized
from perpsim.report.sweep_heat import heat_block
from perpsim.report.sweep_matter import matter_blocks
from perpsim.report.sweep_odds import odds_blocks
from perpsim.report.sweep_runs import failed_block, keeper_block, run_block, worst_block
from perpsim.report.sweep_verdict import how_often, key_figures
from perpsim.report.words import count, esc

REPORT = "report.html"


def write_sweep_report(folder: Path) -> Path:
    """Read a sweep folder and write `report.html` into it, also of a sweep of which only a part is there."""
    path = Path(folder) / REPORT
    path.write_text(render(load_sweep_data(Path(folder))), encoding="utf-8")
    return path


def is_sweep(folder: Path) -> bool:
    """True for the folder of a sweep."""
    from perpsim.sweeps.store import SWEEP

    return (Path(folder) / SWEEP).is_file()


def load_sweep_data(folder: Path) -> SweepData:
    """A sweep folder. Raises `UserError` if it is none."""
    from perpsim.sweeps.design import Design
    from perpsim.sweeps.store import SweepFolder

    found = SweepFolder.open(folder)
    try:
        design = Design(found.sweep)
    except UserError:
        # its scenario was a file that has gone; the rows say the rest
        design = None
    if design is not None and not design.points:
        raise UserError(
            f"sweep folder {folder}: holds the trials of an optimisation: the same `perpsim optimise` writes "
            "their page again"
        )
    return SweepData(found.sweep, found.frame(), found.description, design)


def render(data: SweepData) -> str:
    """The page as HTML."""
    sections, found = Sections(), sized(data) if data.done.height else []
    if data.done.height:
        sections.group("fund", "How large must the fund be?", fund_blocks(found, data.unit))
        sections.group("odds", "How often, and how bad?", odds_blocks(data))
        sections.group(
            "effects", "What changes it?", [*matter_blocks(data), *effect_blocks(data), heat_block(data)]
        )
        sections.group("keepers", "Keepers", [keeper_block(data)])
        sections.group("worst", "The worst runs", [worst_block(data)])
    sections.group("run", "What was run", [run_block(data), failed_block(data)])
    values = {
        "title": esc(data.sweep.title),
        "subtitle": esc(_subtitle(data)),
        "notices": "".join(f'<p class="notice {kind}">{esc(text)}</p>' for kind, text in notices(data)),
        "verdict": esc(f"{how_often(data)} {needed_sentence(found, data.unit)}".strip()),
        "figures": "".join(
            f"<div><dt>{esc(name)}</dt><dd>{esc(value)}<small>{esc(detail)}</small></dd></div>"
            for name, value, detail in key_figures(data, found)
        ),
        "contents": sections.contents(),
        "sections": sections.html(),
        "css": static("page.css") + static("sweep.css"),
        "script": static("page.js") + static("sweep.js"),
    }
    return PLACE.sub(lambda match: values[match[1]], static("sweep.html"))


def notices(data: SweepData) -> list[tuple[str, str]]:
    """What a reader must know before believing anything below."""
    found = []
    there, planned = data.frame.height, data.planned
    if there < planned:
        text = f"This sweep is not finished: the report covers {there:,} of {count(planned, 'run')}."
        found.append(("partial", text))
    if data.failed.height:
        broken = int((data.failed["status"] == "violation").sum())
        text = f"{data.failed.height:,} of {count(there, 'run')} failed and are in no figure (see the end)."
        if broken:
            text += f" In {broken:,} the books did not balance: do not trust this sweep before you know why."
        found.append(("bad" if broken else "partial", text))
    return found


def _subtitle(data: SweepData) -> str:
    varied = f"{', '.join(data.labels)} varied" if data.labels else "nothing varied"
    parts = [
        f"Scenario {data.sweep.scenario}",
        varied,
        count(data.points, "point"),
        count(data.sweep.seeds, "crash", "crashes") + (" each" if data.points > 1 else ""),
        count(data.done.height, "run"),
    ]
    return " \u00b7 ".join(parts)
