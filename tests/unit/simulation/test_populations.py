"""Populations: what they send for what they see."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from crowd_world import PRICE, ROWS, members, rng, views
from hypothesis import given, settings
from hypothesis import strategies as st

from perpsim.agents.arbitrageurs import IndexArbitrageurs
from perpsim.agents.desk import IOC, POST_ONLY, Desk, Grid
from perpsim.agents.flow import MomentumTraders, NoiseTraders
from perpsim.agents.makers import MarketMakers
from perpsim.agents.oracle import Reporter
from perpsim.agents.traders import LeveragedTraders
from perpsim.scenarios import Arbitrageurs, Makers, Momentum, Noise, Oracle, Traders

WAD = 10**18


# makers


def ladder(desk: Desk, sent: Any, volatility: float, size: float = 0.0) -> list[tuple[bool, float, float]]:
    """(is_buy, price, size) of one maker's orders."""
    makers = MarketMakers(Makers(count=1), desk, members(1), rng())
    sizes = np.zeros(ROWS + 1)
    sizes[1] = size
    txs = sent(makers.update(rng(), views(volatility=volatility, size=sizes, bid=0.0, ask=0.0)))
    assert all(arguments[3] == POST_ONLY for _, name, arguments in txs if name == "place")
    return [(a[0], a[1] / WAD, a[2] / WAD) for _, name, a in txs if name == "place"]


def test_a_ladder_lies_on_both_sides_and_never_crosses_itself(desk: Desk, sent: Any) -> None:
    orders = ladder(desk, sent, 0.0003)
    bids = [price for buy, price, _ in orders if buy]
    asks = [price for buy, price, _ in orders if not buy]
    assert len(bids) == len(asks) == Makers().levels
    assert max(bids) < PRICE < min(asks)
    assert sum(price * size for _, price, size in orders) == pytest.approx(2 * Makers().depth, rel=0.01)


def test_depth_shrinks_and_spread_grows_with_volatility(desk: Desk, sent: Any) -> None:
    books = [ladder(desk, sent, volatility) for volatility in (0.0003, 0.002, 0.006, 0.02)]
    depths = [sum(price * size for buy, price, size in book if buy) for book in books]
    spreads = [min(p for b, p, _ in book if not b) - max(p for b, p, _ in book if b) for book in books]
    assert depths == sorted(depths, reverse=True)
    assert spreads == sorted(spreads)
    assert depths[-1] == pytest.approx(Makers().depth * Makers().depth_floor, rel=0.05)


def test_stock_leans_the_ladder_against_itself(desk: Desk, sent: Any) -> None:
    long, short = ladder(desk, sent, 0.0003, 100.0), ladder(desk, sent, 0.0003, -100.0)
    assert max(p for b, p, _ in long if b) < max(p for b, p, _ in short if b)
    assert sum(s for b, _, s in long if b) < sum(s for b, _, s in long if not b)
    assert sum(s for b, _, s in short if b) > sum(s for b, _, s in short if not b)


def test_quotes_stay_behind_the_other_side(desk: Desk, sent: Any) -> None:
    makers = MarketMakers(Makers(count=1), desk, members(1), rng())
    orders = sent(makers.update(rng(), views(bid=PRICE + 20, ask=PRICE + 20.5)))
    assert all(a[1] >= (PRICE + 20.5) * WAD for _, name, a in orders if name == "place" and not a[0])
    makers = MarketMakers(Makers(count=1), desk, members(1), rng())
    orders = sent(makers.update(rng(), views(bid=PRICE - 20.5, ask=PRICE - 20)))
    assert all(a[1] <= (PRICE - 20.5) * WAD for _, name, a in orders if name == "place" and a[0])


def test_makers_only_requote_when_there_is_a_reason(desk: Desk, sent: Any) -> None:
    makers = MarketMakers(Makers(count=1, requote_blocks=50), desk, members(1), rng())
    assert makers.update(rng(), views(100))
    assert makers.update(rng(), views(101)) == []
    moved = sent(makers.update(rng(), views(102, price=PRICE * 1.01)))
    assert moved[0][1] == "cancel_all"
    assert makers.update(rng(), views(103, price=PRICE * 1.01)) == []
    assert makers.update(rng(), views(250, price=PRICE * 1.01))


# the others


def test_arbitrageurs_trade_towards_the_outside_price(desk: Desk, sent: Any) -> None:
    def orders(**changes: Any) -> list[Any]:
        group = IndexArbitrageurs(Arbitrageurs(count=2, top_up_blocks=1_000_000), desk, members(2), rng())
        return sent(group.update(rng(), views(**changes)))

    assert orders() == []
    bought = orders(bid=PRICE * 0.97, ask=PRICE * 0.98)
    assert len(bought) == 2
    assert all(a[0] and a[3] == IOC and a[1] < PRICE * WAD for _, _, a in bought)
    sold = orders(bid=PRICE * 1.02, ask=PRICE * 1.03)
    assert all(not a[0] and a[1] > PRICE * WAD for _, _, a in sold)
    full = np.concatenate(([0.0], np.full(ROWS, 2 * Arbitrageurs().inventory_limit / PRICE)))
    assert orders(bid=PRICE * 0.97, ask=PRICE * 0.98, size=full) == []


