"""Invariants 1, 2, 6 and 7 of the design, and the indexer against the contracts' own views.

The contracts are asked, the indexer adds up: every account's collateral and equity as the lens gives them
must be the indexer's to the last wei, so sums over the indexer are sums over the contracts.
"""

from __future__ import annotations

from perpsim.protocol import Protocol
from perpsim.simulation.indexer import Indexer
from perpsim.simulation.ledger import Ledger
from perpsim.simulation.market_state import WAD

_ROWS = 256
# Rounding may leave this much per account and operation with the exchange (WAD wei), never with a user.
_DUST_PER_EVENT = 4


class InvariantViolation(Exception):
    """A rule of the exchange is broken; says the block, the rule and the difference."""


class Invariants:
    """Checks against the contracts. `dust` is the most that rounding has left over so far, in WAD wei."""

    def __init__(self, protocol: Protocol, indexer: Indexer, ledger: Ledger) -> None:
        self._protocol = protocol
        self._indexer = indexer
        self._ledger = ledger
        self.checked = 0
        self.violations = 0
        self.dust = 0

    def check(self, block: int, time: int) -> None:
        """All of them, at the state after `block`, whose time is `time` (seconds)."""
        try:
            self._accounts(time)
            self._solvency(time)
            self._open_interest(time)
            self._vault()
            self._losses()
        except _Broken as broken:
            self.violations += 1
            raise InvariantViolation(f"block {block}: {broken}") from None
        self.checked += 1

    def _accounts(self, time: int) -> None:
        """The indexer is the contracts."""
        accounts, states = self._indexer.accounts, self._indexer.states
        count = self._protocol.clearinghouse.view("accounts_count")
        _same("number of accounts", count, accounts.count)
        for first in range(1, count + 1, _ROWS):
            for row in self._protocol.lens.view("accounts", first, min(_ROWS, count - first + 1)):
                account = row.account
                _same(f"collateral of account {account}", row.collateral, accounts.collateral_wad[account])
                equity = accounts.collateral_wad[account]
                for market, state in enumerate(states):
                    size, entry, gain = accounts.settled(account, market, state, time)
                    equity += gain + size * state.mark // WAD - entry
                _same(f"equity of account {account}", row.equity, equity)

    def _solvency(self, time: int) -> None:
        """1. Tokens cover what accounts and fees are owed, up to counted dust; the vault holds its books."""
        protocol, accounts = self._protocol, self._indexer.accounts
        owed = sum(
            accounts.owes(account, self._indexer.states, time) for account in range(1, accounts.count + 1)
        )
        for market in range(len(protocol.books)):
            owed += sum(protocol.clearinghouse.view("fees", market))
            owed -= protocol.clearinghouse.view("unpaid", market)
        held = protocol.token.view("balanceOf", protocol.clearinghouse.address) * protocol.unit
        # Positions of the two sides that do not quite match are worth their price to somebody.
        for market, state in enumerate(self._indexer.states):
            sizes = [
                accounts.settled(account, market, state, time)[0] for account in range(1, accounts.count + 1)
            ]
            owed += sum(sizes) * state.mark // WAD
        bound = self._dust_bound()
        if owed > held + bound:
            raise _Broken(f"invariant 1: the clearinghouse owes {owed - held} wei more than it holds")
        if held - owed > bound:
            raise _Broken(f"invariant 1: {held - owed} wei in the clearinghouse belong to nobody")
        self.dust = max(self.dust, abs(held - owed))
        books = protocol.vault.view("assets")
        tokens = protocol.token.view("balanceOf", protocol.vault.address)
        if tokens < books:
            raise _Broken(f"invariant 1: the vault lacks {books - tokens} token units of its books")

    def _open_interest(self, time: int) -> None:
        """2. Both sides add up to the open interest, within dust."""
        accounts = self._indexer.accounts
        for market, state in enumerate(self._indexer.states):
            view = self._protocol.lens.view("market", market)
            _same(f"open interest of market {market}", view.open_interest, state.open_interest)
            sizes = [
                accounts.settled(account, market, state, time)[0] for account in range(1, accounts.count + 1)
            ]
            long = sum(size for size in sizes if size > 0)
            short = -sum(size for size in sizes if size < 0)
            bound = self._dust_bound()
            for name, total in (("longs", long), ("shorts", short)):
                if abs(total - view.open_interest) > bound:
                    difference = total - view.open_interest
                    raise _Broken(
                        f"invariant 2: {name} of market {market} differ from open interest by {difference}"
                    )

    def _vault(self) -> None:
        """6. The vault moves only by what its events say, and they only fall by covers and rewards."""
        ledger = self._ledger
        _same("invariant 6: books of the vault", self._protocol.vault.view("assets"), ledger.fund)
        expected = ledger.taken_in - ledger.covered - ledger.rewarded
        _same("invariant 6: flows of the vault", ledger.fund, expected)

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
        # Each settlement of a position rounds at most a few times by one wei; prices scale sizes to quote.
        scale = 1 + max(state.mark for state in self._indexer.states) // WAD
        return _DUST_PER_EVENT * scale * (self._indexer.touches + self._indexer.accounts.count + 1)


class _Broken(Exception):
    """One rule, in words."""


def _same(what: str, contract: int, indexed: int) -> None:
    if contract != indexed:
        raise _Broken(
            f"{what}: the contract says {contract}, the log {indexed} (difference {contract - indexed})"
        )
