"""What a liquidation closes, at what cost, and what its keeper earns (SPECIFICATION 7)."""

from __future__ import annotations

from dataclasses import dataclass

from reference.account import Seen
from reference.arith import WAD, ceil_div, cost_of, notional_of, toward_zero, value_of
from reference.book import Order
from reference.market import Market
from reference.matching import Answer, Fill, change_interest, maker_size, opens, take
from reference.terms import LiquidationTerms

#: what a budget keeps back for rounding (WAD)
COVER_SLACK = 4


def closable(seen: Seen, min_size: int) -> int:
    """Size (WAD) that brings the equity back to (1 + buffer) of the maintenance margin, or everything."""
    market, size = seen.market, abs(seen.size)
    equity, maintenance = seen.equity, seen.maintenance
    terms = market.liquidation
    notional = notional_of(size, market.mark)
    rate = market.schedule.tier(notional).maintenance_rate
    freed = (WAD + terms.buffer) * rate // WAD - terms.penalty_rate
    if (
        equity <= 0
        or equity * WAD < terms.full_threshold * maintenance
        or value_of(size, market.mark) < terms.full_below
        or freed <= 0
    ):
        return size
    per_unit = market.mark * freed // WAD
    if per_unit == 0:
        return size
    missing = (WAD + terms.buffer) * maintenance // WAD - equity
    part = max(ceil_div(missing * WAD, per_unit), min_size)
    return size if part + min_size > size else part


def reward_of(terms: LiquidationTerms, notional: int, closed: int, target: int) -> int:
    """Keeper's reward (WAD): the lower bound only for who finished the job, the upper one in proportion to
    what was done of it. Where winners are charged instead (target 0) there is no lower one."""
    least, most = 0, terms.reward_max
    if closed < target:
        most = most * closed // target
    elif target:
        least = terms.reward_min
    reward = min(max(notional * terms.reward_rate // WAD, least), most)
    return min(reward, notional * terms.penalty_rate // WAD)


@dataclass
class WalkTerms:
    """Terms of a walk: penalty and share of the surplus (WAD rates), what the vault can pay (WAD)."""

    penalty_rate: int
    surplus_share: int
    budget: int


def close(seen: Seen, maker: Seen, order: Order, size: int, terms: WalkTerms) -> Fill:
    """Close up to `size` of a liquidated account's position against a resting order."""
    market, price = seen.market, order.price
    signed = maker_size(maker, order, size)
    if signed == 0 or (maker.rest_stale and opens(maker.size, maker.size + signed)):
        return Fill(Answer.MAKER_FAILED)
    if seen.size == 0:
        # a new epoch has taken the last wei of the position in the middle of the walk
        return Fill(Answer.MORE)
    sizes = (seen.size, maker.size)
    done, exhausted = Answer.FILLED, abs(signed) < size
    surplus = surplus_of(seen, -signed, price)
    if -surplus > terms.budget:
        # cut to what the budget makes whole; its last wei are for the rounding of the smaller fill
        done = Answer.NEEDS_COVER
        signed = toward_zero(signed * max(terms.budget - COVER_SLACK, 0), -surplus)
        if signed == 0:
            return Fill(done)
        surplus = surplus_of(seen, -signed, price)
    seen.trade(-signed, cost_of(-signed, price))
    penalty, cover = 0, max(-surplus, 0)
    if surplus > 0:
        penalty = min(ceil_div(notional_of(signed, price) * terms.penalty_rate, WAD), surplus)
        penalty += (surplus - penalty) * terms.surplus_share // WAD
    seen.pay(penalty - cover)
    # no taker's fee pays for a rebate here
    allowed, maker_fee = take(maker, signed, price, max(market.terms.maker_fee, 0))
    if not allowed:
        return Fill(Answer.MAKER_FAILED)
    if not change_interest(market, (sizes[0], seen.size), (sizes[1], maker.size)):
        return Fill(Answer.INTEREST_CAP)
    seen.store()
    maker.store()
    market.take_fees(maker_fee)
    market.renew_if_empty(seen.now)
    return Fill(done, abs(signed), penalty, cover, exhausted)


def surplus_of(seen: Seen, size: int, price: int) -> int:
    """By how much buying `size` (signed, closing) at a price is better than the bankruptcy price (WAD)."""
    after = seen.copy()
    after.trade(size, cost_of(size, price))
    share = ceil_div(seen.share * abs(size), abs(seen.size))
    return share - (seen.equity - after.equity)


def worst_price(market: Market, is_buy: bool, slippage: int) -> int:
    """Worst price (WAD) for a closing trade, so far from the mark."""
    return limit_from(market.mark, is_buy, slippage)


def limit_from(price: int, is_buy: bool, slippage: int) -> int:
    """A price so much worse than another for who buys or sells; the nearer wei."""
    distance = price * slippage // WAD
    return price + distance if is_buy else price - distance
