"""A scenario's market in real time: the loop without a node, the whole of it on an anvil."""

from types import SimpleNamespace

import pytest

from perpsim.chain import EngineError, account
from perpsim.deleveraging.audit import audit
from perpsim.deleveraging.replay import read_log
from perpsim.devnet.by_hand import Customer
from perpsim.devnet.deployment import Deployment
from perpsim.devnet.keeper import KeeperBot, live_keeper
from perpsim.devnet.live_chain import LiveChain
from perpsim.devnet.market import open_market, playable, run_market
from perpsim.devnet.mirror import Mirror
from perpsim.devnet.node import Node
from perpsim.devnet.wallet import KeySigner
from perpsim.errors import UserError
from perpsim.scenarios.loading import load_scenario
from perpsim.simulation.command import build
from perpsim.simulation.market_state import WAD


class Loop:
    """A market of ten blocks that does nothing, on a node that goes away in `away`."""

    def __init__(self, away=()):
        self.scenario = SimpleNamespace(clock=SimpleNamespace(blocks=10, seconds_per_block=12))
        self.protocol = SimpleNamespace(chain=SimpleNamespace(close=lambda: None))
        self.next_block = 0
        self.away = list(away)
        self.opened = 0

    def open(self):
        self.opened += 1
        return self

    def step(self):
        if self.away and self.away[0] == self.next_block:
            self.away.pop(0)
            raise EngineError("node away")
        self.next_block += 1

    def status(self):
        return f"block {self.next_block - 1}"


def test_blocks_come_as_fast_as_the_clock_says_until_the_scenario_is_over():
    loop, waits, said = Loop(), [], []
    run_market(loop.open, 6.0, lambda: False, said.append, waits.append)
    assert said == [f"block {number}" for number in range(10)]
    assert len(waits) == 10 and all(1.5 < wait <= 2.0 for wait in waits)


def test_the_market_stops_between_two_blocks():
    loop = Loop()
    run_market(loop.open, 1e9, lambda: loop.next_block == 4, lambda line: None, lambda seconds: None)
    assert loop.next_block == 4


def test_a_node_that_goes_away_is_waited_for_and_the_market_is_opened_again():
    loop, waits, said = Loop(away=[3, 3, 7]), [], []
    run_market(loop.open, 1e9, lambda: False, said.append, waits.append)
    assert [wait for wait in waits if wait >= 1] == [1.0, 1.0, 1.0]
    assert loop.opened == 4 and said.count("node away; again in 1 s") == 3
    assert loop.next_block == 10


def test_the_keepers_of_a_scenario_may_stay_away():
    scenario = load_scenario("keeper-outage-2020")
    assert scenario.agents.keepers and playable(scenario) == scenario
    alone = playable(scenario, keepers=False)
    assert alone.agents.keepers == [] and alone.agents.makers == scenario.agents.makers


def bot_on(url, deployment, number, strategy, folder, said):
    node = Node.at(url)
    chain = LiveChain(node, KeySigner(account(number)))
    node.ask("anvil_setBalance", account(number).address, hex(10**20))
    mirror = Mirror(deployment, node, folder / f"{number}.log.jsonl")
    state = folder / f"{number}.json"
    return KeeperBot(mirror, chain, live_keeper(strategy), said.append, state=state)


def test_a_crash_on_a_real_node_with_two_keepers_and_an_outage(anvil, tmp_path):
    """Deployment, market, two bots, the node gone in the middle, a shortfall, a deleveraging; then the log
    gives the contracts' state."""
    market_ = ["markets.0.adl=pro-rata", "markets.0.liquidation.adl_list_from=1"]
    scenario = load_scenario("smoke", ["agents.keepers=[]", "fund.initial=500", *market_])
    state = tmp_path / "anvil.json"
    options = ("--no-mining", "--state", str(state))
    url = anvil(*options, "--timestamp", str(scenario.start - 3601))
    port, path, lines = int(url.rpartition(":")[2]), tmp_path / "devnet.json", []
    market = open_market(url, scenario, path, say=lines.append)
    said = []
    bots = [
        bot_on(url, Deployment.read(path), number, strategy, tmp_path, said)
        for number, strategy in ((901, "greedy"), (902, "racer"))
    ]

    def go(blocks):
        for _ in range(blocks):
            market.step()
            for bot in bots:
                bot.tick()

    go(100)
    anvil.stop()
    with pytest.raises(EngineError, match="does not answer"):
        market.step()
    with pytest.raises(EngineError, match="does not answer"):
        bots[0].tick()
    assert anvil(*options, port=port) == url
    market = open_market(url, scenario, path, say=lines.append)
    assert lines[-1] == "going on with block 100 of smoke"
    go(99)
    closed = {said_["closed"][0][0] for said_ in said if said_["event"] == "mined" and said_["closed"]}
    ledger = market.ledger
    keepers = {row["keeper"] for row in ledger.liquidations}
    assert len(closed) > 5 and len(keepers - {0}) == 2
    assert ledger.covered > 0 and ledger.adl
    market.invariants.check(market.next_block, market.protocol.chain.timestamp, everyone=True)
    for bot in bots:
        bot.mirror.follow()
        bot.mirror.verify()
        assert len(bot.mirror.ledger.liquidations) == len(ledger.liquidations)
    with pytest.raises(UserError, match="runs scenario smoke; --force begins black-thursday-2020 instead"):
        open_market(url, load_scenario("black-thursday-2020"), path)


