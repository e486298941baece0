"""A simulation whose actors are moved by hand: everything is checked after every move."""

from __future__ import annotations

from perpsim.deleveraging.packing import pack_ids
from perpsim.deleveraging.policies import POLICIES
from perpsim.protocol import BY_INDEX, MAX_UINT, WAD, DeleverageParams, set_deleverage
from perpsim.simulation.runner import Simulation


class Stage:
    """A simulation whose actors are moved by hand."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.protocol = simulation.protocol
        self.chain = simulation.protocol.chain
        self.time = simulation.scenario.start
        self.decimals = simulation.scenario.collateral.decimals
        self.people = {name: self.chain.account(5000 + number).address for number, name in enumerate("abcd")}

    def do(self, name: str, contract: str, function: str, *args: object) -> None:
        """Send as one of the people (or the owner), fold what it logs, and check everything."""
        self.time += 12
        self.chain.set_pending_timestamp(self.time)
        sender = self.people.get(name, self.protocol.owner)
        target = self.protocol.books[0] if contract == "book" else getattr(self.protocol, contract)
        receipt = target.send(sender, function, *args)
        assert receipt.ok, receipt.reason
        self.chain.seal()
        self.simulation.log.take(0, self.time, receipt.logs)
        self.simulation.invariants.check(0, self.time)

    def join(self, name: str, amount: int) -> None:
        self.do(name, "token", "mint", self.people[name], amount)
        self.do(name, "token", "approve", self.protocol.clearinghouse.address, MAX_UINT)
        self.do(name, "clearinghouse", "deposit", amount)

    def price(self, price: int) -> None:
        self.do("owner", "oracle", "post", 0, price * WAD, self.time + 12)

    def trade(self, buyer: str, seller: str, price: int, size: int) -> None:
        self.do(seller, "book", "place", False, price * WAD, size * WAD)
        self.do(buyer, "book", "place", True, price * WAD, size * WAD)

    def account(self, name: str) -> int:
        return self.simulation.indexer.account_of(self.people[name])

    def rule(self, policy: str) -> None:
        """From now on the market deleverages so."""
        self.policy = policy
        set_deleverage(self.protocol, 0, DeleverageParams(policy))

    def deleverage(self, keeper: str, name: str) -> None:
        """By the rule, the list made from the log alone."""
        account = self.account(name)
        if self.policy == BY_INDEX:
            self.do(keeper, "liquidator", "deleverage", account, 0)
            return
        counterparties, soon = self.simulation.counterparties, self.time + 12
        case = counterparties.case(account, 0, soon)
        assert case is not None
        listed = counterparties.listed(POLICIES[self.policy], case, soon)
        self.do(keeper, "liquidator", "deleverage_by_list", account, 0, pack_ids(listed))
