"""Every deleveraging policy on the same state.

The scenario runs, its keepers liquidating but not deleveraging, until they would have to: until accounts
are bankrupt that neither book nor fund can finish. Then all of these are deleveraged by every policy in
turn, each time from that very state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

from perpsim.chain import Receipt, Revert
from perpsim.chain.revm import RevmChain
from perpsim.deleveraging.audit import Audited, Auditor, Terms
from perpsim.deleveraging.packing import MAX_IDS, pack_ids
from perpsim.deleveraging.policies import POLICIES
from perpsim.deleveraging.replay import Logged, Replay
from perpsim.errors import UserError
from perpsim.protocol import BY_INDEX, MAX_UINT, DeleverageParams, set_deleverage
from perpsim.simulation.burden import Census, Deleveraged, FloatArray, Outcome, outcome
from perpsim.simulation.market_state import WAD
from perpsim.simulation.runner import Simulation

#: in the order in which they are compared
ALL_POLICIES = (BY_INDEX, *POLICIES)

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Bankrupt:
    """An account that neither book nor fund can finish. Size signed, money in quote units."""

    account: int
    market: int
    size: float
    notional: float
    deficit: float


@dataclass(frozen=True)
class Moment:
    """The state before a deleveraging: end of `block`, `time` in seconds; money in quote units.

    `profits` are the accounts' unrealised profits in the markets concerned, indexed by account.
    """

    block: int
    time: int
    fund: float
    bankrupt: list[Bankrupt]
    profits: FloatArray


@dataclass(frozen=True)
class Comparison:
    """All policies on the state of one moment. `digest` is that of the log up to it."""

    scenario: str
    title: str
    seed: int
    unit: str
    markets: list[str]
    moment: Moment
    outcomes: list[Outcome]
    digest: str
    versions: dict[str, str]

    @property
    def needed(self) -> float:
        """What the bankrupt owed when book and fund were through, quote units."""
        return self.outcomes[0].needed

    @property
    def hedges(self) -> int:
        """Accounts whose positions cancelled out."""
        return self.outcomes[0].hedges


def find_moment(
    simulation: Simulation, progress: Progress | None = None, should_stop: Callable[[], bool] | None = None
) -> Moment | None:
    """Run to the moment before the first deleveraging; None if `should_stop` ended it early.

    Raises `UserError` if the run comes to its end without one.
    """
    keepers, clock = simulation.cast.keepers, simulation.scenario.clock
    keepers.deleverage = False
    while simulation.next_block < clock.blocks:
        if should_stop is not None and should_stop():
            return None
        simulation.step()
        if progress is not None:
            progress(simulation.next_block, simulation.metrics.transactions)
        found = list(_stuck(simulation))
        if found:
            markets = sorted({one.market for one in found})
            time = simulation.protocol.chain.timestamp
            profits = simulation.indexer.accounts.profits(simulation.indexer.states, time)
            fund = simulation.ledger.fund / simulation.ledger.token
            # The largest first, as the greedy among the keepers would go about it.
            found.sort(key=lambda one: (-one.notional, one.account))
            return Moment(simulation.next_block - 1, time, fund, found, profits[markets].sum(axis=0))
    raise UserError(_none_needed(simulation))


def _stuck(simulation: Simulation) -> Iterator[Bankrupt]:
    """Accounts that could only be finished by deleveraging, if a keeper came along next.

    As long as the fund would pay more than an account owes, keepers wait for bids that it can help.
    """
    health, protocol = simulation.health, simulation.protocol
    coverage = [simulation.coverage(market) for market in range(len(simulation.scenario.markets))]
    soon = protocol.chain.timestamp + 1
    for account in np.flatnonzero(health.equity < -min(coverage)).tolist():
        for market in np.flatnonzero(health.notional[:, account]).tolist():
            if health.equity[account] >= -coverage[market]:
                continue
            standing = simulation.counterparties.standing(account, market, soon)
            if standing.equity >= 0 or not standing.size:
                continue

            def closes(function: str, *args: Any, found: tuple[int, int] = (account, market)) -> int:
                """What a call would close, nothing if it is refused."""
                try:
                    return int(protocol.liquidator.view(function, *found, *args, timestamp=soon))
                except Revert:
                    return 0

            # Where the walk ended only by the count of orders, the next call would go on.
            size = abs(standing.size)
            if closes("liquidate") < size and closes("deleverage") == size:
                worth = size * simulation.indexer.states[market].mark // WAD
                yield Bankrupt(account, market, standing.size / WAD, worth / WAD, -standing.equity / WAD)


def _none_needed(simulation: Simulation) -> str:
    fund, lowest = simulation.scenario.fund.initial, simulation.ledger.fund_rows
    used = fund - min((row["balance"] for row in lowest), default=fund)
    hint = f"try a smaller fund, --set fund.initial={used / 2:.0f}" if used > 0 else "try a steeper crash"
    return (
        f"nobody had to be deleveraged in {simulation.next_block:,} blocks of "
        f"{simulation.scenario.name}: {hint}"
    )


def compare(
    simulation: Simulation,
    moment: Moment,
    progress: Progress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> list[Outcome] | None:
    """Deleverage everyone who is bankrupt, by each policy; None if `should_stop` ended it early.

    The simulation is left at the moment, as it was found.
    """
    chain = simulation.protocol.chain
    assert isinstance(chain, RevmChain), "comparisons run on revm"
    mark = chain.mark()
    outcomes, transactions, step = [], 0, 0
    for policy in ALL_POLICIES:
        trial = _Trial(simulation, chain, policy)
        done = []
        for one in moment.bankrupt:
            if should_stop is not None and should_stop():
                chain.rewind(mark)
                return None
            found = trial.deleverage(one.account, one.market)
            if found is not None:
                done.append(found)
            step += 1
            if progress is not None:
                progress(step, transactions + trial.transactions)
        transactions += trial.transactions
        chain.rewind(mark)
        outcomes.append(outcome(policy, done))
    return outcomes


class _Trial:
    """One policy at work, on a copy of what the log has told so far."""

    def __init__(self, simulation: Simulation, chain: RevmChain, policy: str) -> None:
        self._protocol = simulation.protocol
        self._chain = chain
        self._policy = policy
        self._keeper = next(iter(simulation.cast.keepers.by_address), simulation.protocol.owner)
        self._block = simulation.next_block
        self._time = chain.timestamp + 1
        self.transactions = 0
        markets = simulation.scenario.markets
        decimals = simulation.scenario.collateral.decimals
        self._replay = Replay(markets, decimals, deepcopy(simulation.indexer))
        chain.set_pending_timestamp(self._time)
        for number in range(len(markets)):
            set_deleverage(self._protocol, number, DeleverageParams(policy))
        addresses = {name: contract.address for name, contract in self._protocol.policies.items()}
        terms = {} if policy == BY_INDEX else dict.fromkeys(range(len(markets)), Terms(addresses[policy]))
        self._auditor = Auditor(self._replay, {where: name for name, where in addresses.items()}, terms)

    def deleverage(self, account: int, market: int) -> Deleveraged | None:
        """One bankrupt account; None if by now it is not bankrupt any more."""
        counterparties = self._replay.counterparties
        before = counterparties.standing(account, market, self._time)
        while before.size and before.equity < before.maintenance:
            self._send("liquidate", account, market, MAX_UINT, False)
            left = counterparties.standing(account, market, self._time)
            if left.size == before.size:
                break
            before = left
        case = counterparties.case(account, market, self._time)
        if case is None:
            return None
        start = self._census()
        if self._policy == BY_INDEX:
            receipt, found = self._send("deleverage", account, market)
        else:
            listed = counterparties.listed(POLICIES[self._policy], case, self._time)
            if len(listed) > MAX_IDS:
                raise UserError(f"{len(listed):,} accounts on the other side: a list takes {MAX_IDS:,}")
            receipt, found = self._send("deleverage_by_list", account, market, pack_ids(listed))
        return Deleveraged(
            account=account,
            market=market,
            needed=-before.equity / WAD,
            quantity=sum(one.quantity for one in found) / WAD,
            by_index=sum(one.by_index for one in found) / WAD,
            gas=receipt.gas_used,
            verdict=not any(one.problems for one in found),
            before=start,
            after=self._census(),
        )

    def _send(self, function: str, *args: Any) -> tuple[Receipt, list[Audited]]:
        """A transaction of the keeper, its gas exact; its log is folded, and its receipts recomputed."""
        self._chain.flush()
        receipt = self._protocol.liquidator.send(self._keeper, function, *args)
        if not receipt.ok:
            raise RuntimeError(f"{self._policy}: {function}: {receipt.reason}")
        self.transactions += 1
        events = [
            Logged(self._block, self._time, self.transactions, *event)
            for event in self._protocol.decode_all(receipt.logs)
        ]
        return receipt, list(self._auditor.take(events))

    def _census(self) -> Census:
        indexer = self._replay.indexer
        health = indexer.health(self._time)
        return Census(
            equity=health.equity,
            maintenance=health.maintenance,
            size=health.size.copy(),
            profit=indexer.accounts.profits(indexer.states, self._time),
            mark=np.array([state.mark / WAD for state in indexer.states]),
        )
