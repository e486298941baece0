"""A change of terms reaches back: what was earned or owed before it is worked out anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support import BOTH_SIDES, Actor, Exchange, deployed, plain_market
from support.distress import TERMS

from perpsim.protocol import FundingTerms, ProtocolParams, Tier, wad

FUNDING = FundingTerms(interest=wad("0.0288"), clamp=wad(1), cap=wad(1), band=wad("0.02"))
MARKET = plain_market(liquidation=TERMS, funding=FUNDING, taker_fee=10**15)
HARD = [Tier(wad(10**8), wad("0.5"), wad("0.25"))]

#: changes of everything that an owner may change of a market
CHANGES: dict[str, Callable[[Exchange], tuple[Any, str, tuple[Any, ...]]]] = {
    "funding the other way": lambda e: (
        e.parameters,
        "set_funding_terms",
        (0, FUNDING._replace(interest=-FUNDING.interest)),
    ),
    "funding ten times": lambda e: (
        e.parameters,
        "set_funding_terms",
        (0, FUNDING._replace(interest=10 * FUNDING.interest)),
    ),
    "no funding": lambda e: (e.parameters, "set_funding_terms", (0, FUNDING._replace(cap=0))),
    "another averaging time": lambda e: (
        e.parameters,
        "set_funding_terms",
        (0, FUNDING._replace(basis_time=1, premium_time=1)),
    ),
    "fees and age of the index": lambda e: (
        e.parameters,
        "set_terms",
        (0, MARKET.terms._replace(taker_fee=10**16, max_age=600)),
    ),
    "margins": lambda e: (e.parameters, "set_margin_tiers", (0, HARD)),
    "open-interest cap": lambda e: (e.parameters, "set_open_interest_cap", (0, 0)),
    "close-only": lambda e: (e.parameters, "set_close_only", (0, True)),
    "liquidation": lambda e: (e.liquidator, "set_params", (0, TERMS._replace(penalty_rate=wad("0.2")))),
    "age at the oracle": lambda e: (e.oracle, "set_max_age", (0, 3_600)),
    "cap of the fund": lambda e: (e.vault, "set_cap", (0, wad(1))),
    "breaker": lambda e: (e.vault, "set_breaker", (wad("0.1"), wad("0.1"))),
}


def belongings(exchange: Exchange, actors: tuple[Actor, ...]) -> list[int]:
    """What the change must not touch."""
    return [
        *(actor.equity for actor in actors),
        *(actor.collateral for actor in actors),
        *(actor.position().pending for actor in actors),
        *exchange.fees(),
        exchange.mark(),
        exchange.fund,
    ]


@BOTH_SIDES
@pytest.mark.parametrize("name", CHANGES)
def test_the_past_stays_what_it_was(side: int, name: str) -> None:
    """An hour of funding is due when the terms change: in the same second everybody has what they had."""
    with deployed(ProtocolParams(decimals=18, markets=(MARKET,))) as exchange:
        trader, maker = (exchange.actor(role, deposit=100_000) for role in ("trader", "maker"))
        exchange.open(side, trader, maker, 3, 10_000)
        exchange.quote(maker, 9_990, 10_050, 1)
        for _ in range(60):
            exchange.refresh(60)
        exchange.wait(31)
        # a renewal in this second, so that only the change is left to do anything
        exchange.poke()
        before = belongings(exchange, (trader, maker))
        assert trader.position().pending * side < -wad(100)
        contract, function, args = CHANGES[name](exchange)
        exchange.owner.send(contract, function, *args)
        assert belongings(exchange, (trader, maker)) == before
        exchange.check_invariants()


@BOTH_SIDES
@pytest.mark.parametrize("name", CHANGES)
def test_the_past_stays_what_it_was_though_nobody_poked(side: int, name: str) -> None:
    """Without a renewal just before: the setter accrues with the old terms first, to the second."""
    ends = []
    for changed in (False, True):
        with deployed(ProtocolParams(decimals=18, markets=(MARKET,))) as exchange:
            trader, maker = (exchange.actor(role, deposit=100_000) for role in ("trader", "maker"))
            exchange.open(side, trader, maker, 3, 10_000)
            exchange.refresh(50)
            exchange.quote(maker, 9_990, 10_050, 1)
            exchange.wait(1_800)
            if changed:
                contract, function, args = CHANGES[name](exchange)
                exchange.owner.send(contract, function, *args)
            # half an hour's interest of 2.88 % in 8 hours
            assert trader.position().pending == -side * 3 * 1_850 * wad("0.01")
            # averages of the half hour, too, are those of the old terms
            exchange.poke()
            state = exchange.market()
            ends.append((trader.equity, maker.equity, state.mark, state.basis, state.premium))
    assert ends[0] == ends[1] and ends[0][3]
