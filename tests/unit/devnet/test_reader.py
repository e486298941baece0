"""The live log: nothing missed, nothing twice, whatever the node does; and what is folded from it."""

import pytest
from support.fake_node import FakeNode

from perpsim.chain import account
from perpsim.devnet.deployment import deploy_to
from perpsim.devnet.live_chain import LiveChain
from perpsim.devnet.mirror import Mirror
from perpsim.devnet.node import Node, Refusal, Unreachable
from perpsim.devnet.reader import Reader
from perpsim.devnet.wallet import KeySigner
from perpsim.errors import UserError
from perpsim.protocol import MAX_UINT
from perpsim.scenarios.loading import load_scenario


def reader_of(world, **options):
    return Reader(world.fake.node(), world.deployment.contracts.values(), 1, **options)


def everything(world):
    """What a reader that has just begun finds."""
    return [block for block in reader_of(world).poll().blocks if block.logs]


def with_logs(blocks):
    return [block for block in blocks if block.logs]


def pay(world, amount):
    """Somebody gives to the fund, in a block of its own."""
    protocol, owner = world.protocol, world.protocol.owner
    protocol.token.transact(owner, "mint", owner, amount)
    protocol.vault.transact(owner, "fund", amount)
    world.fake.mine()


def test_a_reader_gets_each_block_once_however_it_asks(world):
    stage = world("clock.blocks=6")
    whole, steps, narrow = reader_of(stage), reader_of(stage), reader_of(stage, span=3)
    seen = []
    for _ in range(6):
        stage.go(1)
        seen += steps.poll().blocks
    assert with_logs(seen) == with_logs(whole.poll().blocks) == with_logs(narrow.poll().blocks)
    numbers = [block.number for block in seen]
    assert numbers == sorted(set(numbers)) and len(with_logs(seen)) > 6
    assert whole.poll().blocks == []


def test_a_node_that_gives_few_blocks_at_once_is_asked_for_fewer(world):
    stage = world("clock.blocks=4")
    stage.go(4)
    stage.fake.widest = 2
    assert everything(stage) == with_logs(reader_of(stage, span=1).poll().blocks)
    stage.fake.failing["eth_getLogs"] = "no logs today"
    with pytest.raises(Refusal, match="no logs today"):
        reader_of(stage).poll()


def test_who_starts_again_goes_on_where_it_was(world, tmp_path):
    stage, journal = world("clock.blocks=6"), tmp_path / "log.jsonl"
    stage.go(3)
    first = reader_of(stage, journal=journal).poll().blocks
    stage.go(3)
    asked = stage.fake.asked["eth_getLogs"]
    again = reader_of(stage, journal=journal)
    assert with_logs(again.blocks) == with_logs(first)
    second = again.poll().blocks
    assert with_logs(first) + with_logs(second) == everything(stage)
    assert stage.fake.asked["eth_getLogs"] == asked + 2


def test_a_journal_that_ends_in_the_middle_of_a_line_is_read_up_to_it(world, tmp_path):
    stage, journal = world("clock.blocks=3"), tmp_path / "log.jsonl"
    stage.go(3)
    reader_of(stage, journal=journal).poll()
    whole = journal.read_text()
    journal.write_text(whole[:-40])
    again = reader_of(stage, journal=journal)
    again.poll()
    assert with_logs(again.blocks) == everything(stage)
    assert with_logs(reader_of(stage, journal=journal).blocks) == everything(stage)


def test_a_journal_of_another_exchange_is_begun_anew(world, tmp_path):
    stage, journal = world("clock.blocks=1"), tmp_path / "log.jsonl"
    reader_of(stage, journal=journal).poll()
    other = Reader(stage.fake.node(), ["0x" + "11" * 20], 1, journal)
    assert other.blocks == []


@pytest.mark.parametrize("depth", [1, 3])
def test_blocks_that_the_chain_takes_back_are_void(world, tmp_path, depth):
    stage, journal = world("clock.blocks=2"), tmp_path / "log.jsonl"
    stage.protocol.token.transact(stage.protocol.owner, "approve", stage.protocol.vault.address, MAX_UINT)
    stage.fake.mine()
    for _ in range(4):
        stage.protocol.token.transact(stage.protocol.owner, "mint", stage.protocol.owner, 1)
        stage.fake.mine()
    reader = reader_of(stage, journal=journal)
    before = with_logs(reader.poll().blocks)
    top = stage.fake.chain.block_number
    stage.fake.forget(depth)
    kept = stage.fake.chain.block_number
    for _ in range(3):
        pay(stage, 5)
    news = reader.poll()
    assert news.rewound is not None and news.rewound <= kept < top
    assert with_logs(reader.blocks) == everything(stage) != before
    assert with_logs(reader_of(stage, journal=journal).blocks) == everything(stage)


