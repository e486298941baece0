"""What the keeper path costs, every transaction cold: deleveraging by index is the same for 3 accounts and
for 60; by list each account has its price, whatever the policy."""

from __future__ import annotations

import pytest
from support import LONG, SHORT, Exchange, fresh
from support.distress import away, distress_market, positioned
from support.lists import ALL, by_list, hand_in_whole, planned, rows

from perpsim.protocol import ProtocolParams, wad

PARAMS = ProtocolParams(markets=(distress_market(max_orders=32),))
#: the gas that deleveraging by index may cost
DELEVERAGE_TARGET = 150_000
#: the gas that each counterparty of a list may cost besides
COUNTERPARTY_TARGET = 45_000


def deleverage_gas(exchange: Exchange, side: int, counterparties: int) -> int:
    """Gas of the second deleveraging of a market with so many accounts on the other side."""
    keeper = exchange.actor("keeper", deposit=1_000)
    losers = []
    for i in range(counterparties):
        name = f"loser {i}" if i < 2 else "rich"
        stake = 10_000 if i < 2 else 10**5
        losers.append(positioned(exchange, side, name, size=1, stake=stake // 10, against=f"winner {i}"))
    exchange.move(away(side, 1_500))
    keeper.send(exchange.liquidator, "deleverage", losers[0].account, 0)
    exchange.wait(12)
    sent = keeper.send(exchange.liquidator, "deleverage", losers[1].account, 0)
    assert sent.event("DeleverageReceipt").quantity == wad(1)
    return sent.gas


@pytest.mark.parametrize("side", [LONG, SHORT], ids=["long", "short"])
def test_deleveraging_costs_the_same_for_any_number_of_accounts(side: int) -> None:
    """Two words a side, whoever is on it."""
    spent = [deleverage_gas(fresh(PARAMS, flush_every=1), side, n) for n in (3, 10, 60)]
    assert max(spent) <= DELEVERAGE_TARGET
    assert max(spent) - min(spent) <= 100, spent


def list_gas(side: int, policy: str, counterparties: int) -> tuple[int, int]:
    """Gas of the second deleveraging by list of a market, which takes nearly all of the other side, and how
    many accounts are still on that side; in the beginning it is so many."""
    exchange = fresh(PARAMS, flush_every=1)
    by_list(exchange, policy)
    keeper = exchange.actor("keeper", deposit=1_000)
    winners = [exchange.actor(f"winner {i}", deposit=10**6) for i in range(counterparties)]
    losers = [exchange.actor("first", deposit=280 * counterparties)]
    losers.append(exchange.actor("second", deposit=720 * counterparties))
    for trader, size in zip((*losers, exchange.actor("rich", deposit=10**6)), ("0.25", "0.7", "0.05")):
        for winner in winners:
            exchange.open(side, trader, winner, size, 10_000)
    exchange.move(away(side, 1_500))
    hand_in_whole(keeper, losers[0], planned(exchange, losers[0], policy)[0])
    accounts, shares = planned(exchange, losers[1], policy)
    exchange.wait(12)
    sent = hand_in_whole(keeper, losers[1], accounts)
    assert [row.taken for row in rows(sent)] == [part.amount for part in shares.allotments]
    return sent.gas, len(accounts)


@pytest.mark.parametrize("side", [LONG, SHORT], ids=["long", "short"])
@pytest.mark.parametrize("policy", ALL)
def test_a_counterparty_of_a_list_costs_the_same_anywhere_in_it(side: int, policy: str) -> None:
    few, more, many = (list_gas(side, policy, n) for n in (3, 12, 24))
    prices = [(b[0] - a[0]) // (b[1] - a[1]) for a, b in ((few, more), (more, many))]
    assert max(prices) <= COUNTERPARTY_TARGET
    assert abs(prices[1] - prices[0]) <= 2_500, prices


def test_deleveraging_on_py_evm() -> None:
    """The figure that counts: a receipt of a full EVM."""
    assert deleverage_gas(fresh(PARAMS, engine="py-evm"), LONG, 3) <= DELEVERAGE_TARGET


def test_several_bankrupt_accounts_cost_each_the_same() -> None:
    """K accounts, K times one account."""
    exchange = fresh(PARAMS, flush_every=1)
    keeper = exchange.actor("keeper", deposit=1_000)
    losers = [positioned(exchange, LONG, f"loser {i}", size=1, stake=1_000) for i in range(12)]
    exchange.open(LONG, exchange.actor("rich", deposit=10**5), exchange.actor("winner"), 1, 10_000)
    exchange.move(away(LONG, 1_500))
    spent = [keeper.send(exchange.liquidator, "deleverage", x.account, 0).gas for x in losers]
    assert max(spent[1:]) - min(spent[1:]) <= 100 and max(spent) <= DELEVERAGE_TARGET


def test_the_worst_walk_is_bounded() -> None:
    """32 own orders to cancel and 64 makers to fill."""
    exchange = fresh(PARAMS, flush_every=1)
    loser = positioned(exchange, LONG, size=20, stake=20_000)
    for i in range(32):
        loser.sell("0.001", 11_000 + i, reduce_only=True)
    exchange.move(away(LONG, 700))
    for i in range(5):
        maker = exchange.actor(f"maker {i}", deposit=10**5)
        for j in range(30):
            maker.buy("0.1", 9_100 + i * 30 + j)
    sent = exchange.actor("keeper").liquidate(loser, with_deleverage=True)
    assert len(sent.named("Fill")) == 64 and len(sent.named("OrderRemoved")) == 32
    assert sent.gas <= 64 * 75_000 + 32 * 12_000 + 300_000
