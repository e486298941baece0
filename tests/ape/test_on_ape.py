"""The exchange through ape: its accounts, its events, its reverts, its receipts."""

from __future__ import annotations

import ape
import pytest
from ape.exceptions import ContractLogicError
from conftest import STAKE, UNIT, post
from support import LONG, SHORT, START_PRICE, fresh

from perpsim.protocol import MAX_UINT, wad

BOTH_SIDES = pytest.mark.parametrize("side", [LONG, SHORT], ids=["long", "short"])
GTC, POST_ONLY, IOC, FOK = range(4)


@pytest.fixture(autouse=True)
def fresh_price(exchange, chain):
    """Each test begins with an index of START_PRICE from this block."""
    post(exchange, chain, START_PRICE)


def position(exchange, who):
    account = exchange.clearinghouse.account_of(who)
    return exchange.clearinghouse.position(account, 0)


def health(exchange, who):
    return exchange.clearinghouse.health(exchange.clearinghouse.account_of(who))


def trade(exchange, side, taker, maker, size, price):
    """The maker rests, the taker takes; the taker's receipt."""
    exchange.book.place(side < 0, wad(price), wad(size), POST_ONLY, sender=maker)
    return exchange.book.place(side > 0, wad(price), wad(size), FOK, sender=taker)


def test_the_deployer_wires_everything_on_the_connected_network(exchange, protocol):
    clearinghouse = exchange.clearinghouse
    assert clearinghouse.token() == exchange.token.address
    assert clearinghouse.vault() == exchange.vault.address
    assert clearinghouse.parameters() == exchange.parameters.address
    assert clearinghouse.oracle() == exchange.oracle.address
    assert clearinghouse.liquidator() == exchange.liquidator.address
    assert clearinghouse.book_of(0) == exchange.book.address
    assert exchange.parameters.owner() == exchange.owner == protocol.owner


def test_deposits_and_withdrawals_are_events_that_ape_reads(exchange):
    clearinghouse, maker = exchange.clearinghouse, exchange.maker
    receipt = clearinghouse.deposit(5 * UNIT, sender=maker)
    (event,) = receipt.decode_logs(clearinghouse.Deposit)
    assert (event.account, event.amount) == (clearinghouse.account_of(maker), 5 * UNIT)
    receipt = clearinghouse.withdraw(7 * UNIT, exchange.stranger, sender=maker)
    (event,) = receipt.decode_logs(clearinghouse.Withdrawal)
    assert (event.receiver, event.amount) == (exchange.stranger, 7 * UNIT)
    assert exchange.token.balanceOf(exchange.stranger) == 7 * UNIT
    assert health(exchange, maker)[0] == wad(STAKE - 2)


@BOTH_SIDES
def test_a_trade_is_settled_between_two_ape_accounts(exchange, side):
    receipt = trade(exchange, side, exchange.taker, exchange.maker, 1, 10_000)
    (fill,) = receipt.decode_logs(exchange.clearinghouse.Fill)
    assert (fill.price, fill.size, fill.taker_fee, fill.maker_fee) == (
        wad(10_000),
        side * wad(1),
        wad(5),
        wad(2),
    )
    assert position(exchange, exchange.taker)[0] == side * wad(1)
    assert position(exchange, exchange.maker)[0] == -side * wad(1)
    assert exchange.lens.market(0).open_interest == wad(1)


@BOTH_SIDES
def test_price_and_time_decide_on_py_evm_too(exchange, side):
    orders = []
    for who, price in ((exchange.maker, 2), (exchange.rival, 1), (exchange.maker, 1)):
        at = wad(START_PRICE + side * price)
        receipt = exchange.book.place(side < 0, at, wad(1), sender=who)
        orders.append(receipt.decode_logs(exchange.book.OrderPlaced)[0].order_id)
    limit = wad(START_PRICE + side * 2)
    receipt = exchange.book.place(side > 0, limit, wad(3), IOC, sender=exchange.taker)
    fills = receipt.decode_logs(exchange.clearinghouse.Fill)
    assert [fill.order_id for fill in fills] == [orders[1], orders[2], orders[0]]


