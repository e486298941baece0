"""The keeper's reward: how much, out of whose money, and not more than once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from support import BOTH_DECIMALS, BOTH_SIDES, LONG, SHORT, Actor, Exchange, deployed
from support.distress import DISTRESS, NO_BREAKER, away, distress_market, fund_vault, positioned

from perpsim.protocol import ProtocolParams, wad


def reward(keeper: Actor, loser: Actor, most: Any = None, *, with_deleverage: bool = False) -> int:
    """What a liquidation pays, WAD: as the log says and as the keeper's account shows."""
    before = keeper.collateral if keeper.account else 0
    event = keeper.liquidate(loser, most, with_deleverage=with_deleverage).event("Liquidated")
    assert keeper.collateral - before == event.reward
    return int(event.reward)


@DISTRESS
@BOTH_DECIMALS
@pytest.mark.parametrize(
    "side, size, expected",
    [
        # sold at 9,200 each (bought at 10,800): 0.1 % between 2 and 1,000, never above 0.5 %
        (LONG, "0.01", "0.46"),
        (SHORT, "0.01", "0.54"),
        (LONG, "0.1", "2"),
        (SHORT, "0.1", "2"),
        (LONG, "10", "92"),
        (SHORT, "10", "108"),
        (LONG, "120", "1000"),
        (SHORT, "120", "1000"),
    ],
)
def test_its_bounds(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int, size: str, expected: str
) -> None:
    """Rate times notional within its bounds, and for tiny accounts no more than the penalty."""
    fund_vault(exchange, 10_000)
    loser = positioned(exchange, side, size=size, stake=1_000 * Decimal(size))
    exchange.move(away(side, 700))
    maker.order(side, size, away(side, 800))
    assert reward(keeper, loser) == wad(expected)
    exchange.check_invariants(dust=0, size_dust=0)


