"""What a keeper bids for a place in a block, and what that costs it. Pure functions of plain data.

Fees are in wei per gas, gas in gas units, rewards and costs in quote units.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from perpsim.scenarios import BaseFeeBid, EscalatingBid, Fee, FixedBid, RewardBid

GWEI = 10**9
#: wei in one native coin
COIN = 10**18
#: what mempools ask of a replacement: so many percent more, of tip and of maximum fee both
BUMP = 10


@dataclass(frozen=True)
class Bid:
    """`tip` goes to the builder, `max_fee` is the most that is paid in all (None: whatever it takes)."""

    tip: int
    max_fee: int | None

    def price(self, base_fee: int) -> int:
        """What is paid in a block with this base fee; more than `max_fee` where the bid has to wait."""
        tip = self.tip if self.max_fee is None else max(min(self.tip, self.max_fee - base_fee), 0)
        return base_fee + tip


@dataclass(frozen=True)
class Toll:
    """What gas costs now. `base_fee` is that of the block to come, `coin_price` what the coin that pays for
    gas is worth (quote units, 0 where gas is free)."""

    base_fee: int = 0
    coin_price: float = 0.0

    def cost(self, gas: float, price: int) -> float:
        """So much gas at a price, in quote units."""
        return gas * price / COIN * self.coin_price

    def bears(self, reward: float, gas: float) -> float:
        """The price at which gas takes all of a reward."""
        return reward * COIN / (gas * self.coin_price) if self.coin_price > 0 else math.inf


FREE = Toll()


def first_bid(fee: Fee | None, toll: Toll, reward: float, gas: float) -> Bid | None:
    """The bid of a new transaction that promises a reward for so much gas; None where it bears none.

    Without a `fee` there is no limit, and what is usual in the network comes on top.
    """
    match fee:
        case None:
            return Bid(0, None)
        case FixedBid():
            price = round(fee.gas_price * GWEI)
            return Bid(price, price)
        case BaseFeeBid():
            if not toll.base_fee:
                return Bid(0, None)
            return Bid(*_over(toll.base_fee, fee.multiple, fee.tip))
        case RewardBid():
            if toll.coin_price <= 0:
                return Bid(0, None)
            price = int(fee.share * toll.bears(reward, gas))
            return Bid(price - toll.base_fee, price) if price >= toll.base_fee else None
        case EscalatingBid():
            limit = _limit(fee, toll, reward, gas)
            if limit < toll.base_fee:
                return None
            tip, most = _over(toll.base_fee, fee.multiple, fee.tip)
            return Bid(min(tip, limit), min(most, limit))


def urgent_bid(fee: Fee | None, toll: Toll, reward: float, gas: float) -> Bid | None:
    """The bid of what cannot wait: whoever else would raise it step by step offers all at once."""
    if not isinstance(fee, EscalatingBid):
        return first_bid(fee, toll, reward, gas)
    limit = _limit(fee, toll, reward, gas)
    return Bid(limit, limit) if limit >= toll.base_fee else None


def raised_bid(bid: Bid, fee: EscalatingBid, toll: Toll, reward: float, gas: float) -> Bid | None:
    """A bid that may replace one that has waited; None where that would be more than it is worth."""
    if bid.max_fee is None:
        return None
    limit = _limit(fee, toll, reward, gas)
    tip, most = _over(toll.base_fee, fee.multiple, fee.tip)
    most = min(max(_up(bid.max_fee, fee.step), most), limit)
    if most < least_replacement(bid.max_fee):
        return None
    return Bid(min(max(_up(bid.tip, fee.step), tip), most), most)


def cancelling_bid(bid: Bid, fee: EscalatingBid, toll: Toll) -> Bid | None:
    """A bid for an empty transfer in the place of what has waited for nothing; None where it would be more
    than twice the ceiling, which is for calls of many times its gas."""
    if bid.max_fee is None:
        return None
    least, most = least_replacement(bid.max_fee), 2 * int(fee.ceiling * GWEI)
    if least > most:
        return None
    tip, usual = _over(toll.base_fee, fee.multiple, fee.tip)
    most = min(max(least, usual), most)
    return Bid(min(max(least_replacement(bid.tip), tip), most), most)


def ahead(bid: Bid) -> Bid:
    """The same, but to be ahead of everybody: all of it may go to the builder, and something always does."""
    if bid.max_fee is None:
        return Bid(max(bid.tip, 1), None)
    most = max(bid.max_fee, 1)
    return Bid(most, most)


def least_replacement(price: int) -> int:
    """The least that mempools take in the place of a price."""
    return max(-(-price * (100 + BUMP) // 100), price + 1)


def _over(base_fee: int, multiple: float, tip: float) -> tuple[int, int]:
    """Tip and maximum fee: up to a multiple of the base fee, with a tip that is a part of it."""
    most = math.ceil(base_fee * multiple)
    return min(math.ceil(base_fee * tip), most), most


def _limit(fee: EscalatingBid, toll: Toll, reward: float, gas: float) -> int:
    return int(min(fee.ceiling * GWEI, fee.share * toll.bears(reward, gas)))


def _up(price: int, step: float) -> int:
    return max(math.ceil(price * (1 + step)), least_replacement(price))
