"""Turns wishes into transactions: calldata for the exchange's contracts, one place for all agents."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from perpsim.chain import Interface, Tx
from perpsim.deleveraging.packing import pack_ids

WAD = 10**18
GTC, POST_ONLY, IOC = 0, 1, 2

_GAS_ORDER = 3_000_000
_GAS_CANCEL = 1_500_000
_GAS_SMALL = 400_000
_GAS_LIQUIDATION = 6_000_000
_GAS_VAULT = 800_000
#: the most that one call of a batch may use, enough for a walk over some twenty orders
GAS_BATCHED = 1_500_000
# What a batch uses besides.
_GAS_BATCH = 200_000
# Bid for a list (wei per gas): it must run ahead of its block, also of those who wait from earlier ones, or
# an account that moves in between is no longer where the list has it.
_AHEAD = 1


@dataclass(frozen=True)
class Grid:
    """Price and size steps of a market: floats for decisions, WAD integers for the chain."""

    tick: float
    lot: float
    min_size: float
    tick_wad: int
    lot_wad: int

    def price(self, price: float, up: bool) -> int:
        """`price` as a WAD multiple of the tick, rounded up or down, at least one tick."""
        ticks = price / self.tick
        return max(1, math.ceil(ticks - 1e-9) if up else math.floor(ticks + 1e-9)) * self.tick_wad

    def size(self, size: float) -> int:
        """`size` as a WAD multiple of the lot, rounded down; 0 if it is below the minimum."""
        lots = math.floor(size / self.lot + 1e-9)
        return lots * self.lot_wad if lots * self.lot >= self.min_size * (1 - 1e-9) else 0


class Desk:
    """Makes transactions for one market. `arrival` is the moment within the block, 0 to 1."""

    def __init__(
        self,
        *,
        market: int,
        grid: Grid,
        unit: int,
        clearinghouse: tuple[str, Interface],
        book: tuple[str, Interface],
        liquidator: tuple[str, Interface],
        oracle: tuple[str, Interface],
        bank: str,
    ) -> None:
        self.market = market
        self.grid = grid
        #: token units in one quote unit
        self.unit = unit
        self._bank = bank
        self._clearinghouse, house = clearinghouse
        self._book, orders = book
        self._liquidator, liquidations = liquidator
        self._oracle, prices = oracle
        self._deposit = house.functions["deposit"].encode
        self._withdraw = house.functions["withdraw"].encode
        self._sweep = house.functions["sweep_fees"].encode
        self._place = orders.functions["place"].encode
        # Orders are most of what is sent.
        self._forms: dict[tuple[bool, int, bool], tuple[bytes, bytes]] = {}
        self._cancel_all = orders.functions["cancel_all"].encode
        self._liquidate = liquidations.functions["liquidate"].encode
        self._open_list = liquidations.functions["open_list"].encode
        self._by_list = liquidations.functions["deleverage_by_list"].encode
        self._hand_in = liquidations.functions["hand_in"].encode
        self._execute = liquidations.functions["execute_list"].encode
        self._end_list = liquidations.functions["end_list"].encode
        self._post = prices.functions["post"].encode
        self._post_many = prices.functions["post_many"].encode

    def units(self, amount: float) -> int:
        """`amount` of collateral in token units, rounded down."""
        return math.floor(amount * self.unit)

    def deposit(self, amount: float, beneficiary: str, arrival: float) -> Tx:
        """The bank (everyone's money outside the exchange) pays into an account."""
        data = self._deposit(self.units(amount), beneficiary)
        return Tx(self._bank, self._clearinghouse, data, _GAS_SMALL, arrival=arrival)

    def withdraw(self, sender: str, amount: float, arrival: float) -> Tx:
        """Take collateral out, back to the bank."""
        data = self._withdraw(self.units(amount), self._bank)
        return Tx(sender, self._clearinghouse, data, _GAS_SMALL, arrival=arrival)

    def order(
        self,
        sender: str,
        size: float,
        limit: float,
        arrival: float,
        *,
        kind: int = IOC,
        reduce_only: bool = False,
    ) -> Tx | None:
        """Buy (`size` above 0) or sell at `limit` or better; None if the size is too small to trade."""
        lots = self.grid.size(abs(size))
        if not lots:
            return None
        buys = bool(size > 0)
        # A limit is never rounded to something worse than what was asked for.
        price = self.grid.price(limit, up=not buys)
        head, tail = self._form(buys, kind, reduce_only)
        data = head + price.to_bytes(32) + lots.to_bytes(32) + tail
        return Tx(sender, self._book, data, _GAS_ORDER, 0, None, arrival)

    def _form(self, buys: bool, kind: int, reduce_only: bool) -> tuple[bytes, bytes]:
        """Calldata of an order before and after its price and size, which are the second and third word."""
        found = self._forms.get((buys, kind, reduce_only))
        if found is None:
            whole = self._place(buys, 0, 0, kind, reduce_only)
            found = self._forms[buys, kind, reduce_only] = whole[:36], whole[100:]
        return found

    def cancel_all(self, sender: str, arrival: float) -> Tx:
        """Take back every resting order."""
        return Tx(sender, self._book, self._cancel_all(), _GAS_CANCEL, arrival=arrival)

    def liquidate(self, sender: str, account: int, with_deleverage: bool, arrival: float) -> Tx:
        """Liquidate as much of an account as the rules want."""
        data = self._liquidate(account, self.market, 2**256 - 1, with_deleverage)
        return Tx(sender, self._liquidator, data, _GAS_LIQUIDATION, arrival=arrival)

    def open_list(self, sender: str, account: int, arrival: float) -> Tx:
        """Freeze the market for a list of those who are to bear a bankrupt account's position."""
        data = self._open_list(account, self.market)
        return Tx(sender, self._liquidator, data, _GAS_LIQUIDATION, arrival=arrival)

    def deleverage_by_list(
        self, sender: str, account: int, listed: Sequence[int], gas: int, arrival: float
    ) -> Tx:
        """Hand in the complete other side, sorted."""
        data = self._by_list(account, self.market, pack_ids(listed))
        return Tx(sender, self._liquidator, data, gas, _AHEAD, arrival=arrival)

    def hand_in(
        self, sender: str, accounts: Sequence[int], hints: Sequence[int], gas: int, arrival: float
    ) -> Tx:
        """Insert accounts into the open list, each after its hint (0: at its head)."""
        data = self._hand_in(self.market, list(accounts), list(hints))
        return Tx(sender, self._liquidator, data, gas, _AHEAD, arrival=arrival)

    def execute_list(self, sender: str, count: int, gas: int, arrival: float) -> Tx:
        """Let the first accounts of the open list bear what they have to."""
        data = self._execute(self.market, count)
        return Tx(sender, self._liquidator, data, gas, _AHEAD, arrival=arrival)

    def end_list(self, sender: str, arrival: float) -> Tx:
        """End a list that is too late, or whose account is saved."""
        return Tx(sender, self._liquidator, self._end_list(self.market), _GAS_LIQUIDATION, arrival=arrival)

    def post(self, sender: str, price: int, time: int, arrival: float) -> Tx:
        """Post an index price (WAD) of `time` (seconds)."""
        data = self._post(self.market, price, time)
        return Tx(sender, self._oracle, data, _GAS_SMALL, arrival=arrival)

    def post_many(self, sender: str, prices: Mapping[int, int], time: int, arrival: float) -> Tx:
        """Post index prices (WAD) of several markets, all of the same `time`: all are taken, or none."""
        data = self._post_many(list(prices), list(prices.values()), time)
        return Tx(sender, self._oracle, data, _GAS_SMALL // 2 * (1 + len(prices)), arrival=arrival)

    def sweep_fees(self, sender: str, arrival: float) -> Tx:
        """Hand the fund its share of the fees."""
        return Tx(sender, self._clearinghouse, self._sweep(self.market), _GAS_SMALL, arrival=arrival)


class VaultDesk:
    """Makes transactions of stakers, whose money is in their own pocket."""

    def __init__(self, unit: int, vault: tuple[str, Interface]) -> None:
        self._decimals = unit
        self._vault, shares = vault
        self._deposit = shares.functions["deposit"].encode
        self._request = shares.functions["request_withdraw"].encode
        self._redeem = shares.functions["redeem"].encode

    def stake(self, sender: str, amount: float, arrival: float) -> Tx:
        """Buy shares for `amount` of collateral."""
        data = self._deposit(math.floor(amount * self._decimals), sender)
        return Tx(sender, self._vault, data, _GAS_VAULT, arrival=arrival)

    def request(self, sender: str, shares: int, arrival: float) -> Tx:
        """Ask to leave with so many shares."""
        return Tx(sender, self._vault, self._request(shares), _GAS_VAULT, arrival=arrival)

    def claim(self, sender: str, shares: int, arrival: float) -> Tx:
        """Redeem so many shares of the request."""
        data = self._redeem(shares, sender, sender)
        return Tx(sender, self._vault, data, _GAS_VAULT, arrival=arrival)


class Batcher:
    """A keeper's contract that liquidates several accounts in one transaction."""

    def __init__(self, address: str, interface: Interface) -> None:
        self.address = address
        self._liquidate_many = interface.functions["liquidate_many"].encode

    def liquidate_many(self, sender: str, targets: Sequence[tuple[int, int, bool]], arrival: float) -> Tx:
        """Liquidate as much as the rules want of each (account, market, whether to deleverage)."""
        data = self._liquidate_many(list(targets), GAS_BATCHED)
        gas = _GAS_BATCH + len(targets) * (GAS_BATCHED * 64 // 63 + 10_000)
        return Tx(sender, self.address, data, gas, arrival=arrival)
