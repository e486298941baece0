"""Opens an exchange for a scenario and casts everyone who will act on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from perpsim.agents.arbitrageurs import IndexArbitrageurs
from perpsim.agents.attackers import AnAttacker
from perpsim.agents.base import Members, Population
from perpsim.agents.baskets import MarketBaskets
from perpsim.agents.desk import Batcher, Desk, Grid, VaultDesk
from perpsim.agents.flow import MomentumTraders, NoiseTraders
from perpsim.agents.keeper_policies import ListRules, Rewards
from perpsim.agents.keepers import Desked, Keepers, Listing
from perpsim.agents.makers import MarketMakers
from perpsim.agents.oracle import Reporter
from perpsim.agents.pump import ThinMarketPump
from perpsim.agents.stakers import FundStakers
from perpsim.agents.streams import branch
from perpsim.agents.takeover import SelfTrader
from perpsim.agents.traders import LeveragedTraders
from perpsim.agents.treasury import Treasury
from perpsim.agents.withdrawal import MarginWithdrawer
from perpsim.chain import COIN, GWEI, Chain, FeeMarket, Interface, Log, Receipt, Tx, open_chain
from perpsim.chain.audit import Auditor
from perpsim.chain.gas_model import GasModel
from perpsim.deleveraging.policies import policy_named
from perpsim.market.outside import Outside
from perpsim.protocol import BY_INDEX, MAX_UINT, Contract, Protocol, deploy, deploy_keeper_batch, wad
from perpsim.scenarios import Market, Network, Pump, Scenario, SelfTrade
from perpsim.simulation.counterparties import Counterparties
from perpsim.simulation.list_book import ListBook
from perpsim.simulation.market_state import Schedule
from perpsim.simulation.parameters import protocol_params

# Which numbered account is who (perpsim.chain.accounts): the same on every engine.
BANK, REPORTER = 1, 2
FIRST_KEEPER = 10
FIRST_MAKER = 100
FIRST_ARBITRAGEUR = 200
FIRST_ATTACKER = 500
FIRST_MOMENTUM = 1_000
FIRST_NOISE = 10_000
FIRST_TRADER = 100_000
FIRST_BASKET = 1_000_000
FIRST_STAKER = 2_000_000

# Chain time before block 0 for deployment and first deposits; on a plain node each transaction is a block.
_SET_UP_SECONDS = 3600
_GAS = 1_000_000
_ENOUGH = 10**30


def open_exchange(scenario: Scenario, engine: str) -> Protocol:
    """A chain on `engine` with the protocol deployed, some time before the scenario's first block."""
    options: dict[str, Any] = {}
    if engine == "revm":
        options = {"auditor": auditor_of(scenario), "gas_model": GasModel()}
    chain = open_chain(
        engine,
        timestamp=scenario.start - _SET_UP_SECONDS,
        block_gas_limit=scenario.clock.gas_limit,
        **options,
    )
    try:
        return deploy(chain, protocol_params(scenario))
    except BaseException:
        chain.close()
        raise


def auditor_of(scenario: Scenario) -> Auditor | None:
    """Who audits the engine in a run; nobody where the scenario's share is 0."""
    share = scenario.checks.audit
    return Auditor(share, scenario.seed) if share else None


#: who trades from the first block on with money paid in before it
Endowed = MarketMakers | IndexArbitrageurs | MomentumTraders | NoiseTraders
Crowd = Endowed | LeveragedTraders | MarketBaskets | FundStakers | AnAttacker


