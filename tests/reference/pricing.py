"""Mark price and funding rate (SPECIFICATION 3)."""

from __future__ import annotations

from reference.arith import WAD, clamp, exp_negative, median, toward_zero
from reference.market import Market

FUNDING_PERIOD = 8 * 3600


def renew(market: Market, now: int, bid: int, ask: int, index: int = 0, index_time: int = 0) -> None:
    """Book funding up to now, then renew mark and funding rate; a new index counts from now on.

    `bid` and `ask` are the best with which the block began (WAD), 0 where a side was empty.
    """
    elapsed = now - market.renewed_at
    terms = market.funding
    market.flow += market.rate * elapsed
    mid = (bid + ask) // 2 if bid and ask else 0
    if market.index:
        # both averages are over what held since the last renewal: its index, its mark
        width = market.index * terms.band // WAD
        seen = clamp(mid - market.index, -width, width) if mid else 0
        market.basis = averaged(market.basis, seen, elapsed, terms.basis_time)
        held = toward_zero((market.mark - market.index) * WAD, market.index)
        market.premium = averaged(market.premium, held, elapsed, terms.premium_time)
    if index:
        market.index, market.index_time = index, index_time
    width = market.index * terms.band // WAD
    usual = market.index + market.basis
    mark = median(market.index, usual, mid) if mid else usual
    market.mark = clamp(mark, market.index - width, market.index + width)
    market.rate = toward_zero(funding_rate(market) * market.mark, WAD * FUNDING_PERIOD)
    market.renewed_at = now


def averaged(average: int, held: int, elapsed: int, time: int) -> int:
    """Exponential average after `held` was seen for so many seconds."""
    return held + toward_zero((average - held) * exp_negative(elapsed * WAD // time), WAD)


def funding_rate(market: Market) -> int:
    """Rate per 8 hours (WAD)."""
    terms = market.funding
    pull = clamp(terms.interest - market.premium, -terms.clamp, terms.clamp)
    return clamp(market.premium + pull, -terms.cap, terms.cap)
