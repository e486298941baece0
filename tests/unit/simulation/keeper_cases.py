"""What keepers see, made up for tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from perpsim.agents.keeper_policies import Frozen, Known, ListRules, Rewards, Rules, Sight
from perpsim.scenarios import Keeper
from perpsim.simulation.market_state import OpenList

LISTS = ListRules(list_from=500.0, turn=12)
OPENED = OpenList(account=4, keeper="0xopener", opened=1_000, moved=1_000, deadline=1_300)
REWARDS = Rewards(
    rate=0.001,
    least=1.0,
    most=8.0,
    penalty=0.005,
    buffer=0.25,
    full_threshold=2 / 3,
    full_below=5_000.0,
    maintenance=0.01,
)


def keeper(**settings: object) -> Keeper:
    """A keeper's settings."""
    return Keeper.model_validate({"name": "k", **settings})


def sight(
    fund: float = 1e6, *, lists: ListRules | None = None, state: Frozen | None = None, **more: Any
) -> Sight:
    """Four accounts under water in one market, all but the smallest with a reward of their own."""
    rows: dict[str, Any] = {
        "block": 0,
        "ids": np.array([3, 4, 7, 9]),
        "markets": np.zeros(4, dtype=np.int64),
        "equity": np.array([10.0, -50.0, 1.0, 40.0]),
        "maintenance": np.array([20.0, 30.0, 5.0, 50.0]),
        "notional": np.array([4_000.0, 6_000.0, 1_000.0, 10_000.0]),
        "coverage": [fund],
        "rules": [Rules(REWARDS, lists)],
        "frozen": [state or Frozen()],
    }
    return Sight(**(rows | more))


def crowd(count: int, markets: int = 2, **more: Any) -> Sight:
    """So many accounts under water, spread over markets, the first the largest."""
    return Sight(
        **{
            "block": 0,
            "ids": np.arange(1, count + 1),
            "markets": np.arange(count) % markets,
            "equity": np.linspace(-10.0, 10.0, count),
            "maintenance": np.full(count, 50.0),
            "notional": np.linspace(9_000.0, 1_000.0, count),
            "coverage": [1e6] * markets,
            "rules": [Rules(REWARDS)] * markets,
            "frozen": [Frozen()] * markets,
            **more,
        }
    )


def known(**more: Any) -> Known:
    """A keeper in block 10 that has seen nothing yet."""
    return Known(**{"address": "0xother", "block": 10, **more})
