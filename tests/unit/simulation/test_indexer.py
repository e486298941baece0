"""The indexer against the contracts where a run seldom goes: an emptied side, new epochs, odd trades."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from perpsim.protocol import MAX_UINT, WAD, wad
from perpsim.simulation.market_state import A_ONE, LONG, SHORT
from perpsim.simulation.runner import Simulation


class Stage:
    """A simulation whose actors are moved by hand."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.protocol = simulation.protocol
        self.chain = simulation.protocol.chain
        self.time = simulation.scenario.start
        self.people = {name: self.chain.account(5000 + number).address for number, name in enumerate("abcd")}

    def do(self, name: str, contract: str, function: str, *args: object) -> None:
        """Send as one of the people (or the owner), fold what it logs, and check everything."""
        self.time += 12
        self.chain.set_pending_timestamp(self.time)
        sender = self.people.get(name, self.protocol.owner)
        target = self.protocol.books[0] if contract == "book" else getattr(self.protocol, contract)
        receipt = target.send(sender, function, *args)
        assert receipt.ok, receipt.reason
        self.chain.seal()
        self.simulation.log.take(0, self.time, receipt.logs)
        self.simulation.invariants.check(0, self.time)

    def join(self, name: str, amount: int) -> None:
        self.do(name, "token", "mint", self.people[name], amount)
        self.do(name, "token", "approve", self.protocol.clearinghouse.address, MAX_UINT)
        self.do(name, "clearinghouse", "deposit", amount)

    def price(self, price: int) -> None:
        self.do("owner", "oracle", "post", 0, price * WAD, self.time + 12)

    def trade(self, buyer: str, seller: str, price: int, size: int) -> None:
        self.do(seller, "book", "place", False, price * WAD, size * WAD)
        self.do(buyer, "book", "place", True, price * WAD, size * WAD)

    def account(self, name: str) -> int:
        return self.simulation.indexer.account_of(self.people[name])

    def liquidate(self, keeper: str, name: str) -> None:
        self.do(keeper, "liquidator", "liquidate", self.account(name), 0, MAX_UINT, True)


@pytest.fixture(params=[6, 18])
def stage(request: pytest.FixtureRequest, smoke: Callable[..., Simulation]) -> Stage:
    simulation = smoke("fund.initial=0", f"collateral.decimals={request.param}", "traders.count=0")
    stage = Stage(simulation)
    unit = 10**request.param
    for name, amount in (("a", 2_000), ("b", 1_000_000), ("c", 2_000), ("d", 500)):
        stage.join(name, amount * unit)
    stage.price(10_000)
    return stage


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_a_side_that_is_deleveraged_away_starts_a_new_epoch(stage: Stage, side: int) -> None:
    loser, winner = ("a", "b")
    stage.trade(*((loser, winner) if side == LONG else (winner, loser)), 10_000, 1)
    stage.price(7_000 if side == LONG else 13_000)
    stage.liquidate("d", "a")
    state = stage.simulation.indexer.states[0]
    assert state.open_interest == 0
    assert state.epoch == [1, 1]
    assert state.a == [A_ONE, A_ONE]
    # The winner's position is of the old epoch until it is touched; then everything starts afresh.
    stage.trade("b", "c", 7_000 if side == LONG else 13_000, 1)
    stage.price(7_100 if side == LONG else 12_900)
    assert state.open_interest == WAD
    view = stage.protocol.clearinghouse.view("position", stage.account("b"), 0)
    assert view[0] == WAD


def test_deleveraging_of_part_of_a_side_falls_on_its_winner(stage: Stage) -> None:
    stage.trade("a", "b", 10_000, 1)
    stage.trade("c", "b", 10_000, 1)
    stage.price(8_200)
    stage.price(7_900)
    for name in ("a", "c"):
        stage.liquidate("d", name)
        stage.price(7_900)
    assert len(stage.simulation.ledger.adl) == 2
    burden = stage.simulation.indexer.burden.adl_notional[stage.account("b")]
    assert burden == pytest.approx(2 * 7_900, rel=0.01)


def test_keeper_reward_and_open_interest_are_the_contracts(stage: Stage) -> None:
    stage.trade("a", "b", 10_000, 1)
    stage.do("b", "book", "place", True, 8_500 * WAD, wad("0.5"))
    stage.price(8_020)
    stage.do("d", "liquidator", "liquidate", stage.account("a"), 0)
    assert stage.simulation.ledger.liquidations[-1]["closed"] == pytest.approx(0.5)
    assert stage.simulation.indexer.states[0].open_interest == WAD // 2
    assert len(stage.simulation.indexer.orders[0]) == 0
