"""Fewer points to draw, with the extremes kept."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from perpsim.report.data import Floats


def decimate(values: Floats, target: int) -> npt.NDArray[np.int64]:
    """Indices of at most about `target` points: the lowest and the highest of each stretch, and both ends.

    A stretch of nothing but NaN keeps one of them, so that the line is broken there.
    """
    size = len(values)
    if size <= max(target, 4):
        return np.arange(size, dtype=np.int64)
    stretches = max(1, (target - 2) // 2)
    width = -(-size // stretches)
    rows = -(-size // width)
    padded = np.full(rows * width, np.nan)
    padded[:size] = values
    grid = padded.reshape(rows, width)
    hollow = np.isnan(grid)
    low = np.where(hollow, np.inf, grid).argmin(axis=1)
    high = np.where(hollow, -np.inf, grid).argmax(axis=1)
    base = np.arange(rows, dtype=np.int64) * width
    chosen = np.concatenate(([0], base + low, base + high, [size - 1]))
    kept: npt.NDArray[np.int64] = np.unique(chosen[chosen < size])
    return kept


def rounded(values: Floats, digits: int = 6) -> list[float | int | None]:
    """For JSON: `digits` significant digits, whole numbers without a point, None for what is not a number."""
    result: list[float | int | None] = []
    for value in values.tolist():
        if not np.isfinite(value):
            result.append(None)
            continue
        short = float(f"{value:.{digits}g}")
        result.append(int(short) if short == int(short) and abs(short) < 1e15 else short)
    return result


BINS = (60, 300, 900, 3600, 4 * 3600, 86400, 7 * 86400)
BIN_NAMES = {
    60: "minute",
    300: "five minutes",
    900: "quarter of an hour",
    3600: "hour",
    4 * 3600: "four hours",
    86400: "day",
    7 * 86400: "week",
}


def bin_width(span: float) -> int:
    """Seconds a bar: the smallest that gives no more than 72 bars."""
    return next((w for w in BINS if span / w <= 72), BINS[-1])


def fine_width(span: float) -> int:
    """Seconds a step of a line that stands for a stretch: about four in a bar."""
    return max((w for w in BINS if w <= bin_width(span) // 4), default=BINS[0])


def binned(times: Floats, amounts: Floats, width: int) -> tuple[Floats, Floats]:
    """Sums by stretches of `width` seconds: (their beginnings, the sums); empty stretches are left out."""
    if not len(times):
        return np.zeros(0), np.zeros(0)
    starts, where = np.unique(times // width * width, return_inverse=True)
    sums = np.bincount(where, weights=np.nan_to_num(amounts), minlength=len(starts))
    return starts.astype(np.float64), sums.astype(np.float64)
