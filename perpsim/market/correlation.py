"""Correlated drivers: from a matrix of correlations to what makes independent noise obey it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

# Matrices are written with a few digits: an eigenvalue so little below zero is taken for zero.
_TOLERANCE = 1e-9


def correlation_matrix(
    correlation: float | Sequence[Sequence[float]] | None, drawn: Sequence[bool]
) -> FloatArray:
    """The correlation matrix of all markets; `drawn` says which have a driver at all.

    A number stands for every pair of drawn markets, None for none. Raises `ValueError` where there is no
    such matrix.
    """
    count = len(drawn)
    if isinstance(correlation, Sequence):
        full = np.array(correlation, dtype=np.float64)
        if full.shape != (count, count):
            raise ValueError(f"must have a row and a column for each of {count} markets, not {full.shape[0]}")
    else:
        pairs = np.outer(drawn, drawn)
        full = np.where(pairs, 0.0 if correlation is None else float(correlation), 0.0)
        np.fill_diagonal(full, 1.0)
    _check(full, drawn)
    return full


def _check(full: FloatArray, drawn: Sequence[bool]) -> None:
    for row in range(len(drawn)):
        if full[row, row] != 1:
            raise ValueError(f"row {row}: a market's correlation with itself is 1, not {full[row, row]:g}")
        for column in range(row):
            value, mirrored = full[row, column], full[column, row]
            if value != mirrored:
                raise ValueError(
                    f"must be symmetric: row {row}, column {column} is {value:g}, the other way {mirrored:g}"
                )
            if not -1 <= value <= 1:
                raise ValueError(f"row {row}, column {column}: must lie between -1 and 1, not {value:g}")
            if value and not (drawn[row] and drawn[column]):
                table = column if drawn[row] else row
                raise ValueError(
                    f"row {row}, column {column}: market {table} follows a table of prices, which nothing "
                    "can be correlated with: 0 there, or draw its path"
                )
    least = float(np.linalg.eigvalsh(full)[0])
    if least < -_TOLERANCE:
        raise ValueError(
            f"not positive semi-definite (an eigenvalue is {least:.3g}), no prices can move so: "
            "bring its figures closer to zero"
        )


def factor(full: FloatArray) -> FloatArray:
    """The lower triangle L with L L' = `full`, which may be singular (markets that move as one).

    Lower: the driver of a market depends on the noise of earlier ones only, whatever comes after it.
    """
    count = full.shape[0]
    lower = np.zeros_like(full)
    for column in range(count):
        left = full[column:, column] - lower[column:, :column] @ lower[column, :column]
        if left[0] > _TOLERANCE:
            lower[column:, column] = left / np.sqrt(left[0])
    return lower


def combine(lower: FloatArray, noise: Sequence[FloatArray]) -> list[FloatArray]:
    """Drivers of all markets from independent standard noise, one array a market."""
    drivers = []
    for row in lower:
        # Summed up one by one: a matrix product rounds differently with the number of blocks.
        driver = np.zeros_like(noise[0])
        for weight, part in zip(row, noise):
            if weight:
                driver = driver + weight * part
        drivers.append(driver)
    return drivers
