"""The audit: py-evm executes what pyrevm executes, and whoever lies is found out."""

from __future__ import annotations

from typing import Any

import pytest
from chain_sources import counter
from eth.vm.forks.cancun.computation import CancunComputation

from perpsim.chain import AuditFailure, Receipt, account
from perpsim.chain import audit as auditing
from perpsim.chain.audit import Auditor
from perpsim.chain.lazy_state import LazyState
from perpsim.chain.revm import RevmChain
from perpsim.scenarios.loading import load_scenario
from perpsim.simulation.command import build

START = 1_584_000_000
CODEC = counter().interface.functions
WHO = account(1).address


@pytest.fixture
def chain():
    return RevmChain(timestamp=START, auditor=Auditor(1.0))


@pytest.fixture
def target(chain):
    return chain.deploy(counter(), 5, sender=account(0).address)


def test_every_way_a_transaction_can_end_is_agreed_on(chain, target):
    chain.fund_native(WHO, 10)
    calls: list[tuple[bytes, dict[str, Any], str]] = [
        (CODEC["count"].encode(3, -7), {}, ""),
        (CODEC["count"].encode(3), {"value": 7}, ""),
        (CODEC["count"].encode(3), {"value": 7}, "rejected: "),
        (CODEC["fill"].encode(40), {}, ""),
        (CODEC["fail"].encode("because"), {}, "because"),
        (CODEC["bare"].encode(), {}, ""),
        (CODEC["custom"].encode(), {}, ""),
        (CODEC["divide"].encode(0), {}, ""),
        (CODEC["burn"].encode(), {"gas": 300_000}, "out of gas"),
        (CODEC["count"].encode(1), {"gas": 21_000}, "rejected: "),
        (b"\x01\x02\x03\x04", {}, ""),
        (b"", {}, ""),
    ]
    for data, options, words in calls:
        receipt = chain.execute(WHO, target, data, **options)
        assert receipt.reason.startswith(words) or words in receipt.reason
    assert chain.auditor.audited == len(calls)
    assert chain.auditor.disagreements == 0


def lying(chain: RevmChain, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Have the engine say something else of a transaction than what it did."""
    honest = RevmChain._call

    def call(self: RevmChain, *args: Any) -> Receipt:
        return honest(self, *args)._replace(**changes)

    monkeypatch.setattr(RevmChain, "_call", call)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"gas_used": 43_210}, "the gas used is 43210 on revm"),
        ({"status": 0}, "the status is 0"),
        ({"output": b"\x01" * 32}, "the return data is 0101"),
        ({"logs": []}, "the number of events is 0 on revm, 1 on py-evm"),
    ],
)
def test_a_false_receipt_stops_the_run(chain, target, monkeypatch, changes, words):
    lying(chain, monkeypatch, **changes)
    with pytest.raises(AuditFailure, match=words) as failure:
        chain.execute(WHO, target, CODEC["count"].encode(3))
    assert len(str(failure.value).splitlines()) == 1
    assert f"from {WHO} to {target}" in str(failure.value)
    assert chain.auditor.disagreements == 1


def test_a_false_event_stops_the_run(chain, target, monkeypatch):
    honest = RevmChain._call

    def call(self: RevmChain, *args: Any) -> Receipt:
        receipt = honest(self, *args)
        return receipt._replace(logs=[log._replace(data=log.data[:-1] + b"\x63") for log in receipt.logs])

    monkeypatch.setattr(RevmChain, "_call", call)
    with pytest.raises(AuditFailure, match="event 0 is"):
        chain.execute(WHO, target, CODEC["count"].encode(3))


def test_a_word_that_was_written_wrong_stops_the_run(chain, target, monkeypatch):
    honest = RevmChain._call

    def call(self: RevmChain, *args: Any) -> Receipt:
        receipt = honest(self, *args)
        self.set_storage(target, 0, 1_234)
        return receipt

    monkeypatch.setattr(RevmChain, "_call", call)
    with pytest.raises(AuditFailure, match=f"slot 0x0 of {target} is 1234 on revm, 8 on py-evm"):
        chain.execute(WHO, target, CODEC["count"].encode(3))


def test_a_state_that_is_read_wrong_is_noticed(chain, target, monkeypatch):
    honest = auditing.predict

    def predict(state: Any, *args: Any) -> Any:
        storage = state.storage
        state.storage = lambda address, slot: storage(address, slot) + (slot == 0)
        try:
            return honest(state, *args)
        finally:
            state.storage = storage

    monkeypatch.setattr(auditing, "predict", predict)
    with pytest.raises(AuditFailure, match="on py-evm"):
        chain.execute(WHO, target, CODEC["count"].encode(3))


@pytest.mark.parametrize("share", [0.0, 0.005, 0.3, 1.0])
def test_the_share_is_drawn_by_seed_and_number(share: float) -> None:
    count = 20_000
    drawn = [[auditor.draws() for _ in range(count)] for auditor in (Auditor(share, 7), Auditor(share, 7))]
    assert drawn[0] == drawn[1]
    spread = 5 * (share * (1 - share) * count) ** 0.5
    assert abs(sum(drawn[0]) - share * count) <= spread
    other = Auditor(share, 8)
    assert 0 < share < 1 == ([other.draws() for _ in range(count)] != drawn[0]) or share in (0.0, 1.0)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_a_fraction(share: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Auditor(share)


#: a small crash that empties the fund: orders, fills, liquidations, lists, deleveraging, reverts
CRASH = ("fund.initial=0", "clock.blocks=130")


def test_a_whole_crash_is_agreed_on_and_auditing_changes_nothing() -> None:
    runs = [build(load_scenario("smoke", [*CRASH, f"checks.audit={share}"])) for share in (1, 0)]
    assert all(run.run() for run in runs)
    audited, plain = runs
    auditor = audited.protocol.chain.auditor  # type: ignore[attr-defined]
    assert auditor.audited == auditor.transactions > 1_000
    assert auditor.disagreements == 0
    assert audited.metrics.reverted > 50 and len(audited.ledger.adl) > 3
    assert audited.log.digest.hexdigest() == plain.log.digest.hexdigest()


def test_the_quick_interpreter_gives_what_py_evm_itself_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = auditing.predict
    compared = 0

    def both(*args: Any) -> Any:
        nonlocal compared
        quick = honest(*args)
        monkeypatch.setattr(LazyState, "computation_class", CancunComputation)
        slow = honest(*args)
        monkeypatch.undo()
        monkeypatch.setattr(auditing, "predict", both)
        assert quick == slow
        compared += 1
        return quick

    monkeypatch.setattr(auditing, "predict", both)
    run = build(load_scenario("smoke", ["fund.initial=0", "clock.blocks=110", "checks.audit=0.25"]))
    assert run.run()
    assert compared > 100
