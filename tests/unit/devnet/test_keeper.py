"""The keeper bot on a node in this process, while a market without keepers goes on."""

import json
from itertools import pairwise

import numpy as np
import pytest

from perpsim.agents.desk import GAS_BATCHED
from perpsim.chain import account
from perpsim.devnet.keeper import KeeperBot, live_keeper
from perpsim.devnet.live_chain import LiveChain
from perpsim.devnet.mirror import Mirror
from perpsim.devnet.wallet import KeySigner
from perpsim.simulation.setup import BANK

KEEPER = account(777)


class Stage:
    """A market without keepers, and a bot beside it."""

    def __init__(self, world, tmp_path, *overrides, strategy="greedy", **options):
        self.world = world("agents.keepers=[]", *overrides)
        self.fake = self.world.fake
        self.fake.automine = False
        self.said = []
        self.options = options
        self.strategy = strategy
        self.path = tmp_path
        self.bot = self.start()

    def start(self, strategy=None, **options):
        """A bot that begins, or begins again."""
        node = self.fake.node()
        mirror = Mirror(self.world.deployment, node, self.path / "log.jsonl")
        chain = LiveChain(node, KeySigner(KEEPER), sleep=lambda seconds: self.fake.mine())
        options = {"state": self.path / "bot.json", **self.options, **options}
        config = live_keeper(strategy or self.strategy)
        return KeeperBot(mirror, chain, config, self.said.append, **options)

    def go(self, blocks):
        for _ in range(blocks):
            self.world.go(1)
            self.bot.tick()

    def until(self, event, most=200):
        """Go on until the bot says so."""
        before = len(self.of(event))
        for _ in range(most):
            self.go(1)
            if len(self.of(event)) > before:
                return self.of(event)[before]
        raise AssertionError(f"never {event}: {self.said[-5:]}")

    def of(self, event):
        return [said for said in self.said if said["event"] == event]


@pytest.fixture
def stage(world, tmp_path):
    def make(*overrides, **options):
        return Stage(world, tmp_path, *overrides, **options)

    return make


def test_a_bot_finds_and_liquidates_whoever_is_under_water(stage):
    s = stage()
    s.go(190)
    rows = s.world.market.ledger.liquidations
    mined = [tuple(one) for said in s.of("mined") for one in said["closed"]]
    made = [(row["account"], row["market"], row["closed"]) for row in rows if row["closed"]]
    assert sorted(made) == sorted(mined) and len(made) > 5
    assert not s.of("refused") and not s.of("dropped") and not s.of("overtaken")
    s.bot.mirror.verify()
    assert all(json.dumps(said) for said in s.said)


@pytest.mark.parametrize("strategy", ["racer", "alternate", "profit", "batch"])
def test_every_strategy_of_the_simulator_runs_live(stage, strategy):
    s = stage(strategy=strategy)
    assert s.until("mined")["closed"]


def test_a_bot_sees_what_keepers_of_the_simulation_see(stage):
    s = stage()
    s.until("sent")
    s.world.go(1)
    s.bot.mirror.follow()
    market = s.world.market
    (live,) = s.bot._views(market.protocol.chain.block_number)
    (simulated,) = market._views(market.next_block, live.time)
    assert simulated.underwater.size and simulated.depth != (0.0, 0.0)
    for name in ("index", "mark", "index_time", "bid", "ask", "depth", "coverage", "open_list", "time"):
        assert getattr(live, name) == getattr(simulated, name), name
    for name in ("equity", "maintenance", "size", "underwater"):
        assert np.array_equal(getattr(live, name), getattr(simulated, name)), name


def test_what_is_stuck_is_replaced_by_a_higher_bid_until_a_block_takes_it(stage):
    s = stage()
    s.fake.holding = True
    sent = s.until("sent")
    raised = [s.until("replaced") for _ in range(3)]
    same = [said for said in raised if said["nonce"] == sent["nonce"]] or raised
    fees = [sent["max_fee"], *(said["max_fee"] for said in same)]
    assert all(10 * high >= 11 * low for low, high in pairwise(fees))
    s.fake.release()
    assert s.until("mined", 2)["nonce"] == sent["nonce"]
    assert "refused" not in {said["event"] for said in s.said}


def save_everybody(s):
    """Somebody pays in for all accounts that are under water."""
    protocol, market = s.world.protocol, s.world.market
    bank = protocol.chain.account(BANK).address
    for number in market.health.underwater.tolist():
        owner = market.indexer.accounts.owners[number]
        protocol.clearinghouse.transact(bank, "deposit", 10**12, owner)


def test_what_waits_for_nothing_any_more_is_taken_back_by_an_empty_transfer_at_a_higher_bid(stage):
    s = stage()
    s.fake.holding = True
    s.until("sent")
    sent, before = s.of("sent"), s.fake.chain.nonce(KEEPER.address)
    save_everybody(s)
    s.go(2)
    for said in sent:
        bids = [said, *(one for one in s.of("cancelling") if one["nonce"] == said["nonce"])]
        assert len(bids) > 1 and {one["hash"] for one in bids} <= set(s.bot.memory.hashes[said["nonce"]])
        for low, high in pairwise(bids):
            assert 10 * high["max_fee"] >= 11 * low["max_fee"] and 10 * high["tip"] >= 11 * low["tip"]
    s.fake.release()
    s.go(1)
    assert [said["nonce"] for said in s.of("cancelled")] == [said["nonce"] for said in sent]
    assert all(said["gas"] == 21_000 for said in s.of("cancelled"))
    assert not s.of("mined") and not s.of("failed")
    assert s.fake.chain.nonce(KEEPER.address) == before + len(sent)


