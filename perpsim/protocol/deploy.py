"""The one place that deploys the protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from perpsim.chain import Chain, Compiler, Log
from perpsim.protocol.contract import Contract
from perpsim.protocol.params import BY_INDEX, POLICIES, DeleverageParams, MarketParams, ProtocolParams
from perpsim.protocol.units import MAX_UINT, WAD

#: index of the account that deploys and owns everything
DEPLOYER = 0
_NOBODY = "0x" + "00" * 20


@dataclass(frozen=True)
class Protocol:
    """A deployed exchange. `owner` owns every contract that has an owner; `policies` are all there are, by
    name, whether a market uses them or not."""

    chain: Chain
    params: ProtocolParams
    owner: str
    token: Contract
    pricing: Contract
    clearinghouse: Contract
    parameters: Contract
    vault: Contract
    liquidator: Contract
    oracle: Contract
    lens: Contract
    books: tuple[Contract, ...]
    policies: dict[str, Contract]

    @property
    def contracts(self) -> tuple[Contract, ...]:
        """All contracts, in order of deployment."""
        return (
            self.token,
            self.pricing,
            self.vault,
            self.clearinghouse,
            self.parameters,
            self.liquidator,
            self.oracle,
            self.lens,
            *self.books,
            *self.policies.values(),
        )

    @property
    def unit(self) -> int:
        """WAD in one token unit."""
        return int(10 ** (18 - self.params.decimals))

    def addresses(self) -> dict[str, str]:
        """Address by contract name."""
        return {contract.name: contract.address for contract in self.contracts}

    def decode(self, log: Log) -> tuple[str, str, Any] | None:
        """Contract name, event name and values of a log; None for a stranger's."""
        for contract in self.contracts:
            if contract.address == log.address:
                event = contract.interface.events_by_topic.get(bytes(log.topics[0]))
                return (
                    None if event is None else (contract.name, event.name, event.decode(log.topics, log.data))
                )
        return None

    def decode_all(self, logs: Sequence[Log]) -> list[tuple[str, str, Any]]:
        """Decoded logs of the protocol, in order."""
        return [found for found in map(self.decode, logs) if found is not None]

    def deposit(self, owner: str, amount: int) -> int:
        """Mint, approve and deposit token units for an address; its account."""
        self.token.transact(owner, "mint", owner, amount)
        self.token.transact(owner, "approve", self.clearinghouse.address, MAX_UINT)
        return int(self.clearinghouse.transact(owner, "deposit", amount))

    def post(self, market: int, price: int, timestamp: int | None = None) -> None:
        """Post an index price (WAD), stamped with the pending block's time (s) unless told otherwise."""
        when = self.chain.pending_timestamp if timestamp is None else timestamp
        self.oracle.transact(self.owner, "post", market, price, when)


def deploy(
    chain: Chain,
    params: ProtocolParams | None = None,
    *,
    compiler: Compiler | None = None,
    token: str | None = None,
) -> Protocol:
    """Deploy and wire the protocol; the deployer (account 0) owns it and may post prices.

    `token` is the address of a collateral that is already there; by default a faucet token is deployed, and
    minted from for the vault's first funding.
    """
    params = params or ProtocolParams()
    compiler = compiler or Compiler()
    owner = chain.account(DEPLOYER).address

    def create(source: str, *args: Any, name: str | None = None) -> Contract:
        artifact = compiler.load(source)
        return Contract(
            chain, name or source, chain.deploy(artifact, *args, sender=owner), artifact.interface
        )

    if token is None:
        money = create("Stablecoin", params.token_name, params.token_symbol, params.decimals)
    else:
        money = Contract(chain, "Stablecoin", token, compiler.load("Stablecoin").interface)
    pricing = create("Pricing")
    vault = create("InsuranceVault", money.address, owner)
    clearinghouse = create("Clearinghouse", money.address, vault.address, pricing.address)
    parameters = create("Parameters", clearinghouse.address, owner)
    liquidator = create("Liquidator", clearinghouse.address, vault.address, owner)
    oracle = create("PriceOracle", clearinghouse.address, owner)
    lens = create("Lens", clearinghouse.address)
    clearinghouse.transact(owner, "wire", parameters.address, oracle.address, liquidator.address)
    vault.transact(owner, "set_core", clearinghouse.address, liquidator.address)
    oracle.transact(owner, "set_reporter", owner, True)

    books = tuple(
        create(
            "OrderBook",
            clearinghouse.address,
            liquidator.address,
            number,
            market.tick_size,
            market.lot_size,
            market.min_size,
            market.max_orders,
            name=f"OrderBook{number}",
        )
        for number, market in enumerate(params.markets)
    )
    policies = {name: create(contract) for name, contract in POLICIES.items()}
    protocol = Protocol(
        chain,
        params,
        owner,
        money,
        pricing,
        clearinghouse,
        parameters,
        vault,
        liquidator,
        oracle,
        lens,
        books,
        policies,
    )
    for number, market in enumerate(params.markets):
        _open_market(protocol, number, market)
        if market.deleverage.policy != BY_INDEX:
            set_deleverage(protocol, number, market.deleverage)
    _set_up_vault(protocol)
    return protocol


def set_deleverage(protocol: Protocol, market: int, terms: DeleverageParams) -> None:
    """Set how a market shares out bankrupt positions."""
    policy = _NOBODY if terms.policy == BY_INDEX else protocol.policies[terms.policy].address
    protocol.liquidator.transact(
        protocol.owner, "set_deleverage_terms", market, (policy, terms.timeout, terms.list_from)
    )


def deploy_keeper_batch(
    protocol: Protocol, owner: str, name: str = "KeeperBatch", compiler: Compiler | None = None
) -> Contract:
    """A contract that liquidates for the keeper `owner`, several accounts in a transaction."""
    artifact = (compiler or Compiler()).load("KeeperBatch")
    args = (protocol.clearinghouse.address, protocol.liquidator.address, owner)
    address = protocol.chain.deploy(artifact, *args, sender=protocol.owner)
    return Contract(protocol.chain, name, address, artifact.interface)


def _open_market(protocol: Protocol, number: int, market: MarketParams) -> None:
    protocol.parameters.transact(
        protocol.owner,
        "add_market",
        protocol.books[number].address,
        market.terms,
        market.funding,
        list(market.tiers),
        market.open_interest_cap,
    )
    protocol.liquidator.transact(protocol.owner, "set_params", number, market.liquidation)
    protocol.oracle.transact(protocol.owner, "set_max_age", number, market.terms.max_age)


def _set_up_vault(protocol: Protocol) -> None:
    vault, settings, owner = protocol.vault, protocol.params.vault, protocol.owner
    vault.transact(
        owner, "set_breaker", settings.breaker_trip, min(settings.breaker_resume, settings.breaker_trip, WAD)
    )
    if settings.cap:
        for number in range(len(protocol.params.markets)):
            vault.transact(owner, "set_cap", number, settings.cap, settings.cap_window)
    for number in settings.isolated:
        vault.transact(owner, "set_isolated", number, True)
    if settings.staking:
        vault.transact(owner, "set_withdrawal_times", settings.cooldown, settings.claim_window)
        vault.transact(owner, "set_staking", True)
    if settings.initial:
        protocol.token.transact(owner, "mint", owner, settings.initial)
        protocol.token.transact(owner, "approve", vault.address, MAX_UINT)
        vault.transact(owner, "fund", settings.initial)
