"""What an order does: priority, kinds, reduce-only, expiry, self-trade, cancelling."""

from __future__ import annotations

import pytest
from support import (
    BOTH_SIDES,
    COMPILER,
    FOK,
    GTC,
    IOC,
    LONG,
    PLAIN,
    POST_ONLY,
    plain_market,
)

from perpsim.chain import Revert
from perpsim.protocol import wad

pytestmark = PLAIN

# reasons of OrderRemoved
CANCELLED, SELF_TRADE, EXPIRED, FAILED_MARGIN, NOTHING_TO_REDUCE = 1, 3, 4, 5, 7


def better(side: int, steps: int) -> int:
    """A resting price for who takes `side`, `steps` further away from the taker than 10,000."""
    return 10_000 + side * steps


def fills(sent):
    return [(fill.order_id, fill.price, abs(fill.size)) for fill in sent.named("Fill")]


def removed(sent):
    return [(gone.order_id, gone.reason) for gone in sent.named("OrderRemoved")]


# priority and price


@BOTH_SIDES
def test_the_best_price_is_taken_first_and_at_one_price_the_oldest_order(exchange, maker, rival, taker, side):
    third = maker.order(-side, 1, better(side, 2)).id
    first = rival.order(-side, 1, better(side, 1)).id
    second = maker.order(-side, 1, better(side, 1)).id
    fourth = rival.order(-side, 1, better(side, 2)).id
    sent = taker.order(side, "3.5", better(side, 2))
    assert fills(sent) == [
        (first, wad(better(side, 1)), wad(1)),
        (second, wad(better(side, 1)), wad(1)),
        (third, wad(better(side, 2)), wad(1)),
        (fourth, wad(better(side, 2)), wad("0.5")),
    ]
    assert sent.value == (0, wad("3.5"))
    exchange.check_invariants()


@BOTH_SIDES
def test_an_order_partly_filled_keeps_its_place(exchange, maker, rival, taker, side):
    first = maker.order(-side, 2, 10_000).id
    second = rival.order(-side, 2, 10_000).id
    taker.order(side, 1, 10_000)
    assert fills(taker.order(side, 2, 10_000)) == [
        (first, wad(10_000), wad(1)),
        (second, wad(10_000), wad(1)),
    ]
    exchange.check_invariants()


@BOTH_SIDES
def test_a_cancelled_order_loses_its_place(maker, rival, taker, side):
    first = maker.order(-side, 1, 10_000).id
    second = rival.order(-side, 1, 10_000).id
    maker.cancel(first)
    again = maker.order(-side, 1, 10_000).id
    assert [order for order, _, _ in fills(taker.order(side, 2, 10_000))] == [second, again]


@BOTH_SIDES
def test_every_fill_is_at_the_makers_price_however_far_the_takers_limit(maker, taker, side):
    maker.order(-side, 1, better(side, 1))
    sent = taker.order(side, 1, better(side, 900))
    assert sent.event("Fill").price == wad(better(side, 1))
    assert taker.position().entry == side * wad(better(side, 1))
    assert maker.position().entry == -side * wad(better(side, 1))


@BOTH_SIDES
def test_nothing_is_filled_beyond_the_takers_limit(exchange, maker, taker, side):
    maker.order(-side, 1, better(side, 0))
    beyond = maker.order(-side, 1, better(side, 2)).id
    sent = taker.order(side, 2, better(side, 1))
    assert sent.filled == wad(1)
    assert maker.orders() == [beyond]
    assert taker.orders() == [sent.id]
    bid, ask = exchange.top()
    assert {bid, ask} == {wad(better(side, 1)), wad(better(side, 2))}
    exchange.check_invariants()


@BOTH_SIDES
def test_one_price_is_enough_to_trade_and_one_tick_less_is_not(maker, taker, side):
    maker.order(-side, 1, 10_000)
    assert taker.order(side, 1, 10_000 - side * 0.001).filled == 0
    assert taker.order(side, 1, 10_000).filled == wad(1)


