"""The exchange at one block: what the page is told about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from perpsim.scenarios import Market
from perpsim.simulation.indexer import Indexer

Row = Mapping[str, Any]
Rows = Sequence[Row]


@dataclass(frozen=True)
class Check:
    """A rule that the exchange has to keep, and what was found."""

    rule: str
    holds: bool
    found: str


@dataclass(frozen=True)
class Sign:
    """A warning sign: its words with the threshold, and since when it has been on (seconds; None: off)."""

    name: str
    text: str
    since: int | None


@dataclass(frozen=True)
class Keeper:
    """A row of the keepers' league. Calls by how they ended, money in quote units; None: nobody knows."""

    account: int
    name: str
    strategy: str
    won: int
    lost: int | None
    vain: int
    reverted: int | None
    reward: float
    cost: float | None

    @property
    def profit(self) -> float:
        """What is left of the rewards after gas, as far as that is known."""
        return self.reward - (self.cost or 0.0)


@dataclass(frozen=True)
class Moment:
    """State after `block` at `time` (seconds).

    `fund_rows`, `liquidations`, `adl` and `bad_debt` are a ledger's, up to the block; `broken` the rules of
    the waterfall that its events broke. `leverage` a market is notional over equity of who holds positions.
    `roles` say what the owner of an account does.
    """

    block: int
    time: int
    markets: Sequence[Market]
    unit: str
    indexer: Indexer
    fund_rows: Rows
    liquidations: Rows
    adl: Rows
    bad_debt: Rows
    broken: Sequence[str]
    leverage: Sequence[float | None]
    #: outside prices, None where nobody knows them
    prices: Sequence[float | None]
    keepers: Sequence[Keeper]
    signs: Sequence[Sign]
    #: checks beside those that follow from the log
    checks: Sequence[Check] = ()
    roles: Mapping[int, str] = field(default_factory=dict)
