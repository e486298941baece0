"""What a reader may rely on: expectations met, books that balanced, gas that was checked."""

from __future__ import annotations

from perpsim.report.data import WAD, RunData, lookup, to_float
from perpsim.report.table import Cell, Table, figure, text
from perpsim.report.tables_run import flat
from perpsim.report.words import NOTHING, count, number, percent


def expectations(run: RunData) -> Table | None:
    """What the scenario's author expected of the summary's figures, against what came out."""
    listed = run.summary.get("expected")
    rows: list[list[Cell]] = []
    for item in listed if isinstance(listed, list) else []:
        if not isinstance(item, dict):
            continue
        met = {True: "yes", False: "no"}.get(item.get("holds"), NOTHING)  # type: ignore[arg-type]
        row = [text(item.get("figure", NOTHING)), figure(to_float(item.get("value")))]
        row += [figure(to_float(item.get(key))) for key in ("low", "high")]
        rows.append([*row, text(met), figure(to_float(item.get("real"))), text(item.get("note") or "")])
    heads = ("Figure", "In this run", "Expected from", "to", "Met", "In reality", "Note")
    return Table(heads, rows, look="pairs notes") if rows else None


RULES = (
    ("invariant 1", "The exchange holds the tokens that it owes its users, and the fund those of its books."),
    ("invariant 2", "Longs and shorts add up to the same open interest."),
    ("invariant 3", "Order books are what the log says, and no bid is above an ask."),
    ("invariant 6", "The fund moves only by what its own events say."),
    ("invariant 7", "Every loss is booked in full, and the shares of those who paid add up to it."),
    ("", "Every account and every stake rebuilt from the log is what the contracts say, to the last unit."),
)


def invariants(run: RunData) -> Table | None:
    """The rules that the simulation checks, and whether they held."""
    checked = run.number("invariants.checked")
    if checked is None:
        return None
    broken = lookup(run.summary, "violation")
    broken = broken if isinstance(broken, str) else ""
    named = any(key and key in broken for key, _ in RULES)
    rows: list[list[Cell]] = []
    for key, rule in RULES:
        guilty = bool(broken) and (key in broken if key else not named)
        held = "held at " + count(checked, "check") if checked else "not checked"
        rows.append([text(rule), text(f"broken: {broken}" if guilty else held)])
    dust = run.number("invariants.dust")
    if dust is not None:
        rows.append([text("Left over from rounding, at the most"), text(f"{dust / WAD:.3g} {run.unit}")])
    return Table(("What", "Result"), rows, look="pairs")


AUDIT = (
    ("audited", "Transactions that a second EVM (py-evm) ran as well", lambda v: number(v, 0)),
    ("transactions", "of", lambda v: number(v, 0)),
    ("share", "Share", percent),
    ("disagreements", "Disagreements in status, return data, logs or state", lambda v: number(v, 0)),
    ("model.exact", "Transactions whose gas was measured exactly", lambda v: number(v, 0)),
    ("model.estimated", "Transactions whose gas the model worked out", lambda v: number(v, 0)),
    ("model.samples", "Transactions the gas model was compared on", lambda v: number(v, 0)),
    ("model.mean_error", "Mean error of the gas model", percent),
    ("model.p99_error", "Error that 99 of 100 transactions stay under", percent),
    ("model.max_error", "Largest error", percent),
)


def audit(run: RunData) -> Table | None:
    """How much of the run a second EVM repeated, and how far the gas figures can be off."""
    found = run.summary.get("audit")
    if not isinstance(found, dict) or not found:
        return None
    rows: list[list[Cell]] = []
    for key, told, shown in AUDIT:
        value = to_float(lookup(found, key))
        if value is not None:
            rows.append([text(told), (shown(value), value)])
    known = {key for key, _, _ in AUDIT}
    rows += [[text(key), text(value)] for key, value in flat(found) if key not in known]
    return Table(("What", "Result"), rows, look="pairs")
