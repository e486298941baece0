"""What every engine must do alike, run on pyrevm and on py-evm."""

import pytest
from chain_sources import counter

from perpsim.chain import EngineError, LogDigest, Revert, Tx, account, create_address, open_chain

START = 1_584_000_000
CODEC = counter().interface.functions
EVENT = counter().interface.events["Counted"]


@pytest.fixture(params=["revm", "py-evm"])
def chain(request):
    with open_chain(request.param, timestamp=START) as opened:
        yield opened


@pytest.fixture
def target(chain):
    return chain.deploy(counter(), 5, sender=chain.account(0).address)


def call(chain, target, name, *args, **options):
    return CODEC[name].decode(chain.view(target, CODEC[name].encode(*args), **options))


def send(target, who=1, name="count", args=(), **fields):
    return Tx(account(who).address, target, CODEC[name].encode(*args), **fields)


def test_deployments_stand_where_a_real_chain_puts_them(chain):
    owner = chain.account(0).address
    assert chain.deploy(counter(), 1, sender=owner) == create_address(owner, 0)
    chain.execute(owner, owner, b"")
    with pytest.raises(Revert, match="Counter: start too high"):
        chain.deploy(counter(), 1000, sender=owner)
    assert chain.nonce(owner) == 3
    address = chain.deploy(counter(), 1, sender=owner)
    assert address == create_address(owner, 3)
    assert chain.code(address)
    assert chain.code(owner) == b""


def test_execute_runs_at_once_and_blocks_follow(chain, target):
    receipt = chain.execute(account(1).address, target, CODEC["count"].encode(7, -3))
    assert receipt.ok and CODEC["count"].decode(receipt.output) == 12
    (log,) = receipt.logs
    assert log.address == target and (log.block, log.tx_index, log.log_index) == (1, 1, 0)
    event = EVENT.decode(log.topics, log.data)
    assert event == (account(1).address, 7, 12, START, -3)
    assert event.mood == -3
    assert chain.block_number == 0 and call(chain, target, "clock") == (1, START)
    block, receipts = chain.mine(START + 12)
    assert (block.number, block.timestamp, block.tx_count, receipts) == (2, START + 12, 0, [])
    assert (chain.block_number, chain.timestamp) == (2, START + 12)
    assert call(chain, target, "clock") == (2, START + 12)
    assert call(chain, target, "clock", timestamp=START + 20) == (3, START + 20)
    assert chain.logs(0) == [log] and chain.logs(2) == []
    with pytest.raises(ValueError, match="not after"):
        chain.mine(START + 12)


def test_a_block_is_ordered_by_tip_then_arrival_then_id(chain, target):
    ids = {}
    for label, tip, arrival in (("c", 1, 2), ("d", 1, 2), ("b", 1, 1), ("a", 9, 5), ("e", 0, 0)):
        ids[chain.submit(send(target, who=len(ids), tip=tip, arrival=arrival))] = label
    _, receipts = chain.mine(START + 12)
    assert [ids[r.tx_id] for r in receipts] == list("abcde")
    assert [r.position for r in receipts] == [0, 1, 2, 3, 4]
    assert [CODEC["count"].decode(r.output) for r in receipts] == [6, 7, 8, 9, 10]


def test_the_effective_tip_is_what_the_base_fee_leaves(chain, target):
    chain.base_fee = 10
    first = chain.submit(send(target, tip=9, max_fee=12))
    second = chain.submit(send(target, tip=5))
    third = chain.submit(send(target, tip=50, max_fee=9))
    block, receipts = chain.mine(START + 12)
    assert [r.tx_id for r in receipts] == [second, first]
    assert block.base_fee == 10
    assert [tx.id for tx in chain.queued] == [third]
    chain.base_fee = 9
    assert [r.tx_id for r in chain.mine(START + 24)[1]] == [third]


def test_what_does_not_fit_waits(chain, target):
    chain.block_gas_limit = 250_000
    big, small, late = (
        chain.submit(send(target, who=i, tip=3 - i, gas_limit=gas))
        for i, gas in enumerate((200_000, 150_000, 180_000))
    )
    block, receipts = chain.mine(START + 12)
    # some 50k used by each: 150k still fits after the first, 180k no longer after the second
    assert [r.tx_id for r in receipts] == [big, small]
    assert [tx.id for tx in chain.queued] == [late]
    assert sum(r.gas_used for r in receipts) == block.gas_used <= block.gas_limit
    assert [r.tx_id for r in chain.mine(START + 24)[1]] == [late]
    assert chain.queued == ()


def test_transactions_can_be_dropped_from_the_queue(chain, target):
    old, new = chain.submit(send(target, arrival=1)), chain.submit(send(target, arrival=9))
    assert [tx.id for tx in chain.drop(lambda tx: tx.arrival < 5)] == [old]
    assert [r.tx_id for r in chain.mine(START + 12)[1]] == [new]


@pytest.mark.parametrize(
    ("name", "args", "gas", "reason"),
    [
        ("fail", ("not today",), 200_000, "not today"),
        ("divide", (0,), 200_000, "reverted without a reason"),
        ("bare", (), 200_000, "reverted without a reason"),
        ("custom", (), 200_000, "custom error 0x2de7f6df"),
        ("burn", (), 60_000, "out of gas"),
        ("count", (), 21_050, "rejected: gas limit below the intrinsic cost"),
    ],
)
def test_a_failure_is_a_receipt_with_a_reason(chain, target, name, args, gas, reason):
    chain.submit(send(target, name=name, args=args, gas_limit=gas))
    chain.submit(send(target))
    _, (failed, passed) = chain.mine(START + 12)
    assert not failed.ok and failed.logs == []
    assert failed.reason == reason
    assert (failed.gas_used == 0) == reason.startswith("rejected")
    assert passed.ok and passed.reason == ""
    # a failed transaction uses up a nonce, a refused one does not
    assert chain.nonce(account(1).address) == (1 if reason.startswith("rejected") else 2)
    assert call(chain, target, "total") == 6


