"""A mirror of one order book, folded from its log: live orders in arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: best bid, best ask, notional of bids and asks near the mid
Look = tuple[float, float, float, float]

#: how far from the mid, as a fraction, orders count as depth
DEPTH_WIDTH = 0.02

WAD = 10**18


class OrderMirror:
    """Live orders. Prices and sizes also as floats (quote units, base units) for whoever only looks."""

    def __init__(self) -> None:
        self._slot: dict[int, int] = {}
        self._free: list[int] = []
        self._left: list[int] = []
        self.prices: FloatArray = np.zeros(256)
        # + for bids, - for asks, 0 for a free slot
        self.sizes: FloatArray = np.zeros(256)
        self.accounts: IntArray = np.zeros(256, dtype=np.int64)
        # Width and answer of the last `look`, while no order changes and there is a mid.
        self._looked: tuple[float, Look] | None = None

    def __len__(self) -> int:
        return len(self._slot)

    def placed(self, order: int, account: int, is_buy: bool, price: int, size: int) -> None:
        """An order rests with `size` (WAD) at `price` (WAD)."""
        self._looked = None
        if self._free:
            slot = self._free.pop()
            self._left[slot] = size
        else:
            slot = len(self._left)
            self._left.append(size)
            if slot >= self.prices.size:
                self._grow()
        self._slot[order] = slot
        self.prices[slot] = price / WAD
        self.sizes[slot] = (size if is_buy else -size) / WAD
        self.accounts[slot] = account

    def filled(self, order: int, size: int) -> None:
        """`size` (WAD, positive) of a resting order was filled."""
        slot = self._slot.get(order)
        if slot is None:
            return
        self._looked = None
        left = self._left[slot] - size
        if left <= 0:
            self.removed(order)
            return
        self._left[slot] = left
        self.sizes[slot] = left / WAD if self.sizes[slot] > 0 else -left / WAD

    def removed(self, order: int) -> None:
        """An order is gone, for whatever reason."""
        slot = self._slot.pop(order, None)
        if slot is not None:
            self._looked = None
            self.sizes[slot] = 0.0
            self._left[slot] = 0
            self._free.append(slot)

    def left(self, order: int) -> int:
        """What is left of an order, WAD; 0 if it is gone."""
        slot = self._slot.get(order)
        return 0 if slot is None else self._left[slot]

    def of(self, account: int) -> list[tuple[int, bool, float, int]]:
        """Live orders of an account: number, whether it buys, price (quote units), what is left (WAD)."""
        slots = self._slot.items()
        return [
            (order, bool(self.sizes[slot] > 0), float(self.prices[slot]), self._left[slot])
            for order, slot in slots
            if self.accounts[slot] == account
        ]

    def levels(self, is_buy: bool, count: int) -> list[tuple[float, int]]:
        """Price (quote units) and total size (WAD) of the best `count` levels of a side."""
        live = self.sizes[: len(self._left)]
        totals: dict[float, int] = {}
        for slot in np.flatnonzero(live > 0 if is_buy else live < 0).tolist():
            price = float(self.prices[slot])
            totals[price] = totals.get(price, 0) + self._left[slot]
        return sorted(totals.items(), reverse=is_buy)[:count]

    def top(self) -> tuple[float, float]:
        """Best bid and best ask (quote units), 0 for an empty side."""
        return self.look(0.0, 0.0)[:2]

    def look(self, width: float, fallback: float) -> Look:
        """Best bid, best ask, and the notional of bids and asks within `width` (fraction) of the mid.

        Without a mid the centre is `fallback` (quote units).
        """
        if self._looked is not None and self._looked[0] == width:
            return self._looked[1]
        live = slice(len(self._left))
        sizes, prices = self.sizes[live], self.prices[live]
        buys, sells = (sizes > 0).nonzero()[0], (sizes < 0).nonzero()[0]
        bought, sold = prices[buys], prices[sells]
        bid = float(bought.max()) if buys.size else 0.0
        ask = float(sold.min()) if sells.size else 0.0
        centre = (bid + ask) / 2 if bid and ask else fallback
        bids = float(sizes[buys].dot(bought * (bought >= centre * (1 - width))))
        asks = -float(sizes[sells].dot(sold * (sold <= centre * (1 + width))))
        found = bid, ask, bids, asks
        if bid and ask:
            self._looked = (width, found)
        return found

    def _grow(self) -> None:
        self.prices = np.concatenate((self.prices, np.zeros(self.prices.size)))
        self.sizes = np.concatenate((self.sizes, np.zeros(self.sizes.size)))
        self.accounts = np.concatenate((self.accounts, np.zeros(self.accounts.size, dtype=np.int64)))
