"""The audit of lists that come in one call, in several, or not at all, in a market with funding and fees."""

from __future__ import annotations

import random
from typing import Any

import pytest
from support import BOTH_SIDES, LONG, Actor, Exchange
from support.distress import NO_BREAKER, away, distress_market
from support.lists import ALL, by_list, hand_in_whole, planned

from perpsim.deleveraging.audit import Audited, audit
from perpsim.deleveraging.replay import Logged
from perpsim.protocol import WAD, FundingTerms, MarketParams, wad
from perpsim.simulation.scenario import Market, Tier

MARKETS = (
    distress_market(funding=FundingTerms(interest=wad("0.001"), clamp=wad("0.001"), cap=wad("0.01"), band=0)),
    distress_market(),
)
pytestmark = pytest.mark.exchange(markets=MARKETS, vault=NO_BREAKER)
TIMEOUT = 300


class Recorder:
    """Keeps what the exchange writes to its log from the deployment on."""

    def __init__(self, exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
        self._exchange = exchange
        self.events: list[Logged] = []
        self._note(exchange.chain.logs(0))
        execute = exchange.chain.execute

        def recorded(*args: Any, **options: Any) -> Any:
            receipt = execute(*args, **options)
            if receipt.ok:
                self._note(receipt.logs)
            return receipt

        monkeypatch.setattr(exchange.chain, "execute", recorded)

    def _note(self, logs: list[Any]) -> None:
        for log in logs:
            found = self._exchange.protocol.decode(log)
            if found is not None:
                contract, name, values = found
                self.events.append(
                    Logged(log.block, self._exchange.now, log.tx_index, contract, name, values)
                )

    def audited(self) -> list[Audited]:
        params = self._exchange.params
        names = {c.address: name for name, c in self._exchange.protocol.policies.items()}
        return list(audit(self.events, [scenario_market(m) for m in params.markets], params.decimals, names))


def scenario_market(market: MarketParams) -> Market:
    """A market as a scenario says it, as far as accounts depend on it."""
    tiers = [
        Tier(
            limit=tier.limit / WAD,
            initial=tier.initial_rate / WAD,
            maintenance=tier.maintenance_rate / WAD,
            deduction=tier.deduction / WAD,
        )
        for tier in market.tiers
    ]
    return Market(symbol=market.symbol, tick=0.001, lot=0.001, min_size=0.001, tiers=tiers)


@pytest.fixture
def record(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return Recorder(exchange, monkeypatch)


@pytest.fixture
def side() -> int:
    """Of the loser; `@BOTH_SIDES` overrides it."""
    return LONG


@pytest.fixture
def loser(exchange: Exchange, record: Recorder, side: int) -> Actor:
    """Long (or short) 10 in one market and 1 in the other, losing in both, against eight who came in at other
    prices, some with a position in the other market too."""
    loser = exchange.actor("loser", deposit=12_000)
    rich = exchange.actor("rich", deposit=500_000)
    exchange.open(side, loser, exchange.actor("first", deposit=40_000), 10, 10_000)
    exchange.open(side, loser, rich, 1, 10_000, market=1)
    for i in range(7):
        price = away(side, 150 * i)
        exchange.move(price, after=1_000)
        exchange.refresh()
        other = exchange.actor(f"winner {i}", deposit=3_000 + 700 * i)
        exchange.open(side, exchange.actor(f"beside {i}", deposit=500_000), other, 1 + i % 3, price)
        if i % 2:
            exchange.open(side, other, rich, "0.1", 10_000, market=1)
    exchange.move(away(side, 1_400))
    exchange.move(away(side, 700), market=1)
    exchange.refresh(after=600)
    assert wad(-4_000) < loser.equity < wad(-2_000), loser.equity / WAD
    return loser


def verdicts(record: Recorder) -> list[tuple[str, ...]]:
    return [receipt.problems for receipt in record.audited()]


@BOTH_SIDES
@pytest.mark.parametrize("policy", ALL)
def test_a_list_in_one_call_is_right(
    exchange: Exchange, keeper: Actor, loser: Actor, record: Recorder, policy: str
) -> None:
    by_list(exchange, policy)
    accounts, shares = planned(exchange, loser, policy)
    hand_in_whole(keeper, loser, accounts)
    (receipt,) = record.audited()
    assert receipt.problems == ()
    assert (receipt.account, receipt.market, receipt.policy) == (loser.account, 0, policy)
    assert receipt.listed == len(accounts) >= 8
    assert receipt.bearers == {a.account for a in shares.allotments if a.amount}
    # the other market's loss is not borne here
    assert 0 < receipt.haircut < receipt.deficit


@BOTH_SIDES
@pytest.mark.parametrize("policy", ALL)
def test_a_list_over_several_calls_is_right(
    exchange: Exchange, keeper: Actor, rival: Actor, loser: Actor, record: Recorder, policy: str
) -> None:
    by_list(exchange, policy, timeout=TIMEOUT)
    accounts, _ = planned(exchange, loser, policy)
    keeper.send(exchange.liquidator, "open_list", loser.account, 0)
    shuffled = random.Random(3).sample(accounts, len(accounts))
    for start in range(0, len(shuffled), 3):
        # funding goes on, and what an account holds elsewhere changes its rank
        exchange.wait(20)
        exchange.move(away(LONG, 690 - start), market=1)
        part = shuffled[start : start + 3]
        (keeper, rival)[start % 2].send(exchange.liquidator, "hand_in", 0, part, [0] * len(part))
    while exchange.liquidator.view("open_list_of", 0).account:
        exchange.wait(20)
        keeper.send(exchange.liquidator, "execute_list", 0, 3)
    receipts = record.audited()
    assert [receipt.problems for receipt in receipts] == [()] * len(receipts)
    assert len(receipts) >= 1
    if policy in ("pro-rata", "capped-pro-rata", "socialise"):
        assert len(receipts) >= 3


def test_a_list_that_waited_may_be_handed_in_whole_again(
    exchange: Exchange, keeper: Actor, rival: Actor, loser: Actor, record: Recorder
) -> None:
    by_list(exchange, "queue-binance")
    accounts, _ = planned(exchange, loser, "queue-binance")
    keeper.send(exchange.liquidator, "open_list", loser.account, 0)
    keeper.send(exchange.liquidator, "hand_in", 0, accounts[:3], [0, 0, 0])
    exchange.wait(30)
    accounts, _ = planned(exchange, loser, "queue-binance")
    hand_in_whole(rival, loser, accounts)
    assert verdicts(record) == [()]


def test_after_a_timeout_it_goes_by_index_and_that_is_right(
    exchange: Exchange, keeper: Actor, loser: Actor, record: Recorder
) -> None:
    by_list(exchange, "queue-binance", timeout=TIMEOUT)
    keeper.send(exchange.liquidator, "open_list", loser.account, 0)
    exchange.refresh(after=TIMEOUT)
    keeper.send(exchange.liquidator, "end_list", 0)
    exchange.refresh()
    keeper.send(exchange.liquidator, "deleverage", loser.account, 0)
    (receipt,) = record.audited()
    assert (receipt.policy, receipt.problems) == ("index", ())
    assert receipt.side and not receipt.bearers


def test_a_hand_in_that_is_left_out_of_the_log_is_found(
    exchange: Exchange, keeper: Actor, loser: Actor, record: Recorder
) -> None:
    """As if the exchange had skipped accounts in a list that was built up."""
    by_list(exchange, "queue-binance")
    accounts, _ = planned(exchange, loser, "queue-binance")
    keeper.send(exchange.liquidator, "open_list", loser.account, 0)
    for part in (accounts[:6], accounts[6:]):
        exchange.wait(20)
        keeper.send(exchange.liquidator, "hand_in", 0, part, [0] * len(part))
    exchange.wait(20)
    keeper.send(exchange.liquidator, "execute_list", 0, 2_048)
    handed = [event for event in record.events if event.name == "ListExtended"]
    assert verdicts(record) == [()]
    record.events.remove(handed[1])
    (problems,) = verdicts(record)
    assert problems != ()


def test_both_markets_of_an_account_are_right_in_either_order(
    exchange: Exchange, keeper: Actor, loser: Actor, record: Recorder
) -> None:
    by_list(exchange, "queue-hyperliquid", market=1)
    accounts, _ = planned(exchange, loser, "queue-hyperliquid", market=1)
    hand_in_whole(keeper, loser, accounts, market=1)
    keeper.send(exchange.liquidator, "deleverage", loser.account, 0)
    first, second = record.audited()
    assert first.problems == second.problems == ()
    assert (first.policy, second.policy) == ("queue-hyperliquid", "index")
    assert abs(first.haircut + second.haircut - first.deficit) <= 10
