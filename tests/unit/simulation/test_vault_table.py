"""The vault's shares from the log alone: after every step they are what the contract says."""

from __future__ import annotations

import pytest
from small_stage import Stage

from perpsim.protocol import MAX_UINT, WAD
from perpsim.simulation.invariants import InvariantViolation


@pytest.fixture
def vault(stage: Stage) -> Stage:
    """The stage with staking on and 1,000 of each of two stakers in it, beside 1,000 of the treasury's."""
    unit = 10**stage.decimals
    for name in ("owner", "c", "d"):
        who = stage.people.get(name, stage.protocol.owner)
        stage.do(name, "token", "mint", who, 10_000 * unit)
        stage.do(name, "token", "approve", stage.protocol.vault.address, MAX_UINT)
    stage.do("owner", "vault", "set_withdrawal_times", 3600, 3600)
    stage.do("owner", "vault", "set_staking", True)
    stage.do("owner", "vault", "fund", 1_000 * unit)
    for name in ("c", "d"):
        stage.do(name, "vault", "deposit", 1_000 * unit, stage.people[name])
    return stage


def lose(stage: Stage) -> None:
    """The fund covers a bankrupt long of 1 whose bids are 50 below its bankruptcy price."""
    stage.price(10_000)
    stage.trade("a", "b", 10_000, 1)
    stage.do("b", "book", "place", True, 7_950 * WAD, WAD)
    stage.price(7_960)
    stage.do("d", "liquidator", "liquidate", stage.account("a"), 0)


def ask(stage: Stage, name: str, shares: int) -> None:
    stage.do(name, "vault", "request_withdraw", shares)


def wait(stage: Stage, seconds: int = 3600) -> None:
    stage.time += seconds
    stage.simulation.vault_table.lapse(stage.time)


def balance(stage: Stage, name: str) -> int:
    table = stage.simulation.vault_table
    return table.shares[table.holder(stage.people[name])]


def kinds(stage: Stage) -> list[str]:
    return [row["kind"] for row in stage.simulation.vault_table.rows]


def test_without_stakers_a_share_costs_what_it_cost_at_first(vault: Stage) -> None:
    table = vault.simulation.vault_table
    lose(vault)
    vault.price(10_000)
    for name in ("c", "d"):
        ask(vault, name, balance(vault, name))
    wait(vault)
    for name in ("c", "d"):
        me = vault.people[name]
        can = table.redeemable(table.holder(me), vault.time + 12)
        vault.do(name, "vault", "redeem", can, me, me)
    assert table.staked == 0 < table.treasury
    assert table.price == 1
    # Whoever comes now gets as many shares as the first.
    vault.do("c", "vault", "deposit", 10**vault.decimals, vault.people["c"])
    assert balance(vault, "c") == 10 ** (vault.decimals + 6)


def test_stakes_have_a_price_of_one_and_fall_with_the_fund(vault: Stage) -> None:
    table = vault.simulation.vault_table
    assert table.price == pytest.approx(1)
    assert table.quote(table.staked) == pytest.approx(2_000)
    lose(vault)
    lost = -sum(
        r["amount_f64"] for r in vault.simulation.ledger.fund_rows if r["kind"] in ("cover", "reward")
    )
    assert lost > 50
    assert table.price == pytest.approx(1 - lost / 3_000)


def test_a_claim_in_parts_leaves_what_the_contract_leaves(vault: Stage) -> None:
    table, shares = vault.simulation.vault_table, balance(vault, "c")
    ask(vault, "c", shares)
    vault.price(10_000)
    wait(vault)
    me, holder = vault.people["c"], table.holder(vault.people["c"])
    assert table.redeemable(holder, vault.time) == shares
    vault.do("c", "vault", "redeem", shares // 3, me, me)
    vault.do("c", "vault", "redeem", table.redeemable(holder, vault.time + 12), me, me)
    assert balance(vault, "c") == 0
    assert table.asked_for == 0
    assert table.redeemable(holder, vault.time) == 0


def test_who_asked_before_a_gain_forfeits_it_in_parts_too(vault: Stage) -> None:
    table = vault.simulation.vault_table
    ask(vault, "c", balance(vault, "c"))
    # A liquidation above the bankruptcy price brings a penalty.
    vault.price(10_000)
    vault.trade("a", "b", 10_000, 1)
    vault.do("b", "book", "place", True, 8_040 * WAD, WAD)
    vault.price(8_040)
    vault.do("d", "liquidator", "liquidate", vault.account("a"), 0)
    assert table.price > 1
    wait(vault)
    me, holder = vault.people["c"], table.holder(vault.people["c"])
    can = table.redeemable(holder, vault.time + 12)
    assert 0 < can < balance(vault, "c")
    vault.do("c", "vault", "redeem", can // 2, me, me)
    vault.do("c", "vault", "redeem", table.redeemable(holder, vault.time + 12), me, me)
    assert kinds(vault).count("forfeit") == 2
    assert balance(vault, "c") == 0
    taken = sum(row["amount"] for row in table.rows if row["kind"] == "unstake")
    assert taken == pytest.approx(1_000)


def test_requests_are_cancelled_and_lapse(vault: Stage) -> None:
    table, shares = vault.simulation.vault_table, balance(vault, "c")
    ask(vault, "c", shares // 2)
    assert table.asked_for == shares // 2
    vault.do("c", "vault", "cancel_withdraw")
    assert table.asked_for == 0
    ask(vault, "c", shares)
    wait(vault, 7200)
    assert table.asked_for == 0
    assert kinds(vault)[-2:] == ["request", "lapse"]
    # The shares are free again.
    ask(vault, "c", shares)
    assert table.asked_for == shares


def test_shares_that_move_keep_their_number(vault: Stage) -> None:
    total, moved = vault.simulation.vault_table.staked, balance(vault, "c") // 4
    vault.do("c", "vault", "transfer", vault.people["b"], moved)
    assert balance(vault, "b") == moved
    assert vault.simulation.vault_table.staked == total


def test_a_share_that_the_log_does_not_explain_is_a_violation(vault: Stage) -> None:
    table = vault.simulation.vault_table
    holder = table.holder(vault.people["c"])
    table.shares[holder] += 1
    table.shares[table.holder(vault.people["d"])] -= 1
    with pytest.raises(InvariantViolation, match=f"shares of {vault.people['c']}"):
        vault.price(10_000)


def test_a_request_that_the_log_does_not_explain_is_a_violation(vault: Stage) -> None:
    table = vault.simulation.vault_table
    ask(vault, "c", balance(vault, "c"))
    holder = table.holder(vault.people["c"])
    table.requests[holder] = table.requests[holder]._replace(value=table.requests[holder].value + 1)
    with pytest.raises(InvariantViolation, match="worth of what"):
        vault.price(10_000)
