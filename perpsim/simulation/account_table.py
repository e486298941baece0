"""All accounts in arrays: exact integers for bookkeeping, floats beside them for vectorised decisions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from perpsim.simulation.market_state import A_ONE, LONG, SHORT, SPREAD_SCALE, WAD, MarketState, Schedule

FloatArray = npt.NDArray[np.float64]

Seen = tuple[int, int, int]
_K_UNIT = 1e30


class Accounts:
    """Row `i` is account `i`; row 0 is nobody. Floats are in quote and base units."""

    def __init__(self, markets: int) -> None:
        self.markets = markets
        self.count = 0
        self.owners: list[str] = [""]
        self.by_owner: dict[str, int] = {}
        self.collateral_wad: list[int] = [0]
        self.size_wad: list[list[int]] = [[0] for _ in range(markets)]
        self.entry_wad: list[list[int]] = [[0] for _ in range(markets)]
        self.seen: list[list[Seen]] = [[(A_ONE, 0, 0)] for _ in range(markets)]
        rows = 1024
        self.collateral: FloatArray = np.zeros(rows)
        self.size: FloatArray = np.zeros((markets, rows))
        self.entry: FloatArray = np.zeros((markets, rows))
        self.a_seen: FloatArray = np.ones((markets, rows))
        self.k_seen: FloatArray = np.zeros((markets, rows))
        self.epoch: FloatArray = np.zeros((markets, rows))

    def opened(self, account: int, owner: str) -> None:
        """A new account; the exchange numbers them 1, 2, 3 ..."""
        if account != self.count + 1:
            raise ValueError(f"account {account} opened after {self.count}")
        self.count = account
        self.owners.append(owner)
        self.by_owner[owner] = account
        self.collateral_wad.append(0)
        for market in range(self.markets):
            self.size_wad[market].append(0)
            self.entry_wad[market].append(0)
            self.seen[market].append((A_ONE, 0, 0))
        if account >= self.collateral.size:
            self._grow()

    def set_collateral(self, account: int, collateral: int) -> None:
        """Stored collateral (WAD) after a change of it."""
        self.collateral_wad[account] = collateral
        self.collateral[account] = collateral / WAD

    def set_position(
        self,
        account: int,
        market: int,
        size: int,
        entry: int,
        state: MarketState,
        time: int,
        seen: Seen | None = None,
    ) -> None:
        """A position (WAD) as the exchange wrote it at `time`; it saw the side index of then, or `seen`."""
        self.size_wad[market][account] = size
        self.entry_wad[market][account] = entry
        self.size[market, account] = size / WAD
        self.entry[market, account] = entry / WAD
        if not size:
            return
        side = SHORT if size < 0 else LONG
        if seen is None:
            seen = (state.a[side], state.k_now(side, time), state.epoch[side])
        self.seen[market][account] = seen
        self.k_seen[market, account] = seen[1] / _K_UNIT
        if not state.pristine:
            # Until then everybody has seen what the arrays hold to begin with.
            self.a_seen[market, account] = seen[0] / A_ONE
            self.epoch[market, account] = seen[2]

    def holding(self, market: int) -> list[int]:
        """Accounts with a position in a market."""
        found: list[int] = np.flatnonzero(self.size[market, : self.count + 1]).tolist()
        return found

    def settled(self, account: int, market: int, state: MarketState, time: int) -> tuple[int, int, int]:
        """Size, entry value and pending gain (WAD) of one position at `time`."""
        size = self.size_wad[market][account]
        if not size:
            return 0, self.entry_wad[market][account], 0
        return state.settle(size, self.entry_wad[market][account], self.seen[market][account], time)

    def settled_size(self, account: int, market: int, state: MarketState) -> int:
        """The size alone (WAD): until something was deleveraged by index it is as stored."""
        size = self.size_wad[market][account]
        if state.pristine or not size:
            return size
        return state.settle(size, 0, self.seen[market][account], state.accrued_at)[0]

    def totals(self, market: int, state: MarketState, time: int) -> tuple[int, int, int]:
        """Positions of a market at `time` (WAD): gains less entry values, sizes of longs and of shorts."""
        sizes, entries, seen = self.size_wad[market], self.entry_wad[market], self.seen[market]
        k = (state.k_now(LONG, time), state.k_now(SHORT, time))
        owed = longs = shorts = 0
        for account in self.holding(market):
            size, entry = sizes[account], entries[account]
            if state.pristine:
                # What `settle` comes to where no `a` has moved: there are thousands of them.
                gain = abs(size) * (k[size < 0] - seen[account][1]) * SPREAD_SCALE // A_ONE
            else:
                size, entry, gain = state.settle(size, entry, seen[account], time)
            owed += gain - entry
            if size > 0:
                longs += size
            else:
                shorts -= size
        return owed, longs, shorts

    def health(self, states: Sequence[MarketState], schedules: Sequence[Schedule], time: int) -> Health:
        """Equity, maintenance margin, sizes and notionals of all accounts at `time`, vectorised."""
        rows = self.count + 1
        equity = self.collateral[:rows].copy()
        maintenance = np.zeros(rows)
        sizes = np.empty((self.markets, rows))
        notional = np.empty((self.markets, rows))
        for market, state in enumerate(states):
            size, gain, entry = self._settled_floats(market, state, time, rows)
            value = size * (state.mark / WAD)
            gain += value
            gain -= entry
            equity += gain
            sizes[market] = size
            np.abs(value, out=notional[market])
            maintenance += schedules[market].maintenance(notional[market])
        return Health(equity, maintenance, sizes, notional)

    def profits(self, states: Sequence[MarketState], time: int) -> FloatArray:
        """Profit against the mark of every position at `time`, a row a market; in floats of quote units."""
        rows = self.count + 1
        found = np.empty((self.markets, rows))
        for market, state in enumerate(states):
            size, _, entry = self._settled_floats(market, state, time, rows)
            found[market] = size * (state.mark / WAD) - entry
        return found

    def _settled_floats(
        self, market: int, state: MarketState, time: int, rows: int
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        size = self.size[market, :rows]
        entry = self.entry[market, :rows]
        long = size > 0
        if state.pristine:
            # Nothing but funding has moved the side index: sizes and entries are as stored.
            gain = np.where(long, state.k_now(LONG, time) / _K_UNIT, state.k_now(SHORT, time) / _K_UNIT)
            gain -= self.k_seen[market, :rows]
            gain *= np.abs(size)
            return size, gain, entry
        a = np.where(long, state.a[LONG] / A_ONE, state.a[SHORT] / A_ONE)
        k = np.where(long, state.k_now(LONG, time) / _K_UNIT, state.k_now(SHORT, time) / _K_UNIT)
        a_seen = self.a_seen[market, :rows]
        gain = np.abs(size) * (k - self.k_seen[market, :rows]) / a_seen
        g = a / a_seen
        current = np.where(long, state.epoch[LONG], state.epoch[SHORT])
        if (self.epoch[market, :rows] != current).any():
            g, gain = self._old_epochs(market, state, g, gain, current, rows)
        if (g == 1.0).all():
            return size, gain, entry
        return size * g, gain - entry + g * entry, g * entry

    def _old_epochs(
        self, market: int, state: MarketState, g: FloatArray, gain: FloatArray, current: FloatArray, rows: int
    ) -> tuple[FloatArray, FloatArray]:
        for account in np.flatnonzero(
            (self.epoch[market, :rows] != current) & (self.size[market, :rows] != 0)
        ):
            size = self.size[market, account]
            last = state.final_k[(LONG if size > 0 else SHORT, int(self.epoch[market, account]))] / _K_UNIT
            gain[account] = abs(size) * (last - self.k_seen[market, account]) / self.a_seen[market, account]
            g[account] = 0.0
        return g, gain

    def _grow(self) -> None:
        rows = self.collateral.size
        self.collateral = np.concatenate((self.collateral, np.zeros(rows)))
        for name in ("size", "entry", "k_seen", "epoch"):
            setattr(self, name, np.concatenate((getattr(self, name), np.zeros((self.markets, rows))), axis=1))
        self.a_seen = np.concatenate((self.a_seen, np.ones((self.markets, rows))), axis=1)


class Health:
    """All accounts at one moment; floats in quote and base units. Arrays are indexed by account.

    `underwater` are the ids of the accounts that may be liquidated.
    """

    __slots__ = ("equity", "maintenance", "notional", "size", "underwater")

    def __init__(
        self, equity: FloatArray, maintenance: FloatArray, size: FloatArray, notional: FloatArray
    ) -> None:
        self.equity = equity
        self.maintenance = maintenance
        self.size = size
        self.notional = notional
        below = (equity < maintenance).nonzero()[0]
        self.underwater = below[maintenance[below] > 0] if below.size else below
