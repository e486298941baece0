"""Other people's transactions: they are not executed, but they take gas of the block and move the base fee.

Bids are arrays, a row a transaction, and wait in a pool of their own. They compete with ours by effective
tip; at the same tip they go first, they are many. Fees are wei per gas.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Bids:
    """`max_fee` and `tip` in wei per gas, `gas` that each uses, `expires`: last block that may include it."""

    max_fee: IntArray
    tip: IntArray
    gas: IntArray
    expires: IntArray

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.max_fee.size)

    def pick(self, rows: npt.NDArray[np.generic]) -> Bids:
        """Some of the rows: a mask or positions."""
        return Bids(self.max_fee[rows], self.tip[rows], self.gas[rows], self.expires[rows])

    def and_(self, more: Bids) -> Bids:
        """These and `more` behind them."""
        if not self.count:
            return more
        pairs = ((self.max_fee, more.max_fee), (self.tip, more.tip), (self.gas, more.gas))
        return Bids(*map(np.concatenate, (*pairs, (self.expires, more.expires))))


_NONE = Bids(*(np.zeros(0, dtype=np.int64) for _ in range(4)))


class OutsidePool:
    """Outside bids that wait. For each block: `open`, `take` with falling tips, `close`."""

    def __init__(self) -> None:
        self._bids = _NONE
        self._tips: IntArray = _NONE.tip
        self._order: IntArray = _NONE.tip
        self._at = 0
        self._best = -1
        self._skipped: list[IntArray] = []

    def __len__(self) -> int:
        return self._bids.count

    def add(self, bids: Bids) -> None:
        """Let more of them wait."""
        if bids.count:
            self._bids = self._bids.and_(bids)

    def open(self, base_fee: int) -> None:
        """Begin a block: who can pay the base fee, by effective tip."""
        bids = self._bids
        able = np.flatnonzero(bids.max_fee >= base_fee)
        tips = np.minimum(bids.tip[able], bids.max_fee[able] - base_fee)
        falling = np.argsort(-tips, kind="stable")
        self._order, self._tips = able[falling], -tips[falling]
        self._skipped = []
        self._reach(0)

    def _reach(self, at: int) -> None:
        """The first `at` in order have had their turn; `_best` is what the next one offers, -1 for nobody."""
        self._at = at
        self._best = -int(self._tips[at]) if at < self._tips.size else -1

    def take(self, tip: int, gas_left: int) -> int:
        """Include all who offer `tip` (wei per gas) or more, in their order, as far as they fit; the gas that
        they use. Who does not fit waits and smaller ones behind go ahead."""
        if tip > self._best or self._best < 0:
            return 0
        end = int(np.searchsorted(self._tips, -tip, side="right"))
        rows = self._order[self._at : end]
        self._reach(end)
        used = 0
        while rows.size:
            gas = self._bids.gas[rows]
            fits = int(np.searchsorted(np.cumsum(gas), gas_left - used, side="right"))
            used += int(gas[:fits].sum())
            self._skipped.append(rows[fits : fits + 1])
            rows = rows[fits + 1 :]
            small = self._bids.gas[rows] <= gas_left - used
            self._skipped.append(rows[~small])
            rows = rows[small]
        return used

    def close(self, block: int) -> None:
        """End block number `block`: those included and those whose time is over are gone."""
        bids = self._bids
        if not bids.count:
            return
        stay = bids.expires > block
        taken = np.ones(self._at, dtype=bool)
        included = self._order[: self._at]
        if self._skipped:
            taken = ~np.isin(included, np.concatenate(self._skipped))
        stay[included[taken]] = False
        self._bids = bids.pick(stay)

    def clear(self) -> None:
        """Forget everyone."""
        self._bids = _NONE

    def copy(self) -> OutsidePool:
        """Another one with the same bids; between blocks."""
        other = OutsidePool()
        other._bids = self._bids
        return other
