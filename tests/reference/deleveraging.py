"""Deleveraging by index, and what is left of an account without positions (SPECIFICATION 7.5 and 8)."""

from __future__ import annotations

from dataclasses import dataclass

from reference.account import Account, Seen
from reference.arith import ceil_div, value_of
from reference.market import LONG, Market, Position, side_of

OLD_RULE = True


def bankruptcy_quote(seen: Seen) -> int:
    """What a bankrupt account gets for its whole position (WAD, signed): its worth at the mark, and on top
    the part of the deficit that this position's loss has in what all its positions have lost, never more
    than that loss."""
    worth = value_of(seen.size, seen.market.mark)
    if OLD_RULE:
        return min(worth - seen.share, max(worth, seen.entry))
    loss = max(seen.entry - worth, 0)
    if loss == 0:
        return worth
    equity = seen.equity
    elsewhere = max(-seen.rest_equity, 0)
    return worth + min(loss, ceil_div(-equity * loss, loss + elsewhere))


def by_index(seen: Seen) -> tuple[int, int]:
    """Close the whole position against the other side by size; size (WAD) and the quote received for it."""
    market, now = seen.market, seen.now
    side, quantity = side_of(seen.size), abs(seen.size)
    quote = bankruptcy_quote(seen)
    size = seen.size
    seen.trade(-size, -quote)
    seen.store()
    market.close_pro_rata(1 - side, quantity, -quote, now)
    market.open_interest -= quantity
    market.renew_if_empty(now)
    return quantity, quote


@dataclass
class Residual:
    """Who bore the debt of an account without positions, WAD."""

    deficit: int
    covered: int
    socialised: int
    treasury: int
    unpaid: int


def charge_winners(market: Market, winners: int, amount: int, now: int) -> int:
    """Charge a side by size up to its notional; what it bore."""
    if not market.open_interest:
        return 0
    borne = min(amount, value_of(market.open_interest, market.mark))
    market.spread(winners, -borne, now)
    return borne


def from_treasury(market: Market, amount: int) -> int:
    """Take up to an amount out of the treasury's fees."""
    taken = min(amount, market.fees_treasury)
    market.fees_treasury -= taken
    return taken


def is_flat(account: Account, markets: list[Market], now: int) -> tuple[bool, int]:
    """Whether every position settles to nothing, and the collateral then."""
    collateral = account.collateral
    for number, position in account.positions.items():
        settled = markets[number].settled(position, now)
        if settled.size:
            return False, 0
        collateral += settled.gain - settled.entry
    return True, collateral


def winning_side(position: Position) -> int:
    """The side opposite a position."""
    return 1 - position.side if position else LONG
