"""Gas that costs: bids of populations, money, waiting, what a run records."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from perpsim.agents.base import Views
from perpsim.agents.bids import BidBook, BidPolicy
from perpsim.chain import COIN, GWEI, EngineError, Tx
from perpsim.errors import UserError
from perpsim.scenarios import Bid, Network
from perpsim.simulation.record import tables
from perpsim.simulation.runner import Simulation
from perpsim.simulation.setup import BANK
from perpsim.simulation.summary import summarise

Make = Callable[..., Simulation]

NETWORK = "network={base_fee=10.0, native_price=2000.0, tip=2.0}"
#: after a quarter of an hour others want more gas and pay ten times as much; the fee follows within minutes
JAM = "network.congestion={kind='history', knots=[[0.0, 10.0, 1.0], [0.25, 10.0, 1.0], [0.3, 100.0, 1.2]]}"


def order(**fields: object) -> Tx:
    return Tx("0xkeeper", "0x", b"", **fields)  # type: ignore[arg-type]


def test_a_policy_bids_a_tip_and_a_multiple_of_the_base_fee() -> None:
    plain, ahead, own = order(), order(tip=1), order(tip=7, max_fee=9, expires=3)
    BidPolicy(tip=2 * GWEI, multiple=2.0, patience=4).apply([plain, ahead, own], 10 * GWEI, 100)
    assert (plain.tip, plain.max_fee, plain.expires) == (2 * GWEI, 22 * GWEI, 104)
    # whoever wants to be ahead of the own others stays ahead
    assert (ahead.tip, ahead.max_fee) == (2 * GWEI + 1, 22 * GWEI + 1)
    assert (own.tip, own.max_fee, own.expires) == (7, 9, 3)


def test_a_fixed_maximum_does_not_follow_the_base_fee() -> None:
    tx = order()
    BidPolicy(tip=2 * GWEI, multiple=2.0, max_fee=20 * GWEI).apply([tx], 100 * GWEI, 1)
    assert (tx.tip, tx.max_fee) == (2 * GWEI, 20 * GWEI)


def test_roles_bid_as_the_network_says_and_the_others_its_default() -> None:
    network = Network(tip=1.5, bids={"keeper": Bid(tip=5.0), "maker": Bid(max_fee=30.0, patience=0)})
    book = BidBook(network, ["keeper", "maker", "trader"])
    assert book.tip == book.of("trader").tip == 1.5 * GWEI
    assert (book.of("keeper").tip, book.of("keeper").multiple, book.of("keeper").patience) == (
        5 * GWEI,
        2.0,
        4,
    )
    assert (book.of("maker").tip, book.of("maker").max_fee, book.of("maker").patience) == (
        1.5 * GWEI,
        30 * GWEI,
        0,
    )
    with pytest.raises(
        UserError, match=r"network.bids.maker: nobody has this role, there are keeper, trader"
    ):
        BidBook(network, ["keeper", "trader"])


def test_without_a_network_gas_is_free_and_there_is_no_limit() -> None:
    tx = order()
    BidBook(None, []).of("keeper").apply([tx], 0, 10)
    assert (tx.tip, tx.max_fee, tx.expires) == (0, None, 14)


def test_fees_are_paid_and_counted(smoke_run: Make) -> None:
    simulation = smoke_run(NETWORK)
    summary, frames, chain = (
        summarise(simulation, "revm", True, "", 1.0),
        tables(simulation),
        simulation.protocol.chain,
    )
    fees, blocks = summary["fees"], frames["blocks"]
    assert fees["paid"] == pytest.approx(fees["burned"] + fees["tips"])
    assert fees["paid_quote"] == pytest.approx(fees["paid"] * 2_000)
    assert fees["coin"] == "ETH"
    assert fees["paid"] == pytest.approx(sum(role["paid"] for role in fees["by_role"].values()))
    assert {"oracle", "keeper", "maker", "trader", "noise"} <= set(fees["by_role"])
    assert blocks["base_fee"][0] == 10 * GWEI
    burned = (blocks["gas_used"] * (blocks["base_fee"] / GWEI)).sum() * GWEI / COIN
    assert fees["burned"] == pytest.approx(burned)
    assert fees["tips"] == pytest.approx(summary["gas_used"] * 2 * GWEI / COIN, rel=1e-3)
    gas_used = sum(role["gas_used"] for role in fees["by_role"].values())
    assert gas_used == summary["gas_used"]
    # what accounts lost is what was paid
    lost = 0
    for sender in simulation.cast.senders:
        lost += 1_000 * COIN - chain.balance(sender)
    lost += 10**30 - chain.balance(chain.account(BANK).address)
    assert lost == chain.fees.total == chain.fees.burned + chain.fees.tips
    assert json.loads(json.dumps(fees)) == fees


def test_money_alone_changes_nothing_of_what_happens(smoke_run: Make) -> None:
    free, paid = smoke_run(), smoke_run(NETWORK)
    assert free.log.digest.hexdigest() == paid.log.digest.hexdigest()
    fees = summarise(free, "revm", True, "", 1.0)["fees"]
    assert (fees["coin"], fees["paid"], fees["paid_quote"], fees["tips"]) == (None, 0, 0, 0)
    assert tables(free)["blocks"]["outside_gas"].sum() == 0


def test_keepers_who_do_not_raise_their_bids_are_priced_out_and_others_are_not(smoke_run: Make) -> None:
    fixed = [f"agents.keepers.{number}.fee={{kind='fixed', gas_price=20.0}}" for number in range(3)]
    stuck, following = (
        smoke_run(NETWORK, JAM, *extra)
        for extra in (
            ["network.bids.keeper={tip=2.0, max_fee=20.0}", *fixed],
            ["network.bids.keeper={tip=20.0}"],
        )
    )
    # after the jam has begun nobody whose limit is 20 gwei gets in
    late = tables(stuck)["blocks"].filter(pl.col("base_fee") > 20 * GWEI)
    assert late.height > 50
    assert late["liquidations"].sum() == 0
    assert late["dropped"].sum() > 20
    assert late["queued"].max() > 5
    assert late["outside_gas"].min() > 0
    assert stuck.gas.bill.by_role["keeper"].expired > 20
    served = tables(following)["blocks"].filter(pl.col("base_fee") > 20 * GWEI)
    assert served["liquidations"].sum() > 20
    assert following.gas.bill.by_role["keeper"].expired == 0
    # accounts wait under water meanwhile
    assert late["underwater"][-1] > 1.5 * served["underwater"][-1]


def test_congestion_is_the_same_for_the_same_seed_and_draws_nothing_from_the_agents(smoke_run: Make) -> None:
    first, again = smoke_run(NETWORK, JAM), smoke_run(NETWORK, JAM)
    assert tables(first)["blocks"].equals(tables(again)["blocks"])
    # plenty of room, whoever pays gets in: the agents do what they do without anybody else there
    roomy = ["network.max_fee_multiple=50.0", "network.tip=1000.0", "network.purse=100000.0"]
    alone, beside = smoke_run(NETWORK, *roomy), smoke_run(NETWORK, JAM, *roomy)
    assert alone.log.digest.hexdigest() == beside.log.digest.hexdigest()
    assert not np.array_equal(tables(alone)["blocks"]["base_fee"], tables(beside)["blocks"]["base_fee"])


def test_everyone_sees_base_fee_price_and_what_is_pending(
    smoke: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulation = smoke(NETWORK, JAM, "network.bids.noise={max_fee=20.0}")
    noise = next(crowd for crowd in simulation.cast.crowds if crowd.role == "noise")
    chain, update, fees, pending = simulation.protocol.chain, noise.update, [], 0

    def look(rng: np.random.Generator, views: Views) -> list[Tx]:
        nonlocal pending
        view = views[0]
        assert (view.base_fee, view.coin_price) == (chain.base_fee, 2_000.0)
        fees.append(view.base_fee)
        for address in noise.members.addresses:
            waiting = view.pending(address)
            assert all(tx.sender == address and (tx.expires or 0) >= chain.next_number for tx in waiting)
            pending += len(waiting)
        return update(rng, views)

    monkeypatch.setattr(noise, "update", look)
    for _ in range(160):
        simulation.step()
    assert pending > 0
    # before the first price nobody is asked
    assert fees == tables(simulation)["blocks"]["base_fee"].to_list()[-len(fees) :]


def test_whoever_runs_dry_is_refused_by_name(smoke_run: Make) -> None:
    simulation = smoke_run(NETWORK, "network.purse=0.05", "clock.blocks=60")
    assert simulation.metrics.reverts["rejected: not enough native coin for the fee"] > 0
    assert min(map(simulation.protocol.chain.balance, simulation.cast.senders)) >= 0


def test_a_fee_market_on_a_node_is_refused(smoke: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from perpsim.chain import Chain
    from perpsim.chain.revm import RevmChain

    monkeypatch.setattr(RevmChain, "open_fee_market", Chain.open_fee_market)
    with pytest.raises(EngineError, match="charges for gas by itself"):
        smoke(NETWORK)