def test_the_next_best_level_is_found_across_the_whole_grid(exchange, maker, taker):
    prices = [10_000, "10000.001", "10000.255", "10000.256", 10_065.536, 16_777.215]
    for price in prices:
        maker.sell("0.001", price)
    for price in prices:
        assert exchange.top()[1] == wad(price)
        taker.buy("0.001", 16_777.215)
    assert exchange.top() == (0, 0)
    for price in ("0.001", "0.256", 65.536, 9_999):
        maker.buy("0.001", price)
    for price in (9_999, 65.536, "0.256", "0.001"):
        assert exchange.top()[0] == wad(price)
        maker.cancel(maker.orders()[-1])
    assert exchange.top() == (0, 0)


# kinds


@BOTH_SIDES
def test_what_a_good_till_cancel_order_does_not_fill_waits(exchange, maker, taker, side):
    maker.order(-side, 1, 10_000)
    sent = taker.order(side, 3, 10_000, GTC)
    assert sent.filled == wad(1)
    resting = exchange.book.view("order", sent.id)
    assert (resting.account, resting.is_buy) == (taker.account, side == LONG)
    assert (resting.price, resting.size) == (wad(10_000), wad(2))
    placed = sent.event("OrderPlaced")
    assert (placed.order_id, placed.account, placed.size) == (sent.id, taker.account, wad(2))
    exchange.check_invariants()


@BOTH_SIDES
def test_a_post_only_order_that_would_trade_is_refused(maker, taker, side):
    maker.order(-side, 1, 10_000)
    with pytest.raises(Revert, match="order: post-only would cross"):
        taker.order(side, 1, 10_000, POST_ONLY)
    assert taker.order(side, 1, better(-side, 1), POST_ONLY).id


@BOTH_SIDES
def test_what_an_immediate_or_cancel_order_does_not_fill_is_returned(exchange, maker, taker, side):
    maker.order(-side, 1, 10_000)
    assert taker.order(side, 3, 10_000, IOC).value == (0, wad(1))
    assert taker.orders() == []
    assert exchange.top() == (0, 0)


@BOTH_SIDES
def test_an_immediate_or_cancel_order_that_meets_nobody_does_nothing(exchange, taker, side):
    sent = taker.order(side, 3, 10_000, IOC)
    assert sent.value == (0, 0)
    assert sent.events == []


@BOTH_SIDES
def test_a_fill_or_kill_order_is_filled_whole_or_not_at_all(exchange, maker, rival, taker, side):
    maker.order(-side, 1, 10_000)
    rival.order(-side, 1, better(side, 1))
    for size, price in ((2, 10_000), ("2.001", better(side, 1)), (1, better(-side, 1))):
        with pytest.raises(Revert, match="order: cannot be filled whole"):
            taker.order(side, size, price, FOK)
    assert taker.size() == 0
    assert taker.order(side, 2, better(side, 1), FOK).value == (0, wad(2))
    exchange.check_invariants()


def test_there_is_no_fifth_kind(taker):
    with pytest.raises(Revert, match="order: unknown kind"):
        taker.buy(1, 10_000, 4)


# the grid


@pytest.mark.exchange(markets=(plain_market(tick_size=wad("0.5"), lot_size=wad("0.1"), min_size=wad("0.3")),))
@BOTH_SIDES
def test_an_order_must_be_on_the_grid(taker, side):
    top = (2**24 - 1) / 2
    for price in ("9999.75", "0.25", 0, top + 0.5):
        with pytest.raises(Revert, match="order: price off the tick grid"):
            taker.order(side, 1, price)
    for size in (0, "0.2", "0.35", "0.300000000000000001"):
        with pytest.raises(Revert, match="order: size"):
            taker.order(side, size, 10_000)
    assert taker.order(side, "0.3", "9999.5").id
    assert taker.buy("0.3", "0.5").id


