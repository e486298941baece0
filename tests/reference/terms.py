"""The terms of a market as the exchange keeps them: rates lose what is below their last kept digit."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from reference.arith import WAD, ceil_div, toward_zero
from reference.errors import require

RATE_ONE = 10**12
PPB = 10**9


def kept(value: int, unit: int) -> int:
    """A value without what is below the unit that it is kept in."""
    return toward_zero(value, unit) * unit


class Terms(NamedTuple):
    """Fees (WAD; the maker's may be negative), vault's share of fees (bp), max age of the index (s)."""

    maker_fee: int
    taker_fee: int
    vault_share: int
    max_age: int

    def as_kept(self) -> Terms:
        """Fees are kept in 1e-9."""
        return self._replace(maker_fee=kept(self.maker_fee, PPB), taker_fee=kept(self.taker_fee, PPB))


class Funding(NamedTuple):
    """Interest, clamp, cap per 8 h and band of the mark (WAD), averaging times (s)."""

    interest: int
    clamp: int
    cap: int
    band: int
    basis_time: int
    premium_time: int

    def as_kept(self) -> Funding:
        """Rates are kept in 1e-9."""
        return Funding(*(kept(rate, PPB) for rate in self[:4]), self.basis_time, self.premium_time)


class Tier(NamedTuple):
    """Serves notional up to `limit`: margin = notional * rate - deduction (WAD)."""

    limit: int
    initial_rate: int
    maintenance_rate: int
    deduction: int = 0

    def as_kept(self) -> Tier:
        """Limits are kept in 1e6 wei, rates in 1e-12."""
        return Tier(
            kept(self.limit, 10**6),
            kept(self.initial_rate, 10**6),
            kept(self.maintenance_rate, 10**6),
            self.deduction,
        )


class LiquidationTerms(NamedTuple):
    """Rates in WAD; the last three are WAD quote."""

    penalty_rate: int
    buffer: int
    full_threshold: int
    max_slippage: int
    cover_slippage: int
    surplus_share: int
    reward_rate: int
    full_below: int
    reward_min: int
    reward_max: int

    def as_kept(self) -> LiquidationTerms:
        """Rates are kept in 1e-6, `full_below` in whole units, the reward's bounds in thousandths."""
        milli = 10**15
        return LiquidationTerms(
            *(kept(rate, 10**12) for rate in self[:7]),
            kept(self.full_below, WAD),
            kept(self.reward_min, milli),
            kept(self.reward_max, milli),
        )


class DeleverageTerms(NamedTuple):
    """Policy (None: by index), how long a market may be frozen for a list (s), and the notional below which
    it goes by index all the same (WAD)."""

    policy: str | None = None
    timeout: int = 0
    list_from: int = 0

    def as_kept(self) -> DeleverageTerms:
        """`list_from` is kept in whole units."""
        return self._replace(list_from=kept(self.list_from, WAD))


class Schedule(NamedTuple):
    """The margin tiers of a market, in order; the last one also serves all above its limit."""

    tiers: tuple[Tier, ...]

    def tier(self, notional: int) -> Tier:
        """The tier that serves a notional."""
        for tier in self.tiers:
            if notional <= tier.limit:
                return tier
        return self.tiers[-1]

    def check(self) -> None:
        """Refuse a schedule in which a margin falls from one tier to the next, or that asks for none."""
        require(len(self.tiers) > 0, "tiers: none")
        for before, tier in pairwise((None, *self.tiers)):
            require(tier.initial_rate >= tier.maintenance_rate, "tiers: initial below maintenance")
            require(tier.maintenance_rate > 0, "tiers: maintenance rate")
            if before is None:
                require(tier.deduction == 0, "tiers: deduction out of range")
                continue
            require(tier.limit > before.limit, "tiers: limits must rise, below 1e32")
            for rate in ("initial_rate", "maintenance_rate"):
                rise = getattr(tier, rate) - getattr(before, rate)
                require(rise >= 0, "tiers: rates must not fall")
                falls = rise * before.limit < (tier.deduction - before.deduction) * WAD
                require(not falls, "tiers: deduction out of range")

    def requirement(self, notional: int) -> tuple[int, int]:
        """Initial and maintenance margin of a notional, ceiling."""
        if notional == 0:
            return 0, 0
        tier = self.tier(notional)
        return (
            ceil_div(notional * tier.initial_rate, WAD) - tier.deduction,
            ceil_div(notional * tier.maintenance_rate, WAD) - tier.deduction,
        )
