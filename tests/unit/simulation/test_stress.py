"""The stress over arrays against the contracts: the same move from the same state, closed by a keeper."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib import resources
from typing import Any

import numpy as np
import pytest

from perpsim.scenarios.loading import validate
from perpsim.simulation.command import build
from perpsim.simulation.runner import SET_UP, Simulation
from perpsim.simulation.setup import FIRST_KEEPER, REPORTER
from perpsim.simulation.stress import Exposure, stress

WAD = 10**18
POST_ONLY = 1
CALM = [[10_000, 10_010, 9_990, 10_000]]

Table = dict[str, Any]


def calm(markets: int = 1, **rules: Any) -> Table:
    """A crowd that has just opened its positions in markets that stand still."""
    table = tomllib.loads((resources.files("perpsim") / "scenarios" / "smoke.toml").read_text())
    table["seed"] = 17
    table["clock"]["blocks"] = 50
    table["checks"] = {"every": 0, "window": 0}
    table["fund"]["initial"] = 10_000_000
    table["prices"]["knots"] = CALM
    table["traders"] |= {"count": 150, "long_share": 0.55}
    table["agents"]["makers"] |= {"depth": rules.pop("depth", 60_000)}
    if rules.pop("wide", False):
        # Wide margins and small whole closings: accounts are met while they are still worth something.
        table["markets"][0]["tiers"] = [
            {"limit": 5_000, "initial": 0.035, "maintenance": 0.03},
            {"limit": 1_000_000, "initial": 0.04, "maintenance": 0.035, "deduction": 25},
        ]
        rules["full_below"] = 500
    table["markets"][0]["liquidation"] |= rules
    if markets > 1:
        table["markets"] = [{**table["markets"][0], "symbol": f"M{number}"} for number in range(markets)]
        table["prices"] = [table["prices"]] * markets
        table["traders"] = [{**table["traders"], "market": number} for number in range(markets)]
        for role in ("makers", "arbitrageurs", "momentum", "noise"):
            table["agents"][role] = [{**table["agents"][role], "market": number} for number in range(markets)]
    return table


@pytest.fixture
def ready() -> Iterator[Any]:
    """`ready(...)`: the calm markets at their end."""
    made: list[Simulation] = []

    def make(markets: int = 1, **rules: Any) -> Simulation:
        made.append(build(validate(calm(markets, **rules))))
        assert made[-1].run()
        return made[-1]

    yield make
    for simulation in made:
        simulation.protocol.chain.close()


def crash(simulation: Simulation, move: float) -> Counter[str]:
    """Move every index and every resting order, then close all who are under their margin, worst first."""
    protocol, indexer = simulation.protocol, simulation.indexer
    books = []
    for book, mirror in zip(protocol.books, indexer.orders):
        live = np.flatnonzero(mirror.sizes)
        books.append([(mirror.accounts[row], mirror.prices[row], mirror.sizes[row]) for row in live])
        for account in {account for account, _, _ in books[-1]}:
            assert send(simulation, book, indexer.accounts.owners[account], "cancel_all")
    chain = protocol.chain
    time = chain.pending_timestamp
    reporter = chain.account(REPORTER).address
    for market, state in enumerate(indexer.states):
        price = int(state.index / WAD * (1 + move)) * WAD
        assert send(simulation, protocol.oracle, reporter, "post", market, price, time)
    for market, (book, orders) in enumerate(zip(protocol.books, books)):
        tick = int(simulation.scenario.markets[market].tick * WAD)
        lot = int(simulation.scenario.markets[market].lot * WAD)
        for account, price, size in orders:
            limit = round(price * (1 + move) * WAD / tick) * tick
            lots = round(abs(size) * WAD / lot) * lot
            owner = indexer.accounts.owners[account]
            assert send(simulation, book, owner, "place", bool(size > 0), limit, lots, POST_ONLY, False)
    keeper = chain.account(FIRST_KEEPER).address
    done = len(simulation.ledger.liquidations), len(simulation.ledger.fund_rows)
    for _ in range(6):
        health = indexer.health(chain.pending_timestamp)
        rows = health.underwater
        closed = False
        for account in rows[np.argsort(health.equity[rows] / health.notional[:, rows].sum(0))].tolist():
            for market in range(len(protocol.books)):
                if health.size[market, account]:
                    send(simulation, protocol.liquidator, keeper, "liquidate", account, market)
                    last = simulation.ledger.liquidations[-1]
                    closed = closed or last["closed"] > 0
        if not closed:
            break
    health = indexer.health(chain.pending_timestamp)
    found: Counter[str] = Counter()
    for row in simulation.ledger.liquidations[done[0] :]:
        found["closed"] += row["notional"]
    for row in simulation.ledger.fund_rows[done[1] :]:
        found["paid" if row["amount_f64"] < 0 else "gained"] += abs(row["amount_f64"])
    found["left"] = -np.minimum(health.equity, 0).sum()
    return found


def send(simulation: Simulation, contract: Any, sender: str, function: str, *args: Any) -> bool:
    """Send it, and fold what it logged."""
    receipt = contract.send(sender, function, *args)
    simulation.log.take(SET_UP, simulation.protocol.chain.pending_timestamp, receipt.logs)
    return bool(receipt.ok)


@pytest.mark.parametrize("move", [-0.1, -0.2, -0.35, 0.2])
@pytest.mark.parametrize("surplus", [0.0, 1.0])
def test_a_sudden_move_costs_what_the_contracts_make_of_it(ready: Any, move: float, surplus: float) -> None:
    simulation = ready(surplus_to_fund=surplus)
    held_to(simulation, move)


@pytest.mark.parametrize("move", [-0.02, -0.025, -0.07, 0.02])
@pytest.mark.parametrize("surplus", [0.0, 1.0])
def test_so_it_does_where_margins_are_wide_and_penalties_come_in(
    ready: Any, move: float, surplus: float
) -> None:
    found = held_to(ready(depth=1_000_000, wide=True, surplus_to_fund=surplus), move)
    assert found.gained > 100


@pytest.mark.parametrize("move", [-0.2, 0.1])
def test_so_it_does_in_two_markets_at_once(ready: Any, move: float) -> None:
    held_to(ready(markets=2), move)


def held_to(simulation: Simulation, move: float) -> Any:
    """Compare a stress with what becomes of it on the chain."""
    exposure = simulation.warner.exposure(simulation.health)
    found = stress(exposure, move)
    real = crash(simulation, move)
    scale = real["closed"] + real["left"]
    print(found, dict(real))
    assert found.accounts > 10
    assert found.closed == pytest.approx(real["closed"], rel=0.03)
    # a hundredth of what was closed: ticks, lots, fills in pieces
    assert found.need == pytest.approx(real["paid"] + real["left"], rel=0.05, abs=0.002 * scale)
    assert found.gained - found.paid == pytest.approx(
        real["gained"] - real["paid"], rel=0.1, abs=0.002 * scale
    )
    assert found.left == pytest.approx(real["left"], rel=0.05, abs=0.002 * scale)
    return found


def test_the_two_largest_losses_beyond_margins_are_summed_and_gains_are_none() -> None:
    exposure = Exposure(
        rules=[],
        marks=np.array([100.0, 10.0]),
        indices=np.array([100.0, 10.0]),
        sizes=np.array([[10.0, 5.0, -10.0, 2.0], [0.0, 0.0, 0.0, 50.0]]),
        equity=np.array([100.0, 60.0, 500.0, 100.0]),
        ladders=[],
        coverage=0.0,
    )
    # A fall of 20 % costs 200, 100 and 140, and brings the short 200.
    assert exposure.largest_losses(-0.2, accounts=2) == pytest.approx((200 - 100) + (100 - 60))
    assert exposure.largest_losses(-0.2, accounts=1) == pytest.approx(100)
    assert exposure.largest_losses(-0.2, accounts=9) == pytest.approx(100 + 40 + 40)
    assert exposure.largest_losses(0.2, accounts=2) == 0.0
    assert exposure.largest_losses(1.0, accounts=2) == pytest.approx(500)
