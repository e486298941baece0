"""Which trades an account may make: opening needs the initial margin, closing must not make things worse.

The market has 10 % initial and 5 % maintenance margin and, unless told otherwise, no fees.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from support import BOTH_DECIMALS, BOTH_SIDES, FOK, IOC, PLAIN, POST_ONLY, deployed, plain_market

from perpsim.chain import Revert
from perpsim.protocol import WAD, ProtocolParams, wad

pytestmark = PLAIN

REFUSED = "order: margin"
UNIT = Decimal("0.000001")


@pytest.fixture
def against(exchange):
    """Somebody rich who takes the other side of everything."""
    return exchange.actor("against", deposit=100_000_000)


def holder(exchange, against, side, deposit, size=1, price=10_000):
    """Somebody with a position and so much collateral."""
    actor = exchange.actor("holder", deposit=deposit)
    exchange.open(side, actor, against, size, price)
    return actor


def against_mark(side, distance):
    """A price worse by `distance` than 10,000 for who sells a long or buys a short back."""
    return 10_000 - side * Decimal(distance)


# opening


@BOTH_DECIMALS
@BOTH_SIDES
def test_opening_needs_the_initial_margin_to_the_unit(exchange, against, side):
    against.order(-side, 1, 10_000)
    poor = exchange.actor("poor", deposit=1_000 - UNIT)
    with pytest.raises(Revert, match=REFUSED):
        poor.order(side, 1, 10_000)
    poor.deposit(UNIT)
    assert poor.order(side, 1, 10_000).filled == wad(1)
    assert poor.health == (wad(1_000), wad(1_000), wad(500))
    exchange.check_invariants(dust=0)


@pytest.mark.exchange(markets=(plain_market(taker_fee=wad("0.0005")),))
@BOTH_SIDES
def test_the_fee_comes_on_top_of_the_margin(exchange, against, side):
    against.order(-side, 1, 10_000)
    poor = exchange.actor("poor", deposit=1_005 - UNIT)
    with pytest.raises(Revert, match=REFUSED):
        poor.order(side, 1, 10_000)
    poor.deposit(UNIT)
    poor.order(side, 1, 10_000, FOK)
    assert poor.equity == wad(1_000)


@BOTH_SIDES
def test_a_bad_price_is_paid_for_at_once(exchange, against, side):
    """Margin is counted at the mark: who pays 300 too much needs 300 more."""
    worse = 10_000 + side * 300
    against.order(-side, 1, worse)
    poor = exchange.actor("poor", deposit=1_300 - UNIT)
    with pytest.raises(Revert, match=REFUSED):
        poor.order(side, 1, worse)
    poor.deposit(UNIT)
    poor.order(side, 1, worse, FOK)
    assert poor.equity == wad(1_000)


@BOTH_SIDES
def test_a_good_price_counts_at_once(exchange, against, side):
    better = 10_000 - side * 300
    against.order(-side, 1, better)
    poor = exchange.actor("poor", deposit=700 - UNIT)
    with pytest.raises(Revert, match=REFUSED):
        poor.order(side, 1, better)
    poor.deposit(UNIT)
    poor.order(side, 1, better, FOK)
    assert poor.equity == wad(1_000)


@BOTH_SIDES
def test_an_order_far_beyond_the_mark_on_an_empty_book_is_margined_at_the_mark(exchange, side):
    """Not at its own price: a bid of 15,000 would lose 5,000 the moment it is filled."""
    far = 10_000 + side * 5_000
    bidder = exchange.actor("bidder", deposit=6_000 - UNIT)
    for kind in (0, POST_ONLY):
        with pytest.raises(Revert, match=REFUSED):
            bidder.order(side, 1, far, kind)
    bidder.deposit(UNIT)
    assert bidder.order(side, 1, far).id


@BOTH_SIDES
def test_a_maker_needs_the_initial_margin_when_it_is_filled(exchange, against, side):
    poor = exchange.actor("poor", deposit=1_000)
    poor.order(side, 1, 10_000)
    exchange.move(10_000 - side * UNIT)  # a millionth against it
    sent = against.order(-side, 1, 10_000, IOC)
    assert sent.filled == 0
    assert poor.size() == 0
    assert poor.orders() == []
    exchange.check_invariants(dust=0)


@BOTH_SIDES
def test_a_smaller_position_on_the_other_side_is_opened_like_any_other(exchange, against, side):
    """Trading through zero needs the initial margin of what it opens."""
    actor = holder(exchange, against, side, deposit=1_000)
    exchange.move(against_mark(side, 600))  # equity 400
    against.order(side, "1.5", against_mark(side, 600))
    with pytest.raises(Revert, match=REFUSED):
        actor.order(-side, "1.5", against_mark(side, 600))
    # 400 carry 0.42 at 9,400 and 0.37 at 10,600
    assert actor.order(-side, "1.3", against_mark(side, 600)).filled == wad("1.3")


@BOTH_SIDES
def test_between_maintenance_and_initial_margin_nothing_is_opened(exchange, against, side):
    actor = holder(exchange, against, side, deposit=1_000)
    exchange.move(against_mark(side, 300))
    mark = against_mark(side, 300)
    against.order(-side, "0.001", mark)
    with pytest.raises(Revert, match=REFUSED):
        actor.order(side, "0.001", mark)


# closing


@BOTH_DECIMALS
@BOTH_SIDES
def test_between_maintenance_and_initial_margin_everything_can_be_closed_at_the_mark(exchange, against, side):
    actor = holder(exchange, against, side, deposit=1_000)
    exchange.move(against_mark(side, 300))
    mark = against_mark(side, 300)
    for size in ("0.1", "0.9"):
        against.order(side, size, mark)
        assert actor.order(-side, size, mark, FOK).filled == wad(size)
    assert actor.equity == wad(700)
    exchange.check_invariants(dust=0)


@BOTH_SIDES
@pytest.mark.parametrize("part", ["0.25", "1"])
def test_closing_below_the_initial_margin_costs_at_most_the_maintenance_margin_it_frees(
    exchange, against, side, part
):
    """Equity 700 at a mark of 10,000 -+ 300: closing frees 5 % of the mark, so it may cost as much."""
    actor = holder(exchange, against, side, deposit=1_000)
    exchange.move(against_mark(side, 300))
    mark = against_mark(side, 300)
    limit = mark - side * mark * Decimal("0.05")
    against.order(side, part, limit - side * Decimal("0.001"))
    with pytest.raises(Revert, match=REFUSED):
        actor.order(-side, part, limit - side * 1)
    against.cancel_all()
    against.order(side, part, limit)
    before = actor.health
    actor.order(-side, part, limit, FOK)
    after = actor.health
    assert after.equity - after.maintenance == before.equity - before.maintenance


@BOTH_SIDES
def test_a_healthy_account_may_close_at_any_price_that_leaves_it_healthy(exchange, against, side):
    actor = holder(exchange, against, side, deposit=5_000, size=2)
    # loses 3,000 on one of two; 2,000 are left for the other, which needs 1,000
    against.order(side, 1, against_mark(side, 2_500))
    assert actor.order(-side, 1, against_mark(side, 2_500)).filled == wad(1)
    assert actor.equity == wad(2_500)


@BOTH_SIDES
def test_nobody_closes_beyond_the_bankruptcy_price(exchange, against, side):
    """Equity 1,000 on one of 10,000: the bankruptcy price is 1,000 away, whatever else would allow it."""
    actor = holder(exchange, against, side, deposit=1_000)
    assert actor.bankruptcy_price() == wad(against_mark(side, 1_000))
    against.order(side, 1, against_mark(side, "1000.001"))
    with pytest.raises(Revert, match=REFUSED):
        actor.order(-side, 1, against_mark(side, "1000.001"))
    against.cancel_all()
    against.order(side, 1, against_mark(side, 1_000))
    actor.order(-side, 1, against_mark(side, 1_000), FOK)
    assert actor.equity == 0


@BOTH_SIDES
@pytest.mark.parametrize("left", [900, 600, 300, 1, 0, -500])
def test_a_loser_cannot_close_to_its_own_second_account_at_an_absurd_price(exchange, against, side, left):
    """Nobody who is short of initial margin hands its equity on and leaves the loss to the fund."""
    loser = holder(exchange, against, side, deposit=1_000)
    accomplice = exchange.actor("accomplice", deposit=100_000)
    exchange.move(against_mark(side, 1_000 - left))
    mark = against_mark(side, 1_000 - left)
    before = loser.equity + accomplice.equity
    absurd = mark - side * (max(left, 0) + 1)
    accomplice.order(side, 1, absurd)
    with pytest.raises(Revert, match=REFUSED):
        loser.order(-side, 1, absurd)
    # nor as the maker of that trade
    accomplice.cancel_all()
    loser.order(-side, 1, absurd, reduce_only=True)
    sent = accomplice.order(side, 1, absurd, IOC)
    assert (sent.filled, len(sent.named("OrderRemoved"))) == (0, 1)
    assert loser.size() == side * wad(1)
    assert loser.equity + accomplice.equity == before
    exchange.check_invariants(dust=0)


@BOTH_SIDES
@pytest.mark.parametrize("left", [499, 300, 1])
def test_a_liquidatable_account_cannot_give_away_what_is_left_to_it(exchange, against, side, left):
    """Closing everything leaves no margin to need; still it may not cost more than the margin it frees."""
    loser = holder(exchange, against, side, deposit=1_000)
    exchange.move(against_mark(side, 1_000 - left))
    mark = against_mark(side, 1_000 - left)
    # to within a thousandth of the bankruptcy price, when that is worse than 5 % away
    too_far = mark - side * min(Decimal(left), mark * Decimal("0.05") + 1)
    if left > 5 * mark / 100:
        against.order(side, 1, too_far)
        with pytest.raises(Revert, match=REFUSED):
            loser.order(-side, 1, too_far)
        against.cancel_all()
    against.order(side, 1, mark)
    loser.order(-side, 1, mark, FOK)
    assert loser.equity == wad(left)


@BOTH_SIDES
def test_a_bankrupt_account_closes_only_where_its_debt_is_paid(exchange, against, side):
    loser = holder(exchange, against, side, deposit=1_000)
    exchange.move(against_mark(side, 1_500))
    assert loser.equity == -wad(500)
    break_even = against_mark(side, 1_000)
    against.order(side, 1, break_even - side * Decimal("0.001"))
    with pytest.raises(Revert, match=REFUSED):
        loser.order(-side, 1, against_mark(side, 1_500))
    against.cancel_all()
    against.order(side, 1, break_even)
    loser.order(-side, 1, break_even, FOK)
    assert loser.equity == 0
    exchange.check_invariants(dust=0)


@pytest.mark.exchange(markets=(plain_market(taker_fee=wad("0.001")),))
@BOTH_SIDES
def test_the_fee_is_no_reason_to_refuse_closing(exchange, against, side):
    """At the limit price the excess over the maintenance margin shrinks by the fee and nothing else."""
    actor = holder(exchange, against, side, deposit=1_010)
    exchange.move(against_mark(side, 300))
    mark = against_mark(side, 300)
    limit = mark - side * mark * Decimal("0.05")
    against.order(side, "0.5", limit)
    before = actor.health
    fill = actor.order(-side, "0.5", limit, FOK).event("Fill")
    after = actor.health
    assert fill.taker_fee > 0
    assert after.equity - after.maintenance == before.equity - before.maintenance - fill.taker_fee


@pytest.mark.exchange(markets=(plain_market(taker_fee=wad("0.01")),))
@BOTH_SIDES
def test_not_even_the_fee_may_make_a_sound_account_liquidatable(exchange, against, side):
    # 470 or 530 are exactly the maintenance margin once 100 have been paid for opening
    actor = holder(exchange, against, side, deposit=1_170 if side > 0 else 1_230)
    mark = Decimal(10_000 - side * 600)
    exchange.move(mark)
    health = actor.health
    assert health.equity == health.maintenance
    limit = mark - side * mark * Decimal("0.05")
    against.order(side, "0.5", limit)
    with pytest.raises(Revert, match=REFUSED):
        actor.order(-side, "0.5", limit)
    against.cancel_all()
    against.order(side, "0.5", mark)
    actor.order(-side, "0.5", mark, FOK)
    assert actor.health.equity >= actor.health.maintenance


@settings(max_examples=60)
@given(
    side=st.sampled_from([1, -1]),
    size=st.one_of(st.integers(1, 10**19), st.integers(1, 99)),
    mark=st.integers(wad(9_000), wad(11_000)),
    ticks=st.integers(-50_000, 50_000),
)
def test_opening_needs_its_margin_to_the_wei_with_every_rounding_against_the_account(side, size, mark, ticks):
    """Cost up, value of a position down, notional up, margin up: a wei less and the order is refused."""
    tick = 1_234_567_890_123_457
    market = plain_market(tick_size=tick, lot_size=1, min_size=1)
    with deployed(ProtocolParams(decimals=18, markets=(market,))) as exchange:
        against = exchange.actor("against", deposit=100_000_000)
        exchange.wait()
        exchange.owner.send(exchange.oracle, "post", 0, mark, exchange.now)
        price = (8_100_000 + ticks) * tick
        cost = ceil(Fraction(side * size * price, WAD))
        value = floor(Fraction(side * size * mark, WAD))
        initial = ceil(ceil(Fraction(size * mark, WAD)) * Fraction(1, 10))
        needed = initial + cost - value
        assume(needed > 1)
        against.send(exchange.book, "place", side < 0, price, size)
        poor = exchange.actor("poor", deposit=Decimal(needed - 1) / WAD)
        with pytest.raises(Revert, match=REFUSED):
            poor.send(exchange.book, "place", side > 0, price, size)
        poor.deposit(Decimal(1) / WAD)
        poor.send(exchange.book, "place", side > 0, price, size)
        assert poor.health[:2] == (initial, initial)
        exchange.check_invariants(dust=2)


# any account, any trade: what must hold of all that is accepted


@settings(max_examples=250)
@given(
    side=st.sampled_from([1, -1]),
    # equity after the move in thousandths of the notional: bankrupt to healthy
    equity=st.integers(-100, 200),
    trade=st.sampled_from([1, -1]),
    size=st.integers(1, 2_500),
    # price in thousandths away from the mark, + against the trader
    away=st.integers(-150, 150),
    as_maker=st.booleans(),
    fee=st.sampled_from(["0", "0.001", "-0.0005"]),
)
@example(side=1, equity=50, trade=-1, size=1_000, away=50, as_maker=False, fee="0")
@example(side=-1, equity=50, trade=1, size=1_000, away=50, as_maker=True, fee="0")
@example(side=1, equity=49, trade=-1, size=500, away=49, as_maker=False, fee="0.001")
@example(side=1, equity=-1, trade=-1, size=1_000, away=-1, as_maker=False, fee="0")
def test_no_accepted_trade_breaks_the_margin_rules(side, equity, trade, size, away, as_maker, fee):
    market = plain_market(maker_fee=max(wad(fee), -wad("0.0005")), taker_fee=wad("0.001"))
    with deployed(ProtocolParams(markets=(market,))) as exchange:
        against = exchange.actor("against", deposit=100_000_000)
        actor = exchange.actor("actor", deposit=20_000)
        exchange.open(side, against, actor, 1, 10_000)  # exchange the roles below
        exchange.open(-side, against, actor, 2, 10_000)
        assert actor.size() == side * WAD
        # to the equity wanted: what is too much is withdrawn, the rest is lost by the move
        target = Fraction(equity, 1_000) * 10_000
        actor.send(exchange.clearinghouse, "withdraw", actor.withdrawable)
        loss = (Fraction(actor.equity, WAD) - target) if target < 1_000 else Fraction(0)
        if target > 1_000:
            actor.deposit(int(target - 1_000))
        exchange.move(Decimal(10_000) - side * Decimal(int(loss)))
        mark = exchange.mark()
        price = (mark + trade * mark * away // 1_000) // 10**15 * 10**15
        before, held = actor.health, actor.size()
        bankruptcy_share = Fraction(before.equity * min(size * 10**15, WAD), WAD)
        whole, amount = Decimal(price) / WAD, Decimal(size) / 1_000
        if as_maker:
            try:
                resting = actor.order(trade, amount, whole, POST_ONLY)
            except Revert:
                return
            sent = against.order(-trade, amount, whole, IOC)
            accepted = resting.id not in actor.orders() and sent.filled == wad(amount)
            paid = sum(fill.maker_fee for fill in sent.named("Fill"))
        else:
            against.order(-trade, amount, whole, POST_ONLY)
            try:
                sent = actor.order(trade, amount, whole, FOK)
                accepted, paid = True, sent.event("Fill").taker_fee
            except Revert:
                accepted, paid = False, 0
        after = actor.health
        exchange.check_invariants(dust=10)
        if not accepted:
            assert after == before
            solvent_close = trade != side and size <= 1_000 and before.equity >= 0
            assert not (solvent_close and away <= -2), "closing above the mark was refused"
            return
        was_sound = before.equity >= before.maintenance
        assert after.equity >= after.maintenance or not was_sound, "made liquidatable by its own trade"
        if abs(actor.size()) > abs(held) or actor.size() * held < 0:
            assert after.equity >= after.initial
            return
        assert before.equity - after.equity <= bankruptcy_share + 1, "beyond the bankruptcy price"
        kept = after.equity - after.maintenance + max(paid, 0) >= before.equity - before.maintenance
        healthy = before.equity >= before.initial and after.equity >= after.initial
        gained = after.equity >= before.equity and after.equity >= after.initial
        assert kept or healthy or gained, "worse off"
