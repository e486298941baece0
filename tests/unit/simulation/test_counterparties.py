"""Cases and lists out of the log, against what the contracts find at that time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from perpsim.deleveraging.policies import POLICIES
from perpsim.protocol import BY_INDEX, WAD
from perpsim.simulation.counterparties import MarginRequirement
from perpsim.simulation.runner import Simulation

Make = Callable[..., Simulation]

# Funding that matters, so that the seconds until the list arrives do.
LIVELY = ("fund.initial=0", "markets.0.funding.cap=0.05", "markets.0.funding.interest=0.01")


@pytest.fixture
def crash(smoke: Make) -> Simulation:
    """In the fall, after deleveragings by index and with accounts under water."""
    simulation = smoke(*LIVELY, "markets.0.adl=index")
    for _ in range(95):
        simulation.step()
    assert len(simulation.ledger.adl) > 3
    return simulation


def test_margin_is_the_contracts_to_the_wei(crash: Simulation) -> None:
    requirement = MarginRequirement(crash.scenario.markets[0])
    house = crash.protocol.clearinghouse
    limit = int(crash.scenario.markets[0].tiers[0].limit) * WAD
    for notional in (0, 1, 10**6 + 1, limit - 1, limit, limit + 1, 3 * limit + 7, 10**9 * WAD):
        assert requirement.maintenance(notional) == house.view("margin_requirement", 0, notional)[1]


@pytest.mark.parametrize("seconds", [1, 12, 600])
def test_standings_are_the_contracts_at_a_time_to_come(crash: Simulation, seconds: int) -> None:
    time = crash.protocol.chain.timestamp + seconds
    accounts = crash.indexer.accounts
    held = [account for account in range(1, accounts.count + 1) if accounts.size_wad[0][account]]
    assert len(held) > 20
    for account in held:
        mine = crash.counterparties.standing(account, 0, time)
        real = crash.protocol.clearinghouse.view("standing", account, 0, timestamp=time)
        for name in ("size", "entry", "collateral", "equity", "maintenance", "position_maintenance"):
            assert getattr(mine, name) == getattr(real, name), (account, name)


def test_an_account_that_is_not_bankrupt_is_no_case(crash: Simulation) -> None:
    time, counterparties = crash.protocol.chain.timestamp, crash.counterparties
    found = {
        account: counterparties.case(account, 0, time) is not None
        for account in range(1, crash.indexer.accounts.count + 1)
    }
    for account, is_case in found.items():
        standing = counterparties.standing(account, 0, time)
        assert is_case == (standing.equity < 0 and standing.size != 0)


@pytest.mark.parametrize("rule", POLICIES)
def test_keepers_lists_pass_at_the_first_try_whatever_the_rule(smoke_run: Make, rule: str) -> None:
    simulation = smoke_run(*LIVELY, f"markets.0.adl={rule}", "checks.every=1", "clock.blocks=110")
    assert not {reason for reason in simulation.metrics.reverts if reason.startswith("list: ")}
    receipts = simulation.ledger.adl
    assert len(receipts) > 3
    assert {row["policy"] for row in receipts} <= {rule, BY_INDEX}
    assert sum(row["listed"] > 0 for row in receipts) > 3
    assert simulation.invariants.violations == 0