def test_the_highest_tick_can_be_used(taker):
    assert taker.sell("0.001", "16777.215").id


def test_a_size_beyond_what_an_order_holds_is_refused(taker):
    largest = 2**96 // 10**15 * 10**15
    with pytest.raises(Revert, match="order: size"):
        taker.send(taker.exchange.book, "place", True, wad(1), largest + 10**15)
    with pytest.raises(Revert, match="order: size"):
        taker.send(taker.exchange.book, "place", True, wad(1), 2**255 // 10**15 * 10**15)


def test_who_has_no_account_places_nothing(stranger):
    with pytest.raises(Revert, match="order: no account, deposit first"):
        stranger.buy(1, 10_000)


# reduce-only


@BOTH_SIDES
def test_a_reduce_only_order_is_cut_to_the_position(exchange, maker, taker, side):
    exchange.open(side, taker, maker, 2, 10_000)
    maker.order(side, 5, 10_000)
    assert taker.order(-side, 5, 10_000, reduce_only=True).value == (0, wad(2))
    assert taker.size() == 0
    exchange.check_invariants()


@BOTH_SIDES
def test_a_reduce_only_order_never_opens(exchange, maker, taker, side):
    for refused in (side, -side):
        with pytest.raises(Revert, match="order: nothing to reduce"):
            taker.order(refused, 1, 10_000, reduce_only=True)
    exchange.open(side, taker, maker, 1, 10_000)
    with pytest.raises(Revert, match="order: nothing to reduce"):
        taker.order(side, 1, 10_000, reduce_only=True)


@BOTH_SIDES
def test_a_resting_reduce_only_order_is_cut_to_what_is_left_of_the_position(
    exchange, maker, taker, rival, side
):
    exchange.open(side, trader := maker, taker, 3, 10_000)
    resting = trader.order(-side, 3, better(side, 1), reduce_only=True).id
    # meanwhile most of the position goes another way
    exchange.open(-side, trader, taker, 2, 10_000)
    behind = rival.order(-side, 1, better(side, 1)).id
    sent = taker.order(side, 2, better(side, 1))
    assert [(order, size) for order, _, size in fills(sent)] == [(resting, wad(1)), (behind, wad(1))]
    assert removed(sent) == [(resting, NOTHING_TO_REDUCE)]
    assert trader.size() == 0
    exchange.check_invariants()


@BOTH_SIDES
def test_a_resting_reduce_only_order_without_a_position_leaves_the_book(exchange, maker, taker, rival, side):
    exchange.open(side, maker, taker, 1, 10_000)
    resting = maker.order(-side, 1, better(side, 1), reduce_only=True).id
    exchange.open(-side, maker, taker, 1, 10_000)
    behind = rival.order(-side, 1, better(side, 1)).id
    sent = taker.order(side, 1, better(side, 1))
    assert [order for order, _, _ in fills(sent)] == [behind]
    assert [order for order, _ in removed(sent)] == [resting]
    assert maker.size() == 0
    exchange.check_invariants()


@BOTH_SIDES
def test_a_reduce_only_order_of_a_flipped_position_leaves_the_book(exchange, maker, taker, rival, side):
    exchange.open(side, maker, taker, 1, 10_000)
    resting = maker.order(-side, 1, better(side, 1), reduce_only=True).id
    exchange.open(-side, maker, taker, 3, 10_000)
    sent = taker.order(side, 1, better(side, 1))
    assert sent.filled == 0
    assert [order for order, _ in removed(sent)] == [resting]
    assert maker.size() == -side * wad(2)


@BOTH_SIDES
def test_reduce_only_orders_together_close_no_more_than_the_position(exchange, maker, taker, side):
    exchange.open(side, maker, taker, 2, 10_000)
    for steps in (1, 2, 3):
        maker.order(-side, 2, better(side, steps), reduce_only=True)
    assert taker.order(side, 6, better(side, 3), IOC).filled == wad(2)
    assert maker.size() == 0
    assert maker.orders() == []
    exchange.check_invariants()


@BOTH_SIDES
def test_a_reduce_only_order_too_small_for_the_grid_must_close_everything(exchange, maker, taker, side):
    """Else dust orders, each of which costs a taker one of its 64 fills, would be nearly free."""
    exchange.open(side, taker, maker, 1, 10_000)
    for size in ("0.000000000000000001", "0.0005", "0.9995"):
        with pytest.raises(Revert, match="order: size"):
            taker.order(-side, size, better(side, 1), reduce_only=True)
    assert taker.order(-side, "1.0005", better(side, 1), reduce_only=True).id


@BOTH_SIDES
def test_an_odd_position_can_be_closed_by_its_exact_size(exchange, maker, taker, keeper, side):
    """A liquidation leaves what brings the margin back, not what is on the grid."""
    holder = exchange.actor("holder", deposit=1_000)
    exchange.open(side, holder, maker, 1, 10_000)
    exchange.move(10_000 - side * 530)
    maker.order(side, 1, 10_000 - side * 530)
    keeper.liquidate(holder)
    odd = abs(holder.size())
    assert odd % 10**15 > 0
    for off in (odd - 1, odd - odd % 10**15 // 2):
        with pytest.raises(Revert, match="order: size"):
            holder.send(exchange.book, "place", side < 0, wad(10_000), off, GTC, True)
    price = wad(10_000 - side * 530)
    holder.send(exchange.book, "place", side < 0, price, odd, IOC, True)
    assert holder.size() == 0
    exchange.check_invariants()


# expiry


@BOTH_SIDES
def test_an_order_can_be_filled_in_its_last_second_and_not_after(exchange, maker, rival, taker, side):
    expiring = maker.order(-side, 1, 10_000, expiry=exchange.now + 30).id
    lasting = rival.order(-side, 1, better(side, 1)).id
    exchange.wait(30)
    with exchange.isolated():
        assert [order for order, _, _ in fills(taker.order(side, 1, 10_000))] == [expiring]
    exchange.wait(1)
    sent = taker.order(side, 1, better(side, 1))
    assert removed(sent) == [(expiring, EXPIRED)]
    assert [order for order, _, _ in fills(sent)] == [lasting]
    exchange.check_invariants()


@BOTH_SIDES
def test_an_order_for_this_second_may_rest_and_one_for_the_last_may_not(exchange, taker, side):
    assert taker.order(side, 1, 10_000, expiry=exchange.now).id
    for expiry in (exchange.now - 1, 1, 2**32):
        with pytest.raises(Revert, match="order: expired"):
            taker.order(side, 1, 10_000, expiry=expiry)


@BOTH_SIDES
def test_an_expired_order_blocks_nobody_who_crosses_it(exchange, maker, taker, side):
    maker.order(-side, 1, 10_000, expiry=exchange.now)
    exchange.wait(1)
    sent = taker.order(side, 1, 10_000)
    assert sent.filled == 0
    assert taker.orders() == [sent.id]
    exchange.check_invariants()


def test_anyone_may_cancel_an_expired_order_and_only_that(exchange, maker, stranger, rival):
    expiring = maker.buy(1, 10_000, expiry=exchange.now + 5).id
    exchange.wait(5)
    for other in (stranger, rival):
        with pytest.raises(Revert, match="cancel: not the owner"):
            other.cancel(expiring)
    exchange.wait(1)
    assert removed(stranger.cancel(expiring)) == [(expiring, EXPIRED)]
    exchange.check_invariants()


def test_the_owner_may_cancel_its_expired_order(exchange, maker):
    expiring = maker.buy(1, 10_000, expiry=exchange.now).id
    exchange.wait(1)
    assert removed(maker.cancel(expiring)) == [(expiring, CANCELLED)]


# trading with oneself


@BOTH_SIDES
def test_a_self_trade_cancels_the_resting_order_and_goes_on(exchange, taker, rival, side):
    own = taker.order(-side, 1, 10_000).id
    other = rival.order(-side, 1, better(side, 1)).id
    own_further = taker.order(-side, 1, better(side, 1)).id
    sent = taker.order(side, 2, better(side, 1))
    assert fills(sent) == [(other, wad(better(side, 1)), wad(1))]
    assert removed(sent) == [(own, SELF_TRADE), (own_further, SELF_TRADE)]
    assert taker.orders() == [sent.id], "the rest waits at its price"
    exchange.check_invariants()


@BOTH_SIDES
def test_trading_with_oneself_alone_moves_nothing(exchange, taker, side):
    taker.order(-side, 1, 10_000)
    before = taker.health
    sent = taker.order(side, 1, 10_000, IOC)
    assert sent.filled == 0
    assert (taker.health, taker.size(), exchange.top()) == (before, 0, (0, 0))
    assert exchange.market().open_interest == 0


# cancelling


def test_only_its_owner_cancels_an_order(exchange, maker, rival, stranger):
    order = maker.buy(1, 10_000).id
    rival.buy(1, 9_000)
    for other in (rival, stranger, exchange.owner):
        with pytest.raises(Revert, match="cancel: not the owner"):
            other.cancel(order)
        with pytest.raises(Revert, match="cancel: not the owner"):
            other.send(exchange.book, "cancel_many", [order])
    assert maker.orders() == [order]
    assert removed(maker.cancel(order)) == [(order, CANCELLED)]


def test_what_is_not_there_cannot_be_cancelled(exchange, maker, taker):
    filled = maker.buy(1, 10_000).id
    taker.sell(1, 10_000)
    gone = maker.buy(1, 10_000).id
    maker.cancel(gone)
    for missing in (0, filled, gone, gone + 1, 2**32, 2**255):
        with pytest.raises(Revert, match="cancel: no such order"):
            maker.cancel(missing)


def test_several_orders_are_cancelled_at_once_and_those_gone_are_passed_over(exchange, maker):
    first, second, third = (maker.buy(1, price).id for price in (10_000, 9_999, 9_998))
    maker.cancel(second)
    sent = maker.send(exchange.book, "cancel_many", [third, second, 77, first, first])
    assert [order for order, _ in removed(sent)] == [third, first]
    assert exchange.top() == (0, 0)
    exchange.check_invariants()


def test_cancelling_many_is_refused_whole_if_one_is_a_strangers(exchange, maker, rival):
    own, other = maker.buy(1, 10_000).id, rival.buy(1, 10_000).id
    with pytest.raises(Revert, match="cancel: not the owner"):
        maker.send(exchange.book, "cancel_many", [own, other])
    assert maker.orders() == [own]


@BOTH_SIDES
def test_all_own_orders_are_cancelled_and_no_others(exchange, maker, rival, side):
    for steps in range(1, 6):
        maker.order(-side, 1, better(side, steps))
        rival.order(-side, 1, better(side, steps))
        maker.order(side, 1, better(-side, steps))
    before = rival.orders()
    assert len(removed(maker.cancel_all())) == 10
    assert maker.orders() == []
    assert rival.orders() == before
    exchange.check_invariants()


def test_cancelling_all_without_orders_does_nothing(exchange, maker, stranger):
    assert maker.cancel_all().events == []
    assert stranger.cancel_all().events == []


@pytest.mark.parametrize("which", [0, 1, 2, 3])
@BOTH_SIDES
def test_any_order_of_a_queue_can_leave_it(exchange, maker, rival, taker, side, which):
    queue = [trader.order(side, 1, 10_000).id for trader in (maker, rival, maker, rival)]
    (maker, rival)[which % 2].cancel(queue.pop(which))
    queue.append(maker.order(side, 1, 10_000).id)
    assert exchange.book.view("level_orders", wad(10_000)) == queue
    assert [order for order, _, _ in fills(taker.order(-side, 4, 10_000))] == queue
    assert exchange.top() == (0, 0)


# the maker who fails


@BOTH_SIDES
def test_a_maker_without_the_margin_is_removed_and_matching_goes_on(exchange, rival, taker, side):
    poor = exchange.actor("poor maker", deposit=1_500)
    failing = [poor.order(-side, 1, 10_000).id, poor.order(-side, 1, 10_000).id]
    backed = rival.order(-side, 1, better(side, 1)).id
    sent = taker.order(side, 2, better(side, 1))
    assert [order for order, _, _ in fills(sent)] == [failing[0], backed]
    assert removed(sent) == [(failing[1], FAILED_MARGIN)]
    assert poor.size() == -side * wad(1)
    exchange.check_invariants()


# views


def test_the_views_tell_what_rests(exchange, maker, rival):
    first = maker.buy(1, 9_999, expiry=exchange.now + 60).id
    second = rival.buy(2, 9_999).id
    third = maker.buy(3, 9_990).id
    ask = rival.sell(4, 10_001).id
    book = exchange.book
    assert book.view("top") == (wad(9_999), wad(10_001))
    assert book.view("level", wad(9_999)) == wad(3)
    assert book.view("level", wad(9_998)) == 0
    assert book.view("level_orders", wad(9_999)) == [first, second]
    assert book.view("depth", True, 64) == [(wad(9_999), wad(3)), (wad(9_990), wad(3))]
    assert book.view("depth", True, 1) == [(wad(9_999), wad(3))]
    assert book.view("depth", False, 64) == [(wad(10_001), wad(4))]
    assert book.view("orders_of", maker.account) == [first, third]
    assert book.view("orders_of", 999) == []
    assert book.view("order", ask) == (rival.account, False, wad(10_001), wad(4), False, 0)
    assert book.view("order", first).expiry == exchange.now + 60
    assert book.view("order", 12345) == (0, False, 0, 0, False, 0)


def test_the_top_of_the_block_before_is_that_with_which_this_block_began(exchange, maker, rival):
    exchange.quote(maker, 9_999, 10_001, 1)
    exchange.wait()
    began = exchange.book.view("top")
    for _ in range(2):
        exchange.quote(rival, 9_999.5, 10_000.5, 1)
        maker.cancel_all()
        assert exchange.book.view("block_start_top") == began
        rival.cancel_all()
        assert exchange.book.view("top") == (0, 0)
        assert exchange.book.view("block_start_top") == began
    exchange.wait()
    assert exchange.book.view("block_start_top") == (0, 0)


# the constructor


@pytest.mark.parametrize(
    "grid, reason",
    [
        ((0, 1, 1, 32), "book: tick size"),
        ((2**64, 1, 1, 32), "book: tick size"),
        ((1, 0, 1, 32), "book: lot or minimum size"),
        ((1, 2, 1, 32), "book: lot or minimum size"),
        ((1, 2, 3, 32), "book: lot or minimum size"),
        ((1, 1, 1, 0), "book: max orders"),
        ((1, 1, 1, 33), "book: max orders"),
    ],
)
def test_a_book_is_not_made_with_a_grid_that_cannot_work(exchange, grid, reason):
    with pytest.raises(Revert, match=reason):
        exchange.chain.deploy(
            COMPILER.load("OrderBook"),
            exchange.clearinghouse.address,
            exchange.liquidator.address,
            1,
            *grid,
            sender=exchange.owner.address,
        )


def test_only_the_liquidator_closes_positions(exchange, maker, taker):
    exchange.open(LONG, taker, maker, 1, 10_000)
    for caller in (maker, taker, exchange.owner):
        with pytest.raises(Revert, match="book: not the liquidator"):
            caller.send(exchange.book, "liquidate", taker.account, False, wad(1), wad(1), (0, 0, 0))
