"""Collateral in and out, to the unit, whatever the token does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import BOTH_DECIMALS, BOTH_SIDES, COMPILER, LONG, PLAIN, deployed, fresh, plain_market

from perpsim.chain import Revert
from perpsim.protocol import MAX_UINT, ProtocolParams, wad

pytestmark = PLAIN
PLAIN_MARKETS = (plain_market(),)
ZERO = "0x" + "00" * 20
TOO_MUCH = "withdraw: nothing, or above what is withdrawable"


# deposits


@BOTH_DECIMALS
def test_the_first_deposit_opens_an_account_and_the_next_ones_add_to_it(exchange, stranger):
    first = stranger.deposit("123.456789")
    assert first.value == stranger.account == 1
    assert first.event("AccountOpened") == (1, stranger.address)
    second = stranger.deposit("0.000001")
    assert second.value == 1
    assert second.named("AccountOpened") == []
    assert second.event("Deposit") == (1, 10 ** (exchange.params.decimals - 6), wad("123.45679"))
    assert stranger.collateral == stranger.equity == wad("123.45679")
    assert exchange.clearinghouse.view("owner_of", 1) == stranger.address
    exchange.check_invariants(dust=0)


@BOTH_DECIMALS
def test_the_smallest_unit_counts(exchange, stranger):
    stranger.mint(1)
    stranger.send(exchange.clearinghouse, "deposit", 1)
    assert stranger.collateral == exchange.unit()
    assert stranger.withdrawable == 1
    stranger.send(exchange.clearinghouse, "withdraw", 1)
    assert stranger.collateral == 0
    exchange.check_invariants(dust=0)


def test_accounts_are_numbered_in_order_and_each_address_has_one(exchange):
    actors = [exchange.actor(f"actor {i}", deposit=1) for i in range(3)]
    actors[0].deposit(1)
    assert [actor.account for actor in actors] == [1, 2, 3]
    assert exchange.clearinghouse.view("accounts_count") == 3


def test_anyone_may_deposit_for_somebody_else(exchange, maker, stranger):
    maker.mint(10)
    sent = maker.send(exchange.clearinghouse, "deposit", 10 * 10**6, stranger.address)
    assert (sent.value, stranger.collateral, maker.collateral) == (2, wad(10), wad(1_000_000))
    assert stranger.withdrawable == 10 * 10**6


def test_nobody_cannot_have_an_account(exchange, stranger):
    stranger.mint(1)
    with pytest.raises(Revert, match="account: zero address"):
        stranger.send(exchange.clearinghouse, "deposit", 1, ZERO)
    assert exchange.clearinghouse.view("account_of", ZERO) == 0


def test_nothing_cannot_be_deposited(exchange, stranger):
    with pytest.raises(Revert, match="deposit: nothing received"):
        stranger.send(exchange.clearinghouse, "deposit", 0)


def test_more_than_one_has_cannot_be_deposited(exchange, stranger):
    units = stranger.mint(5)
    for amount in (units + 1, MAX_UINT, 2**255):
        with pytest.raises(Revert, match="token: transfer failed"):
            stranger.send(exchange.clearinghouse, "deposit", amount)
    assert stranger.tokens == units


def test_a_donation_belongs_to_nobody(exchange, maker):
    units = maker.mint(100)
    maker.send(exchange.token, "transfer", exchange.clearinghouse.address, units)
    assert maker.collateral == wad(1_000_000)
    assert exchange.ledger().gap == wad(100)


# withdrawals


@BOTH_DECIMALS
def test_a_withdrawal_pays_and_books_the_same(exchange, trader):
    sent = trader.withdraw("400.000001")
    units = int(wad("400.000001") // exchange.unit())
    collateral = wad(1_000_000) - wad("400.000001")
    assert sent.event("Withdrawal") == (trader.account, trader.address, units, collateral)
    assert (trader.tokens, trader.collateral) == (units, collateral)
    exchange.check_invariants(dust=0)


def test_a_withdrawal_may_go_to_somebody_else(exchange, trader, stranger):
    trader.send(exchange.clearinghouse, "withdraw", 7, stranger.address)
    assert (stranger.tokens, trader.tokens) == (7, 0)


@BOTH_DECIMALS
def test_everything_but_not_a_unit_more_can_be_withdrawn(exchange, trader):
    everything = trader.withdrawable
    assert everything == 1_000_000 * 10**exchange.params.decimals
    for amount in (everything + 1, 0):
        with pytest.raises(Revert, match=TOO_MUCH):
            trader.send(exchange.clearinghouse, "withdraw", amount)
    trader.send(exchange.clearinghouse, "withdraw", everything)
    assert (trader.collateral, trader.tokens) == (0, everything)
    with pytest.raises(Revert, match=TOO_MUCH):
        trader.send(exchange.clearinghouse, "withdraw", 1)
    exchange.check_invariants(dust=0)


@pytest.mark.parametrize("amount", [2**127, 2**254, 2**255, MAX_UINT])
def test_an_absurd_withdrawal_is_refused(exchange, trader, amount):
    with pytest.raises(Revert):
        trader.send(exchange.clearinghouse, "withdraw", amount)


def test_who_has_no_account_withdraws_nothing(exchange, maker, stranger):
    with pytest.raises(Revert, match=TOO_MUCH):
        stranger.send(exchange.clearinghouse, "withdraw", 1)


@BOTH_DECIMALS
@BOTH_SIDES
def test_with_a_position_the_initial_margin_stays(exchange, maker, taker, side):
    exchange.open(side, taker, maker, 1, 10_000)
    assert taker.withdrawable == (1_000_000 - 1_000) * 10**exchange.params.decimals
    with pytest.raises(Revert, match=TOO_MUCH):
        taker.send(exchange.clearinghouse, "withdraw", taker.withdrawable + 1)
    taker.send(exchange.clearinghouse, "withdraw", taker.withdrawable)
    assert taker.health[:2] == (wad(1_000), wad(1_000))
    exchange.check_invariants(dust=0)


@BOTH_SIDES
def test_profit_not_yet_realised_serves_as_margin_but_cannot_leave(exchange, maker, side):
    winner = exchange.actor("winner", deposit=1_000)
    exchange.open(side, winner, maker, 1, 10_000)
    assert winner.withdrawable == 0
    exchange.move(10_000 + side * 5_000)
    # profit 5,000 bears the margin of 1,500 or 500; what was paid in can go, no more
    assert winner.equity == wad(6_000)
    assert winner.withdrawable == 1_000 * 10**6
    winner.withdraw(1_000)
    assert winner.withdrawable == 0
    # once realised it can
    exchange.open(-side, winner, maker, 1, 10_000 + side * 5_000)
    assert winner.withdrawable == 5_000 * 10**6
    winner.withdraw(5_000)
    exchange.check_invariants(dust=0)


@BOTH_SIDES
def test_loss_not_yet_realised_cannot_leave(exchange, maker, taker, side):
    exchange.open(side, taker, maker, 1, 10_000)
    exchange.move(10_000 - side * 1_000)
    margin = 900 if side == LONG else 1_100
    assert taker.withdrawable == (1_000_000 - 1_000 - margin) * 10**6


def test_resting_orders_keep_no_collateral_back(exchange, maker):
    """They are checked when they are filled: a maker who has withdrawn is removed then."""
    maker.buy(1, 9_999)
    assert maker.withdrawable == 1_000_000 * 10**6


@settings(max_examples=40)
@given(
    decimals=st.sampled_from([6, 8, 18]),
    steps=st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.integers(0, 10**12)), max_size=12),
)
def test_any_deposits_and_withdrawals_add_up(decimals, steps):
    with deployed(ProtocolParams(decimals=decimals, markets=PLAIN_MARKETS)) as exchange:
        actors = [exchange.actor(f"actor {i}") for i in range(3)]
        held = [0, 0, 0]
        for who, pays_in, amount in steps:
            actor = actors[who]
            if pays_in and amount:
                actor.send(exchange.token, "mint", actor.address, amount)
                actor.send(exchange.token, "approve", exchange.clearinghouse.address, amount)
                actor.send(exchange.clearinghouse, "deposit", amount)
                held[who] += amount
            elif 0 < amount <= held[who]:
                actor.send(exchange.clearinghouse, "withdraw", amount)
                held[who] -= amount
            else:
                with pytest.raises(Revert):
                    actor.send(exchange.clearinghouse, "withdraw", max(amount, held[who] + 1))
        for actor, units in zip(actors, held):
            assert actor.collateral == units * exchange.unit()
        exchange.check_invariants(dust=0)
        assert exchange.ledger().tokens == sum(held) * exchange.unit()


@pytest.mark.parametrize("wrong", [5, 19, 0, 255])
def test_a_token_with_too_few_or_too_many_decimals_is_refused(exchange, wrong):
    sender = exchange.owner.address
    token = exchange.chain.deploy(COMPILER.load("Stablecoin"), "Odd", "ODD", wrong, sender=sender)
    with pytest.raises(Revert, match="token: decimals"):
        exchange.chain.deploy(
            COMPILER.load("Clearinghouse"),
            token,
            exchange.vault.address,
            exchange.pricing.address,
            sender=sender,
        )


# hostile tokens

RE_ENTER, SAYS_NO, SILENT, FEE, HUGE, REVERT, HUGE_REVERT, SENDER_FEE, LIE, SHORT, DEAF = range(1, 12)


@pytest.fixture(params=[6, 18])
def hostile(request):
    exchange = fresh(ProtocolParams(decimals=request.param, markets=PLAIN_MARKETS), hostile=True)
    exchange.actor("victim", deposit=1_000)
    return exchange


def misbehave(exchange, mode, fee_bps=0):
    exchange.owner.send(exchange.token, "set_mode", mode, fee_bps)


def test_a_fee_on_transfer_is_the_depositors(hostile):
    misbehave(hostile, FEE, 100)
    payer = hostile.actor("payer")
    units = payer.mint(100)
    sent = payer.send(hostile.clearinghouse, "deposit", units)
    assert sent.event("Deposit").amount == units * 99 // 100
    assert payer.collateral == wad(99)
    hostile.check_invariants(dust=0)


def test_a_fee_on_transfer_of_everything_is_no_deposit(hostile):
    misbehave(hostile, FEE, 10_000)
    payer = hostile.actor("payer")
    with pytest.raises(Revert, match="deposit: nothing received"):
        payer.send(hostile.clearinghouse, "deposit", payer.mint(100))


def test_a_fee_on_transfer_is_the_withdrawers(hostile):
    misbehave(hostile, FEE, 100)
    victim = hostile.actor("victim")
    victim.withdraw(100)
    assert victim.collateral == wad(900)
    assert victim.tokens * hostile.unit() == wad(99)
    hostile.check_invariants(dust=0)


@pytest.mark.parametrize("mode", [SAYS_NO, REVERT, HUGE_REVERT, SHORT, DEAF])
def test_a_failed_transfer_changes_nothing(hostile, mode):
    victim = hostile.actor("victim")
    units = victim.mint(50)
    before = (victim.collateral, hostile.ledger())
    misbehave(hostile, mode)
    for function in ("deposit", "withdraw"):
        with pytest.raises(Revert):
            victim.send(hostile.clearinghouse, function, units)
    misbehave(hostile, 0)
    assert (victim.collateral, hostile.ledger()) == before


def test_a_token_that_lies_is_credited_with_nothing(hostile):
    victim = hostile.actor("victim")
    units = victim.mint(50)
    misbehave(hostile, LIE)
    with pytest.raises(Revert, match="deposit: nothing received"):
        victim.send(hostile.clearinghouse, "deposit", units)


def test_a_fee_on_top_is_not_paid_with_what_belongs_to_others(hostile):
    misbehave(hostile, SENDER_FEE, 100)
    with pytest.raises(Revert, match="token: transfer failed"):
        hostile.actor("victim").withdraw(100)


@pytest.mark.parametrize("mode", [SILENT, HUGE])
def test_odd_answers_of_a_transfer_that_worked_do_no_harm(hostile, mode):
    misbehave(hostile, mode)
    victim = hostile.actor("victim")
    victim.deposit(50)
    victim.withdraw(1_050)
    assert (victim.collateral, victim.tokens * hostile.unit()) == (0, wad(1_050))


def test_re_entry_is_refused_through_every_function(hostile):
    """The token is a customer itself, and calls back while it is being moved."""
    token, clearinghouse = hostile.token, hostile.clearinghouse
    attacker = hostile.actor("attacker")
    units = attacker.mint(1_000)

    def act(contract, function, *args):
        attacker.send(token, "act", contract.address, contract.encode(function, *args))

    attacker.send(token, "mint", token.address, units)
    act(token, "approve", clearinghouse.address, MAX_UINT)
    act(clearinghouse, "deposit", units // 2)
    inside = [
        (clearinghouse, "deposit", 1),
        (clearinghouse, "withdraw", 1),
        (clearinghouse, "poke", 0),
        (clearinghouse, "sweep_fees", 0),
        (hostile.book, "place", True, wad(10_000), wad("0.001"), 2),
        (hostile.liquidator, "liquidate", 1, 0),
    ]
    maker = hostile.actor("maker", deposit=100_000)
    maker.sell(1, 10_000)
    hostile.owner.send(hostile.oracle, "set_reporter", token.address, True)
    hostile.wait()
    inside.append((hostile.oracle, "post", 0, wad(1), hostile.now))
    misbehave(hostile, RE_ENTER)
    for contract, function, *args in inside:
        attacker.send(token, "set_attack", contract.address, contract.encode(function, *args))
        attacker.send(clearinghouse, "deposit", 1)
        attacker.send(clearinghouse, "withdraw", 1)
        assert token.view("attempts") == 2, function
        assert token.view("successes") == 0, f"re-entered through {function}"
    misbehave(hostile, 0)
    hostile.check_invariants(dust=0)
    # it was the lock: outside, the same calls work
    for contract, function, *args in (inside[0], inside[2], inside[4], inside[-1]):
        act(contract, function, *args)
