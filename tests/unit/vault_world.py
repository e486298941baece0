"""An insurance vault among test accounts that play Clearinghouse, Liquidator and donor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deployed import START, Contract, Roles, Sent, deploy_on

WAD = 10**18
HOUR = 3600
DAY = 24 * HOUR
NO_MARKET = 8
PENALTY, FEE_SHARE, FUND = 1, 2, 3


@dataclass(frozen=True)
class World:
    """A vault and its token; `unit` is one token in token units."""

    vault: Contract
    token: Contract
    roles: Roles
    unit: int

    def fund(self, tokens: int) -> Sent:
        """A gift of whole tokens."""
        return self.vault.send(self.roles.donor, "fund", tokens * self.unit)

    def book(self, market: int, kind: int, amount: int) -> Sent:
        """What the Clearinghouse does: send first, then tell."""
        self.token.send(self.roles.donor, "transfer", self.vault.address, amount)
        return self.vault.send(self.roles.clearinghouse, "book_inflow", market, kind, amount)

    def cover(self, market: int, amount: int) -> Sent:
        """What the Liquidator does for a deficit."""
        return self.vault.send(self.roles.liquidator, "cover", market, amount)

    def reward(self, market: int, amount: int) -> Sent:
        """What the Liquidator does for a keeper."""
        return self.vault.send(self.roles.liquidator, "reward", market, amount)

    def pass_time(self, seconds: int) -> None:
        """Move on to a later block."""
        chain = self.vault.chain
        chain.set_pending_timestamp(chain.pending_timestamp + seconds)
        # views see the time of a pending block that holds something
        chain.transact(
            self.roles.stranger, self.token.address, self.token.calldata("mint", self.roles.stranger, 0)
        )

    def now(self) -> int:
        """Time of the pending block, seconds."""
        return self.vault.chain.pending_timestamp

    def assets(self) -> Any:
        """The vault's books, token units."""
        return self.vault.view("assets")

    def coverage(self, market: int = 0) -> Any:
        """What a market could get now, token units."""
        return self.vault.view("coverage", market)

    def held(self, who: str) -> Any:
        """Somebody's tokens, token units."""
        return self.token.view("balanceOf", who)


def make_world(chain: Any, decimals: int, start: int = START) -> World:
    """A fresh vault over a token of so many decimals, from `start` (seconds) on."""
    roles = Roles()
    chain.set_pending_timestamp(start)
    token = deploy_on(chain, "Stablecoin", "Dollar", "USD", decimals)
    vault = deploy_on(chain, "InsuranceVault", token.address, roles.owner)
    vault.send(roles.owner, "set_core", roles.clearinghouse, roles.liquidator)
    token.send(roles.donor, "mint", roles.donor, 2**200)
    token.send(roles.donor, "approve", vault.address, 2**256 - 1)
    return World(vault, token, roles, 10**decimals)
