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
        # of the block that is open, in the order in which they may go in
        self._order = self._gas = self._sums = _NONE.gas
        self._included = np.zeros(0, dtype=bool)
        self._at, self._best = 0, -1

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
        self._gas = bids.gas[self._order]
        self._sums = np.cumsum(self._gas)
        self._included = np.zeros(able.size, dtype=bool)
        self._reach(0)

    def _reach(self, at: int) -> None:
        """The first `at` in order have had their turn; `_best` is what the next one offers, -1 for nobody."""
        self._at = at
        self._best = -int(self._tips[at]) if at < self._tips.size else -1

    def take(self, tip: int, gas_left: int) -> int:
        """Include all who offer `tip` (wei per gas) or more, in their order, as far as they fit; the gas that
        they use. Who does not fit waits and smaller ones behind go ahead."""
        if tip > self._best:
            return 0
        start, end = self._at, int(self._tips.searchsorted(-tip, side="right"))
        self._reach(end)
        wanted = int(self._sums[end - 1] - self._sums[start] + self._gas[start])
        if wanted <= gas_left:
            self._included[start:end] = True
            return wanted
        return self._squeeze(np.arange(start, end), gas_left)

    def _squeeze(self, places: IntArray, gas_left: int) -> int:
        """Include those at `places` in order that fit; the gas that they use."""
        used = 0
        while places.size:
            gas = self._gas[places]
            sums = gas.cumsum()
            fits = int(sums.searchsorted(gas_left - used, side="right"))
            self._included[places[:fits]] = True
            used += int(sums[fits - 1]) if fits else 0
            places = places[fits + 1 :][gas[fits + 1 :] <= gas_left - used]
        return used

    def close(self, block: int) -> None:
        """End block number `block`: those included and those whose time is over are gone."""
        stay = self._bids.expires > block
        stay[self._order[self._included]] = False
        self._bids = self._bids.pick(np.flatnonzero(stay))

    def clear(self) -> None:
        """Forget everyone."""
        self._bids = _NONE

    def copy(self) -> OutsidePool:
        """Another one with the same bids; between blocks."""
        other = OutsidePool()
        other._bids = self._bids
        return other
