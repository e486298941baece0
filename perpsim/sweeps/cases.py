"""Rows of a sweep: which of them count, which are asked for, and which belong together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from perpsim.errors import UserError
from perpsim.sweeps.model import Scalar, Sweep

VARY = "vary."


@dataclass(frozen=True)
class Failures:
    """Runs that are not counted: why, and how many of each; most first."""

    count: int
    reasons: tuple[tuple[str, int], ...]


def counted(frame: pl.DataFrame) -> tuple[pl.DataFrame, Failures]:
    """The rows whose figures count, and what became of the others."""
    good = pl.col("status") == "ok"
    failed = frame.filter(~good)
    reasons = (
        failed.group_by(pl.col("reason").fill_null(""))
        .len("runs")
        .sort("runs", "reason", descending=[True, False])
    )
    return frame.filter(good), Failures(failed.height, tuple(reasons.iter_rows()))


def seeds_of(rows: pl.DataFrame) -> npt.NDArray[np.int64] | None:
    """Seeds, where runs share them; else None: each run is a crash of its own."""
    seeds = rows["seed"]
    return seeds.to_numpy() if seeds.n_unique() < rows.height else None


def column(rows: pl.DataFrame, name: str) -> npt.NDArray[np.float64]:
    """The numbers of a figure."""
    if name not in rows.columns:
        raise UserError(f"figure {name}: the runs do not have it; were they made by another version?")
    return rows[name].cast(pl.Float64).to_numpy()


def labels_of(frame: pl.DataFrame) -> list[str]:
    """What varies."""
    return [name.removeprefix(VARY) for name in frame.columns if name.startswith(VARY)]


def cases(
    frame: pl.DataFrame, sweep: Sweep, apart_from: str | None = None
) -> Iterator[tuple[dict[str, Scalar], pl.DataFrame]]:
    """The rows of each combination of values that things take in steps, with these values by label. What
    varies without steps, and `apart_from`, is taken together."""
    stepped = sweep.sample.kind == "grid"
    labels = [
        one.title for one in sweep.vary if one.title != apart_from and (stepped or one.values is not None)
    ]
    parts = [frame]
    if labels:
        parts = frame.partition_by([f"{VARY}{label}" for label in labels], maintain_order=True)
    for rows in parts:
        if rows.height:
            yield {label: rows[f"{VARY}{label}"][0] for label in labels}, rows


def chosen(frame: pl.DataFrame, where: Sequence[str]) -> pl.DataFrame:
    """The rows that have the values of all conditions, each "LABEL=VALUE". Raises `UserError`."""
    labels = labels_of(frame)
    for condition in where:
        label, sign, text = (part.strip() for part in condition.partition("="))
        if not sign or label not in labels:
            known = f"what varies is {', '.join(labels)}" if labels else "nothing varies"
            raise UserError(f"--where {condition}: expected LABEL=VALUE, {known}")
        values = frame[f"{VARY}{label}"].unique().sort()
        try:
            wanted = float(text) if values.dtype == pl.Float64 else text
        except ValueError:
            raise UserError(f"--where {condition}: the values of {label} are numbers") from None
        kept = pl.col(f"{VARY}{label}") == wanted
        if isinstance(wanted, float):
            kept = (pl.col(f"{VARY}{label}") - wanted).abs() <= 1e-9 * abs(wanted)
        if not frame.filter(kept).height:
            some = ", ".join(f"{value:g}" if isinstance(value, float) else value for value in values.head(8))
            more = f" and {values.len() - 8:,} more" if values.len() > 8 else ""
            raise UserError(f"--where {condition}: no run has that, {label} is {some}{more}")
        frame = frame.filter(kept)
    return frame
