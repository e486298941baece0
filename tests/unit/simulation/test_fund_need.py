"""The least fund that a history asks for: by its flows against the reference vault, and run again with it."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.vault import SHARED, Breaker, Vault

from perpsim.simulation.fund_need import Deficit, FundNeed, Kind, Step, fund_need, least, least_room
from perpsim.simulation.ledger import WAD, Ledger
from perpsim.simulation.runner import Simulation
from perpsim.simulation.summary import summarise

Make = Callable[..., Simulation]
TOKEN = 10**6
HOUR = 3600
OFF = WAD
#: penalties, payments and deficits of a history, seconds apart
HISTORIES = st.lists(
    st.tuples(
        st.sampled_from((Kind.INFLOW, Kind.PAYMENT, Kind.DEFICIT)),
        st.one_of(st.just(0), st.integers(1, 4 * HOUR), st.integers(8 * HOUR, 20 * HOUR)),
        st.integers(1, 10**12),
    ),
    min_size=1,
    max_size=30,
)


def steps_of(history: list[tuple[Kind, int, int]]) -> list[Step]:
    time, steps = 5 * HOUR, []
    for place, (kind, seconds, amount) in enumerate(history):
        time += seconds
        steps.append(Step(place, time, kind, amount))
    return steps


def paid_in_full(steps: list[Step], fund: int, trip: int, decimals: int) -> bool:
    """Whether the reference vault with such a fund pays everything, and could have paid each deficit."""
    vault = Vault(decimals, 0)
    vault.breaker = Breaker(trip, trip * 5 // 6 if trip < WAD else WAD)
    if fund:
        vault.book_inflow(SHARED, fund, 0)
    for _, time, kind, amount in steps:
        if kind is Kind.INFLOW:
            vault.book_inflow(0, amount, time)
        elif vault.coverage(0, time) < amount:
            return False
        elif kind is Kind.PAYMENT:
            vault.cover(0, amount, time)
    return True


@given(HISTORIES, st.sampled_from((OFF, WAD // 10, WAD * 3 // 10)), st.sampled_from((6, 18)))
def test_the_reference_vault_pays_everything_with_the_need_and_not_with_less(
    history: list[tuple[Kind, int, int]], trip: int, decimals: int
) -> None:
    steps, step = steps_of(history), 10 ** (decimals - 6)
    need = least(steps, trip, step)
    assert paid_in_full(steps, need, trip, decimals)
    rounding = 1 if trip == OFF else (2 * step + 3) * WAD // trip
    if need > rounding:
        assert not paid_in_full(steps, need - rounding, trip, decimals)
        assert least_room(steps, need - rounding, trip, step) <= 0 <= least_room(steps, need, trip, step)


def test_with_a_breaker_the_need_is_the_fall_divided_by_the_trip() -> None:
    """Bybit's example backwards: a loss of 300,000 needs 1,000,000 where payments stop at 30 %."""
    loss = [Step(0, HOUR, Kind.PAYMENT, 300_000 * TOKEN)]
    assert least(loss, WAD * 3 // 10, 1) == pytest.approx(1_000_000 * TOKEN, abs=10)
    assert least(loss, OFF, 1) == 300_000 * TOKEN


def test_an_old_peak_is_forgotten_after_eight_hours() -> None:
    gain, trip = Step(0, HOUR, Kind.INFLOW, 70 * TOKEN), WAD * 3 // 10
    soon = [gain, Step(1, 2 * HOUR, Kind.PAYMENT, 40 * TOKEN), Step(2, 9 * HOUR, Kind.PAYMENT, 10 * TOKEN)]
    late = [gain, Step(1, 2 * HOUR, Kind.PAYMENT, 40 * TOKEN), Step(2, 11 * HOUR, Kind.PAYMENT, 10 * TOKEN)]
    # The line is 70 % of F + 70 for the first payment and, while it remembers, for the second.
    assert least(soon, trip, 1) == pytest.approx((0.7 * 70 - 20) / 0.3 * TOKEN, abs=10)
    assert least(late, trip, 1) == pytest.approx((0.7 * 70 - 30) / 0.3 * TOKEN, abs=10)


def test_what_stakers_take_out_is_no_fall() -> None:
    exits = [Step(0, HOUR, Kind.INFLOW, 50 * TOKEN), Step(1, HOUR, Kind.EXIT, 50 * TOKEN)]
    loss = Step(2, HOUR, Kind.PAYMENT, 3 * TOKEN)
    assert least([*exits, loss], WAD * 3 // 10, 1) == pytest.approx(10 * TOKEN, abs=10)
    assert least(exits, WAD * 3 // 10, 1) == 0


# ledgers


def ledger_of(initial: int, *flows: tuple[str, int]) -> Ledger:
    """A fund with an initial sum, then flows as (kind, quote units), one a block; somebody was liquidated."""
    ledger = Ledger(6, lambda address: 1)
    ledger.liquidations.append({})
    rows = ([("initial", initial)] if initial else []) + list(flows)
    for block, (kind, amount) in enumerate(rows):
        ledger.block = block
        ledger._flow(12 * block, 0, kind, amount * TOKEN)
    return ledger


def found(ledger: Ledger, *deficits: Deficit, breaker: float = 0.0) -> FundNeed:
    return fund_need(ledger, iter(deficits), breaker)


def test_penalties_that_came_first_pay_for_what_follows() -> None:
    ledger = ledger_of(1_000, ("penalty", 30), ("cover", -100), ("reward", -5), ("penalty", 500))
    assert found(ledger) == FundNeed(75.0, False, True)


def test_a_history_that_only_brings_money_needs_none() -> None:
    assert found(ledger_of(10, ("penalty", 30), ("fee", 3))) == FundNeed(0.0, False, True)


def test_a_deficit_that_keepers_held_against_the_fund_counts_at_its_block() -> None:
    ledger = ledger_of(1_000, ("cover", -100), ("penalty", 50))
    # The flow of block 1 is before block 2 begins, that of block 2 is not.
    assert found(ledger, Deficit(2, 12, 80.0)).need == 180.0
    assert found(ledger, Deficit(1, 0, 80.0)).need == 100.0
    assert found(ledger, Deficit(3, 24, 80.0)).need == 130.0


def test_a_loss_that_others_bore_is_needed_and_the_fund_was_not_enough() -> None:
    ledger = ledger_of(1_000, ("cover", -100))
    ledger.block = 2
    legs = {"covered": 20 * WAD, "socialised": 30 * WAD, "treasury": 6 * WAD, "unpaid": 4 * WAD}
    ledger._bad_debt(SimpleNamespace(account=1, market=0, deficit=60 * WAD, **legs), 24)
    ledger._flow(36, 0, "repay", -4 * TOKEN)
    # It had money: no larger one would have helped, as far as this tells.
    assert found(ledger) == FundNeed(140.0, False, False)


def test_a_fund_at_nothing_may_have_missed_a_reward() -> None:
    assert found(ledger_of(100, ("cover", -100))) == FundNeed(100.0, True, False)
    assert found(ledger_of(0, ("penalty", 3))) == FundNeed(0.0, True, False)
    calm = ledger_of(0, ("fee", 3))
    calm.liquidations.clear()
    assert found(calm) == FundNeed(0.0, False, True)


def test_a_fund_too_small_to_be_counted_on_is_exhausted_although_it_has_money() -> None:
    ledger = ledger_of(100, ("cover", -40))
    assert found(ledger, Deficit(2, 12, 61.0)) == FundNeed(101.0, True, False)
    assert found(ledger, Deficit(2, 12, 59.0)) == FundNeed(99.0, False, True)


# on bytecode


@pytest.fixture
def fund_of(smoke_run: Make) -> Callable[..., dict[str, Any]]:
    """`fund_of(initial, ...)`: the summary of smoke with such a fund, and every liquidation as `history`."""

    def run(initial: float, *overrides: str) -> dict[str, Any]:
        simulation = smoke_run(f"fund.initial={initial}", *overrides)
        summary = summarise(simulation, "revm", True, "", 0.0)
        simulation.protocol.chain.close()
        return summary | {"history": simulation.ledger.liquidations}

    return run


@pytest.mark.parametrize("seed", [1, 14])
@pytest.mark.parametrize("breaker", [0, 0.3])
def test_with_its_need_a_crash_runs_as_with_an_ample_fund_and_with_a_little_less_winners_pay(
    fund_of: Callable[..., dict[str, Any]], breaker: float, seed: int
) -> None:
    """Seed 1 is short of money for payments, seed 14 of a fund that keepers count on."""
    rules = (f"fund.breaker={breaker}", f"seed={seed}")
    ample = fund_of(1_000_000, *rules)
    need = ample["fund"]["need"]
    assert ample["fund"]["enough"] and 5_000 < need < 100_000

    just = fund_of(math.ceil(need * 100) / 100, *rules)
    assert just["fund"]["enough"] and not just["fund"]["exhausted"]
    assert just["fund"]["need"] == need
    assert just["adl"]["count"] == 0
    assert just["shortfall"] == ample["shortfall"]
    assert just["history"] == ample["history"]

    short = fund_of(round(0.97 * need, 2), *rules)
    assert short["fund"]["exhausted"] and not short["fund"]["enough"]
    assert short["adl"]["count"] > 0 and short["shortfall"]["adl"] > 0


def test_where_the_book_is_too_far_from_the_mark_no_fund_is_enough(fund_of: Callable[..., Any]) -> None:
    """Without cover slippage the fund may pay for no fill worse than the mark."""
    rules = ("markets.0.liquidation.cover_slippage=0", "markets.0.liquidation.max_slippage=0.001")
    keepers = tuple(f"agents.keepers.{number}.deleverage_after=1" for number in range(3))
    rich = fund_of(1_000_000, *rules, *keepers)
    assert rich["adl"]["count"] > 0
    assert not rich["fund"]["enough"] and not rich["fund"]["exhausted"]