@dataclass
class Cast:
    """Everyone who acts. `logs` are those of the set-up, the deployment's where the chain keeps them.

    `lists` has an entry for each market: what is known of its lists, None where it deleverages by index.
    `batchers` are the contracts of keepers who have one.
    """

    oracle: Reporter
    keepers: Keepers
    crowds: list[Crowd]
    lists: list[ListBook | None]
    batchers: list[Contract] = field(default_factory=list)
    logs: list[Log] = field(default_factory=list)
    #: who sweeps fees, where anybody does
    treasury: list[Treasury] = field(default_factory=list)
    #: accounts of arbitrageurs, who do outside the opposite of what they do here
    hedged: set[int] = field(default_factory=set)
    _keepers_by_account: dict[int, Desked] = field(default_factory=dict)

    @property
    def populations(self) -> list[Population]:
        """All but the oracle, in the order in which they are asked."""
        return [*self.crowds, self.keepers, *self.treasury]

    @property
    def roles(self) -> list[str]:
        """Roles of all who send transactions."""
        return [self.oracle.role, *(population.role for population in self.populations)]

    @property
    def senders(self) -> list[str]:
        """Addresses of all who send transactions of their own."""
        crowds = [address for crowd in self.crowds for address in crowd.members.addresses]
        keepers = [keeper.address for keeper in self.keepers.keepers]
        return [self.oracle.address, *keepers, *crowds]

    @property
    def traders(self) -> list[LeveragedTraders]:
        """The leveraged traders."""
        return [crowd for crowd in self.crowds if isinstance(crowd, LeveragedTraders)]

    @property
    def baskets(self) -> list[MarketBaskets]:
        """The holders of several positions."""
        return [crowd for crowd in self.crowds if isinstance(crowd, MarketBaskets)]

    @property
    def stakers(self) -> list[FundStakers]:
        """The holders of the fund's shares."""
        return [crowd for crowd in self.crowds if isinstance(crowd, FundStakers)]

    @property
    def attackers(self) -> list[AnAttacker]:
        """The attackers."""
        return [crowd for crowd in self.crowds if isinstance(crowd, AnAttacker)]

    def opened(self, account: int, owner: str) -> None:
        """The exchange gave `owner` an account."""
        keeper = self.keepers.by_address.get(owner)
        if keeper is not None:
            # That of its contract, where it has one: lists are completed from its own address.
            if keeper.batcher is None or owner == keeper.batcher.address:
                keeper.account = account
            self._keepers_by_account[account] = keeper
            return
        for crowd in self.crowds:
            if crowd.members.opened(account, owner):
                if isinstance(crowd, IndexArbitrageurs):
                    self.hedged.add(account)
                return

    def keeper_of(self, account: int) -> Desked | None:
        """The keeper whose account it is."""
        return self._keepers_by_account.get(account)

    def role_of(self, owner: str) -> str:
        """What the owner of an account does; traders by the side they took last."""
        if owner in self.keepers.by_address:
            return Keepers.role
        for crowd in self.crowds:
            row = crowd.members.row(owner)
            if row is not None:
                if not isinstance(crowd, LeveragedTraders):
                    return crowd.role
                return "trader-long" if crowd.side[row] > 0 else "trader-short"
        return "other"

    def leverage_of(self, owner: str) -> float | None:
        """The leverage at which a trader opens, None for others."""
        for crowd in self.traders:
            row = crowd.members.row(owner)
            if row is not None:
                return float(crowd.leverage[row])
        return None


def prepare(
    scenario: Scenario,
    protocol: Protocol,
    counterparties: Counterparties,
    outside: Outside,
    rng: np.random.Generator,
) -> Cast:
    """Cast everyone, and give money to the bank and to everyone who does not come with his own later."""
    cast, chain = rejoin(scenario, protocol, counterparties, outside, rng), protocol.chain
    txs = endowment(scenario, protocol, cast)
    cast.logs = chain.logs(0)
    for receipt in mine_all(chain, txs):
        cast.logs += receipt.logs
    if scenario.network is not None:
        _charge(scenario.network, chain, cast)
    return cast


def rejoin(
    scenario: Scenario,
    protocol: Protocol,
    counterparties: Counterparties,
    outside: Outside,
    rng: np.random.Generator,
) -> Cast:
    """Cast everyone, as they would come to an exchange that has been prepared already."""
    desks = [make_desk(scenario, protocol, market) for market in range(len(scenario.markets))]
    return _cast(scenario, protocol, desks, counterparties, outside, rng)


def endowment(scenario: Scenario, protocol: Protocol, cast: Cast) -> list[Tx]:
    """What gives everybody the money to begin with."""
    chain, desk = protocol.chain, make_desk(scenario, protocol)
    bank = chain.account(BANK).address

    def call(sender: str, contract: Contract, function: str, *args: Any) -> Tx:
        return Tx(sender, contract.address, contract.encode(function, *args), _GAS)

    txs = [
        call(bank, protocol.token, "mint", bank, _ENOUGH),
        call(bank, protocol.token, "approve", protocol.clearinghouse.address, MAX_UINT),
        call(protocol.owner, protocol.oracle, "set_reporter", chain.account(REPORTER).address, True),
    ]
    for crowd in cast.crowds:
        if isinstance(crowd, FundStakers):
            for address, stake in zip(crowd.members.addresses, crowd.stake.tolist()):
                txs.append(call(bank, protocol.token, "mint", address, desk.units(stake)))
                txs.append(call(address, protocol.token, "approve", protocol.vault.address, MAX_UINT))
        elif isinstance(crowd, Endowed):
            capital = crowd.config.capital
            txs += [desk.deposit(capital, address, 0.0) for address in crowd.members.addresses]
    for keeper in cast.keepers.keepers:
        if keeper.config.capital > 0:
            where = keeper.address if keeper.batcher is None else keeper.batcher.address
            txs.append(desk.deposit(keeper.config.capital, where, 0.0))
    return txs


def _charge(network: Network, chain: Chain, cast: Cast) -> None:
    """From now on gas costs: everybody gets the native coin to begin with."""
    purse = round(network.purse * COIN)
    for sender in cast.senders:
        chain.fund_native(sender, purse)
    # The bank pays for everybody's deposits.
    chain.fund_native(chain.account(BANK).address, _ENOUGH)
    floor = round(network.floor * GWEI)
    chain.open_fee_market(round(network.base_fee * GWEI), FeeMarket(floor=floor))


