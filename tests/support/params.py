"""Markets for tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from perpsim.protocol import WAD, FundingTerms, MarketParams, MarketTerms, Tier, wad

_PARTS = ("terms", "funding", "liquidation")


def with_terms(market: MarketParams, **changes: Any) -> MarketParams:
    """`market` with fields changed, wherever they live: `with_terms(market, taker_fee=0, max_orders=2)`."""
    parts: dict[str, Any] = {part: getattr(market, part) for part in _PARTS}
    whole: dict[str, Any] = {}
    for name, value in changes.items():
        owners = [part for part in _PARTS if name in parts[part]._fields and not hasattr(market, name)]
        if owners:
            (owner,) = owners
            parts[owner] = parts[owner]._replace(**{name: value})
        else:
            whole[name] = value
    return replace(market, **{**parts, **whole})


def plain_market(**changes: Any) -> MarketParams:
    """A market for sums in the head: no fees, no funding, the mark is the index, 10 % initial and 5 %
    maintenance margin at any size, tick and lot 1/1000 (so prices go up to 16,777.215)."""
    market = MarketParams(
        symbol="PLAIN",
        tick_size=wad("0.001"),
        lot_size=wad("0.001"),
        min_size=wad("0.001"),
        terms=MarketTerms(maker_fee=0, taker_fee=0, vault_share=0),
        funding=FundingTerms(interest=0, clamp=0, cap=0, band=0),
        tiers=(Tier(10**8 * WAD, wad("0.1"), wad("0.05")),),
    )
    return with_terms(market, **changes)


#: marks tests whose `exchange` has one plain market
PLAIN = pytest.mark.exchange(markets=(plain_market(),))
#: runs a test with collateral of 6 and of 18 decimals
BOTH_DECIMALS = pytest.mark.parametrize("decimals", [6, 18])
#: runs a test for a long and for a short
BOTH_SIDES = pytest.mark.parametrize("side", [1, -1], ids=["long", "short"])
