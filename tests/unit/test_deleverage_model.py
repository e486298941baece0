"""Deleveraging by index against a naive model: exact fractions, one entry an account, every account touched.

The contract writes two numbers however many accounts there are; the model goes through all of them. Sizes
may differ by a wei a deleveraging (they are rounded down), money by what those wei are worth and a few more.
"""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import LONG, SHORT, Actor, Exchange, deployed
from support.distress import distress_market

from perpsim.chain import Revert
from perpsim.protocol import WAD, ProtocolParams

PARAMS = ProtocolParams(decimals=18, markets=(distress_market(),))
NAMES = tuple(f"trader {number}" for number in range(8))
#: more than all of them together could lose
RICH = 10**8


class Naive:
    """What everybody has, in wei as fractions: size, and money with the position's cost taken off."""

    def __init__(self) -> None:
        self.size = dict.fromkeys(NAMES, Fraction(0))
        self.money = dict.fromkeys(NAMES, Fraction(0))
        self.mark = Fraction(10_000)
        #: wei by which sizes and money of anybody may differ, and how often somebody was deleveraged
        self.rounds = 0
        self.steps = 0

    def trade(self, buyer: str, seller: str, size: int, price: Fraction) -> None:
        for name, signed in ((buyer, size), (seller, -size)):
            self.size[name] += signed
            self.money[name] -= signed * price
        self.steps += 1

    def equity(self, name: str) -> Fraction:
        return self.money[name] + self.size[name] * self.mark

    def deleverage(self, name: str) -> None:
        """Close a bankrupt account at its bankruptcy price against everybody on the other side, by size."""
        size = self.size[name]
        price = self.mark - self.equity(name) / size
        # a short is never paid for buying back
        price = max(price, Fraction(0))
        other = {who: held for who, held in self.size.items() if held * size < 0}
        total = sum(other.values())
        for who, held in other.items():
            closed = -size * held / total
            self.size[who] += -closed
            self.money[who] += closed * price
        self.money[name] += size * price
        self.size[name] = Fraction(0)
        self.rounds += 1
        # what is still owed then is charged to those the account has lost to, up to what they hold
        owed = -self.money[name]
        winners = {who: held for who, held in self.size.items() if held * size < 0}
        total = sum(abs(held) for held in winners.values())
        charged = min(owed, total * self.mark)
        if charged > 0:
            for who, held in winners.items():
                self.money[who] -= charged * abs(held) / total
        self.money[name] = max(self.money[name], Fraction(0))


def compare(exchange: Exchange, naive: Naive, actors: dict[str, Actor]) -> None:
    """Every account, to its dust."""
    size_dust = naive.rounds
    # a wei of size is worth the highest price seen in wei
    money_dust = (naive.rounds + 1) * 200_000 + 10 * naive.steps
    for name, actor in actors.items():
        size, entry, pending = actor.position()
        assert abs(size - naive.size[name]) <= size_dust, (name, size, naive.size[name])
        money = actor.collateral + pending - entry
        assert abs(money - naive.money[name]) <= money_dust, (name, money, naive.money[name])
    # a side that was deleveraged lacks up to a wei an account of its open interest: the exchange bears that
    # dust, which may cost it what it may bring
    assert abs(exchange.ledger().gap) <= len(NAMES) * money_dust
    exchange.check_open_interest(dust=len(NAMES) * (size_dust + 1))
    exchange.check_book()


STAKES = st.tuples(*[st.sampled_from([60, 1_000, 10_000, RICH]) for _ in NAMES])
WHO = st.integers(0, len(NAMES) - 1)
TRADE = st.tuples(st.just("trade"), WHO, WHO, st.integers(1, 9_999))
MOVE = st.tuples(st.just("move"), st.integers(100, 30_000), WHO, WHO)
STEPS = st.lists(st.one_of(TRADE, TRADE, MOVE), min_size=4, max_size=25)


def run(stakes: tuple[int, ...], steps: list[tuple]) -> None:
    """Trade, move, deleverage whoever is bankrupt, compare."""
    with deployed(PARAMS) as exchange:
        actors = {name: exchange.actor(name, deposit=stake) for name, stake in zip(NAMES, stakes)}
        keeper = exchange.actor("keeper")
        naive = Naive()
        for name, stake in zip(NAMES, stakes):
            naive.money[name] += stake * WAD
        for kind, one, two, three in steps:
            if kind == "trade":
                buyer, seller = NAMES[one], NAMES[two]
                if buyer == seller:
                    continue
                try:
                    milli = exchange.mark() * 1_000 // WAD
                    price = f"{milli // 1_000}.{milli % 1_000:03d}"
                    size = f"{three // 1_000}.{three % 1_000:03d}"
                    exchange.trade(actors[buyer], actors[seller], size, price)
                except Revert as error:
                    assert error.reason.startswith("order: "), error.reason
                    actors[seller].cancel_all()
                    continue
                naive.trade(buyer, seller, three * WAD // 1_000, Fraction(milli, 1_000))
            else:
                exchange.move(one)
                naive.mark = Fraction(one)
                for _ in range(20):
                    bankrupt = [n for n in NAMES if naive.size[n] and actors[n].equity < 0]
                    if not bankrupt:
                        break
                    keeper.send(exchange.liquidator, "deleverage", actors[bankrupt[0]].account, 0)
                    naive.deleverage(bankrupt[0])
                compare(exchange, naive, actors)
        compare(exchange, naive, actors)


def test_any_history_is_the_naive_one() -> None:
    """Random stakes, trades at the mark and moves; everybody who is bankrupt is deleveraged at once."""

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(stakes=STAKES, steps=STEPS)
    def check(stakes: tuple[int, ...], steps: list[tuple]) -> None:
        run(stakes, steps)

    check()


@pytest.mark.parametrize("side", [LONG, SHORT], ids=["long", "short"])
def test_the_order_of_several_bankrupt_accounts_does_not_matter(side: int) -> None:
    """Five at once, in three orders: everybody ends with the same, to a few wei, at the same gas each."""
    ends: list[list[int]] = []
    gas: list[list[int]] = []
    for order in ((0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (2, 0, 4, 1, 3)):
        with deployed(PARAMS) as exchange:
            winners = [exchange.actor(f"winner {i}", deposit=RICH) for i in range(3)]
            losers = []
            for i in range(5):
                losers.append(exchange.actor(f"loser {i}", deposit=1_000 * (i + 1) + i))
                exchange.open(side, losers[i], winners[i % 3], i + 1, 10_000)
            exchange.open(side, exchange.actor("rich", deposit=RICH), winners[0], "3.217", 10_000)
            exchange.move(10_000 - side * 2_345)
            keeper = exchange.actor("keeper", deposit=1)
            gas.append([])
            for i in order:
                sent = keeper.send(exchange.liquidator, "deleverage", losers[i].account, 0)
                gas[-1].append(sent.gas)
            ends.append([value for actor in winners for value in (actor.size(), actor.equity)])
            assert all(loser.collateral == loser.size() == 0 for loser in losers)
    for other in ends[1:]:
        for one, two in zip(ends[0], other):
            assert abs(one - two) <= 5 * 10_000 * 3
    for spent in gas:
        assert max(spent[1:]) - min(spent[1:]) < 2_000
