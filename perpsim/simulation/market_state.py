"""The exchange's market state as its log tells it: exact, in the integers of the contracts.

`MarketState` repeats the clearinghouse's funding and side-index arithmetic (SPECIFICATION.md,
contracts/modules/side_index.vy), so that positions can be settled without asking the contracts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from perpsim.scenarios import Market

FloatArray = npt.NDArray[np.float64]

WAD = 10**18
A_ONE = 10**36
FLOW_SCALE = 10**24
SPREAD_SCALE = 10**6
FUNDING_PERIOD = 8 * 3600
LONG = 0
SHORT = 1


@dataclass(frozen=True)
class OpenList:
    """A list for which a market is frozen: account and keeper by number and address, times in seconds.

    `moved` is when it last got on: some accounts were handed in or asked; when it was `opened` at first.
    """

    account: int
    keeper: str
    opened: int
    moved: int
    deadline: int


@dataclass
class MarketState:
    """One market. Prices and quote WAD, `a` 1e36, `k` 1e-30 quote per basis unit, times in seconds."""

    index: int = 0
    index_time: int = 0
    mark: int = 0
    basis: int = 0
    premium: int = 0
    funding_per_second: int = 0
    accrued_at: int = 0
    flow: int = 0
    open_interest: int = 0
    a: list[int] = field(default_factory=lambda: [A_ONE, A_ONE])
    k: list[int] = field(default_factory=lambda: [0, 0])
    epoch: list[int] = field(default_factory=lambda: [0, 0])
    #: no deleveraging and no new epoch so far: every `a` that a position saw is 1
    pristine: bool = True
    final_k: dict[tuple[int, int], int] = field(default_factory=dict)
    open_list: OpenList | None = None
    #: a list has timed out: until then (seconds) everything goes by index
    by_index_until: int = 0

    def k_now(self, side: int, time: int) -> int:
        """`k` of a side with funding accrued to `time`."""
        flow = self.flow + self.funding_per_second * (time - self.accrued_at)
        if not flow:
            return self.k[side]
        return self.k[side] + self.a[side] * (flow if side else -flow) // FLOW_SCALE

    def accrue(self, time: int) -> None:
        """Bring both sides to `time`, as the contracts do whenever they write the side index."""
        self.k = [self.k_now(LONG, time), self.k_now(SHORT, time)]
        self.flow = -self.funding_per_second * (time - self.accrued_at)

    def settle(self, size: int, entry: int, seen: tuple[int, int, int], time: int) -> tuple[int, int, int]:
        """Size, entry value and gain of collateral (WAD) of a position that last saw (a, k, epoch) `seen`."""
        side = SHORT if size < 0 else LONG
        a_seen, k_seen, opened = seen
        if opened == self.epoch[side]:
            a, k = self.a[side], self.k_now(side, time)
        else:
            a, k = 0, self.final_k[(side, opened)]
        gain = 0
        if k != k_seen:
            gain = abs(size) * (k - k_seen) * SPREAD_SCALE // a_seen
        if a == a_seen:
            return size, entry, gain
        left = truncated(size * a, a_seen)
        value = truncated(entry * a, a_seen)
        return left, value, gain - entry + value

    @property
    def funding_8h(self) -> float:
        """Funding rate of eight hours as a fraction."""
        return self.funding_per_second * FUNDING_PERIOD / self.mark if self.mark else 0.0


def truncated(numerator: int, denominator: int) -> int:
    """Signed division toward zero, as vyper's."""
    quotient = abs(numerator) // abs(denominator)
    return quotient if (numerator < 0) == (denominator < 0) else -quotient


class Schedule:
    """A margin schedule over arrays of notionals, in floats of quote units."""

    def __init__(self, market: Market) -> None:
        # The last tier also serves everything above its limit.
        self._limits = np.array([tier.limit for tier in market.tiers][:-1])
        self._initial = np.array([tier.initial for tier in market.tiers])
        self._maintenance = np.array([tier.maintenance for tier in market.tiers])
        self._deduction = np.array([tier.deduction for tier in market.tiers])

    def maintenance(self, notional: FloatArray) -> FloatArray:
        """Maintenance margin of each notional (quote units)."""
        return self._required(notional, self._maintenance)

    def initial(self, notional: FloatArray) -> FloatArray:
        """Initial margin of each notional (quote units)."""
        return self._required(notional, self._initial)

    def _required(self, notional: FloatArray, rates: FloatArray) -> FloatArray:
        # The contracts allow no deduction in the first tier. Few positions are beyond it.
        required: FloatArray = notional * rates[0]
        if self._limits.size:
            rows = (notional > self._limits[0]).nonzero()[0]
            if rows.size:
                large = notional[rows]
                tiers = np.searchsorted(self._limits, large, side="left")
                required[rows] = large * rates[tiers] - self._deduction[tiers]
        return required