def test_refusals_reach_the_user_in_words(exchange):
    book, taker, maker = exchange.book, exchange.taker, exchange.maker
    clearinghouse = exchange.clearinghouse
    order = book.place(False, wad(10_000), wad(1), sender=maker)
    order_id = order.decode_logs(book.OrderPlaced)[0].order_id
    for reason, call in {
        "order: post-only would cross": lambda: book.place(
            True, wad(10_000), wad(1), POST_ONLY, sender=taker
        ),
        "order: cannot be filled whole": lambda: book.place(True, wad(10_000), wad(2), FOK, sender=taker),
        "order: margin": lambda: book.place(False, wad(10_001), wad(1_000), sender=taker),
        "order: price off the tick grid": lambda: book.place(True, wad(10_000) + 1, wad(1), sender=taker),
        "order: no account, deposit first": lambda: book.place(
            True, wad(9_000), wad(1), sender=exchange.stranger
        ),
        "cancel: not the owner": lambda: book.cancel(order_id, sender=taker),
        "book: not the liquidator": lambda: book.liquidate(1, True, 0, 0, (0, 0, 0), sender=taker),
        "clearinghouse: not authorised": lambda: clearinghouse.update_index(0, 1, 1, sender=taker),
        "access: not owner": lambda: exchange.parameters.set_open_interest_cap(0, 1, sender=taker),
        "oracle: not reporter": lambda: exchange.oracle.post(0, 1, 1, sender=taker),
        "liquidate: no position": lambda: exchange.liquidator.liquidate(1, 0, sender=taker),
        "withdraw: nothing, or above": lambda: clearinghouse.withdraw(10**18, sender=taker),
    }.items():
        with pytest.raises(ContractLogicError) as refused:
            call()
        assert refused.value.revert_message.startswith(reason)


def test_the_lens_gives_structs(exchange):
    trade(exchange, LONG, exchange.taker, exchange.maker, 2, 10_000)
    rows = exchange.lens.accounts(1, 10)
    assert [row.owner for row in rows] == [exchange.maker, exchange.taker, exchange.rival]
    (held,) = exchange.lens.positions(exchange.clearinghouse.account_of(exchange.taker))
    assert (held.size, held.entry_value, held.mark) == (wad(2), wad(20_000), wad(10_000))


@BOTH_SIDES
def test_a_liquidation_runs_through_book_and_vault(exchange, chain, side):
    loser, winner, keeper = exchange.taker, exchange.maker, exchange.rival
    trade(exchange, side, loser, winner, 10, 10_000)
    clearinghouse = exchange.clearinghouse
    account = clearinghouse.account_of(loser)
    clearinghouse.withdraw(clearinghouse.withdrawable(account), sender=loser)
    price = START_PRICE - side * 600
    post(exchange, chain, price)
    equity, _, maintenance = health(exchange, loser)
    assert 0 < equity < maintenance
    exchange.book.place(side > 0, wad(price), wad(10), sender=keeper)
    fund = exchange.vault.assets()
    receipt = exchange.liquidator.liquidate(account, 0, sender=keeper)
    (event,) = receipt.decode_logs(exchange.liquidator.Liquidated)
    assert event.closed == abs(side * wad(10) - position(exchange, loser)[0]) > 0
    assert event.penalty > event.reward > 0
    assert exchange.vault.assets() > fund
    assert health(exchange, loser)[0] >= health(exchange, loser)[2]


@BOTH_SIDES
@pytest.mark.parametrize("policy", ["queue-bitmex", "socialise"])
def test_a_deleveraging_by_list_in_one_call_and_over_several(exchange, protocol, chain, side, policy):
    """The fund and the book are empty: the winner bears what the loser owes, however the list comes in."""
    loser, winner, keeper = exchange.taker, exchange.maker, exchange.rival
    terms = (protocol.policies[policy].address, 60, 0)
    exchange.liquidator.set_deleverage_terms(0, terms, sender=exchange.owner)
    trade(exchange, side, loser, winner, 10, 10_000)
    clearinghouse, liquidator = exchange.clearinghouse, exchange.liquidator
    account, other = clearinghouse.account_of(loser), clearinghouse.account_of(winner)
    clearinghouse.withdraw(clearinghouse.withdrawable(account), sender=loser)
    post(exchange, chain, START_PRICE - side * 1_100)
    deficit, before = -health(exchange, loser)[0], health(exchange, winner)[0]
    assert deficit > 0
    if side == LONG:
        receipt = liquidator.deleverage_by_list(account, 0, [other], sender=keeper)
    else:
        liquidator.open_list(account, 0, sender=keeper)
        with ape.reverts("order: stale index"):
            trade(exchange, side, loser, winner, 1, 10_000)
        liquidator.hand_in(0, [other], [0], sender=winner)
        receipt = liquidator.execute_list(0, 10, sender=keeper)
    (event,) = receipt.decode_logs(liquidator.DeleverageReceipt)
    assert (event.policy.lower(), event.deficit, event.haircut) == (terms[0], deficit, deficit)
    assert event.quantity == (0 if policy == "socialise" else wad(10)) and event.by_index == 0
    assert health(exchange, loser)[0] == 0 and before - health(exchange, winner)[0] == deficit


