"""An insurance vault with stakers, over a clearinghouse that says what a test tells it to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deployed import START, Contract, Roles, Sent, deploy_on
from support.harness import compiled
from vault_world import PENALTY, World

from perpsim.chain import account

COOLDOWN, WINDOW = 13 * 86_400, 3 * 86_400
VIRTUAL = 10**6
FROZEN = 2

#: answers the vault's questions, and books inflows as the Clearinghouse does
CORE = """
# pragma version 0.4.3

interface Vault:
    def book_inflow(market: uint256, kind: uint256, amount: uint256): nonpayable

markets: uint256
flags: int256[8]
unpaid: public(uint256[8])
equities: HashMap[uint256, int256]

@deploy
def __init__(markets: uint256):
    self.markets = markets

@external
def set_market(market: uint256, flags: int256, unpaid: uint256):
    self.flags[market] = flags
    self.unpaid[market] = unpaid

@external
def set_equity(account: uint256, equity: int256):
    self.equities[account] = equity

@external
def book_inflow(vault: address, market: uint256, kind: uint256, amount: uint256):
    extcall Vault(vault).book_inflow(market, kind, amount)

@external
@view
def market_words(market: uint256) -> int256[8]:
    words: int256[8] = empty(int256[8])
    if market < self.markets:
        words[0] = (12345 << 8) | self.flags[market]
        words[5] = 1
    return words

@external
@view
def health(account: uint256) -> (int256, int256, int256):
    return self.equities[account], 7, 5
"""


@dataclass(frozen=True)
class StakingWorld(World):
    """`World` with stakers; `core` plays the Clearinghouse."""

    core: Contract

    def book(self, market: int, kind: int, amount: int) -> None:  # type: ignore[override]
        """What the Clearinghouse does: the money is there first, then it tells."""
        self.token.send(self.roles.donor, "mint", self.vault.address, amount)
        self.core.send(self.roles.donor, "book_inflow", self.vault.address, market, kind, amount)

    def gain(self, amount: int, market: int = 0) -> None:
        """A penalty, token units."""
        self.book(market, PENALTY, amount)

    def lose(self, amount: int, market: int = 0) -> int:
        """A deficit, token units; what the vault paid of it."""
        return int(self.cover(market, amount).value)

    def give(self, who: str, amount: int) -> None:
        """Mint somebody token units and let the vault take them."""
        self.token.send(who, "mint", who, amount)
        self.token.send(who, "approve", self.vault.address, 2**256 - 1)

    def stake(self, who: str, amount: int) -> int:
        """Mint and stake token units; the shares."""
        self.give(who, amount)
        return int(self.vault.send(who, "deposit", amount, who).value)

    def request(self, who: str, shares: int | None = None) -> int:
        """Ask to leave, with everything unless told otherwise; the value then."""
        wanted = self.shares(who) if shares is None else shares
        return int(self.vault.send(who, "request_withdraw", wanted).value)

    def redeem_all(self, who: str) -> int:
        """Claim all that can be claimed; token units."""
        return int(self.vault.send(who, "redeem", self.vault.view("maxRedeem", who), who, who).value)

    def shares(self, who: str) -> int:
        """Somebody's shares."""
        return int(self.vault.view("balanceOf", who))

    def worth(self, who: str) -> int:
        """What somebody's shares are worth, token units."""
        return int(self.vault.view("convertToAssets", self.shares(who)))

    def own(self, function: str, *args: Any) -> Sent:
        """Something that only the owner may do."""
        return self.vault.send(self.roles.owner, function, *args)

    def freeze(self, market: int, frozen: bool = True, unpaid: int = 0) -> None:
        """What the Clearinghouse says of a market from now on."""
        self.core.send(self.roles.stranger, "set_market", market, FROZEN if frozen else 0, unpaid)

    def set_equity(self, number: int, equity: int) -> None:
        """What the Clearinghouse says of an account from now on, WAD."""
        self.core.send(self.roles.stranger, "set_equity", number, equity)


def make_staking_world(
    chain: Any, decimals: int = 6, *, start: int = START, markets: int = 2, token: str = "Stablecoin"
) -> StakingWorld:
    """A fresh vault over so many markets with staking on and without a breaker."""
    roles = Roles()
    chain.set_pending_timestamp(start)
    names = ("Dollar", "USD") if token == "Stablecoin" else ()
    money = deploy_on(chain, token, *names, decimals)
    vault = deploy_on(chain, "InsuranceVault", money.address, roles.owner)
    artifact = compiled(CORE)
    core = Contract(chain, artifact, chain.deploy(artifact, markets, sender=account(999).address))
    vault.send(roles.owner, "set_core", core.address, roles.liquidator)
    vault.send(roles.owner, "set_breaker", 10**18, 10**18)
    vault.send(roles.owner, "set_staking", True)
    money.send(roles.donor, "mint", roles.donor, 2**200)
    money.send(roles.donor, "approve", vault.address, 2**256 - 1)
    return StakingWorld(vault, money, roles, 10**decimals, core)
