"""Opens an exchange for a scenario and casts everyone who will act on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from perpsim.agents.arbitrageurs import IndexArbitrageurs
from perpsim.agents.base import Members, Population
from perpsim.agents.desk import Desk, Grid
from perpsim.agents.flow import MomentumTraders, NoiseTraders
from perpsim.agents.keepers import Desked, Keepers, Listing, ListRules
from perpsim.agents.makers import MarketMakers
from perpsim.agents.oracle import Reporter
from perpsim.agents.traders import LeveragedTraders
from perpsim.chain import Chain, Interface, Log, Receipt, Tx, open_chain
from perpsim.deleveraging.policies import policy_named
from perpsim.protocol import BY_INDEX, MAX_UINT, Contract, Protocol, deploy, wad
from perpsim.scenarios import Scenario
from perpsim.simulation.counterparties import Counterparties
from perpsim.simulation.list_book import ListBook
from perpsim.simulation.parameters import protocol_params

# Which numbered account is who (perpsim.chain.accounts): the same on every engine.
BANK, REPORTER = 1, 2
FIRST_KEEPER = 10
FIRST_MAKER = 100
FIRST_ARBITRAGEUR = 200
FIRST_MOMENTUM = 1_000
FIRST_NOISE = 10_000
FIRST_TRADER = 100_000

# Chain time before block 0 for deployment and first deposits; on a plain node each transaction is a block.
_SET_UP_SECONDS = 3600
_GAS = 1_000_000
_ENOUGH = 10**30


def open_exchange(scenario: Scenario, engine: str) -> Protocol:
    """A chain on `engine` with the protocol deployed, some time before the scenario's first block."""
    chain = open_chain(
        engine,
        timestamp=scenario.start - _SET_UP_SECONDS,
        block_gas_limit=scenario.clock.gas_limit,
    )
    try:
        return deploy(chain, protocol_params(scenario))
    except BaseException:
        chain.close()
        raise


@dataclass
class Cast:
    """Everyone who acts. `logs` are those of the set-up, the deployment's where the chain keeps them."""

    oracle: Reporter
    keepers: Keepers
    traders: LeveragedTraders
    populations: list[Population]
    members: list[tuple[str, Members]]
    lists: ListBook | None = None
    logs: list[Log] = field(default_factory=list)
    _keepers_by_account: dict[int, Desked] = field(default_factory=dict)

    def opened(self, account: int, owner: str) -> None:
        """The exchange gave `owner` an account."""
        keeper = self.keepers.by_address.get(owner)
        if keeper is not None:
            keeper.account = account
            self._keepers_by_account[account] = keeper
            return
        for _, members in self.members:
            if members.opened(account, owner):
                return

    def keeper_of(self, account: int) -> Desked | None:
        """The keeper whose account it is."""
        return self._keepers_by_account.get(account)

    def role_of(self, owner: str) -> str:
        """What the owner of an account does; traders by the side they took last."""
        if owner in self.keepers.by_address:
            return Keepers.role
        for role, members in self.members:
            row = members.row(owner)
            if row is not None:
                if role != LeveragedTraders.role:
                    return role
                return "trader-long" if self.traders.side[row] > 0 else "trader-short"
        return "other"

    def leverage_of(self, owner: str) -> float | None:
        """The leverage at which a trader opens, None for others."""
        row = self.traders.members.row(owner)
        return None if row is None else float(self.traders.leverage[row])


def prepare(
    scenario: Scenario, protocol: Protocol, counterparties: Counterparties, rng: np.random.Generator
) -> Cast:
    """Give money to the bank and everyone but the traders, who come with their own later."""
    desk = make_desk(scenario, protocol)
    cast = _cast(scenario, protocol, desk, counterparties, rng)
    chain, agents = protocol.chain, scenario.agents
    bank = chain.account(BANK).address

    def call(sender: str, contract: Contract, function: str, *args: Any) -> Tx:
        return Tx(sender, contract.address, contract.encode(function, *args), _GAS)

    txs = [
        call(bank, protocol.token, "mint", bank, _ENOUGH),
        call(bank, protocol.token, "approve", protocol.clearinghouse.address, MAX_UINT),
        call(protocol.owner, protocol.oracle, "set_reporter", chain.account(REPORTER).address, True),
    ]
    capital = {
        MarketMakers.role: agents.makers.capital,
        IndexArbitrageurs.role: agents.arbitrageurs.capital,
        MomentumTraders.role: agents.momentum.capital,
        NoiseTraders.role: agents.noise.capital,
    }
    for role, members in cast.members:
        if role in capital:
            txs += [desk.deposit(capital[role], address, 0.0) for address in members.addresses]
    for keeper in cast.keepers.keepers:
        if keeper.config.capital > 0:
            txs.append(desk.deposit(keeper.config.capital, keeper.address, 0.0))
    cast.logs = chain.logs(0)
    for receipt in _mine_all(chain, txs):
        cast.logs += receipt.logs
    return cast


