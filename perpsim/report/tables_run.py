"""What was run: settings and versions as pairs, and other people's words as lists."""

from __future__ import annotations

import re
from collections.abc import Iterable

from perpsim.report.data import RunData, lookup, to_float
from perpsim.report.table import Table, text
from perpsim.report.words import NOTHING

CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*@")  # of an engine's address
RUN_KEYS = ("engine", "digest", "wall_seconds", "gas_used", "reverted")  # of the summary
TEXT_KEYS = (
    "name",
    "title",
    "description",
    "sources",
    "expected",
    "modelled",
    "levers",
    "vary",
)  # of the parameters: shown apart


def pairs(found: Iterable[tuple[str, str]]) -> Table:
    """Names and values; credentials in addresses are left out."""
    rows = [[text(key), text(CREDENTIALS.sub("", value))] for key, value in found]
    return Table(("What", "Value"), rows, look="pairs")


def versions(run: RunData) -> Table:
    """Seed, digest and versions: what it takes to run the same again."""
    told = lookup(run.summary, "versions")
    found = [("seed", str(run.summary["seed"]))] if "seed" in run.summary else []
    found += flat({k: run.summary[k] for k in RUN_KEYS if k in run.summary})
    return pairs([*found, *flat({"version": told} if isinstance(told, dict) else {})])


def settings(run: RunData) -> Table:
    """Every parameter of the scenario."""
    return pairs(flat({k: v for k, v in run.parameters.items() if k not in (*TEXT_KEYS, "seed")}))


def told(found: object, *columns: tuple[str, str]) -> Table | None:
    """What a scenario's author says, from a list of records; `columns` are (key, heading)."""
    records = [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    rows = [[text(_line(item.get(key, NOTHING))) for key, _ in columns] for item in records]
    return Table([head for _, head in columns], rows, look="pairs") if rows else None


def _line(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def flat(tree: object, path: str = "") -> list[tuple[str, str]]:
    """Nested parameters as (dotted path, value); short lists of plain values stay on one line."""
    if isinstance(tree, dict):
        return [
            pair for key, value in tree.items() for pair in flat(value, f"{path}.{key}" if path else str(key))
        ]
    if isinstance(tree, list):
        if any(isinstance(v, dict) for v in tree):
            return [pair for i, value in enumerate(tree) for pair in flat(value, f"{path}[{i}]")]
        shown = ", ".join(str(v) for v in tree[:6])
        return [(path, shown + (f" ... ({len(tree)} in all)" if len(tree) > 6 else ""))]
    if not isinstance(tree, str) and (value := to_float(tree)) is not None and value.is_integer():
        return [(path, f"{value:,.0f}" if isinstance(tree, float) else f"{tree:,}")]
    return [(path, NOTHING if tree is None else str(tree))]
