"""The page of an exchange on a node: what is new, what is void, and a node that goes away."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support.devnet_world import World, make_world
from support.fake_node import FakeNode
from support.page_server import running

from perpsim.cli import main
from perpsim.protocol import MAX_UINT
from perpsim.serve import live
from perpsim.serve.live import LiveExchange

Frame = dict[str, Any]


@pytest.fixture
def stage() -> World:
    """The smoke scenario with a fund so small that traders are deleveraged."""
    return make_world("seed=17", "fund.initial=2000")


@pytest.fixture
def exchange(stage: World, tmp_path: Path) -> LiveExchange:
    """The page's view of it."""
    stage.deployment.write(tmp_path / "deployment.json")
    return LiveExchange(stage.fake.node(), tmp_path / "deployment.json")


def shown(exchange: LiveExchange) -> Frame:
    """What the page shows after a look at the node."""
    exchange.look()
    return exchange.frame(exchange.last)


def with_logs(stage: World) -> list[int]:
    """Blocks in which something happened."""
    blocks = stage.fake.chain.blocks.items()
    return [number for number, (_, receipts) in blocks if any(receipt.logs for receipt in receipts)]


def pay(stage: World, amount: int) -> None:
    """Somebody gives to the fund, in a block of its own."""
    protocol, owner = stage.protocol, stage.protocol.owner
    protocol.token.transact(owner, "mint", owner, amount)
    protocol.vault.transact(owner, "fund", amount)
    stage.fake.mine()


