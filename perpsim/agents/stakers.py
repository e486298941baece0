"""Stakers of the insurance fund: they join for its yield, watch its losses, and run."""

from __future__ import annotations

from collections import deque

import numpy as np

from perpsim.agents.base import BoolArray, FloatArray, IntArray, Members, Views
from perpsim.agents.desk import VaultDesk
from perpsim.chain import Tx
from perpsim.scenarios import Stakers
from perpsim.simulation.vault_table import VaultTable

OUT, IN, ASKED, GONE = 0, 1, 2, 3

_YEAR = 365 * 86_400
# Blocks before something that did not come off (the vault may be unsettled) is tried again.
_PAUSE = 10
# Of their nerve, the fear at which those who can be calm are calm again.
_CALM = 0.5
_AFTER = {"stake": IN, "request": ASKED, "cancel": IN, "lapse": IN, "unstake": GONE}


class FundStakers:
    """One row a staker. They see the price of a share, what others have asked for, and their own shares."""

    role = "staker"

    def __init__(
        self,
        config: Stakers,
        desk: VaultDesk,
        members: Members,
        rng: np.random.Generator,
        seconds_per_block: int,
    ) -> None:
        count = len(members)
        self.members = members
        self.config = config
        self._desk = desk
        self._seconds = seconds_per_block
        drawn = config.stake_median * np.exp(config.stake_sigma * rng.standard_normal(count))
        self.stake: FloatArray = np.clip(drawn, 0.01 * config.stake_median, config.stake_max)
        #: fear from which each asks for its stake
        self.nerve: FloatArray = config.nerve * np.exp(config.nerve_sigma * rng.standard_normal(count))
        self._calms: BoolArray = rng.random(count) < config.calm_share
        self.stage: IntArray = np.full(count, OUT, dtype=np.int64)
        #: highest price of a share since each joined
        self._peak: FloatArray = np.zeros(count)
        self._next: IntArray = rng.integers(0, config.arrival_blocks, count)
        self._late: BoolArray = rng.random(count) < config.late_share
        self._attention = min(1.0, seconds_per_block / (3600 * config.attention_hours))
        self._window = max(1, round(config.yield_hours * 3600 / seconds_per_block))
        self._prices: deque[float] = deque(maxlen=max(self._window, config.lag_blocks) + 1)
        self._read = 0

    def update(self, rng: np.random.Generator, views: Views) -> list[Tx]:
        """Stakes, requests and claims of this block."""
        block, time, vault = views[0].block, views[0].time, views[0].vault
        if vault is None:
            return []
        self._notice(vault)
        self._prices.append(vault.price)
        price = self._prices[-1 - min(self.config.lag_blocks, len(self._prices) - 1)]
        idle = self._next <= block
        txs: list[Tx] = []
        joining = idle & (self.stage == OUT)
        if joining.any():
            txs += self._join(rng, np.flatnonzero(joining), block)
        inside = self.stage == IN
        if inside.any():
            np.maximum(self._peak, price, out=self._peak, where=inside)
            afraid = idle & inside & (self._fear(price, vault) > self.nerve)
            if afraid.any():
                txs += self._ask(rng, np.flatnonzero(afraid), block, vault)
        waiting = idle & (self.stage == ASKED)
        if waiting.any():
            txs += self._claim(rng, np.flatnonzero(waiting), block, time, vault, price)
        return txs

    def _notice(self, vault: VaultTable) -> None:
        """What became of what they sent."""
        rows, self._read = vault.rows[self._read :], len(vault.rows)
        for step in rows:
            row = self.members.row(step["owner"])
            stage = _AFTER.get(step["kind"])
            if row is None or stage is None:
                continue
            if stage == GONE and vault.shares[vault.holder(step["owner"])]:
                stage = IN
            self.stage[row] = stage

    def _fear(self, price: float, vault: VaultTable) -> FloatArray:
        """The fall since each joined, and how many of the others want to leave."""
        asked = vault.asked_for / vault.staked if vault.staked else 0.0
        fall = 1 - price / np.maximum(self._peak, price)
        fear: FloatArray = fall + self.config.herd * asked
        return fear

    def _awake(self, rng: np.random.Generator, rows: IntArray) -> IntArray:
        chosen: IntArray = rows[rng.random(rows.size) < self._attention]
        return chosen

    def _join(self, rng: np.random.Generator, rows: IntArray, block: int) -> list[Tx]:
        late = self._late[rows]
        if late.any() and not self._pays():
            rows = rows[~late]
        elif late.any():
            rows = np.concatenate((rows[~late], self._awake(rng, rows[late])))
        txs = []
        for row, draw in zip(rows.tolist(), rng.random(rows.size).tolist()):
            txs.append(self._desk.stake(self.members.addresses[row], float(self.stake[row]), draw))
            self._next[row] = block + _PAUSE
        return txs

    def _pays(self) -> bool:
        """Whether the fund has grown as fast as those who come late want, and lost nothing just now."""
        if len(self._prices) <= self._window:
            return False
        before, now = self._prices[-1 - self._window], self._prices[-1]
        year = _YEAR / (self._window * self._seconds)
        return (now / before - 1) * year > self.config.join_yield

    def _ask(self, rng: np.random.Generator, rows: IntArray, block: int, vault: VaultTable) -> list[Tx]:
        txs = []
        awake = self._awake(rng, rows)
        for row, draw in zip(awake.tolist(), rng.random(awake.size).tolist()):
            address = self.members.addresses[row]
            txs.append(self._desk.request(address, vault.shares[vault.holder(address)], draw))
            self._next[row] = block + _PAUSE
        return txs

    def _claim(
        self, rng: np.random.Generator, rows: IntArray, block: int, time: int, vault: VaultTable, price: float
    ) -> list[Tx]:
        """Whoever's cooldown is over claims, unless it is calm again: then the window lapses."""
        fear = self._fear(price, vault)
        txs = []
        for row, draw in zip(rows.tolist(), rng.random(rows.size).tolist()):
            address = self.members.addresses[row]
            holder = vault.holder(address)
            request = vault.request(holder, time)
            if time < request.start:
                # Nothing to do before; those who pass here once a cooldown cost nothing.
                self._next[row] = block + (request.start - time + self._seconds - 1) // self._seconds
                continue
            self._next[row] = block + _PAUSE
            if self._calms[row] and fear[row] < _CALM * self.nerve[row]:
                continue
            shares = vault.redeemable(holder, time)
            if shares:
                txs.append(self._desk.claim(address, shares, draw))
        return txs
