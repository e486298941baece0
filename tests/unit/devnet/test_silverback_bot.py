"""The keeper as a silverback bot: its file with a stand-in for silverback, the node in this process, so that
it is tested where the extra `bots` is not installed."""

import json
import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from ape import accounts, networks

from perpsim.devnet import ape_network
from perpsim.errors import UserError

FILE = Path(__file__).parents[3] / "bots" / "keeper.py"


class SilverbackBot:
    """What the bot uses of silverback's: it notes who is to be called, and when."""

    def __init__(self):
        self.provider, self.signer = networks.provider, self.holder
        self.handlers = {}

    def on_startup(self):
        return lambda handler: self.handlers.setdefault("startup", handler)

    def on_(self, container):
        return lambda handler: self.handlers.setdefault(type(container).__name__, handler)


@pytest.fixture
def started(world, tmp_path, monkeypatch):
    """`started(signer)`: a market without keepers, and the bot's handlers once it has begun."""

    def start(signer):
        stage = world("agents.keepers=[]")
        stage.fake.automine = False
        stage.deployment.write(tmp_path / "deployment.json")
        silverback = ModuleType("silverback")
        silverback.StateSnapshot = object
        silverback.SilverbackBot = type("SilverbackBot", (SilverbackBot,), {"holder": signer})
        monkeypatch.setitem(sys.modules, "silverback", silverback)
        monkeypatch.setattr(ape_network, "node_of", lambda provider: stage.fake.node())
        monkeypatch.setenv("PERPSIM_DEPLOYMENT", str(tmp_path / "deployment.json"))
        monkeypatch.setenv("PERPSIM_STRATEGY", "greedy")
        found = runpy.run_path(str(FILE))
        found["bot"].handlers["startup"](None)
        return stage, found["bot"].handlers["BlockContainer"]

    return start


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


def test_it_liquidates_as_the_other_bot_does(started, capsys):
    stage, look = started(accounts.test_accounts[1])
    for _ in range(190):
        stage.go(1)
        figures = look(None)
    rows = stage.market.ledger.liquidations
    made = [(row["account"], row["market"], row["closed"]) for row in rows if row["closed"]]
    said = [tuple(one) for line in lines(capsys) if line["event"] == "mined" for one in line["closed"]]
    assert sorted(said) == sorted(made) and len(made) > 5
    assert figures["sent"] >= len(made)


def test_without_an_account_it_only_says_what_it_would_do(started, capsys):
    stage, look = started(None)
    while not any(line["event"] == "would-send" for line in lines(capsys)):
        stage.go(1)
        figures = look(None)
    assert figures["sent"] > 0 and "eth_sendRawTransaction" not in stage.fake.asked


def test_a_node_that_is_away_costs_a_look(started, capsys):
    stage, look = started(accounts.test_accounts[1])
    stage.go(1)
    stage.fake.down = True
    look(None)
    assert lines(capsys)[-1]["event"] == "node-away"
    stage.fake.down = False
    assert look(None) == {"sent": 0, "waiting": 0}


def test_a_setting_that_is_no_number_is_one_clear_line(started, monkeypatch):
    monkeypatch.setenv("PERPSIM_MIN_PROFIT", "much")
    with pytest.raises(UserError, match="PERPSIM_MIN_PROFIT=much: expected a number"):
        started(None)


def test_it_is_less_than_a_hundred_lines():
    assert len(FILE.read_text(encoding="utf-8").splitlines()) < 100


def test_the_file_of_the_chain_is_read_where_the_network_has_none(tmp_path, monkeypatch):
    """`ape run devnet` writes it under the chain's number, whatever network a bot connects through."""
    monkeypatch.chdir(tmp_path)
    network = SimpleNamespace(name="local", ecosystem=SimpleNamespace(name="ethereum"))
    provider = SimpleNamespace(name="foundry", network=network, chain_id=31337)
    own, of_chain = (
        Path("deployments") / f"{name}.json" for name in ("ethereum-local-foundry", "ethereum-31337")
    )
    of_chain.parent.mkdir()
    assert ape_network.existing_file_of(provider, None) == own
    of_chain.touch()
    assert ape_network.existing_file_of(provider, None) == of_chain
    assert ape_network.existing_file_of(provider, Path("mine.json")) == Path("mine.json")
    own.touch()
    assert ape_network.existing_file_of(provider, None) == own == ape_network.file_of(provider, None)
