"""A thin market with one quoter: he pushes the mark to the edge of the band, lets his own short (long) be
liquidated at it, and sells (buys) to it himself at the vault's expense (Hyperliquid, JELLY, March 2025).

The index stands still all the time, so whatever he gains is the vault's.
"""

from __future__ import annotations

import pytest
from support import BOTH_SIDES, Exchange, plain_market, with_terms
from support.distress import NO_BREAKER, TERMS, away, fund_vault

from perpsim.protocol import WAD, Tier, wad

#: 1 % initial margin beside a band of 5 %; the vault pays up to 2 % from the nearer of mark and index
THIN = plain_market(
    tiers=(Tier(wad(10**8), wad("0.01"), wad("0.005")),),
    liquidation=TERMS._replace(cover_slippage=wad("0.02"), penalty_rate=wad("0.0025")),
    band=wad("0.05"),
    basis_time=150,
)
SIZE = 100
NOTIONAL = SIZE * 10_000


@pytest.mark.exchange(markets=(THIN,), vault=NO_BREAKER)
@BOTH_SIDES
@pytest.mark.parametrize("distance", [19, 69], ids=["near the index", "near the mark"])
def test_the_gain_is_bounded_by_the_slippage_not_by_the_band(
    exchange: Exchange, side: int, distance: int
) -> None:
    """What the terms allow, and no more however large the fund: cover slippage - margin, per notional."""
    fund_vault(exchange, 10**6)
    victim = exchange.actor("own loser", deposit=NOTIONAL // 100)
    hedge = exchange.actor("own hedge", deposit=10**6)
    quoter = exchange.actor("own quoter", deposit=10**6)
    gang = (victim, hedge, quoter)
    exchange.open(side, victim, hedge, SIZE, 10_000)
    start = sum(actor.equity for actor in gang)
    # alone in the book, for a quarter of an hour
    quoter.order(side, "0.001", away(side, 800))
    quoter.order(-side, "0.001", away(side, 790))
    for _ in range(15):
        exchange.refresh(60)
    mark = exchange.mark()
    assert abs(mark - wad(away(side, 500))) <= wad(2)
    assert victim.equity < 0
    quoter.cancel_all()
    price = wad(10_000 - side * 10 * distance)
    quoter.send(exchange.book, "place", side > 0, price, wad(SIZE), 0, False, 0)
    event = exchange.actor("keeper").liquidate(victim).event("Liquidated")
    # back at the index the three of them are flat but for the price they pushed
    for _ in range(60):
        exchange.refresh(60)
    gained = sum(max(actor.equity, 0) for actor in gang) - start
    assert abs(gained - event.cover) <= wad(NOTIONAL) // 1_000
    bound = wad(NOTIONAL) * (2 - 1) // 100
    assert event.cover <= bound + wad(NOTIONAL) // 1_000, (event.cover / WAD, bound / WAD)
    assert (event.cover > 0) == (distance < 20)


def pumped_and_opened(exchange: Exchange, side: int) -> tuple[int, int]:
    """He pushes the mark first, and then two of his trade with each other there, each with the least margin
    that is enough. When the mark is back the one who bought (sold) dear may owe. Gain and cover, WAD."""
    fund_vault(exchange, 10**6)
    loser, winner, quoter = (
        exchange.actor(name, deposit=stake)
        for name, stake in (("own loser", NOTIONAL // 80), ("own winner", 10**6), ("own quoter", 10**6))
    )
    start = sum(actor.equity for actor in (loser, winner, quoter))
    quoter.order(-side, "0.001", away(side, -800))
    quoter.order(side, "0.001", away(side, -790))
    for _ in range(30):
        exchange.refresh(60)
    quoter.cancel_all()
    edge = exchange.mark() // 10**15 * 10**15
    winner.send(exchange.book, "place", side < 0, edge, wad(SIZE), 1, False, 0)
    loser.send(exchange.book, "place", side > 0, edge, wad(SIZE), 3, False, 0)
    assert loser.size() == side * wad(SIZE)
    loser.send(exchange.clearinghouse, "withdraw", loser.withdrawable)
    taken = loser.tokens * exchange.unit()
    for _ in range(60):
        exchange.refresh(60)
    # bids at the index, nobody bids worse
    quoter.order(side, SIZE, 10_000)
    covered = 0
    if loser.equity < loser.health.maintenance:
        covered = exchange.actor("keeper").liquidate(loser).event("Liquidated").cover
    gained = sum(max(actor.equity, 0) for actor in (loser, winner, quoter)) + taken - start
    return gained, covered


@pytest.mark.exchange(markets=(THIN,), vault=NO_BREAKER)
@BOTH_SIDES
def test_opened_at_the_pumped_mark_the_gain_is_the_band_less_the_margin(
    exchange: Exchange, side: int
) -> None:
    """Margin is asked for at the mark: what a band of 5 % beside a margin of 1 % costs the fund in a market
    that nobody else quotes, and no more than that."""
    gained, covered = pumped_and_opened(exchange, side)
    bound = wad(NOTIONAL) * 5 // 100 - wad(NOTIONAL) * 95 // 10_000
    assert wad(NOTIONAL) * 3 // 100 < gained <= bound
    assert gained == covered


@pytest.mark.exchange(markets=(with_terms(THIN, band=wad("0.009")),), vault=NO_BREAKER)
@BOTH_SIDES
def test_with_a_band_within_the_margin_there_is_nothing_to_gain(exchange: Exchange, side: int) -> None:
    """A market's band is better not wider than its least initial margin."""
    gained, covered = pumped_and_opened(exchange, side)
    assert gained <= 0 == covered