def test_momentum_follows_the_outside_price(desk: Desk, sent: Any) -> None:
    def orders(change: float) -> list[Any]:
        truth = np.full(101, PRICE)
        truth[60:] *= 1 + change
        group = MomentumTraders(Momentum(count=8, activity=1.0), desk, members(8), rng())
        return sent(group.update(rng(), views(truth=truth)))

    assert orders(0.0) == []
    assert {a[0] for _, _, a in orders(0.06)} == {True}
    assert {a[0] for _, _, a in orders(-0.06)} == {False}


def test_noise_trades_both_ways_within_its_leverage(desk: Desk, sent: Any) -> None:
    config = Noise(count=ROWS, activity=1.0)
    orders = sent(NoiseTraders(config, desk, members(ROWS), rng()).update(rng(), views()))
    assert {a[0] for _, _, a in orders} == {True, False}
    assert max(a[2] / WAD for _, _, a in orders) * PRICE <= config.capital * config.leverage


def test_the_reporter_posts_by_heartbeat_and_deviation(desk: Desk, sent: Any) -> None:
    truth = np.full(200, PRICE)
    truth[20:] *= 1.01
    reporter = Reporter(Oracle(heartbeat=48, deviation=0.005, lag_blocks=1), [desk], "0x" + "11" * 20, 12)
    posts = {}
    for block in range(40):
        txs = sent(reporter.update(rng(), views(block, truth=truth[: block + 1])))
        if txs:
            posts[block] = txs[0][2]
    times = [stamp for _, _, stamp in posts.values()]
    assert all(later - earlier <= 48 for earlier, later in pairwise(times))
    assert all(later > earlier for earlier, later in pairwise(times))
    # The move of block 20 is seen a block later.
    assert posts[21][1] == int(PRICE * 1.01) * WAD
    assert all(price == int(PRICE) * WAD for block, (_, price, _) in posts.items() if block <= 20)
    assert len(posts) < 15


def traders(desk: Desk, count: int = 10, **changes: Any) -> LeveragedTraders:
    table = {"count": count, "leverage": [{"leverage": 10.0, "share": 1.0}], "arrival_blocks": 1, **changes}
    return LeveragedTraders(Traders.model_validate(table), desk, members(count), rng(), 12, 0.01)


def test_traders_pay_in_then_open_at_their_leverage(desk: Desk, sent: Any) -> None:
    group = traders(desk, return_share=0.0, turnover_hours=1e9)
    empty = np.zeros(ROWS + 1)
    paid = sent(group.update(rng(), views(1, equity=empty)))
    assert [name for _, name, _ in paid] == ["deposit"] * 10
    equity = np.concatenate(([0.0], group.stake, np.zeros(ROWS - 10)))
    orders = sent(group.update(rng(), views(5, equity=equity)))
    assert [name for _, name, _ in orders] == ["place"] * 10
    for (_, _, a), stake, side in zip(orders, group.stake, group.side):
        assert a[0] == (side > 0)
        assert 9 * stake < a[2] / WAD * PRICE <= 10 * stake


def test_traders_who_stop_close_by_reduce_only_orders(desk: Desk, sent: Any) -> None:
    group = traders(desk, stop_share=1.0, turnover_hours=1e9, long_share=1.0)
    group.update(rng(), views(1, equity=np.zeros(ROWS + 1)))
    equity = np.concatenate(([0.0], group.stake, np.zeros(ROWS - 10)))
    size = np.concatenate(([0.0], 10 * group.stake / PRICE, np.zeros(ROWS - 10)))
    assert group.update(rng(), views(5, equity=equity, size=size)) == []
    stops = sent(group.update(rng(), views(10, equity=0.2 * equity, size=size)))
    assert len(stops) == 10
    assert all(not a[0] and a[4] for _, _, a in stops)


def test_liquidated_traders_come_back_or_take_the_rest_out(desk: Desk, sent: Any) -> None:
    for share, expected in ((0.0, {"withdraw"}), (1.0, {"deposit"})):
        group = traders(desk, return_share=share, return_hours=1e-9, turnover_hours=1e9)
        group.update(rng(), views(1, equity=np.zeros(ROWS + 1)))
        equity = np.concatenate(([0.0], group.stake, np.zeros(ROWS - 10)))
        size = np.concatenate(([0.0], 10 * group.stake / PRICE, np.zeros(ROWS - 10)))
        group.update(rng(), views(5, equity=equity, size=size))
        names: set[str] = set()
        for block in (10, 11, 12):
            names |= {name for _, name, _ in sent(group.update(rng(), views(block, equity=0.1 * equity)))}
        assert names == expected


# the grid

GRID = Grid(tick=0.5, lot=0.001, min_size=0.001, tick_wad=WAD // 2, lot_wad=WAD // 1000)


@given(st.floats(0.01, 1e6), st.booleans())
def test_prices_round_to_the_tick_never_to_the_worse_side(price: float, up: bool) -> None:
    wad = GRID.price(price, up)
    assert wad % GRID.tick_wad == 0
    assert wad > 0
    if price > 1:
        assert (wad >= price * WAD * (1 - 1e-9)) if up else (wad <= price * WAD * (1 + 1e-9))
        assert abs(wad / WAD - price) <= 0.5 + 1e-6


@settings(max_examples=200)
@given(st.floats(0, 1e6))
def test_sizes_round_down_to_the_lot(size: float) -> None:
    wad = GRID.size(size)
    assert wad % GRID.lot_wad == 0
    assert wad / WAD <= size * (1 + 1e-9) + 1e-12
    assert wad == 0 or wad >= WAD // 1000