def _mine_all(chain: Chain, txs: list[Tx]) -> list[Receipt]:
    """Mine blocks until all of `txs` are in; all of them must succeed."""
    for number, tx in enumerate(txs):
        tx.arrival = number
    chain.submit_all(txs)
    receipts: list[Receipt] = []
    time = chain.pending_timestamp + 1
    while chain.queued:
        _, mined = chain.mine(time)
        receipts += mined
        time += 1
        if not mined:
            raise RuntimeError("set-up: a transaction does not fit into a block")
    for receipt in receipts:
        if not receipt.ok:
            raise RuntimeError(f"set-up: a transaction failed: {receipt.reason}")
    return receipts


def _cast(
    scenario: Scenario,
    protocol: Protocol,
    desk: Desk,
    counterparties: Counterparties,
    rng: np.random.Generator,
) -> Cast:
    chain, agents = protocol.chain, scenario.agents

    def members(first: int, count: int) -> Members:
        return Members([chain.account(first + number).address for number in range(count)])

    seconds = scenario.clock.seconds_per_block
    makers = MarketMakers(agents.makers, desk, members(FIRST_MAKER, agents.makers.count), rng)
    arbitrage = IndexArbitrageurs(
        agents.arbitrageurs, desk, members(FIRST_ARBITRAGEUR, agents.arbitrageurs.count), rng
    )
    momentum = MomentumTraders(agents.momentum, desk, members(FIRST_MOMENTUM, agents.momentum.count), rng)
    noise = NoiseTraders(agents.noise, desk, members(FIRST_NOISE, agents.noise.count), rng)
    traders = LeveragedTraders(
        scenario.traders,
        desk,
        members(FIRST_TRADER, scenario.traders.count),
        rng,
        seconds,
        scenario.markets[0].tiers[0].initial,
    )
    lists = _list_book(scenario, desk.market, counterparties)
    keepers = Keepers(
        [
            Desked(config, chain.account(FIRST_KEEPER + number).address)
            for number, config in enumerate(agents.keepers)
        ],
        desk,
        _listing(scenario, desk.market, lists),
    )
    reporter = Reporter(agents.oracle, desk, chain.account(REPORTER).address, seconds)
    crowd: list[MarketMakers | IndexArbitrageurs | MomentumTraders | NoiseTraders | LeveragedTraders]
    crowd = [makers, arbitrage, momentum, noise, traders]
    return Cast(
        oracle=reporter,
        keepers=keepers,
        traders=traders,
        populations=[*crowd, keepers],
        members=[(population.role, population.members) for population in crowd],
        lists=lists,
    )


def _list_book(scenario: Scenario, market: int, counterparties: Counterparties) -> ListBook | None:
    """What keepers know of a market's lists; None where it deleverages by index."""
    terms = scenario.markets[market]
    if terms.adl == BY_INDEX:
        return None
    return ListBook(counterparties, policy_named(terms.adl), market, scenario.clock.gas_limit)


def _listing(scenario: Scenario, market: int, book: ListBook | None) -> Listing | None:
    """How the keepers of a market make lists."""
    if book is None:
        return None
    least = float(scenario.markets[market].liquidation.adl_list_from)
    return Listing(ListRules(least, scenario.clock.seconds_per_block), book.steps)


def make_desk(scenario: Scenario, protocol: Protocol, market: int = 0) -> Desk:
    """The desk of a market."""
    terms = scenario.markets[market]
    grid = Grid(
        tick=terms.tick,
        lot=terms.lot,
        min_size=terms.min_size,
        tick_wad=wad(terms.tick),
        lot_wad=wad(terms.lot),
    )

    def pair(contract: Contract) -> tuple[str, Interface]:
        return contract.address, contract.interface

    return Desk(
        market=market,
        grid=grid,
        unit=10**scenario.collateral.decimals,
        clearinghouse=pair(protocol.clearinghouse),
        book=pair(protocol.books[market]),
        liquidator=pair(protocol.liquidator),
        oracle=pair(protocol.oracle),
        bank=protocol.chain.account(BANK).address,
    )
