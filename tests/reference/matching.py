"""What one fill does, and who may have it (SPECIFICATION 5 and 7)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from reference.account import Seen
from reference.arith import cost_of, notional_of
from reference.book import Order
from reference.market import A_FLOOR, Market, side_of


class Answer(IntEnum):
    """Why a fill may not happen; all but the first two end the walk."""

    FILLED = 0
    MAKER_FAILED = 1
    MARGIN = 2
    STALE = 3
    CLOSE_ONLY = 4
    INTEREST_CAP = 5
    NEEDS_COVER = 6
    #: not an answer to a fill: the count of orders ended the walk
    MORE = 7


REASONS = {
    Answer.MARGIN: "order: margin",
    Answer.STALE: "order: stale index",
    Answer.CLOSE_ONLY: "order: market is close-only",
    Answer.INTEREST_CAP: "order: open-interest cap",
}


def opens(before: int, after: int) -> bool:
    """Whether a change of size opens risk: a larger position, or one on the other side."""
    return abs(after) > abs(before) or before * after < 0


def take(seen: Seen, size: int, price: int, fee_rate: int) -> tuple[bool, int]:
    """A voluntary fill of a signed size, carried out on the view; whether it is allowed, and its fee."""
    market, before = seen.market, seen.copy()
    fee = market.fee(notional_of(size, price), fee_rate)
    seen.trade(size, cost_of(size, price))
    seen.pay(fee)
    if opens(before.size, seen.size):
        open_side = market.sides[side_of(seen.size)].a >= A_FLOOR
        return open_side and seen.equity >= seen.initial, fee
    share = before.share * abs(size) // abs(before.size)
    if before.equity - seen.equity > share:
        return False, fee
    if before.equity >= before.initial and seen.equity >= seen.initial:
        return True, fee
    excess = before.equity - before.maintenance
    falls = excess >= 0 and seen.equity < seen.maintenance
    return seen.equity + max(fee, 0) - seen.maintenance >= excess and not falls, fee


def maker_size(seen: Seen, order: Order, size: int) -> int:
    """What the maker trades of a size (signed, + buys); 0 if it may only reduce and there is nothing to."""
    signed = size if order.is_buy else -size
    if order.reduce_only:
        if seen.size * signed >= 0:
            return 0
        return max(-abs(seen.size), min(signed, abs(seen.size)))
    return signed


def change_interest(market: Market, *changes: tuple[int, int]) -> bool:
    """Book what fills did to open interest, (size before, after) each; False if it grows past the cap."""
    longs = sum(max(after, 0) - max(before, 0) for before, after in changes)
    if longs > 0 and market.open_interest + longs > market.cap:
        return False
    market.open_interest += longs
    return True


@dataclass
class Fill:
    """What came of an attempt: the answer and, if it was filled, how much (WAD)."""

    answer: Answer
    size: int = 0
    penalty: int = 0
    cover: int = 0
    #: whether the resting order may only reduce, and this took the last of its owner's position
    exhausted: bool = False


def settle(taker: Seen, maker: Seen, order: Order, size: int, reduce_only: bool) -> Fill:
    """A voluntary fill of up to `size` against a resting order."""
    market, price = taker.market, order.price
    signed = maker_size(maker, order, size)
    if signed == 0:
        return Fill(Answer.MAKER_FAILED)
    sizes = (taker.size, maker.size)
    taker_opens, maker_opens = opens(taker.size, taker.size - signed), opens(maker.size, maker.size + signed)
    # a reduce-only taker opens if a new epoch has taken its last wei in the middle of the walk
    if taker_opens and (market.close_only or reduce_only):
        return Fill(Answer.CLOSE_ONLY)
    if market.open_list or ((taker_opens or maker_opens) and market.is_stale(taker.now)):
        return Fill(Answer.STALE)
    if maker_opens and maker.rest_stale:
        return Fill(Answer.MAKER_FAILED)
    if taker_opens and taker.rest_stale:
        return Fill(Answer.STALE)
    allowed, taker_fee = take(taker, -signed, price, market.terms.taker_fee)
    if not allowed:
        return Fill(Answer.MARGIN)
    allowed, maker_fee = take(maker, signed, price, market.terms.maker_fee)
    if not allowed:
        return Fill(Answer.MAKER_FAILED)
    if not change_interest(market, (sizes[0], taker.size), (sizes[1], maker.size)):
        return Fill(Answer.INTEREST_CAP)
    taker.store()
    maker.store()
    market.take_fees(taker_fee + maker_fee)
    market.renew_if_empty(taker.now)
    return Fill(Answer.FILLED, abs(signed), exhausted=abs(signed) < size)