def test_nothing_is_lost_while_the_node_is_away(world):
    stage = world("clock.blocks=4")
    reader = reader_of(stage)
    seen = reader.poll().blocks
    stage.go(2)
    stage.fake.down = True
    with pytest.raises(Unreachable):
        reader.poll()
    stage.fake.down = False
    stage.go(2)
    calls = []

    def flaky(method, params):
        # every other request fails, the first of them, too
        calls.append(method)
        if len(calls) % 2:
            raise ConnectionError("reset by peer")
        return stage.fake.transport(method, params)

    reader._node = Node("flaky", flaky, patience=5, sleep=lambda seconds: None)
    seen += reader.poll().blocks
    assert with_logs(seen) == everything(stage)


def test_where_logs_have_their_blocks_time_no_block_is_asked_for_on_its_own(world):
    stage = world()
    stage.go(40)
    found, asked = [], []
    for stage.fake.stamps in (False, True):
        stage.fake.asked.clear()
        found.append(reader_of(stage).poll().blocks)
        asked.append(stage.fake.asked["eth_getBlockByNumber"])
    assert found[0] == found[1] and len(with_logs(found[0])) > 20
    assert asked[0] > 20 and asked[1] == 2


def test_the_state_folded_from_the_log_is_that_of_the_contracts(world, tmp_path):
    stage = world()
    mirror = Mirror(stage.deployment, stage.fake.node(), tmp_path / "log.jsonl")
    for _ in range(4):
        stage.go(50)
        mirror.follow()
        mirror.verify()
    assert mirror.indexer.accounts.count == stage.market.indexer.accounts.count > 10
    assert mirror.ledger.liquidations and len(mirror.ledger.liquidations) == len(
        stage.market.ledger.liquidations
    )
    again = Mirror(stage.deployment, stage.fake.node(), tmp_path / "log.jsonl")
    assert again.indexer.accounts.collateral_wad == mirror.indexer.accounts.collateral_wad
    assert again.follow().blocks == [] and again.ledger.fund == mirror.ledger.fund
    again.verify()


def test_a_mirror_forgets_what_the_chain_has_taken_back(world):
    stage = world("clock.blocks=5")
    stage.go(5)
    owner, protocol = stage.protocol.owner, stage.protocol
    protocol.token.transact(owner, "approve", protocol.vault.address, MAX_UINT)
    stage.fake.mine()
    mirror = Mirror(stage.deployment, stage.fake.node())
    mirror.follow()
    fund = mirror.ledger.fund
    pay(stage, 1_000)
    pay(stage, 2_000)
    mirror.follow()
    assert mirror.ledger.fund == fund + 3_000
    stage.fake.forget(2)
    pay(stage, 70)
    mirror.follow()
    assert mirror.ledger.fund == protocol.vault.view("assets") and mirror.rebuilt == 1
    mirror.verify()


def test_who_watches_a_mirror_hears_of_every_block_and_anew_of_all_when_it_begins_anew(world):
    stage = world("clock.blocks=5")
    stage.go(5)
    stage.fake.mine(2)
    heard = []

    def begin(mirror):
        heard.append([])
        # the block is in the mirror already
        return lambda block: heard[-1].append((block.number, mirror.head is block))

    mirror = Mirror(stage.deployment, stage.fake.node(), watch=begin)
    mirror.follow()
    assert heard == [[(block.number, True) for block in mirror.reader.blocks]] and len(heard[0]) >= 5
    stage.fake.forget(1)
    stage.fake.mine(2)
    mirror.follow()
    assert len(heard) == 2 and heard[1] == [(block.number, True) for block in mirror.reader.blocks]


def test_a_node_that_begins_anew_without_the_exchange_is_told_in_one_line(world):
    stage = world("clock.blocks=1")
    stage.go(1)
    node = stage.fake.node()
    mirror = Mirror(stage.deployment, node)
    mirror.follow()
    node._transport = FakeNode().transport
    with pytest.raises(UserError, match="missing deployment"):
        mirror.follow()


def test_a_real_node_is_followed_over_a_reorganisation(anvil, tmp_path):
    node = Node.at(anvil())
    owner = account(0)
    chain = LiveChain(node, KeySigner(owner))
    chain.fund_native(owner.address, 10**20)
    deployment = deploy_to(chain, load_scenario("smoke"), "anvil", tmp_path / "anvil.json")
    protocol = deployment.attach(chain)
    mirror = Mirror(deployment, node, tmp_path / "log.jsonl")
    mirror.follow()
    protocol.post(0, 100 * 10**18, chain.timestamp)
    protocol.token.transact(owner.address, "mint", owner.address, 500 * 10**6)
    protocol.token.transact(owner.address, "approve", protocol.clearinghouse.address, MAX_UINT)
    protocol.clearinghouse.transact(owner.address, "deposit", 500 * 10**6)
    protocol.clearinghouse.transact(owner.address, "withdraw", 100 * 10**6)
    mirror.follow()
    mirror.verify()
    assert mirror.indexer.accounts.collateral_wad[1] == 400 * 10**18
    node.ask("anvil_reorg", 1, [])
    mirror.follow()
    mirror.verify()
    assert mirror.rebuilt == 1 and mirror.indexer.accounts.collateral_wad[1] == 500 * 10**18
    assert mirror.indexer.accounts.count == 1