def test_senders_and_values_that_cannot_be(chain, target):
    chain.submit(Tx("0x1234", target, b""))
    chain.submit(Tx(target, target, b""))
    chain.submit(send(target, value=5))
    _, receipts = chain.mine(START + 12)
    assert [r.ok for r in receipts] == [False] * 3
    assert all(r.reason.startswith("rejected: ") and r.gas_used == 0 for r in receipts)


def test_value_and_balance(chain, target):
    rich = account(3).address
    chain.fund_native(rich, 100)
    assert chain.balance(rich) == 100
    assert chain.execute(rich, target, CODEC["count"].encode(), value=30).ok
    assert (chain.balance(rich), chain.balance(target)) == (70, 30)


def test_views_leave_no_trace_and_revert_with_reasons(chain, target):
    assert call(chain, target, "count", 3) == 8
    assert call(chain, target, "total") == 5
    assert call(chain, target, "by", account(1).address) == 0
    with pytest.raises(Revert, match="no such luck") as caught:
        chain.view(target, CODEC["fail"].encode("no such luck"))
    assert caught.value.reason == "no such luck" and caught.value.data[:4].hex() == "08c379a0"
    assert call(chain, target, "total") == 5
    assert chain.nonce(account(1).address) == 0
    assert chain.storage(target, 0) == 5


def test_transient_storage_ends_with_its_transaction(chain, target):
    for _ in range(3):
        assert chain.execute(account(1).address, target, CODEC["count"].encode()).ok
        assert call(chain, target, "seen") == 0
    call(chain, target, "count")
    assert call(chain, target, "seen") == 0


def test_the_pending_block_can_be_moved(chain, target):
    chain.execute(account(1).address, target, CODEC["count"].encode())
    chain.set_pending_timestamp(START + 100)
    assert chain.block_number == 1
    receipt = chain.execute(account(1).address, target, CODEC["count"].encode())
    assert EVENT.decode(receipt.logs[0].topics, receipt.logs[0].data).at == START + 100
    assert chain.seal().timestamp == START + 100


def scenario(chain, rounds=6):
    """A few busy blocks; what came out."""
    target = chain.deploy(counter(), 5, sender=chain.account(0).address)
    digest = LogDigest()
    digest.contract(target, "Counter", counter().interface)
    for i in range(4):
        chain.execute(account(i).address, target, CODEC["count"].encode(i, -i))
    digest.add_logs(0, chain.logs(0))
    gas, reasons = [], []
    for step in range(1, rounds + 1):
        for i in range(8):
            chain.submit(send(target, who=(i * 3 + step) % 7, args=(i, -step), tip=i % 3, arrival=-i))
        chain.submit(send(target, name="fail", args=(f"step {step}",)))
        chain.submit(send(target, name="burn", gas_limit=70_000))
        chain.submit(send(target, name="fill", args=(step * 3,), tip=1))
        _, receipts = chain.mine(START + 12 * step)
        gas += [r.gas_used for r in receipts]
        reasons += [r.reason for r in receipts]
        digest.add_logs(step, [log for r in receipts for log in r.logs])
    nonces = [chain.nonce(account(i).address) for i in range(7)]
    return target, digest.hexdigest(), digest.count, reasons, nonces, gas


def test_all_engines_agree_and_flushing_changes_only_gas():
    results = {}
    for engine, options in (("revm", {}), ("again", {}), ("exact", {"flush_every": 1}), ("py-evm", {})):
        name = engine if engine == "py-evm" else "revm"
        with open_chain(name, timestamp=START, **options) as chain:
            results[engine] = scenario(chain)
    assert results["revm"] == results["again"]
    for engine in ("exact", "py-evm"):
        assert results[engine][:5] == results["revm"][:5]
    # flushed after every transaction pyrevm's gas is that of py-evm, to the unit
    assert results["exact"][5] == results["py-evm"][5]


def test_the_digest_sees_every_change():
    digests = set()
    for args in ((0, "A", "E", (1, "0xab")), (1, "A", "E", (1, "0xab")), (0, "A", "E", ([1], "0xab"))):
        digest = LogDigest()
        digest.add(*args)
        digests.add(digest.hexdigest())
        digest.add(*args)
        digests.add(digest.hexdigest())
    assert len(digests) == 6
    named, other = LogDigest(), LogDigest()
    named.name("0xAB", "vault")
    named.add(0, "A", "E", ((1, ["0xab"]),))
    other.add(0, "A", "E", ((1, ["vault"]),))
    assert named.hexdigest() == other.hexdigest()


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ("geth", "unknown engine 'geth': use revm, py-evm or the URL"),
        ("", "unknown engine ''"),
        ("ftp://somewhere", "unknown engine 'ftp://somewhere'"),
        ("http://127.0.0.1:9", "node http://127.0.0.1:9 does not answer: connection refused"),
        ("ws://127.0.0.1:9", "node ws://127.0.0.1:9 does not answer: connection refused"),
    ],
)
def test_an_engine_that_cannot_be_is_one_clear_line(engine, words):
    with pytest.raises(EngineError) as caught:
        open_chain(engine, timestamp=START)
    assert str(caught.value).startswith(words) and "\n" not in str(caught.value)


def test_accounts_are_the_same_everywhere():
    assert account(0).address == "0x38d6f362a0f04c9672cda271b14bcb5b914c3a51"
    assert account(1999).key != account(1998).key
    assert account(7) is account(7)
    with pytest.raises(ValueError):
        account(-1)
