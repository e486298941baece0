"""Invariants 1, 2, 3, 6 and 7 of the design, and the indexer against the contracts' own views.

The contracts are asked, the indexer adds up. At every check a window of the accounts is compared with the
lens, collateral and equity to the last wei, all of them in turn and once more at the end: so sums over the
indexer are sums over the contracts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perpsim.protocol import Protocol
from perpsim.simulation.account_table import Accounts
from perpsim.simulation.indexer import Indexer
from perpsim.simulation.ledger import Ledger
from perpsim.simulation.market_state import WAD, MarketState
from perpsim.simulation.vault_table import VaultTable

# Rows that the lens gives at once.
_ROWS = 256
# Levels of a side of a book that are compared.
_LEVELS = 64
# What floats may be off, of a margin.
_FLOAT = 1e-9
# Rounding may leave this much per settlement with the exchange (WAD wei), never with a user.
_DUST_PER_EVENT = 4


class InvariantViolation(Exception):
    """A rule of the exchange is broken; says the block, the rule and the difference."""


@dataclass(frozen=True)
class Totals:
    """Sums over all accounts, settled (WAD): collateral less entry values, and both sides' sizes a market."""

    owed: int
    longs: tuple[int, ...]
    shorts: tuple[int, ...]


class Invariants:
    """Checks against the contracts, `window` accounts at a time (0: all).

    `dust` is the most that rounding has left over so far, in WAD wei.
    """

    def __init__(
        self, protocol: Protocol, indexer: Indexer, ledger: Ledger, shares: VaultTable, window: int
    ) -> None:
        self._protocol = protocol
        self._indexer = indexer
        self._ledger = ledger
        self._shares = shares
        self._window = window
        self._next = 1
        self._next_holder = 1
        self.checked = 0
        self.violations = 0
        self.dust = 0

    def check(self, block: int, time: int, *, everyone: bool = False) -> None:
        """All of them, at the state after `block`, whose time is `time` (seconds)."""
        try:
            self._accounts(time, everyone)
            totals = add_up(self._indexer.accounts, self._indexer.states, time)
            self._solvency(totals)
            self._open_interest(totals)
            self._order_books()
            self._vault()
            self._stakes(time, everyone)
            self._losses()
        except _Broken as broken:
            self.violations += 1
            raise InvariantViolation(f"block {block}: {broken}") from None
        self.checked += 1

    def _accounts(self, time: int, everyone: bool) -> None:
        """The indexer is the contracts."""
        count = self._protocol.clearinghouse.view("accounts_count")
        _same("number of accounts", count, self._indexer.accounts.count)
        first, last = 1, count
        if self._window and not everyone:
            first = self._next if self._next <= count else 1
            last = min(count, first + self._window - 1)
            self._next = last + 1
        for start in range(first, last + 1, _ROWS):
            self._compare(start, min(_ROWS, last - start + 1), time)

    def _compare(self, first: int, count: int, time: int) -> None:
        accounts, states = self._indexer.accounts, self._indexer.states
        rows = self._protocol.lens.view("accounts", first, count)
        for row in rows:
            account = row.account
            collateral = equity = accounts.collateral_wad[account]
            for market, state in enumerate(states):
                if accounts.size_wad[market][account]:
                    size, entry, gain = accounts.settled(account, market, state, time)
                    equity += gain + size * state.mark // WAD - entry
            # Words cost more than the comparison.
            if row.collateral != collateral or row.equity != equity:
                _same(f"collateral of account {account}", row.collateral, collateral)
                _same(f"equity of account {account}", row.equity, equity)
        # What decides who is liquidated is reckoned in floats.
        health, ids = self._indexer.health(time), [row.account for row in rows]
        scale = np.maximum(health.notional[:, ids].sum(axis=0), [abs(row.collateral) / WAD for row in rows])
        for name, exact, about in (
            ("equity", [row.equity / WAD for row in rows], health.equity[ids]),
            ("maintenance margin", [row.maintenance_margin / WAD for row in rows], health.maintenance[ids]),
        ):
            off = np.abs(np.array(exact) - about) > _FLOAT * np.maximum(scale, 1.0)
            if off.any():
                at = int(off.argmax())
                raise _Broken(
                    f"{name} of account {ids[at]}: the contract says {exact[at]}, arrays {float(about[at])}"
                )

    def _solvency(self, totals: Totals) -> None:
        """1. Tokens cover what accounts and fees are owed, up to counted dust; the vault holds its books."""
        protocol = self._protocol
        owed = totals.owed
        for market in range(len(self._indexer.states)):
            owed += sum(protocol.clearinghouse.view("fees", market))
            owed -= protocol.clearinghouse.view("unpaid", market)
        held = protocol.token.view("balanceOf", protocol.clearinghouse.address) * protocol.unit
        # Deleveraging by index rounds sizes, too: a wei of size is worth a price, to one or the other.
        pristine = all(state.pristine for state in self._indexer.states)
        if owed > held + (0 if pristine else self._dust_bound()):
            raise _Broken(f"invariant 1: the clearinghouse owes {owed - held} wei more than it holds")
        if held - owed > self._dust_bound():
            raise _Broken(f"invariant 1: {held - owed} wei in the clearinghouse belong to nobody")
        self.dust = max(self.dust, abs(held - owed))
        books = protocol.vault.view("assets")
        tokens = protocol.token.view("balanceOf", protocol.vault.address)
        if tokens < books:
            raise _Broken(f"invariant 1: the vault lacks {books - tokens} token units of its books")

    def _open_interest(self, totals: Totals) -> None:
        """2. Both sides add up to the open interest, within dust."""
        for market, state in enumerate(self._indexer.states):
            interest = self._protocol.lens.view("market", market).open_interest
            _same(f"open interest of market {market}", interest, state.open_interest)
            for name, total in (("longs", totals.longs[market]), ("shorts", totals.shorts[market])):
                if abs(total - interest) > self._dust_bound():
                    difference = total - interest
                    raise _Broken(
                        f"invariant 2: {name} of market {market} differ from open interest by {difference}"
                    )

    def _order_books(self) -> None:
        """3. No book is crossed, and its levels are the sums of the live orders that the log knows."""
        for market, (book, mirror) in enumerate(zip(self._protocol.books, self._indexer.orders)):
            sides = []
            for is_buy in (True, False):
                side = "bids" if is_buy else "asks"
                found = [(row.price / WAD, row.size) for row in book.view("depth", is_buy, _LEVELS)]
                known = mirror.levels(is_buy, _LEVELS)
                for there, here in zip(found, known):
                    if there != here:
                        raise _Broken(
                            f"invariant 3: {side} of market {market}: the book has {there}, the log {here}"
                        )
                _same(f"invariant 3: number of levels of {side} of market {market}", len(found), len(known))
                sides.append(found)
            bids, asks = sides
            if bids and asks and bids[0][0] >= asks[0][0]:
                raise _Broken(
                    f"invariant 3: market {market} is crossed: {bids[0][0]} bid, {asks[0][0]} asked"
                )

    def _vault(self) -> None:
        """6. The vault moves only by what its events say, and they only fall by covers, rewards and exits."""
        ledger = self._ledger
        _same("invariant 6: books of the vault", self._protocol.vault.view("assets"), ledger.fund)
        expected = ledger.taken_in + ledger.staked - ledger.covered - ledger.rewarded
        _same("invariant 6: flows of the vault", ledger.fund, expected)

    def _stakes(self, time: int, everyone: bool) -> None:
        """The log's shares and requests are the vault's; what it is worth is what they say."""
        shares, vault = self._shares, self._protocol.vault
        if not shares.supply:
            return
        _same("shares of the vault", vault.view("totalSupply"), shares.supply)
        _same("shares of the treasury", vault.view("balanceOf", vault.address), shares.treasury)
        _same("shares of all holders", shares.staked, sum(shares.shares))
        _same(
            "worth of the stakes", vault.view("convertToAssets", shares.staked), shares.worth(shares.staked)
        )
        count = len(shares.holders) - 1
        first, last = 1, count
        if self._window and not everyone:
            first = self._next_holder if self._next_holder <= count else 1
            last = min(count, first + self._window - 1)
            self._next_holder = last + 1
        for holder in range(first, last + 1):
            owner = shares.holders[holder]
            _same(f"shares of {owner}", vault.view("balanceOf", owner), shares.shares[holder])
            found, request = vault.view("withdrawal_request", owner), shares.request(holder, time)
            _same(f"shares that {owner} asked for", found.shares, request.shares)
            _same(f"worth of what {owner} asked for", found.value, request.value)

    def _losses(self) -> None:
        """7. What was booked is what was lost, and the legs of the waterfall add up."""
        ledger = self._ledger
        if ledger.broken:
            raise _Broken(f"invariant 7: {ledger.broken[0]}")
        for market in range(len(self._protocol.books)):
            booked = self._protocol.liquidator.view("bad_debt", market)
            deficit = sum(row["deficit_wad"] for row in ledger.bad_debt if row["market"] == market)
            _same(f"invariant 7: bad debt of market {market}", booked.deficit, deficit)
            legs = booked.covered + booked.socialised + booked.treasury + booked.unpaid
            _same(f"invariant 7: legs of the bad debt of market {market}", legs, deficit)

    def _dust_bound(self) -> int:
        """What rounding can amount to by now, WAD wei."""
        # Each settlement rounds a few times by one wei; a wei of size is worth a price in quote.
        scale = 1 + max(state.mark for state in self._indexer.states) // WAD
        return _DUST_PER_EVENT * scale * (self._indexer.touches + self._indexer.accounts.count + 1)


def add_up(accounts: Accounts, states: list[MarketState], time: int) -> Totals:
    """Settle every position to `time` (seconds) and add up."""
    owed = sum(accounts.collateral_wad)
    longs, shorts = [], []
    for market, state in enumerate(states):
        gains, long, short = accounts.totals(market, state, time)
        owed += gains
        longs.append(long)
        shorts.append(short)
    return Totals(owed, tuple(longs), tuple(shorts))


class _Broken(Exception):
    """One rule, in words."""


def _same(what: str, contract: int, indexed: int) -> None:
    if contract != indexed:
        difference = contract - indexed
        raise _Broken(f"{what}: the contract says {contract}, the log {indexed} (difference {difference})")
