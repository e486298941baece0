"""Whatever the equity, the fund and the book: never a revert, and progress wherever progress is possible."""

from __future__ import annotations

import pytest
from support import BOTH_SIDES, Actor, Exchange, deployed
from support.distress import NO_BREAKER, away, distress_market, fund_vault, positioned

from perpsim.chain import Revert
from perpsim.protocol import WAD, ProtocolParams, wad

PARAMS = ProtocolParams(decimals=18, markets=(distress_market(tick_size=wad("0.01")),), vault=NO_BREAKER)

#: distance of the mark from 10,000 and equity there, wei
EQUITIES = {
    "maintenance - 1 wei": (530, None),
    "1 wei": (1_001, 1),
    "0": (1_001, 0),
    "-1 wei": (1_001, -1),
    "-5,000": (1_500, wad(-5_000)),
    "price almost gone": ("9999.999", wad("-89999.99")),
}
FUNDS = {"empty": 0, "a wei": "0.000000000000000001", "little": 37, "rich": 10**7}
#: orders on the closing side: distance from the mark in per mille, size, how many
BOOKS = {
    "empty": [],
    "a lot at the mark": [(0, "0.001", 1)],
    "far too low": [(200, "10", 1)],
    "slightly worse": [(5, "10", 1)],
    "at the limit": [(60, "4", 1), (100, "10", 1)],
    "good": [(-5, "10", 1)],
    "slivers, then deep": [(0, "0.001", 40), (1, "0.01", 30), (30, "10", 1)],
}


def in_trouble(exchange: Exchange, side: int, case: str) -> Actor:
    """An account with that equity, 10 at 10,000."""
    distance, wanted = EQUITIES[case]
    mark = away(side, distance)
    if wanted is None:
        wanted = wad(mark) * 10 // 20 - 1
    stake = wanted + wad(distance) * 10
    loser = positioned(exchange, side, stake=f"{stake // WAD}.{stake % WAD:018d}")
    exchange.move(mark)
    equity, _, maintenance = loser.health
    assert equity == wanted < maintenance
    return loser


def quote(exchange: Exchange, side: int, book: str) -> None:
    """Put the orders of the case into the book."""
    mark = exchange.mark()
    tick = exchange.params.markets[0].tick_size
    for i, (per_mille, size, count) in enumerate(BOOKS[book]):
        price = mark * (1_000 - side * per_mille) // 1_000 // tick * tick
        for n in range(count):
            maker = exchange.actor(f"maker {i} {n // 30}")
            if not maker.account:
                maker.deposit(10**7)
            maker.send(exchange.book, "place", side > 0, max(price, tick), wad(size), 0, False, 0)


def call(exchange: Exchange, whom: Actor, deleverage: bool) -> int | None:
    """A keeper's call: size closed, or None if there is nothing to do."""
    try:
        return int(exchange.actor("keeper").liquidate(whom, with_deleverage=deleverage).value)
    except Revert as error:
        assert error.reason in ("liquidate: healthy", "liquidate: no position"), error.reason
        return None


@BOTH_SIDES
@pytest.mark.parametrize("case", EQUITIES)
@pytest.mark.parametrize("fund", FUNDS)
@pytest.mark.parametrize("book", BOOKS)
def test_every_call_makes_what_progress_there_is(side: int, case: str, fund: str, book: str) -> None:
    """Book and vault do what they can; deleveraging then brings a bankrupt account to nothing."""
    with deployed(PARAMS) as exchange:
        if FUNDS[fund]:
            fund_vault(exchange, FUNDS[fund])
        loser = in_trouble(exchange, side, case)
        bankrupt = loser.equity < 0
        quote(exchange, side, book)

        # the first call first without deleveraging: it must not stand in the way of anything
        closed = call(exchange, loser, False)
        assert closed is not None
        if (book == "good" and not bankrupt) or (fund == "rich" and book not in ("empty", "far too low")):
            assert closed > 0
        assert bankrupt or loser.equity >= 0, "a solvent account was made insolvent"
        while closed:
            closed = call(exchange, loser, False)
        left = abs(loser.size())
        if left and not bankrupt:
            # solvent, and no bid that it or the vault could pay for
            assert call(exchange, loser, True) in (0, None)
            assert loser.equity >= 0
        elif left:
            assert call(exchange, loser, True) == left
        if bankrupt:
            assert loser.size() == 0 and loser.collateral >= 0
        exchange.check_invariants(dust=10**4, size_dust=0)


@BOTH_SIDES
@pytest.mark.parametrize("case", ["-1 wei", "-5,000", "price almost gone"])
@pytest.mark.parametrize("fund", FUNDS)
@pytest.mark.parametrize("book", BOOKS)
def test_one_call_is_enough_for_a_bankrupt_account(side: int, case: str, fund: str, book: str) -> None:
    """Unless the count of orders ends the walk, and then a second one."""
    with deployed(PARAMS) as exchange:
        if FUNDS[fund]:
            fund_vault(exchange, FUNDS[fund])
        loser = in_trouble(exchange, side, case)
        quote(exchange, side, book)
        keeper = exchange.actor("keeper")
        for _ in range(2 if book.startswith("slivers") else 1):
            if loser.size():
                keeper.send(exchange.liquidator, "deleverage", loser.account, 0)
        assert loser.size() == 0 and loser.collateral >= 0
        exchange.check_invariants(dust=10**4, size_dust=0)