@DISTRESS
@BOTH_DECIMALS
@pytest.mark.parametrize("side, penalty, due", [(LONG, 10, "90.01"), (SHORT, 10, "109.99")])
@pytest.mark.parametrize("fund", [0, 30, 50_000])
def test_its_sources_in_order(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int, penalty: int, due: str, fund: int
) -> None:
    """The penalty first, then the vault as far as it goes (30 % of it: the breaker), never the treasury."""
    if fund:
        fund_vault(exchange, fund)
    loser = positioned(exchange, side)
    exchange.move(away(side, 700))
    maker.order(side, 10, away(side, 999))
    from_vault = min(wad(due) - wad(penalty), wad(fund) * 3 // 10)
    assert reward(keeper, loser) == wad(penalty) + from_vault
    assert exchange.fund * exchange.unit() == wad(fund) - from_vault
    assert loser.collateral == 0
    exchange.check_invariants(dust=0, size_dust=0)


FEES = distress_market(taker_fee=wad("0.001"), vault_share=5_000)


@pytest.mark.exchange(markets=(FEES,))
@BOTH_DECIMALS
@BOTH_SIDES
@pytest.mark.parametrize("collected", [False, True])
def test_deleveraging_with_an_empty_vault_is_paid_by_the_treasury(
    exchange: Exchange, keeper: Actor, side: int, collected: bool
) -> None:
    """100 of fees were taken, half of them the vault's; the reward is 0.1 % of the notional at the mark."""
    loser = positioned(exchange, side, stake=10_100)
    assert exchange.fees() == (wad(50), wad(50))
    exchange.move(away(side, 2_000))
    if collected:
        exchange.owner.send(exchange.parameters, "collect_treasury", 0, exchange.owner.address)
    exchange.owner.send(exchange.clearinghouse, "sweep_fees", 0)
    # the breaker lets 15 of 50 go
    expected = wad(15) + (0 if collected else wad(50))
    assert reward(keeper, loser, with_deleverage=True) == expected
    assert exchange.fees() == (0, 0)
    assert loser.collateral == loser.size() == 0
    exchange.check_invariants(dust=10, size_dust=0)


@pytest.mark.exchange(markets=(FEES,))
@BOTH_SIDES
def test_without_deleveraging_the_treasury_pays_nothing(
    exchange: Exchange, keeper: Actor, maker: Actor, side: int
) -> None:
    """Closed at the bankruptcy price by the book: the vault's share of fees pays, the treasury's does not."""
    loser = positioned(exchange, side, stake=10_100)
    exchange.move(away(side, 700))
    maker.order(side, 10, away(side, 1_000))
    assert reward(keeper, loser) == 0
    assert exchange.fees() == (wad(50), wad(50))


@DISTRESS
@BOTH_SIDES
def test_a_keeper_without_an_account_gets_one(exchange: Exchange, stranger: Actor, side: int) -> None:
    """The reward opens it, and can be withdrawn."""
    fund_vault(exchange, 50_000)
    loser = positioned(exchange, side)
    exchange.move(away(side, 700))
    exchange.actor("maker", deposit=100_000).order(side, 10, away(side, 800))
    assert stranger.account == 0
    earned = reward(stranger, loser)
    opened = stranger.account
    assert opened == exchange.accounts[-1] and exchange.clearinghouse.view("owner_of", opened)
    stranger.send(exchange.clearinghouse, "withdraw", earned // exchange.unit())
    assert stranger.tokens * exchange.unit() == earned


@DISTRESS
@BOTH_SIDES
def test_nothing_done_nothing_paid(exchange: Exchange, stranger: Actor, side: int) -> None:
    """With an empty book and a solvent account a call does nothing, earns nothing and opens no account."""
    fund_vault(exchange, 50_000)
    loser = positioned(exchange, side)
    exchange.move(away(side, 700))
    event = stranger.liquidate(loser, with_deleverage=True).event("Liquidated")
    assert (event.closed, event.reward) == (0, 0)
    assert stranger.account == 0 and exchange.fund == 50_000 * 10**6
    assert loser.equity == wad(3_000)


@DISTRESS
@BOTH_SIDES
def test_the_owner_may_liquidate_the_own_account(exchange: Exchange, maker: Actor, side: int) -> None:
    """And gets back less than the penalty."""
    loser = positioned(exchange, side)
    exchange.move(away(side, 700))
    maker.order(side, 10, away(side, 800))
    event = loser.liquidate(loser).event("Liquidated")
    assert 0 < event.reward < event.penalty
    assert loser.collateral == wad(2_000) - event.penalty + event.reward
    exchange.check_invariants(dust=0, size_dust=0)


@pytest.mark.exchange(markets=(distress_market(),), vault=NO_BREAKER)
@BOTH_SIDES
@pytest.mark.parametrize("distance", [800, 999, 1_000, 1_100])
def test_pieces_earn_no_more_than_the_whole(exchange: Exchange, side: int, distance: int) -> None:
    """The lower bound is paid for finishing a job, however it is cut: by max_size or by thin bids."""

    def earned(cut: str) -> int:
        with exchange.isolated():
            fund_vault(exchange, 50_000)
            loser = positioned(exchange, side)
            maker, keeper = exchange.actor("maker", deposit=10**6), exchange.actor("keeper", deposit=10**6)
            exchange.move(away(side, 700))
            total = 0
            if cut != "thin bids":
                maker.order(side, 10, away(side, distance))
            for _ in range(200):
                if not loser.size() or loser.equity >= loser.health.maintenance:
                    break
                if cut == "thin bids":
                    maker.order(side, "0.05", away(side, distance))
                most = "0.05" if cut == "max_size" else None
                total += reward(keeper, loser, most)
            assert loser.size() == 0 or loser.equity >= loser.health.maintenance
            return total

    whole = earned("not at all")
    assert whole > 0
    for cut in ("max_size", "thin bids"):
        # cutting may end the job early, with an account that is healthy again: then it earns less
        assert earned(cut) <= whole + wad(2)


@BOTH_SIDES
@pytest.mark.parametrize("stake_above", ["0", "0.000001", "0.5", "3"])
def test_it_never_makes_a_solvent_account_insolvent(side: int, stake_above: str) -> None:
    """Neither reward nor penalty takes more than the surplus over the bankruptcy price."""
    market = distress_market(reward_min=wad(500), penalty_rate=wad("0.02"), reward_rate=wad("0.02"))
    with deployed(ProtocolParams(markets=(market,))) as exchange:
        loser = positioned(exchange, side, stake=10_000 + Decimal(stake_above))
        exchange.move(away(side, 1_000))
        exchange.actor("maker", deposit=10**6).order(side, 10, away(side, 1_000))
        assert loser.equity == wad(stake_above)
        earned = reward(exchange.actor("keeper"), loser)
        assert earned == wad(stake_above)
        assert loser.collateral == loser.size() == 0
        exchange.check_invariants(dust=0, size_dust=0)


@DISTRESS
@BOTH_SIDES
def test_it_is_paid_once_by_whoever_comes_first(
    exchange: Exchange, keeper: Actor, rival: Actor, maker: Actor, side: int
) -> None:
    """Two keepers in one block: what the first has closed does not count for the second."""
    fund_vault(exchange, 50_000)
    loser = positioned(exchange, side)
    exchange.move(away(side, 700))
    maker.order(side, 6, away(side, 1_000))
    price = away(side, 1_000)
    first = reward(keeper, loser)
    assert first == wad(6 * price) // 1_000
    assert reward(rival, loser) == 0
    maker.order(side, 4, away(side, 1_000))
    second = reward(rival, loser)
    assert first + second == wad(10 * price) // 1_000
