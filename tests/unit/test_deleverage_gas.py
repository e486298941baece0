"""What the keeper path costs, every transaction cold: deleveraging is the same for 3 accounts and for 60."""

from __future__ import annotations

import pytest
from support import LONG, SHORT, Exchange, fresh
from support.distress import away, distress_market, positioned

from perpsim.protocol import ProtocolParams, wad

PARAMS = ProtocolParams(markets=(distress_market(max_orders=32),))
#: the gas that deleveraging by index may cost
DELEVERAGE_TARGET = 150_000


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
