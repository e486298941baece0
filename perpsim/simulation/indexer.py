"""Folds decoded events into arrays: what agents see, keepers scan and invariants compare with views."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from perpsim.scenarios import Market
from perpsim.simulation.account_table import Accounts, Health, Seen
from perpsim.simulation.market_state import (
    A_ONE,
    LONG,
    SHORT,
    WAD,
    MarketState,
    OpenList,
    Schedule,
    truncated,
)
from perpsim.simulation.order_mirror import OrderMirror

FloatArray = npt.NDArray[np.float64]
Handler = Callable[[Any, int], None]


class Burden:
    """What each account paid and bore so far, quote units, indexed by account.

    `adl_notional` is what was closed by deleveraging, at the mark; `adl_haircut` what that cost against it;
    `adl_profit` the unrealised profit of what was closed, paid out or not.
    """

    NAMES = (
        "deposits",
        "withdrawals",
        "fees",
        "liquidated_notional",
        "adl_notional",
        "adl_haircut",
        "adl_profit",
        "socialised",
    )

    def __init__(self) -> None:
        self.deposits: FloatArray = np.zeros(1024)
        self.withdrawals: FloatArray = np.zeros(1024)
        self.fees: FloatArray = np.zeros(1024)
        self.liquidated_notional: FloatArray = np.zeros(1024)
        self.adl_notional: FloatArray = np.zeros(1024)
        self.adl_haircut: FloatArray = np.zeros(1024)
        self.adl_profit: FloatArray = np.zeros(1024)
        self.socialised: FloatArray = np.zeros(1024)

    def reserve(self, rows: int) -> None:
        """Make room for `rows` rows."""
        have = self.deposits.size
        if rows > have:
            for name in self.NAMES:
                setattr(self, name, np.concatenate((getattr(self, name), np.zeros(have))))


class Indexer:
    """State of the exchange, folded from its log. Handlers take (event values, block time)."""

    def __init__(self, markets: Sequence[Market], decimals: int) -> None:
        self.accounts = Accounts(len(markets))
        self.states = [MarketState() for _ in markets]
        self.schedules = [Schedule(market) for market in markets]
        self.orders = [OrderMirror() for _ in markets]
        self.burden = Burden()
        #: settlements so far: what bounds the dust of rounding
        self.touches = 0
        self.unit = 10 ** (18 - decimals)
        # Side indices that a fill ended an epoch of: it still stores its positions with them.
        self._before_epoch: dict[tuple[int, int], Seen] = {}
        # Who sent the last liquidation: the event that opens a list follows it in the same transaction.
        self._keeper = ""

    def health(self, time: int) -> Health:
        """All accounts settled to `time`, in floats."""
        return self.accounts.health(self.states, self.schedules, time)

    def account_of(self, owner: str) -> int:
        """Account of an address, 0 if it has none."""
        return self.accounts.by_owner.get(owner, 0)

    def clearinghouse_handlers(self) -> dict[str, Handler]:
        """Handlers of the clearinghouse's events by name."""
        return {
            "AccountOpened": self._opened,
            "Deposit": self._deposit,
            "Withdrawal": self._withdrawal,
            "Fill": self._fill,
            "Settled": self._settled,
            "Deleveraged": self._deleveraged,
            "DeficitResolved": self._deficit_resolved,
            "RewardPaid": self._reward_paid,
            "Accrued": self._accrued,
            "IndexMoved": self._index_moved,
            "EpochStarted": self._epoch_started,
        }

    def book_handlers(self, market: int) -> dict[str, Handler]:
        """Handlers of one order book's events by name."""
        mirror = self.orders[market]

        def placed(event: Any, time: int) -> None:
            mirror.placed(event.order_id, event.account, event.is_buy, event.price, event.size)

        def removed(event: Any, time: int) -> None:
            mirror.removed(event.order_id)

        return {"OrderPlaced": placed, "OrderRemoved": removed}

    def liquidator_handlers(self, timeouts: Sequence[int]) -> dict[str, Handler]:
        """Handlers of the liquidator's events by name; `timeouts` of lists a market, seconds."""

        def liquidated(event: Any, time: int) -> None:
            self._keeper = event.keeper

        def opened(event: Any, time: int) -> None:
            found = OpenList(event.account, self._keeper, time, time, event.deadline)
            self.states[event.market].open_list = found

        def ended(event: Any, time: int) -> None:
            state = self.states[event.market]
            state.open_list = None
            if event.timed_out:
                state.by_index_until = time + timeouts[event.market]

        def moved(event: Any, time: int) -> None:
            state = self.states[event.market]
            if state.open_list is not None:
                state.open_list = replace(state.open_list, moved=time)

        return {
            "Liquidated": liquidated,
            "ListOpened": opened,
            "ListExtended": moved,
            "DeleverageList": moved,
            "ListEnded": ended,
        }

    # accounts

    def _opened(self, event: Any, time: int) -> None:
        self.accounts.opened(event.account, event.owner)
        self.burden.reserve(event.account + 1)

    def _deposit(self, event: Any, time: int) -> None:
        self.accounts.set_collateral(event.account, event.collateral)
        self.burden.deposits[event.account] += event.amount * self.unit / WAD

    def _withdrawal(self, event: Any, time: int) -> None:
        self.accounts.set_collateral(event.account, event.collateral)
        self.burden.withdrawals[event.account] += event.amount * self.unit / WAD

    def _reward_paid(self, event: Any, time: int) -> None:
        if event.account > self.accounts.count:
            return
        self.accounts.set_collateral(event.account, event.collateral)

    # trades

    def _fill(self, event: Any, time: int) -> None:
        market = event.market
        self._trade(market, event.taker, event.taker_size, event.taker_entry, event.taker_collateral, time)
        self._trade(market, event.maker, event.maker_size, event.maker_entry, event.maker_collateral, time)
        self._before_epoch.clear()
        self.orders[market].filled(event.order_id, abs(event.size))
        self.burden.fees[event.maker] += event.maker_fee / WAD
        if event.liquidation:
            self.burden.liquidated_notional[event.taker] += abs(event.size) * event.price / WAD / WAD
        else:
            self.burden.fees[event.taker] += event.taker_fee / WAD

    def _trade(self, market: int, account: int, size: int, entry: int, collateral: int, time: int) -> None:
        self.touches += 1
        state, accounts = self.states[market], self.accounts
        seen = None
        if not self._before_epoch:
            before = accounts.settled_size(account, market, state)
            state.open_interest += max(size, 0) - max(before, 0)
        elif size:
            seen = self._before_epoch.get((market, SHORT if size < 0 else LONG))
        accounts.set_collateral(account, collateral)
        accounts.set_position(account, market, size, entry, state, time, seen)

    def _settled(self, event: Any, time: int) -> None:
        self.touches += 1
        self.accounts.set_collateral(event.account, event.collateral)
        state = self.states[event.market]
        self.accounts.set_position(event.account, event.market, event.size, event.entry, state, time)

    def _deleveraged(self, event: Any, time: int) -> None:
        self.touches += 1
        market, account, state = event.market, event.account, self.states[event.market]
        seen = None
        if account == event.bankrupt:
            # Open interest came with the others' events and, for what went by index, with IndexMoved.
            side = LONG if event.size < 0 else SHORT
            seen = self._before_epoch.get((market, side))
            self._before_epoch.clear()
        else:
            state.open_interest -= abs(event.size)
            worth = event.size * state.mark // WAD
            self.burden.adl_notional[account] += abs(worth) / WAD
            self.burden.adl_haircut[account] += (event.quote - worth) / WAD
        self.accounts.set_collateral(account, event.account_collateral)
        if seen is None:
            before, entry, _ = self.accounts.settled(account, market, state, time)
        else:
            # Settled against the epoch that has just ended.
            before, entry = self.accounts.size_wad[market][account], self.accounts.entry_wad[market][account]
            a_seen = self.accounts.seen[market][account][0]
            before, entry = truncated(before * seen[0], a_seen), truncated(entry * seen[0], a_seen)
        if account != event.bankrupt and before:
            profit = (before * state.mark // WAD - entry) * abs(event.size) // abs(before)
            self.burden.adl_profit[account] += max(profit, 0) / WAD
        left = before + event.size
        kept = truncated(entry * left, before) if left else 0
        if not event.size:
            kept += event.quote
        self.accounts.set_position(account, market, left, kept, state, time, seen)

    def _deficit_resolved(self, event: Any, time: int) -> None:
        self.accounts.set_collateral(event.account, 0)
        for market, state in enumerate(self.states):
            self.accounts.set_position(event.account, market, 0, 0, state, time)

    # the market

    def _accrued(self, event: Any, time: int) -> None:
        state = self.states[event.market]
        state.index = event.index
        state.index_time = event.index_time
        state.mark = event.mark
        state.basis = event.basis
        state.premium = event.premium
        state.funding_per_second = event.funding_per_second
        state.flow = event.flow
        state.accrued_at = time

    def _index_moved(self, event: Any, time: int) -> None:
        state = self.states[event.market]
        state.accrue(time)
        # Each position of the side rounds when it next settles.
        self.touches += self.accounts.count
        self._share_out(event, time)
        state.pristine = state.pristine and event.a == state.a[event.side]
        state.a[event.side] = event.a
        state.k[event.side] = event.k
        state.open_interest = event.open_interest

    def _share_out(self, event: Any, time: int) -> None:
        """Book on each account of a side what a deleveraging closed or a charge cost."""
        market, side, state = event.market, event.side, self.states[event.market]
        size = self.health(time).size[market]
        held = np.where(size < 0 if side == SHORT else size > 0, np.abs(size), 0.0)
        rows = held.size
        paid = (state.k[side] - event.k) / 1e30 / (state.a[side] / A_ONE)
        if event.a != state.a[side]:
            worth = (1.0 - event.a / state.a[side]) * (state.mark / WAD)
            self.burden.adl_notional[:rows] += held * worth
            profit = self.accounts.profits(self.states, time)[market]
            profit = np.where(held > 0, np.maximum(profit, 0.0), 0.0)
            self.burden.adl_profit[:rows] += profit * (1.0 - event.a / state.a[side])
            self.burden.adl_haircut[:rows] += held * (paid + (worth if side == LONG else -worth))
        else:
            self.burden.socialised[:rows] += held * paid

    def _epoch_started(self, event: Any, time: int) -> None:
        state, side = self.states[event.market], event.side
        state.pristine = False
        state.accrue(time)
        self._before_epoch[(event.market, side)] = (state.a[side], state.k[side], state.epoch[side])
        state.final_k[(side, event.epoch - 1)] = event.final_k
        state.a[side] = A_ONE
        state.k[side] = 0
        state.epoch[side] = event.epoch
        state.open_interest = 0
