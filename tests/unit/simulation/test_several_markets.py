"""Two markets, one exchange: accounts are margined across both, populations keep to theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from crowd_world import two_markets

from perpsim.errors import UserError
from perpsim.scenarios.loading import validate
from perpsim.simulation.command import build

Table = dict[str, Any]


@pytest.fixture(scope="module")
def run() -> Any:
    simulation = build(validate(two_markets()))
    assert simulation.run()
    return simulation


def test_each_market_follows_its_own_price(run: Any) -> None:
    blocks = run.metrics.frame()
    for market in (0, 1):
        gap = (blocks[f"index_{market}"] / blocks[f"price_{market}"] - 1).abs()
        # one block of lag and the deviation from which the reporter posts
        assert gap[10:].median() < 0.01
    assert blocks["price_0"].min() < 7_000 < 9_900 < blocks["price_1"].min()


def test_the_crash_liquidates_in_its_market_and_hardly_in_the_other(run: Any) -> None:
    closed = [row for row in run.ledger.liquidations if row["closed"] > 0]
    here = sum(row["market"] == 0 for row in closed)
    assert here > 20
    assert len(closed) - here < here / 5


def test_populations_trade_only_in_their_market(run: Any) -> None:
    sizes = run.health.size
    for crowd in run.cast.crowds:
        ids = crowd.members.ids
        assert not sizes[1 - crowd.config.market][ids].any(), crowd.role
    assert all(sizes[market].any() for market in (0, 1))


def test_everybody_has_an_account_of_his_own(run: Any) -> None:
    addresses = [address for crowd in run.cast.crowds for address in crowd.members.addresses]
    assert len(set(addresses)) == len(addresses)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table["prices"].pop(), "1 tables of prices for 2 markets: one each"),
        (lambda table: table["traders"][1].update(market=2), "traders: market 2 does not exist, the last"),
        (lambda table: table["agents"]["noise"][1].update(cuont=2), "agents.noise.1.cuont: unknown key"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_said(change: Callable[[Table], Any], message: str) -> None:
    table = two_markets()
    change(table)
    with pytest.raises(UserError, match=message):
        validate(table)
