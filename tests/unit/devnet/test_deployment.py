"""Deployment files: what they hold, and what is noticed when a node no longer holds it."""

import dataclasses
import json

import pytest
from support.fake_node import FakeNode

from perpsim.chain import account
from perpsim.devnet.deployment import Deployment, attached, deploy_to
from perpsim.devnet.live_chain import LiveChain
from perpsim.devnet.node import Node, Refusal, Unreachable
from perpsim.devnet.wallet import KeySigner
from perpsim.errors import UserError
from perpsim.scenarios.loading import load_scenario

SCENARIO = load_scenario("black-thursday-2020")


def deployed_on(fake, path, **options):
    chain = LiveChain(fake.node(), KeySigner(account(0)), sleep=lambda seconds: None)
    return deploy_to(chain, SCENARIO, "test", path, notice=lambda line: None, **options), chain


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    fake, path = FakeNode(), tmp_path_factory.mktemp("deployments") / "test.json"
    deployment, chain = deployed_on(fake, path)
    return fake, path, deployment, chain


def test_a_deployment_is_read_as_it_was_written(world):
    _, path, deployment, _ = world
    assert Deployment.read(path) == deployment
    assert deployment.model == SCENARIO
    assert set(deployment.contracts) == set(deployment.code) == set(deployment.creation)


def test_the_exchange_of_a_file_is_the_one_that_was_deployed(world):
    fake, path, deployment, chain = world
    _, protocol = attached(fake.node(), path)
    assert protocol.addresses() == deployment.contracts
    assert protocol.clearinghouse.view("token") == deployment.contracts["Stablecoin"]
    assert protocol.vault.view("assets") == protocol.params.vault.initial > 0
    assert chain.gas_used > 10_000_000 and deployment.block == 1


def test_nobody_deploys_twice_without_saying_so(world, tmp_path):
    fake, path, deployment, _ = world
    with pytest.raises(UserError, match="deployed already; once more with --force"):
        deployed_on(fake, path)
    other = tmp_path / "other.json"
    other.write_text(path.read_text())
    again, _ = deployed_on(fake, other, force=True)
    assert again.contracts["Clearinghouse"] != deployment.contracts["Clearinghouse"]
    assert Deployment.read(other) == again and again.block > deployment.block


def test_a_node_that_has_forgotten_the_exchange_gets_a_new_one(world, tmp_path):
    _, path, _, _ = world
    stale = tmp_path / "stale.json"
    stale.write_text(path.read_text())
    fresh = FakeNode()
    with pytest.raises(UserError, match=r"missing deployment: no contract at 0x.* \(Stablecoin\)"):
        attached(fresh.node(), stale)
    again, _ = deployed_on(fresh, stale)
    assert attached(fresh.node(), stale)[0] == again


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"chain_id": 5}, "wrong chain: the node is on chain 31337, not 5"),
        ({"code": "Lens"}, "another contract stands at .*, where Lens should be"),
        ({"creation": "Lens"}, "Lens at .* is of another version than these sources"),
    ],
)
def test_what_is_not_the_files_exchange_is_one_clear_line(world, tmp_path, change, words):
    fake, _, deployment, _ = world
    (key, value), path = next(iter(change.items())), tmp_path / "wrong.json"
    wrong = value if key == "chain_id" else {**getattr(deployment, key), value: "0x00"}
    dataclasses.replace(deployment, **{key: wrong}).write(path)
    with pytest.raises(UserError, match=words) as caught:
        attached(fake.node(), path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1}'])
def test_a_file_that_is_none_is_one_clear_line(tmp_path, text):
    path = tmp_path / "none.json"
    path.write_text(text)
    with pytest.raises(UserError, match=f"deployment {path}: ") as caught:
        Deployment.read(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="no such file; deploy first"):
        Deployment.read(tmp_path / "nowhere.json")


def test_a_node_that_is_away_is_asked_again_for_as_long_as_one_is_patient():
    fake, waits = FakeNode(), []

    def sleep(seconds):
        waits.append(seconds)
        fake.down = len(waits) < 3

    fake.down = True
    node = Node("fake", fake.transport, patience=60, sleep=sleep)
    assert node.chain_id() == 31337 and waits == [0.25, 0.5, 1.0]
    fake.down = True
    with pytest.raises(Unreachable, match="node fake does not answer: connection refused"):
        Node("fake", fake.transport).chain_id()


def test_what_a_node_refuses_is_told_in_its_words():
    fake = FakeNode()
    fake.failing["eth_chainId"] = "header not\nfound"
    with pytest.raises(Refusal, match="the node refuses eth_chainId: header not found"):
        LiveChain(fake.node())
    with pytest.raises(Unreachable, match="no JSON-RPC node"):
        Node("page", lambda method, params: json.loads("[]")).chain_id()
