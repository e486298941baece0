"""The audit of lists that come in one call, in several, or not at all, in a market with funding and fees."""

from __future__ import annotations

import random
from typing import Any

import pytest
from support import BOTH_SIDES, LONG, Actor, Exchange
from support.distress import NO_BREAKER, away, distress_market
from support.lists import ALL, by_list, hand_in_whole, planned, rows

from perpsim.deleveraging.audit import Audited, audit
from perpsim.deleveraging.packing import pack_rows, unpack_rows
from perpsim.deleveraging.replay import Logged
from perpsim.protocol import WAD, FundingTerms, MarketParams, wad
from perpsim.scenarios import Market, Tier

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
    receipt, *then = record.audited()
    assert receipt.problems == ()
    assert (receipt.account, receipt.market, receipt.policy) == (loser.account, 0, policy)
    # who was charged has closed nothing: as there is debt from elsewhere, the position goes at the mark
    assert [(one.policy, one.haircut, one.problems) for one in then] == (
        [("index", 0, ())] if policy == "socialise" else []
    )
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


@pytest.fixture
def built_up(exchange: Exchange, keeper: Actor, loser: Actor, record: Recorder) -> list[int]:
    """The accounts of a list that came in two calls and was executed at once."""
    by_list(exchange, "queue-binance")
    accounts, _ = planned(exchange, loser, "queue-binance")
    keeper.send(exchange.liquidator, "open_list", loser.account, 0)
    for part in (accounts[:6], accounts[6:]):
        exchange.wait(20)
        exchange.move(away(LONG, 650), market=1)
        keeper.send(exchange.liquidator, "hand_in", 0, part, [0] * len(part))
    exchange.wait(20)
    keeper.send(exchange.liquidator, "execute_list", 0, 2_048)
    assert verdicts(record) == [()]
    return accounts


def test_accounts_that_nobody_handed_in_are_found(record: Recorder, built_up: list[int]) -> None:
    handed = [event for event in record.events if event.name == "ListExtended"]
    record.events.remove(handed[1])
    assert verdicts(record) != [()]


def test_accounts_that_a_list_built_up_skipped_are_found(record: Recorder, built_up: list[int]) -> None:
    """As if the exchange had taken the list for complete after the first call."""
    handed = [event for event in record.events if event.name == "ListExtended"]
    record.events.remove(handed[1])
    (at,) = [n for n, event in enumerate(record.events) if event.name == "DeleverageList"]
    shown = record.events[at]
    kept = pack_rows([row for row in unpack_rows(shown.args.rows) if row.account in built_up[:6]])
    record.events[at] = shown._replace(args=shown.args._replace(rows=kept))
    (problems,) = verdicts(record)
    assert f"skipped: account {', '.join(map(str, sorted(built_up[6:])))}" in problems


@pytest.fixture
def poor_side(exchange: Exchange, record: Recorder) -> Actor:
    """A loser of 10 who owes 2,100. The four on the other side came late and have lost elsewhere: none can
    bear its part."""
    loser = exchange.actor("loser", deposit=10_000)
    first, rich = exchange.actor("first", deposit=40_000), exchange.actor("rich", deposit=500_000)
    exchange.open(LONG, loser, first, 10, 10_000)
    exchange.move(8_800)
    for i in range(4):
        late = exchange.actor(f"late {i}", deposit=3_300 + i)
        exchange.open(LONG, first, late, "2.5", 8_800)
        exchange.open(LONG, late, rich, 1, 10_000, market=1)
    exchange.move(7_000, market=1)
    exchange.move(8_790)
    return loser


def test_caps_are_those_of_the_moment_of_execution(
    exchange: Exchange, keeper: Actor, poor_side: Actor, record: Recorder
) -> None:
    """Who pays in while the list is open can bear more."""
    by_list(exchange, "queue-binance")
    payer = exchange.actor("late 0")
    accounts, shares = planned(exchange, poor_side, "queue-binance")
    (before,) = [a for a in shares.allotments if a.account == payer.account]
    assert 0 < before.amount == before.row.cap < wad("2.5")
    keeper.send(exchange.liquidator, "open_list", poor_side.account, 0)
    keeper.send(exchange.liquidator, "hand_in", 0, accounts, [0] * len(accounts))
    payer.deposit(100)
    exchange.wait(20)
    sent = keeper.send(exchange.liquidator, "execute_list", 0, 2_048)
    (row,) = [row for row in rows(sent) if row.account == payer.account]
    assert row.taken > before.row.cap
    assert verdicts(record) == [()]


def test_what_a_list_cannot_bear_goes_by_index_and_that_is_right(
    exchange: Exchange, keeper: Actor, poor_side: Actor, record: Recorder
) -> None:
    by_list(exchange, "queue-bitmex")
    accounts, _ = planned(exchange, poor_side, "queue-bitmex")
    hand_in_whole(keeper, poor_side, accounts)
    (receipt,) = record.audited()
    assert receipt.problems == ()
    assert 0 < receipt.by_index < receipt.quantity
    assert receipt.bearers == receipt.side == set(accounts)


def test_what_winners_cannot_pay_goes_by_index_and_that_is_right(
    exchange: Exchange, keeper: Actor, record: Recorder
) -> None:
    by_list(exchange, "socialise")
    losers = [exchange.actor(name, deposit=10_000) for name in ("loser", "another")]
    first, late = exchange.actor("first", deposit=80_000), exchange.actor("late", deposit=80_000)
    for loser in losers:
        exchange.open(LONG, loser, first, 10, 10_000)
    exchange.move(8_800)
    exchange.open(LONG, first, late, 20, 8_800)
    exchange.move(8_700)
    # the loser owes 3,000, the other side has won 2,000
    hand_in_whole(keeper, losers[0], planned(exchange, losers[0], "socialise")[0])
    charged, closed = record.audited()
    assert charged.problems == closed.problems == ()
    assert (charged.policy, closed.policy) == ("socialise", "index")
    assert charged.haircut == wad(2_000)
    assert closed.haircut == closed.deficit == charged.deficit - wad(2_000)
    # without a list before it, the same is wrong
    by_list(exchange, "index")
    keeper.send(exchange.liquidator, "deleverage", losers[1].account, 0)
    assert verdicts(record) == [()] * 3
    terms = [event for event in record.events if event.name == "DeleverageTermsSet"]
    record.events.remove(terms[-1])
    assert verdicts(record)[2] == ("shared out by index, though the market's policy is socialise",)


def test_a_list_of_more_than_one_call_of_the_clearinghouse_holds_is_right(
    exchange: Exchange, keeper: Actor, record: Recorder
) -> None:
    """130 small counterparties: three calls, each of which closes the loser in part."""
    by_list(exchange, "pro-rata")
    loser = exchange.actor("loser", deposit=13_000)
    for i in range(130):
        small = exchange.actor(f"small {i}", deposit=1_000 + i)
        exchange.open(LONG, loser, small, "0.1", 10_000)
    exchange.move(8_901)
    hand_in_whole(keeper, loser, planned(exchange, loser, "pro-rata")[0])
    (receipt,) = record.audited()
    assert receipt.problems == ()
    assert receipt.listed == len(receipt.bearers) == 130
    sold = [e for e in record.events if e.name == "Deleveraged" and e.args.account == loser.account]
    assert len(sold) == 3


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