def mine_all(chain: Chain, txs: list[Tx]) -> list[Receipt]:
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
    desks: list[Desk],
    counterparties: Counterparties,
    outside: Outside,
    rng: np.random.Generator,
) -> Cast:
    chain, agents, seconds = protocol.chain, scenario.agents, scenario.clock.seconds_per_block
    used: dict[int, int] = {}

    def members(first: int, count: int) -> Members:
        """The next accounts of those that begin with number `first`."""
        start = first + used.get(first, 0)
        used[first] = used.get(first, 0) + count
        return Members([chain.account(start + number).address for number in range(count)])

    drawn: dict[str, int] = {}

    def luck(kind: type[Crowd]) -> np.random.Generator:
        """What the next group of a kind draws of who its members are."""
        number = drawn[kind.role] = drawn.get(kind.role, -1) + 1
        return np.random.default_rng(branch(rng, "cast", kind.role, number))

    crowds: list[Crowd] = []
    for makers in agents.makers:
        group = members(FIRST_MAKER, makers.count)
        crowds.append(MarketMakers(makers, desks[makers.market], group, luck(MarketMakers)))
    for arbitrage in agents.arbitrageurs:
        group = members(FIRST_ARBITRAGEUR, arbitrage.count)
        crowds.append(IndexArbitrageurs(arbitrage, desks[arbitrage.market], group, luck(IndexArbitrageurs)))
    for momentum in agents.momentum:
        group = members(FIRST_MOMENTUM, momentum.count)
        crowds.append(MomentumTraders(momentum, desks[momentum.market], group, luck(MomentumTraders)))
    for noise in agents.noise:
        group = members(FIRST_NOISE, noise.count)
        crowds.append(NoiseTraders(noise, desks[noise.market], group, luck(NoiseTraders)))
    for traders in scenario.traders:
        group, draws = members(FIRST_TRADER, traders.count), luck(LeveragedTraders)
        initial = scenario.markets[traders.market].tiers[0].initial
        crowds.append(LeveragedTraders(traders, desks[traders.market], group, draws, seconds, initial))
    for baskets in agents.baskets:
        group, draws = members(FIRST_BASKET, baskets.count), luck(MarketBaskets)
        initial = max(scenario.markets[leg.market].tiers[0].initial for leg in baskets.legs)
        crowds.append(MarketBaskets(baskets, desks, group, draws, seconds, initial))
    shares = VaultDesk(desks[0].unit, (protocol.vault.address, protocol.vault.interface))
    for stakers in agents.stakers:
        group, draws = members(FIRST_STAKER, stakers.count), luck(FundStakers)
        crowds.append(FundStakers(stakers, shares, group, draws, seconds))
    schedules = [Schedule(market) for market in scenario.markets]
    for attacker in agents.attackers:
        count = (
            2 if isinstance(attacker, SelfTrade) else attacker.accounts if isinstance(attacker, Pump) else 1
        )
        group, market = members(FIRST_ATTACKER, count), attacker.market
        crowds.append(_ATTACKERS[attacker.kind](attacker, desks[market], group, outside, schedules[market]))
    lists = [_list_book(scenario, desk.market, counterparties) for desk in desks]
    at_work, batchers = _keepers(scenario, protocol)
    listings = [_listing(scenario, market, book) for market, book in enumerate(lists)]
    keepers = Keepers(at_work, desks, listings, [rewards_of(market) for market in scenario.markets])
    reporter = Reporter(agents.oracle, desks, chain.account(REPORTER).address, seconds)
    cast = Cast(oracle=reporter, keepers=keepers, crowds=crowds, lists=lists, batchers=batchers)
    hours = scenario.fund.sweep_hours
    if hours:
        blocks = max(1, round(hours * 3600 / seconds))
        cast.treasury.append(Treasury(desks, chain.account(BANK).address, blocks))
    return cast


def _keepers(scenario: Scenario, protocol: Protocol) -> tuple[list[Desked], list[Contract]]:
    """The keepers, and the contracts of those who send batches."""
    keepers, contracts = [], []
    for number, config in enumerate(scenario.agents.keepers):
        keeper = Desked(config, protocol.chain.account(FIRST_KEEPER + number).address)
        if config.strategy == "batch":
            contract = deploy_keeper_batch(protocol, keeper.address, f"KeeperBatch-{config.name}")
            keeper.batcher = Batcher(contract.address, contract.interface)
            contracts.append(contract)
        keepers.append(keeper)
    return keepers, contracts


def rewards_of(market: Market) -> Rewards:
    """What keepers expect of a market's rules."""
    rules = market.liquidation
    return Rewards(
        rate=rules.reward,
        least=rules.reward_min,
        most=rules.reward_max,
        penalty=rules.penalty,
        buffer=rules.buffer,
        full_threshold=rules.full_threshold,
        full_below=rules.full_below,
        maintenance=market.tiers[0].maintenance,
    )


_ATTACKERS: dict[str, type[AnAttacker]] = {
    "pump": ThinMarketPump,
    "margin-withdrawal": MarginWithdrawer,
    "self-trade": SelfTrader,
}


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


def make_desk(scenario: Scenario, protocol: Protocol, market: int = 0, bank: str | None = None) -> Desk:
    """The desk of a market. `bank` pays for deposits; the account of that number if left out."""
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
        bank=bank or protocol.chain.account(BANK).address,
    )
