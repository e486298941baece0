"""Who and what the tests of populations share: members, what they see, and worlds of two markets."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any

import numpy as np

from perpsim.agents.base import Members, View

Table = dict[str, Any]

PRICE = 8_000.0
ROWS = 20
ROLES = ("makers", "arbitrageurs", "momentum", "noise")
#: a price that stays where it was
CALM = [[10_000, 10_010, 9_990, 10_000]] * 4


def two_markets() -> Table:
    """The small scenario with its crash in market 0 and a calm market 1 beside it."""
    text = (resources.files("perpsim") / "scenarios" / "smoke.toml").read_text()
    table = tomllib.loads(text)
    second = tomllib.loads(text)
    table["markets"] += [{**second["markets"][0], "symbol": "ETH"}]
    table["prices"] = [table["prices"], {**second["prices"], "knots": CALM}]
    table["traders"] = [table["traders"], {**second["traders"], "market": 1}]
    for role in ROLES:
        table["agents"][role] = [table["agents"][role], {**second["agents"][role], "market": 1}]
    table["checks"] = {"every": 20, "window": 0}
    return table


def members(count: int = 2) -> Members:
    group = Members([f"0x{number:040x}" for number in range(1, count + 1)])
    for number, address in enumerate(group.addresses, start=1):
        assert group.opened(number, address)
    return group


def views(block: int = 100, price: float = PRICE, **changes: Any) -> list[View]:
    fields: dict[str, Any] = {
        "block": block,
        "time": 1_700_000_000 + 12 * block,
        "truth": np.full(block + 1, price),
        "volatility": 0.0003,
        "index": price,
        "mark": price,
        "index_time": 1_700_000_000 + 12 * block,
        "bid": price - 1,
        "ask": price + 1,
        "equity": np.concatenate(([0.0], np.full(ROWS, 1e6))),
        "maintenance": np.zeros(ROWS + 1),
        "size": np.zeros(ROWS + 1),
        "depth": (1e6, 1e6),
        "underwater": np.array([], dtype=np.int64),
        "coverage": 0.0,
    }
    return [View(**{**fields, **changes})]


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def all_kinds(decimals: int = 6, blocks: int = 480) -> Table:
    """Both markets with everybody in them: baskets, stakers and attackers beside the others."""
    table = two_markets()
    table["collateral"] = {"decimals": decimals}
    table["clock"]["blocks"] = blocks
    for prices in table["prices"]:
        prices["interval"] = 12 * blocks // 4
    table["fund"] = {"initial": 20_000, "staking": {"cooldown": 3600, "window": 3600}}
    table["markets"][1]["impact"] = {"per_million": 0.3, "half_life": 1800}
    pair = [{"market": 0, "weight": 1}, {"market": 1, "weight": -1}]
    longs = [{"market": 0, "weight": 1}, {"market": 1, "weight": 1}]
    few = {"collateral_median": 800, "arrival_blocks": 20}
    table["agents"]["baskets"] = [
        {"legs": pair, "count": 20, "leverage": 6, **few},
        {"legs": longs, "count": 20, "leverage": 5, "mirror_share": 0.5, **few},
    ]
    table["agents"]["stakers"] = {
        "count": 25,
        "stake_median": 500,
        "nerve": 0.02,
        "arrival_blocks": 20,
        "attention_hours": 0.05,
    }
    table["agents"]["attackers"] = [
        {
            "kind": "pump",
            "name": "pumper",
            "market": 1,
            "start": 60,
            "accounts": 2,
            "capital": 3_000,
            "order": 4_000,
            "outside": 15_000,
            "build_blocks": 40,
        },
        {
            "kind": "margin-withdrawal",
            "name": "whale",
            "start": 5,
            "capital": 10_000,
            "order": 10_000,
            "hold_blocks": 20,
        },
        {
            "kind": "self-trade",
            "name": "squeezer",
            "market": 1,
            "start": 20,
            "capital_short": 3_000,
            "capital_long": 8_000,
            "notional": 40_000,
            "order": 8_000,
            "outside": 20_000,
            "squeeze_blocks": 40,
        },
    ]
    table["checks"] = {"every": 10, "window": 0}
    return table
