"""Colluding accounts never gain at a fixed price (SPECIFICATION.md, 10, 5), under a search.

Four accounts of one owner do whatever anybody may do, to each other, to an honest quoter and to the fund.
The index stands still, the mark may be pushed. What they could leave with never exceeds what they came with;
where one of them is bankrupt from the start, or nobody honest quotes, never by more than is said.

`HYPOTHESIS_PROFILE=explore` searches fifty times as long, from another seed each time; what was found is
printed (`ape test -s`).
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import pytest
from gang import Found, Outcome, World, search
from support import plain_market
from support.distress import NO_BREAKER, TERMS, distress_market

from perpsim.protocol import WAD, LiquidationParams, MarketParams, ProtocolParams, Tier, wad

EXPLORING = os.environ.get("HYPOTHESIS_PROFILE") == "explore"
SEED = random.SystemRandom().randrange(10**9) if EXPLORING else 1
#: roundings, WAD
DUST = 10**12

#: as the exchange is by default, without fees: 1 % and 0.5 % of margin, a band of 5 %
FREE = plain_market(
    band=wad("0.05"),
    basis_time=150,
    tiers=(Tier(wad(10**9), wad("0.01"), wad("0.005")),),
    liquidation=LiquidationParams(),
)
#: initial and maintenance margin close together, largest rebate
TIGHT = plain_market(
    band=wad("0.05"),
    basis_time=60,
    maker_fee=-wad("0.0003"),
    taker_fee=wad("0.0003"),
    tiers=(Tier(wad(10**9), wad("0.0055"), wad("0.005")),),
    liquidation=LiquidationParams(),
)


def world(*markets: MarketParams, decimals: int = 18, **options: Any) -> World:
    """A world of these markets, whose fund pays to its last unit."""
    return World(ProtocolParams(decimals=decimals, markets=markets, vault=NO_BREAKER), **options)


def hunt(
    place: World,
    allowed: Callable[[Outcome], int],
    sequences: int,
    check: Callable[[Outcome], bool] = lambda outcome: True,
) -> Found:
    """Search, and say what was found."""
    found = search(place, allowed, check, seed=SEED, sequences=sequences * (50 if EXPLORING else 1))
    print(f"\nseed {SEED}: {found}")
    return found


def nothing(_: Outcome) -> int:
    """Nothing is to be had."""
    return 0


def rewards(place: World) -> Callable[[Outcome], int]:
    """Who liquidates a bankrupt account is paid for it, also if both are his; and who bids before the honest
    quoter gets what the fund covers at as bad a price, a tick from the index in a tight book."""
    market = place.params.markets[0]
    index = wad(10_000 + place.move)
    away = max(place.spread * WAD // 10**6, market.tick_size * WAD // index + 1)
    share = min(away, market.liquidation.cover_slippage)

    def allowed(outcome: Outcome) -> int:
        return outcome.rewarded + outcome.closed * share // WAD

    return allowed


def nobody_honest_has_lost(outcome: Outcome) -> bool:
    """Quotes at the index or away from it lose nothing, whoever takes them."""
    return outcome.honest_loss <= DUST


HONEST = {
    "a tight book": world(FREE, FREE),
    "a wide book": world(FREE, spread=2_500),
    "rebates, and margins close together": world(TIGHT, FREE, spread=1_500),
    "6 decimals": world(TIGHT, decimals=6, spread=400),
    "stakes in the fund": world(TIGHT, decimals=6, spread=3_000, fund=20_000, staking=True),
}


@pytest.mark.parametrize("name", HONEST)
def test_among_honest_quotes_there_is_nothing_to_gain(name: str) -> None:
    """Whoever is sound at the start and has somebody honest to trade with pays for whatever he does."""
    found = hunt(HONEST[name], nothing, 200, nobody_honest_has_lost)
    assert found.best.gain <= DUST, str(found)


#: long, short, size, price, market: the honest quoter is number 4
FALLEN = ((0, 1, 15, 10_000, 0), (2, 4, 12, 10_000, 0), (4, 3, 5, 10_000, 0))
MIRRORED = tuple((short, long, *rest) for long, short, *rest in FALLEN)
#: the fund covers nothing that is worse than the mark
NO_SLIPPAGE = distress_market(liquidation=TERMS._replace(cover_slippage=0))
MOVED = {
    "a wide book": world(NO_SLIPPAGE, openings=FALLEN, move=-1_250, spread=80_000),
    "a wide book, short": world(NO_SLIPPAGE, openings=MIRRORED, move=1_250, spread=80_000),
    "the fund pays": world(distress_market(), openings=FALLEN, move=-1_500),
    "the fund is empty": world(distress_market(), openings=FALLEN, move=-1_500, fund=0),
    "the fund is empty, short": world(distress_market(), openings=MIRRORED, move=1_500, fund=0),
    "two markets": world(
        distress_market(), distress_market(), openings=(*FALLEN, (3, 0, 3, 10_000, 1)), move=-1_400, fund=500
    ),
    "two markets, a queue": world(
        distress_market(),
        distress_market(),
        openings=(*FALLEN, (3, 0, 3, 10_000, 1), (1, 4, 3, 10_000, 1)),
        move=-1_400,
        fund=0,
        policy="queue-binance",
    ),
    "a queue": world(distress_market(), openings=FALLEN, move=-1_500, fund=0, policy="queue-bitmex"),
    "pro rata": world(distress_market(), openings=FALLEN, move=-1_700, fund=0, policy="pro-rata"),
    "stakes in the fund": world(
        distress_market(), openings=FALLEN, move=-1_500, fund=10_000, staking=True, policy="capped-pro-rata"
    ),
    "socialised": world(distress_market(), openings=FALLEN, move=-1_500, fund=0, policy="socialise"),
}


@pytest.mark.parametrize("name", MOVED)
def test_after_a_move_there_is_nothing_to_gain_but_rewards(name: str) -> None:
    """One of them is bankrupt, one close to it, one has won, and the honest quoter stands on both sides."""
    allowed = rewards(MOVED[name])
    found = hunt(MOVED[name], allowed, 120)
    assert found.best.gain <= allowed(found.best) + DUST, str(found)


def terms_of_a_sole_quoter(market: MarketParams) -> Callable[[Outcome], int]:
    """The exception: alone in the book he moves the mark to the edge of the band. Margin is asked for at the
    mark, so an account may come to owe, at the index, the band less its margin; and a liquidation that the
    fund covers may be `cover_slippage` away from the index."""
    band = market.funding.band
    # the margin is that of the mark, at the lower edge
    debt = max(band - market.tiers[0].initial_rate * (WAD - band) // WAD, 0)
    slippage = market.liquidation.cover_slippage

    def allowed(outcome: Outcome) -> int:
        return outcome.owing * debt // WAD + outcome.closed * (debt + slippage) // WAD + outcome.rewarded

    return allowed


HELD = ((0, 1, 150, 10_000, 0), (2, 3, 20, 10_000, 0))
ALONE = {
    "in cash": world(FREE, depth=0),
    "with positions": world(FREE, depth=0, openings=HELD),
    "beside quotes that are soon used up": world(FREE, depth=1, spread=1_000, openings=HELD),
}


@pytest.mark.parametrize("name", ALONE)
def test_a_sole_quoter_gains_no_more_than_band_and_slippage(name: str) -> None:
    """Nobody else quotes, or next to nobody. It is a bound by notional, not by the depth of the fund."""
    allowed = terms_of_a_sole_quoter(FREE)
    found = hunt(ALONE[name], allowed, 200, nobody_honest_has_lost)
    assert found.best.gain <= allowed(found.best) + DUST, str(found)


def test_the_search_finds_what_there_is() -> None:
    """It is not blind: without honest quotes it comes upon the sole quoter's gain by itself."""
    found = hunt(world(FREE, depth=0), nothing, 800)
    assert found.best.gain > WAD and found.kinds > 50, str(found)