def test_who_stakes_shares_the_fund_and_waits_to_leave(exchange, chain):
    """A quarter of the fund is a staker's; it leaves after the cooldown, at the lower of two values."""
    vault, owner, staker = exchange.vault, exchange.owner, exchange.rival
    for giver, amount in ((owner, 400), (staker, 100)):
        exchange.token.mint(giver, amount * UNIT, sender=giver)
        exchange.token.approve(vault, MAX_UINT, sender=giver)
    vault.fund(300 * UNIT, sender=owner)
    vault.set_staking(True, sender=owner)
    vault.deposit(100 * UNIT, staker, sender=staker)
    shares = vault.balanceOf(staker)
    assert vault.convertToAssets(shares) == 100 * UNIT and vault.maxRedeem(staker) == 0
    vault.request_withdraw(shares, sender=staker)
    with ape.reverts("vault: above the maximum"):
        vault.redeem(shares, staker, staker, sender=staker)
    vault.fund(100 * UNIT, sender=owner)
    chain.pending_timestamp += 13 * 86_400
    chain.mine()
    held = exchange.token.balanceOf(staker)
    vault.redeem(vault.maxRedeem(staker), staker, staker, sender=staker)
    assert exchange.token.balanceOf(staker) - held == 100 * UNIT and vault.balanceOf(staker) == 0


def test_money_adds_up_at_the_end_of_it(exchange, chain):
    for step, side in enumerate((LONG, SHORT, LONG)):
        trade(exchange, side, exchange.taker, exchange.maker, f"1.{step}01", 10_000)
        trade(exchange, -side, exchange.rival, exchange.taker, "0.777", 9_990)
        post(exchange, chain, 10_000 + 37 * step)
    clearinghouse = exchange.clearinghouse
    claims = sum(clearinghouse.fees(0))
    for account in range(1, clearinghouse.accounts_count() + 1):
        _, entry, pending = clearinghouse.position(account, 0)
        claims += clearinghouse.collateral(account) + pending - entry
    assert 0 <= exchange.token.balanceOf(clearinghouse) * 10**12 - claims < 1_000


def test_a_fee_on_transfer_is_the_depositors_on_ape_too(compiled, exchange, accounts):
    owner, payer = accounts[0], accounts[5]
    token = compiled.HostileToken.deploy(6, sender=owner)
    vault = compiled.InsuranceVault.deploy(token, owner, sender=owner)
    clearinghouse = compiled.Clearinghouse.deploy(
        token, vault, compiled.Pricing.deploy(sender=owner), sender=owner
    )
    token.mint(payer, 100 * UNIT, sender=payer)
    token.approve(clearinghouse, MAX_UINT, sender=payer)
    token.set_mode(4, 100, sender=payer)
    clearinghouse.deposit(100 * UNIT, sender=payer)
    assert clearinghouse.collateral(1) == wad(99)
    token.set_mode(2, sender=payer)
    with ape.reverts("token: transfer failed"):
        clearinghouse.withdraw(UNIT, sender=payer)
    assert clearinghouse.collateral(1) == wad(99)


def test_a_walk_over_64_orders_fits_the_block(exchange, chain):
    for who in (exchange.maker, exchange.rival):
        for _ in range(32):
            exchange.book.place(False, wad(10_000), wad("0.001"), sender=who)
    post(exchange, chain, START_PRICE)  # every order took a second
    receipt = exchange.book.place(True, wad(10_000), wad("0.064"), IOC, sender=exchange.taker)
    assert len(receipt.decode_logs(exchange.clearinghouse.Fill)) == 64
    assert receipt.gas_used < 5_000_000


def test_revm_and_apes_receipts_agree_on_gas_to_the_unit(exchange, protocol):
    """What the fast tests and the simulator call true gas is what ape's receipts say."""
    mirror = fresh(protocol.params, flush_every=1)
    people = {
        exchange.maker: mirror.actor("maker", deposit=STAKE),
        exchange.taker: mirror.actor("taker", deposit=STAKE),
    }
    for ape_account, actor in people.items():
        actor.mint(STAKE)
        assert exchange.clearinghouse.account_of(ape_account) == actor.account
    book, clearinghouse = exchange.book, exchange.clearinghouse

    def both(contract, mirrored, function, who, *arguments):
        mirror.wait(1)
        on_ape = getattr(contract, function)(*arguments, sender=who).gas_used
        on_revm = people[who].send(mirrored, function, *arguments).gas
        assert on_ape == on_revm, function
        return on_ape

    maker, taker = exchange.maker, exchange.taker
    deposit = both(clearinghouse, mirror.clearinghouse, "deposit", maker, 11 * UNIT)
    assert deposit < 60_000
    for arguments in (
        (False, wad(10_001), wad(2)),
        (False, wad(10_001), wad(2)),
        (True, wad(9_999), wad(2), POST_ONLY),
    ):
        both(book, mirror.book, "place", maker, *arguments)
    both(book, mirror.book, "place", taker, True, wad(10_001), wad(1), IOC)
    both(book, mirror.book, "place", taker, True, wad(10_001), wad(1), IOC)
    both(book, mirror.book, "place", taker, False, wad(9_999), wad("1.5"), IOC)
    both(book, mirror.book, "cancel_all", maker)
    both(clearinghouse, mirror.clearinghouse, "withdraw", taker, 3 * UNIT)
