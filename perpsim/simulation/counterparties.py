"""A deleveraging as the contracts will find it, from the log alone and exact to the wei.

The case (what has to be closed, and what that costs) and the candidates on the other side, at a time that
lies ahead: funding accrues by the second, so a list that is sorted now may not be sorted then.
"""

from __future__ import annotations

from typing import NamedTuple

from perpsim.deleveraging.policies import Candidate, Case, Policy, ranked, seed_of
from perpsim.protocol import wad
from perpsim.scenarios import Market
from perpsim.simulation.indexer import Indexer
from perpsim.simulation.market_state import WAD

_RATE_ONE = 10**12
_RATE_UNIT = 10**6


class MarginRequirement:
    """Maintenance margin in the contracts' integers (`contracts/modules/margin_schedule.vy`)."""

    def __init__(self, market: Market) -> None:
        self._tiers = [
            (wad(tier.limit), wad(tier.maintenance) // _RATE_UNIT, wad(tier.deduction))
            for tier in market.tiers
        ]

    def maintenance(self, notional: int) -> int:
        """Maintenance margin (WAD, rounded up) of a notional (WAD, rounded up)."""
        if not notional:
            return 0
        # The last tier also serves everything above its limit.
        _, rate, deduction = next((tier for tier in self._tiers if notional <= tier[0]), self._tiers[-1])
        return -(-notional * rate // _RATE_ONE) - deduction


class Standing(NamedTuple):
    """An account seen from one market, settled; WAD. `gain` is in `collateral` and `equity` already."""

    size: int
    entry: int
    collateral: int
    equity: int
    maintenance: int
    position_maintenance: int


class Counterparties:
    """Cases and lists out of an indexer."""

    def __init__(self, indexer: Indexer, markets: list[Market]) -> None:
        self._indexer = indexer
        self._margins = [MarginRequirement(market) for market in markets]

    def standing(self, account: int, market: int, time: int) -> Standing:
        """An account at `time` (s), as the clearinghouse would report it."""
        accounts, states = self._indexer.accounts, self._indexer.states
        stored = accounts.collateral_wad[account]
        equity, maintenance = stored, 0
        size = entry = gain = own = 0
        for number, state in enumerate(states):
            if not accounts.size_wad[number][account]:
                continue
            held, value, gained = accounts.settled(account, number, state, time)
            equity += gained + held * state.mark // WAD - value
            margin = self._margins[number].maintenance(-(-abs(held) * state.mark // WAD))
            maintenance += margin
            if number == market:
                size, entry, gain, own = held, value, gained, margin
        return Standing(size, entry, stored + gain, equity, maintenance, own)

    def elsewhere(self, account: int, market: int) -> int:
        """In how many other markets an account has a position."""
        sizes = self._indexer.accounts.size_wad
        return sum(bool(sizes[number][account]) for number in range(len(sizes)) if number != market)

    def case(self, account: int, market: int, time: int) -> Case | None:
        """The deleveraging of a bankrupt account; None if it is not bankrupt or has no position."""
        found = self.standing(account, market, time)
        if found.equity >= 0 or not found.size:
            return None
        mark = self._indexer.states[market].mark
        cost, chance = haircut(found, mark), seed_of(market, account, mark)
        return Case(market, account, mark, abs(found.size), cost, found.size < 0, chance)

    def candidates(self, policy: Policy, case: Case, time: int) -> list[Candidate]:
        """Everyone on the other side, by account number."""
        sign = 1 if case.is_long else -1
        found = []
        for account, stored in enumerate(self._indexer.accounts.size_wad[case.market]):
            if stored * sign <= 0:
                continue
            one = self.standing(account, case.market, time)
            # Rounding may have left nothing of a position that is still on record.
            if one.size:
                found.append(_candidate(policy, case, account, one))
        return found

    def listed(self, policy: Policy, case: Case, time: int) -> list[int]:
        """The complete other side in the order of the policy, as a keeper hands it in."""
        return [account for account, _ in ranked(policy, case, self.candidates(policy, case, time))]


def haircut(bankrupt: Standing, mark: int) -> int:
    """What closing the whole position at its bankruptcy price costs the other side against the mark, WAD.

    The other side bears the loss of this position; what the account lost elsewhere is left to the vault.
    """
    worth = bankrupt.size * mark // WAD
    deficit = -bankrupt.equity
    loss = max(bankrupt.entry - worth, 0)
    rest = max(-(bankrupt.equity - bankrupt.collateral - (worth - bankrupt.entry)), 0)
    return min(loss, -(-deficit * loss // (loss + rest))) if loss else 0


def _candidate(policy: Policy, case: Case, account: int, one: Standing) -> Candidate:
    size, worth = abs(one.size), one.size * case.mark // WAD
    share = one.equity * one.position_maintenance // one.maintenance if one.maintenance else 0
    return Candidate(
        account=account,
        size=size,
        notional=size * case.mark // WAD,
        entry=abs(one.entry),
        profit=worth - one.entry,
        equity=one.equity,
        maintenance=one.maintenance,
        share=share,
        collateral=one.collateral,
        cap=policy.limit(case, size, one.equity),
    )