def test_who_comes_under_water_next_is_called_in_the_place_of_an_empty_transfer(stage):
    s = stage()
    s.fake.holding = True
    s.until("sent")
    save_everybody(s)
    s.go(1)
    bids = {said["nonce"]: said["max_fee"] for said in s.of("cancelling")}
    again = s.until("replaced")
    assert 10 * again["max_fee"] >= 11 * bids[again["nonce"]]
    s.fake.release()
    assert s.until("mined", 2)["nonce"] == again["nonce"]
    assert again["nonce"] not in {said["nonce"] for said in s.of("cancelled")}


def test_a_bot_that_starts_again_neither_misses_nor_doubles_anything(stage):
    s = stage()
    s.fake.holding = True
    s.until("sent")
    waiting = {call[0] for said in s.of("sent") for call in said["calls"]}
    s.said.clear()
    s.bot = s.start()
    s.go(1)
    assert not {call[0] for said in s.of("sent") for call in said["calls"]} & waiting
    s.fake.release()
    s.go(60)
    done = [(one[0], said["block"]) for said in s.of("mined") for one in said["closed"]]
    assert waiting <= {account for account, _ in done} and len(done) == len(set(done))
    s.bot.mirror.verify()


def test_a_block_that_comes_while_it_looks_leaves_no_number_to_use_twice(stage):
    s = stage()
    s.fake.holding = True
    sent = s.until("sent")
    receipt = s.fake._eth_getTransactionReceipt

    def after_a_block(found):
        s.fake._eth_getTransactionReceipt = receipt
        s.fake.release()
        s.fake.mine()
        return receipt(found)

    s.fake._eth_getTransactionReceipt = after_a_block
    s.bot._outbox.look_after(s.fake.chain.block_number)
    assert s.of("mined")[0]["nonce"] == sent["nonce"]
    assert s.bot.keeper.nonce == s.fake.chain.nonce(KEEPER.address) > sent["nonce"]


def test_what_a_node_loses_when_it_is_started_again_is_sent_again(stage):
    s = stage()
    s.fake.holding = True
    first = s.until("sent")
    s.fake.begin_anew()
    s.fake.holding = False
    s.go(4)
    closed = [one[0] for said in s.of("mined") for one in said["closed"]]
    assert first["calls"][0][0] in closed


def test_a_liquidation_that_the_chain_takes_back_is_made_again(stage):
    s = stage()
    account_, _, _ = s.until("sent")["calls"][0]
    # blocks of the node alone: the market stands still
    s.fake.mine()
    s.fake.mine()
    s.bot.tick()
    assert account_ in [one[0] for said in s.of("mined") for one in said["closed"]]
    s.fake.forget(1)
    s.fake.mine(2)
    s.bot.tick()
    assert s.of("reorganisation")
    s.bot.mirror.verify()


def test_a_dry_run_sends_nothing(stage):
    s = stage(dry_run=True)
    said = s.until("would-send")
    s.go(5)
    assert said["reward"] > 0 and said["gas"] > 0
    assert "eth_sendRawTransaction" not in s.fake.asked
    assert not s.world.market.ledger.liquidations and not (s.path / "bot.json").exists()


def test_what_gas_would_eat_is_left_alone(stage):
    s = stage(coin_price=10**9)
    s.fake.base_fee = 10**12
    s.go(190)
    assert not s.world.market.ledger.liquidations and "eth_sendRawTransaction" not in s.fake.asked


def test_a_bot_waits_for_a_node_that_is_away_longer_and_longer(stage):
    s = stage()
    s.go(20)
    s.fake.down = True
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        s.fake.down = len(waits) < 9

    s.bot.run(lambda: len(waits) >= 10, pause=0.5, sleep=sleep)
    assert waits[:9] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert len(s.of("node-away")) == 9 and len(s.of("node-back")) == 1


def test_a_higher_bid_of_its_own_that_it_has_forgotten_is_overbid(stage):
    s = stage(state=None)
    s.fake.holding = True
    first = s.until("sent")
    s.said.clear()
    s.bot = s.start()
    again = s.until("sent")
    assert again["nonce"] == first["nonce"] and 10 * again["max_fee"] >= 11 * first["max_fee"]


def test_a_call_that_fails_is_said_with_the_contracts_words(stage):
    s = stage()
    sent = s.until("sent")
    save_everybody(s)
    s.go(1)
    said = next(one for one in s.of("failed") if one["nonce"] == sent["nonce"])
    assert said["why"] == "liquidate: healthy" and said["calls"] == sent["calls"]


@pytest.mark.parametrize("strategy", ["greedy", "batch"])
def test_a_call_has_gas_for_a_book_that_fills_after_it_was_estimated(stage, strategy):
    s = stage(strategy=strategy)
    s.fake.estimate = 120_000
    sent = s.until("sent")
    (tx, *_) = s.fake.chain.queued
    assert tx.gas_limit == GAS_BATCHED * len(sent["calls"])


def test_a_refusal_of_the_node_is_said_and_tried_again(stage):
    s = stage()
    s.fake.failing["eth_sendRawTransaction"] = "insufficient funds for gas"
    assert s.until("refused")["words"] == "insufficient funds for gas"
    s.fake.failing.clear()
    assert s.until("mined", 20)["gas"] > 50_000
