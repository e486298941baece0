"""What people do by hand: orders, deposits, looking at accounts and at the fund; and what they get wrong."""

import pytest
from support.devnet_world import make_world

from perpsim.chain import EngineError, account
from perpsim.deleveraging.policies import POLICIES
from perpsim.devnet.by_hand import Customer, account_lines, adl_light, fund_lines
from perpsim.devnet.live_chain import LiveChain
from perpsim.devnet.mirror import Mirror
from perpsim.devnet.wallet import KeySigner
from perpsim.errors import UserError

TRADER = account(778)


@pytest.fixture(scope="module")
def world():
    """A market that has gone on for a while, with somebody on both sides of its book."""
    stage = make_world("markets.0.adl=pro-rata")
    stage.go(60)
    while not all(stage.market.indexer.orders[0].top()):
        stage.go(1)
    return stage


@pytest.fixture
def trader(world):
    chain = LiveChain(world.fake.node(), KeySigner(TRADER), sleep=lambda seconds: None)
    return Customer(world.deployment, chain)


@pytest.fixture
def shown(world):
    """Lines about somebody, as text."""

    def show(lines=account_lines, *arguments):
        mirror = Mirror(world.deployment, world.fake.node())
        mirror.follow()
        return "\n".join(lines(mirror, *arguments))

    return show


def test_somebody_pays_in_trades_and_takes_what_is_left_out(world, trader, shown):
    number = trader.deposit("10000")
    bid, ask = world.market.indexer.orders[0].top()
    (filled, *_) = trader.place(True, "0.05", str(ask), kind="ioc")
    assert filled.startswith("filled 0.0500 at ")
    (rests,) = trader.place(False, "0.05", str(round(ask * 1.5)), market="BTC")
    assert "rests: 0.0500" in rests
    text = shown(account_lines, str(number))
    assert text == shown(account_lines, TRADER.address)
    (held,) = world.protocol.lens.view("positions", number)
    assert f"liquidation {held.liquidation_price / 1e18:,.2f}" in text or "liquidation none" in text
    assert "BTC +0.0500 from " in text and "bankruptcy " in text and "ADL " in text
    order = rests.split()[1]
    assert f"order {order} in BTC: sell 0.0500" in text
    assert trader.cancel(order) == [f"order {order} is gone"]
    assert trader.cancel() == ["no order to cancel"]
    # each transaction was a block of twelve seconds: the price has become stale
    world.protocol.post(0, world.market.indexer.states[0].index, world.fake.chain.timestamp)
    world.fake.mine()
    trader.place(False, "0.05", str(round(bid * 0.9)), kind="ioc", reduce_only=True)
    trader.withdraw("5000")
    with pytest.raises(UserError, match="withdraw: the exchange refuses: withdraw: nothing, or above"):
        trader.withdraw("5000")


@pytest.mark.parametrize("policy", POLICIES)
def test_lights_are_those_that_the_contracts_show(policy):
    stage = make_world(f"markets.0.adl={policy}")
    stage.go(70)
    mirror = Mirror(stage.deployment, stage.fake.node())
    mirror.follow()
    sizes = mirror.indexer.accounts.size_wad[0]
    for sign in (1, -1):
        side = [number for number, size in enumerate(sizes) if size * sign > 0]
        shown = {row.account: 6 - row.quintile for row in stage.protocol.lens.view("lights", 0, side)}
        assert {number: adl_light(mirror, number, 0).count("*") for number in side} == shown
        assert len(side) > 8 and len(set(shown.values())) > 2


def test_lights_are_known_on_a_side_of_any_length():
    stage = make_world("traders.count=700", "traders.arrival_blocks=10", "agents.makers.depth=2000000")
    stage.go(25)
    mirror = Mirror(stage.deployment, stage.fake.node())
    mirror.follow()
    sizes = mirror.indexer.accounts.size_wad[0]
    longs = [number for number, size in enumerate(sizes) if size > 0]
    # the lens ranks no more than these
    assert len(longs) > 256
    assert {adl_light(mirror, number, 0).count("*") for number in longs[::16]} == {1, 2, 3, 4, 5}


def test_the_fund_shows_what_it_holds_and_how_it_came_to_that(world, shown):
    text = shown(fund_lines)
    assert f"holds {world.protocol.vault.view('assets') / 10**6:,.2f}" in text
    assert "initial" in text and len(shown(fund_lines, 1).splitlines()) == 4


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda trader: trader.place(True, "one", "1"), "one: expected a number"),
        (lambda trader: trader.place(True, "nan", "1"), "nan: expected a number"),
        (lambda trader: trader.place(True, "1", "1", market="ETH"), "market ETH: there are BTC"),
        (lambda trader: trader.cancel("mine"), "order mine: expected its number, or all"),
        (lambda trader: trader.deposit("0"), "amount 0: must be above 0"),
        (lambda trader: trader.place(True, "1", "0.3"), "place: the exchange refuses: order: "),
    ],
)
def test_mistakes_are_one_clear_line(trader, wrong, words):
    with pytest.raises(UserError, match=words) as caught:
        wrong(trader)
    assert "\n" not in str(caught.value)


def test_nobody_has_an_account_before_the_first_deposit(shown):
    for who in ("0", "99999", account(4_000).address):
        with pytest.raises(UserError, match=f"account {who}: there is none; deposit first"):
            shown(account_lines, who)


@pytest.mark.parametrize("words", ["nonce too low", "replacement transaction underpriced"])
def test_a_number_or_a_bid_that_does_not_do_is_tried_again(world, trader, words):
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 2:
            world.fake.failing.clear()

    trader.chain._sleep = sleep
    world.fake.failing["eth_sendRawTransaction"] = words
    trader.deposit("1")
    assert waits == [0.2, 0.2]
    world.fake.failing["eth_sendRawTransaction"] = words
    trader.chain._sleep = lambda seconds: None
    try:
        with pytest.raises(EngineError, match=f"the node refuses eth_sendRawTransaction: {words}"):
            trader.deposit("1")
    finally:
        world.fake.failing.clear()


def test_an_account_without_coin_is_one_clear_line(world, trader):
    world.fake.failing["eth_sendRawTransaction"] = "insufficient funds for gas * price + value"
    try:
        with pytest.raises(EngineError, match=f"account {TRADER.address} has not enough native coin"):
            trader.deposit("1")
    finally:
        world.fake.failing.clear()
