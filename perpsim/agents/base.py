"""What every population shares: what it may see, how it sends, and the accounts behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from perpsim.chain import Tx
from perpsim.simulation.account_table import Health
from perpsim.simulation.market_state import WAD, MarketState, OpenList
from perpsim.simulation.order_mirror import Look
from perpsim.simulation.vault_table import VaultTable

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


def _nothing(sender: str) -> list[Tx]:
    return []


@dataclass(slots=True)
class View:
    """The world as one market sees it at the beginning of a block, before its transactions. Prices in quote
    units.

    `truth` holds the outside price of every block up to this one; a population with a lag looks further back.
    Everything else is folded from the log of earlier blocks: `depth` is the notional of bids and asks near
    the mid, `underwater` the ids of accounts under maintenance margin, `coverage` what the fund would pay for
    the market (only known while somebody is under water), `open_list` the list for which the
    market is frozen. Until `by_index_until` (seconds) nobody is deleveraged by list, since one timed out.
    `base_fee` (wei per gas) is that of the block to come, `coin_price` what the coin that pays for gas is
    worth (quote units, 0 where gas is free). `pending` lists an address's transactions that wait for a block;
    to raise a bid send again with the nonce of the waiting one, tip and maximum fee both 10 % higher.
    Arrays over accounts are indexed by account id. `collateral` is as last settled; `vault` tells of the
    fund's shares.
    """

    block: int
    time: int
    truth: FloatArray
    volatility: float
    index: float
    mark: float
    index_time: int
    bid: float
    ask: float
    depth: tuple[float, float]
    equity: FloatArray
    maintenance: FloatArray
    size: FloatArray
    underwater: IntArray
    coverage: float
    open_list: OpenList | None = None
    by_index_until: int = 0
    base_fee: int = 0
    coin_price: float = 0.0
    collateral: FloatArray = field(default_factory=lambda: np.zeros(0))
    vault: VaultTable | None = None
    pending: Callable[[str], list[Tx]] = _nothing

    @classmethod
    def of(cls, market: int, state: MarketState, look: Look, health: Health, **more: Any) -> View:
        """Market number `market` as its log has it: its `state`, a `look` at its book, the `health` of all
        accounts. `more` are the fields that these do not tell."""
        bid, ask, bids, asks = look
        return cls(
            index=state.index / WAD,
            mark=state.mark / WAD,
            index_time=state.index_time,
            bid=bid,
            ask=ask,
            depth=(bids, asks),
            equity=health.equity,
            maintenance=health.maintenance,
            size=health.size[market],
            underwater=health.underwater,
            open_list=state.open_list,
            by_index_until=state.by_index_until,
            **more,
        )

    def price(self, lag: int) -> float:
        """The outside price `lag` blocks ago."""
        return float(self.truth[max(self.block - lag, 0)])

    def returned(self, lag: int, window: int) -> float:
        """Logarithmic return of the outside price over `window` blocks, as known `lag` blocks later."""
        last = max(self.block - lag, 0)
        return float(np.log(self.truth[last] / self.truth[max(last - window, 0)]))


#: one a market; what concerns accounts is the same in all of them
Views = Sequence[View]


class Population(Protocol):
    """A group of agents of one kind."""

    role: str

    def update(self, rng: np.random.Generator, views: Views) -> list[Tx]:
        """What the group sends in this block, given what it could have seen."""


class Members:
    """The accounts of a population: addresses, and account ids once the exchange has given them."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self.addresses = list(addresses)
        self.ids: IntArray = np.zeros(len(self.addresses), dtype=np.int64)
        self._rows = {address: row for row, address in enumerate(self.addresses)}

    def __len__(self) -> int:
        return len(self.addresses)

    def opened(self, account: int, owner: str) -> bool:
        """Note an account id; True if the owner is a member."""
        row = self._rows.get(owner)
        if row is None:
            return False
        self.ids[row] = account
        return True

    def row(self, owner: str) -> int | None:
        """Row of a member, None for others."""
        return self._rows.get(owner)

    def of(self, values: FloatArray) -> FloatArray:
        """Members' entries of an array over accounts; 0 for members without an account."""
        # Row 0 of such arrays belongs to nobody and holds zeros. All ids are in range: "wrap" spares a check.
        chosen: FloatArray = values.take(self.ids, mode="wrap")
        return chosen
