"""How early the warning signs warned."""

from __future__ import annotations

from typing import Any

from perpsim.report.data import RunData, lookup, to_float
from perpsim.report.table import Cell, Table, share, span_of, text, when
from perpsim.report.words import NOTHING, moment


def warnings(run: RunData) -> Table | None:
    """One row a sign: when it was first on, how long before the crash hit, and how often besides."""
    found = lookup(run.summary, "warnings.signs")
    crashed = run.number("warnings.crash") is not None
    rows = [_row(name, sign, crashed) for name, sign in found.items()] if isinstance(found, dict) else []
    heads = (
        "Sign",
        "First on (UTC)",
        "Before the crash",
        "On without a break before it",
        "On, of the time before",
    )
    return Table(heads, rows, look="pairs") if rows else None


def crash(run: RunData) -> str:
    """When and by what the crash hit, as the signs count it."""
    at, cause = run.number("warnings.crash"), lookup(run.summary, "warnings.cause")
    if at is None:
        return "No crash hit: nobody was deleveraged and no hour cost the fund much."
    by = {"deleveraging": "the first deleveraging", "worst hour": "the hour that cost the fund most"}
    return f"The crash hit on {moment(at)}: {by.get(str(cause), str(cause))}."


def _row(name: str, sign: Any, crashed: bool) -> list[Cell]:
    said = lookup(sign, "text") or name
    first, lead, standing, before = (
        to_float(lookup(sign, key)) for key in ("first", "lead_seconds", "standing_seconds", "share_before")
    )
    seen: Cell = ("never", None) if first is None else when(first)
    late: Cell = ("after it" if first is not None and crashed else NOTHING, None)
    early = late if lead is None else span_of(lead)
    return [text(said), seen, early, span_of(standing), share(before)]
