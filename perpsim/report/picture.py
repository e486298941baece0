"""The flow of money as one picture: a standalone SVG for the report and for the README."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from perpsim.report.data import ReportError, load
from perpsim.report.facts import gather
from perpsim.report.figure import BLUE, INK
from perpsim.report.flows import FUND, Flow, MoneyFlow, money_flow
from perpsim.report.words import esc, money

BAR = 14  # width of a node
NARROW = 600  # below that, names are broken into short lines
USABLE = 230  # height of all the money together
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


@dataclass
class _Box:
    """A node, or the place where a flow passes the fund by."""

    key: str
    x: float
    y: float
    height: float
    taken_in: float = 0.0  # of the height, by ribbons that were already drawn
    taken_out: float = 0.0


def money_flow_svg(run_dir: Path, width: int = 960) -> str:
    """The picture of a run folder with a title, able to stand alone (on white, whatever is behind it)."""
    run = load(run_dir)
    flow = money_flow(run, gather(run))
    if flow is None:
        raise ReportError(f"{run_dir}: no flow of money is on record")
    scenario = run.summary.get("scenario")
    return draw(flow, width, f"Where the money went: {scenario}" if scenario else "Where the money went")


def write_money_flow(run_dir: Path, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(money_flow_svg(run_dir) + "\n", encoding="utf-8")
    return path


def draw(flow: MoneyFlow, width: int, title: str = "") -> str:
    """As SVG, `width` units wide; the height follows what there is to show."""
    margin = 20 if title else 2
    top = 62 if title else 6
    left = [n for n in flow.nodes if n.side == 0]
    right = [n for n in flow.nodes if n.side == 2]
    passing = [f for f in flow.flows if FUND not in (f.source, f.target)]
    above = [f for f in passing if f.target == "keepers"]
    middle = [*(_name(f) for f in above), FUND, *(_name(f) for f in passing if f not in above)]
    amounts = {n.key: flow.through(n.key) for n in flow.nodes} | {_name(f): f.amount for f in passing}
    amounts[FUND] = flow.through(FUND)
    columns = ([n.key for n in left], middle, [n.key for n in right])
    names = {n.key: _lines(n.name, width) for n in flow.nodes} | {FUND: ["Insurance fund"]}
    line = 15 if width < NARROW else 17
    sums = {n.key: [money(flow.through(n.key), flow.unit)] for n in flow.nodes} | {FUND: _change(flow, width)}
    room = {k: 14.0 if ">" in k else 10.0 + line * len(names[k] + sums[k]) for c in columns for k in c}
    scale = USABLE / max(sum(amounts[k] for k in c) or 1e-300 for c in columns)
    heights = {k: max(2.0, v * scale) for k, v in amounts.items()}
    tall = max(sum(heights[k] + room[k] for k in c) for c in columns)
    boxes: dict[str, _Box] = {}
    for i, column in enumerate(columns):
        y = top + (tall - sum(heights[k] + room[k] for k in column)) / 2
        for key in column:
            y += room[key]
            x = margin + i * (width - 2 * margin - BAR) / 2
            boxes[key] = _Box(key, x, y, heights[key])
            y += heights[key]
    height = top + tall + margin
    colors = {n.key: n.color for n in flow.nodes} | {FUND: BLUE}
    parts = [*_ribbons(flow, boxes, colors, scale), *_nodes(flow, boxes, names, sums, line)]
    if title:
        parts.insert(0, f'<rect width="{width}" height="{height:.0f}" rx="8" fill="#fff"/>')
        parts.append(f'<text x="{margin}" y="34" font-size="19" font-weight="600">{esc(title)}</text>')
    said = "; ".join(
        f"{_called(flow, f.source)} to {_called(flow, f.target)}: {money(f.amount, flow.unit)}"
        for f in flow.flows
    )
    size = 12 if width < NARROW else 14
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.0f}" width="{width}" '
        f'height="{height:.0f}" role="img" font-family="{FONT}" font-size="{size}" fill="{INK}">'
        f"<title>{esc(title or 'Where the money went')}</title><desc>{esc(said)}</desc>{''.join(parts)}</svg>"
    )


def _name(flow: Flow) -> str:
    return f"{flow.source}>{flow.target}"


def _lines(name: str, width: int) -> list[str]:
    return textwrap.wrap(name, 18) if width < NARROW else [name]


def _called(flow: MoneyFlow, key: str) -> str:
    return next((n.name for n in flow.nodes if n.key == key), "Insurance fund")


def _ribbons(flow: MoneyFlow, boxes: dict[str, _Box], colors: dict[str, str], scale: float) -> list[str]:
    """In the order of the flows, so that they leave and arrive in the order of the nodes."""
    result = []
    for f in flow.flows:
        via = boxes.get(_name(f))
        stops = [boxes[f.source], *([via] if via else []), boxes[f.target]]
        thick = max(1.5, f.amount * scale)
        for a, b in pairwise(stops):
            y0, y1 = a.y + a.taken_out, b.y + b.taken_in
            a.taken_out += thick
            b.taken_in += thick
            start = a.x if a is via else a.x + BAR
            end = b.x + (BAR if b is via else 0)
            bend = (start + end) / 2
            result.append(
                f'<path d="M{start:.1f},{y0:.1f}C{bend:.1f},{y0:.1f} {bend:.1f},{y1:.1f} {end:.1f},{y1:.1f}'
                f"v{thick:.1f}C{bend:.1f},{y1 + thick:.1f} {bend:.1f},{y0 + thick:.1f} {start:.1f},"
                f'{y0 + thick:.1f}z" fill="{colors[f.source]}" fill-opacity="{0.28 if thick > 6 else 0.6}"/>'
            )
            if a is via:
                a.taken_in = a.taken_out = 0.0
    return result


def _change(flow: MoneyFlow, width: int) -> list[str]:
    """The fund before and after, in short lines where it is narrow."""
    if flow.fund_start is None or flow.fund_end is None:
        return []
    lines = [f"{money(flow.fund_start)} \u2192", money(flow.fund_end)]
    return lines if width < NARROW else [" ".join(lines)]


def _nodes(
    flow: MoneyFlow,
    boxes: dict[str, _Box],
    names: dict[str, list[str]],
    sums: dict[str, list[str]],
    line: int,
) -> list[str]:
    result = []
    for node in flow.nodes:
        box = boxes[node.key]
        anchor, x = ("start", box.x) if node.side == 0 else ("end", box.x + BAR)
        result += _label(x, box.y, anchor, names[node.key], sums[node.key], line)
        result.append(_bar(box, node.color))
    fund = boxes[FUND]
    if flow.through(FUND) > 0:
        result += _label(fund.x + BAR / 2, fund.y, "middle", names[FUND], sums[FUND], line)
        result.append(_bar(fund, BLUE))
    return result


def _bar(box: _Box, color: str) -> str:
    place = f'x="{box.x:.1f}" y="{box.y:.1f}" width="{BAR}" height="{box.height:.1f}"'
    return f'<rect {place} rx="2" fill="{color}"/>'


def _label(x: float, y: float, anchor: str, names: list[str], sums: list[str], line: int) -> list[str]:
    """Lines above a node: its name, and amounts below that."""
    look = f'x="{x:.1f}" text-anchor="{anchor}" paint-order="stroke" stroke="#fff" stroke-width="4"'
    result = []
    for i, words in enumerate(reversed([*names, *sums])):
        weight = "" if i < len(sums) else ' font-weight="600"'
        result.append(f'<text {look} y="{y - 7 - i * line:.1f}"{weight}>{esc(words)}</text>')
    return result
