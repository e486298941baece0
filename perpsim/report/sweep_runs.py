"""What was run, what failed, keepers' economics, and how the worst runs are done again."""

from __future__ import annotations

import shlex

import polars as pl

from perpsim.report import run_again
from perpsim.report.sections import block
from perpsim.report.sweep_data import SweepData
from perpsim.report.sweep_odds import setting_heads, settings, warned_cells
from perpsim.report.sweep_words import cell, setting
from perpsim.report.table import Cell, Table, amount, figure, text
from perpsim.report.words import NOTHING, count, duration, esc
from perpsim.sweeps.statistics import mean, probability

_WORST = 5
_REASONS = 20
#: (head, figure)
_KEEPERS = (
    ("Profit after gas", "keepers.profit"),
    ("Rewards", "keepers.reward"),
    ("Gas", "keepers.gas_cost"),
    ("Liquidations won", "keepers.won"),
    ("Beaten", "keepers.lost"),
    ("In vain", "keepers.vain"),
    ("Seconds under water", "keepers.underwater_seconds"),
    ("Longest under water", "keepers.underwater_worst"),
)


def keeper_block(data: SweepData) -> str:
    """What keepers earn in a run, and how often they lose money."""
    if not data.done["keepers.profit"].is_not_null().any():
        return ""
    rows = []
    estimates = []
    for case in data.cases:
        profit = case.sample("keepers.profit")
        found = [probability(profit < 0, case.seeds("keepers.profit"))]
        found += [mean(case.sample(name), case.seeds(name)) for _, name in _KEEPERS]
        estimates += found
        row = [*settings(case.values, case.name), figure(float(case.crashes))]
        rows.append([*row, *(cell(one, share=not at) for at, one in enumerate(found))])
    heads = [
        *setting_heads(data.cases[0].values),
        "Crashes",
        "P(keepers lose)",
        *(head for head, _ in _KEEPERS),
    ]
    return block(
        "Does it pay to be a keeper?",
        f"Means over the runs with their 95 % intervals, all keepers together, amounts in {data.unit}. Who "
        "waits costs the fund: the last columns say how long accounts were under water before help came.",
        Table(heads, rows, note=warned_cells(estimates)).html(),
    )


def worst_block(data: SweepData) -> str:
    """The runs that lost most, and the command of each."""
    worst = data.done.sort(
        "shortfall.total", "shortfall.adl", "seed", descending=[True, True, False], nulls_last=True
    )
    worst = worst.head(_WORST)
    if not worst.height:
        return ""
    heads = [*data.labels, "Seed", "Loss before the fund", "Paid by the fund", "Taken from winners", "Digest"]
    rows: list[list[Cell]] = []
    for run in worst.iter_rows(named=True):
        values = [run[f"vary.{label}"] for label in data.labels]
        row: list[Cell] = [(setting(v), None if isinstance(v, str) else float(v)) for v in values]
        row.append((str(run["seed"]), float(run["seed"])))
        row += [amount(run[name]) for name in ("shortfall.total", "shortfall.paid_by_fund", "shortfall.adl")]
        rows.append([*row, text(run["digest"][:16])])
    lines = [command(data, run["point"], run["seed"]) for run in worst.iter_rows(named=True)]
    told = "".join(f"<li><code>{esc(line)}</code></li>" for line in lines if line)
    return block(
        "Which crashes were worst?",
        f"The runs with the largest loss beyond margins, {data.unit}. The commands do them again, with a "
        "report of their own; the digest of the log is the same.",
        Table(heads, rows).html()
        + (f'<ol class="commands" aria-label="Commands">{told}</ol>' if told else ""),
    )


def command(data: SweepData, point: int, seed: int) -> str:
    """The command line that does a run again; '' where the base scenario is not there any more."""
    # a search's own points are none of the design's
    if data.design is None or point >= data.design.points:
        return ""
    return run_again.command(data.sweep.scenario, data.sweep.set, data.design.overrides(point), seed)


def failed_block(data: SweepData) -> str:
    """The runs that failed: each reason, how often, and one run that had it."""
    if not data.failed.height:
        return ""
    found = (
        data.failed.group_by("status", "reason", maintain_order=True)
        .agg(pl.len(), pl.col("point").first(), pl.col("seed").first())
        .sort("len", descending=True)
    )
    rows = []
    for run in found.head(_REASONS).iter_rows(named=True):
        first = command(data, run["point"], run["seed"]) or f"point {run['point']}, seed {run['seed']}"
        rows.append([text(run["reason"] or run["status"]), figure(float(run["len"])), text(first)])
    more = found.height - len(rows)
    return block(
        "Which runs failed?",
        f"{count(data.failed.height, 'run')} of {data.frame.height:,}; they are in no figure above.",
        Table(
            ("Reason", "Runs", "The first of them"),
            rows,
            note=f"And {count(more, 'more reason')}." if more > 0 else "",
            look="pairs",
        ).html(),
    )


def run_block(data: SweepData) -> str:
    """What the sweep is: its scenario, what varies, how it is sampled, on what it was run."""
    sweep = data.sweep
    first, end = _seeds(data)
    sample: str = sweep.sample.kind
    if sweep.sample.points:
        sample += (
            f", base of {sweep.sample.points:,}" if sample == "saltelli" else f" of {sweep.sample.points:,}"
        )
        sample += f", drawn with seed {sweep.sample.seed}"
    seconds = float(data.done["seconds"].sum() or 0.0)
    pairs = [
        ("sweep", sweep.name),
        ("scenario", " ".join([sweep.scenario, *(f"--set {shlex.quote(one)}" for one in sweep.set)])),
        *((f"varied: {vary.title}", _varied(data, vary.title)) for vary in sweep.vary),
        ("points", f"{data.points:,} ({sample})"),
        (
            "seeds",
            f"{first:,} to {end - 1:,}: the same {count(sweep.seeds, 'crash', 'crashes')} for every point",
        ),
        ("runs", f"{data.done.height:,} done, {data.failed.height:,} failed, of {data.planned:,}"),
        ("computing time of the runs", duration(seconds)),
        ("mean of a run", f"{seconds / data.done.height:.2f} seconds" if data.done.height else NOTHING),
        *(data.description.get("versions") or {}).items(),
        ("program", str(data.description.get("program") or NOTHING)),
    ]
    return Table(("What", "Value"), [[text(key), text(value)] for key, value in pairs], look="pairs").html()


def _seeds(data: SweepData) -> tuple[int, int]:
    there = data.description.get("seeds")
    if isinstance(there, list) and len(there) == 2:
        return int(there[0]), int(there[1])
    first = int(data.frame["seed"].min() or 0)  # type: ignore[arg-type]
    return first, first + data.sweep.seeds


def _varied(data: SweepData, label: str) -> str:
    vary = data.vary(label)
    if vary.values is not None:
        told = ", ".join(setting(vary.shown(at)) for at in range(len(vary.values)))
    else:
        assert vary.low is not None and vary.high is not None
        told = f"{setting(vary.low)} to {setting(vary.high)}, {vary.scale} scale"
        told += f", {vary.points} values" if vary.points and data.sweep.sample.kind == "grid" else ""
        told += ", whole numbers" if vary.integer else ""
    return told if vary.key == [label] else f"{told} ({', '.join(vary.key)})"
