"""The gas model: true gas from a warm engine's figure, estimated where it is known and measured where not."""

from __future__ import annotations

import statistics

import pytest
from chain_sources import counter

from perpsim.chain import account
from perpsim.chain.gas_model import FIRST_CHECKS, GasModel, Run, intrinsic_gas
from perpsim.chain.revm import RevmChain
from perpsim.scenarios import Scenario
from perpsim.scenarios.loading import load_scenario
from perpsim.simulation import setup
from perpsim.simulation.command import build

START = 1_584_000_000
CODEC = counter().interface.functions
WHO = account(1).address
TO, DATA = "0x" + "11" * 20, bytes.fromhex("a9059cbb") + bytes(31) + b"\x05"


def gas_by_transaction(scenario: Scenario) -> tuple[list[int], GasModel | None]:
    """Gas used of every transaction of a run, in order, and the model that had a part in it."""
    simulation = build(scenario)
    chain, used = simulation.protocol.chain, []
    run = type(chain)._run

    def metered(tx, number, index):  # type: ignore[no-untyped-def]
        receipt = run(chain, tx, number, index)
        used.append(receipt.gas_used)
        return receipt

    chain._run = metered  # type: ignore[attr-defined]
    assert simulation.run()
    return used, chain.gas_model  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def exact() -> list[int]:
    """A small crash with every transaction started cold: py-evm's gas, to the unit."""
    patch = pytest.MonkeyPatch()
    opened = setup.open_chain
    patch.setattr(setup, "open_chain", lambda *args, **more: opened(*args, **more, flush_every=1))
    try:
        used, model = gas_by_transaction(load_scenario("smoke", ["checks.audit=0"]))
    finally:
        patch.undo()
    assert model is None
    return used


def test_estimates_are_within_a_per_cent_on_average_and_five_in_the_worst_of_a_hundred(exact) -> None:
    found, model = gas_by_transaction(load_scenario("smoke", ["checks.audit=0"]))
    assert len(found) == len(exact) > 2_000
    errors = sorted(abs(mine - true) / true for mine, true in zip(found, exact))
    assert statistics.mean(errors) <= 0.01
    assert errors[len(errors) * 99 // 100] <= 0.05
    assert model is not None and model.estimated > 100
    # those of the set-up among them
    assert len(found) < model.estimated + model.measured < len(found) + 100


def test_the_same_run_has_the_same_gas_twice() -> None:
    scenario = load_scenario("smoke", ["clock.blocks=60"])
    assert gas_by_transaction(scenario)[0] == gas_by_transaction(scenario)[0]


def test_what_was_never_seen_is_measured_and_what_was_seen_is_known() -> None:
    model = GasModel()
    warm, true = Run(50_000, 0, 1, ("event",)), Run(71_000, 0, 1, ("event",))
    assert model.estimate(TO, DATA, warm) is None
    model.learn(TO, DATA, warm, true)
    # at first every estimate is checked, and none is wrong
    while model.estimate(TO, DATA, warm) is None:
        model.learn(TO, DATA, warm, true)
    assert len(model.errors) >= FIRST_CHECKS - 1
    assert model.summary()["max_error"] == 0
    assert model.estimate(TO, DATA, warm) == 71_000
    longer = DATA + b"\x01"
    assert model.estimate(TO, longer, warm._replace(gas_used=50_016)) == 71_016
    # another outcome, another order of events or another path is another matter
    for other in (warm._replace(status=0), warm._replace(events=()), warm._replace(gas_used=50_100)):
        assert model.estimate(TO, DATA, other) is None


def test_a_function_that_is_missed_again_and_again_is_always_measured() -> None:
    model = GasModel()
    warm = Run(50_000, 0, 1, ())
    for number in range(400):
        if model.measures(TO, DATA):
            break
        if model.estimate(TO, DATA, warm) is None:
            model.learn(TO, DATA, warm, Run(60_000 if number % 2 else 90_000, 0, 1, ()))
    assert model.measures(TO, DATA)
    assert not model.measures(TO, b"\x00" * 4)


def test_intrinsic_gas_is_that_of_the_yellow_paper() -> None:
    assert intrinsic_gas(b"") == 21_000
    assert intrinsic_gas(b"\x00\x01\x00\xff") == 21_000 + 2 * 4 + 2 * 16


def test_whoever_runs_out_of_gas_when_cold_fails_also_where_the_engine_is_warm() -> None:
    """Warm, the call needs less than its limit; on a real chain it does not fit."""
    outcomes = []
    for options in ({"flush_every": 1}, {"gas_model": GasModel()}):
        with RevmChain(timestamp=START, **options) as chain:
            target = chain.deploy(counter(), 5, sender=account(0).address)
            data = CODEC["count"].encode(3)
            needed = [chain.execute(WHO, target, data).gas_used for _ in range(40)][-1]
            outcomes.append(
                [chain.execute(WHO, target, data, gas=needed + more).ok for more in (-1, 0, 5_000)]
            )
    assert outcomes[0] == outcomes[1] == [False, True, True]
