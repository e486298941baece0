"""Rank lights: where each account stands in the deleveraging queue."""

from __future__ import annotations

import pytest
from support import BOTH_SIDES, Exchange
from support.distress import away, distress_market
from support.lists import by_list, hand_in_whole, planned, rows

from perpsim.chain import Revert
from perpsim.deleveraging.lights import quintiles
from perpsim.protocol import wad

pytestmark = pytest.mark.exchange(markets=(distress_market(),))

#: BitMEX's example: size by account in the order in which they came in, the earlier the higher the score
SIZES = (10, 20, 30, 10, 10, 20)
QUINTILES = (1, 2, 3, 4, 4, 5)


def crowded(exchange: Exchange, side: int) -> list[int]:
    """Six on one side, of equal leverage when they came in, each at a worse price than the one before."""
    found = []
    beside = exchange.actor("beside", deposit=10**8)
    for i, size in enumerate(SIZES):
        price = away(side, 100 * i)
        exchange.move(price)
        other = exchange.actor(f"account {i}", deposit=2_000 * size)
        exchange.open(side, beside, other, size, price)
        found.append(other.account)
    exchange.move(away(side, 700))
    return found


@BOTH_SIDES
def test_lights_are_quintiles_of_the_cumulative_size(exchange: Exchange, side: int) -> None:
    by_list(exchange, "queue-bitmex")
    accounts = crowded(exchange, side)
    shuffled = [accounts[i] for i in (3, 0, 5, 1, 4, 2)]
    shown = {view.account: view for view in exchange.lens.view("lights", 0, shuffled)}
    assert [shown[account].quintile for account in accounts] == list(QUINTILES)
    assert [shown[account].ahead for account in accounts] == [wad(sum(SIZES[:i])) for i in range(6)]
    assert [shown[account].size for account in accounts] == [wad(size) for size in SIZES]
    assert [shown[account].quintile for account in accounts] == quintiles([wad(size) for size in SIZES])


@BOTH_SIDES
def test_who_shows_most_lights_is_taken_first(exchange: Exchange, keeper, side: int) -> None:
    by_list(exchange, "queue-hyperliquid")
    accounts = crowded(exchange, side)
    loser = exchange.actor("loser", deposit=10_800)
    exchange.open(side, loser, exchange.actor("equal", deposit=10**6), 10, away(side, 700))
    accounts.append(exchange.actor("equal").account)
    exchange.move(away(side, 1_800))
    shown = exchange.lens.view("lights", 0, accounts)
    first = min(shown, key=lambda view: view.ahead)
    listed, _ = planned(exchange, loser, "queue-hyperliquid")
    taken = rows(hand_in_whole(keeper, loser, listed))
    assert first.quintile == 1 and taken[0].account == first.account and taken[0].taken > 0


def test_only_a_whole_side_has_lights(exchange: Exchange) -> None:
    accounts = crowded(exchange, 1)
    with pytest.raises(Revert, match="deleverage: by index"):
        exchange.lens.view("lights", 0, accounts)
    by_list(exchange, "queue-bitmex")
    with pytest.raises(Revert, match="lights: side is incomplete"):
        exchange.lens.view("lights", 0, accounts[1:])
    with pytest.raises(Revert, match="lights: not one side"):
        exchange.lens.view("lights", 0, [*accounts, exchange.actor("beside").account])
    with pytest.raises(Revert, match="lights: nobody"):
        exchange.lens.view("lights", 0, [])


@BOTH_SIDES
def test_who_has_no_position_has_no_lights(exchange: Exchange, side: int) -> None:
    by_list(exchange, "queue-bitmex")
    accounts = crowded(exchange, side)
    idle = exchange.actor("idle", deposit=100).account
    for listed in ([idle], [idle, *accounts], [*accounts, idle]):
        with pytest.raises(Revert, match="lights: "):
            exchange.lens.view("lights", 0, listed)
    with pytest.raises(Revert, match="lights: not one side"):
        exchange.lens.view("lights", 0, [*accounts, idle])
