"""What the log says of deleveraging: side indices, epochs, transfers between accounts, freezes and lists."""

from __future__ import annotations

import pytest
from support import BOTH_SIDES, COMPILER, LONG, Actor, Exchange, Sent
from support.distress import NO_BREAKER, away, distress_market, positioned
from support.lists import by_list, hand_in_whole, planned

from perpsim.protocol import A_ONE, WAD, wad

pytestmark = pytest.mark.exchange(markets=(distress_market(),), vault=NO_BREAKER)

LONG_SIDE, SHORT_SIDE = 0, 1


def bankrupt(exchange: Exchange, side: int, others: int = 0) -> Actor:
    """A loser of 10, 2,000 under water, against a winner; `others`: size between two that stay."""
    loser = positioned(exchange, side)
    if others:
        exchange.open(
            side, exchange.actor("holder", 10**6), exchange.actor("bystander", 10**6), others, 10_000
        )
    exchange.move(away(side, 1_200))
    assert loser.equity == -wad(2_000)
    return loser


def by_index(keeper: Actor, loser: Actor) -> Sent:
    return keeper.send(keeper.exchange.liquidator, "deleverage", loser.account, 0)


def moved(exchange: Exchange, sent: Sent) -> int:
    """The side whose index has moved, as the log says; it says what is so."""
    event, state = sent.event("IndexMoved"), exchange.market()
    index = (state.a_long, state.k_long) if event.side == LONG_SIDE else (state.a_short, state.k_short)
    assert (event.market, event.a, event.k, event.open_interest) == (0, *index, state.open_interest)
    return int(event.side)


@BOTH_SIDES
def test_an_index_that_moves_is_told(exchange: Exchange, keeper: Actor, side: int) -> None:
    """10 of 20 are closed: the other side is left with half of its multiplier."""
    loser = bankrupt(exchange, side, others=10)
    winners = SHORT_SIDE if side > 0 else LONG_SIDE
    sent = by_index(keeper, loser)
    assert moved(exchange, sent) == winners and sent.event("IndexMoved").a == A_ONE // 2
    assert not sent.named("EpochStarted")


def test_a_charge_on_the_winners_is_told(exchange: Exchange, keeper: Actor) -> None:
    """Half closed at 9,000 on the way down to 4,000, the late short owes more than all his position."""
    loser = positioned(exchange, LONG)
    exchange.open(LONG, exchange.actor("holder", 10**6), exchange.actor("bystander", 10**6), 10, 10_000)
    exchange.move(4_000)
    late = exchange.actor("late", deposit=4_000)
    exchange.open(LONG, exchange.actor("winner"), late, 10, 4_000)
    by_index(keeper, loser)
    sent = by_index(keeper, late)
    assert sent.event("BadDebtBooked").socialised > 0
    for event in sent.named("IndexMoved"):
        assert event.side == LONG_SIDE and event.a < A_ONE
    last, state = sent.named("IndexMoved")[-1], exchange.market()
    assert len(sent.named("IndexMoved")) == 2
    assert (last.a, last.k, last.open_interest) == (state.a_long, state.k_long, state.open_interest)


@BOTH_SIDES
def test_an_epoch_that_starts_is_told_with_the_last_index_of_the_one_before(
    exchange: Exchange, keeper: Actor, side: int
) -> None:
    """Who was closed by it settles at that: what the winner has is in the log."""
    loser = bankrupt(exchange, side)
    winner = exchange.actor("winner")
    entry, collateral = winner.position().entry, winner.collateral
    sent = by_index(keeper, loser)
    started = sent.named("EpochStarted")
    assert [(event.market, event.side, event.epoch) for event in started] == [(0, 0, 1), (0, 1, 1)]
    last = started[SHORT_SIDE if side > 0 else LONG_SIDE].final_k
    # per unit of size in 1e-30; the entry value goes with the size
    assert winner.equity == collateral + 10 * last // 10**12 - entry
    assert (exchange.market().epoch_long, exchange.market().epoch_short) == (1, 1)


@BOTH_SIDES
@pytest.mark.parametrize("policy", ["", "pro-rata", "socialise"])
def test_what_each_account_bought_and_paid_is_told(
    exchange: Exchange, keeper: Actor, side: int, policy: str
) -> None:
    """Sizes and quotes of those named add up to nothing, but for what went by index. The loser is last."""
    loser = bankrupt(exchange, side, others=10)
    accounts = []
    if policy:
        by_list(exchange, policy)
        accounts, _ = planned(exchange, loser, policy)
        sent = hand_in_whole(keeper, loser, accounts)
    else:
        sent = by_index(keeper, loser)
    events = sent.named("Deleveraged")
    assert [event.account for event in events if event.account != loser.account] == accounts
    assert events[-1].account == loser.account and {event.bankrupt for event in events} == {loser.account}
    assert sum(event.quote for event in events) == (0 if policy else -side * 10 * wad(away(side, 1_000)))
    assert sum(event.size for event in events) == (0 if policy else -side * wad(10))
    assert events[-1].size == (0 if policy == "socialise" else -side * wad(10))
    for event in events:
        assert event.account_collateral == exchange.clearinghouse.view("collateral", event.account)


@BOTH_SIDES
def test_what_a_withdrawal_settles_is_told(exchange: Exchange, keeper: Actor, side: int) -> None:
    """What deleveraging has realised is written to the account by the withdrawal that needs it."""
    loser = bankrupt(exchange, side, others=10)
    by_index(keeper, loser)
    winner = exchange.actor("winner")
    pending = winner.position().pending
    assert pending > 0
    collateral = winner.collateral
    sent = winner.send(exchange.clearinghouse, "withdraw", winner.withdrawable)
    settled, size, entry = sent.event("Settled"), winner.size(), winner.position().entry
    assert settled == (0, winner.account, size, entry, collateral + pending)
    assert winner.position().pending == 0 and size == -side * wad(5)


def test_a_list_that_opens_and_ends_is_told_and_so_is_the_freeze(exchange: Exchange, keeper: Actor) -> None:
    policy = exchange.protocol.policies["random"].address
    terms = (policy, 600, 5 * WAD)
    sent = exchange.owner.send(exchange.liquidator, "set_deleverage_terms", 0, terms)
    assert sent.event("DeleverageTermsSet") == (0, terms)
    loser = bankrupt(exchange, LONG)
    for number in (1, 2):
        sent = keeper.send(exchange.liquidator, "open_list", loser.account, 0)
        assert sent.event("ListOpened") == (0, loser.account, number, exchange.now + 600)
        assert sent.event("FrozenSet") == (0, True) and exchange.market().frozen
        exchange.wait(600)
        sent = keeper.send(exchange.liquidator, "end_list", 0)
        assert sent.event("ListEnded") == (0, loser.account, number, True)
        assert sent.event("FrozenSet") == (0, False) and not exchange.market().frozen
        exchange.move(8_800, after=600)


def test_the_wiring_is_told(exchange: Exchange, stranger: Actor) -> None:
    artifact = COMPILER.load("Clearinghouse")
    arguments = (exchange.token.address, exchange.vault.address, exchange.pricing.address)
    address = exchange.chain.deploy(artifact, *arguments, sender=stranger.address)
    others = [exchange.parameters.address, exchange.oracle.address, exchange.liquidator.address]
    data = artifact.interface.functions["wire"].encode(*others)
    (log,) = exchange.chain.transact(stranger.address, address, data).logs
    event = artifact.interface.events_by_topic[log.topics[0]].decode(log.topics, log.data)
    assert [str(value).lower() for value in event] == [other.lower() for other in others]
