"""Baskets: what holders of several positions send for what they see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from crowd_world import ROWS, members, rng, views
from eth_abi import decode

from perpsim.agents.base import FloatArray, View
from perpsim.agents.baskets import MarketBaskets
from perpsim.agents.desk import Desk
from perpsim.chain import Tx
from perpsim.scenarios import Baskets

WAD = 10**18
PRICES = (8_000.0, 2_000.0)
PAIR = [{"market": 0, "weight": 1}, {"market": 1, "weight": -1}]
LONGS = [{"market": 0, "weight": 3}, {"market": 1, "weight": 1}]
COUNT = 6
# is_buy, price, size, kind, reduce only
_PLACE = ["bool", "uint256", "uint256", "uint8", "bool"]


class Crowd:
    """Baskets, and the sizes and equities that they see."""

    def __init__(self, desks: Sequence[Desk], legs: list[dict[str, Any]], **changes: Any) -> None:
        quiet = {"leverage_sigma": 0.0, "collateral_sigma": 0.0, "turnover_hours": 1e9, "arrival_blocks": 1}
        table = {"legs": legs, "count": COUNT, "cut_share": 0.0, "mend_share": 0.0, **quiet, **changes}
        self.desks = desks
        self.config = Baskets.model_validate(table)
        self.baskets = MarketBaskets(self.config, desks, members(COUNT), rng(), 12, 0.01)
        self.sizes = np.zeros((2, ROWS + 1))
        self.equity = np.zeros(ROWS + 1)
        self.prices = list(PRICES)

    def views(self, block: int) -> list[View]:
        return [
            views(block, self.prices[market], size=self.sizes[market], equity=self.equity)[0]
            for market in (0, 1)
        ]

    def orders(self, block: int) -> list[tuple[int, int, float, bool]]:
        """(account, market, size, reduce only) of all orders sent in a block."""
        return [
            (int(tx.sender, 16), *found)
            for tx in self.baskets.update(rng(block), self.views(block))
            if (found := self._order(tx)) is not None
        ]

    def _order(self, tx: Tx) -> tuple[int, float, bool] | None:
        for market, desk in enumerate(self.desks):
            if tx.to == desk._book:
                buys, _, size, _, reduces = decode(
                    ["bool", "uint256", "uint256", "uint8", "bool"], tx.data[4:]
                )
                return market, (size if buys else -size) / WAD, reduces
        return None

    def open(self) -> None:
        """All arrive and get everything they want."""
        assert self.orders(1) == []
        self.equity[1 : COUNT + 1] = self.config.collateral_median
        self.fill(self.orders(10))
        assert self.orders(20) == []
        assert self.baskets.opened.all()

    def fill(self, orders: list[tuple[int, int, float, bool]]) -> None:
        for account, market, size, _ in orders:
            self.sizes[market, account] += size

    def notional(self) -> FloatArray:
        """Signed notional, a row a market."""
        found: FloatArray = self.sizes[:, 1 : COUNT + 1] * np.array(self.prices)[:, None]
        return found


def test_pairs_are_neutral_and_of_the_leverage_wanted(desks: list[Desk]) -> None:
    crowd = Crowd(desks, PAIR, leverage=4.0)
    crowd.open()
    long, short = crowd.notional()
    assert long == pytest.approx(-short, rel=1e-3)
    assert long - short == pytest.approx(4 * 0.97 * crowd.config.collateral_median, rel=1e-3)


def test_weights_share_out_the_notional_and_mirrors_hold_the_opposite(desks: list[Desk]) -> None:
    crowd = Crowd(desks, LONGS, mirror_share=0.5)
    crowd.open()
    first, second = crowd.notional()
    assert first == pytest.approx(3 * second, rel=1e-3)
    assert {*np.sign(first).tolist()} == {1.0, -1.0}


def test_the_others_close_when_a_leg_is_gone(desks: list[Desk]) -> None:
    crowd = Crowd(desks, PAIR)
    crowd.open()
    crowd.sizes[1, 1:3] = 0.0
    crowd.sizes[1, 3] *= 0.9
    crowd.fill(left := crowd.orders(40))
    assert [(account, market, reduces) for account, market, _, reduces in left] == [
        (1, 0, True),
        (2, 0, True),
    ]
    assert crowd.baskets.broken.tolist() == [True, True, False, False, False, False]
    assert not crowd.sizes[:, 1:3].any()
    # Flat, they take out what is left, once.
    assert len(crowd.baskets.update(rng(), crowd.views(60))) == 2
    assert crowd.baskets.update(rng(), crowd.views(80)) == []


def test_who_mends_opens_the_leg_again(desks: list[Desk]) -> None:
    crowd = Crowd(desks, PAIR, mend_share=1.0)
    crowd.open()
    lost = crowd.sizes[1, 1]
    crowd.sizes[1, 1] = 0.0
    assert crowd.orders(40) == []
    mended = crowd.orders(41)
    assert [(account, market, reduces) for account, market, _, reduces in mended] == [(1, 1, False)]
    assert mended[0][2] == pytest.approx(lost, rel=0.01)
    assert (crowd.baskets.breaks, int(crowd.baskets.broken.sum())) == (1, 1)


def test_who_has_nothing_left_mends_nothing(desks: list[Desk]) -> None:
    crowd = Crowd(desks, PAIR, mend_share=1.0)
    crowd.open()
    crowd.sizes[1, 1], crowd.equity[1] = 0.0, -1.0
    assert [(account, market, reduces) for account, market, _, reduces in crowd.orders(40)] == [(1, 0, True)]
    assert crowd.orders(60) != []
    crowd.sizes[0, 1] = 0.0
    assert crowd.orders(80) == crowd.orders(100) == []


def test_who_mends_has_all_its_patience_again(desks: list[Desk]) -> None:
    crowd = Crowd(desks, PAIR, mend_share=1.0)
    crowd.orders(1)
    crowd.equity[1 : COUNT + 1] = crowd.config.collateral_median
    for block in range(10, 70, 10):
        assert crowd.orders(block)
    crowd.fill(crowd.orders(70))
    assert crowd.orders(80) == []
    crowd.sizes[1, 1:3] = 0.0
    assert crowd.orders(90) == []
    # Seven tries before, and yet five more.
    for block in range(100, 150, 10):
        assert [(account, market) for account, market, *_ in crowd.orders(block)] == [(1, 1), (2, 1)]


def test_a_fall_in_one_market_makes_the_stretched_sell_in_the_other(desks: list[Desk]) -> None:
    longs = [{"market": 0, "weight": 1}, {"market": 1, "weight": 1}]
    for share, legs in ((1.0, {(0, True), (1, True)}), (0.0, set())):
        crowd = Crowd(desks, longs, cut_share=share, leverage=5.0, drift=10.0)
        crowd.open()
        # 12 % down in market 0 is 30 % of what they have.
        crowd.prices[0] *= 0.88
        crowd.equity[1 : COUNT + 1] *= 0.45
        sold = crowd.orders(40)
        assert {(market, reduces) for _, market, _, reduces in sold} == legs
        assert all(size < 0 for _, _, size, _ in sold)
        # Cut by its own orders a basket is not broken.
        crowd.fill(sold)
        crowd.equity[1 : COUNT + 1] *= 3
        assert crowd.orders(60) == []
        assert not crowd.baskets.broken.any()


def test_drift_is_cut_from_the_leg_that_has_grown(desks: list[Desk]) -> None:
    crowd = Crowd(desks, PAIR, drift=0.2)
    crowd.open()
    crowd.prices[0] *= 1.8
    crowd.equity[1 : COUNT + 1] *= 3
    crowd.fill(crowd.orders(40))
    long, short = crowd.notional()
    assert long == pytest.approx(-short, rel=1e-3)
    assert not crowd.baskets.broken.any()


def test_who_never_gets_all_legs_gives_up(desks: list[Desk]) -> None:
    crowd = Crowd(desks, PAIR)
    crowd.orders(1)
    crowd.equity[1 : COUNT + 1] = crowd.config.collateral_median
    tried = 0
    for block in range(10, 200, 10):
        orders = crowd.orders(block)
        tried += bool(orders)
        # Nobody sells in market 1.
        crowd.fill([order for order in orders if order[1] == 0])
    assert tried < 12
    assert not crowd.sizes.any()
    assert not crowd.baskets.opened.any()
