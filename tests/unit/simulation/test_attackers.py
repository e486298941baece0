"""Attackers: what they send for what they see, and what an attack comes to on the exchange."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from crowd_world import PRICE, ROWS, members, rng, views

from perpsim.agents.attackers import AnAttacker
from perpsim.agents.base import FloatArray, View
from perpsim.agents.desk import Desk
from perpsim.agents.pump import ThinMarketPump
from perpsim.agents.takeover import SelfTrader
from perpsim.agents.withdrawal import MarginWithdrawer
from perpsim.market.outside import Outside
from perpsim.scenarios import Impact, MarginWithdrawal, Pump, SelfTrade
from perpsim.simulation.market_state import Schedule
from perpsim.simulation.runner import Simulation

WAD = 10**18
BLOCKS = 2_000


class Scene:
    """One attacker, and accounts that do what it sends."""

    def __init__(self, kind: type[AnAttacker], config: Any, desk: Desk, world: Simulation, sent: Any) -> None:
        paths = np.full((1, BLOCKS), PRICE)
        self.outside = Outside(paths, [Impact(per_million=0.01, half_life=1e9)], 12)
        people = members(getattr(config, "accounts", 2))
        self.attacker = kind(config, desk, people, self.outside, Schedule(world.scenario.markets[0]))
        self.collateral = np.zeros(ROWS + 1)
        self.size = np.zeros(ROWS + 1)
        self.cost = np.zeros(ROWS + 1)
        self.mark = PRICE
        self.block = 0
        self._sent = sent

    @property
    def equity(self) -> FloatArray:
        return self.collateral + self.size * self.mark - self.cost

    def view(self) -> list[View]:
        return views(
            self.block,
            self.mark,
            truth=self.outside.paths[0, : self.block + 1],
            size=self.size,
            equity=self.equity,
            collateral=self.collateral,
        )

    def step(self, blocks: int = 1, *, fills: bool = True) -> list[tuple[int, str, tuple[Any, ...]]]:
        """So many blocks; what it sends in them. Orders fill at the mark."""
        found = []
        for _ in range(blocks):
            for sender, name, args in self._sent(self.attacker.update(rng(), self.view())):
                account = int(args[1], 16) if name == "deposit" else int(sender, 16)
                found.append((account, name, args))
                if fills:
                    self._do(account, name, args)
            self.outside.close(self.block)
            self.block += 1
        return found

    def _do(self, account: int, name: str, args: tuple[Any, ...]) -> None:
        if name in ("deposit", "withdraw"):
            self.collateral[account] += args[0] / 1e6 * (1 if name == "deposit" else -1)
        elif name == "place":
            size = args[2] / WAD * (1 if args[0] else -1)
            if args[4]:
                part = -size / self.size[account]
                self.collateral[account] += part * (self.size[account] * self.mark - self.cost[account])
                self.cost[account] *= 1 - part
            else:
                self.cost[account] += size * self.mark
            self.size[account] += size


def names(found: list[tuple[int, str, tuple[Any, ...]]]) -> set[str]:
    return {name for _, name, _ in found}


# margin withdrawal


def whale(desk: Desk, world: Simulation, sent: Any, **changes: Any) -> Scene:
    fields = {"name": "whale", "kind": "margin-withdrawal", "capital": 10_000.0, "order": 20_000.0}
    config = MarginWithdrawal.model_validate({**fields, "hold_blocks": 30, **changes})
    return Scene(MarginWithdrawer, config, desk, world, sent)


@pytest.mark.parametrize("side", ["long", "short"])
def test_the_whale_builds_its_position_then_waits(
    desk: Desk, world: Simulation, sent: Any, side: str
) -> None:
    scene = whale(desk, world, sent, side=side)
    assert names(scene.step(10)) == {"deposit", "place"}
    assert scene.size[1] * PRICE == pytest.approx(97_000 * (1 if side == "long" else -1), rel=0.01)
    assert scene.step(20) == []


def test_up_by_its_profit_it_takes_out_all_that_the_margin_lets_go(
    desk: Desk, world: Simulation, sent: Any
) -> None:
    scene = whale(desk, world, sent, profit=0.5, hold_blocks=1_000)
    scene.step(10)
    assert scene.step(5) == []
    scene.mark = PRICE * 1.06
    taken = scene.step()
    assert [(account, name) for account, name, _ in taken] == [(1, "withdraw")]
    # All the collateral is gone but what the initial margin and a sudden move need.
    notional = scene.size[1] * scene.mark
    assert scene.equity[1] > 0.01 * notional
    # What is only profit on paper stays.
    assert 0 <= scene.collateral[1] < 0.01 * 10_000


def test_without_profit_it_drains_at_the_end_of_its_patience(
    desk: Desk, world: Simulation, sent: Any
) -> None:
    scene = whale(desk, world, sent, close_share=0.5)
    scene.step(10)
    found = scene.step(60)
    assert names(found) == {"place", "withdraw"}
    closes = [args for _, name, args in found if name == "place"]
    assert all(not args[0] and args[4] for args in closes)
    notional = scene.size[1] * PRICE
    assert notional == pytest.approx(48_500, rel=0.02)
    assert scene.equity[1] == pytest.approx(0.012 * notional, rel=0.01)


def test_a_withdrawal_that_was_refused_is_tried_again(desk: Desk, world: Simulation, sent: Any) -> None:
    scene = whale(desk, world, sent)
    scene.step(40)
    scene.mark *= 1.02
    scene.collateral[1] += 1_000
    assert names(scene.step(fills=False)) == names(scene.step(fills=False)) == {"withdraw"}


# pump


def pump(desk: Desk, world: Simulation, sent: Any, **changes: Any) -> Scene:
    fields = {"name": "pumper", "kind": "pump", "accounts": 3, "capital": 1_000.0, "order": 2_500.0}
    more = {"outside": 50_000.0, "build_blocks": 40, "hold_blocks": 10, "dump_blocks": 5}
    return Scene(ThinMarketPump, Pump.model_validate({**fields, **more, **changes}), desk, world, sent)


def test_the_pump_fills_account_after_account_and_drains_the_full_ones(
    desk: Desk, world: Simulation, sent: Any
) -> None:
    scene = pump(desk, world, sent)
    found = scene.step(40)
    assert [account for account, name, _ in found if name == "deposit"] == [1, 2, 3]
    assert scene.size[1:4] * PRICE == pytest.approx([4_850] * 3, rel=0.02)
    assert {account for account, name, _ in found if name == "withdraw"} == {1, 2, 3}
    # An account is only drained when it needs no more margin.
    first = {account: at for at, (account, name, _) in reversed([*enumerate(found)]) if name == "withdraw"}
    last = {account: at for at, (account, name, _) in enumerate(found) if name == "place"}
    assert all(first[account] > last[account] for account in (1, 2, 3))


def test_the_pump_buys_the_price_up_outside_and_sells_it_down_again(
    desk: Desk, world: Simulation, sent: Any
) -> None:
    scene = pump(desk, world, sent)
    scene.step(40)
    assert scene.outside.paths[0, 40] == pytest.approx(PRICE * np.exp(0.02), rel=1e-3)
    assert scene.attacker.stock * PRICE == pytest.approx(2e6, rel=0.02)
    scene.step(20)
    assert scene.attacker.stock == pytest.approx(0, abs=1e-9)
    assert scene.outside.paths[0, 60] == pytest.approx(PRICE, rel=1e-3)
    # What it bought and sold itself cost it nothing but the way of the price.
    assert scene.attacker.outcome(PRICE) == pytest.approx(0, abs=2e6 * 0.001)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_positions_are_left_behind_or_sold_in_part(
    desk: Desk, world: Simulation, sent: Any, share: float
) -> None:
    scene = pump(desk, world, sent, sell_share=share)
    scene.step(40)
    built = scene.size[1:4].copy()
    scene.step(60)
    assert scene.size[1:4] == pytest.approx(built * (1 - share), rel=0.01)


def test_an_account_that_is_not_full_at_the_end_is_drained_all_the_same(
    desk: Desk, world: Simulation, sent: Any
) -> None:
    scene = pump(desk, world, sent, order=1_000.0, build_blocks=4)
    scene.step(4)
    size = scene.size[1]
    assert 0 < size * PRICE < 4_000
    assert [(account, name) for account, name, _ in scene.step()] == [(1, "withdraw")]
    assert scene.size[1] == size


# self-trade


def squeezer(desk: Desk, world: Simulation, sent: Any, **changes: Any) -> Scene:
    fields = {"name": "squeezer", "kind": "self-trade", "capital_short": 3_000.0, "capital_long": 5_000.0}
    more = {"notional": 20_000.0, "order": 8_000.0, "outside": 10_000.0, "squeeze_blocks": 30}
    config = SelfTrade.model_validate({**fields, **more, "exit_blocks": 10, **changes})
    return Scene(SelfTrader, config, desk, world, sent)


def test_the_two_meet_inside_the_spread(desk: Desk, world: Simulation, sent: Any) -> None:
    scene = squeezer(desk, world, sent)
    assert names(scene.step()) == {"deposit"}
    orders = [(account, args) for account, name, args in scene.step() if name == "place"]
    (short, offer), (long, bid) = orders
    assert (short, offer[0], long, bid[0]) == (1, False, 2, True)
    assert offer[1:3] == bid[1:3]
    assert (PRICE - 1) * WAD < offer[1] < (PRICE + 1) * WAD
    scene.step(6)
    assert scene.size[1] == -scene.size[2]
    assert scene.size[2] * PRICE == pytest.approx(20_000, rel=0.02)


def test_then_the_short_is_emptied_and_the_price_bought_up(desk: Desk, world: Simulation, sent: Any) -> None:
    scene = squeezer(desk, world, sent)
    scene.step(5)
    found = scene.step(20)
    assert {(account, name) for account, name, _ in found} == {(1, "withdraw")}
    assert scene.equity[1] == pytest.approx(0.012 * 20_000, rel=0.02)
    assert scene.attacker.stock * PRICE > 150_000


def test_the_long_may_chase_the_price_on_the_book(desk: Desk, world: Simulation, sent: Any) -> None:
    scene = squeezer(desk, world, sent, chase=1_000.0)
    scene.step(5)
    before = scene.size[2]
    bought = [args for account, name, args in scene.step(10) if (account, name) == (2, "place")]
    assert len(bought) == 10
    assert all(args[0] and not args[4] for args in bought)
    assert (scene.size[2] - before) * PRICE == pytest.approx(10_000, rel=0.01)


def test_when_the_short_is_gone_the_long_cashes_in(desk: Desk, world: Simulation, sent: Any) -> None:
    scene = squeezer(desk, world, sent)
    scene.step(20)
    scene.size[1] = scene.cost[1] = scene.collateral[1] = 0.0
    scene.mark = PRICE * 1.3
    found = scene.step(15)
    sales = [args for account, name, args in found if (account, name) == (2, "place")]
    # The last one is what the lot has left over.
    assert 10 <= len(sales) <= 11
    assert all(not args[0] and args[4] for args in sales)
    assert scene.size[2] == pytest.approx(0, abs=0.01)
    assert scene.attacker.stock == pytest.approx(0, abs=1e-9)
    # 30 % of 20,000 on top of what it paid in.
    assert scene.collateral[2] < 600
    assert sum(args[0] for _, name, args in found if name == "withdraw") / 1e6 > 10_000


def test_nobody_moves_before_the_start(desk: Desk, world: Simulation, sent: Any) -> None:
    scene = whale(desk, world, sent, start=50)
    assert scene.step(50) == []
    assert scene.attacker.began is None
    assert names(scene.step()) == {"deposit"}
    assert scene.attacker.began == 50
