"""Self-trades, one maker's skew, or calls that do nothing move the mark, the funding rate or a clock."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support import BOTH_SIDES, IOC, LONG, SHORT, Actor, Exchange, deployed, plain_market
from support.distress import TERMS, away, positioned

from perpsim.chain import Revert
from perpsim.protocol import FundingTerms, ProtocolParams, VaultParams, wad

BAND = wad("0.02")
BANDED = plain_market(
    liquidation=TERMS,
    funding=FundingTerms(interest=0, clamp=0, cap=wad("0.0075"), band=BAND, basis_time=150, premium_time=600),
)
QUOTED = pytest.mark.exchange(markets=(BANDED,))


@pytest.fixture
def honest(exchange: Exchange) -> Actor:
    """Quotes 1 on both sides, 10 away."""
    actor = exchange.actor("honest", deposit=10**6)
    actor.order(LONG, 1, 9_990)
    actor.order(SHORT, 1, 10_010)
    return actor


@QUOTED
@BOTH_SIDES
@pytest.mark.parametrize("price", [9_991, 10_009])
def test_self_trades_inside_the_spread_do_not_move_the_mark(
    exchange: Exchange, honest: Actor, side: int, price: int
) -> None:
    """A thousand of the smallest size, in every block, between two accounts of one owner: nothing but quotes
    that stand when the block ends count."""
    one, two = (exchange.actor(f"attacker {i}", deposit=1_000) for i in range(2))
    for _ in range(20):
        for _ in range(25):
            one.order(side, "0.001", price)
            two.order(-side, "0.001", price, IOC)
            two.order(side, "0.001", price)
            one.order(-side, "0.001", price, IOC)
        exchange.refresh(12)
        assert exchange.mark() == wad(10_000)
    assert exchange.market().funding_per_second == 0
    assert one.size() == two.size() == 0


@QUOTED
@BOTH_SIDES
def test_self_trades_at_the_edge_of_the_band_do_not_move_the_mark(
    exchange: Exchange, honest: Actor, side: int
) -> None:
    """Outside the spread they meet the honest quotes first, and pay for them."""
    one, two = (exchange.actor(f"attacker {i}", deposit=10_000) for i in range(2))
    edge = away(-side, 200)
    for _ in range(10):
        one.order(-side, "0.001", edge)
        two.order(side, "0.001", edge, IOC)
        exchange.refresh(12)
    assert two.position()[:2] == (side * wad("0.01"), side * away(-side, 10) * wad("0.01"))
    assert exchange.mark() == wad(10_000)


@QUOTED
@BOTH_SIDES
@pytest.mark.parametrize("size", ["0.001", 1_000])
def test_funding_does_not_follow_the_skew_of_one_maker(
    exchange: Exchange, honest: Actor, side: int, size: object
) -> None:
    """Behind the best quotes no size and no distance counts: neither mark nor rate."""
    holder = positioned(exchange, side, size=1)
    skewed = exchange.actor("skewed", deposit=10**8)
    for distance in (11, 100, 500, 3_000):
        skewed.order(side, size, away(side, distance))
    for distance in (2_000, 3_000):
        skewed.order(-side, size, away(-side, distance))
    for _ in range(50):
        exchange.refresh(12)
    state = exchange.market()
    assert exchange.mark() == wad(10_000)
    assert state.premium == state.funding_per_second == 0 and holder.equity == wad(10_000)


@QUOTED
@BOTH_SIDES
def test_a_maker_who_is_alone_is_paid_no_more_than_the_cap(exchange: Exchange, side: int) -> None:
    """For a day nobody else quotes: the premium stays in the band, the rate at its cap of 0.75 % in 8 h."""
    payer = positioned(exchange, side, size=1)
    alone = exchange.actor("alone", deposit=10**6)
    alone.order(LONG, "0.001", away(-side, 999) - 1)
    alone.order(SHORT, "0.001", away(-side, 999))
    for _ in range(24 * 60):
        exchange.refresh(60)
    state = exchange.market()
    assert abs(exchange.mark() - wad(10_000)) <= 10_000 * BAND
    assert 0 < state.premium * side <= BAND
    most = 3 * 10_200 * wad("0.0075")
    assert most * 8 // 10 < -payer.position().pending <= most
    # and from the day on that somebody else quotes, it is over
    honest = exchange.actor("honest", deposit=10**6)
    alone.cancel_all()
    honest.order(LONG, 1, 9_990)
    honest.order(SHORT, 1, 10_010)
    for _ in range(120):
        exchange.refresh(60)
    assert abs(exchange.mark() - wad(10_000)) < wad("0.1")
    assert abs(exchange.market().premium) < BAND // 1_000


# calls that do nothing

RATED = plain_market(
    liquidation=TERMS,
    taker_fee=10**15,
    maker_fee=10**14,
    funding=FundingTerms(
        interest=wad("0.0003"), clamp=wad("0.0005"), cap=wad("0.0075"), band=BAND, basis_time=150,
        premium_time=600,
    ),
)  # fmt: skip
CAPPED = VaultParams(initial=wad(10_000), cap=wad(1_000), cap_window=3_600)

#: by name what the attacker sends; it changes nothing that could be told afterwards
IDLE: dict[str, Callable[[Exchange, Actor], object]] = {
    "a second poke": lambda exchange, attacker: attacker.send(exchange.clearinghouse, "poke", 0),
    "sweep of no fees": lambda exchange, attacker: attacker.send(exchange.clearinghouse, "sweep_fees", 0),
    "repayment of no debt": lambda exchange, attacker: attacker.send(
        exchange.liquidator, "repay_bad_debt", 0
    ),
    "no orders cancelled": lambda exchange, attacker: attacker.cancel_all(),
    "a list of none cancelled": lambda exchange, attacker: attacker.send(exchange.book, "cancel_many", []),
    "an order placed and cancelled": lambda exchange, attacker: attacker.cancel(attacker.buy(1, 5_000).id),
    "best quotes placed and cancelled": lambda exchange, attacker: (
        attacker.cancel(attacker.buy("0.001", "10039.999").id),
        attacker.cancel(attacker.sell("0.001", "9990.001").id),
    ),
    "a deposit taken back": lambda exchange, attacker: (attacker.deposit(1), attacker.withdraw(1)),
    "a gift of nothing": lambda exchange, attacker: attacker.send(exchange.vault, "fund", 0),
    "a liquidation that is refused": lambda exchange, attacker: _refused(exchange, attacker),
}


def _refused(exchange: Exchange, attacker: Actor) -> None:
    with pytest.raises(Revert, match="liquidate: healthy"):
        attacker.liquidate(exchange.actor("loser"))


@BOTH_SIDES
@pytest.mark.parametrize("name", IDLE)
def test_a_call_that_does_nothing_moves_no_clock(side: int, name: str) -> None:
    """Sent in every block of half an hour, between the oracle's prices, it leaves mark, funding, breaker and
    caps as they are without it."""
    ends = []
    for busy in (False, True):
        with deployed(ProtocolParams(decimals=18, markets=(RATED,), vault=CAPPED)) as exchange:
            holder = positioned(exchange, side, stake=20_000)
            attacker = exchange.actor("attacker", deposit=10_000)
            honest = exchange.actor("honest", deposit=10**6)
            honest.order(LONG, 1, 9_990)
            honest.order(SHORT, 1, 10_040)
            exchange.owner.send(exchange.clearinghouse, "sweep_fees", 0)
            for block in range(150):
                if block % 5 == 4:
                    exchange.move(10_000 + block)
                else:
                    exchange.wait(12)
                    exchange.poke()
                if busy:
                    IDLE[name](exchange, attacker)
            exchange.refresh(12)
            state, vault = exchange.market(), exchange.vault
            ends.append(
                (
                    holder.equity,
                    state.mark,
                    state.basis,
                    state.premium,
                    state.funding_per_second,
                    exchange.fund,
                    vault.view("coverage", 0),
                    vault.view("breaker_state").peak,
                )
            )
    assert ends[0] == ends[1]
