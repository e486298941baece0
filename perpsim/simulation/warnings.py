"""Warning signs: what could be seen coming, as a time series, and how early it was seen.

A sample says how the exchange stands: the fund against open interest, what sudden moves would cost
(`perpsim.simulation.stress`), how many accounts are near liquidation, funding, growth, how fast the fund
falls. A sign is on while its figure is beyond the threshold of the scenario. Afterwards each is held against
the crash: the first deleveraging, or the beginning of the hour that cost the fund most, whichever was first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from perpsim.scenarios import Scenario
from perpsim.scenarios.warnings import Signs
from perpsim.simulation.account_table import Health
from perpsim.simulation.indexer import Indexer
from perpsim.simulation.ledger import Ledger
from perpsim.simulation.market_state import WAD
from perpsim.simulation.stress import Exposure, Ladder, Rules, stress

FloatArray = npt.NDArray[np.float64]
Sample = dict[str, Any]

#: sudden moves whose cost is worked out, and distances within which accounts count as near, percent
MOVES = (5, 10, 20, 30)
NEAR = (1, 2, 5, 10)
#: the move, percent either way, that the fund is held against
STRESS = 20
HOUR = 3600
# Share of an hour's loss that is gone when the crash counts as begun.
_BEGUN = 0.1
_NOT_A_NUMBER = float("nan")

_COLUMNS: dict[str, Any] = {
    "block": pl.Int64,
    "time": pl.Int64,
    **{
        name: pl.Float64
        for name in ("fund", "open_interest", "fund_to_oi", "fund_fall", "oi_growth", "funding", "crowding")
    },
    **{f"near_{percent}": pl.Int64 for percent in NEAR},
    **{f"near_notional_{percent}": pl.Float64 for percent in NEAR},
    **{f"{name}_{percent}": pl.Float64 for percent in MOVES for name in ("loss", "need")},
    **{f"{name}_up_{percent}": pl.Float64 for percent in MOVES for name in ("loss", "need")},
    "cover2": pl.Float64,
    "near_share_10": pl.Float64,
    **{f"on_{sign}": pl.Boolean for sign in Signs.model_fields if sign != "growth_hours"},
}
SIGNS = [name.removeprefix("on_") for name in _COLUMNS if name.startswith("on_")]


class Warner:
    """Takes a sample every so many blocks. `coverage` is the most that the fund would pay, quote units."""

    def __init__(self, scenario: Scenario, indexer: Indexer, ledger: Ledger) -> None:
        self.config = scenario.warnings
        self.samples: list[Sample] = []
        self._indexer = indexer
        self._ledger = ledger
        self._rules = [Rules(market) for market in scenario.markets]
        self._caps = np.array([market.funding.cap for market in scenario.markets])
        # A breaker stops payments when the fund has fallen by that share.
        self._breaker, self._cap = scenario.fund.breaker or 1.0, scenario.fund.cap

    def block(self, block: int, time: int, health: Health, last: bool = False) -> None:
        """The state after a block; a sample where one is due."""
        every = self.config.every
        if not every or (block % every and not last) or (self.samples and self.samples[-1]["block"] == block):
            return
        exposure = self.exposure(health)
        if exposure is not None:
            self.samples.append(self._sample(block, time, exposure))

    def exposure(self, health: Health) -> Exposure | None:
        """What a stress is worked out on; None before there are prices."""
        states, ledger = self._indexer.states, self._ledger
        if not all(state.mark > 0 for state in states):
            return None
        fund = ledger.fund / ledger.token
        limit = fund * self._breaker
        held = np.flatnonzero(health.maintenance > 0)
        return Exposure(
            rules=self._rules,
            marks=np.array([state.mark / WAD for state in states]),
            indices=np.array([state.index / WAD for state in states]),
            sizes=health.size[:, held],
            equity=health.equity[held],
            ladders=[(Ladder.of(book, 1), Ladder.of(book, -1)) for book in self._indexer.orders],
            coverage=limit if self._cap is None else min(limit, self._cap),
        )

    def _sample(self, block: int, time: int, exposure: Exposure) -> Sample:
        ledger, states = self._ledger, self._indexer.states
        interest = float(sum(state.open_interest / WAD * state.mark / WAD for state in states))
        fund = ledger.fund / ledger.token
        rates = np.array([abs(state.funding_8h) for state in states])
        sample: Sample = {
            "block": block,
            "time": time,
            "fund": fund,
            "open_interest": interest,
            "fund_to_oi": fund / interest if interest > 0 else _NOT_A_NUMBER,
            "fund_fall": self._fall(time, fund),
            "oi_growth": self._growth(time, interest),
            "funding": float(np.max(rates / np.where(self._caps > 0, self._caps, np.inf))),
            **near(exposure),
        }
        for percent in MOVES:
            for suffix, move in (("", -percent / 100), ("_up", percent / 100)):
                found = stress(exposure, move)
                sample[f"loss{suffix}_{percent}"] = found.loss
                sample[f"need{suffix}_{percent}"] = found.need
        sample["cover2"] = max(exposure.largest_losses(move / 100, accounts=2) for move in (-STRESS, STRESS))
        signs = lit(sample, self.config.signs)
        return sample | {f"on_{sign}": on for sign, on in signs.items()}

    @property
    def cover2(self) -> float | None:
        """The highest so far of what the two accounts that a move of `STRESS` percent hits worst lose beyond
        their margin, quote units; None without samples."""
        return max((sample["cover2"] for sample in self.samples), default=None)

    def _fall(self, time: int, fund: float) -> float:
        """Share of the fund that is gone since its highest of the last hour."""
        highest = max([fund, *(row["fund"] for row in self._since(time - HOUR))])
        return 1 - fund / highest if highest > 0 else 0.0

    def _growth(self, time: int, interest: float) -> float:
        """Open interest against what it was; not a number while the run is too young."""
        ago = time - self.config.signs.growth_hours * HOUR
        if not self.samples or self.samples[0]["time"] > ago:
            return _NOT_A_NUMBER
        then = next(row for row in self._since(ago))["open_interest"]
        return interest / then if then > 0 else _NOT_A_NUMBER

    def _since(self, moment: float) -> list[Sample]:
        rows = self.samples
        first = len(rows)
        while first and rows[first - 1]["time"] >= moment:
            first -= 1
        return rows[first:]

    def frame(self) -> pl.DataFrame:
        """All samples."""
        return pl.DataFrame(self.samples, schema=_COLUMNS, orient="row")

    def summary(self, times: Sequence[int], funds: Sequence[float]) -> dict[str, Any]:
        """How early each sign was on; `times` and `funds` have an entry for each block."""
        first_adl = min((row["time"] for row in self._ledger.adl), default=None)
        hour = worst_hour(times, self._without_stakes(times, funds))
        crash, cause = hit(first_adl, hour, self.config.notable)
        return {
            "every": self.config.every,
            "samples": len(self.samples),
            "crash": crash,
            "cause": cause,
            "worst_hour": hour,
            "signs": {
                sign: {
                    "text": WORDS[sign](getattr(self.config.signs, sign)),
                    "threshold": getattr(self.config.signs, sign),
                    **judged([(row["time"], row[f"on_{sign}"]) for row in self.samples], crash),
                }
                for sign in SIGNS
            },
        }

    def _without_stakes(self, times: Sequence[int], funds: Sequence[float]) -> FloatArray:
        """What the fund would have held had nobody joined or left: it is no loss when its owners take it."""
        moved = np.zeros(len(times))
        for row in self._ledger.fund_rows:
            if row["kind"] in ("stake", "unstake"):
                at = int(np.searchsorted(times, row["time"]))
                moved[at:] += row["amount_f64"]
        taken = np.maximum(-moved, 0.0)
        return np.asarray(funds) + taken


WORDS: dict[str, Callable[[float], str]] = {
    "stress": lambda bound: f"a move of {STRESS} % would cost more than {bound:g} times the fund",
    "fund": lambda bound: f"fund below {100 * bound:g} % of open interest",
    "crowding": lambda bound: f"a move of 5 % would liquidate more than {bound:g} times the book's depth",
    "leverage": lambda bound: f"a move of 10 % would liquidate more than {100 * bound:g} % of what is held",
    "funding": lambda bound: f"funding above {100 * bound:g} % of its cap",
    "growth": lambda bound: f"open interest more than {bound:g} times what it was",
    "speed": lambda bound: f"fund down more than {100 * bound:g} % within an hour",
}


def near(exposure: Exposure) -> Sample:
    """Accounts, and their notional, that a small move either way would liquidate; and the crowding."""
    notional = np.abs(exposure.sizes * exposure.marks[:, None])
    total, each = float(notional.sum()), notional.sum(axis=0)
    found: Sample = {}
    for percent in NEAR:
        below = [exposure.below(move) for move in (-percent / 100, percent / 100)]
        either = np.union1d(*below)
        found[f"near_{percent}"] = either.size
        found[f"near_notional_{percent}"] = float(each[either].sum())
        if percent == 5:
            found["crowding"] = _crowding(exposure, below)
    found["near_share_10"] = found["near_notional_10"] / total if total > 0 else 0.0
    return found


def _crowding(exposure: Exposure, below: Sequence[npt.NDArray[np.int64]]) -> float:
    """Highest of all markets and sides; not a number where positions meet an empty book."""
    highest = 0.0
    for market, (rules, mark) in enumerate(zip(exposure.rules, exposure.marks)):
        for number, (side, rows) in enumerate(zip((1, -1), below)):
            pending = float(np.maximum(exposure.sizes[market, rows] * side, 0.0).sum())
            if pending > 0:
                limit = side * mark - rules.terms.max_slippage * mark
                depth = float(exposure.ladders[market][number].down_to(np.array([limit]))[0])
                highest = max(highest, pending / depth if depth > 0 else np.inf)
    return highest if highest < np.inf else _NOT_A_NUMBER


def lit(sample: Sample, signs: Signs) -> dict[str, bool]:
    """Which signs are on. What is not a number is on only for the crowding: there the book is empty."""
    need = max(sample[f"need_{STRESS}"], sample[f"need_up_{STRESS}"])
    return {
        "stress": need > signs.stress * sample["fund"],
        "fund": sample["fund_to_oi"] < signs.fund,
        "crowding": not sample["crowding"] <= signs.crowding,
        "leverage": sample["near_share_10"] > signs.leverage,
        "funding": sample["funding"] > signs.funding,
        "growth": sample["oi_growth"] > signs.growth,
        "speed": sample["fund_fall"] > signs.speed,
    }


def worst_hour(times: Sequence[int], funds: npt.ArrayLike) -> dict[str, Any] | None:
    """When the fund lost most within an hour; None if it never lost.

    `loss` in quote units, `share` of the fund before it, `start` is when a tenth of the loss was gone.
    """
    if not times:
        return None
    time, fund = np.asarray(times), np.asarray(funds)
    ago = np.searchsorted(time, time - HOUR)
    lost = fund[ago] - fund
    worst = int(np.argmax(lost))
    if lost[worst] <= 0:
        return None
    before = fund[ago[worst]]
    gone = before - fund[ago[worst] : worst + 1] >= _BEGUN * lost[worst]
    start = int(ago[worst] + np.argmax(gone))
    return {"start": int(time[start]), "loss": float(lost[worst]), "share": float(lost[worst] / before)}


def hit(first_adl: int | None, hour: dict[str, Any] | None, notable: float) -> tuple[int | None, str | None]:
    """When the crash came, and what it was: the first deleveraging or the fund's worst hour if notable."""
    starts = []
    if first_adl is not None:
        starts.append((first_adl, "deleveraging"))
    if hour is not None and hour["share"] >= notable:
        starts.append((hour["start"], "worst hour"))
    return min(starts) if starts else (None, None)


def judged(series: Sequence[tuple[int, bool]], crash: int | None) -> dict[str, Any]:
    """How a sign, as (time, on), did against the crash."""
    before = [(time, on) for time, on in series if crash is None or time < crash]
    first = next((time for time, on in series if on), None)
    since = None
    for time, on in before:
        since = (time if since is None else since) if on else None
    early = crash is not None and first is not None and first < crash
    return {
        "first": first,
        "since": since if crash is not None else None,
        "lead_seconds": crash - first if early and crash is not None and first is not None else None,
        "standing_seconds": crash - since if crash is not None and since is not None else None,
        "share_before": sum(on for _, on in before) / len(before) if before else 0.0,
    }
