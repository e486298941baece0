"""What each crash of a sweep asks of the fund (`fund.need`, see `perpsim.simulation.fund_need`).

A run whose fund was enough says exactly what its crash needs, however large that fund was: with more money
the same would have happened. Where winners were deleveraged although the fund had money (a cap, no bids
within the cover slippage, keepers who have waited long enough) no fund is large enough. Where the fund came
to its end the crash needs more than it had, and the run does not tell how much.

All this is of a fund without stakers: what these bring and take out depends on how the fund fares, so that a
need that was read off one size is no more than a guess at another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from perpsim.sweeps.cases import VARY, column, labels_of
from perpsim.sweeps.model import Sweep

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

FUND_KEY = "fund.initial"
_COLUMNS = ("fund.need", "fund.enough", "fund.exhausted")


def fund_label(sweep: Sweep) -> str | None:
    """What tables call the fund's size, if it varies."""
    return next((one.title for one in sweep.vary if FUND_KEY in one.key), None)


@dataclass(frozen=True)
class Needs:
    """A crash each: `rows` are the runs that tell, `need` is infinite where it is not known. `hopeless`: no
    fund is enough. `unknown`: all funds that were tried came to their end. `with_stakers`: the fund took
    stakes, so that all needs are guesses."""

    rows: pl.DataFrame
    need: Floats
    hopeless: Flags
    unknown: Flags
    with_stakers: bool = False

    @classmethod
    def of(cls, rows: pl.DataFrame, fund: str | None, with_stakers: bool = False) -> Needs:
        """From rows that count. With several funds (label `fund`) the run with the largest one tells."""
        others = [f"{VARY}{label}" for label in labels_of(rows) if label != fund]
        told = rows.sort("fund.start", "point", descending=[True, False])
        told = told.unique([*others, "seed"], keep="first", maintain_order=True).sort("point", "seed")
        need, enough, exhausted = (column(told, name) for name in _COLUMNS)
        is_enough, is_exhausted = enough > 0, exhausted > 0
        return cls(
            rows=told,
            need=np.where(is_enough, need, np.inf),
            hopeless=~is_enough & ~is_exhausted,
            unknown=~is_enough & is_exhausted,
            with_stakers=with_stakers,
        )

    @property
    def count(self) -> int:
        """Crashes."""
        return self.need.size
