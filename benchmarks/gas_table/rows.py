"""The rows of the table, and how each is measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gas_table import lists, maximum, trading, vault, waterfall

BLOCK_GAS_LIMIT = 30_000_000
#: columns of `Row.peers`
PEERS = "Boros / Perp v2 / dYdX v1 / Clober v2"
_DELEVERAGED = "164k each / none / 139k each / -"
_NONE = "- / - / - / -"


class Row(NamedTuple):
    """Gas that an operation is to cost (None: no target), what it costs with peers under the same conditions
    (`PEERS`), and, for what is measured at maximum load, the most that it may ever cost."""

    target: int | None = None
    peers: str = _NONE
    bound: int | None = None


OPERATIONS: dict[str, Row] = {
    "deposit, again": Row(50_000, "57.2k / 79.0k / 103.1k / -"),
    "withdraw, no position": Row(None, "215.1k / 135.6k / 97.4k / -"),
    "place, new level": Row(120_000, "287k-343k / 783k / 53.6k / 309k-331k"),
    "place, existing level": Row(95_000, "157k-265k / 783k / 53.6k / 197k"),
    "cancel": Row(45_000, "97.1k / 344k / 36.3k / 121k"),
    "market order, 1 level, both hold a position": Row(130_000, "257k / 726k / 162k / 181k"),
    "market order, 1 level, first positions": Row(260_000),
    "market order, 10 levels, 10 makers": Row(None, "972k / 1,373k / 873k / 569k"),
    "each further level, another maker": Row(45_000, "79k / 77k / 79k / 43k"),
    "close, 1 level": Row(None, "265k / 444k / 168k / -"),
    "liquidation, full, 1 level": Row(175_000, "173k / 1,125k / 137k / -"),
    "liquidation, partial, 1 level": Row(None, "173k / 1,213k / 139k / -"),
    "liquidation the vault pays for, 1 level": Row(None, "refused / 1,099k / 131k / -"),
    "batch of 1 liquidation": Row(),
    "each further liquidation in a batch": Row(),
    "deleverage by index, 20 accounts a side": Row(150_000, _DELEVERAGED),
    "deleverage by index, 40 accounts a side": Row(150_000, _DELEVERAGED),
    "deleverage by list, 1 counterparty": Row(165_000, _DELEVERAGED),
    "each further counterparty, closed wholly (queue)": Row(45_000, _DELEVERAGED),
    "each further counterparty, closed partly (pro rata)": Row(45_000, _DELEVERAGED),
    "each further listed account, only verified": Row(),
    "open a list over several calls": Row(),
    "hand in 1 account": Row(),
    "each further account handed in": Row(),
    "execute a list of 1 counterparty": Row(),
    "each further counterparty executed, closed wholly": Row(),
    "stake in the vault, the first": Row(None, "an ERC-4626 of Vyper 0.4.3: 106k"),
    "stake, new holder": Row(None, "an ERC-4626 of Vyper 0.4.3: 71.7k"),
    "stake, again": Row(None, "an ERC-4626 of Vyper 0.4.3: 54.6k"),
    "request to leave": Row(),
    "claim a request": Row(None, "an ERC-4626 of Vyper 0.4.3: 54.4k"),
    "funding update": Row(60_000, "74.8k / 234k / - / -"),
    "index price, posted": Row(),
}

#: positions in 8 markets, margin schedules of 8 tiers, all 32 orders of everybody open; each maker or listed
#: account another one
MAXIMUM: dict[str, Row] = {
    "place on the fullest level, 8 positions, 32nd order": Row(bound=450_000),
    "cancel in the middle of the fullest level": Row(bound=60_000),
    "cancel all 32 orders": Row(bound=750_000),
    "market order, 64 fills on the fullest level, 8 positions": Row(bound=13_000_000),
    "limit order, 64 fills on 64 levels, the rest waits, 8 positions": Row(bound=13_500_000),
    "withdraw, 8 positions": Row(bound=450_000),
    "withdraw, 8 positions to settle first": Row(bound=950_000),
    "liquidation, 8 positions, 32 orders, 64 makers": Row(bound=13_500_000),
    "liquidation the vault pays for, 8 positions, 32 orders, 127 makers": Row(bound=26_000_000),
    "deleverage by index, 8 positions, 32 orders": Row(bound=1_200_000),
    "deleverage by list, 1,600 accounts, 1 closed (queue)": Row(bound=29_990_000),
    "deleverage by list, 800 accounts, all closed partly (pro rata)": Row(bound=29_990_000),
    "each further listed account with 8 positions, only verified": Row(bound=110_000),
    "each further listed account with 8 positions, closed partly": Row(bound=180_000),
    "hand in 64 accounts with 8 positions, the worst hints": Row(bound=9_000_000),
    "report an account with 8 positions to the vault, the 8th": Row(bound=1_100_000),
    "index prices of 8 markets, posted at once": Row(bound=600_000),
    "claim from the vault, 8 reported accounts with 8 positions": Row(bound=1_300_000),
}

#: each deploys what it measures on, on the engine that it is given
PARTS: tuple[Callable[[str], dict[str, int]], ...] = (
    trading.orders,
    trading.levels,
    trading.pricing,
    waterfall.liquidations,
    waterfall.batches,
    waterfall.by_index,
    lists.one_call,
    lists.several_calls,
    vault.staking,
)
#: too much to set up for any engine but revm
LOADS: tuple[Callable[[], dict[str, int]], ...] = (
    maximum.orders,
    maximum.liquidations,
    maximum.deleveraging,
    maximum.doubts,
    maximum.lists,
)


def operations(engine: str = "py-evm") -> dict[str, int]:
    """Gas of `OPERATIONS`."""
    found: dict[str, int] = {}
    for part in PARTS:
        found |= part(engine)
    return {name: found[name] for name in OPERATIONS}


def at_maximum() -> dict[str, int]:
    """Gas of `MAXIMUM`."""
    found: dict[str, int] = {}
    for part in LOADS:
        found |= part()
    return {name: found[name] for name in MAXIMUM}