def test_a_bot_deleverages_by_list_and_the_log_recomputes_every_receipt(anvil, tmp_path):
    scenario = load_scenario("smoke", ["agents.keepers=[]", "fund.initial=500", "markets.0.adl=queue-bitmex"])
    assert scenario.markets[0].liquidation.adl_list_from == 0
    url = anvil("--no-mining", "--timestamp", str(scenario.start - 3601))
    path, said = tmp_path / "devnet.json", []
    market = open_market(url, scenario, path, say=lambda line: None)
    deployment = Deployment.read(path)
    bot = bot_on(url, deployment, 901, "greedy", tmp_path, said)
    for _ in range(160):
        market.step()
        bot.tick()
    rebuilt = Mirror(deployment, Node.at(url))
    rebuilt.follow()
    rebuilt.verify()
    ledger = rebuilt.ledger
    listed = [row for row in ledger.adl_rows if row["taken"] > 0]
    assert len(listed) >= 3 and {row["policy"] for row in ledger.adl} == {"queue-bitmex"}
    rebuilt.log.frame().write_parquet(tmp_path / "events.parquet")
    names = {policy.address: name for name, policy in rebuilt.protocol.policies.items()}
    receipts = list(audit(read_log(tmp_path), scenario.markets, scenario.collateral.decimals, names))
    assert len(receipts) == len(ledger.adl) and all(receipt.listed for receipt in receipts)
    assert [receipt.problems for receipt in receipts] == [()] * len(receipts)
    borne = {row["counterparty"] for row in listed}
    assert borne == set().union(*(receipt.bearers for receipt in receipts))


def test_what_a_person_sends_is_in_the_markets_next_block(anvil, tmp_path):
    scenario = load_scenario("smoke", ["agents.keepers=[]"])
    url = anvil("--no-mining", "--timestamp", str(scenario.start - 3601))
    path = tmp_path / "devnet.json"
    market = open_market(url, scenario, path, say=lambda line: None)
    for _ in range(3):
        market.step()
    chain = LiveChain(
        Node.at(url), KeySigner(account(905)), sleep=lambda seconds: market.step() if seconds < 0.1 else None
    )
    chain.node.ask("anvil_setBalance", account(905).address, hex(10**20))
    person = Customer(Deployment.read(path), chain)
    number = person.deposit("5000")
    assert market.indexer.account_of(account(905).address) == number
    _, ask = market.indexer.orders[0].top()
    person.place(True, "0.1", str(round(ask * 1.02)), kind="ioc")
    assert market.indexer.accounts.size_wad[0][number] == WAD // 10
    market.invariants.check(0, market.protocol.chain.timestamp, everyone=True)


def test_the_same_scenario_ends_in_the_same_positions_on_revm(anvil, tmp_path):
    # room for all: a node is given transactions by their limits, revm by what they use
    scenario = load_scenario("smoke", ["clock.gas_limit=1000000000"])
    url = anvil("--no-mining", "--timestamp", str(scenario.start - 3601))
    live = open_market(url, scenario, tmp_path / "devnet.json", say=lambda line: None)
    simulated = build(playable(scenario))
    for _ in range(120):
        live.step()
        simulated.step()
    there, here = live.indexer.accounts, simulated.indexer.accounts
    assert there.owners == here.owners and there.size_wad == here.size_wad
    assert there.collateral_wad == here.collateral_wad
    assert len(live.ledger.liquidations) == len(simulated.ledger.liquidations) > 5
