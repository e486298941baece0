"""What a bankrupt position costs, and who bears it (SPECIFICATION 8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from reference.account import Account, Seen
from reference.arith import ceil_div, value_of
from reference.market import LONG, Market, side_of
from reference.policies import Candidate, Case, Policy, Row

#: what rounding may cost a counterparty (WAD)
ROUNDING = 4


class Price(NamedTuple):
    """What a bankrupt account receives for its whole position, and its worth at the mark (signed)."""

    quote: int
    worth: int

    @property
    def haircut(self) -> int:
        """What the other side bears against the mark."""
        return self.quote - self.worth


def price_of(seen: Seen) -> Price:
    """The price at which a bankrupt account's position closes: the other side bears the part of the deficit
    that this position's loss has in what all its positions have lost, never more than that loss."""
    worth = value_of(seen.size, seen.market.mark)
    loss = seen.entry - worth
    if loss <= 0:
        return Price(worth, worth)
    lost = loss + max(-seen.rest_equity, 0)
    return Price(worth + min(loss, ceil_div(-seen.equity * loss, lost)), worth)


def case_of(seen: Seen) -> Case:
    """A bankrupt account's deleveraging as it is due now."""
    haircut = price_of(seen).haircut
    market = seen.market
    return Case(market.number, seen.account.number, market.mark, abs(seen.size), haircut, seen.size < 0)


def candidate_of(case: Case, seen: Seen, charges: bool) -> Candidate:
    """A counterparty as it stands now."""
    size, worth = abs(seen.size), value_of(seen.size, seen.market.mark)
    equity, maintenance = seen.equity, seen.maintenance
    bearable = max(equity - ROUNDING, 0)
    cap = size if case.haircut == 0 else min(size, bearable * case.quantity // case.haircut)
    return Candidate(
        account=seen.account.number,
        size=size,
        notional=size * case.mark // 10**18,
        entry=abs(seen.entry),
        profit=worth - seen.entry,
        equity=equity,
        maintenance=maintenance,
        share=equity * seen.margins[1] // maintenance if maintenance else 0,
        collateral=seen.collateral,
        cap=bearable if charges else cap,
    )


def is_counterparty(case: Case, seen: Seen) -> bool:
    """Whether an account is on the other side."""
    return seen.size != 0 and (side_of(seen.size) == LONG) == case.is_long


def share_out(
    policy: Policy,
    amount: int,
    weights: int,
    rows: list[tuple[int, Row]],
    bear: Callable[[int, int], None],
) -> int:
    """Let the policy allot an amount to rows (account, row) in their order; `bear(account, part)` books each
    part. What is left."""
    for account, row in rows:
        part = policy.allot(amount, weights, row)
        weights -= row.weight
        amount -= part
        if part:
            bear(account, part)
    return amount


class Closing:
    """A bankrupt position on its way to the other side, part by part."""

    def __init__(self, seen: Seen, at_mark: bool = False) -> None:
        self.seen = seen
        self.sign = 1 if seen.size > 0 else -1
        #: size still to close, and what is still to be received for it (WAD)
        self.left = abs(seen.size)
        price = price_of(seen)
        self.quote_left = price.worth if at_mark else price.quote
        self.closed = self.received = 0

    def _part(self, quantity: int) -> int:
        """What the account receives for a part of what is left; the parts add up."""
        quote = self.quote_left * quantity // self.left
        self.quote_left -= quote
        self.left -= quantity
        self.closed += quantity
        self.received += quote
        return quote

    def against(self, other: Seen, quantity: int) -> None:
        """Close a part against one account."""
        other.trade(self.sign * quantity, self._part(quantity))
        other.store()
        self.seen.market.open_interest -= quantity

    def by_index(self) -> None:
        """Close what is left against the whole other side by size."""
        quantity = self.left
        if quantity:
            quote = self._part(quantity)
            market = self.seen.market
            market.close_pro_rata(1 - side_of(self.sign), quantity, -quote, self.seen.now)
            market.open_interest -= quantity

    def done(self) -> None:
        """Book all that was closed for the account, at once."""
        self.seen.trade(-self.sign * self.closed, -self.received)
        self.seen.store()
        self.seen.market.renew_if_empty(self.seen.now)


def charge_winners(market: Market, winners: int, amount: int, now: int) -> int:
    """Charge a side by size up to its notional; what it bore."""
    borne = min(amount, value_of(market.open_interest, market.mark))
    if borne:
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
