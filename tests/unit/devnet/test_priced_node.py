"""The `[network]` section of a scenario on a real node: gas costs, other people want it, purses empty."""

import pytest

from perpsim.agents.keeper_bids import GWEI
from perpsim.chain import COIN, FeeMarket, Tx, account
from perpsim.devnet.deployment import Deployment
from perpsim.devnet.keeper import KeeperBot, live_keeper
from perpsim.devnet.live_chain import LiveChain
from perpsim.devnet.market import open_market
from perpsim.devnet.mirror import Mirror
from perpsim.devnet.node import Node
from perpsim.devnet.priced_node import BURNER, PricedNodeChain
from perpsim.devnet.wallet import KeySigner
from perpsim.scenarios import EscalatingBid
from perpsim.scenarios.loading import load_scenario
from perpsim.simulation.setup import BANK

NETWORK = (
    "clock.gas_limit=10000000",
    "network.base_fee=10",
    "network.floor=2",
    "network.purse=20",
    "network.bids={oracle={tip=30}}",
    'network.congestion={kind="steady", level=20, demand=1.2}',
)
KEEPER = account(911)


@pytest.fixture
def opened(anvil, tmp_path):
    """`opened(*overrides)`: a market with a network on a node that is its own, and the node."""
    urls = []

    def open_it(*overrides, say=lambda line: None):
        scenario = load_scenario("smoke", [*NETWORK, *overrides])
        urls[:] = urls or [anvil("--no-mining", "--timestamp", str(scenario.start - 3601))]
        return open_market(urls[0], scenario, tmp_path / "devnet.json", say=say), Node.at(urls[0])

    return open_it


def blocks_of(node, first):
    return [
        node.ask("eth_getBlockByNumber", hex(number), True)
        for number in range(first, node.number("eth_blockNumber") + 1)
    ]


def go(market, count):
    for _ in range(count):
        market.step()


def test_the_node_prices_gas_and_fills_its_blocks_with_everybodys_transactions(opened):
    market, node = opened()
    first = node.number("eth_blockNumber") + 1
    go(market, 70)
    blocks, rule = blocks_of(node, first), FeeMarket(floor=2 * GWEI)
    limit, expected = market.scenario.clock.gas_limit, 10 * GWEI
    for block, outside in zip(blocks, market.metrics.column("outside_gas"), strict=True):
        used = int(block["gasUsed"], 16)
        assert int(block["baseFeePerGas"], 16) == expected and used <= limit
        burned = sum(int(tx["gas"], 16) for tx in block["transactions"] if tx["to"] == BURNER)
        assert burned == outside
        expected = rule.next_base_fee(expected, used, limit)
    assert sum(market.metrics.column("outside_gas")) > 70 * limit / 4
    assert max(market.metrics.column("base_fee")) > 15 * GWEI
    assert node.ask("txpool_status") == {"pending": "0x0", "queued": "0x0"}
    assert market.ledger.liquidations
    market.invariants.check(market.next_block, market.protocol.chain.timestamp, everyone=True)


def test_everybody_pays_from_his_purse_also_when_the_market_goes_on(opened):
    market, _ = opened()
    go(market, 60)
    chain, paid = market.protocol.chain, market.protocol.chain.fees.paid
    assert {market.cast.oracle.address, market.keepers[0].address} <= set(paid)
    for sender in market.cast.senders:
        assert chain.balance(sender) == 20 * COIN - paid.get(sender, 0)
    held = {sender: chain.balance(sender) for sender in market.cast.senders}
    fee = chain.base_fee
    market.protocol.chain.close()
    market, _ = opened()
    go(market, 20)
    chain, paid = market.protocol.chain, market.protocol.chain.fees.paid
    assert abs(market.metrics.column("base_fee")[0] - fee) <= fee // 8
    assert {keeper.nonce for keeper in market.keepers} == {
        chain.nonce(keeper.address) for keeper in market.keepers
    }
    for sender in market.cast.senders:
        assert chain.balance(sender) == held[sender] - paid.get(sender, 0)


def test_who_cannot_pay_is_refused_and_holds_nobody_up(opened):
    market, node = opened("network.purse=0.0001")
    go(market, 5)
    assert market.protocol.chain.fees.paid == {} or max(market.protocol.chain.fees.paid.values()) <= 10**14
    assert market.indexer.states[0].mark == 0
    assert node.ask("txpool_status") == {"pending": "0x0", "queued": "0x0"}


def outbid(market, node, tmp_path, said, config=None):
    """A bot that has sent something when the base fee becomes three times as high."""
    node.ask("anvil_setBalance", KEEPER.address, hex(10 * COIN))
    deployment = Deployment.read(tmp_path / "devnet.json")
    chain = LiveChain(node, KeySigner(KEEPER))
    bot = KeeperBot(Mirror(deployment, node), chain, config or live_keeper("greedy"), said.append)
    while not any(one["event"] == "sent" for one in said):
        market.step()
        bot.tick()
    market.protocol.chain.base_fee *= 3
    return bot


def test_a_bot_that_bids_too_little_waits_and_raises_until_the_node_takes_it(opened, tmp_path):
    market, node = opened("agents.keepers=[]")
    said = []
    bot = outbid(market, node, tmp_path, said)
    while not any(one["event"] == "mined" for one in said):
        market.step()
        bot.tick()
    (sent, *_), mined = said, next(one for one in said if one["event"] == "mined")
    raised = next(one for one in said if one["event"] == "replaced" and one["nonce"] == mined["nonce"])
    assert raised["max_fee"] > 2 * sent["max_fee"] and mined["fee_wei"] > mined["gas"] * sent["max_fee"]
    assert all(one["event"] not in ("refused", "dropped") for one in said)
    bot.mirror.verify()


def test_what_waits_for_nothing_any_more_is_taken_back_on_a_real_node(opened, tmp_path):
    market, node = opened("agents.keepers=[]")
    said = []
    bot = outbid(market, node, tmp_path, said)
    house, chain = market.protocol.clearinghouse, market.protocol.chain
    for number in market.health.underwater.tolist():
        data = house.encode("deposit", 10**12, market.indexer.accounts.owners[number])
        chain.submit(Tx(chain.account(BANK).address, house.address, data, 400_000, tip=GWEI))
    while not any(one["event"] == "cancelled" for one in said):
        market.step()
        bot.tick()
    cancelled = next(one for one in said if one["event"] == "cancelled")
    assert cancelled["gas"] == 21_000 and cancelled["nonce"] == 0
    assert "failed" not in {one["event"] for one in said}


def test_a_bid_below_the_base_fee_which_anvil_does_not_take_is_raised_at_once(opened, tmp_path):
    market, node = opened("agents.keepers=[]")
    said = []
    fee = EscalatingBid(kind="escalating", multiple=0.9)
    bot = outbid(market, node, tmp_path, said, live_keeper("greedy").model_copy(update={"fee": fee}))
    while not any(one["event"] == "mined" for one in said):
        market.step()
        bot.tick()
    assert all(one["event"] != "refused" for one in said)


def test_a_node_that_is_no_anvil_gets_the_market_with_free_gas_and_one_clear_line(opened, monkeypatch):
    monkeypatch.setattr(PricedNodeChain, "_find_prefix", lambda chain: "hardhat")
    lines = []
    market, _ = opened(say=lines.append)
    go(market, 40)
    assert "only anvil prices gas" in lines[0] and market.scenario.network is None
    assert market.indexer.accounts.count > 20 and set(market.metrics.column("base_fee")) == {0}
