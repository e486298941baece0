"""The indexer against the contracts where a run seldom goes: an emptied side, new epochs, odd trades."""

from __future__ import annotations

import pytest
from small_stage import Stage

from perpsim.deleveraging.policies import POLICIES
from perpsim.protocol import BY_INDEX, MAX_UINT, WAD, DeleverageParams, wad
from perpsim.simulation.market_state import A_ONE, LONG, SHORT


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_a_side_that_is_deleveraged_away_starts_a_new_epoch(stage: Stage, side: int) -> None:
    stage.rule(BY_INDEX)
    loser, winner = ("a", "b")
    stage.trade(*((loser, winner) if side == LONG else (winner, loser)), 10_000, 1)
    stage.price(7_000 if side == LONG else 13_000)
    stage.deleverage("d", "a")
    state = stage.simulation.indexer.states[0]
    assert state.open_interest == 0
    assert state.epoch == [1, 1]
    assert state.a == [A_ONE, A_ONE]
    # The winner's position is of the old epoch until it is touched; then everything starts afresh.
    stage.trade("b", "c", 7_000 if side == LONG else 13_000, 1)
    stage.price(7_100 if side == LONG else 12_900)
    assert state.open_interest == WAD
    view = stage.protocol.clearinghouse.view("position", stage.account("b"), 0)
    assert view[0] == WAD


@pytest.mark.parametrize("rule", ["queue-bitmex", "pro-rata"])
@pytest.mark.parametrize("side", [LONG, SHORT])
def test_a_list_may_take_the_last_of_a_side_that_went_by_index_before(
    stage: Stage, side: int, rule: str
) -> None:
    for loser in ("a", "c"):
        stage.trade(*((loser, "b") if side == LONG else ("b", loser)), 10_000, 1)
    stage.price(7_900 if side == LONG else 12_100)
    stage.rule(BY_INDEX)
    stage.deleverage("d", "a")
    state = stage.simulation.indexer.states[0]
    assert state.open_interest == WAD
    stage.rule(rule)
    stage.deleverage("d", "c")
    assert state.open_interest == 0
    assert state.epoch == [1, 1]
    stage.trade("b", "d", 7_900 if side == LONG else 12_100, 1)
    assert state.open_interest == WAD


@pytest.mark.parametrize("rule", [BY_INDEX, *POLICIES])
def test_deleveraging_falls_on_the_winner_whatever_the_rule(stage: Stage, rule: str) -> None:
    stage.rule(rule)
    stage.trade("a", "b", 10_000, 1)
    stage.trade("c", "b", 10_000, 1)
    stage.price(8_200)
    stage.price(7_900)
    for name in ("a", "c"):
        stage.deleverage("d", name)
        stage.price(7_900)
    ledger, burden, winner = stage.simulation.ledger, stage.simulation.indexer.burden, stage.account("b")
    assert [row["policy"] for row in ledger.adl] == [rule, rule]
    charged = rule == "socialise"
    assert burden.adl_notional[winner] == pytest.approx(0 if charged else 2 * 7_900, rel=0.01)
    # Both lost 100 more than they had, and the taker's fee.
    assert burden.adl_haircut[winner] == pytest.approx(sum(row["haircut"] for row in ledger.adl), rel=1e-9)
    assert burden.adl_haircut[winner] == pytest.approx(2 * 107.5, rel=1e-4)
    listed = [(row["counterparty"], row["place"], row["light"]) for row in ledger.adl_rows]
    # One account is the whole side: the last light is the only one.
    assert listed == ([] if rule == BY_INDEX else [(winner, 1, 1)] * 2)


def test_a_market_is_frozen_from_the_opening_of_a_list_to_its_end(stage: Stage) -> None:
    stage.rule("queue-bitmex")
    stage.trade("a", "b", 10_000, 1)
    stage.price(7_900)
    state, account = stage.simulation.indexer.states[0], stage.account("a")
    stage.do("d", "liquidator", "open_list", account, 0)
    found = state.open_list
    assert found is not None
    assert (found.account, found.keeper, found.opened) == (account, stage.people["d"], stage.time)
    assert found.deadline == stage.time + DeleverageParams().timeout
    # What the oracle reports does not move the mark meanwhile.
    stage.price(7_000)
    assert state.mark == 7_900 * WAD
    stage.deleverage("d", "a")
    assert state.open_list is None
    stage.price(7_000)
    assert state.mark == 7_000 * WAD


def test_a_list_that_times_out_makes_way_for_the_index(stage: Stage) -> None:
    stage.rule("queue-bitmex")
    stage.trade("a", "b", 10_000, 1)
    stage.price(7_900)
    state = stage.simulation.indexer.states[0]
    stage.do("d", "liquidator", "open_list", stage.account("a"), 0)
    assert state.open_list is not None
    stage.time = state.open_list.deadline
    stage.do("c", "liquidator", "end_list", 0)
    assert state.open_list is None
    assert state.by_index_until == stage.time + DeleverageParams().timeout
    stage.price(7_900)
    stage.do("d", "liquidator", "deleverage", stage.account("a"), 0)
    assert stage.simulation.ledger.adl[-1]["policy"] == BY_INDEX


def test_keeper_reward_and_open_interest_are_the_contracts(stage: Stage) -> None:
    stage.trade("a", "b", 10_000, 1)
    stage.do("b", "book", "place", True, 8_500 * WAD, wad("0.5"))
    stage.price(8_020)
    stage.do("d", "liquidator", "liquidate", stage.account("a"), 0)
    assert stage.simulation.ledger.liquidations[-1]["closed"] == pytest.approx(0.5)
    assert stage.simulation.indexer.states[0].open_interest == WAD // 2
    assert len(stage.simulation.indexer.orders[0]) == 0


# the vault


def test_stakes_and_tranches_are_in_the_books(stage: Stage) -> None:
    ledger, vault, unit = stage.simulation.ledger, stage.protocol.vault, 10**stage.decimals
    stage.do("owner", "vault", "set_staking", True)
    stage.do("c", "token", "mint", stage.people["c"], 1_000 * unit)
    stage.do("c", "token", "approve", vault.address, MAX_UINT)
    stage.do("c", "vault", "deposit", 1_000 * unit, stage.people["c"])
    assert ledger.fund == 1_000 * unit
    stage.do("owner", "vault", "set_isolated", 0, True)
    # The market's own pool is empty: it pays nothing, and what its liquidations leave over goes there.
    stage.rule("queue-bitmex")
    stage.price(10_000)
    stage.trade("a", "b", 10_000, 1)
    stage.do("b", "book", "place", True, 8_030 * WAD, WAD)
    stage.price(8_040)
    stage.do("d", "liquidator", "liquidate", stage.account("a"), 0)
    tranche = ledger.pools[0]
    assert tranche > 0
    assert vault.view("pool_assets", 0) == tranche
    assert ledger.fund == 1_000 * unit + tranche
    stage.do("owner", "vault", "set_isolated", 0, False)
    assert list(ledger.pools) == [8]
    shares = vault.view("balanceOf", stage.people["c"])
    stage.do("c", "vault", "request_withdraw", shares)
    stage.time += vault.view("withdrawal_times")[0]
    stage.do("c", "vault", "redeem", shares, stage.people["c"], stage.people["c"])
    kinds = [row["kind"] for row in ledger.fund_rows]
    assert kinds[0] == "stake"
    assert kinds[-1] == "unstake"
    assert ledger.staked == ledger.fund + ledger.covered + ledger.rewarded - ledger.taken_in
    assert [row["account"] for row in ledger.fund_rows if row["kind"] == "penalty"] == [stage.account("a")]
