"""What is particular to the pyrevm engine: flushing, memory, snapshots, bounded revert data."""

import gc
from pathlib import Path

import pytest
from chain_sources import counter

from perpsim.chain import EngineError, Revert, Tx, account, compile_source
from perpsim.chain.errors import MAX_REVERT_BYTES, decode_revert
from perpsim.chain.revm import RevmChain

START = 1_584_000_000
CODEC = counter().interface.functions
WHO = account(1).address


@pytest.fixture
def chain():
    return RevmChain(timestamp=START)


@pytest.fixture
def target(chain):
    return chain.deploy(counter(), 5, sender=account(0).address)


def total(chain, target):
    return CODEC["total"].decode(chain.view(target, CODEC["total"].encode()))


def resident():
    """Resident memory of this process, bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_a_flush_keeps_the_whole_state(chain, target):
    chain.fund_native(WHO, 77)
    for step in range(20):
        chain.execute(WHO, target, CODEC["fill"].encode(step))
    chain.execute(WHO, target, CODEC["count"].encode(3), value=7)
    before = [chain.storage(target, slot) for slot in range(4)]
    code, logs = chain.code(target), chain.logs(0)
    marks = [CODEC["by"].encode(f"0x{i:040x}") for i in range(5, 200)]
    seen = [chain.view(target, mark) for mark in marks]
    for _ in range(3):
        chain.flush()
        assert [chain.storage(target, slot) for slot in range(4)] == before
        assert [chain.view(target, mark) for mark in marks] == seen
        assert chain.code(target) == code and chain.logs(0) == logs
        assert (chain.balance(WHO), chain.balance(target)) == (70, 7)
        assert chain.nonce(WHO) == 21
    # a word set to zero after a flush is zero after the next one
    slot = 0
    chain.set_storage(target, slot, 0)
    chain.flush()
    assert chain.storage(target, slot) == 0
    assert chain.deploy(counter(), 1, sender=account(0).address) != target


def test_a_flush_makes_gas_true_again(chain, target):
    data = CODEC["count"].encode()
    chain.execute(WHO, target, data)
    warm = chain.execute(WHO, target, data).gas_used
    chain.flush()
    cold = chain.execute(WHO, target, data).gas_used
    assert cold > warm


def test_journal_and_logs_do_not_pile_up():
    chain = RevmChain(timestamp=START, flush_every=500)
    target = chain.deploy(counter(), 5, sender=account(0).address)
    data = CODEC["count"].encode()

    def run(blocks):
        for _ in range(blocks):
            chain.submit_all(Tx(WHO, target, data, 100_000) for _ in range(100))
            chain.mine(chain.timestamp + 12)
        gc.collect()
        return resident()

    settled = run(80)
    grown = run(200) - settled
    # without flushing, 20,000 calls of this kind leave some 15 MB
    assert grown < 4_000_000
    assert total(chain, target) == 5 + 28_000


def test_views_do_not_pile_up(chain, target):
    data = CODEC["count"].encode(3)

    def run(count):
        for _ in range(count):
            chain.view(target, data)
        gc.collect()
        return resident()

    settled = run(2_000)
    assert run(20_000) - settled < 2_000_000


def test_snapshots_restore_everything(chain, target):
    chain.mine(START + 12)
    chain.submit(Tx(WHO, target, CODEC["count"].encode()))
    outer = chain.snapshot()
    chain.mine(START + 24)
    inner = chain.snapshot()
    chain.execute(WHO, target, CODEC["count"].encode(50))
    assert total(chain, target) == 56
    chain.revert(inner)
    assert (total(chain, target), chain.nonce(WHO)) == (6, 1)
    third = chain.snapshot()
    chain.execute(WHO, target, CODEC["count"].encode(50))
    chain.revert(outer)
    assert (total(chain, target), chain.nonce(WHO), chain.block_number) == (5, 0, 2)
    assert len(chain.queued) == 1
    for closed in (inner, third, outer):
        with pytest.raises(ValueError, match="closed"):
            chain.revert(closed)
    chain.flush()
    assert chain.mine(START + 24)[1][0].ok and total(chain, target) == 6


def test_what_a_snapshot_cannot_undo_is_refused(chain, target):
    snapshot = chain.snapshot()
    with pytest.raises(EngineError, match="snapshot"):
        chain.flush()
    with pytest.raises(EngineError, match="snapshot"):
        chain.fund_native(WHO, 1)
    chain.revert(snapshot)
    chain.fund_native(WHO, 1)


def test_megabytes_of_revert_data_are_cut():
    noisy = compile_source(
        """
@external
def shout() -> uint256:
    raw_revert(slice(msg.data, 0, 60000))
""",
        "Noisy",
    )
    chain = RevmChain(timestamp=START)
    target = chain.deploy(noisy, sender=account(0).address)
    data = noisy.interface.functions["shout"].encode() + b"\xee" * 60_000
    receipt = chain.execute(WHO, target, data)
    assert not receipt.ok and len(receipt.output) == MAX_REVERT_BYTES and receipt.error == ""
    with pytest.raises(Revert) as caught:
        chain.view(target, data)
    assert len(caught.value.data) == MAX_REVERT_BYTES


def test_old_logs_are_refused_not_forgotten_silently(chain, target):
    chain.execute(WHO, target, CODEC["count"].encode())
    for step in range(1, 80):
        chain.mine(START + 12 * step)
    with pytest.raises(ValueError, match="logs are kept from block"):
        chain.logs(1)
    assert chain.logs(70) == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "reverted without a reason"),
        (
            bytes.fromhex("4e487b71") + (0x11).to_bytes(32, "big"),
            "panic 0x11: arithmetic overflow or underflow",
        ),
        (bytes.fromhex("4e487b71") + (0x99).to_bytes(32, "big"), "panic 0x99: unknown"),
        (bytes.fromhex("08c379a0"), "custom error 0x08c379a0"),
        (bytes.fromhex("deadbeef01"), "custom error 0xdeadbeef"),
        (b"\x01", "malformed revert data 0x01"),
    ],
)
def test_revert_data_in_words(data, reason):
    assert decode_revert(data) == reason