def test_what_is_shown_is_what_the_market_measured(
    stage: World, exchange: LiveExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_COMPARE", 0.0)
    signs: set[str] = set()
    for _ in range(5):
        stage.go(40)
        frame = shown(exchange)
        signs |= {sign["name"] for sign in frame["signs"] if sign["since"] is not None}
        measured = stage.market.metrics.frame().row(-1, named=True)
        ledger = stage.market.ledger
        market = frame["markets"][0]
        assert frame["block"] == stage.fake.chain.block_number
        assert frame["time"] == measured["time"]
        assert (market["mark"], market["index"]) == (measured["mark_0"], measured["index_0"])
        assert market["open_interest"] == measured["open_interest_0"]
        assert market["bid_depth"] == pytest.approx(measured["bid_depth_0"])
        assert frame["fund"]["balance"] == pytest.approx(measured["fund"])
        assert frame["liquidations"]["count"] == sum(row["closed"] > 0 for row in ledger.liquidations)
        assert frame["adl"]["count"] == len(ledger.adl)
        assert sum(row["reward"] for row in frame["keepers"]) == pytest.approx(
            sum(row["reward"] for row in ledger.liquidations)
        )
        assert [check["rule"] for check in frame["checks"] if not check["holds"]] == []
        assert frame["checks"][-1]["rule"] == "Contracts and log agree to the last wei"
        json.dumps([frame, exchange.series(), exchange.about()], allow_nan=False)
    assert frame["adl"]["count"] > 0
    assert {"fund", "stress"} <= signs


def test_lines_have_a_point_for_each_block_in_which_something_happened(
    stage: World, exchange: LiveExchange, tmp_path: Path
) -> None:
    stage.go(30)
    exchange.look()
    stage.go(30)
    exchange.look()
    measured = dict(zip(stage.market.metrics.column("time"), stage.market.metrics.column("mark_0")))
    times = {stage.fake.chain.blocks[number][0] for number in with_logs(stage)} & set(measured)
    for one in (exchange, LiveExchange(stage.fake.node(), tmp_path / "deployment.json")):
        line = one.series()["markets"][0]["mark"]
        assert line["t"] == sorted(set(line["t"])) and times <= set(line["t"])
        assert line["y"] == pytest.approx([measured[time] for time in line["t"]], rel=1e-5)


def test_a_node_that_goes_away_is_said_and_found_again(stage: World, exchange: LiveExchange) -> None:
    stage.go(5)
    before = shown(exchange)
    assert before["node"] == {"answers": True, "words": ""}
    version = exchange.version
    stage.fake.down = True
    away = shown(exchange)
    assert away["node"] == {"answers": False, "words": "node fake does not answer: connection refused"}
    assert {**away, "node": 0} == {**before, "node": 0} and exchange.version == version + 1
    exchange.look()
    assert exchange.version == version + 1
    stage.go(5)
    stage.fake.down = False
    back = shown(exchange)
    assert back["node"]["answers"] and back["block"] == before["block"] + 5


def test_a_quiet_node_makes_nothing_new(stage: World, exchange: LiveExchange) -> None:
    stage.go(2)
    exchange.look()
    version = exchange.version
    for _ in range(3):
        exchange.look()
    assert exchange.version == version


def test_blocks_that_the_chain_takes_back_are_shown_no_more(stage: World, exchange: LiveExchange) -> None:
    protocol = stage.protocol
    stage.go(5)
    protocol.token.transact(protocol.owner, "approve", protocol.vault.address, MAX_UINT)
    stage.fake.mine()
    fund = shown(exchange)["fund"]["balance"]
    pay(stage, 30 * 10**6)
    pay(stage, 40 * 10**6)
    assert shown(exchange)["fund"]["balance"] == fund + 70
    length = len(exchange.series()["fund"]["t"])
    stage.fake.forget(2)
    pay(stage, 5 * 10**6)
    after = shown(exchange)
    assert after["fund"]["balance"] == fund + 5 and after["node"]["answers"]
    assert len(exchange.series()["fund"]["t"]) == length - 1


def test_an_exchange_that_is_gone_is_said_and_found_again(stage: World, exchange: LiveExchange) -> None:
    stage.go(3)
    before = shown(exchange)
    exchange._node._transport = FakeNode().transport
    gone = shown(exchange)
    assert not gone["node"]["answers"] and "missing deployment" in gone["node"]["words"]
    assert gone["block"] == before["block"]
    exchange._node._transport = stage.fake.transport
    stage.go(3)
    back = shown(exchange)
    assert back["node"]["answers"] and back["block"] == before["block"] + 3
    assert back["checks"] and all(check["holds"] for check in back["checks"])


def test_a_node_that_talks_nonsense_is_said_and_read_anew(stage: World, exchange: LiveExchange) -> None:
    stage.go(3)
    exchange.look()
    exchange._node._transport = lambda method, params: {"result": {"number": "0xzz"}}
    assert "makes no sense" in shown(exchange)["node"]["words"]
    exchange._node._transport = stage.fake.transport
    stage.go(3)
    back = shown(exchange)
    assert back["node"]["answers"] and back["block"] == stage.fake.chain.block_number


def test_the_table_of_the_fund_has_every_flow(stage: World, exchange: LiveExchange) -> None:
    stage.go(120)
    exchange.look()
    with running(exchange) as server:
        text = server.ask("/fund.csv").read().decode()
    rows = list(csv.DictReader(text.splitlines()))
    ledger = stage.market.ledger
    assert [row["change"] for row in rows] == [f"{int(row['amount']) / 1e6:.6f}" for row in ledger.fund_rows]
    assert float(rows[-1]["balance"]) == ledger.fund / 1e6


def test_new_blocks_are_pushed_to_the_page(stage: World, exchange: LiveExchange) -> None:
    stage.go(2)
    exchange.look()
    with running(exchange) as server:
        stream = server.ask("/api/live")
        assert stream.headers["content-type"].startswith("text/event-stream")

        def pushed() -> Frame:
            assert stream.readline() == b"event: frame\n"
            data = stream.readline().removeprefix(b"data: ")
            assert stream.readline() == b"\n"
            found: Frame = json.loads(data)
            return found

        assert pushed()["block"] == stage.fake.chain.block_number
        for _ in range(3):
            stage.go(1)
            exchange.look()
            assert pushed()["block"] == stage.fake.chain.block_number
        assert server.json("/api/frame")["block"] == stage.fake.chain.block_number
        stream.close()


# the command


def refused(*arguments: str) -> str:
    """The one line of a command that the user got wrong."""
    result = CliRunner().invoke(main, ["serve", *arguments])
    assert result.exit_code == 2 and result.output.count("\n") == 1, result.output
    return result.output.strip()


def test_what_is_to_be_shown_has_to_be_said_once(tmp_path: Path) -> None:
    assert "what is to be shown?" in refused()
    assert "what is to be shown?" in refused("--rpc", "http://127.0.0.1:1")
    assert "not both" in refused(str(tmp_path), "--rpc", "http://127.0.0.1:1")
    assert "not both" in refused(str(tmp_path), "--deployment", str(tmp_path / "x.json"))


@pytest.mark.parametrize("url", ["127.0.0.1:8545", "ftp://127.0.0.1", "file:///etc/passwd", ""])
def test_a_url_that_is_none_is_one_clear_line(url: str, tmp_path: Path) -> None:
    assert "expected an http or https URL" in refused("--rpc", url, "--deployment", str(tmp_path / "x.json"))


def test_a_deployment_that_is_none_is_one_clear_line(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    assert "no such file; deploy first" in refused("--rpc", "http://127.0.0.1:1", "--deployment", str(file))
    file.write_text("{}")
    assert "not written by this version" in refused("--rpc", "http://127.0.0.1:1", "--deployment", str(file))


def test_a_node_that_is_none_is_one_clear_line(stage: World, tmp_path: Path) -> None:
    file = tmp_path / "deployment.json"
    stage.deployment.write(file)
    line = refused("--rpc", "http://127.0.0.1:1", "--deployment", str(file))
    assert line.endswith("connection refused; is it running?")


def test_another_chain_is_one_clear_line(stage: World, tmp_path: Path) -> None:
    file = tmp_path / "deployment.json"
    replace(stage.deployment, chain_id=5).write(file)
    with pytest.raises(Exception, match="wrong chain: the node is on chain"):
        LiveExchange(stage.fake.node(), file)
